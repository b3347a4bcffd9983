//! A prepare that failed or died, given again where that is safe.
//!
//! A plain snapshot is. Not what an operator vouched for (`--trusted`), gave up (`--replace`) or
//! let begin at a moment (`--mode start`): for these, and where the order is not known, the fault
//! says what to type.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::failures::Failure;
use crate::engine::Engine;
use crate::engine::event::{Job, TableReport};
use crate::model::fault::operate::PREPARE_BY_HAND;
use crate::model::order::{PrepareOptions, Repeat};
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// A prepare without an end, or with a bad one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unprepared {
    /// The code that it failed with, or what else tells of it.
    pub why: String,
    /// What it was told; `None` where a run of an older version noted it.
    pub order: Option<PrepareOptions>,
    pub run: Uuid,
    /// When its run began.
    pub began: Timestamp,
}

impl From<Failure> for Unprepared {
    fn from(failed: Failure) -> Self {
        Self { why: failed.code, order: failed.order, run: failed.run, began: failed.began }
    }
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Gives these orders again, those of the runs and those that an intent tells of. One report
    /// for each table that has one, with what called for it.
    pub(super) async fn prepare_again(
        self: &Arc<Self>,
        tables: &[TableName],
        mut failed: BTreeMap<TableName, Unprepared>,
        repeat: Repeat,
    ) -> Result<Vec<(String, TableReport)>, Fault> {
        let mut again: Vec<(PrepareOptions, Vec<TableName>)> = Vec::new();
        let (mut reports, mut whys) = (Vec::new(), BTreeMap::new());
        for table in tables {
            let Some(unprepared) = self.unprepared(table, failed.remove(table)).await? else { continue };
            let Some(order) = unprepared.order.filter(|order| repeat.takes(*order)) else {
                let outcome = Err(by_hand(table, &unprepared));
                let report = TableReport::new(Job::Prepare, table.clone(), outcome, unprepared.order);
                reports.push((unprepared.why, report));
                continue;
            };
            let text = format!("given again, as a run at {} was told: {}", unprepared.began, order.command(table));
            self.events.note(Job::Prepare, table, text).await;
            whys.insert(table.clone(), unprepared.why);
            match again.iter_mut().find(|(same, _)| *same == order) {
                Some((_, tables)) => tables.push(table.clone()),
                None => again.push((order, vec![table.clone()])),
            }
        }
        for (order, tables) in again {
            for report in self.prepare(&tables, order).await {
                reports.push((whys.remove(&report.table).unwrap_or_default(), report));
            }
        }
        Ok(reports)
    }

    /// The order that still waits, if any. An intent whose epoch has no record 0 comes first: its
    /// run died, or is at work, which its lease tells to whoever tries.
    pub(super) async fn unprepared(&self, table: &TableName, failed: Option<Unprepared>) -> Result<Option<Unprepared>, Fault> {
        let intent = self.store.control(table).await?.and_then(|(control, _)| control.intent);
        if intent.is_none() && failed.is_none() {
            return Ok(None);
        }
        let current = self.store.current_epoch(table).await?;
        if let Some(intent) = intent.filter(|intent| current.is_none_or(|current| current < intent.epoch)) {
            let why = format!("the snapshot of epoch {} did not end", intent.epoch);
            return Ok(Some(Unprepared { why, order: intent.order, run: intent.run, began: intent.since }));
        }
        let Some(failed) = failed else { return Ok(None) };
        // Without --new-epoch an open epoch is left as it is. With it, one that was opened since
        // is what was ordered.
        if failed.order.is_none_or(|order| order.new_epoch)
            && let Some(epoch) = current
            && let Some(opening) = self.store.record(table, epoch, 0).await?
            && (opening.run == failed.run || opening.created_at >= failed.began)
        {
            return Ok(None);
        }
        Ok(Some(failed))
    }
}

fn by_hand(table: &TableName, unprepared: &Unprepared) -> Fault {
    let fault = Fault::new(&PREPARE_BY_HAND, format!("the prepare of {table} is not given again without an order"))
        .evidence("run", unprepared.run)
        .evidence("began", unprepared.began)
        .evidence("failed with", &unprepared.why);
    match unprepared.order {
        Some(order) => fault.next(order.command(table)),
        None => fault
            .evidence("options", "not noted by the version that ran it")
            .next(format!("db-to-redshift prepare --table {table:#} # with the options that the run was given")),
    }
}
