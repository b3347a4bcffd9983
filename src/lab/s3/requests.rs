//! What was asked of the store: for tests that count, and that wait for a request to arrive.

use std::sync::Arc;

use tokio::sync::watch;

/// One request that passed the signature check. A DeleteObjects is noted once per key; a listing
/// with its prefix as key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The name in the S3 API, as `PutObject`.
    pub operation: String,
    pub bucket: String,
    pub key: String,
}

/// The log of requests, in the order of their arrival.
#[derive(Clone)]
pub struct Requests(Arc<watch::Sender<Vec<Request>>>);

impl Default for Requests {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }
}

impl Requests {
    pub(super) fn note(&self, request: Request) {
        self.0.send_modify(|all| all.push(request));
    }

    #[must_use]
    pub fn all(&self) -> Vec<Request> {
        self.0.borrow().clone()
    }

    /// Requests of `operation` whose key contains `key`.
    #[must_use]
    pub fn count(&self, operation: &str, key: &str) -> usize {
        count(&self.0.borrow(), operation, key)
    }

    /// Waits until `count` such requests have arrived.
    pub async fn wait_for(&self, operation: &str, key: &str, least: usize) {
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = self.0.subscribe().wait_for(|all| count(all, operation, key) >= least).await;
    }

    pub fn clear(&self) {
        self.0.send_modify(Vec::clear);
    }
}

fn count(all: &[Request], operation: &str, key: &str) -> usize {
    all.iter().filter(|request| request.operation == operation && request.key.contains(key)).count()
}
