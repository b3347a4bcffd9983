//! What jobs tell the world: life-cycle by a bounded channel, progress by a watch.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::model::{Epoch, Fault, Seq, TableName};

/// What is done with a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    Prepare,
    Extract,
    Load,
}

impl Job {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Extract => "extract",
            Self::Load => "load",
        }
    }
}

/// A step in the life of a job.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Started {
        job: Job,
        table: TableName,
    },
    /// A record was written.
    Recorded {
        table: TableName,
        epoch: Epoch,
        seq: Seq,
        rows: u64,
        bytes: u64,
        seconds: f64,
    },
    /// Batches `from` to `to` stand in staging.
    Staged {
        table: TableName,
        epoch: Epoch,
        from: Seq,
        to: Seq,
        rows: u64,
        seconds: f64,
    },
    /// Batches `from` to `to` stand in production.
    Applied {
        table: TableName,
        epoch: Epoch,
        from: Seq,
        to: Seq,
        deleted: u64,
        inserted: u64,
        seconds: f64,
    },
    /// Something an operator should know; the job goes on.
    Warning {
        job: Job,
        table: TableName,
        text: String,
    },
    /// In plain words: what a job did beside moving rows.
    Note {
        job: Job,
        table: TableName,
        text: String,
    },
    Finished {
        job: Job,
        table: TableName,
        /// `done`, `nothing to do`, or the fault's code.
        outcome: String,
        batches: u64,
        rows: u64,
        seconds: f64,
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
}

/// A job that ended well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Outcome {
    pub batches: u64,
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
            Self { paused: true, .. } => "paused",
            Self { batches: 0, capture_down: true, .. } => "capture is down",
            Self { batches: 0, .. } => "nothing to do",
            _ => "done",
        }
    }
}
