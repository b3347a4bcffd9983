//! The seam between the console and the engine: what is asked, and what comes back.
//!
//! A fake behind this seam is enough to drive the whole console in a test. Every question carries
//! an [`Id`]; an answer to a question that nobody waits for any more is dropped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::order::Order;
use super::page::{Page, Tone};
use super::setup::Checklist;
use crate::engine::event::{Event, Job, Progress};
use crate::engine::operate::Runs;
use crate::model::fault::{FaultDocument, sync};
use crate::model::status::StatusReport;
use crate::model::{Seq, TableName};

/// Of a question, or of a job; unique while the console runs.
pub type Id = u64;

/// What the console asks of the engine.
#[derive(Clone, PartialEq, Debug)]
pub enum Ask {
    /// Connect as this profile says; everything asked later is asked of it.
    Connect { profile: String },
    /// Find something out.
    Look(Look),
    /// Allows writing in a protected profile for a quarter of an hour.
    Unlock { typed: String },
    /// Takes that back.
    Lock,
    /// Carries an order out. The one question that changes a system.
    Run { order: Order, tables: Vec<TableName> },
    /// Stops the job with this id at its next safe point.
    Cancel { job: Id },
}

/// Questions that change nothing in the three systems.
#[derive(Clone, PartialEq, Debug)]
pub enum Look {
    /// Every table. Redshift bills by the second: with `target` it is asked too, else what it
    /// said last counts.
    Fleet { target: bool },
    /// The newest runs, newest first.
    Runs,
    /// One side of a table.
    Tab { table: TableName, tab: Tab, show_values: bool },
    /// Rows of a change file.
    Preview { table: TableName, seq: Seq, show_values: bool },
    /// The row of a change file on a line, as a fault names it.
    Row { table: TableName, url: String, line: u64, show_values: bool },
    /// One key from the change table to production.
    Trace { table: TableName, key: Vec<String>, show_values: bool },
    /// The values of the table's files that Redshift refused.
    LoadErrors { table: TableName, show_values: bool },
    /// What the next load would do.
    DryRun { table: TableName },
    /// What an order would do, before it is given.
    Plan { order: Order, tables: Vec<TableName> },
    /// The steps of enabling CDC, and how far they are.
    Setup,
    /// Writes an incident bundle of these tables (none: of all) into the working folder.
    Bundle { tables: Vec<TableName> },
}

impl Ask {
    /// Whether it changes anything in the three systems.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self, Self::Run { .. })
    }
}

/// A side of a table's page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tab {
    Overview,
    Columns,
    Files,
    Staging,
    Log,
    Fault,
    Sql,
}

impl Tab {
    pub const ALL: [Self; 7] = [Self::Overview, Self::Columns, Self::Files, Self::Staging, Self::Log, Self::Fault, Self::Sql];

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Columns => "Columns",
            Self::Files => "S3 files",
            Self::Staging => "Staging",
            Self::Log => "Batch log",
            Self::Fault => "Last fault",
            Self::Sql => "SQL",
        }
    }
}

/// Whether the console may write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Access {
    /// `--read-only`: nothing unlocks it.
    ReadOnly,
    /// A protected profile: read-only until it is unlocked.
    #[default]
    Locked,
    /// A protected profile, unlocked until then.
    Until(Timestamp),
    /// A profile that is not protected.
    Write,
}

impl Access {
    #[must_use]
    pub fn may_write(self, now: Timestamp) -> bool {
        match self {
            Self::ReadOnly | Self::Locked => false,
            Self::Until(end) => now < end,
            Self::Write => true,
        }
    }
}

/// Where the console stands: what the badge says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    pub profile: String,
    pub pipeline: String,
    pub kind: Kind,
    /// `host/database` of SQL Server.
    pub source: String,
    /// `bucket/prefix` of S3.
    pub bucket: String,
    /// `host/database` of Redshift.
    pub cluster: String,
    /// The user in SQL Server and in Redshift.
    pub user: String,
    /// TLS is off, or its certificates are not checked: in words.
    pub insecure: Option<String>,
    /// Every profile of the configuration.
    pub profiles: Vec<String>,
    /// The configuration's file, where it was named on the command line.
    pub config: Option<PathBuf>,
}

/// What kind of environment a profile is: by `protected`, else by its name and hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    Production,
    Staging,
    Lab,
    /// Not before its configuration was read.
    #[default]
    Unknown,
}

