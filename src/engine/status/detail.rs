//! A few tables from the objects and rows themselves: the state row in the target, control,
//! leases and head record in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;
use jiff::civil::DateTime;

use super::judge::{self, Parts};
use super::{instance, source_system};
use crate::engine::Engine;
use crate::engine::extract::guards;
use crate::model::control::{Lease, LeaseKind};
use crate::model::fault::{Class, FaultDocument, page};
use crate::model::status::{
    Busy, FailedJob, LEASE_SILENT_AFTER, ReportKind, SourceStatus, SourceSystem, StatusReport, StoreStatus, System, Systems, TableFault,
    TableStatus, TargetStatus,
};
use crate::model::{CommitRecord, Fault, Lsn, Seq, TableName, TargetState};
use crate::source::{FleetFacts, MappingFacts, ProbeRange, Source};
use crate::store::ChangeStore;
use crate::target::Target;

/// Tables whose objects are read at once.
const PARALLEL: usize = 16;

/// The store's part of a table, with the newest record.
type InStore = (StoreStatus, Option<CommitRecord>);

/// The target's part of a table: state, and why production may differ though state does not say so.
#[derive(Default)]
struct InTarget {
    state: Option<TargetState>,
    doubts: Vec<String>,
}

/// The source's parts, and the commit times of the heads and of production's positions.
#[derive(Default)]
struct InSource {
    parts: BTreeMap<TableName, SourceStatus>,
    times: BTreeMap<Lsn, Option<DateTime>>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// A system that does not answer leaves its part empty and its fault in the report.
    pub async fn status(self: &Arc<Self>, tables: &[TableName]) -> StatusReport {
        let at = Timestamp::now();
        let (mut faults, mut systems) = (Vec::new(), Systems::default());
        let (targets, failed) = self.in_target(tables, &mut faults).await;
        systems.target = failed;
        let (stored, failed) = self.in_store(tables, &targets, &mut faults, at).await;
        systems.store = failed;
        let sources = match self.in_source(tables, &stored, &targets, &mut faults).await {
            Ok((system, sources)) => {
                systems.source = system;
                Some(sources)
            }
            Err(fault) => {
                let fault = FaultDocument::from(&fault);
                systems.source.fault = Some(fault.clone());
                faults.push(TableFault { table: None, fault });
                None
            }
        };
        let line = |table: &TableName| line(table, sources.as_ref(), stored.get(table), targets.get(table), &systems.source, at);
        let tables = tables.iter().map(line).collect();
        StatusReport { pipeline: self.settings.pipeline.clone(), kind: ReportKind::Detail, at, systems, tables, faults }
    }

    async fn in_store(
        self: &Arc<Self>,
        tables: &[TableName],
        targets: &BTreeMap<TableName, InTarget>,
        faults: &mut Vec<TableFault>,
        at: Timestamp,
    ) -> (BTreeMap<TableName, InStore>, System) {
        let read = futures::stream::iter(tables.iter().cloned())
            .map(|table| async move {
                let state = targets.get(&table).and_then(|target| target.state.as_ref());
                let status = self.store_status(&table, state, at).await;
                (table, status)
            })
            .buffer_unordered(PARALLEL)
            .collect::<Vec<_>>()
            .await;
        collect(read, faults)
    }

    async fn store_status(&self, table: &TableName, state: Option<&TargetState>, at: Timestamp) -> Result<InStore, Fault> {
        let objects = &self.store;
        let control = objects.control(table).await?.map(|(control, _)| control).unwrap_or_default();
        let extract = objects.lease(table, LeaseKind::Extract).await?.map(|(lease, _)| lease);
        let load = objects.lease(table, LeaseKind::Load).await?.map(|(lease, _)| lease);
        let leases = [(LeaseKind::Extract, &extract), (LeaseKind::Load, &load)];
        let failed = leases.into_iter().filter_map(|(job, lease)| failed(job, lease.as_ref()?)).collect();
        let epoch = objects.current_epoch(table).await?;
        let head = match epoch {
            None => None,
            Some(epoch) => {
                let seq = objects.head(table, epoch, 0).await?;
                objects.record(table, epoch, seq).await?
            }
        };
        let applied = state.filter(|state| Some(state.epoch) == epoch).and_then(|state| state.applied_seq);
        // Before record 0 is applied the whole epoch waits.
        let pending = head.as_ref().map_or(0, |head| applied.map_or(head.seq + 1, |applied| head.seq.saturating_sub(applied)));
        let mut status = StoreStatus {
            epoch,
            head: head.as_ref().map(|record| record.seq),
            head_lsn: head.as_ref().map(|record| record.lsn_to),
            head_time: head.as_ref().and_then(|record| record.mapping.as_ref()).map(|row| row.end_time),
            pending: Some(pending),
            paused: control.paused.is_some(),
            intent: control.intent.is_some(),
            extracting: extract.and_then(|lease| busy(lease, at)),
            loading: load.and_then(|lease| busy(lease, at)),
            failed,
            control: Some(control),
            ..StoreStatus::default()
        };
        if let Some(head) = &head {
            self.count_files(head, applied, &mut status).await?;
        }
        Ok((status, head))
    }

