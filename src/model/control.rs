//! Small objects in S3 beside the records: control, leases, runs.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fault::FaultDocument;
use super::{Epoch, Lsn, TableName};

/// `control/<t>.json`: what an operator ordered, and the intent of a snapshot under way.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Control {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Paused {
    pub by: String,
    pub why: String,
    pub since: Timestamp,
}

/// Written before a snapshot or start reads its bounds, so that nobody cleans up beneath it
/// (section 6 of the protocol).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Intent {
    pub run: Uuid,
    pub epoch: Epoch,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_lsn: Option<Lsn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l0: Option<Lsn>,
    pub since: Timestamp,
}

/// Which half of the work a lease covers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaseKind {
    Extract,
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
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    pub run: Uuid,
    pub host: String,
    pub user: String,
    pub pid: u32,
    /// Tells process tables apart (boot and pid namespace), where the system says: only there may
    /// a pid that is gone prove that the holder is dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    pub since: Timestamp,
}

/// `runs/<date>/<run>.json`: who ran what, and how it ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    pub run: Uuid,
    pub command: String,
    pub by: Holder,
    pub finished: Option<Timestamp>,
    pub tables: Vec<RunTable>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunTable {
    pub table: TableName,
    /// `done`, `nothing to do`, or the code of the fault.
    pub outcome: String,
    /// What went wrong, where something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultDocument>,
    pub batches: u64,
    pub rows: u64,
}
