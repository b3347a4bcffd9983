//! Leases: who is busy with a table, and how a lease that nobody renews is freed (section 5).
//!
//! Whoever loses a lease stops at the next safe point. Even a job that does not notice can do no
//! harm: records are written once (R1), and the fence in state stops a stale load.

use futures::StreamExt;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::{AT_ONCE, Report, is_typed};
use crate::engine::Engine;
use crate::engine::lease::{LOOK, Watch, busy, is_dead};
use crate::model::control::{Holder, Lease, LeaseKind};
use crate::model::fault::operate::{CONFIRM, NOT_OURS};
use crate::model::fault::sync::CANCELLED;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::{ChangeStore, ETag, Written};
use crate::target::Target;

const KINDS: [LeaseKind; 2] = [LeaseKind::Extract, LeaseKind::Load];

/// A lease that somebody holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct LeaseLine {
    pub kind: LeaseKind,
    pub holder: Holder,
    /// The holder's clock at its last beat, UTC.
    pub beat_at: Timestamp,
    /// Seconds since then by our clock, so no better than the two clocks agree.
    pub beat_age_seconds: i64,
    /// The holder was a process of this machine, and has ended.
    pub holder_has_ended: bool,
}

/// Leases that were freed, with those who held them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
pub struct Freed {
    /// As they were held.
    pub leases: Vec<LeaseLine>,
}

