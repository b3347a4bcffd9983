//! Skip: production goes on without one batch (rule L9). The table counts as diverged from then
//! on, until a verify finds it equal or a new epoch replaces it.

use schemars::JsonSchema;
use serde::Serialize;

use super::{is_typed, reason};
use crate::engine::load::{Loading, plan};
use crate::engine::{Engine, lease};
use crate::model::control::LeaseKind;
use crate::model::fault::operate::{CONFIRM, NOT_SKIPPABLE, OTHER_BATCH};
use crate::model::fault::{rs, sync};
use crate::model::{CommitRecord, Epoch, Fault, Lsn, RecordKind, Seq, TableName, TargetState};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{Applied, Loader, LogLine, SKIPPED_EVENT, Target};

/// The batch that comes next, and what leaving it out means.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SkipPlan {
    pub table: TableName,
    pub epoch: Epoch,
    pub batch: Seq,
    /// Rows that production will not get.
    pub upserts: u64,
    /// Rows that production will keep although the source deleted them.
    pub deletes: u64,
    pub lsn_from: Option<Lsn>,
    pub lsn_to: Lsn,
    /// Part of what stands in staging now, which is dropped.
    pub staged: bool,
}

/// What an operator orders.
#[derive(Clone, Debug)]
pub struct SkipOrder {
    pub table: TableName,
    /// The batch that the operator saw: another that comes next by now is not touched.
    pub batch: Option<Seq>,
    pub why: String,
    /// The table's name as it was typed.
    pub confirm: Option<String>,
}

/// A batch that was left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Skipped {
    /// Epoch of the batch.
    pub epoch: Epoch,
    /// Number of the batch inside its epoch.
    pub batch: Seq,
    /// Rows that were left out.
    pub rows: u64,
    /// The operator's reason.
    pub why: String,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// What a skip would leave out; `None` when nothing waits. Reads only.
    pub async fn skip_plan(&self, table: &TableName) -> Result<Option<SkipPlan>, Fault> {
        let state = self.target.state(table).await?.ok_or_else(|| {
            Fault::new(&rs::NOT_PREPARED, format!("{table} has no state")).next(format!("db-to-redshift prepare --table {table:#}"))
        })?;
        let not_prepared = || Fault::new(&sync::NOT_PREPARED, format!("{table} has no open epoch"));
        let epoch = self.store.current_epoch(table).await?.ok_or_else(not_prepared)?;
        let opening = self.store.record(table, epoch, 0).await?.ok_or_else(not_prepared)?;
        let next = next_batch(&state, &opening)?;
        let Some(record) = self.store.record(table, epoch, next).await? else { return Ok(None) };
        check(&record, &state, &opening)?;
        Ok(Some(SkipPlan {
            table: table.clone(),
            epoch,
            batch: next,
            upserts: record.counts.upserts,
            deletes: record.counts.deletes,
            lsn_from: record.lsn_from,
            lsn_to: record.lsn_to,
            staged: state.staged.is_some(),
        }))
    }

    /// Skips the next pending batch. Without a batch and the typed name it is the fault
    /// [`CONFIRM`], which says what would be done; `None`: nothing waits.
    pub async fn skip(&self, order: &SkipOrder) -> Result<Option<Skipped>, Fault> {
        let table = &order.table;
        let (Some(batch), true) = (order.batch, is_typed(table, order.confirm.as_deref())) else {
            return match self.skip_plan(table).await? {
                Some(plan) => Err(ask(&plan, order.confirm.as_deref())),
                None => Ok(None),
            };
        };
        let why = reason(&order.why)?;
        let lease = lease::take(&self.store, table, LeaseKind::Load, &self.run.holder, self.run.wait, &self.cancel).await?;
        let skipped = match self.loading(table, &lease).await {
            Ok(loading) => self.skip_under_lease(loading, batch, why).await,
            Err(fault) => Err(fault),
        };
        lease.release().await;
        skipped.map(Some)
    }

    async fn skip_under_lease(&self, mut loading: Loading<'_, S, C, T>, batch: Seq, why: String) -> Result<Skipped, Fault> {
        let mut state = loading.begin().await?;
        loading.log_missing(&state).await;
        let holder = &self.run.holder;
        let note = format!("batch {batch} of epoch {} was skipped by {}@{}: {why}", state.epoch, holder.user, holder.host);
        let (record, range) = loop {
            let record = self.to_skip(&state, loading.opening(), batch).await?;
            let Some(range) = loading.range(std::slice::from_ref(&record), None) else {
                return Err(Fault::new(&NOT_SKIPPABLE, format!("batch {batch} of {} has no range", record.table)));
            };
            let skipped = loading.loader().await?.skip(&range, &note).await;
            match skipped {
                Ok(()) => break (record, range),
                Err(fault) => loading.retry(fault).await?,
            }
            // A lost answer to COMMIT: the fence is still ours, so whoever moved state was us.
            state = loading.read_again().await?;
            if state.epoch == record.epoch && state.applied_seq == Some(batch) {
                break (record, range);
            }
        };
        let rows = record.counts.rows();
        let line = loading.line(&range, std::slice::from_ref(&record), SKIPPED_EVENT, Applied::default());
        if let Err(fault) = loading.log_and_truncate(LogLine { diverged: Some(note), ..line }).await {
            loading.warn(format!("after the skip: {fault}")).await;
        }
        Ok(Skipped { epoch: record.epoch, batch, rows, why })
    }

    /// The record of the batch, if it is the next one and may be left out.
    async fn to_skip(&self, state: &TargetState, opening: &CommitRecord, batch: Seq) -> Result<CommitRecord, Fault> {
        let table = &opening.table;
        let next = next_batch(state, opening)?;
        if batch != next {
            return Err(Fault::new(&OTHER_BATCH, format!("batch {batch} of {table} is not the next one"))
                .evidence("epoch", opening.epoch)
                .evidence("next batch", next)
                .next(format!("db-to-redshift skip --table {table:#}")));
        }
        let record = self.store.record(table, opening.epoch, batch).await?.ok_or_else(|| {
            Fault::new(&OTHER_BATCH, format!("{table} has no batch {batch}: nothing waits")).evidence("epoch", opening.epoch)
        })?;
        check(&record, state, opening)?;
        Ok(record)
    }
}

