//! Who ran what: noted in S3 beside the records.

use jiff::Timestamp;

use crate::engine::Engine;
use crate::model::control::{RunRecord, RunTable};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Notes how far this run came; `None`: it has not ended yet. A run that cannot be noted is still a run.
    pub async fn note_run(&self, tables: Vec<RunTable>, finished: Option<Timestamp>) {
        let run = RunRecord { run: self.run.id, command: self.run.command.clone(), by: self.run.holder.clone(), finished, tables };
        if let Err(fault) = self.store.put_run(&run).await {
            tracing::warn!(%fault, "the run could not be noted");
        }
    }
}