    async fn count_files(&self, head: &CommitRecord, applied: Option<Seq>, status: &mut StoreStatus) -> Result<(), Fault> {
        let (mut files, mut bytes, mut writing) = (0, 0, 0);
        for attempt in self.store.attempts(&head.table, head.epoch).await? {
            let count = attempt.keys.iter().filter(|key| key.ends_with(".csv.zst")).count() as u64;
            if attempt.attempt.seq > head.seq {
                writing += count;
            } else if Some(attempt.attempt.seq) > applied {
                files += count;
                bytes += attempt.bytes;
            }
        }
        (status.pending_files, status.pending_bytes, status.writing_files) = (Some(files), Some(bytes), Some(writing));
        let first = applied.map_or(0, |applied| applied + 1);
        if first <= head.seq {
            let oldest = self.store.record(&head.table, head.epoch, first).await?;
            status.pending_since = oldest.map(|record| record.created_at);
        }
        Ok(())
    }

    async fn in_source(
        &self,
        tables: &[TableName],
        stored: &BTreeMap<TableName, InStore>,
        targets: &BTreeMap<TableName, InTarget>,
        faults: &mut Vec<TableFault>,
    ) -> Result<(SourceSystem, InSource), Fault> {
        let facts = self.source.fleet().await?;
        let head = |table: &TableName| stored.get(table).and_then(|(_, head)| head.as_ref());
        let mut found = InSource::default();
        let (mut ranges, mut probed) = (Vec::new(), Vec::new());
        for table in tables {
            let (status, range) = in_catalogue(&facts, table, head(table));
            if let Some(range) = range {
                ranges.push(range);
                probed.push(table.clone());
            }
            found.parts.insert(table.clone(), status);
        }
        // A table whose probe failed stays unknown.
        let firsts = probed.into_iter().zip(guards::probe(&*self.source, &ranges).await?).collect();
        for (table, first) in collect(firsts, faults).0 {
            if let Some(status) = found.parts.get_mut(&table) {
                (status.waiting, status.first_waiting) = (Some(first.is_some()), first);
            }
        }
        let applied = targets.values().filter_map(|target| target.state.as_ref()?.applied_lsn);
        let heads = stored.values().filter_map(|(store, _)| store.head_lsn);
        let waiting = found.parts.values().filter_map(|status| status.first_waiting);
        let lsns: BTreeSet<Lsn> = applied.chain(heads).chain(waiting).collect();
        let lsns: Vec<Lsn> = lsns.into_iter().collect();
        let mapped = self.source.mappings(&lsns).await?;
        let times = mapped.iter().map(MappingFacts::time);
        found.times = lsns.into_iter().zip(times).collect();
        for status in found.parts.values_mut() {
            status.first_waiting_time = status.first_waiting.and_then(|lsn| found.times.get(&lsn).copied().flatten());
        }
        Ok((source_system(&facts), found))
    }

    async fn in_target(self: &Arc<Self>, tables: &[TableName], faults: &mut Vec<TableFault>) -> (BTreeMap<TableName, InTarget>, System) {
        let read = futures::stream::iter(tables.iter().cloned())
            .map(|table| async move {
                let found = self.table_in_target(&table).await;
                (table, found)
            })
            .buffer_unordered(self.settings.load.parallel.max(1))
            .collect::<Vec<_>>()
            .await;
        collect(read, faults)
    }

    async fn table_in_target(&self, table: &TableName) -> Result<InTarget, Fault> {
        let Some(state) = self.target.state(table).await? else { return Ok(InTarget::default()) };
        let mut doubts = Vec::new();
        let (theirs, root) = (&state.identity, self.store.root());
        if theirs.pipeline != self.settings.pipeline || theirs.root != root {
            doubts.push(format!("its state belongs to pipeline {} with {}", theirs.pipeline, theirs.root));
        }
        let found = self.target.oids(table).await?;
        if found == (Some(state.production_oid), Some(state.staging_oid)) {
            return Ok(InTarget { state: Some(state), doubts });
        }
        // A prepare may have made one anew between the two questions.
        let Some(state) = self.target.state(table).await? else { return Ok(InTarget::default()) };
        let names = self.target.names(table);
        let recorded = [(names.production, found.0, state.production_oid), (names.staging, found.1, state.staging_oid)];
        doubts.extend(recorded.into_iter().filter_map(|(name, found, recorded)| match found {
            None => Some(format!("{name} does not exist")),
            Some(found) => (found != recorded).then(|| format!("{name} is not the table that was loaded")),
        }));
        Ok(InTarget { state: Some(state), doubts })
    }
}

