//! All tables at once: a fixed number of statements to both databases, and listings of S3. No
//! object is read, no state row, no lock waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::judge::{self, Parts};
use super::{instance, source_system};
use crate::engine::Engine;
use crate::engine::extract::guards;
use crate::model::control::LeaseKind;
use crate::model::fault::FaultDocument;
use crate::model::status::{
    Busy, FailedJob, LEASE_SILENT_AFTER, ReportKind, SourceStatus, SourceSystem, StatusReport, StoreStatus, System, Systems, TableFault,
    TargetStatus,
};
use crate::model::{Fault, Lsn, TableName};
use crate::source::{FleetFacts, FleetTable, MappingFacts, ProbeRange, Source};
use crate::store::{AppliedSeqs, ChangeStore, StoredTable};
use crate::target::{Target, TargetFleet};

/// What the target said, and when: kept by a caller who asks it less often than the others, since
/// Redshift bills by the second.
#[derive(Clone, Debug)]
pub struct TargetSaid {
    pub at: Timestamp,
    pub answer: Result<TargetFleet, Fault>,
}

/// What the three systems said.
struct Seen {
    source: Option<FleetFacts>,
    store: Option<BTreeMap<TableName, StoredTable>>,
    target: Arc<TargetSaid>,
    systems: Systems,
}

impl Seen {
    fn target(&self) -> Option<&TargetFleet> {
        self.target.answer.as_ref().ok()
    }
}

/// What is asked of the source once the positions of the streams are known.
#[derive(Default)]
struct Asked {
    times: BTreeMap<Lsn, Option<DateTime>>,
    /// The first waiting change of each table that was probed.
    first: BTreeMap<TableName, Option<Lsn>>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// The given tables, or all that are tracked or have anything in the store, without those that
    /// the configuration skips. A system that does not answer leaves its part empty and its
    /// fault in the report.
    pub async fn fleet(self: &Arc<Self>, tables: Option<&[TableName]>) -> StatusReport {
        self.fleet_since(tables, None).await.0
    }

    /// [`Self::fleet`] with an answer of the target from before, so that only source and store are
    /// asked; `None` asks all three. Returns the answer that the report stands on. What was loaded
    /// since that answer still counts as waiting, in the store or in the source: ask the target
    /// again after every job of one's own.
    pub async fn fleet_since(
        self: &Arc<Self>,
        tables: Option<&[TableName]>,
        known: Option<Arc<TargetSaid>>,
    ) -> (StatusReport, Arc<TargetSaid>) {
        let at = Timestamp::now();
        let mut seen = self.see(known).await;
        let names = match tables {
            Some(tables) => tables.iter().cloned().collect(),
            None => self.known(&seen),
        };
        let asked = match self.ask(&names, &seen).await {
            Ok(asked) => asked,
            Err(fault) => {
                seen.systems.source.fault = Some(FaultDocument::from(&fault));
                Asked::default()
            }
        };
        let by_name: BTreeMap<&TableName, &FleetTable> =
            seen.source.iter().flat_map(|facts| &facts.tables).map(|table| (&table.name, table)).collect();
        let system = &seen.systems.source;
        let lines = names.iter().map(|name| {
            let stored = seen.store.as_ref().and_then(|fleet| fleet.get(name));
            let target = seen.target().and_then(|fleet| self.target_status(fleet, name, &asked));
            let store = seen.store.as_ref().map(|_| store_status(stored, target.as_ref(), system, &asked, at));
            let own = own_instance(&seen, name);
            let source = seen.source.as_ref().map(|_| source_status(by_name.get(name).copied(), own, system, name, &asked));
            judge::table(name, Parts { source, store, target }, system, seen.target().is_some(), at)
        });
        let tables = lines.collect();
        let systems = &seen.systems;
        let faults = [&systems.source.fault, &systems.store.fault, &systems.target.fault].into_iter().flatten();
        let faults = faults.map(|fault| TableFault { table: None, fault: fault.clone() }).collect();
        let report = StatusReport {
            pipeline: self.settings.pipeline.clone(),
            kind: ReportKind::Fleet,
            at,
            systems: seen.systems.clone(),
            tables,
            faults,
        };
        (report, seen.target)
    }

