//! Load (section 4 of the protocol): from the records into production.
//!
//! A job is a loop over the state row: read it under its lock, decide the one transaction that
//! comes next ([`plan`]), run it (`run`), read again. A crash, a lost answer or a conflict leads
//! back to the reading, so there is no other way to recover (rule L7, section 7).

mod after;
mod missing;
pub mod plan;
mod run;
mod sweep;

use std::sync::Arc;
use std::time::Instant;

use crate::engine::abreast::abreast;
use crate::engine::event::{Event, Job, Outcome, TableReport};
use crate::engine::{Engine, control, lease};
use crate::model::control::LeaseKind;
use crate::model::fault::sync;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

pub(crate) use self::missing::Relogged;
pub(crate) use self::run::Loading;
pub(crate) use self::sweep::Swept;

/// What a load did with one table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loaded {
    pub outcome: Outcome,
    pub relogged: Option<Relogged>,
    pub swept: Swept,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Loads everything that is recorded for the given tables. One report a table, in their order.
    pub async fn load(self: &Arc<Self>, tables: &[TableName]) -> Vec<TableReport> {
        let reports = abreast(tables.iter().cloned(), self.settings.load.parallel, |table| async move {
            let started = Instant::now();
            self.events.send(Event::Started { job: Job::Load, table: table.clone() }).await;
            let outcome = self.load_table(&table).await.map(|loaded| loaded.outcome);
            self.finished(Job::Load, &table, &outcome, started).await;
            TableReport::new(Job::Load, table, outcome, None)
        })
        .await;
        self.sweep_runs(&reports).await;
        reports
    }

    pub(crate) async fn load_table(&self, table: &TableName) -> Result<Loaded, Fault> {
        self.safe_point(table)?;
        let mut retries = self.retries(Job::Load, table);
        let lease = loop {
            match lease::take(&self.store, table, LeaseKind::Load, &self.run.holder, self.run.wait, &self.cancel).await {
                Ok(lease) => break lease,
                Err(fault) => retries.again(fault).await?,
            }
        };
        let loaded = self.load_under_lease(table, &lease).await;
        let ended = match &loaded {
            Ok(loaded) if loaded.outcome.paused => lease::Ended::Unsaid,
            Ok(_) => lease::Ended::Well,
            Err(fault) => lease::Ended::by(fault),
        };
        lease.release_after(ended).await;
        loaded
    }

    async fn load_under_lease(&self, table: &TableName, lease: &lease::Held) -> Result<Loaded, Fault> {
        let mut retries = self.retries(Job::Load, table);
        loop {
            let begun = match control::is_paused(&*self.store, table).await {
                Ok(true) => return Ok(Loaded { outcome: Outcome { paused: true, ..Outcome::default() }, ..Loaded::default() }),
                Ok(false) => self.loading(table, lease).await,
                Err(fault) => Err(fault),
            };
            match begun {
                Ok(loading) => return loading.run().await,
                Err(fault) => retries.again(fault).await?,
            }
        }
    }

    /// A job on the current epoch, under a lease that is ours.
    pub(crate) async fn loading<'a>(&'a self, table: &'a TableName, lease: &'a lease::Held) -> Result<Loading<'a, S, C, T>, Fault> {
        let not_prepared = || {
            Fault::new(&sync::NOT_PREPARED, format!("{table} has no open epoch")).next(format!("db-to-redshift prepare --table {table:#}"))
        };
        let epoch = self.store.current_epoch(table).await?.ok_or_else(not_prepared)?;
        let opening = self.store.record(table, epoch, 0).await?.ok_or_else(not_prepared)?;
        Loading::new(self, lease, self.retries(Job::Load, table), opening)
    }
}
