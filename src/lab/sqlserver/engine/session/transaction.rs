//! Transactions of a session over those of SQLite.
//!
//! READ COMMITTED: SQLite's transaction begins with the first write (one writer at a time), so that
//! reads before it see what is committed at each statement. SNAPSHOT (and, stricter than they must
//! be, REPEATABLE READ and SERIALIZABLE): it begins with the first read, which pins the snapshot.

use super::super::catalog::{self, quote};
use super::super::parse::Isolation;
use super::super::server::DEFAULT_LOCK_WAIT;
use super::{EngineSession, Run, Stop};
use crate::lab::sqlserver::session::Message;
use rusqlite::types::Value;
use std::time::Duration;

#[derive(Default, Debug)]
pub(super) struct Transaction {
    /// `@@TRANCOUNT`.
    pub depth: u32,
    /// SQLite's transaction is open.
    pub open: bool,
    pub wrote: bool,
    /// Savepoints, in lower case, in the order they were made.
    savepoints: Vec<String>,
}

impl EngineSession {
    pub(super) fn set_lock_timeout(&mut self, milliseconds: i64) {
        self.options.lock_timeout = milliseconds;
        let wait = u64::try_from(milliseconds).map_or(DEFAULT_LOCK_WAIT, Duration::from_millis);
        // Only the time is set; there is nothing to do about a failure.
        let _ = self.conn.busy_timeout(wait);
    }

    fn execute(&self, sql: &str) -> Run<()> {
        self.conn.execute_batch(sql).map_err(Stop::from)
    }

    /// Before a statement that reads.
    pub(super) fn begin_read(&mut self) -> Run<()> {
        if self.options.isolation == Isolation::Snapshot {
            let allowed: bool = catalog::meta(&self.conn, "snapshot_isolation_state")?.unwrap_or(false);
            if !allowed {
                let text = format!(
                    "Snapshot isolation transaction failed accessing database '{}' because snapshot isolation is not allowed in this \
                     database. Use ALTER DATABASE to allow snapshot isolation.",
                    self.database.name
                );
                return Err(Message::error(3952, text).into());
            }
        }
        let pins = !matches!(self.options.isolation, Isolation::ReadCommitted | Isolation::ReadUncommitted);
        if self.transaction.depth > 0 && !self.transaction.open && pins {
            self.execute("BEGIN")?;
            self.transaction.open = true;
        }
        self.refresh_catalogue()
    }

    pub(super) fn refresh_catalogue(&mut self) -> Run<()> {
        if catalog::version(&self.conn)? != self.catalogue.version {
            self.catalogue = std::sync::Arc::new(catalog::catalogue(&self.conn)?);
        }
        Ok(())
    }

    /// Runs a writing statement whole or not at all, and commits it when no transaction is open.
    pub(super) fn write<T>(&mut self, work: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        if self.options.isolation == Isolation::Snapshot && self.transaction.depth > 0 {
            self.begin_read()?;
        }
        if !self.transaction.open {
            self.execute("BEGIN IMMEDIATE")?;
            self.transaction.open = true;
        }
        self.transaction.wrote = true;
        self.execute("SAVEPOINT lab_statement")?;
        let result = self.refresh_catalogue().and_then(|()| work(self));
        match result {
            Ok(value) => {
                self.execute("RELEASE lab_statement")?;
                self.end_statement()?;
                Ok(value)
            }
            Err(stop) => {
                if matches!(&stop, Stop::Raised(m) if m.number == 3960) {
                    self.rollback_all();
                } else if self.transaction.open {
                    let _ = self.conn.execute_batch("ROLLBACK TO lab_statement; RELEASE lab_statement");
                    if self.transaction.depth == 0 {
                        self.rollback_all();
                    }
                }
                // What was undone may have been DDL.
                let _ = self.refresh_catalogue();
                Err(stop)
            }
        }
    }

    fn end_statement(&mut self) -> Run<()> {
        if self.transaction.depth == 0 && self.transaction.open { self.commit_storage() } else { Ok(()) }
    }

    fn commit_storage(&mut self) -> Run<()> {
        let extensions = self.server.extensions();
        let wrote = self.transaction.wrote;
        if wrote {
            for extension in &extensions {
                if let Err(message) = extension.before_commit(&self.call()) {
                    self.rollback_all();
                    return Err(message.into());
                }
            }
            let last = Value::Integer(self.database.last_rowversion().cast_signed());
            let stored: Option<i64> = catalog::meta(&self.conn, "rowversion")?;
            if stored != Some(self.database.last_rowversion().cast_signed()) {
                catalog::set_meta(&self.conn, "rowversion", &last)?;
            }
        }
        if let Err(stop) = self.execute("COMMIT") {
            self.rollback_all();
            return Err(stop);
        }
        self.transaction.open = false;
        self.transaction.wrote = false;
        self.transaction.savepoints.clear();
        if wrote {
            for extension in &extensions {
                extension.after_commit(&self.database);
            }
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Run<()> {
        match self.transaction.depth {
            0 => Err(Message::error(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.").into()),
            1 => {
                self.transaction.depth = 0;
                if self.transaction.open { self.commit_storage() } else { Ok(()) }
            }
            _ => {
                self.transaction.depth -= 1;
                Ok(())
            }
        }
    }

    /// To a savepoint, or all of it. A name that is no savepoint is that of the transaction.
    pub(super) fn rollback(&mut self, name: Option<&str>) -> Run<()> {
        if self.transaction.depth == 0 {
            return Err(Message::error(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.").into());
        }
        if let Some(name) = name.filter(|n| !n.is_empty()) {
            let lower = name.to_lowercase();
            if let Some(at) = self.transaction.savepoints.iter().rposition(|s| *s == lower) {
                self.execute(&format!("ROLLBACK TO {}", savepoint(&lower)))?;
                self.transaction.savepoints.truncate(at + 1);
                return self.refresh_catalogue();
            }
        }
        self.rollback_all();
        Ok(())
    }

    pub(super) fn rollback_all(&mut self) {
        if self.transaction.open {
            // SQLite may have rolled back by itself; then this fails, rightly.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        self.transaction = Transaction::default();
        let _ = self.refresh_catalogue();
    }

    pub(super) fn save(&mut self, name: &str) -> Run<()> {
        if self.transaction.depth == 0 {
            return Err(Message::error(628, "Cannot issue SAVE TRANSACTION when there is no active transaction.").into());
        }
        if !self.transaction.open {
            self.execute("BEGIN IMMEDIATE")?;
            self.transaction.open = true;
        }
        let lower = name.to_lowercase();
        self.execute(&format!("SAVEPOINT {}", savepoint(&lower)))?;
        self.transaction.savepoints.push(lower);
        Ok(())
    }
}

fn savepoint(name: &str) -> String {
    quote(&format!("user.{name}"))
}
