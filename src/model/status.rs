//! What an operator sees of the tables: the answer of `status`, and what the console draws.
//!
//! A commit of the source passes four stations: the log (commit), the change table (capture), S3
//! (extract), Redshift (load). Between two stations lies a hop with a lag and, when nothing moves
//! on it, the time since when. Times without a zone are the source's, in its local zone; those
//! of type [`Timestamp`] are UTC; durations are whole seconds.

use jiff::Timestamp;
use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::control::{Control, Holder, LeaseKind};
use super::fault::FaultDocument;
use super::state::{Diverged, StagedRange};
use super::{Epoch, Lsn, Seq, TableName, TargetState};

/// How long changes may wait on a hop, with nobody at work, before it counts as stuck.
pub const STUCK_AFTER: i64 = 60 * 60;
/// How long the newest row of the time mapping may be old: an idle log gets a dummy row every
/// few minutes, so a longer silence means that capture does not run.
pub const SILENT_AFTER: i64 = 15 * 60;
/// A lease that was not renewed for so long is held by nobody: holders renew every 15 s, and
/// expire after 60 s. The rest is for clocks that differ.
pub const LEASE_SILENT_AFTER: i64 = 3 * 60;

/// Answer of `status`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StatusReport {
    /// Name of the pipeline.
    pub pipeline: String,
    pub kind: ReportKind,
    /// This program's clock when it began to ask, UTC.
    pub at: Timestamp,
    pub systems: Systems,
    /// By name.
    pub tables: Vec<TableStatus>,
    /// Faults of whole systems and of single tables, each told once.
    pub faults: Vec<TableFault>,
}

/// A fault that left a part of the report empty.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TableFault {
    /// The one table that met it; null: a whole system, or several tables.
    pub table: Option<TableName>,
    /// What was met.
    pub fault: FaultDocument,
}

/// Where the facts come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// All tables: catalogue and time mapping of the source, listings of S3, batch log of the
    /// target. The log may lag behind the state by a batch after a crash.
    Fleet,
    /// Some tables: the objects in S3 and the state rows themselves.
    Detail,
}

/// The three systems as such.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Systems {
    /// SQL Server.
    pub source: SourceSystem,
    /// S3.
    pub store: System,
    /// Redshift.
    pub target: System,
}

/// Whether a system answered.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct System {
    /// The fault that left the system's part empty; null: it answered.
    pub fault: Option<FaultDocument>,
}

/// SQL Server as such. A field is null where it is not known.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct SourceSystem {
    /// The fault that left this part empty; null: it answered.
    pub fault: Option<FaultDocument>,
    /// CDC is on for the database.
    pub cdc_enabled: Option<bool>,
    /// `fn_cdc_get_max_lsn`: how far capture has come.
    pub max_lsn: Option<Lsn>,
    /// Commit time of the newest row of the time mapping: server-local time.
    pub newest_commit: Option<DateTime>,
    /// Commit time of the oldest row that the mapping still holds, server-local time.
    pub oldest_commit: Option<DateTime>,
    /// The server's clock, local time.
    pub clock: Option<DateTime>,
    pub capture: CaptureStatus,
}

/// The capture and clean-up jobs. A field is null where the login may not see it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct CaptureStatus {
    /// SQL Server Agent, which runs the jobs, is up.
    pub agent_running: Option<bool>,
    /// Commit to capture, from `sys.dm_cdc_log_scan_sessions`.
    pub latency_seconds: Option<i64>,
    /// Commit time of the last transaction that a scan session captured, server-local.
    pub last_commit_cdc_time: Option<DateTime>,
    /// Log scan sessions that ended with an error.
    pub failed_sessions: Option<i64>,
    /// How long the clean-up job keeps changes.
    pub retention_seconds: Option<i64>,
    /// Number and message of the newest `sys.dm_cdc_errors` row, which may be long past.
    pub last_error: Option<(i32, String)>,
    /// Why capture is down, in words: then "no changes" means nothing. Null: it seems to run.
    pub down: Option<String>,
}

