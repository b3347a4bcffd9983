//! Load errors of one table's files, as the target notes them.

use std::collections::BTreeSet;

use crate::engine::Engine;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

pub use crate::target::LoadError;

/// Batches whose files count as the table's own.
const BATCHES: usize = 100;

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// What the target refused of the files of the table's newest batches, newest first. The refused
    /// field is a cell value and comes only with `values`.
    pub async fn load_errors(&self, table: &TableName, most: usize, values: bool) -> Result<Vec<LoadError>, Fault> {
        let files = Box::pin(self.files(table, BATCHES, None)).await?;
        let urls: BTreeSet<&str> = files.batches.iter().flat_map(|batch| &batch.files).map(|file| file.url.as_str()).collect();
        let mut errors = self.target.load_errors(&self.store.root(), most, values).await?;
        errors.retain(|error| urls.contains(error.file.as_str()));
        Ok(errors)
    }
}
