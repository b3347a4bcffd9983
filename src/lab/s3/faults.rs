//! Misbehaviour on request.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What happens to a request that a [`Rule`] meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// 503 `SlowDown`; not executed.
    SlowDown,
    /// 500 `InternalError`; not executed.
    InternalError,
    /// 403 `AccessDenied`; not executed.
    AccessDenied,
    /// 409 `ConditionalRequestConflict`; not executed.
    Conflict,
    /// Refused with this error code of the S3 API and this message; not executed.
    Refuse(&'static str, &'static str),
    /// The connection is cut before the request is executed.
    LoseRequest,
    /// Executed after this time.
    Delay(Duration),
    /// Executed when [`FaultHandle::release`] is called, even if the client has gone away by then.
    Hold,
    /// Executed, but the connection is cut instead of an answer.
    LoseReply,
}

/// Which requests meet an effect. A new rule meets the next request, whatever it is.
#[derive(Clone, Debug)]
pub struct Rule {
    effect: Effect,
    operation: Option<String>,
    key: String,
    skip: u32,
    times: u32,
}

impl Rule {
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Self { effect, operation: None, key: String::new(), skip: 0, times: 1 }
    }

    /// Only this operation, by its name in the S3 API, as `PutObject`.
    #[must_use]
    pub fn operation(mut self, name: &str) -> Self {
        self.operation = Some(name.to_owned());
        self
    }

    /// Only where the key (of a listing: the prefix) contains this text.
    #[must_use]
    pub fn key(mut self, part: &str) -> Self {
        part.clone_into(&mut self.key);
        self
    }

    /// Lets this many matching requests through first.
    #[must_use]
    pub fn skip(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// Ends after this many requests; 1 unless told.
    #[must_use]
    pub fn times(mut self, requests: u32) -> Self {
        self.times = requests;
        self
    }
}

pub(super) struct Active {
    rule: Rule,
    /// Requests that matched, the skipped ones included.
    seen: AtomicU32,
    hits: watch::Sender<u32>,
    released: watch::Sender<bool>,
}

impl Active {
    /// Counts a matching request; true when the effect meets it.
    fn take(&self) -> bool {
        let met = self.seen.fetch_add(1, Ordering::Relaxed) >= self.rule.skip;
        if met {
            self.hits.send_modify(|hits| *hits += 1);
        }
        met
    }

    fn is_over(&self) -> bool {
        *self.hits.borrow() >= self.rule.times
    }

    pub fn effect(&self) -> Effect {
        self.rule.effect
    }

    pub async fn wait_released(&self) {
        let _ = self.released.subscribe().wait_for(|released| *released).await;
    }
}

/// A rule at work.
#[derive(Clone)]
pub struct FaultHandle(Arc<Active>);

impl FaultHandle {
    /// Requests that the effect has met.
    #[must_use]
    pub fn hits(&self) -> u32 {
        *self.0.hits.borrow()
    }

    /// Waits until the effect has met this many requests.
    pub async fn wait_hits(&self, least: u32) {
        let _ = self.0.hits.subscribe().wait_for(|hits| *hits >= least).await;
    }

    /// Lets the requests go that [`Effect::Hold`] holds, and those still to come.
    pub fn release(&self) {
        self.0.released.send_replace(true);
    }
}

/// The rules at work; the first that matches a request meets it.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Arc<Active>>>>);

impl Faults {
    pub fn add(&self, rule: Rule) -> FaultHandle {
        let active = Arc::new(Active { rule, seen: AtomicU32::new(0), hits: watch::Sender::new(0), released: watch::Sender::new(false) });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&active));
        FaultHandle(active)
    }

    /// Ends all rules and lets go what is held.
    pub fn clear(&self) {
        for active in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            active.released.send_replace(true);
        }
    }

    /// The rule that meets a request about `keys`, counted as met.
    pub(super) fn meet(&self, operation: &str, keys: &[&str]) -> Option<Arc<Active>> {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let matches =
            |rule: &Rule| rule.operation.as_ref().is_none_or(|name| name == operation) && keys.iter().any(|key| key.contains(&rule.key));
        let met = rules.iter().filter(|active| matches(&active.rule)).find(|active| active.take()).cloned()?;
        rules.retain(|active| !active.is_over());
        Some(met)
    }
}