/// One table as the three systems see it. A part is null where its system did not answer or
/// knows nothing of the table; the report's `faults` say which.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TableStatus {
    pub table: TableName,
    /// One word: what to look at first.
    pub verdict: Verdict,
    pub hops: Hops,
    /// Null until the table has an epoch, and while times or retention are unknown.
    pub retention: Option<Countdown>,
    /// The table in SQL Server.
    pub source: Option<SourceStatus>,
    /// The table in S3.
    pub store: Option<StoreStatus>,
    /// The table in Redshift.
    pub target: Option<TargetStatus>,
    /// Commands that help, the best first; none for a table that is well.
    pub next: Vec<String>,
}

/// The three hops between the four stations.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Hops {
    /// Commit to capture; the same for all tables. Its lag is the latency of the scan sessions.
    pub capture: Hop,
    /// Capture to S3. Its lag runs from the first captured change that no record holds to the
    /// newest commit that was captured.
    pub extract: Hop,
    /// S3 to Redshift. Its lag runs from the commit time of production's position to that of the
    /// newest record. A quiet table may show more than any change has waited; `waiting_seconds`
    /// counts from when the oldest pending file was written.
    pub load: Hop,
    /// The hop whose last job failed, or on which changes have waited longest with nobody at work.
    pub stuck: Option<Stuck>,
}

/// The way between two stations.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// How far its end is behind its beginning. 0: nothing waits; null: unknown.
    pub lag_seconds: Option<i64>,
    /// How long the oldest change has waited on it; null when nothing waits or it is unknown.
    pub waiting_seconds: Option<i64>,
}

/// Changes wait and nobody is at work, or the hop's last job failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Stuck {
    pub hop: HopName,
    /// UTC.
    pub since: Timestamp,
    /// In words.
    pub why: String,
}

/// One of the three hops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HopName {
    /// Commit to capture.
    Capture,
    /// Capture to S3.
    Extract,
    /// S3 to Redshift.
    Load,
}

/// How long until clean-up passes the reader. Clean-up counts back its retention from the newest
/// commit in the time mapping, not from now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Countdown {
    /// How long the clean-up job keeps changes.
    pub retention_seconds: i64,
    /// From the commit time of the last LSN that was extracted to the newest commit.
    pub used_seconds: i64,
    /// Below zero: the next run of the clean-up job passes the reader.
    pub left_seconds: i64,
    /// More than half of the retention is used.
    pub warn: bool,
}

/// A table in SQL Server.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct SourceStatus {
    /// CDC is on for the table.
    pub tracked: bool,
    /// The capture instance that the stream reads; the newest one where that is not known.
    pub instance: Option<String>,
    /// Low-water mark.
    pub min_lsn: Option<Lsn>,
    /// How far capture has come.
    pub max_lsn: Option<Lsn>,
    /// Change rows wait to be extracted; null when that is not known, or there is no epoch.
    pub waiting: Option<bool>,
    /// Commit LSN of the first of them.
    pub first_waiting: Option<Lsn>,
    /// When that was committed, server-local time.
    pub first_waiting_time: Option<DateTime>,
}

/// A table in S3.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct StoreStatus {
    /// The newest epoch; null before the first.
    pub epoch: Option<Epoch>,
    /// Number of the newest record of the epoch.
    pub head: Option<Seq>,
    /// The end of that record's range.
    pub head_lsn: Option<Lsn>,
    /// Commit time of the newest transaction up to there, server-local.
    pub head_time: Option<DateTime>,
    /// Records above the applied one; null when the target did not answer.
    pub pending: Option<u64>,
    /// Their part files.
    pub pending_files: Option<u64>,
    /// Compressed size of these, in bytes.
    pub pending_bytes: Option<u64>,
    /// When the oldest object of theirs was written, by the store's clock.
    pub pending_since: Option<Timestamp>,
    /// Part files without a record: being written, or left by a job that died.
    pub writing_files: Option<u64>,
    /// An operator paused the table.
    pub paused: bool,
    /// A snapshot is under way, or died before its record 0.
    pub intent: bool,
    /// Somebody extracts it.
    pub extracting: Option<Busy>,
    /// Somebody loads it.
    pub loading: Option<Busy>,
    /// Jobs whose newest run ended with a fault.
    #[serde(default)]
    pub failed: Vec<FailedJob>,
    /// The control object; detail only.
    pub control: Option<Control>,
}

