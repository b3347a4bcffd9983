//! Lines of the batch log that a crash between an apply and its line has lost (rule L6).

use std::ops::RangeInclusive;

use futures::StreamExt;

use crate::model::{CommitRecord, Epoch, Fault, Seq, TableName, TargetState};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{Loader, LogLine, Target};

use super::run::Loading;

/// Records that are read for their counts at the most: those that surely still stand (rule R4).
/// Further back it is the log that was shortened, not a line that was lost.
const BACK: Seq = 1_000;
/// Records that are read at once.
const AT_ONCE: usize = 16;

/// Batches that the log told nothing of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relogged {
    pub from: Seq,
    pub to: Seq,
}

impl<S: Source, C: ChangeStore, T: Target> Loading<'_, S, C, T> {
    /// Compares the newest line with the state, and appends one `recovered` line for what is
    /// missing. Runs before state moves on, since a later line would hide the hole. A log that
    /// does not answer is a warning, never a failed load.
    pub(crate) async fn log_missing(&mut self, state: &TargetState) -> Option<Relogged> {
        match self.try_log_missing(state).await {
            Ok(relogged) => relogged,
            Err(fault) => {
                self.forget_loader();
                self.warn(format!("the batch log could not be completed: {fault}")).await;
                None
            }
        }
    }

    async fn try_log_missing(&mut self, state: &TargetState) -> Result<Option<Relogged>, Fault> {
        let (Some(applied), Some(lsn_to)) = (state.applied_seq, state.applied_lsn) else { return Ok(None) };
        let last = self.loader().await?.last_logged(state.epoch).await?;
        let from = last.map_or(0, |last| last + 1).max((applied + 1).saturating_sub(BACK));
        if from > applied {
            return Ok(None);
        }
        let table = self.table().clone();
        let records = read(&*self.store(), &table, state.epoch, from..=applied).await?;
        // The records of an epoch that is gone have nothing to tell.
        if records.last().is_none_or(|record| record.seq != applied) {
            return Ok(None);
        }
        let line = LogLine {
            table,
            event: "recovered".to_owned(),
            epoch: state.epoch,
            from,
            to: applied,
            lsn_to,
            rows: records.iter().map(|record| record.counts.rows()).sum(),
            deleted: 0,
            inserted: 0,
            run: self.run_id(),
            at: String::new(),
            instance: records.last().map(|record| record.capture.instance.clone()),
            diverged: state.diverged.as_ref().map(|diverged| diverged.why.clone()),
        };
        self.loader().await?.log(&line).await?;
        let text = format!("the batch log had no line of batches {from} to {applied}: one was added, marked as recovered");
        self.note(text).await;
        Ok(Some(Relogged { from, to: applied }))
    }
}

async fn read<C: ChangeStore>(store: &C, table: &TableName, epoch: Epoch, seqs: RangeInclusive<Seq>) -> Result<Vec<CommitRecord>, Fault> {
    let read: Vec<Result<Option<CommitRecord>, Fault>> =
        futures::stream::iter(seqs).map(|seq| store.record(table, epoch, seq)).buffered(AT_ONCE).collect().await;
    read.into_iter().filter_map(Result::transpose).collect()
}
