//! Change data capture: log, capture job, clean-up, procedures and functions.
//!
//! A commit appends to the database's log (`log`: triggers on tracked tables, in the same SQLite
//! transaction). The capture process (`capture`, run by `agent`) moves whole committed
//! transactions to the change tables and notes them in `cdc.lsn_time_mapping`, in one transaction:
//! so committed is not yet captured. [`Cdc`] joins it to the engine and is the handle for tests.
//!
//! What differs from a real server: every login is db_owner and `@role_name` is only noted
//! ([`Cdc::hide_instance`] stands for a reader who lacks it); `msdb.dbo.cdc_jobs` shows the rows of
//! the current database only; transactions do not interleave in the log; there is no replication,
//! no `max text repl size`; a type change reaches the change table at once. No document says whether
//! an update sets the bit of a computed column when what that is made of changes: it is clear here.

mod agent;
mod arguments;
mod capture;
mod captured;
mod changes;
mod cleanup;
mod database;
mod disable;
mod enable;
mod errors;
mod fill;
mod help;
mod hooks;
mod instance;
mod job;
mod jobs;
mod log;
mod many;
mod position;
mod procedures;
mod relations;
mod restore;
mod scalars;
mod sql;
mod views;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use agent::{Agent, lock};
pub use capture::{Limits, Scan};
pub use fill::{Generated, GeneratedRow};
pub use job::IDLE;
pub use position::lsn_text;
use rusqlite::params;

use super::engine::catalog::same_name;
use super::engine::server::Server;
use crate::model::Lsn;