    /// Source and target side by side; then the store, which begins where production stands.
    async fn see(&self, known: Option<Arc<TargetSaid>>) -> Seen {
        let target = async {
            match known {
                Some(known) => known,
                None => Arc::new(TargetSaid { at: Timestamp::now(), answer: self.target.fleet(&self.settings.pipeline).await }),
            }
        };
        let (source, target) = tokio::join!(self.source.fleet(), target);
        let applied: AppliedSeqs = target
            .answer
            .iter()
            .flat_map(|fleet| &fleet.logged)
            .filter_map(|(table, state)| Some((table.clone(), (state.epoch, state.applied_seq?))))
            .collect();
        let store = self.store.fleet(&applied).await;
        let system = |fault: Option<&Fault>| System { fault: fault.map(FaultDocument::from) };
        let systems = Systems {
            source: match &source {
                Ok(facts) => source_system(facts),
                Err(fault) => SourceSystem { fault: Some(FaultDocument::from(fault)), ..SourceSystem::default() },
            },
            store: system(store.as_ref().err()),
            target: system(target.answer.as_ref().err()),
        };
        Seen { source: source.ok(), store: store.ok(), target, systems }
    }

    /// Tables that are tracked, or that anything was extracted of: a table whose capture was
    /// switched off does not vanish.
    fn known(&self, seen: &Seen) -> BTreeSet<TableName> {
        let tracked = seen.source.iter().flat_map(|facts| &facts.tables).map(|table| &table.name);
        let stored = seen.store.iter().flatten().filter(|(_, stored)| stored.epoch.is_some()).map(|(name, _)| name);
        let logged = seen.target().into_iter().flat_map(|fleet| fleet.logged.keys());
        tracked.chain(stored).chain(logged).filter(|name| !self.settings.is_skipped(name)).cloned().collect()
    }

    /// Two round trips: the first waiting change of every stream, and the commit time of every
    /// LSN that the report tells one of.
    async fn ask(&self, names: &BTreeSet<TableName>, seen: &Seen) -> Result<Asked, Fault> {
        let Some(facts) = &seen.source else { return Ok(Asked::default()) };
        let Some(max) = facts.newest.as_ref().map(|row| row.lsn) else { return Ok(Asked::default()) };
        let (mut ranges, mut probed, mut lsns) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut first = BTreeMap::new();
        for table in facts.tables.iter().filter(|table| names.contains(&table.name)) {
            let logged = seen.target().and_then(|fleet| fleet.logged.get(&table.name));
            lsns.extend(logged.and_then(|state| state.applied_lsn));
            let stored = seen.store.as_ref().and_then(|fleet| fleet.get(&table.name));
            let Some(head) = stored.and_then(|stored| head_lsn(stored, logged.and_then(|state| state.applied_lsn))) else { continue };
            lsns.insert(head);
            let Some((instance, Some(min))) = instance(table, own_instance(seen, &table.name)) else { continue };
            let from = head.next();
            if from > max {
                first.insert(table.name.clone(), None);
            } else if min <= from {
                ranges.push(ProbeRange { instance: instance.to_owned(), from, to: max });
                probed.push(table.name.clone());
            }
        }
        // A table whose probe failed stays unknown: its own jobs tell why.
        let firsts = probed.into_iter().zip(guards::probe(&*self.source, &ranges).await?);
        first.extend(firsts.filter_map(|(table, first)| Some((table, first.ok()?))));
        lsns.extend(first.values().flatten());
        let lsns: Vec<Lsn> = lsns.into_iter().collect();
        let mapped = self.source.mappings(&lsns).await?;
        let times = mapped.iter().map(MappingFacts::time);
        Ok(Asked { times: lsns.into_iter().zip(times).collect(), first })
    }

