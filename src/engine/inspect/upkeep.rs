//! Upkeep of the target that an operator orders: statistics, room, and emptying tables.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::event::Job;
use crate::engine::{Engine, lease};
use crate::model::control::LeaseKind;
use crate::model::fault::{rs, sync};
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{Loader, Target};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Upkeep {
    /// Refresh the planner's statistics of production.
    Analyze,
    /// Free the room of deleted rows. One at a time runs in a cluster.
    Vacuum,
    /// Empty staging for good; refused while something is staged.
    TruncateStaging,
    /// Empty production. The typed name of the table confirms it.
    TruncateProduction { confirm: String },
}

/// What was done to one table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UpkeepReport {
    pub table: TableName,
    /// In plain words.
    pub did: String,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    pub async fn upkeep(&self, table: &TableName, what: &Upkeep) -> Result<UpkeepReport, Fault> {
        let did = match what {
            Upkeep::Analyze => {
                self.target.analyze(table).await?;
                "analyzed production".to_owned()
            }
            Upkeep::Vacuum => {
                self.target.vacuum(table).await?;
                "vacuumed production".to_owned()
            }
            Upkeep::TruncateStaging => self.under_load_lease(table, what).await?,
            Upkeep::TruncateProduction { confirm } => {
                if *confirm != table.to_string() {
                    return Err(Fault::new(&sync::NOT_CONFIRMED, format!("emptying production of {table} was not confirmed"))
                        .next(format!("db-to-redshift maintain truncate-production --table {table:#} --confirm {table:#}")));
                }
                self.under_load_lease(table, what).await?
            }
        };
        Ok(UpkeepReport { table: table.clone(), did })
    }

    async fn under_load_lease(&self, table: &TableName, what: &Upkeep) -> Result<String, Fault> {
        let lease = lease::take(&self.store, table, LeaseKind::Load, &self.run.holder, self.run.wait, &self.cancel).await?;
        let done = match what {
            Upkeep::TruncateProduction { .. } => self.truncate_production(table).await,
            _ => self.truncate_staging(table).await,
        };
        lease.release().await;
        done
    }

    async fn truncate_staging(&self, table: &TableName) -> Result<String, Fault> {
        let identity = self.stream_identity(table).await?;
        let mut loader = self.target.loader(table).await?;
        let state = loader.raise_fence(&identity).await?;
        if let Some(staged) = state.staged {
            return Err(Fault::new(&rs::STILL_STAGED, format!("batches {} to {} of {table} are staged", staged.from, staged.to))
                .evidence("from batch", staged.from)
                .evidence("to batch", staged.to));
        }
        if loader.truncate_staging(state.fence).await? {
            Ok("emptied staging".to_owned())
        } else {
            Err(Fault::new(&sync::STALE_FENCE, format!("another load job took {table} over")))
        }
    }

    async fn truncate_production(&self, table: &TableName) -> Result<String, Fault> {
        let identity = self.stream_identity(table).await?;
        self.target.loader(table).await?.truncate_production(&identity).await?;
        self.log_mark(Job::Load, table, "emptied").await;
        Ok(format!("emptied production; the table counts as diverged. Next: db-to-redshift prepare --new-epoch --table {table:#}"))
    }
}
