//! Small objects in S3 beside the records: control, leases, runs.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fault::FaultDocument;
use super::order::PrepareOptions;
use super::{Epoch, Lsn, TableName};

/// `control/<t>.json`: what an operator ordered, and the intent of a snapshot under way.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Control {
    /// Somebody paused the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// A snapshot or start is under way, or died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
}

/// An order to leave a table alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Paused {
    /// Who paused it.
    pub by: String,
    /// Their reason.
    pub why: String,
    /// UTC.
    pub since: Timestamp,
}

/// Written before a snapshot or start reads its bounds, so that nobody cleans up beneath it
/// (section 6 of the protocol).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Intent {
    /// The run that takes it.
    pub run: Uuid,
    /// The epoch that it opens.
    pub epoch: Epoch,
    /// What it was told; absent in one that an older version wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<PrepareOptions>,
    /// Low-water mark of the capture instance when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_lsn: Option<Lsn>,
    /// Max LSN that was read before the scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l0: Option<Lsn>,
    /// When it began, UTC.
    pub since: Timestamp,
}

/// Which half of the work a lease covers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaseKind {
    /// From the change tables to S3.
    Extract,
    /// From S3 to production.
    Load,
}

impl LeaseKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Load => "load",
        }
    }
}

/// `leases/<t>/<kind>.json`: who is busy with a table. It saves double work and tells people;
/// safety never rests on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Lease {
    /// `None` once released.
    pub holder: Option<Holder>,
    /// Changes with every renewal, so that the ETag does too.
    pub beat: u64,
    pub at: Timestamp,
    /// Code of the fault that the newest job ended with; `None`: it ended well. Of the extract lease the
    /// newest extract or prepare, of the load lease the newest load: what else takes a lease leaves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// A run of the program: who, where, since when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// Identifies the run.
    pub run: Uuid,
    /// Name of the machine.
    pub host: String,
    /// Login name on that machine.
    pub user: String,
    /// Process id on that machine.
    pub pid: u32,
    /// Tells process tables apart (boot and pid namespace), where the system says: only there may
    /// a pid that is gone prove that the holder is dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// When the run began, UTC.
    pub since: Timestamp,
}

/// `runs/<date>/<run>.json`: who ran what, and how it ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// Identifies the run.
    pub run: Uuid,
    /// As the user typed it, as in `sync`.
    pub command: String,
    pub by: Holder,
    /// When it ended, UTC; null: it is under way, or died.
    pub finished: Option<Timestamp>,
    /// A line a job and table; empty until the run ended.
    pub tables: Vec<RunTable>,
}

/// How one job of a run ended on one table.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunTable {
    pub table: TableName,
    /// The job, then `done`, `nothing to do`, `paused`, `capture is down`, or the code of the fault.
    pub outcome: String,
    /// What went wrong, where something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultDocument>,
    /// Batches that were moved; 0 after a fault.
    pub batches: u64,
    /// Rows of these batches.
    pub rows: u64,
    /// What a prepare was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<PrepareOptions>,
}
