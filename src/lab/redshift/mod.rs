//! A stand-in for Amazon Redshift: a proxy that speaks Redshift before a private PostgreSQL.
//!
//! [`start`] brings both up; [`Redshift`] holds them and the fault hook, and ends them when it is
//! dropped. Any client of PostgreSQL's protocol may connect.
//!
//! - `postgres/`: the private server: found, prepared once, copied for each start
//! - `wire/`: messages, start-up, TLS, password
//! - `sql/`: Redshift's SQL read as tokens: refused, rewritten, or served
//! - `copy/`: COPY from S3
//! - `session.rs`: one client's session; `statement.rs`: one statement of it;
//!   `relay.rs`: the server's answers in Redshift's words
//!
//! What differs from Redshift, knowingly: trailing blanks count when VARCHAR is compared; a
//! SELECT without a table takes the transaction's snapshot; writers conflict by row, not by table;
//! data of one transaction is never spread over slices. MERGE, UNLOAD, stored procedures, late
//! binding views and COPY in formats other than CSV are refused by name.

mod backend;
mod connection;
mod copy;
mod error;
mod faults;
mod postgres;
mod relay;
mod session;
mod sql;
mod statement;
mod wire;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use self::copy::source::{Object, ObjectBody, ObjectSource};
pub use self::error::StartError;
pub use self::faults::{Action, Faults, Planted};

use self::error::While;
use self::postgres::Postmaster;
use self::sql::names::LongNames;
use self::sql::rewrite::quote as literal;

/// Where COPY finds S3, and the keys that stand for an IAM role.
#[derive(Clone)]
pub struct S3Access {
    /// As in `http://127.0.0.1:9000`.
    pub endpoint: String,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
}

pub struct RedshiftOptions {
    pub s3: S3Access,
    /// Reads files from here instead of S3.
    pub source: Option<Arc<dyn ObjectSource>>,
    pub database: String,
    pub user: String,
    pub password: String,
    /// Encryption is offered; never required.
    pub tls: bool,
}

/// A session that is connected now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionInfo {
    /// As `pg_backend_pid()` says.
    pub pid: i32,
    pub user: String,
    /// The last text it sent; without what follows CREDENTIALS and its like.
    pub last_statement: String,
}

struct Known {
    info: SessionInfo,
    killed: CancellationToken,
}

/// What all sessions share.
struct Shared {
    socket: PathBuf,
    /// A superuser's connection, for what must outlive a session's transaction.
    admin: tokio_postgres::Client,
    s3: S3Access,
    source: Option<Arc<dyn ObjectSource>>,
    tls: Option<(TlsAcceptor, String)>,
    faults: Faults,
    long_names: LongNames,
    sessions: Mutex<BTreeMap<i32, Known>>,
    statements: AtomicU64,
}

impl Shared {
    fn sessions(&self) -> std::sync::MutexGuard<'_, BTreeMap<i32, Known>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self, pid: i32, user: &str, killed: CancellationToken) {
        let info = SessionInfo { pid, user: user.to_owned(), last_statement: String::new() };
        self.sessions().insert(pid, Known { info, killed });
    }

    fn saw(&self, pid: i32, sql: &str) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        if let Some(known) = self.sessions().get_mut(&pid) {
            known.info.last_statement = without_secrets(sql);
        }
    }

    fn closed(&self, pid: i32) {
        self.sessions().remove(&pid);
    }
}

/// Cuts a statement before the first word that may introduce a secret.
fn without_secrets(sql: &str) -> String {
    let lower = sql.to_ascii_lowercase();
    let end = ["credentials", "access_key", "session_token", "password"].iter().filter_map(|word| lower.find(word)).min();
    end.map_or_else(|| sql.to_owned(), |end| format!("{}…", &sql[..end]))
}

/// A running lab. Dropping it ends the proxy and the server behind.
pub struct Redshift {
    addr: SocketAddr,
    shared: Arc<Shared>,
    server: Option<Postmaster>,
    accepting: CancellationToken,
}

impl Redshift {
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The certificate to trust, in PEM; `None` without TLS. It names `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(|(_, pem)| pem.as_str())
    }

    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.shared.sessions().values().map(|known| known.info.clone()).collect()
    }

    /// Messages with statements that clients have sent, over all sessions.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.shared.statements.load(Ordering::Relaxed)
    }

    /// Cuts a session's connection; its transaction rolls back. `false`: there is none.
    #[must_use]
    pub fn kill(&self, pid: i32) -> bool {
        match self.shared.sessions().get(&pid) {
            Some(known) => {
                known.killed.cancel();
                true
            }
            None => false,
        }
    }

    /// Ends everything and waits for it. Dropping does the same without waiting.
    pub async fn stop(mut self) -> Result<(), StartError> {
        self.accepting.cancel();
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }
}

impl Drop for Redshift {
    fn drop(&mut self) {
        self.accepting.cancel();
    }
}

/// Starts the private PostgreSQL and the proxy on a port of 127.0.0.1 that the system chooses.
pub async fn start(options: RedshiftOptions) -> Result<Redshift, StartError> {
    let server = postgres::start().await?;
    let socket = server.socket();
    prepare(&socket, &options).await?;
    let admin = postgres::connect(&socket, &options.database).await?;
    let shared = Arc::new(Shared {
        socket,
        admin,
        s3: options.s3,
        source: options.source,
        tls: if options.tls { Some(wire::tls::acceptor()?) } else { None },
        faults: Faults::default(),
        long_names: LongNames::default(),
        sessions: Mutex::default(),
        statements: AtomicU64::new(0),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.during("listening")?;
    let addr = listener.local_addr().during("listening")?;
    let accepting = CancellationToken::new();
    tokio::spawn(accept(listener, Arc::clone(&shared), accepting.clone()));
    Ok(Redshift { addr, shared, server: Some(server), accepting })
}

/// The user and the database, with the settings that make PostgreSQL behave like Redshift.
async fn prepare(socket: &PathBuf, options: &RedshiftOptions) -> Result<(), StartError> {
    let client = postgres::connect(socket, "postgres").await?;
    let (user, database) = (sql::names::quote(&options.user), sql::names::quote(&options.database));
    client.batch_execute(&format!("CREATE ROLE {user} LOGIN CREATEROLE PASSWORD {}", literal(&options.password))).await?;
    client.batch_execute(&format!("CREATE DATABASE {database} OWNER {user}")).await?;
    let mut settings = format!("ALTER DATABASE {database} SET default_transaction_isolation = 'repeatable read';");
    for (name, default) in sql::settings::OWN {
        let _ = write!(settings, "ALTER DATABASE {database} SET redshift.{name} = {};", literal(default));
    }
    client.batch_execute(&settings).await?;
    Ok(())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, accepting: CancellationToken) {
    let mut sessions = tokio::task::JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = accepting.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the lab's redshift cannot accept connections");
                    return;
                }
            },
        };
        if shared.faults.paused() {
            continue;
        }
        while sessions.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        sessions.spawn(async move {
            if let Err(error) = connection::serve(stream, shared).await {
                tracing::debug!(%error, "a session of the lab's redshift ended");
            }
        });
    }
}
