//! The checklist of the CDC walkthrough, from what the source says now: it can be left and taken up
//! again at any time.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cli::connect::LiveEngine;
use crate::console::order::Order;
use crate::console::setup::{Checklist, Step, StepState};
use crate::model::typed::tsql;
use crate::model::{Fault, TableName};
use crate::source::sqlserver::instance::names;
use crate::source::{ServerFacts, Source, SourceTable};
use crate::store::ChangeStore;

pub const ENABLE_DATABASE: &str = "EXEC sys.sp_cdc_enable_db;";

/// Capture of one table, as the program runs it first: a name that is taken gets a number.
#[must_use]
pub fn enable_table(table: &TableName, role: Option<&str>) -> String {
    format!(
        "EXEC sys.sp_cdc_enable_table\n    @source_schema = {},\n    @source_name = {},\n    @capture_instance = {},\n    @role_name = {},\n    @supports_net_changes = 0;",
        tsql(&table.schema),
        tsql(&table.name),
        tsql(&names(table).next().unwrap_or_default()),
        role.map_or_else(|| "NULL".to_owned(), tsql)
    )
}

/// Where each step stands.
pub async fn checklist(engine: &Arc<LiveEngine>) -> Result<Checklist, Fault> {
    let facts = engine.source.start_up().await?;
    let (tables, health, prepared) = tokio::join!(engine.source.tables(), engine.source.health(), engine.store.tables());
    let tables: Vec<SourceTable> = tables?.into_iter().filter(|table| !engine.settings.is_skipped(&table.name)).collect();
    let prepared: Option<BTreeSet<TableName>> = prepared.ok().map(|tables| tables.into_iter().collect());
    let agent = health.ok().and_then(|health| health.agent_running);
    let tracked: Vec<TableName> = tables.iter().filter(|table| table.tracked).map(|table| table.name.clone()).collect();
    let mut untracked: Vec<TableName> = tables.iter().filter(|table| !table.tracked).map(|table| table.name.clone()).collect();
    untracked.sort();
    let steps = vec![
        connected(engine, &facts),
        isolation(&facts),
        database(&facts),
        agent_runs(&facts, agent),
        captured(&facts, &tracked, &untracked),
        opened(&tracked, prepared.as_ref()),
    ];
    Ok(Checklist { steps, untracked: if facts.cdc_enabled { untracked } else { Vec::new() } })
}

fn done(holds: bool) -> StepState {
    if holds { StepState::Done } else { StepState::Open }
}

fn connected(engine: &LiveEngine, facts: &ServerFacts) -> Step {
    Step {
        title: "Connect to SQL Server".into(),
        state: StepState::Done,
        why: "Everything below is asked of this server with this login.".into(),
        sql: String::new(),
        permission: "CONNECT to the database".into(),
        found: format!(
            "{} on {}, version {} ({}), as {}",
            facts.identity.database, engine.settings.source.host, facts.version, facts.edition, engine.settings.source.user
        ),
        order: None,
    }
}

fn isolation(facts: &ServerFacts) -> Step {
    let name = facts.identity.database.replace(']', "]]");
    Step {
        title: "Allow snapshot isolation".into(),
        state: done(facts.snapshot_isolation),
        why: "The first snapshot of a table reads all of it as of one moment, without blocking writers. That needs row versions.".into(),
        sql: format!("ALTER DATABASE [{name}] SET ALLOW_SNAPSHOT_ISOLATION ON;"),
        permission: "ALTER on the database: ask your DBA, since row versions cost room in tempdb".into(),
        found: format!("sys.databases says snapshot isolation is {}", if facts.snapshot_isolation { "on" } else { "off" }),
        order: None,
    }
}

fn database(facts: &ServerFacts) -> Step {
    Step {
        title: "Enable CDC for the database".into(),
        state: done(facts.cdc_enabled),
        why: "Creates the schema cdc, its tables and functions. Nothing is captured before a table is enabled.".into(),
        sql: format!("USE [{}];\n{ENABLE_DATABASE}", facts.identity.database.replace(']', "]]")),
        permission: "sysadmin; on Amazon RDS the master user runs msdb.dbo.rds_cdc_enable_db instead".into(),
        found: format!("sys.databases.is_cdc_enabled is {}", u8::from(facts.cdc_enabled)),
        order: (!facts.cdc_enabled).then(|| (Order::Enable { role: None }, Vec::new())),
    }
}

fn agent_runs(facts: &ServerFacts, agent: Option<bool>) -> Step {
    let (state, found) = match agent {
        _ if !facts.cdc_enabled => (StepState::Waits, "jobs are made with the first table".to_owned()),
        Some(true) => (StepState::Done, "SQL Server Agent is running".to_owned()),
        Some(false) => (StepState::Open, "SQL Server Agent is stopped: nothing is captured".to_owned()),
        None => (StepState::Unknown, "this login may not see it (VIEW SERVER STATE)".to_owned()),
    };
    Step {
        title: "Run SQL Server Agent".into(),
        state,
        why: "Its capture job carries changes from the log to the change tables; its clean-up job deletes them after the retention.".into(),
        sql: "EXEC sys.sp_cdc_help_jobs;".into(),
        permission: "the administrator of the machine starts the service; db_owner sees the jobs".into(),
        found,
        order: None,
    }
}

fn captured(facts: &ServerFacts, tracked: &[TableName], untracked: &[TableName]) -> Step {
    let state = if facts.cdc_enabled { done(!tracked.is_empty()) } else { StepState::Waits };
    Step {
        title: "Enable CDC for tables".into(),
        state,
        why: "Each table that is to be carried needs a capture instance. Choose them in the list below: Enter on a table.".into(),
        sql: untracked.first().map(|table| enable_table(table, None)).unwrap_or_default(),
        permission: "db_owner".into(),
        found: format!("{} tables are captured, {} are not", tracked.len(), untracked.len()),
        order: None,
    }
}

fn opened(tracked: &[TableName], prepared: Option<&BTreeSet<TableName>>) -> Step {
    let left: Option<Vec<TableName>> =
        prepared.map(|prepared| tracked.iter().filter(|table| !prepared.contains(*table)).cloned().collect());
    let (state, found) = match &left {
        _ if tracked.is_empty() => (StepState::Waits, "no table is captured yet".to_owned()),
        None => (StepState::Unknown, "S3 did not answer".to_owned()),
        Some(left) if left.is_empty() => (StepState::Done, "every captured table has its first snapshot in S3".to_owned()),
        Some(left) => (StepState::Open, format!("{} captured tables have no snapshot yet", left.len())),
    };
    Step {
        title: "Take the first snapshots".into(),
        state,
        why: "Creates the tables in Redshift and writes each table as it is to S3; from there on only changes travel. B then loads.".into(),
        sql: String::new(),
        permission: "SELECT on the tables; CREATE in the Redshift schemas; write access to the bucket".into(),
        found,
        order: left.filter(|left| !left.is_empty()).map(|left| (Order::Prepare { new_epoch: false }, left)),
    }
}
