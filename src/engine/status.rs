//! Status: every table as the three systems see it. Reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;

use crate::engine::Engine;
use crate::engine::extract::guards;
use crate::model::control::LeaseKind;
use crate::model::status::{SourceStatus, StatusReport, StoreStatus, TableStatus, Verdict};
use crate::model::{CommitRecord, Fault, Lsn, TableName, TargetState};
use crate::source::{ProbeRange, Source, TableFacts};
use crate::store::ChangeStore;
use crate::target::Target;

/// Tables whose objects are read at once.
const PARALLEL: usize = 16;

/// The store's part of a table, with the newest record.
type InStore = (StoreStatus, Option<CommitRecord>);

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// A system that does not answer leaves its part empty and its fault in the report.
    pub async fn status(self: &Arc<Self>, tables: &[TableName]) -> StatusReport {
        let mut faults = Vec::new();
        let stored = self.in_store(tables, &mut faults).await;
        let sources = match self.in_source(tables, &stored, &mut faults).await {
            Ok(sources) => sources,
            Err(fault) => {
                faults.push(fault.to_string());
                BTreeMap::new()
            }
        };
        let targets = self.in_target(tables, &mut faults).await;
        let lines = tables.iter().map(|table| {
            let store = stored.get(table).map(|(store, _)| store.clone());
            let target = targets.get(table).cloned();
            line(table, sources.get(table).cloned(), store, target)
        });
        StatusReport { pipeline: self.settings.pipeline.clone(), tables: lines.collect(), faults }
    }

    async fn in_store(self: &Arc<Self>, tables: &[TableName], faults: &mut Vec<String>) -> BTreeMap<TableName, InStore> {
        let read = futures::stream::iter(tables.iter().cloned())
            .map(|table| async move {
                let status = self.store_status(&table).await;
                (table, status)
            })
            .buffer_unordered(PARALLEL)
            .collect::<Vec<_>>()
            .await;
        collect(read, faults)
    }

    async fn store_status(&self, table: &TableName) -> Result<InStore, Fault> {
        let store = &self.store;
        let control = store.control(table).await?.map(|(control, _)| control).unwrap_or_default();
        let holder = async |kind| Ok::<_, Fault>(store.lease(table, kind).await?.and_then(|(lease, _)| lease.holder));
        let epoch = store.current_epoch(table).await?;
        let head = match epoch {
            None => None,
            Some(epoch) => {
                let seq = store.head(table, epoch, 0).await?;
                store.record(table, epoch, seq).await?
            }
        };
        let status = StoreStatus {
            epoch,
            head: head.as_ref().map(|record| record.seq),
            head_lsn: head.as_ref().map(|record| record.lsn_to),
            head_time: head.as_ref().and_then(|record| record.mapping.as_ref()).map(|row| row.end_time),
            pending: None,
            paused: control.paused,
            extracting: holder(LeaseKind::Extract).await?,
            loading: holder(LeaseKind::Load).await?,
        };
        Ok((status, head))
    }

    async fn in_source(
        &self,
        tables: &[TableName],
        stored: &BTreeMap<TableName, InStore>,
        faults: &mut Vec<String>,
    ) -> Result<BTreeMap<TableName, SourceStatus>, Fault> {
        let described = self.source.describe(tables).await?;
        let facts = collect(tables.iter().cloned().zip(described).collect(), faults);
        let head = |table: &TableName| stored.get(table).and_then(|(_, head)| head.as_ref());
        // The stream's own instance where there is a stream, else the newest.
        let instances: BTreeMap<&TableName, String> = facts
            .iter()
            .filter_map(|(name, table)| {
                let own = head(name).map(|record| record.capture.instance.clone());
                let newest = table.instances.first().map(|instance| instance.identity.instance.clone());
                Some((name, own.or(newest)?))
            })
            .collect();
        let marks = self.source.watermarks(&instances.values().cloned().collect::<Vec<_>>()).await?;
        let mins: BTreeMap<&TableName, Lsn> =
            instances.keys().copied().zip(marks.min.iter().copied()).filter(|(_, min)| !min.is_zero()).collect();
        let mut ranges = Vec::new();
        let mut probed = Vec::new();
        for (table, instance) in &instances {
            let (Some(record), Some(max), Some(min)) = (head(table), marks.max, mins.get(table)) else { continue };
            let from = record.lsn_to.next();
            if from <= max && *min <= from {
                ranges.push(ProbeRange { instance: instance.clone(), from, to: max });
                probed.push((*table).clone());
            }
        }
        let asked: BTreeSet<TableName> = probed.iter().cloned().collect();
        let firsts = probed.into_iter().zip(guards::probe(&*self.source, &ranges).await?).collect();
        let firsts: BTreeMap<TableName, Option<Lsn>> = collect(firsts, faults);
        let status = |name: &TableName, table: &TableFacts| SourceStatus {
            tracked: table.tracked && marks.cdc_enabled,
            instance: instances.get(name).cloned(),
            min_lsn: mins.get(name).copied(),
            max_lsn: marks.max,
            waiting: head(name).and_then(|_| match firsts.get(name) {
                Some(first) => Some(first.is_some()),
                // Not asked, since there is nothing above the head; or asked in vain.
                None => (!asked.contains(name)).then_some(false),
            }),
        };
        Ok(facts.iter().map(|(name, table)| (name.clone(), status(name, table))).collect())
    }

    async fn in_target(self: &Arc<Self>, tables: &[TableName], faults: &mut Vec<String>) -> BTreeMap<TableName, TargetState> {
        let read = futures::stream::iter(tables.iter().cloned())
            .map(|table| async move {
                let state = self.target.state(&table).await;
                (table, state)
            })
            .buffer_unordered(self.settings.load.parallel.max(1))
            .collect::<Vec<_>>()
            .await;
        let states = collect(read, faults);
        states.into_iter().filter_map(|(table, state)| Some((table, state?))).collect()
    }
}

