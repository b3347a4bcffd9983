//! The incident bundle: what a colleague needs to understand a failure, in one archive.
//!
//! It holds no cell value, no secret and no key id. A system that does not answer leaves its
//! fault in place of its part.

pub mod archive;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use self::archive::Member;
use super::check::{Finding, FindingDocument, Found};
use super::{Engine, TOOL};
use crate::model::fault::FaultDocument;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// How far back a bundle looks.
const RUNS: usize = 100;
const LOG_LINES: usize = 1_000;

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Gathers the members of a bundle about the given tables. Reads only.
    pub async fn bundle(self: &Arc<Self>, tables: &[TableName]) -> Vec<Member> {
        let made = Timestamp::now();
        let (server, facts) = (self.source.start_up().await, self.target.start_up().await);
        let versions = json!({
            "tool": TOOL,
            "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "made_at": made,
            "made_by": self.run.holder,
            "source": part(&server, |server| json!({ "server": server.identity.server, "database": server.identity.database, "version": server.version, "edition": server.edition })),
            "store": self.store.root(),
            "target": part(&facts, |facts| json!({ "version": facts.version, "database": facts.database, "user": facts.user })),
        });
        let findings = self.check(tables).await;
        let runs = self.store.runs(RUNS, &[]).await;
        let log = self.target.log(&self.settings.pipeline, None, LOG_LINES).await;
        let faults = faults(&findings, runs.as_deref().unwrap_or_default());
        let checked: Vec<FindingDocument> = findings.iter().map(FindingDocument::from).collect();
        vec![
            Member::text("README.txt", readme(made, &self.settings.pipeline)),
            Member::json("versions.json", &versions),
            Member::json("config.json", &*self.settings),
            Member::json("check.json", &checked),
            Member::json("status.json", &self.status(tables).await),
            Member::json("faults.json", &faults),
            Member::json("runs.json", &part(&runs, |runs| json!(runs))),
            Member::json("batch_log.json", &part(&log, |log| json!(log))),
        ]
    }
}

fn part<V>(read: &Result<V, Fault>, show: impl FnOnce(&V) -> Value) -> Value {
    match read {
        Ok(value) => show(value),
        Err(fault) => json!({ "fault": fault }),
    }
}

/// A fault, and where it was met.
#[derive(Serialize)]
struct Met {
    place: String,
    fault: FaultDocument,
}

/// The faults of now, then each table's newest one of the runs.
fn faults(findings: &[Finding], runs: &[crate::model::control::RunRecord]) -> Vec<Met> {
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
    now.chain(newest.into_values()).collect()
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
         It holds no cell values. Names of tables, columns, hosts and people stand in it.\n"
    )
}