/// Why the lab's CDC could not do what a test asked of it.
#[derive(Debug, thiserror::Error)]
pub enum CdcError {
    #[error("the lab has no database {0}")]
    NoDatabase(String),
    #[error("database {database} has no capture instance {instance}")]
    NoInstance { database: String, instance: String },
    #[error("the capture process failed with {number}: {text}")]
    Capture { number: i64, text: String },
    #[error("the lab's storage failed: {0}")]
    Storage(#[from] rusqlite::Error),
    #[error("the lab could not start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Change data capture of a lab server: the extension that serves it, and the hand on its jobs.
///
/// Nothing runs by itself until [`Cdc::start_capture`]: tests move changes with
/// [`Cdc::capture_now`].
pub struct Cdc {
    agents: Vec<Arc<Agent>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// What `sys.dm_server_services` says of SQL Server Agent.
    agent_service: AtomicBool,
    /// Clean-up moves the mark and then fails.
    cleanup_fails: AtomicBool,
    /// The procedures of Amazon RDS exist.
    rds: AtomicBool,
}

impl Cdc {
    /// Prepares every database of the server and adds CDC to it.
    pub fn attach(server: &Server) -> Result<Arc<Self>, CdcError> {
        let agents = server.databases().iter().map(|database| Agent::new(Arc::clone(database)).map(Arc::new));
        let cdc = Arc::new(Self {
            agents: agents.collect::<Result<_, _>>()?,
            threads: Mutex::default(),
            agent_service: AtomicBool::new(true),
            cleanup_fails: AtomicBool::new(false),
            rds: AtomicBool::new(false),
        });
        server.extend(Arc::clone(&cdc) as Arc<dyn super::engine::extension::Extension>);
        Ok(cdc)
    }

    fn agent(&self, database: &str) -> Result<&Arc<Agent>, CdcError> {
        let found = self.agents.iter().find(|agent| same_name(&agent.database.name, database));
        found.ok_or_else(|| CdcError::NoDatabase(database.into()))
    }

    fn agent_of(&self, database_id: i32) -> Option<&Arc<Agent>> {
        self.agents.iter().find(|agent| agent.database.id == database_id)
    }

    /// Captures everything that is committed, whether the job runs or not.
    pub fn capture_now(&self, database: &str) -> Result<Scan, CdcError> {
        self.agent(database)?.scan_all().map_err(|(number, text)| CdcError::Capture { number, text })
    }

    /// One scan with these limits: whole transactions, perhaps not all of them.
    pub fn capture_some(&self, database: &str, limits: Limits) -> Result<Scan, CdcError> {
        self.agent(database)?.scan(limits).map_err(|(number, text)| CdcError::Capture { number, text })
    }

    /// The dummy row (tran_id 0x00) that capture writes while the log is idle. False when
    /// committed work still waits, or nothing is tracked.
    pub fn capture_idle_tick(&self, database: &str) -> Result<bool, CdcError> {
        Ok(self.agent(database)?.note_idle()?)
    }

    /// Starts the capture job's thread: it scans after every commit, and adds a dummy row after
    /// each `idle` without one ([`IDLE`] is what real servers do).
    pub fn start_capture(&self, database: &str, idle: Duration) -> Result<(), CdcError> {
        if let Some(thread) = job::start(self.agent(database)?, idle)? {
            lock(&self.threads).push(thread);
        }
        Ok(())
    }

    /// Stops it after the scan that it is in. False when it did not run.
    pub fn stop_capture(&self, database: &str) -> Result<bool, CdcError> {
        Ok(job::stop(self.agent(database)?))
    }

    /// Waits until the running job has captured everything that is committed. False when `limit`
    /// is over before that.
    pub fn wait_captured(&self, database: &str, limit: Duration) -> Result<bool, CdcError> {
        Ok(self.agent(database)?.wait_captured(limit)?)
    }

    /// Every scan fails with this error from now on (22859, 22863, 2628, …), or works again.
    pub fn fail_capture(&self, database: &str, error: Option<(i64, &str)>) -> Result<(), CdcError> {
        lock(&self.agent(database)?.job).failing = error.map(|(number, text)| (number, text.to_owned()));
        Ok(())
    }

    /// The job's thread waits so long before each scan.
    pub fn slow_capture(&self, database: &str, delay: Duration) -> Result<(), CdcError> {
        lock(&self.agent(database)?.job).delay = delay;
        Ok(())
    }

    /// What `sys.dm_server_services` says of SQL Server Agent. Stopping it stops the capture jobs.
    pub fn set_agent_service(&self, running: bool) {
        self.agent_service.store(running, Ordering::SeqCst);
        if !running {
            self.agents.iter().for_each(|agent| {
                job::stop(agent);
            });
        }
    }

    /// Closes an instance to every reader, as if the gating role were lost: `fn_cdc_get_min_lsn`
    /// is zero, the functions answer 229 and 208; or opens it again.
    pub fn hide_instance(&self, database: &str, instance: &str, hidden: bool) -> Result<(), CdcError> {
        let sql = if hidden {
            "INSERT OR IGNORE INTO __lab_cdc_hidden (instance) VALUES (?1)"
        } else {
            "DELETE FROM __lab_cdc_hidden WHERE instance = ?1"
        };
        self.agent(database)?.write(|connection| connection.execute(sql, [instance]))?;
        Ok(())
    }

    /// From now on the server has RDS's procedures, with which a user who is no sysadmin switches
    /// CDC on for a database.
    pub fn be_rds(&self) {
        self.rds.store(true, Ordering::SeqCst);
    }

    /// From now on clean-up moves the mark, then fails to delete (22852, `@fCleanupFailed` = 1).
    pub fn fail_cleanup(&self, fails: bool) {
        self.cleanup_fails.store(fails, Ordering::SeqCst);
    }

    /// The clean-up job, once: `retention_minutes` back from the newest commit in the mapping
    /// (`None`: as the job is set). Returns the rows deleted.
    pub fn cleanup_now(&self, database: &str, retention_minutes: Option<i64>) -> Result<u64, CdcError> {
        Ok(cleanup::by_retention(self.agent(database)?, retention_minutes)?)
    }

    /// Moves an instance's mark to an LSN without any check, and deletes the rows before it: the
    /// clean-up that ran past its reader.
    pub fn cleanup_past(&self, database: &str, instance: &str, mark: Lsn) -> Result<u64, CdcError> {
        let agent = self.agent(database)?;
        let rows = agent.write(|connection| {
            let Some(known) = instance::find(connection, instance)? else { return Ok(None) };
            connection.execute(
                "UPDATE \"cdc.change_tables\" SET start_lsn = ?2 WHERE object_id = ?1",
                params![known.instance.ct_id, mark.as_bytes()],
            )?;
            let table = log::quoted(&known.instance.change_table());
            Ok(Some(connection.execute(&format!("DELETE FROM {table} WHERE \"__$start_lsn\" < ?1"), [mark.as_bytes()])? as u64))
        })?;
        rows.ok_or_else(|| CdcError::NoInstance { database: database.into(), instance: instance.into() })
    }

    /// The newest LSN of the mapping: `fn_cdc_get_max_lsn`.
    pub fn max_lsn(&self, database: &str) -> Result<Option<Lsn>, CdcError> {
        let max: Option<Vec<u8>> = self
            .agent(database)?
            .write(|connection| connection.query_row("SELECT max(start_lsn) FROM \"cdc.lsn_time_mapping\"", [], |row| row.get(0)))?;
        Ok(max.and_then(|bytes| Lsn::try_from(bytes.as_slice()).ok()))
    }

    /// Writes a copy of a database to a file, for [`Cdc::restore`].
    pub fn back_up(&self, database: &str, file: &Path) -> Result<(), CdcError> {
        Ok(self.agent(database)?.with_connection(|connection| restore::back_up(connection, file))?)
    }

    /// Restores the copy over the database: rows, change tables and LSNs go back, the recovery fork
    /// guid is a new one.
    pub fn restore(&self, database: &str, file: &Path) -> Result<(), CdcError> {
        Ok(self.agent(database)?.with_connection(|connection| restore::restore(connection, file))?)
    }

    /// Makes many small tracked tables at once: `<schema>.t00001 (id int PRIMARY KEY, n int)` and
    /// so on. Capture has not begun on them yet, and statements on them are not captured: their
    /// changes come from [`Cdc::fill_change_table`]. Returns their names without the schema.
    pub fn track_many(&self, database: &str, schema: &str, count: usize) -> Result<Vec<String>, CdcError> {
        Ok(many::make(self.agent(database)?, schema, count)?)
    }

    /// Fills an instance's change table, without its source table, as fast as SQLite writes.
    pub fn fill_change_table(
        &self,
        database: &str,
        instance: &str,
        rows: impl Iterator<Item = GeneratedRow>,
    ) -> Result<Generated, CdcError> {
        let filled = self.agent(database)?.write(|connection| fill::fill(connection, instance, rows))?;
        filled.ok_or_else(|| CdcError::NoInstance { database: database.into(), instance: instance.into() })
    }
}

impl Drop for Cdc {
    fn drop(&mut self) {
        self.agents.iter().for_each(|agent| {
            job::stop(agent);
        });
        for thread in lock(&self.threads).drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}