impl Kind {
    #[must_use]
    pub fn badge(self) -> &'static str {
        match self {
            Self::Production => "PROD",
            Self::Staging => "STAGE",
            Self::Lab => "LAB",
            Self::Unknown => "?",
        }
    }
}

/// What an order would do.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// Facts, as in `files` and `12 (3.4 MB)`.
    pub facts: Vec<(String, String)>,
    /// The statements that would run, where they are few enough to be read.
    pub sql: Vec<String>,
    /// What a person should know before `y`.
    pub warnings: Vec<String>,
    /// The order with what the plan found out, as in the width that a column needs.
    pub order: Option<Order>,
}

/// What comes back for a question.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    Connected {
        place: Box<Place>,
        access: Access,
    },
    /// `target_at`: when Redshift was asked.
    Fleet {
        report: Box<StatusReport>,
        target_at: Option<Timestamp>,
    },
    Runs(Box<Runs>),
    Page(Page),
    Plan(Box<Plan>),
    Setup(Box<Checklist>),
    /// A file was written.
    Written(PathBuf),
    Access(Access),
    /// It was not possible.
    Failed(Box<FaultDocument>),
}

/// What kind of an end it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EndKind {
    /// There was nothing to do.
    Nothing,
    Well,
    /// No fault, but not what was wanted: a difference, a pause, something that was left.
    Attention,
    Failed,
}

/// How a job ended on one table.
#[derive(Clone, PartialEq, Debug)]
pub struct TableEnd {
    pub table: TableName,
    /// The step of the table's stream; `None`: another order.
    pub job: Option<Job>,
    pub kind: EndKind,
    /// In a few words, as in `done` or `nothing to do`; job and code after a fault.
    pub outcome: String,
    /// What was left as it is, and why.
    pub left: Vec<String>,
    pub batches: u64,
    pub rows: u64,
    pub fault: Option<FaultDocument>,
}

impl TableEnd {
    /// An end without a fault.
    #[must_use]
    pub fn new(table: TableName, job: Option<Job>, kind: EndKind, outcome: impl Into<String>) -> Self {
        Self { table, job, kind, outcome: outcome.into(), left: Vec::new(), batches: 0, rows: 0, fault: None }
    }

    /// A fault. `step`: job or order, as the command line calls it.
    #[must_use]
    pub fn of_fault(table: TableName, step: &str, fault: FaultDocument) -> Self {
        let job = Job::STEPS.into_iter().find(|job| job.as_str() == step);
        let outcome = format!("{step} {}", fault.code);
        Self { fault: Some(fault), ..Self::new(table, job, EndKind::Failed, outcome) }
    }

    #[must_use]
    pub fn moved(self, batches: u64, rows: u64) -> Self {
        Self { batches, rows, ..self }
    }

    #[must_use]
    pub fn tone(&self) -> Tone {
        match self.kind {
            EndKind::Nothing => Tone::Plain,
            EndKind::Well => Tone::Good,
            EndKind::Attention => Tone::Warn,
            EndKind::Failed if self.is_cancelled() => Tone::Warn,
            EndKind::Failed => Tone::Bad,
        }
    }

    /// It stopped because it was asked to: no failure.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.fault.as_ref().is_some_and(is_cancel)
    }

    /// Of a step of the table's stream, and not of another order.
    #[must_use]
    pub fn is_step(&self) -> bool {
        self.job.is_some()
    }

    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.fault.is_some() && !self.is_cancelled()
    }
}

/// The fault of a job that was asked to stop.
#[must_use]
pub fn is_cancel(fault: &FaultDocument) -> bool {
    fault.code == sync::CANCELLED.code
}

/// What comes from the engine.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    Answer {
        id: Id,
        answer: Answer,
    },
    /// Something happened in a job.
    Event {
        job: Id,
        event: Event,
    },
    /// Where a job stands, table by table.
    Progress {
        job: Id,
        progress: BTreeMap<TableName, Progress>,
    },
    /// A job is over.
    Ended {
        job: Id,
        tables: Vec<TableEnd>,
    },
}

/// The way back.
pub type Replies = mpsc::Sender<Reply>;

/// Whoever answers: the engine, or a fake in a test.
pub trait Backend: Send + 'static {
    /// Takes a question without waiting; the answer comes by the channel.
    fn ask(&mut self, id: Id, ask: Ask, replies: &Replies);

    /// Waits until every job has ended.
    fn finish(&mut self) -> impl Future<Output = ()> + Send;
}
