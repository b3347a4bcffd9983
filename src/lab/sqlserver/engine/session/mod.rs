//! A session: one connection's state and the run of its batches.

mod computed;
mod ddl;
mod execute;
mod insert;
mod plan;
mod run;
mod system;
mod transaction;
mod update;

use super::catalog::{self, Catalogue};
use super::extension::Call;
use super::failure;
use super::parse::{self, Isolation, Statement};
use super::security::Rights;
use super::server::{ConnectionState, Database, Server};
use crate::lab::sqlserver::session::{Cancelled, Message, Parameter, Session, Sessions, Sink, TransactionRequest};
use crate::lab::sqlserver::types::{DataType, Datum};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI16, Ordering};

/// Batches longer than this are not kept parsed: bulk INSERTs never come twice.
const KEPT_TEXT: usize = 32 * 1024;
const KEPT_BATCHES: usize = 256;

/// Opens sessions on a server.
pub struct EngineSessions {
    server: Arc<Server>,
    /// Whether connections are encrypted, for `sys.dm_exec_connections`.
    tls: bool,
    next_spid: AtomicI16,
}

impl EngineSessions {
    #[must_use]
    pub fn new(server: Arc<Server>, tls: bool) -> Self {
        Self { server, tls, next_spid: AtomicI16::new(51) }
    }
}

impl Sessions for EngineSessions {
    fn login(&self, user: &str, password: &str, database: &str, application: &str) -> Result<(Box<dyn Session>, String), Message> {
        if !self.server.accepts(user, password) {
            return Err(Message { class: 14, ..Message::error(18456, format!("Login failed for user '{user}'.")) });
        }
        let wanted = if database.is_empty() { "master" } else { database };
        let database = self.server.database(wanted).ok_or_else(|| {
            let text = format!("Cannot open database \"{wanted}\" requested by the login. The login failed.");
            Message { class: 11, ..Message::error(4060, text) }
        })?;
        let rights = Rights::new(&self.server.security, database.id, &database.name, user);
        if rights.user().is_none() && database.id != 1 {
            let text = format!("Cannot open database \"{wanted}\" requested by the login. The login failed.");
            return Err(Message { class: 11, ..Message::error(4060, text) });
        }
        let spid = self.next_spid.fetch_add(1, Ordering::Relaxed);
        let name = database.name.clone();
        let session = EngineSession::open(self.server.clone(), database, user, application, spid, self.tls)?;
        Ok((Box::new(session), name))
    }
}

/// Options of SET.
#[derive(Clone, Copy, Debug)]
struct Options {
    nocount: bool,
    xact_abort: bool,
    lock_timeout: i64,
    isolation: Isolation,
    /// The table of SET IDENTITY_INSERT … ON.
    identity_insert: Option<i32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { nocount: false, xact_abort: false, lock_timeout: -1, isolation: Isolation::ReadCommitted, identity_insert: None }
    }
}

/// Variables of a batch or of the text of sp_executesql.
type Variables = HashMap<String, (DataType, Datum)>;

pub struct EngineSession {
    server: Arc<Server>,
    database: Arc<Database>,
    login_database: Arc<Database>,
    conn: Connection,
    state: Arc<ConnectionState>,
    user: String,
    rights: Rights,
    application: String,
    spid: i16,
    tls: bool,
    transaction: transaction::Transaction,
    options: Options,
    variables: Variables,
    catalogue: Arc<Catalogue>,
    parsed: HashMap<String, Arc<Vec<Statement>>>,
    plans: HashMap<u64, plan::Kept>,
    row_count: u64,
    error: i32,
    identity: Option<i64>,
    caught: Option<Message>,
    /// Depth of TRY blocks that are running.
    tries: u32,
    /// Depth of nested EXEC.
    nesting: u32,
}

/// Why a run of statements ended early.
enum Stop {
    Cancelled,
    Raised(Message),
    /// The error was reported and ends the batch.
    BatchEnded,
}

