//! A stand-in for SQL Server: TDS in front, SQLite behind.
//!
//! - `wire/`: TDS 7.4 packets, TLS, login, requests and tokens
//! - `engine/`: T-SQL over SQLite: translation, storage, catalogue
//! - `cdc/`: the log, the capture job, clean-up, procedures and functions
//!
//! [`types`] and [`session`] are what these three share; [`start`] joins them.

pub mod cdc;
pub mod engine;
pub mod session;
pub mod types;
pub mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What to start.
#[derive(Clone, Default)]
pub struct SqlServerOptions {
    /// The name of the one user database; `master` is there besides.
    pub database: String,
    pub user: String,
    pub password: String,
    /// Offer encryption, with a certificate made for this start.
    pub tls: bool,
    /// Refuse clients that cannot encrypt.
    pub require_encryption: bool,
    /// Where the database files stand; `None`: a folder that goes with the server.
    pub dir: Option<PathBuf>,
    /// The port of 127.0.0.1; zero lets the system choose.
    pub port: u16,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the lab's sql server could not use its folder or port: {0}")]
    Io(#[from] std::io::Error),
    #[error("the lab's sql server could not open its storage: {0}")]
    Storage(#[from] rusqlite::Error),
    #[error(transparent)]
    Cdc(#[from] cdc::CdcError),
    #[error(transparent)]
    Identity(#[from] wire::tls::IdentityError),
}

/// A running server. Dropping it closes the port and every connection.
pub struct SqlServer {
    /// The certificate that a client takes as its authority; `None` without TLS.
    pub certificate_pem: Option<String>,
    /// The user database, as it was named.
    pub database: String,
    /// The hand on change data capture: nothing is captured until it says so.
    pub cdc: Arc<cdc::Cdc>,
    /// Databases, clock, in-process sessions.
    pub engine: Arc<engine::server::Server>,
    pub sessions: Arc<engine::session::EngineSessions>,
    wire: wire::Server,
    /// Last, so that the files go after everything that has them open.
    _dir: Option<tempfile::TempDir>,
}

impl SqlServer {
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.wire.address()
    }

    /// Connections cut, delayed or answered wrongly on request.
    #[must_use]
    pub fn faults(&self) -> &Arc<wire::faults::ConnectionFaults> {
        self.wire.faults()
    }

    /// Captures everything that is committed in the user database.
    pub fn capture_now(&self) -> Result<cdc::Scan, cdc::CdcError> {
        self.cdc.capture_now(&self.database)
    }

    /// Closes everything and waits until every session has ended.
    pub async fn stop(self) {
        self.wire.stop().await;
    }
}

/// Starts a server on 127.0.0.1 with one user database.
pub async fn start(options: SqlServerOptions) -> Result<SqlServer, StartError> {
    let (dir, path) = if let Some(path) = options.dir {
        std::fs::create_dir_all(&path)?;
        (None, path)
    } else {
        let dir = tempfile::Builder::new().prefix("lab-sqlserver-").tempdir()?;
        let path = dir.path().to_owned();
        (Some(dir), path)
    };
    let users = vec![engine::server::User { name: options.user, password: options.password }];
    let engine = Arc::new(engine::server::Server::open(&path, &[options.database.as_str()], users)?);
    let cdc = cdc::Cdc::attach(&engine)?;
    let sessions = Arc::new(engine::session::EngineSessions::new(Arc::clone(&engine), options.tls));
    let identity = options.tls.then(wire::tls::self_signed).transpose()?;
    let (tls, certificate_pem) = identity.map(|i| (i.config, i.certificate_pem)).unzip();
    let wire_options =
        wire::Options { port: options.port, tls, require_encryption: options.require_encryption, ..wire::Options::default() };
    let serving = Arc::clone(&sessions) as Arc<dyn session::Sessions>;
    let wire = wire::serve(serving, wire_options).await?;
    Ok(SqlServer { certificate_pem, database: options.database, cdc, engine, sessions, wire, _dir: dir })
}
