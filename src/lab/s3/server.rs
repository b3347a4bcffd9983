//! The socket: accepts connections, answers requests, stops when the server is dropped.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::dto::Checksum;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{HttpError, HttpResponse};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::digest;
use super::faults::Faults;
use super::gate::{Gate, ReplyCut};
use super::login::{Logins, TemporaryKeys};
use super::requests::Requests;
use super::storage::{Bucket, Headers, Object, Storage};

#[derive(Clone)]
pub struct S3Options {
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
    /// Port on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
}

impl Default for S3Options {
    fn default() -> Self {
        Self { access_key: "AKIALAB".to_owned(), secret_key: "lab-secret-key".to_owned(), region: "us-east-1".to_owned(), port: 0 }
    }
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access_key, region, port, .. } = self;
        f.debug_struct("S3Options").field("access_key", access_key).field("region", region).field("port", port).finish_non_exhaustive()
    }
}

/// A running store. It stops when it is dropped: requests at work are finished, new connections
/// are refused.
pub struct S3Server {
    options: S3Options,
    address: SocketAddr,
    storage: Storage,
    requests: Requests,
    faults: Faults,
    logins: Logins,
    stop: CancellationToken,
}

/// Starts a store on loopback. Must be called inside a tokio runtime.
pub async fn start(options: S3Options) -> io::Result<S3Server> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let address = listener.local_addr()?;
    let (storage, requests, faults, stop) =
        (Storage::new(&options.region), Requests::default(), Faults::default(), CancellationToken::new());
    let logins = Logins::new(&options.access_key, &options.secret_key);
    let gate = Gate { region: Arc::clone(&storage.region), logins: logins.clone(), requests: requests.clone(), faults: faults.clone() };
    let mut builder = S3ServiceBuilder::new(storage.clone());
    builder.set_auth(logins.clone());
    builder.set_access(gate);
    tokio::spawn(accept(listener, builder.build(), stop.clone()));
    Ok(S3Server { options, address, storage, requests, faults, logins, stop })
}

async fn accept(listener: TcpListener, service: S3Service, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            // Accept fails for one connection only (reset before we took it, no descriptor left).
            Ok((stream, _)) = listener.accept() => {
                tokio::spawn(serve(stream, service.clone(), stop.clone()));
            }
        }
    }
}

async fn serve(stream: TcpStream, service: S3Service, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let builder = auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service_fn(|request| answer(service.clone(), request)));
    tokio::pin!(connection);
    // An error here is the end of this one connection, and the client sees it.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Runs a request in a task of its own: once it is received it is executed, even if the client
/// has hung up meanwhile, as it would be on AWS.
async fn answer(service: S3Service, mut request: http::Request<Incoming>) -> Result<HttpResponse, HttpError> {
    let cut = ReplyCut::default();
    request.extensions_mut().insert(cut.clone());
    let task = tokio::spawn(async move { service.call(request.map(s3s::Body::from)).await });
    let response = task.await.map_err(|error| HttpError::new(Box::new(error)))?;
    // An error from the service makes hyper drop the connection without an answer.
    if cut.is_set() { Err(HttpError::new("the lab cuts this reply".into())) } else { response }
}

impl S3Server {
    /// `http://127.0.0.1:port`
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn options(&self) -> &S3Options {
        &self.options
    }

    /// Keys that are good for so long, with their session token.
    #[must_use]
    pub fn temporary_keys(&self, life: std::time::Duration) -> TemporaryKeys {
        self.logins.issue(life)
    }

    /// Keys that a test has chosen, good for so long.
    pub fn admit_temporary_keys(&self, keys: TemporaryKeys, life: std::time::Duration) {
        self.logins.admit(keys, life);
    }

    /// From now on all temporary keys are past their end.
    pub fn expire_temporary_keys(&self) {
        self.logins.expire();
    }

    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Creates a bucket from inside; one that exists stays as it is.
    pub fn create_bucket(&self, name: &str) {
        self.storage.lock().buckets.entry(name.to_owned()).or_insert_with(Bucket::new);
    }

    /// The keys of a bucket that begin with `prefix`, ascending; none without the bucket.
    #[must_use]
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let mut state = self.storage.lock();
        let Ok(bucket) = state.bucket(bucket) else { return Vec::new() };
        bucket.objects.keys().filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// An object's bytes, read from inside.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let mut state = self.storage.lock();
        state.bucket(bucket).ok()?.object(key).ok().map(|object| object.data.clone())
    }

    /// Writes an object from inside, as somebody else's hand would: for tests that spoil a file.
    /// False without the bucket.
    pub fn overwrite(&self, bucket: &str, key: &str, data: Bytes) -> bool {
        let etag = digest::hex(&digest::md5(&data));
        let object = Object { data, etag, modified: SystemTime::now(), headers: Headers::default(), checksum: Checksum::default() };
        let mut state = self.storage.lock();
        let Ok(bucket) = state.bucket(bucket) else { return false };
        bucket.objects.insert(key.to_owned(), Arc::new(object));
        true
    }

    /// Removes an object from inside; a key that is not there counts as removed.
    pub fn remove(&self, bucket: &str, key: &str) {
        if let Some(bucket) = self.storage.lock().buckets.get_mut(bucket) {
            bucket.objects.remove(key);
        }
    }

    /// Multipart uploads that were neither completed nor aborted.
    #[must_use]
    pub fn open_uploads(&self, bucket: &str) -> usize {
        self.storage.lock().bucket(bucket).map_or(0, |bucket| bucket.uploads.len())
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.faults.clear();
        self.stop.cancel();
    }
}
