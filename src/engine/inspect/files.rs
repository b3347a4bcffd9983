//! Files: what stands in S3 of a table, batch by batch.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::Engine;
use crate::engine::status::TargetSaid;
use crate::model::control::{Holder, LeaseKind};
use crate::model::fault::{FaultDocument, sync};
use crate::model::{CommitRecord, Epoch, Fault, Lsn, RecordKind, Seq, TableName};
use crate::source::Source;
use crate::store::{AttemptFiles, ChangeStore};
use crate::target::{LoggedState, Target};

/// Records that are read at once.
const PARALLEL: usize = 16;

/// How far a batch has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// Production holds it.
    Applied,
    /// An operator had it left out: production stands behind it without it.
    Skipped,
    /// It stands in staging.
    Staged,
    /// The next loads take it.
    Pending,
    /// The target does not answer, or stands at another epoch.
    Unknown,
}

/// A part file that a record names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BatchFile {
    /// Its number in the batch, from 1.
    pub number: u32,
    /// Key of the object, without the bucket.
    pub key: String,
    /// As `s3://…`.
    pub url: String,
    /// Rows in it.
    pub rows: u64,
    /// Compressed size.
    pub bytes: u64,
    /// The object is there: loaded files are deleted after `store.keep`.
    pub present: bool,
}

/// A batch, by its commit record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Batch {
    /// Its number in the epoch; 0 opens it.
    pub seq: Seq,
    pub kind: RecordKind,
    pub state: BatchState,
    /// First LSN of its range; null in record 0.
    pub lsn_from: Option<Lsn>,
    /// Last LSN of its range.
    pub lsn_to: Lsn,
    /// When its newest transaction was committed, by the source's clock and in its zone.
    pub committed: Option<DateTime>,
    /// When its record was written, UTC.
    pub created_at: Timestamp,
    /// The run that wrote it.
    pub run: Uuid,
    /// All rows in its files.
    pub rows: u64,
    /// Rows that are inserted or replaced.
    pub upserts: u64,
    /// Rows that are deleted.
    pub deletes: u64,
    /// Large values that the load takes from earlier rows.
    pub kept: u64,
    /// Its part files; none where nothing changed.
    pub files: Vec<BatchFile>,
}

/// Why files stand there without a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LooseState {
    /// An extract is at work: its record may come.
    Writing,
    /// The job that wrote them died, or a rival's record came first. The next load deletes those
    /// up to the newest record, and an extract that comes through makes the others such.
    LeftBehind,
}

/// Part files that no record names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LooseFiles {
    /// The batch that they were meant for.
    pub seq: Seq,
    /// Last LSN of the range that was to be read.
    pub lsn_to: Lsn,
    /// Identifies the attempt.
    pub attempt: Uuid,
    pub state: LooseState,
    /// As `s3://…`.
    pub urls: Vec<String>,
    /// Compressed size of all.
    pub bytes: u64,
}

/// What stands in S3 of one table, in its current epoch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TableFiles {
    pub table: TableName,
    /// The current epoch.
    pub epoch: Epoch,
    /// Number of the newest record.
    pub head: Seq,
    /// Number of the batch that production holds, by the batch log; null before the first, and
    /// where the target does not answer.
    pub applied_seq: Option<Seq>,
    /// The newest batches, newest first.
    pub batches: Vec<Batch>,
    /// Older batches have records that are not shown.
    pub more: bool,
    /// Files without a record, from the oldest batch that is shown on.
    pub loose: Vec<LooseFiles>,
    /// Who holds the lease of extraction.
    pub extracting: Option<Holder>,
    /// Why the states are unknown: the target did not answer.
    pub target_fault: Option<FaultDocument>,
}