impl From<Cancelled> for Stop {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<Message> for Stop {
    fn from(message: Message) -> Self {
        Self::Raised(message)
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Raised(failure::message(&error))
    }
}

type Run<T> = Result<T, Stop>;

impl EngineSession {
    fn open(server: Arc<Server>, database: Arc<Database>, user: &str, application: &str, spid: i16, tls: bool) -> Result<Self, Message> {
        let state = Arc::default();
        let rights = Rights::new(&server.security, database.id, &database.name, user);
        let conn = connect(&server, &database, &state, &rights)?;
        let catalogue = Arc::new(catalog::catalogue(&conn).map_err(|e| failure::message(&e))?);
        Ok(Self {
            server,
            login_database: database.clone(),
            database,
            conn,
            state,
            user: user.into(),
            rights,
            application: application.into(),
            spid,
            tls,
            transaction: transaction::Transaction::default(),
            options: Options::default(),
            variables: HashMap::new(),
            catalogue,
            parsed: HashMap::new(),
            plans: HashMap::new(),
            row_count: 0,
            error: 0,
            identity: None,
            caught: None,
            tries: 0,
            nesting: 0,
        })
    }

    fn call(&self) -> Call<'_> {
        Call { conn: &self.conn, database: &self.database, user: &self.user, rights: &self.rights }
    }

    /// What SET changed inside a called text ends with the call; IDENTITY_INSERT stays.
    fn restore_options(&mut self, outer: Options) {
        let identity_insert = self.options.identity_insert;
        if self.options.lock_timeout != outer.lock_timeout {
            self.set_lock_timeout(outer.lock_timeout);
        }
        self.options = Options { identity_insert, ..outer };
    }

    /// USE.
    fn change_database(&mut self, name: &str, sink: &mut dyn Sink) -> Run<()> {
        let Some(database) = self.server.database(name) else {
            let text = format!("Database '{name}' does not exist. Make sure that the name is entered correctly.");
            return Err(Message::error(911, text).into());
        };
        if self.transaction.depth > 0 {
            return Err(Message::error(226, "USE statement not allowed within multi-statement transaction.").into());
        }
        let from = self.database.name.clone();
        let rights = Rights::new(&self.server.security, database.id, &database.name, &self.user);
        if rights.user().is_none() && database.id != 1 {
            let text = format!(
                "The server principal \"{}\" is not able to access the database \"{}\" under the current security context.",
                self.user, database.name
            );
            return Err(Message { class: 14, ..Message::error(916, text) }.into());
        }
        self.conn = connect(&self.server, &database, &self.state, &rights)?;
        self.rights = rights;
        self.catalogue = Arc::new(catalog::catalogue(&self.conn)?);
        self.plans.clear();
        let text = format!("Changed database context to '{}'.", database.name);
        self.database = database;
        sink.database_changed(&from, &self.database.name)?;
        sink.message(&Message { class: 0, state: 2, ..Message::error(5701, text) })?;
        Ok(())
    }

    fn parse(&mut self, sql: &str) -> Result<Arc<Vec<Statement>>, Message> {
        if let Some(kept) = self.parsed.get(sql) {
            return Ok(kept.clone());
        }
        let list = Arc::new(parse::parse(sql)?);
        if sql.len() <= KEPT_TEXT {
            if self.parsed.len() >= KEPT_BATCHES {
                self.parsed.clear();
                self.plans.clear();
            }
            self.parsed.insert(sql.to_owned(), list.clone());
        }
        Ok(list)
    }

    /// Runs a text with the present variables; what it raises is reported.
    fn run_text(&mut self, sql: &str, sink: &mut dyn Sink) -> Result<(), Cancelled> {
        let outcome = match self.parse(sql) {
            Ok(list) => self.run_list(&list, sink).map(|_| ()),
            Err(message) => Err(Stop::Raised(message)),
        };
        match outcome {
            Ok(()) | Err(Stop::BatchEnded) => Ok(()),
            Err(Stop::Cancelled) => Err(Cancelled),
            Err(Stop::Raised(message)) => {
                self.error = message.number;
                sink.message(&message)?;
                sink.done(None)
            }
        }
    }
}

