//! The incident bundle: what a colleague needs to understand a failure, in one archive.
//!
//! It holds no cell value, no secret and no key id. A system that does not answer leaves its
//! fault in place of its part.

pub mod archive;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::check::{Finding, Found};
use super::inspect::batch_log::BatchLog;
use super::{Engine, TOOL};
use crate::model::control::{Holder, RunRecord};
use crate::model::fault::FaultDocument;
use crate::model::status::StatusReport;
use crate::model::{Fault, TableName};
use crate::source::{ServerFacts, Source};
use crate::store::ChangeStore;
use crate::target::{Target, TargetFacts};

/// How far back a bundle looks.
const RUNS: usize = 100;
const LOG_LINES: usize = 1_000;

/// What a bundle tells beside the settings.
pub struct Gathered {
    /// For the reader, as text.
    pub readme: String,
    pub versions: Versions,
    pub findings: Vec<Finding>,
    pub status: StatusReport,
    pub faults: MetFaults,
    /// The newest first.
    pub runs: Result<Vec<RunRecord>, Fault>,
    pub log: Result<BatchLog, Fault>,
}

/// The program and the three systems.
#[derive(Serialize, JsonSchema)]
pub struct Versions {
    /// Name and version of the program.
    tool: &'static str,
    /// Operating system and processor that it runs on.
    system: String,
    /// When the bundle was made, UTC.
    made_at: Timestamp,
    made_by: Holder,
    /// Null when it did not answer.
    source: Option<SourceVersion>,
    /// Why it did not answer; null when it did.
    source_fault: Option<FaultDocument>,
    /// Where the pipeline's objects stand in S3, as a URL.
    store: String,
    /// Null when it did not answer.
    target: Option<TargetVersion>,
    /// Why it did not answer; null when it did.
    target_fault: Option<FaultDocument>,
}

/// The source as it names itself.
#[derive(Serialize, JsonSchema)]
struct SourceVersion {
    /// Its name, as `@@SERVERNAME` tells it.
    server: String,
    /// The database that is read.
    database: String,
    /// As in `16.0.4135.4`.
    version: String,
    /// As in `Developer Edition (64-bit)`.
    edition: String,
}

/// The target as it names itself.
#[derive(Serialize, JsonSchema)]
struct TargetVersion {
    /// First line of its `version()`.
    version: String,
    /// The database that is loaded.
    database: String,
    /// The user that loads it.
    user: String,
}

/// The faults of now, then each table's newest one of the runs.
#[derive(Serialize, JsonSchema)]
pub struct MetFaults {
    /// Those of the check first.
    faults: Vec<Met>,
}

/// A fault, and where it was met.
#[derive(Serialize, JsonSchema)]
struct Met {
    /// The line of the check, or the table and the run.
    place: String,
    fault: FaultDocument,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Gathers a bundle about the given tables. Reads only.
    pub async fn bundle(self: &Arc<Self>, tables: &[TableName]) -> Gathered {
        let made_at = Timestamp::now();
        let (server, facts) = (self.source.start_up().await, self.target.start_up().await);
        let findings = self.check(tables).await;
        let runs = self.store.runs(RUNS, &[]).await;
        Gathered {
            readme: readme(made_at, &self.settings.pipeline),
            versions: Versions {
                tool: TOOL,
                system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
                made_at,
                made_by: self.run.holder.clone(),
                source_fault: server.as_ref().err().map(FaultDocument::from),
                source: server.ok().map(SourceVersion::from),
                store: self.store.root(),
                target_fault: facts.as_ref().err().map(FaultDocument::from),
                target: facts.ok().map(TargetVersion::from),
            },
            status: self.status(tables).await,
            faults: faults(&findings, runs.as_deref().unwrap_or_default()),
            log: self.batch_log(None, LOG_LINES).await,
            findings,
            runs,
        }
    }
}

impl From<ServerFacts> for SourceVersion {
    fn from(facts: ServerFacts) -> Self {
        Self { server: facts.identity.server, database: facts.identity.database, version: facts.version, edition: facts.edition }
    }
}

impl From<TargetFacts> for TargetVersion {
    fn from(facts: TargetFacts) -> Self {
        Self { version: facts.version, database: facts.database, user: facts.user }
    }
}

fn faults(findings: &[Finding], runs: &[RunRecord]) -> MetFaults {
    let now = findings.iter().filter_map(|finding| match &finding.result {
        Found::Fault(fault) => Some(Met { place: format!("check {} {}", finding.area, finding.what), fault: fault.into() }),
        Found::Good(_) | Found::Warning(_) => None,
    });
    let mut newest = BTreeMap::new();
    for run in runs {
        for table in &run.tables {
            if let Some(fault) = &table.fault {
                newest
                    .entry(&table.table)
                    .or_insert_with(|| Met { place: format!("{} of run {}", table.table, run.run), fault: fault.clone() });
            }
        }
    }
    MetFaults { faults: now.chain(newest.into_values()).collect() }
}

fn readme(made: Timestamp, pipeline: &str) -> String {
    format!(
        "Incident bundle of {TOOL}, pipeline {pipeline}, made at {made}.\n\n\
         versions.json   the program and the three systems\n\
         config.json     the settings in use; secrets and key ids show only that they are set\n\
         check.json      what `check` found\n\
         status.json     each table in the source, in S3 and in Redshift\n\
         faults.json     the faults of now and each table's newest one\n\
         runs.json       the newest {RUNS} runs\n\
         batch_log.json  the newest {LOG_LINES} lines of the batch log\n\n\
         Each document begins with the name and version of its schema, as in \"status/2\"; `db-to-redshift schema status` prints it.\n\
         A file of a system that did not answer holds its fault instead.\n\n\
         It holds no cell values. Names of tables, columns, hosts and people stand in it.\n"
    )
}
