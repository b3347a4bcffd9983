//! The batch log: what loads did, line by line, and where that leaves a table.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::state::{Diverged, StagedRange};
use crate::model::{Epoch, Lsn, Seq, TableName};

/// One line of the batch log. Readers drop doubles by (pipeline, table, epoch, from, to, event).
///
/// A `recovered` line stands for batches whose own line was lost in a crash: rows come from the
/// records, deleted and inserted are not known. Should the lost line turn up after all, it counts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    pub table: TableName,
    /// What happened: `staged`, `applied`, `snapshot`, `start`, `schema`, `skipped`, `recovered`, or
    /// an event that only marks the table, as `adopted`.
    pub event: String,
    /// Epoch of the batches.
    pub epoch: Epoch,
    /// First batch.
    pub from: Seq,
    /// Last batch.
    pub to: Seq,
    /// Last LSN of their range.
    pub lsn_to: Lsn,
    /// Rows of their files.
    pub rows: u64,
    /// Rows of production that went.
    pub deleted: u64,
    /// Rows that came to production.
    pub inserted: u64,
    /// The run that did it.
    pub run: Uuid,
    /// Redshift's clock, UTC, as text; empty when written.
    pub at: String,
    /// The capture instance that the batches were read from; `None` in older lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Why production may differ from the source after this event; `None`: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<String>,
}

/// Events of the batch log after which production stands at `to`. `staged` is a range that waits
/// in staging; every other event only says whether production is diverged from then on.
pub const POSITION_EVENTS: [&str; 6] = ["snapshot", "start", "applied", "schema", SKIPPED_EVENT, "recovered"];
pub const STAGED_EVENT: &str = "staged";
/// The position moved past batches that production does not hold.
pub const SKIPPED_EVENT: &str = "skipped";

/// Where a table stands by the newest lines of the batch log. After a crash the log may lag
/// behind the state row by a batch, until the next load writes the missing line.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LoggedState {
    /// 0 before the first epoch.
    pub epoch: Epoch,
    pub applied_seq: Option<Seq>,
    pub applied_lsn: Option<Lsn>,
    /// Redshift's clock, UTC, as text.
    pub applied_at: Option<String>,
    pub staged: Option<StagedRange>,
    /// `since` is when the newest line that says so was written: it may have begun earlier.
    pub diverged: Option<Diverged>,
    pub instance: Option<String>,
    /// Batches that an operator had left out, of every epoch.
    pub skipped: BTreeSet<(Epoch, Seq)>,
}
