//! The instance: its databases, users, clock and extensions.

use super::extension::Extension;
use super::security::Security;
use super::{catalog, clock::Clock, collation};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// How long a writer waits for another by default. SQL Server waits for ever; a lab must not hang.
pub const DEFAULT_LOCK_WAIT: Duration = Duration::from_mins(1);

/// What a connection's functions share with its session.
#[derive(Debug)]
pub struct ConnectionState {
    logging: AtomicBool,
    statements: AtomicI64,
    touched: Mutex<Vec<i32>>,
}

impl Default for ConnectionState {
    fn default() -> Self {
        Self { logging: AtomicBool::new(true), statements: AtomicI64::new(0), touched: Mutex::default() }
    }
}

impl ConnectionState {
    /// Switches the log triggers of this connection on or off (`lab_logging()`).
    pub fn set_logging(&self, on: bool) {
        self.logging.store(on, Ordering::SeqCst);
    }

    /// A DML statement begins: `lab_statement()` counts on, and `lab_touched(id)` names the columns
    /// of an UPDATE's SET list (none for INSERT and DELETE). To be called once for every DML
    /// statement, whatever its kind: the log numbers the statements of a transaction by it.
    pub fn begin_statement(&self, columns: Vec<i32>) {
        self.statements.fetch_add(1, Ordering::SeqCst);
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = columns;
    }

    fn is_touched(&self, column: i32) -> bool {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).contains(&column)
    }
}

/// One database: a file.
#[derive(Debug)]
pub struct Database {
    /// `sys.databases.database_id`.
    pub id: i32,
    /// In catalogue spelling.
    pub name: String,
    path: PathBuf,
    /// The last rowversion that was given out; its own counter, as in SQL Server.
    rowversion: AtomicU64,
    pub clock: Arc<Clock>,
}

impl Database {
    fn open(id: i32, name: &str, path: PathBuf, clock: Arc<Clock>) -> rusqlite::Result<Self> {
        let database = Self { id, name: name.into(), path, rowversion: AtomicU64::new(2000), clock };
        let conn = database.connect()?;
        conn.execute_batch("PRAGMA journal_mode = WAL;")?;
        catalog::create_storage(&conn)?;
        catalog::set_meta(&conn, "database_name", &name)?;
        let last: i64 = catalog::meta(&conn, "rowversion")?.unwrap_or(2000);
        database.rowversion.store(last.cast_unsigned(), Ordering::SeqCst);
        Ok(database)
    }

    /// A connection with collations and functions, that waits for other writers.
    pub fn connect(&self) -> rusqlite::Result<Connection> {
        self.connect_with(&Arc::default())
    }

    /// As [`Database::connect`], with a state that the caller keeps.
    pub fn connect_with(&self, state: &Arc<ConnectionState>) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.path, flags)?;
        conn.busy_timeout(DEFAULT_LOCK_WAIT)?;
        // A stand-in may lose its last commits when the machine stops, never when a session ends.
        conn.execute_batch(
            "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -16384; PRAGMA recursive_triggers = ON; PRAGMA case_sensitive_like = ON;",
        )?;
        conn.set_prepared_statement_cache_capacity(128);
        collation::register(&conn)?;
        super::functions::register(&conn)?;
        let plain = FunctionFlags::SQLITE_UTF8;
        let shared = state.clone();
        conn.create_scalar_function("lab_logging", 0, plain, move |_| Ok(shared.logging.load(Ordering::SeqCst)))?;
        let shared = state.clone();
        conn.create_scalar_function("lab_touched", 1, plain, move |ctx| Ok(shared.is_touched(ctx.get(0)?)))?;
        let shared = state.clone();
        conn.create_scalar_function("lab_statement", 0, plain, move |_| Ok(shared.statements.load(Ordering::SeqCst)))?;
        // Of nobody in particular: sessions put the rights of their login in its place.
        conn.create_scalar_function("lab_gate", 4, plain, |_| Ok(true))?;
        conn.create_scalar_function("lab_allows", 3, plain, |_| Ok(true))?;
        let clock = Arc::clone(&self.clock);
        conn.create_scalar_function("lab_now", 0, plain, move |_| Ok(clock.stored_datetime()))?;
        Ok(conn)
    }

    /// The next rowversion.
    pub fn next_rowversion(&self) -> u64 {
        self.rowversion.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// `@@DBTS`.
    pub fn last_rowversion(&self) -> u64 {
        self.rowversion.load(Ordering::SeqCst)
    }
}

/// A login that the server is opened with: it may do everything.
#[derive(Clone)]
pub struct User {
    pub name: String,
    pub password: String,
}

/// The instance.
pub struct Server {
    /// `@@SERVERNAME`.
    pub name: String,
    pub clock: Arc<Clock>,
    /// Logins and what they may do.
    pub security: Arc<Security>,
    databases: Vec<Arc<Database>>,
    extensions: RwLock<Vec<Arc<dyn Extension>>>,
}

impl Server {
    /// Opens or makes `master` and the databases named, as files in `dir`.
    pub fn open(dir: &Path, databases: &[&str], users: Vec<User>) -> rusqlite::Result<Self> {
        let clock = Arc::new(Clock::default());
        let mut open = vec![];
        let mut id = 1;
        for name in std::iter::once(&"master").chain(databases) {
            let file: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            open.push(Arc::new(Database::open(id, name, dir.join(format!("{id}_{file}.sqlite")), clock.clone())?));
            // 2 to 4 are tempdb, model and msdb.
            id = (id + 1).max(5);
        }
        let security = Arc::new(Security::of_administrators(users.into_iter().map(|user| (user.name, user.password))));
        Ok(Self { name: "LABSQL".into(), clock, security, databases: open, extensions: RwLock::default() })
    }

    /// The database of that name, without regard to case.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<Arc<Database>> {
        self.databases.iter().find(|d| catalog::same_name(&d.name, name)).cloned()
    }

    #[must_use]
    pub fn databases(&self) -> &[Arc<Database>] {
        &self.databases
    }

    /// Whether the password is the user's; user names compare without case.
    #[must_use]
    pub fn accepts(&self, user: &str, password: &str) -> bool {
        self.security.accepts(user, password)
    }

    /// Adds a part; the first that knows a name serves it.
    pub fn extend(&self, extension: Arc<dyn Extension>) {
        self.extensions.write().unwrap_or_else(PoisonError::into_inner).push(extension);
    }

    #[must_use]
    pub fn extensions(&self) -> Vec<Arc<dyn Extension>> {
        self.extensions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
