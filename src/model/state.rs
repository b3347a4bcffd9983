//! The one-row control table of a table in Redshift: the truth about what production holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CaptureIdentity, Epoch, Lsn, Seq, SourceIdentity};

/// What every guard compares: two streams never share a state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StreamIdentity {
    /// Name of the pipeline.
    pub pipeline: String,
    pub source: SourceIdentity,
    /// `s3://bucket/prefix/v1/pipeline/`.
    pub root: String,
}

impl StreamIdentity {
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.pipeline == other.pipeline && self.root == other.root && self.source.agrees_with(&other.source)
    }
}

/// Why production may differ from the source, and since when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Diverged {
    /// In words.
    pub why: String,
    /// Redshift's clock, UTC, as text.
    pub since: String,
}

/// A range of batches that staging holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StagedRange {
    /// Epoch of the batches.
    pub epoch: Epoch,
    /// Number of the first batch.
    pub from: Seq,
    /// Number of the last batch.
    pub to: Seq,
    /// Rows of these batches.
    pub rows: u64,
    /// Where the last of them ends. A record that was made anew has another end, if it holds other changes.
    pub lsn_to: Lsn,
}

/// The state row.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TargetState {
    pub identity: StreamIdentity,
    /// 0 before the first epoch.
    pub epoch: Epoch,
    /// Number of the batch that production stands at; null (stored as -1) before record 0.
    pub applied_seq: Option<Seq>,
    /// Production is as of this LSN.
    pub applied_lsn: Option<Lsn>,
    /// What waits in staging.
    pub staged: Option<StagedRange>,
    /// Raised by every load job; a worker whose fence is not the stored one is stale.
    pub fence: i64,
    /// The capture instance that production was loaded from.
    pub capture: Option<CaptureIdentity>,
    /// Hash of the columns that production was loaded with.
    pub column_hash: Option<String>,
    /// Oid of the production table.
    pub production_oid: u32,
    /// Oid of the staging table.
    pub staging_oid: u32,
    /// Production may differ from the source.
    pub diverged: Option<Diverged>,
    /// Redshift's clock when the last batch was applied, UTC, as text.
    pub applied_at: Option<String>,
}