fn connect(server: &Arc<Server>, database: &Arc<Database>, state: &Arc<ConnectionState>, rights: &Rights) -> Result<Connection, Message> {
    let conn = database.connect_with(state).map_err(|e| failure::message(&e))?;
    rights.register(&conn).map_err(|e| failure::message(&e))?;
    super::functions::register_pure(&conn, server).map_err(|e| failure::message(&e))?;
    Ok(conn)
}

impl Session for EngineSession {
    fn batch(&mut self, sql: &str, sink: &mut dyn Sink) -> Result<(), Cancelled> {
        self.variables.clear();
        self.tries = 0;
        self.run_text(sql, sink)
    }

    fn execute_sql(&mut self, sql: &str, declarations: &str, parameters: &[Parameter], sink: &mut dyn Sink) -> Result<(), Cancelled> {
        self.tries = 0;
        let variables = match execute::bind_parameters(declarations, parameters) {
            Ok(variables) => variables,
            Err(message) => {
                sink.message(&message)?;
                return sink.done(None);
            }
        };
        let names = execute::declared_names(declarations);
        self.variables = variables;
        let outer = self.options;
        let outcome = self.run_text(sql, sink);
        self.restore_options(outer);
        outcome?;
        for (i, parameter) in parameters.iter().enumerate().filter(|(_, p)| p.output) {
            let name = if parameter.name.is_empty() { names.get(i).cloned().unwrap_or_default() } else { parameter.name.clone() };
            if let Some((data_type, value)) = self.variables.get(&name.to_lowercase()) {
                sink.output(&name, data_type, value)?;
            }
        }
        Ok(())
    }

    fn procedure(&mut self, name: &str, parameters: &[Parameter], sink: &mut dyn Sink) -> Result<i32, Cancelled> {
        self.tries = 0;
        self.variables.clear();
        match self.call_by_rpc(name, parameters, sink) {
            Ok(status) => Ok(status),
            Err(Stop::Cancelled) => Err(Cancelled),
            Err(Stop::BatchEnded) => Ok(1),
            Err(Stop::Raised(message)) => {
                self.error = message.number;
                sink.message(&message)?;
                sink.done(None)?;
                Ok(1)
            }
        }
    }

    fn transaction(&mut self, request: &TransactionRequest) -> Result<u32, Message> {
        let outcome = match request {
            TransactionRequest::Begin { isolation } => {
                self.options.isolation = match isolation {
                    1 => Isolation::ReadUncommitted,
                    2 => Isolation::ReadCommitted,
                    3 => Isolation::RepeatableRead,
                    4 => Isolation::Serializable,
                    5 => Isolation::Snapshot,
                    _ => self.options.isolation,
                };
                self.transaction.depth += 1;
                Ok(())
            }
            TransactionRequest::Commit => self.commit(),
            TransactionRequest::Rollback { savepoint } => self.rollback(savepoint.as_deref()),
            TransactionRequest::Save { name } => self.save(name),
        };
        match outcome {
            Ok(()) | Err(Stop::BatchEnded | Stop::Cancelled) => Ok(self.transaction.depth),
            Err(Stop::Raised(message)) => Err(message),
        }
    }

    fn transaction_depth(&self) -> u32 {
        self.transaction.depth
    }

    fn reset(&mut self) {
        self.rollback_all();
        self.options = Options::default();
        self.variables.clear();
        self.row_count = 0;
        self.error = 0;
        self.identity = None;
        self.caught = None;
        if !Arc::ptr_eq(&self.database, &self.login_database)
            && let rights = Rights::new(&self.server.security, self.login_database.id, &self.login_database.name, &self.user)
            && let Ok(conn) = connect(&self.server, &self.login_database, &self.state, &rights)
            && let Ok(catalogue) = catalog::catalogue(&conn)
        {
            self.conn = conn;
            self.rights = rights;
            self.catalogue = Arc::new(catalogue);
            self.database = self.login_database.clone();
            self.plans.clear();
        }
        self.set_lock_timeout(-1);
    }
}

impl Drop for EngineSession {
    fn drop(&mut self) {
        self.rollback_all();
    }
}