    /// `None`: never prepared, or its state is gone.
    fn target_status(&self, fleet: &TargetFleet, name: &TableName, asked: &Asked) -> Option<TargetStatus> {
        let names = self.target.names(name);
        if !fleet.tables.contains(&names.state) {
            return None;
        }
        let Some(state) = fleet.logged.get(name) else { return Some(TargetStatus::default()) };
        let gone = [names.production, names.staging].into_iter().filter(|table| !fleet.tables.contains(table));
        let doubts = gone.map(|table| format!("{table} does not exist")).collect();
        Some(TargetStatus {
            epoch: state.epoch,
            applied_seq: state.applied_seq,
            applied_lsn: state.applied_lsn,
            applied_time: state.applied_lsn.and_then(|lsn| asked.times.get(&lsn).copied().flatten()),
            applied_at: state.applied_at.clone(),
            staged: state.staged,
            diverged: state.diverged.clone(),
            doubts,
            state: None,
        })
    }
}

/// Where nothing is pending the head is what production holds.
fn head_lsn(stored: &StoredTable, applied: Option<Lsn>) -> Option<Lsn> {
    if stored.epoch.is_some() && stored.pending == 0 { applied.or(stored.head_lsn) } else { stored.head_lsn }
}

/// The instance by the newest line of the log. An epoch that is not loaded yet may read another.
fn own_instance<'a>(seen: &'a Seen, name: &TableName) -> Option<&'a str> {
    let logged = seen.target()?.logged.get(name)?;
    let same_epoch = seen.store.as_ref()?.get(name).is_some_and(|stored| stored.epoch == Some(logged.epoch));
    logged.instance.as_deref().filter(|_| same_epoch)
}

fn source_status(table: Option<&FleetTable>, own: Option<&str>, system: &SourceSystem, name: &TableName, asked: &Asked) -> SourceStatus {
    let found = table.and_then(|table| instance(table, own));
    let first = asked.first.get(name);
    SourceStatus {
        tracked: found.is_some(),
        instance: found.map(|(instance, _)| instance.to_owned()),
        min_lsn: found.and_then(|(_, min)| min),
        max_lsn: system.max_lsn,
        waiting: first.map(Option::is_some),
        first_waiting: first.copied().flatten(),
        first_waiting_time: first.copied().flatten().and_then(|lsn| asked.times.get(&lsn).copied().flatten()),
    }
}

fn store_status(
    stored: Option<&StoredTable>,
    target: Option<&TargetStatus>,
    system: &SourceSystem,
    asked: &Asked,
    now: Timestamp,
) -> StoreStatus {
    let Some(stored) = stored else { return StoreStatus { pending: Some(0), ..StoreStatus::default() } };
    let head_lsn = head_lsn(stored, target.and_then(|target| target.applied_lsn));
    let busy = |renewed: Option<Timestamp>| {
        renewed.map(|renewed| Busy { renewed, silent: now.duration_since(renewed).as_secs() > LEASE_SILENT_AFTER, holder: None })
    };
    StoreStatus {
        epoch: stored.epoch,
        head: stored.head,
        head_lsn,
        // Below the mapping's beginning its oldest row is the best that is known.
        head_time: head_lsn.and_then(|lsn| asked.times.get(&lsn)).and_then(|time| time.or(system.oldest_commit)),
        pending: Some(stored.pending),
        pending_files: Some(stored.waiting.count),
        pending_bytes: Some(stored.waiting.bytes),
        pending_since: stored.waiting.since,
        writing_files: Some(stored.writing.count),
        paused: stored.paused,
        intent: stored.intent,
        extracting: busy(stored.extracting),
        loading: busy(stored.loading),
        failed: [(LeaseKind::Extract, stored.extract_failed), (LeaseKind::Load, stored.load_failed)]
            .into_iter()
            .filter_map(|(job, failed)| failed.map(|failed| FailedJob { job, at: failed.at, code: None, human: failed.human }))
            .collect(),
        control: None,
    }
}