/// The catalogue's word on a table, and where to look for its first waiting change.
fn in_catalogue(facts: &FleetFacts, table: &TableName, head: Option<&CommitRecord>) -> (SourceStatus, Option<ProbeRange>) {
    let own = head.map(|record| record.capture.instance.as_str());
    // The stream's own instance where there is a stream, else the newest.
    let found = facts.tables.iter().find(|fleet| fleet.name == *table).and_then(|fleet| instance(fleet, own));
    let max = facts.newest.as_ref().map(|row| row.lsn);
    let mut status = SourceStatus {
        tracked: found.is_some(),
        instance: found.map(|(instance, _)| instance.to_owned()),
        min_lsn: found.and_then(|(_, min)| min),
        max_lsn: max,
        ..SourceStatus::default()
    };
    let (Some(record), Some((instance, Some(min))), Some(max)) = (head, found, max) else { return (status, None) };
    let from = record.lsn_to.next();
    if from > max {
        status.waiting = Some(false);
        return (status, None);
    }
    let range = (min <= from).then(|| ProbeRange { instance: instance.to_owned(), from, to: max });
    (status, range)
}

fn failed(job: LeaseKind, lease: &Lease) -> Option<FailedJob> {
    let code = lease.failed.clone()?;
    let human = page(&code).is_some_and(|page| page.class == Class::Human);
    Some(FailedJob { job, at: lease.at, code: Some(code), human })
}

fn busy(lease: Lease, now: Timestamp) -> Option<Busy> {
    let silent = now.duration_since(lease.at).as_secs() > LEASE_SILENT_AFTER;
    lease.holder.map(|holder| Busy { renewed: lease.at, silent, holder: Some(holder) })
}

/// Keeps what was read; a fault that repeats over the tables is told once.
fn collect<V>(read: Vec<(TableName, Result<V, Fault>)>, faults: &mut Vec<TableFault>) -> (BTreeMap<TableName, V>, System) {
    let (mut kept, mut system) = (BTreeMap::new(), System::default());
    for (table, result) in read {
        match result {
            Ok(value) => drop(kept.insert(table, value)),
            Err(fault) => {
                let fault = FaultDocument::from(&fault);
                match faults.iter_mut().find(|told| told.fault == fault) {
                    Some(told) => told.table = None,
                    None => faults.push(TableFault { table: Some(table), fault: fault.clone() }),
                }
                system.fault.get_or_insert(fault);
            }
        }
    }
    (kept, system)
}

fn line(
    table: &TableName,
    source: Option<&InSource>,
    store: Option<&InStore>,
    target: Option<&InTarget>,
    system: &SourceSystem,
    at: Timestamp,
) -> TableStatus {
    let time = |lsn: Option<Lsn>| source.and_then(|source| source.times.get(&lsn?).copied().flatten());
    let head = store.and_then(|(_, head)| head.as_ref());
    let mut store = store.map(|(store, _)| store.clone());
    if let Some(store) = &mut store {
        // The record's own row may be older than what the mapping has at its end by now.
        store.head_time = time(store.head_lsn).or(store.head_time);
    }
    let other = |state: &TargetState| {
        let head = head.filter(|head| head.epoch == state.epoch && Some(head.seq) == state.applied_seq)?;
        let (seq, recorded, applied) = (head.seq, head.lsn_to, state.applied_lsn?);
        let why = || format!("record {seq} ends at {recorded}, production stands at {applied}: it is not the one that was applied");
        (recorded != applied).then(why)
    };
    let status = |state: &TargetState, doubts: &[String]| TargetStatus {
        epoch: state.epoch,
        applied_seq: state.applied_seq,
        applied_lsn: state.applied_lsn,
        applied_time: time(state.applied_lsn),
        applied_at: state.applied_at.clone(),
        staged: state.staged,
        diverged: state.diverged.clone(),
        doubts: doubts.iter().cloned().chain(other(state)).collect(),
        state: Some(state.clone()),
    };
    let parts = Parts {
        source: source.and_then(|source| source.parts.get(table).cloned()),
        store,
        target: target.and_then(|target| Some(status(target.state.as_ref()?, &target.doubts))),
    };
    judge::table(table, parts, system, target.is_some(), at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::{rs, s3};

    #[test]
    fn a_fault_names_its_table_unless_several_met_it() {
        let table = |name| TableName::new("dbo", name);
        let own = Fault::new(&s3::DENIED, "no access").evidence("object", "a");
        let shared = Fault::new(&rs::CONNECT, "nobody answers");
        let read =
            vec![(table("a"), Err(own.clone())), (table("b"), Err(shared.clone())), (table("c"), Err(shared.clone())), (table("d"), Ok(4))];
        let mut faults = Vec::new();
        let (kept, system) = collect(read, &mut faults);
        assert_eq!(kept, BTreeMap::from([(table("d"), 4)]));
        assert_eq!(system.fault, Some(FaultDocument::from(&own)), "the first");
        let told = |table, fault| TableFault { table, fault: FaultDocument::from(fault) };
        assert_eq!(faults, [told(Some(table("a")), &own), told(None, &shared)]);
    }
}
