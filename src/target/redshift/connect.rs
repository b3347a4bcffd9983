//! One session with Redshift: simple queries, one statement a call.
//!
//! Prepared statements are out: the driver resolves types through catalogue tables that Redshift
//! lacks. A session that met an error, or that was left in the middle of a call, is never used
//! again: it is dropped, and with it whatever transaction it held.
//!
//! The driver prints statements through the `log` crate at debug level, and the text of a COPY
//! may hold keys. This program installs no bridge from `log`, and must not.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, SimpleQueryRow, SimpleQueryStream, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{Kind, ServerError, SqlError};
use super::tls;
use crate::config::{RedshiftSettings, Tls};
use crate::model::Fault;
use crate::model::fault::rs;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle connections over NAT are dropped after 350 s.
const KEEPALIVE: Duration = Duration::from_mins(2);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 4;
/// How much longer than the server's own time-out an answer is waited for.
const GRACE: Duration = Duration::from_secs(30);

/// Rows and the row count of the command tag.
#[derive(Debug, Default)]
pub struct Answer {
    pub rows: Vec<Vec<Option<String>>>,
    pub affected: u64,
}

impl Answer {
    /// The only value of the only row, as a number.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.text()?.parse().ok()
    }

    /// The first value of the first row.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }
}

/// A connection and the task that drives it.
pub struct Session {
    client: Client,
    driver: AbortHandle,
    /// A statement was sent and its answer has not been read.
    busy: bool,
    /// What `statement_timeout` is set to.
    limit: Duration,
}

impl Drop for Session {
    fn drop(&mut self) {
        // A driver with an answer outstanding would wait for it before it closes.
        if self.busy {
            self.driver.abort();
        }
    }
}