/// How a lease is taken from its holder.
#[derive(Clone, Debug, Default)]
pub struct TakeOver {
    /// The operator has agreed to take over what nobody renews.
    pub confirm: bool,
    /// The table's name as it was typed: a lease that is renewed is taken as well.
    pub force: Option<String>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// The leases that are held.
    pub async fn leases(&self, tables: &[TableName]) -> Vec<Report<Vec<LeaseLine>>> {
        futures::stream::iter(tables.iter().cloned())
            .map(|table| async move {
                let outcome = self.held(&table).await.map(|held| held.into_iter().map(|(line, _, _)| line).collect());
                Report::new(table, outcome)
            })
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn held(&self, table: &TableName) -> Result<Vec<(LeaseLine, Lease, ETag)>, Fault> {
        let mut held = Vec::new();
        for kind in KINDS {
            let Some((lease, etag)) = self.store.lease(table, kind).await? else { continue };
            let Some(holder) = lease.holder.clone() else { continue };
            held.push((self.line(kind, holder, &lease), lease, etag));
        }
        Ok(held)
    }

    fn line(&self, kind: LeaseKind, holder: Holder, lease: &Lease) -> LeaseLine {
        let holder_has_ended = is_dead(&holder, &self.run.holder);
        let beat_age_seconds = Timestamp::now().duration_since(lease.at).as_secs();
        LeaseLine { kind, holder, beat_at: lease.at, beat_age_seconds, holder_has_ended }
    }

    /// Releases our own leases on a table: those of this run, and those of this user's processes
    /// on this machine that have ended.
    pub async fn release_leases(&self, tables: &[TableName]) -> Vec<Report<Freed>> {
        futures::stream::iter(tables.iter().cloned())
            .map(|table| async move {
                let outcome = self.release_table(&table).await;
                Report::new(table, outcome)
            })
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn release_table(&self, table: &TableName) -> Result<Freed, Fault> {
        let us = &self.run.holder;
        let held = self.held(table).await?;
        let ours = |line: &LeaseLine| line.holder.run == us.run || line.holder_has_ended && line.holder.user == us.user;
        // All or none: half a release would be told as a failure.
        if let Some((line, _, _)) = held.iter().find(|(line, _, _)| !ours(line)) {
            return Err(not_ours(table, line));
        }
        let mut freed = Freed::default();
        for (line, lease, etag) in held {
            if !self.put_released(table, line.kind, &lease, &etag).await? {
                return Err(not_ours(table, &line));
            }
            freed.leases.push(line);
        }
        Ok(freed)
    }

    /// Frees the leases on a table for whoever comes next. One whose version stands for 60 s on
    /// our own clock has no holder any more; one that is renewed is the fault
    /// [`crate::model::fault::sync::BUSY`], unless force was typed.
    pub async fn take_over(&self, tables: &[TableName], order: &TakeOver) -> Vec<Report<Freed>> {
        // All at once: each may have to be watched for a minute.
        futures::stream::iter(tables.iter().cloned())
            .map(|table| async move {
                let outcome = self.take_over_table(&table, order).await;
                Report::new(table, outcome)
            })
            .buffered(tables.len().max(1))
            .collect()
            .await
    }

    async fn take_over_table(&self, table: &TableName, order: &TakeOver) -> Result<Freed, Fault> {
        let force = is_typed(table, order.force.as_deref());
        let held = self.held(table).await?;
        if let (false, Some((line, _, _))) = (force || order.confirm && order.force.is_none(), held.first()) {
            return Err(ask(table, line));
        }
        let watched = held.into_iter().map(|(line, _, _)| self.take_over_lease(table, line, force));
        let mut freed = Freed::default();
        for line in futures::future::join_all(watched).await {
            freed.leases.extend(line?);
        }
        Ok(freed)
    }

    /// `None`: its holder released it meanwhile.
    async fn take_over_lease(&self, table: &TableName, line: LeaseLine, force: bool) -> Result<Option<LeaseLine>, Fault> {
        let mut watch = Watch::default();
        loop {
            let Some((lease, etag)) = self.store.lease(table, line.kind).await? else { return Ok(None) };
            let Some(holder) = lease.holder.clone() else { return Ok(None) };
            if !force && watch.has_changed(&etag) {
                let forced =
                    format!("db-to-redshift lease --take-over --force {table:#} --table {table:#} # takes it from a job that is at work");
                return Err(busy(table, line.kind, &holder).next(forced));
            }
            let free = force || is_dead(&holder, &self.run.holder) || watch.has_expired(&etag, Instant::now());
            if free && self.put_released(table, line.kind, &lease, &etag).await? {
                return Ok(Some(self.line(line.kind, holder, &lease)));
            }
            if !free {
                tokio::select! {
                    () = self.cancel.cancelled() => return Err(Fault::new(&CANCELLED, format!("stopped watching the leases of {table}"))),
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
        }
    }

    /// `false`: somebody wrote the lease first.
    async fn put_released(&self, table: &TableName, kind: LeaseKind, lease: &Lease, etag: &ETag) -> Result<bool, Fault> {
        let released = Lease { holder: None, beat: lease.beat + 1, at: Timestamp::now(), failed: lease.failed.clone() };
        Ok(matches!(self.store.put_lease(table, kind, &released, Some(etag)).await?, Written::Done(_)))
    }
}

fn describe(fault: Fault, line: &LeaseLine) -> Fault {
    let LeaseLine { kind, holder, beat_at, beat_age_seconds, .. } = line;
    fault
        .evidence("lease", kind.as_str())
        .evidence("host", &holder.host)
        .evidence("user", &holder.user)
        .evidence("pid", holder.pid)
        .evidence("run", holder.run)
        .evidence("since", holder.since)
        .evidence("last beat", beat_at)
        .evidence("seconds since that beat", beat_age_seconds)
}

fn not_ours(table: &TableName, line: &LeaseLine) -> Fault {
    describe(Fault::new(&NOT_OURS, format!("the {} lease of {table} is held by another run", line.kind.as_str())), line)
}

fn ask(table: &TableName, line: &LeaseLine) -> Fault {
    let what = format!("the {} lease of {table} is watched for 60 s and freed if nobody renews it", line.kind.as_str());
    describe(Fault::new(&CONFIRM, what), line)
        .next(format!("db-to-redshift lease --take-over --confirm --table {table:#}"))
        .next(format!("db-to-redshift lease --take-over --force {table:#} --table {table:#} # takes it even from a job that is at work"))
}