fn state_of(logged: Option<&LoggedState>, epoch: Epoch, seq: Seq) -> BatchState {
    let Some(logged) = logged.filter(|logged| logged.epoch <= epoch) else { return BatchState::Unknown };
    let staged = logged.staged.as_ref().is_some_and(|staged| staged.epoch == epoch && (staged.from..=staged.to).contains(&seq));
    if staged {
        BatchState::Staged
    } else if logged.skipped.contains(&(epoch, seq)) {
        BatchState::Skipped
    } else if logged.epoch == epoch && logged.applied_seq.is_some_and(|applied| seq <= applied) {
        BatchState::Applied
    } else {
        BatchState::Pending
    }
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// The newest epoch of a table.
    pub(super) async fn epoch_of(&self, table: &TableName) -> Result<Epoch, Fault> {
        self.store.current_epoch(table).await?.ok_or_else(|| {
            Fault::new(&sync::NOT_PREPARED, format!("{table} has no open epoch")).next(format!("db-to-redshift prepare --table {table:#}"))
        })
    }

    /// Where a table stands by the batch log: no lock is waited for. With an answer that the caller
    /// kept the target is not asked. One that was never loaded stands before the first epoch.
    pub(super) async fn logged(&self, table: &TableName, said: Option<&TargetSaid>) -> Result<LoggedState, Fault> {
        let found = match said {
            Some(said) => said.answer.as_ref().map_err(Fault::clone)?.logged.get(table).cloned(),
            None => self.target.fleet(&self.settings.pipeline).await?.logged.remove(table),
        };
        Ok(found.unwrap_or_default())
    }

    /// The newest `most` batches of the current epoch, and files without a record. Reads that many
    /// records; all else is listings. `said`: an answer of the target that the caller kept.
    pub async fn files(&self, table: &TableName, most: usize, said: Option<&TargetSaid>) -> Result<TableFiles, Fault> {
        let epoch = self.epoch_of(table).await?;
        let (logged, attempts, lease) = tokio::join!(
            Box::pin(self.logged(table, said)),
            Box::pin(self.store.attempts(table, epoch)),
            Box::pin(self.store.lease(table, LeaseKind::Extract))
        );
        let extracting = lease?.and_then(|(lease, _)| lease.holder);
        let (logged, target_fault) = match logged {
            Ok(logged) => (Some(logged), None),
            Err(fault) => (None, Some(FaultDocument::from(&fault))),
        };
        let applied_seq = logged.as_ref().filter(|logged| logged.epoch == epoch).and_then(|logged| logged.applied_seq);
        let seqs = self.newest_seqs(table, epoch, applied_seq, most).await?;
        let head = seqs.first().copied().unwrap_or(0);
        let records: Vec<Option<CommitRecord>> = futures::stream::iter(seqs.iter().take(most).copied())
            .map(|seq| self.store.record(table, epoch, seq))
            .buffered(PARALLEL)
            .try_collect()
            .await?;
        // One that a load swept since it was listed.
        let records: Vec<CommitRecord> = records.into_iter().flatten().collect();
        let mut attempts: BTreeMap<Uuid, AttemptFiles> = attempts?.into_iter().map(|files| (files.attempt.id, files)).collect();
        let batches: Vec<Batch> = records
            .iter()
            .map(|record| {
                let present = attempts.remove(&record.attempt).map(|files| files.keys).unwrap_or_default();
                self.batch(record, state_of(logged.as_ref(), epoch, record.seq), &present.into_iter().collect())
            })
            .collect();
        let oldest = batches.last().map_or(head, |batch| batch.seq);
        let known: BTreeSet<Seq> = batches.iter().map(|batch| batch.seq).collect();
        let mut loose: Vec<LooseFiles> = attempts
            .into_values()
            .filter(|files| files.attempt.seq > head || files.attempt.seq >= oldest && known.contains(&files.attempt.seq))
            .map(|files| {
                let AttemptFiles { attempt, keys, bytes } = files;
                let writing = attempt.seq > head && extracting.is_some();
                let state = if writing { LooseState::Writing } else { LooseState::LeftBehind };
                let urls = keys.iter().map(|key| self.store.url(key)).collect();
                LooseFiles { seq: attempt.seq, lsn_to: attempt.lsn_to, attempt: attempt.id, state, urls, bytes }
            })
            .collect();
        loose.sort_by_key(|files| std::cmp::Reverse(files.seq));
        let more = oldest > 0;
        Ok(TableFiles { table: table.clone(), epoch, head, applied_seq, batches, more, loose, extracting, target_fault })
    }

    /// Numbers of the newest records, newest first: at least `most` of them, if there are. The log
    /// knows a record that is surely there, so that few are listed.
    async fn newest_seqs(&self, table: &TableName, epoch: Epoch, applied: Option<Seq>, most: usize) -> Result<Vec<Seq>, Fault> {
        let behind = applied.and_then(|applied| applied.checked_sub(most as u64));
        let mut seqs = self.store.seqs_after(table, epoch, behind).await?;
        if seqs.is_empty() && behind.is_some() {
            seqs = self.store.seqs_after(table, epoch, None).await?;
        }
        seqs.reverse();
        Ok(seqs)
    }

    fn batch(&self, record: &CommitRecord, state: BatchState, present: &BTreeSet<String>) -> Batch {
        let files = (1..).zip(&record.parts).map(|(number, part)| BatchFile {
            number,
            key: part.key.clone(),
            url: self.store.url(&part.key),
            rows: part.rows,
            bytes: part.bytes,
            present: present.contains(&part.key),
        });
        Batch {
            seq: record.seq,
            kind: record.kind,
            state,
            lsn_from: record.lsn_from,
            lsn_to: record.lsn_to,
            committed: record.mapping.as_ref().map(|row| row.end_time),
            created_at: record.created_at,
            run: record.run,
            rows: record.counts.rows(),
            upserts: record.counts.upserts,
            deletes: record.counts.deletes,
            kept: record.counts.kept,
            files: files.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::StagedRange;

    #[test]
    fn the_log_tells_how_far_a_batch_has_come() {
        let staged = StagedRange { epoch: 2, from: 4, to: 5, rows: 1, lsn_to: Lsn::ZERO };
        let skipped = [(1, 3), (2, 2)].into();
        let logged = LoggedState { epoch: 2, applied_seq: Some(3), staged: Some(staged), skipped, ..LoggedState::default() };
        let of = |epoch, seq| state_of(Some(&logged), epoch, seq);
        assert_eq!(
            [of(2, 2), of(2, 3), of(2, 4), of(2, 6)],
            [BatchState::Skipped, BatchState::Applied, BatchState::Staged, BatchState::Pending]
        );
        assert_eq!([of(3, 0), of(1, 2)], [BatchState::Pending, BatchState::Unknown]);
        assert_eq!(state_of(None, 2, 1), BatchState::Unknown);
        assert_eq!(state_of(Some(&LoggedState::default()), 1, 0), BatchState::Pending);
    }
}
