//! Marks in the batch log: what was noted in state outside of a load.
//!
//! The fleet's status reads the log and no state, so a mark that stands in state alone would not be
//! seen there.

use crate::engine::Engine;
use crate::engine::event::Job;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{Loader, LogLine, Target};

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Appends a line that says whether the table counts as diverged now. That it cannot is a warning:
    /// state, which decides, has the mark.
    pub(crate) async fn log_mark(&self, job: Job, table: &TableName, event: &str) {
        if let Err(fault) = self.try_log_mark(table, event).await {
            self.events.warn(job, table, format!("the mark was not logged, so status does not show it: {fault}")).await;
        }
    }

    async fn try_log_mark(&self, table: &TableName, event: &str) -> Result<(), Fault> {
        let Some(state) = self.target.state(table).await? else { return Ok(()) };
        let seq = state.applied_seq.unwrap_or(0);
        let line = LogLine {
            table: table.clone(),
            event: event.to_owned(),
            epoch: state.epoch,
            from: seq,
            to: seq,
            lsn_to: state.applied_lsn.unwrap_or_default(),
            rows: 0,
            deleted: 0,
            inserted: 0,
            run: self.run.id,
            at: String::new(),
            instance: state.capture.map(|capture| capture.instance),
            diverged: state.diverged.map(|diverged| diverged.why),
        };
        self.target.loader(table).await?.log(&line).await
    }
}