/// A job that ended with a fault, and did not run again since.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FailedJob {
    /// `extract` stands for a prepare, too.
    pub job: LeaseKind,
    /// When: by the store's clock in a fleet report, by the job's in a detail report.
    pub at: Timestamp,
    /// Code of the fault; detail only.
    pub code: Option<String>,
    /// It stands until a person decides.
    pub human: bool,
}

/// A lease that is held.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Busy {
    /// When it was renewed last: by the store's clock in a fleet report, by the holder's in a
    /// detail report.
    pub renewed: Timestamp,
    /// Nobody has renewed it for three minutes: its holder is gone.
    pub silent: bool,
    /// Who holds it; detail only.
    pub holder: Option<Holder>,
}

/// A table in Redshift.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct TargetStatus {
    /// The epoch that production stands in; 0 before the first epoch.
    pub epoch: Epoch,
    /// Number of the batch that production stands at; null before the first.
    pub applied_seq: Option<Seq>,
    /// Production is as of this LSN.
    pub applied_lsn: Option<Lsn>,
    /// Commit time of the newest transaction up to there, server-local.
    pub applied_time: Option<DateTime>,
    /// The target's clock when the last batch was applied, UTC, as text.
    pub applied_at: Option<String>,
    /// What staging holds, with its rows.
    pub staged: Option<StagedRange>,
    /// Production may differ from the source.
    pub diverged: Option<Diverged>,
    /// What was found now that says the same, in words, though no job has noted it yet: a table that was
    /// dropped or replaced, records that are not those that were loaded, a state of another stream.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// The state row; detail only.
    pub state: Option<TargetState>,
}

impl TargetStatus {
    /// Why production may differ from the source, a line each: the mark, then what was found now.
    pub fn differences(&self) -> impl Iterator<Item = String> {
        let marked = self.diverged.as_ref().map(|diverged| format!("diverged since {}: {}", diverged.since, diverged.why));
        marked.into_iter().chain(self.doubts.iter().map(|doubt| format!("diverged: {doubt}")))
    }
}

/// The one word of a table's line, the worst that holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A system did not answer: nothing is known for sure.
    Unknown,
    /// Production may differ from the source.
    Diverged,
    /// Clean-up has passed the reader.
    Gap,
    /// More than half of the retention is used: clean-up comes nearer than extract.
    Lagging,
    /// An operator paused the table.
    Paused,
    /// CDC is not enabled for it.
    NotTracked,
    /// No epoch was opened yet, or the target has no state of the table.
    NotPrepared,
    /// The last extract or load failed, or changes have waited on a hop for more than an hour; and
    /// nobody is at work.
    Stuck,
    /// Staged rows wait to be applied.
    Staged,
    /// Records wait to be loaded.
    Pending,
    /// Changes wait to be extracted.
    Behind,
    /// Production holds everything that was captured.
    Current,
}

impl Verdict {
    /// All of them, worst first.
    pub const ALL: [Self; 12] = [
        Self::Unknown,
        Self::Diverged,
        Self::Gap,
        Self::Lagging,
        Self::Paused,
        Self::NotTracked,
        Self::NotPrepared,
        Self::Stuck,
        Self::Staged,
        Self::Pending,
        Self::Behind,
        Self::Current,
    ];

    /// As people read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Diverged => "DIVERGED",
            Self::Gap => "GAP",
            Self::Lagging => "LAGGING",
            Self::Paused => "paused",
            Self::NotTracked => "not tracked",
            Self::NotPrepared => "not prepared",
            Self::Stuck => "STUCK",
            Self::Staged => "staged",
            Self::Pending => "pending",
            Self::Behind => "behind",
            Self::Current => "current",
        }
    }
}
