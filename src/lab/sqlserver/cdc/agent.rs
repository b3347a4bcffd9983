//! What SQL Server Agent does for one database: runs the capture process, keeps its statistics.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::capture::{self, Limits, Scan};
use super::instance;
use super::position::Position;
use crate::lab::sqlserver::engine::server::Database;

/// Statistics are kept for so many sessions, as in SQL Server.
const KEPT: usize = 32;

/// One finished scan: a row of `sys.dm_cdc_log_scan_sessions`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScanSession {
    /// From 1; 0 is the aggregate.
    pub id: i64,
    /// Stored `datetime`s.
    pub start: i64,
    pub end: i64,
    pub errors: i64,
    pub scan: Scan,
    /// Seconds from the last commit to its capture.
    pub latency: i64,
    pub empty_scans: i64,
    pub failed_sessions: i64,
}

/// One row of `sys.dm_cdc_errors`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaptureError {
    pub session: i64,
    pub at: i64,
    pub number: i64,
    pub text: String,
}

/// Whether the job runs, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JobState {
    /// The Agent's thread scans by itself.
    pub running: bool,
    /// The thread is to end.
    pub stopping: bool,
    /// A commit has happened since the last scan.
    pub work: bool,
    /// Every scan fails with this error (22858 to 22864, 2628, …).
    pub failing: Option<(i64, String)>,
    /// Waits so long before each scan.
    pub delay: Duration,
}

/// A writer of the database kept the scan waiting for too long: not a failure of capture, since a
/// real log reader waits for nobody. The scan is to be tried again.
pub const LOCKED: i64 = 1222;

fn failure(error: &rusqlite::Error) -> (i64, String) {
    if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) {
        return (LOCKED, "Lock request time out period exceeded.".into());
    }
    let text = "Log Scan process failed in processing log records. Refer to previous errors in the current session to identify the cause and correct any associated problems.";
    (22_859, format!("{text} {error}"))
}

/// The part of the Agent that serves one database.
pub struct Agent {
    pub database: Arc<Database>,
    connection: Mutex<Connection>,
    pub job: Mutex<JobState>,
    pub wake: Condvar,
    /// A scan has ended; with `job`.
    pub scanned: Condvar,
    statistics: Mutex<Statistics>,
}

#[derive(Clone, Default)]
struct Statistics {
    total: ScanSession,
    sessions: VecDeque<ScanSession>,
    errors: VecDeque<CaptureError>,
    next: i64,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Agent {
    pub fn new(database: Arc<Database>) -> rusqlite::Result<Self> {
        let connection = database.connect()?;
        super::log::create(&connection)?;
        super::relations::create_bare(&connection)?;
        super::sql::register(&connection)?;
        Ok(Self {
            database,
            connection: Mutex::new(connection),
            job: Mutex::default(),
            wake: Condvar::new(),
            scanned: Condvar::new(),
            statistics: Mutex::default(),
        })
    }

    /// Runs `work` in one write transaction on the Agent's own connection.
    pub fn write<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let connection = lock(&self.connection);
        let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// Runs `work` on the Agent's own connection, outside a transaction.
    pub fn with_connection<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        work(&mut lock(&self.connection))
    }

    /// One scan of the log, as `sp_cdc_scan` does it.
    pub fn scan(&self, limits: Limits) -> Result<Scan, (i64, String)> {
        let start = self.database.clock.stored_datetime();
        let failing = lock(&self.job).failing.clone();
        let result = match failing {
            Some(error) => Err(error),
            None => self
                .write(|connection| {
                    let instances: Vec<_> = instance::all(connection)?.into_iter().map(|known| known.instance).collect();
                    capture::scan(connection, &instances, limits)
                })
                .map_err(|error| failure(&error)),
        };
        if !matches!(result, Err((LOCKED, _))) {
            self.note(start, &result);
        }
        drop(lock(&self.job));
        self.scanned.notify_all();
        result
    }