/// Keeps what was read; a fault that repeats over the tables is told once.
fn collect<V>(read: Vec<(TableName, Result<V, Fault>)>, faults: &mut Vec<String>) -> BTreeMap<TableName, V> {
    let mut kept = BTreeMap::new();
    for (table, result) in read {
        match result {
            Ok(value) => drop(kept.insert(table, value)),
            Err(fault) => {
                let text = fault.to_string();
                if !faults.contains(&text) {
                    faults.push(text);
                }
            }
        }
    }
    kept
}

fn line(table: &TableName, source: Option<SourceStatus>, mut store: Option<StoreStatus>, target: Option<TargetState>) -> TableStatus {
    if let Some(store) = &mut store {
        let applied = target.as_ref().filter(|state| Some(state.epoch) == store.epoch).and_then(|state| state.applied_seq);
        // Before record 0 is applied the whole epoch waits.
        store.pending = store.head.map(|head| applied.map_or(head + 1, |applied| head.saturating_sub(applied)));
    }
    let verdict = verdict(source.as_ref(), store.as_ref(), target.as_ref());
    TableStatus { table: table.clone(), source, store, target, verdict }
}

fn verdict(source: Option<&SourceStatus>, store: Option<&StoreStatus>, target: Option<&TargetState>) -> Verdict {
    let (Some(source), Some(store)) = (source, store) else { return Verdict::Unknown };
    let gap = source.min_lsn.zip(store.head_lsn).is_some_and(|(min, head)| min > head.next());
    let checks = [
        (target.is_some_and(|state| state.diverged.is_some()), Verdict::Diverged),
        (gap, Verdict::Gap),
        (store.paused.is_some(), Verdict::Paused),
        (!source.tracked, Verdict::NotTracked),
        (store.epoch.is_none(), Verdict::NotPrepared),
        (target.is_some_and(|state| state.staged.is_some()), Verdict::Staged),
        (store.pending.is_some_and(|pending| pending > 0), Verdict::Pending),
        (source.waiting == Some(true), Verdict::Behind),
        (source.waiting.is_none(), Verdict::Unknown),
    ];
    checks.into_iter().find(|(holds, _)| *holds).map_or(Verdict::Current, |(_, verdict)| verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(min: u8, waiting: bool) -> SourceStatus {
        let lsn = |n| Lsn::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, n]);
        SourceStatus {
            tracked: true,
            instance: Some("dbo_t".into()),
            min_lsn: Some(lsn(min)),
            max_lsn: Some(lsn(99)),
            waiting: Some(waiting),
        }
    }

    fn store(head: u64, pending: u64) -> StoreStatus {
        let head_lsn = Some(Lsn::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 50]));
        StoreStatus {
            epoch: Some(1),
            head: Some(head),
            head_lsn,
            head_time: None,
            pending: Some(pending),
            paused: None,
            extracting: None,
            loading: None,
        }
    }

    #[test]
    fn the_worst_that_holds_is_the_verdict() {
        assert_eq!(verdict(None, Some(&store(1, 0)), None), Verdict::Unknown);
        assert_eq!(verdict(Some(&source(52, true)), Some(&store(1, 3)), None), Verdict::Gap);
        assert_eq!(verdict(Some(&source(51, true)), Some(&store(1, 3)), None), Verdict::Pending);
        assert_eq!(verdict(Some(&source(1, true)), Some(&store(1, 0)), None), Verdict::Behind);
        assert_eq!(verdict(Some(&source(1, false)), Some(&store(1, 0)), None), Verdict::Current);
        let none = StoreStatus { epoch: None, head: None, pending: None, ..store(0, 0) };
        assert_eq!(verdict(Some(&source(1, false)), Some(&none), None), Verdict::NotPrepared);
    }

    #[test]
    fn before_record_0_is_applied_the_whole_epoch_waits() {
        let status = line(&TableName::new("dbo", "t"), Some(source(1, false)), Some(store(2, 0)), None);
        assert_eq!(status.store.and_then(|store| store.pending), Some(3));
    }
}
