//! Load errors of some tables' files, as the target notes them.

use std::collections::BTreeSet;

use crate::engine::Engine;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

pub use crate::target::LoadError;

/// Batches whose files count as the table's own.
const BATCHES: usize = 100;
/// The newest errors of the pipeline among which those of the tables are looked for.
const LOOKED_AT: usize = 1_000;

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// What the target refused of the files of the tables' newest batches, newest first. The refused
    /// field is a cell value and comes only with `values`. The target is asked once.
    pub async fn load_errors(&self, tables: &[TableName], most: usize, values: bool) -> Result<Vec<LoadError>, Fault> {
        let mut errors = self.target.load_errors(&self.store.root(), most.max(LOOKED_AT), values).await?;
        let mut urls = BTreeSet::new();
        if !errors.is_empty() {
            for table in tables {
                let files = Box::pin(self.files(table, BATCHES, None)).await?;
                urls.extend(files.batches.into_iter().flat_map(|batch| batch.files).map(|file| file.url));
            }
        }
        errors.retain(|error| urls.contains(&error.file));
        errors.truncate(most);
        Ok(errors)
    }
}