    /// Waits until the job's thread has captured everything that is committed; false when the time
    /// is up before.
    pub fn wait_captured(&self, limit: Duration) -> rusqlite::Result<bool> {
        let end = Instant::now() + limit;
        let mut job = lock(&self.job);
        loop {
            // Under the lock: a scan that ends after this look can only be told to us later.
            let waiting: bool = lock(&self.connection).query_row("SELECT EXISTS (SELECT 1 FROM __lab_cdc_commit)", [], |row| row.get(0))?;
            let left = end.saturating_duration_since(Instant::now());
            if !waiting || left.is_zero() {
                return Ok(!waiting);
            }
            job = self.scanned.wait_timeout(job, left).map_or_else(|poisoned| poisoned.into_inner().0, |(job, _)| job);
        }
    }

    /// Scans until no committed transaction is left.
    pub fn scan_all(&self) -> Result<Scan, (i64, String)> {
        let mut total = Scan::default();
        loop {
            let scan = self.scan(Limits::default())?;
            total.transactions += scan.transactions;
            total.rows += scan.rows;
            total.schema_changes += scan.schema_changes;
            if scan.last_p > 0 {
                total.last_p = scan.last_p;
                total.last_commit = scan.last_commit;
            }
            if total.first_p == 0 {
                total.first_p = scan.first_p;
            }
            if !scan.more {
                return Ok(total);
            }
        }
    }

    /// Adds the dummy row of an idle log (tran_id 0x00), if everything committed was captured and
    /// CDC is on. False when it was not the time for it.
    pub fn note_idle(&self) -> rusqlite::Result<bool> {
        let now = self.database.clock.stored_datetime();
        self.write(|connection| {
            let waiting: bool = connection.query_row("SELECT EXISTS (SELECT 1 FROM __lab_cdc_commit)", [], |row| row.get(0))?;
            if waiting || instance::all(connection)?.is_empty() {
                return Ok(false);
            }
            let last: i64 = connection.query_row("SELECT last + 1 FROM __lab_cdc_state", [], |row| row.get(0))?;
            capture::note_idle(connection, last, now)?;
            connection.execute("UPDATE __lab_cdc_state SET last = ?1, captured = ?2", [Position(last).after_commit().0, last])?;
            Ok(true)
        })
    }

    fn note(&self, start: i64, result: &Result<Scan, (i64, String)>) {
        let end = self.database.clock.stored_datetime();
        let mut statistics = lock(&self.statistics);
        match result {
            Ok(scan) if scan.last_p == 0 => {
                // An empty scan makes no row of its own: the last session counts it.
                statistics.total.empty_scans += 1;
                statistics.total.latency = 0;
                if let Some(last) = statistics.sessions.back_mut() {
                    last.empty_scans += 1;
                    last.end = end;
                }
            }
            Ok(scan) => {
                let latency = ((end - scan.last_commit) / 300).max(0);
                let id = statistics.begin();
                statistics.total.scan.transactions += scan.transactions;
                statistics.total.scan.rows += scan.rows;
                statistics.total.scan.schema_changes += scan.schema_changes;
                statistics.total.scan.last_p = scan.last_p;
                statistics.total.scan.last_commit = scan.last_commit;
                statistics.total.latency = latency;
                statistics.push(ScanSession { id, start, end, scan: *scan, latency, ..ScanSession::default() });
            }
            Err((number, text)) => {
                let id = statistics.begin();
                statistics.total.errors += 1;
                statistics.total.failed_sessions += 1;
                statistics.push(ScanSession { id, start, end, errors: 1, failed_sessions: 1, ..ScanSession::default() });
                statistics.errors.push_back(CaptureError { session: id, at: end, number: *number, text: text.clone() });
                while statistics.errors.len() > KEPT {
                    statistics.errors.pop_front();
                }
            }
        }
        if statistics.total.start == 0 {
            statistics.total.start = start;
        }
        statistics.total.end = end;
    }

    /// The aggregate (id 0) and the kept sessions, newest last. Empty before the first scan.
    pub fn sessions(&self) -> Vec<ScanSession> {
        let statistics = lock(&self.statistics);
        if statistics.total.start == 0 {
            return vec![];
        }
        std::iter::once(&statistics.total).chain(&statistics.sessions).cloned().collect()
    }

    pub fn errors(&self) -> Vec<CaptureError> {
        lock(&self.statistics).errors.iter().cloned().collect()
    }
}

impl Statistics {
    fn begin(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    fn push(&mut self, session: ScanSession) {
        self.sessions.push_back(session);
        while self.sessions.len() > KEPT {
            self.sessions.pop_front();
        }
    }
}
