//! Deleting what nobody needs any more (rules R4 and R5). Never fails a job.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::engine::Engine;
use crate::engine::event::{Job, TableReport};
use crate::model::{CommitRecord, Epoch, Fault, Seq, TableName, TargetState};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// Records that stay behind the applied one, and how old the others must be.
const RECORDS_KEPT: Seq = 1_000;
const RECORD_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What was deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Swept {
    /// Part files and records.
    pub files: usize,
    pub manifests: usize,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    pub(super) async fn sweep(&self, table: &TableName, opening: &CommitRecord, state: &TargetState) -> Swept {
        match self.try_sweep(table, opening, state).await {
            Ok(swept) => {
                // The manifest of a load that ended goes every time: not worth a word.
                if swept.files > 0 {
                    let text = format!("{} part files and records that nobody needs were deleted", swept.files);
                    self.events.note(Job::Load, table, text).await;
                }
                swept
            }
            Err(fault) => {
                self.events.warn(Job::Load, table, format!("old files were not deleted: {fault}")).await;
                Swept::default()
            }
        }
    }

    /// Runs of days past `store.keep_runs`. Once a job, whatever the number of its tables, and
    /// only where it moved something: a poll that finds nothing asks nothing more.
    pub(super) async fn sweep_runs(&self, reports: &[TableReport]) {
        let Some(busy) = reports.iter().find(|report| report.outcome.as_ref().is_ok_and(|outcome| outcome.batches > 0)) else { return };
        let keep = SignedDuration::try_from(self.settings.store.keep_runs).unwrap_or(SignedDuration::MAX);
        let Ok(before) = Timestamp::now().checked_sub(keep) else { return };
        match self.store.delete_runs(before.to_zoned(TimeZone::UTC).date()).await {
            Ok(0) => {}
            Ok(runs) => self.events.note(Job::Load, &busy.table, format!("{runs} runs past store.keep_runs were deleted")).await,
            Err(fault) => self.events.warn(Job::Load, &busy.table, format!("old runs were not deleted: {fault}")).await,
        }
    }

    async fn try_sweep(&self, table: &TableName, opening: &CommitRecord, state: &TargetState) -> Result<Swept, Fault> {
        let Some(applied) = state.applied_seq.filter(|_| state.epoch == opening.epoch) else { return Ok(Swept::default()) };
        let mut files = self.sweep_parts(table, opening.epoch, applied).await?;
        files += self.sweep_records(table, opening.epoch, applied).await?;
        for epoch in self.store.epochs(table).await? {
            if epoch < state.epoch {
                files += self.sweep_epoch(table, epoch).await?;
            }
        }
        Ok(Swept { files, manifests: self.sweep_manifests(table, opening.epoch, applied).await? })
    }

    /// Manifests of ranges that were applied, and of older epochs: no COPY reads them again.
    async fn sweep_manifests(&self, table: &TableName, epoch: Epoch, applied: Seq) -> Result<usize, Fault> {
        let all = self.store.manifests(table).await?;
        let past = all.into_iter().filter(|manifest| manifest.epoch < epoch || manifest.epoch == epoch && manifest.to <= applied);
        let keys: Vec<String> = past.map(|manifest| manifest.key).collect();
        self.store.delete(&keys).await?;
        Ok(keys.len())
    }

    /// Attempts up to the head that no record names, and loaded parts past `store.keep`.
    async fn sweep_parts(&self, table: &TableName, epoch: Epoch, applied: Seq) -> Result<usize, Fault> {
        let attempts = self.store.attempts(table, epoch).await?;
        if attempts.is_empty() {
            return Ok(0);
        }
        let head = self.store.head(table, epoch, applied).await?;
        let keep = SignedDuration::try_from(self.settings.store.keep).unwrap_or(SignedDuration::MAX);
        let now = Timestamp::now();
        let mut rivals: BTreeMap<Seq, usize> = BTreeMap::new();
        for files in &attempts {
            *rivals.entry(files.attempt.seq).or_default() += 1;
        }
        let mut keys = Vec::new();
        // Records are older the lower their number: behind the first that is young only the seqs
        // with several attempts need a look.
        let mut young = false;
        for files in attempts {
            let seq = files.attempt.seq;
            if seq > head {
                break;
            }
            if young && rivals.get(&seq) == Some(&1) {
                continue;
            }
            let Some(record) = self.store.record(table, epoch, seq).await? else { continue };
            let named = record.attempt == files.attempt.id;
            let past_keep = seq <= applied && now.duration_since(record.created_at) >= keep;
            young |= !past_keep;
            if !named || past_keep {
                keys.extend(files.keys);
            }
        }
        self.store.delete(&keys).await?;
        Ok(keys.len())
    }

    /// Records far behind and old, in ascending order, never record 0.
    async fn sweep_records(&self, table: &TableName, epoch: Epoch, applied: Seq) -> Result<usize, Fault> {
        let Some(last) = applied.checked_sub(RECORDS_KEPT).filter(|last| *last > 0) else { return Ok(0) };
        let mut old = Vec::new();
        for seq in self.store.seqs_after(table, epoch, Some(0)).await? {
            let Some(record) = (if seq <= last { self.store.record(table, epoch, seq).await? } else { None }) else { break };
            if Timestamp::now().duration_since(record.created_at) < RECORD_AGE {
                break;
            }
            old.push(seq);
        }
        self.store.delete_records(table, epoch, &old).await?;
        Ok(old.len())
    }

    /// An epoch that state has passed goes whole: parts, records ascending, record 0 last.
    async fn sweep_epoch(&self, table: &TableName, epoch: Epoch) -> Result<usize, Fault> {
        let keys: Vec<String> = self.store.attempts(table, epoch).await?.into_iter().flat_map(|files| files.keys).collect();
        self.store.delete(&keys).await?;
        let mut seqs = self.store.seqs_after(table, epoch, None).await?;
        seqs.sort_unstable_by_key(|seq| (*seq == 0, *seq));
        self.store.delete_records(table, epoch, &seqs).await?;
        Ok(keys.len() + seqs.len())
    }
}
