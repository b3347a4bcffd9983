//! What waits in S3 for the next loads of a table, counted from the batch that production holds.

use futures::{StreamExt, TryStreamExt};

use crate::engine::Engine;
use crate::engine::status::TargetSaid;
use crate::model::fault::FaultDocument;
use crate::model::{CommitRecord, Epoch, Fault, Lsn, RecordKind, Seq, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// Records that are read at once.
const PARALLEL: usize = 16;

/// What waits to be loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// Nobody knows what production holds: the target did not answer (why), or stands at another epoch.
    Unknown(Option<Box<FaultDocument>>),
    Nothing,
    Records(Records),
}

/// The records that wait, the first ones of them read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Records {
    pub epoch: Epoch,
    /// The first that waits: the next load begins with it.
    pub from: Seq,
    pub to: Seq,
    /// How many wait.
    pub records: u64,
    /// The first is a snapshot: production is replaced as a whole.
    pub snapshot: bool,
    /// First LSN of the first; `None` where it opens the epoch.
    pub lsn_from: Option<Lsn>,
    /// Last LSN of the last.
    pub lsn_to: Lsn,
    /// Rows, files and compressed bytes of those that were read.
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    /// All were read: else these numbers are the least that waits.
    pub complete: bool,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// What waits for the next loads. Reads the first `most` of its records, and the last; all else
    /// is a listing. `said`: an answer of the target that the caller kept.
    ///
    /// # Errors
    /// Faults of the store; those of the target are part of the answer.
    pub async fn waiting(&self, table: &TableName, most: usize, said: Option<&TargetSaid>) -> Result<Waiting, Fault> {
        let epoch = self.epoch_of(table).await?;
        let logged = match self.logged(table, said).await {
            Ok(logged) if logged.epoch > epoch => return Ok(Waiting::Unknown(None)),
            Ok(logged) => logged,
            Err(fault) => return Ok(Waiting::Unknown(Some(Box::new(FaultDocument::from(&fault))))),
        };
        let applied = logged.applied_seq.filter(|_| logged.epoch == epoch);
        let seqs = self.store.seqs_after(table, epoch, applied).await?;
        let (Some(from), Some(to)) = (seqs.first().copied(), seqs.last().copied()) else { return Ok(Waiting::Nothing) };
        let read = seqs.iter().take(most.max(1)).copied().chain((seqs.len() > most.max(1)).then_some(to));
        let mut read: Vec<CommitRecord> = futures::stream::iter(read)
            .map(|seq| self.store.record(table, epoch, seq))
            .buffered(PARALLEL)
            .try_filter_map(|record| std::future::ready(Ok(record)))
            .try_collect()
            .await?;
        let (Some(first), Some(last)) = (read.first(), read.last()) else { return Ok(Waiting::Nothing) };
        let (snapshot, lsn_from, lsn_to) = (first.kind == RecordKind::Snapshot, first.lsn_from, last.lsn_to);
        let complete = seqs.len() <= most.max(1) && read.len() == seqs.len();
        read.truncate(most.max(1));
        let parts = || read.iter().flat_map(|record| &record.parts);
        Ok(Waiting::Records(Records {
            epoch,
            from,
            to,
            records: seqs.len() as u64,
            snapshot,
            lsn_from,
            lsn_to,
            rows: read.iter().map(|record| record.counts.rows()).sum(),
            files: parts().count() as u64,
            bytes: parts().map(|part| part.bytes).sum(),
            complete,
        }))
    }
}
