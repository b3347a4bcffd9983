//! What jobs tell the world: life-cycle by a bounded channel, progress by a watch.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::model::fault::FaultDocument;
use crate::model::order::PrepareOptions;
use crate::model::{Epoch, Fault, Seq, TableName};

/// What is done with a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Tables, state and the first snapshot.
    Prepare,
    /// From the change tables to S3.
    Extract,
    /// From S3 to production.
    Load,
    /// Comparing production with the source.
    Verify,
}

impl Job {
    /// What a table's stream is made of.
    pub const STEPS: [Self; 3] = [Self::Prepare, Self::Extract, Self::Load];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Extract => "extract",
            Self::Load => "load",
            Self::Verify => "verify",
        }
    }
}

/// A step in the life of a job.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A job began on a table.
    Started { job: Job, table: TableName },
    /// A record was written: a batch of changes, or a snapshot, stands in S3.
    Recorded {
        table: TableName,
        /// Epoch of the batch; +1 at every snapshot or start of the table.
        epoch: Epoch,
        /// Number of the batch inside its epoch, from 0.
        seq: Seq,
        /// Rows in its part files.
        rows: u64,
        /// Compressed size of its part files, in bytes.
        bytes: u64,
        /// From the beginning of the batch to its record.
        seconds: f64,
    },
    /// Batches `from` to `to` stand in staging.
    Staged {
        table: TableName,
        /// Epoch of the batches.
        epoch: Epoch,
        /// Number of the first batch.
        from: Seq,
        /// Number of the last batch.
        to: Seq,
        /// Rows that were copied into staging.
        rows: u64,
        /// How long it took.
        seconds: f64,
    },
    /// Batches `from` to `to` stand in production.
    Applied {
        table: TableName,
        /// Epoch of the batches.
        epoch: Epoch,
        /// Number of the first batch.
        from: Seq,
        /// Number of the last batch.
        to: Seq,
        /// Rows of production that were deleted; an update deletes a row and inserts one.
        deleted: u64,
        /// Rows that were inserted into production.
        inserted: u64,
        /// How long it took.
        seconds: f64,
    },
    /// Something an operator should know; the job goes on.
    Warning {
        job: Job,
        table: TableName,
        /// For a person. It holds no cell values.
        text: String,
    },
    /// A small object in S3 is written again: the last try met another writer, or had no answer.
    StoreRetry {
        /// Key of the object.
        object: String,
        /// Code and text of what the last try met.
        text: String,
    },
    /// In plain words: what a job did beside moving rows.
    Note {
        job: Job,
        table: TableName,
        /// For a person. It holds no cell values.
        text: String,
    },
    /// A job on a table ended.
    Finished {
        job: Job,
        table: TableName,
        /// `done`, `nothing to do`, `paused`, `capture is down`, or the fault's code.
        outcome: String,
        /// Batches that were moved; 0 after a fault.
        batches: u64,
        /// Rows of these batches.
        rows: u64,
        /// From the beginning of the job to its end.
        seconds: f64,
        /// What stopped it; absent unless the outcome is a fault's code.
        #[serde(skip_serializing_if = "Option::is_none")]
        fault: Option<Box<FaultDocument>>,
    },
}

/// Where a running job stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Progress {
    pub job: Job,
    pub phase: &'static str,
    pub rows: u64,
    /// Compressed bytes.
    pub bytes: u64,
}

/// The sending end. A receiver that went away does not stop a job.
#[derive(Clone, Debug)]
pub struct Events {
    channel: mpsc::Sender<Event>,
    progress: watch::Sender<BTreeMap<TableName, Progress>>,
}

/// The receiving ends.
#[derive(Debug)]
pub struct EventReceiver {
    pub events: mpsc::Receiver<Event>,
    pub progress: watch::Receiver<BTreeMap<TableName, Progress>>,
}

impl Events {
    #[must_use]
    pub fn new() -> (Self, EventReceiver) {
        let (channel, events) = mpsc::channel(256);
        let (progress, progress_receiver) = watch::channel(BTreeMap::new());
        (Self { channel, progress }, EventReceiver { events, progress: progress_receiver })
    }

    /// Waits while the receiver is behind: no event is dropped.
    pub async fn send(&self, event: Event) {
        let _ = self.channel.send(event).await;
    }

    pub async fn warn(&self, job: Job, table: &TableName, text: impl Into<String>) {
        let text = text.into();
        tracing::warn!(job = job.as_str(), %table, "{text}");
        self.send(Event::Warning { job, table: table.clone(), text }).await;
    }

    pub async fn note(&self, job: Job, table: &TableName, text: impl Into<String>) {
        self.send(Event::Note { job, table: table.clone(), text: text.into() }).await;
    }

    /// From within a request, which waits for nobody: a receiver that is behind misses it.
    pub fn store_retry(&self, object: &str, why: &Fault) {
        drop(self.channel.try_send(Event::StoreRetry { object: object.to_owned(), text: format!("{}: {}", why.code(), why.what()) }));
    }

    pub fn progress(&self, table: &TableName, progress: Progress) {
        self.progress.send_modify(|all| {
            all.insert(table.clone(), progress);
        });
    }

    pub fn idle(&self, table: &TableName) {
        self.progress.send_modify(|all| {
            all.remove(table);
        });
    }
}

/// How a job on one table ended.
#[derive(Debug)]
pub struct TableReport {
    pub job: Job,
    pub table: TableName,
    pub outcome: Result<Outcome, Fault>,
    /// What a prepare was told.
    pub order: Option<PrepareOptions>,
}

impl TableReport {
    /// What the fault advises names the table.
    #[must_use]
    pub fn new(job: Job, table: TableName, outcome: Result<Outcome, Fault>, order: Option<PrepareOptions>) -> Self {
        Self { outcome: outcome.map_err(|fault| fault.about(&table)), job, table, order }
    }
}

/// How the outcome of a paused table reads.
pub const PAUSED: &str = "paused";

/// A job that ended well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
pub struct Outcome {
    /// Batches that were moved.
    pub batches: u64,
    /// Rows of these batches.
    pub rows: u64,
    /// The operator paused the table: nothing was done.
    pub paused: bool,
    /// Nothing was found, but SQL Server records nothing either: capture is down.
    pub capture_down: bool,
}

impl Outcome {
    /// For people and run records.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self { paused: true, .. } => PAUSED,
            Self { batches: 0, capture_down: true, .. } => "capture is down",
            Self { batches: 0, .. } => "nothing to do",
            _ => "done",
        }
    }
}