impl Session {
    /// Connects, and sets the statement time-out.
    pub async fn open(settings: &RedshiftSettings) -> Result<Self, Fault> {
        let mut config = Config::new();
        config
            .host(&settings.host)
            .port(settings.port)
            .dbname(&settings.database)
            .user(&settings.user)
            .password(settings.password.expose())
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES)
            .ssl_mode(if settings.tls == Tls::Off { SslMode::Disable } else { SslMode::Require });
        let (client, driver) = match &settings.tls {
            Tls::Off => connect(&config, settings, NoTls).await?,
            Tls::TrustAny => connect(&config, settings, MakeRustlsConnect::new(tls::trusting_anybody()?)).await?,
            Tls::Verify { ca_file } => connect(&config, settings, MakeRustlsConnect::new(tls::verified(ca_file.as_deref())?)).await?,
        };
        let mut session = Self { client, driver, busy: false, limit: settings.timeout };
        session.set_limit(settings.timeout).await?;
        Ok(session)
    }

    /// Sets `statement_timeout`, which counts the time in the queue too.
    pub async fn set_limit(&mut self, limit: Duration) -> Result<(), SqlError> {
        self.limit = self.limit.max(limit);
        self.run("set statement_timeout", &format!("SET statement_timeout TO {}", limit.as_millis().max(1))).await?;
        self.limit = limit;
        Ok(())
    }

    /// Runs one statement.
    pub async fn run(&mut self, step: &'static str, sql: &str) -> Result<Answer, SqlError> {
        self.busy = true;
        tracing::trace!(step, "redshift statement");
        let answer = tokio::time::timeout(self.limit + GRACE, self.client.simple_query(sql)).await;
        let messages = match answer {
            Err(_) => return Err(SqlError::NoAnswer { step, why: format!("no answer within {} s", (self.limit + GRACE).as_secs()) }),
            Ok(Err(error)) => {
                return Err(match error.as_db_error() {
                    Some(db) => {
                        let error = ServerError::new(step, db);
                        // The server has answered: the driver may close in good order, unless it
                        // said good-bye with this error.
                        self.busy = error.kind == Kind::Ended;
                        if self.busy { SqlError::NoAnswer { step, why: error.message } } else { SqlError::Server(error) }
                    }
                    None => SqlError::NoAnswer { step, why: error.to_string() },
                });
            }
            Ok(Ok(messages)) => messages,
        };
        self.busy = false;
        let mut answer = Answer::default();
        for message in messages {
            match message {
                SimpleQueryMessage::Row(row) => answer.rows.push(texts(&row)),
                SimpleQueryMessage::CommandComplete(rows) => answer.affected = rows,
                _ => {}
            }
        }
        Ok(answer)
    }

    /// Sends a statement whose rows are read one by one; [`Self::answered`] when the last was.
    pub async fn stream(&mut self, step: &'static str, sql: &str) -> Result<SimpleQueryStream, SqlError> {
        self.busy = true;
        tracing::trace!(step, "redshift statement");
        self.client.simple_query_raw(sql).await.map_err(|error| Self::failed(step, &error))
    }

    /// The rows of [`Self::stream`] were read to their end.
    pub fn answered(&mut self) {
        self.busy = false;
    }

    /// An error between two rows.
    #[must_use]
    pub fn failed(step: &'static str, error: &tokio_postgres::Error) -> SqlError {
        match error.as_db_error() {
            Some(db) => SqlError::Server(ServerError::new(step, db)),
            None => SqlError::NoAnswer { step, why: error.to_string() },
        }
    }

    /// Sends COMMIT. No answer to it is [`rs::COMMIT_UNKNOWN`]: the transaction ended one way or
    /// the other.
    pub async fn commit(&mut self) -> Result<(), Fault> {
        match self.run("commit", "COMMIT").await {
            Ok(_) => Ok(()),
            Err(SqlError::NoAnswer { why, .. }) => Err(Fault::new(&rs::COMMIT_UNKNOWN, format!("no answer to COMMIT: {why}"))),
            // Cancelled while it was under way: nobody says at which side of the line.
            Err(error) if error.kind() == Some(Kind::Cancelled) => {
                Err(Fault::new(&rs::COMMIT_UNKNOWN, format!("COMMIT was cancelled: {error}")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a transaction that goes no further, as far as the server still listens, and the
    /// session with it.
    pub async fn abandon(mut self) {
        if self.busy {
            return;
        }
        if let Err(error) =
            tokio::time::timeout(Duration::from_secs(5), self.run("rollback", "ROLLBACK")).await.unwrap_or(Ok(Answer::default()))
        {
            tracing::debug!(%error, "rollback got no answer");
        }
    }
}

fn texts(row: &SimpleQueryRow) -> Vec<Option<String>> {
    (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()
}

async fn connect<T>(config: &Config, settings: &RedshiftSettings, tls: T) -> Result<(Client, AbortHandle), Fault>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let place = format!("{}:{}/{}", settings.host, settings.port, settings.database);
    let (client, connection) = tokio::time::timeout(CONNECT_TIMEOUT * 2, config.connect(tls))
        .await
        .map_err(|_| Fault::new(&rs::CONNECT, format!("{place} did not answer the login in time")))?
        .map_err(|error| connect_fault(&place, &settings.user, &error))?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Statements in flight get the error themselves; here it is only a matter of record.
            tracing::debug!(sqlstate = error.code().map(tokio_postgres::error::SqlState::code), "redshift connection ended");
        }
    });
    Ok((client, task.abort_handle()))
}

fn connect_fault(place: &str, user: &str, error: &tokio_postgres::Error) -> Fault {
    if let Some(db) = error.as_db_error() {
        let error = ServerError::new("login", db);
        let page = if error.kind == Kind::Login || error.kind == Kind::Permission { &rs::LOGIN } else { &rs::CONNECT };
        return Fault::new(page, format!("{place}: {}", error.message)).evidence("user", user).evidence("sqlstate", error.sqlstate);
    }
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    let mut page = &rs::CONNECT;
    while let Some(inner) = cause {
        if inner.downcast_ref::<rustls::Error>().is_some() {
            page = &rs::TLS;
        }
        // An I/O error hides the TLS error that it carries.
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && io.get_ref().is_some_and(|inner| inner.downcast_ref::<rustls::Error>().is_some())
        {
            page = &rs::TLS;
        }
        let text = inner.to_string();
        if !why.contains(&text) {
            why = format!("{why}: {text}");
        }
        cause = inner.source();
    }
    if why.contains("server does not support TLS") {
        page = &rs::TLS;
    }
    Fault::new(page, format!("{place}: {why}")).evidence("user", user)
}
