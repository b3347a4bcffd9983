//! What an operator sees of one table.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::control::{Holder, Paused};
use super::{Epoch, Lsn, Seq, TableName, TargetState};

/// One table as the three systems see it. A part is `None` where its system did not answer or
/// knows nothing of the table; [`StatusReport::faults`] says which.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TableStatus {
    pub table: TableName,
    pub source: Option<SourceStatus>,
    pub store: Option<StoreStatus>,
    pub target: Option<TargetState>,
    /// One word: what to look at first.
    pub verdict: Verdict,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceStatus {
    pub tracked: bool,
    pub instance: Option<String>,
    pub min_lsn: Option<Lsn>,
    pub max_lsn: Option<Lsn>,
    /// Change rows wait to be extracted; `None` when the table was never prepared.
    pub waiting: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoreStatus {
    pub epoch: Option<Epoch>,
    pub head: Option<Seq>,
    pub head_lsn: Option<Lsn>,
    /// Commit time of the newest transaction that was extracted, server-local.
    pub head_time: Option<DateTime>,
    /// Records above the applied one; `None` without a target.
    pub pending: Option<u64>,
    pub paused: Option<Paused>,
    pub extracting: Option<Holder>,
    pub loading: Option<Holder>,
}

/// The one word of a table's line, the worst that holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A system did not answer: nothing is known for sure.
    Unknown,
    /// Production may differ from the source.
    Diverged,
    /// Clean-up has passed the reader.
    Gap,
    Paused,
    /// CDC is not enabled for it.
    NotTracked,
    /// No epoch was opened yet.
    NotPrepared,
    /// Staged rows wait to be applied.
    Staged,
    /// Records wait to be loaded.
    Pending,
    /// Changes wait to be extracted.
    Behind,
    Current,
}

/// Answer of `status`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StatusReport {
    pub pipeline: String,
    pub tables: Vec<TableStatus>,
    /// Faults of whole systems, as text with their codes.
    pub faults: Vec<String>,
}
