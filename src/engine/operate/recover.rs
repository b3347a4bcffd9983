//! Recover: everything that a crash may have left, put in order, without extracting (section 7).
//!
//! A plain load does most of it. What only recover does is to take an intent away whose snapshot
//! is gone, and to say what it found.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::Report;
use crate::engine::abreast::abreast;
use crate::engine::event::Outcome;
use crate::engine::load::{Loaded, Relogged};
use crate::engine::{Engine, control, lease};
use crate::model::control::LeaseKind;
use crate::model::fault::sync;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// What a recover did with one table.
#[derive(Clone, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct Recovered {
    pub outcome: Outcome,
    /// What was put in order, in plain words.
    pub did: Vec<String>,
    /// What was left as it is, and why.
    pub left: Vec<String>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Applies what is staged, loads what is recorded, completes the batch log, deletes files,
    /// records and manifests that nobody needs, and removes void intents.
    pub async fn recover(self: &Arc<Self>, tables: &[TableName]) -> Vec<Report<Recovered>> {
        let recover = |table: TableName| async move {
            let outcome = self.recover_table(&table).await;
            Report::new(table, outcome)
        };
        abreast(tables.iter().cloned(), self.settings.load.parallel, recover).await
    }

    async fn recover_table(&self, table: &TableName) -> Result<Recovered, Fault> {
        let mut report = Recovered::default();
        self.recover_intent(table, &mut report).await?;
        if self.store.current_epoch(table).await?.is_none() {
            report.left.push(format!("no epoch is open: db-to-redshift prepare --table {table:#}"));
            return Ok(report);
        }
        let Loaded { outcome, relogged, swept } = self.load_table(table).await?;
        report.outcome = outcome;
        if outcome.paused {
            report.left.push(format!("paused by an operator: db-to-redshift resume --table {table:#}"));
        }
        if outcome.batches > 0 {
            report.did.push(format!("loaded {} batches", outcome.batches));
        }
        if let Some(Relogged { from, to }) = relogged {
            report.did.push(format!("completed the batch log: batches {from} to {to}"));
        }
        if swept.files > 0 {
            report.did.push(format!("deleted {} part files and records that nobody needs", swept.files));
        }
        if swept.manifests > 0 {
            report.did.push(format!("deleted {} COPY manifests of ranges that are loaded", swept.manifests));
        }
        Ok(report)
    }

    /// An intent whose epoch has its record 0 is void. Any other may only go when the lease of
    /// whoever wrote it is free; its snapshot, should it live after all, finds it gone and stops.
    async fn recover_intent(&self, table: &TableName, report: &mut Recovered) -> Result<(), Fault> {
        let intent = self.store.control(table).await?.and_then(|(control, _)| control.intent);
        let Some(intent) = intent else { return Ok(()) };
        let void = self.store.current_epoch(table).await?.is_some_and(|epoch| epoch >= intent.epoch);
        let lease = if void {
            None
        } else {
            match lease::take(&self.store, table, LeaseKind::Extract, &self.run.holder, self.run.wait, &self.cancel).await {
                Ok(lease) => Some(lease),
                Err(fault) if fault.is(&sync::BUSY) => {
                    let text =
                        format!("a snapshot of epoch {} is under way, or its lease has not expired yet (--wait waits)", intent.epoch);
                    report.left.push(text);
                    return Ok(());
                }
                Err(fault) => return Err(fault),
            }
        };
        let removed = control::change(&*self.store, table, |control| {
            let same = control.intent.as_ref().is_some_and(|found| (found.run, found.epoch) == (intent.run, intent.epoch));
            if same {
                control.intent = None;
            }
            Ok(same)
        })
        .await;
        if let Some(lease) = lease {
            lease.release().await;
        }
        if removed? {
            report.did.push(format!("removed the intent of a snapshot of epoch {} that is over", intent.epoch));
        }
        Ok(())
    }
}