/// The number of the batch that comes next. Record 0 is never skipped.
fn next_batch(state: &TargetState, opening: &CommitRecord) -> Result<Seq, Fault> {
    match state.applied_seq {
        Some(applied) if state.epoch == opening.epoch => Ok(applied + 1),
        _ => Err(Fault::new(&NOT_SKIPPABLE, format!("the record that opens epoch {} of {} comes next", opening.epoch, opening.table))
            .evidence("epoch in state", state.epoch)
            .evidence("current epoch in S3", opening.epoch)),
    }
}

fn check(record: &CommitRecord, state: &TargetState, opening: &CommitRecord) -> Result<(), Fault> {
    if record.kind == RecordKind::Schema {
        return Err(Fault::new(&NOT_SKIPPABLE, format!("batch {} of {} is a change of columns", record.seq, record.table)));
    }
    plan::check_link(record, state.applied_lsn.unwrap_or_default(), state, opening)
}

fn ask(plan: &SkipPlan, typed: Option<&str>) -> Fault {
    let SkipPlan { table, epoch, batch, upserts, deletes, lsn_from, lsn_to, staged } = plan;
    let what = format!("skip leaves batch {batch} of {table} out for good, and the table counts as diverged from then on");
    let fault = Fault::new(&CONFIRM, what)
        .evidence("epoch", epoch)
        .evidence("batch", batch)
        .evidence("rows that production will not get", upserts)
        .evidence("deleted rows that production will keep", deletes)
        .evidence("lsn_from", lsn_from.unwrap_or_default())
        .evidence("lsn_to", lsn_to)
        .evidence("stands in staging", if *staged { "yes, and is dropped there" } else { "no" });
    let fault = match typed {
        Some(typed) if typed != table.to_string() => fault.evidence("typed instead of the table's name", typed),
        _ => fault,
    };
    fault.next(format!("db-to-redshift skip --table {table:#} --batch {batch} --confirm {table:#} --reason '…'"))
}
