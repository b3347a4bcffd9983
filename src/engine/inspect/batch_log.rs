//! The batch log: what loads did, newest first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

pub use crate::target::LogLine;

/// The newest lines of the batch log of this pipeline.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BatchLog {
    /// The newest first.
    pub lines: Vec<LogLine>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// The newest `most` lines of one table, or of all.
    pub async fn batch_log(&self, table: Option<&TableName>, most: usize) -> Result<BatchLog, Fault> {
        Ok(BatchLog { lines: self.target.log(&self.settings.pipeline, table, most).await? })
    }
}
