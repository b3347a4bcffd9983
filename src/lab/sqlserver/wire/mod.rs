//! TDS 7.4 on the wire: a server that any client of SQL Server can talk to.
//!
//! From the socket inwards: `connection` (PRELOGIN, TLS, LOGIN7), `packet`, `handshake`, `tls`,
//! `prelogin`, `login`; then a thread a session: `worker`, `request` (`calls`, `transactions`,
//! `parameters`), `runner`; and back outwards `reply`, `tokens`, `type_info`, `values`, `down_level`, `output`.
//! [`faults`] is how a test cuts connections. Facts: MS-TDS, the published protocol.

mod bytes;
mod calls;
mod code_page;
mod connection;
mod declarations;
mod down_level;
pub mod faults;
mod handshake;
mod login;
mod output;
mod packet;
mod parameters;
mod prelogin;
mod reply;
mod request;
#[cfg(test)]
mod round_trip;
mod runner;
pub mod tls;
mod tokens;
mod transactions;
mod type_info;
mod values;
mod variant;
mod worker;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::session::Sessions;
use faults::ConnectionFaults;
pub use prelogin::PRODUCT_VERSION;

/// How a server serves.
#[derive(Clone, Default)]
pub struct Options {
    /// The port of 127.0.0.1; zero lets the system choose.
    pub port: u16,
    /// Without it no connection can be encrypted.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Refuse clients that cannot encrypt.
    pub require_encryption: bool,
    pub faults: Arc<ConnectionFaults>,
}

struct Shared {
    sessions: Arc<dyn Sessions>,
    tls: Option<Arc<rustls::ServerConfig>>,
    require_encryption: bool,
    faults: Arc<ConnectionFaults>,
    /// Held by every thread and task: the server has stopped when all are dropped.
    _alive: mpsc::Sender<()>,
}

/// A running server. Dropping it closes the listener and every connection.
pub struct Server {
    address: SocketAddr,
    faults: Arc<ConnectionFaults>,
    stop: CancellationToken,
    all_ended: mpsc::Receiver<()>,
}

impl Server {
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    #[must_use]
    pub fn faults(&self) -> &Arc<ConnectionFaults> {
        &self.faults
    }

    /// Closes everything and waits until every session has ended.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // Nothing is ever sent: this waits for the last holder of the other end.
        self.all_ended.recv().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts a server on 127.0.0.1.
pub async fn serve(sessions: Arc<dyn Sessions>, options: Options) -> io::Result<Server> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let address = listener.local_addr()?;
    let (alive, all_ended) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let faults = Arc::clone(&options.faults);
    let shared = Arc::new(Shared {
        sessions,
        tls: options.tls,
        require_encryption: options.require_encryption,
        faults: options.faults,
        _alive: alive,
    });
    tokio::spawn(accept(listener, shared, stop.clone()));
    Ok(Server { address, faults, stop, all_ended })
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the lab's sql server could not accept a connection");
                // Out of file handles, most likely: some must be closed before the next try.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        if shared.faults.refuses() {
            continue;
        }
        let (shared, kill) = (Arc::clone(&shared), stop.child_token());
        tokio::spawn(async move {
            let stopped = kill.clone();
            let served = tokio::select! {
                served = connection::serve(shared, tcp, kill) => served,
                () = stopped.cancelled() => Ok(()),
            };
            if let Err(error) = served {
                tracing::debug!(%peer, %error, "a connection to the lab's sql server ended");
            }
        });
    }
}
