//! What the transactions of a load are given, and how they end.

use serde::{Deserialize, Serialize};

use crate::model::state::StreamIdentity;
use crate::model::{CaptureIdentity, Epoch, Lsn, Seq, TableShape, TargetState};

/// One batch of a staged range: what L4 compares with the rows in staging.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchRows {
    pub seq: Seq,
    pub rows: u64,
}

/// Rules L3 and L4: a range of batches of one epoch.
#[derive(Clone, Debug)]
pub struct LoadRange {
    pub identity: StreamIdentity,
    pub epoch: Epoch,
    pub from: Seq,
    pub to: Seq,
    /// `lsn_from` of the first batch.
    pub lsn_from: Lsn,
    /// `lsn_to` of the last batch.
    pub lsn_to: Lsn,
    pub batches: Vec<BatchRows>,
    pub shape: TableShape,
    pub null_marker: String,
    /// `s3://…` of the COPY manifest; `None` when every batch is empty.
    pub manifest_url: Option<String>,
    pub fence: i64,
}

impl LoadRange {
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| batch.rows).sum()
    }
}

/// How an apply ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApplyOutcome {
    Applied(Applied),
    /// Staging did not hold the rows of the records: it was emptied, the range is no longer
    /// staged, and may be staged once more (rule L4).
    StagingEmptied,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Applied {
    pub deleted: u64,
    pub inserted: u64,
    /// Kept values that were found nowhere: NULL was loaded and the table marked diverged.
    pub lost_kept: u64,
}

/// Rule L5: record 0 of an epoch.
#[derive(Clone, Debug)]
pub struct OpenEpoch {
    pub identity: StreamIdentity,
    pub epoch: Epoch,
    pub lsn_to: Lsn,
    pub capture: CaptureIdentity,
    pub shape: TableShape,
    pub column_hash: String,
    pub null_marker: String,
    pub rows: u64,
    pub load: OpenLoad,
    pub fence: i64,
}

/// What opens the epoch.
#[derive(Clone, Debug)]
pub enum OpenLoad {
    /// `start`: state only. `trusted` marks the table diverged until a verify.
    Start { trusted: bool },
    /// A scan under snapshot isolation: straight into production. `None`: the scan was empty.
    Production { manifest_url: Option<String> },
    /// Any other scan: through staging with a fold.
    Staging { manifest_url: Option<String> },
}

/// A stream whose source or S3 root has changed takes over the state of the old one.
#[derive(Clone, Debug)]
pub struct Adopt {
    /// State as the operator saw it: identity and position must still be these.
    pub seen: TargetState,
    pub to: StreamIdentity,
    /// Why production may differ from now on; `None` where nothing of it is in doubt.
    pub diverged: Option<String>,
}
