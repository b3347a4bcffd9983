//! The whole thing: the lab with its SQL Server, the sample company, and the program on it.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use db_to_redshift::cli::connect::{self, LiveEngine};
use db_to_redshift::config::{self, Settings};
use db_to_redshift::engine::Run;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::direct::Direct;
use db_to_redshift::lab::sample::{self, Workload};
use db_to_redshift::lab::{Lab, LabOptions};
use db_to_redshift::model::TableName;
use db_to_redshift::source::Source;
use db_to_redshift::target::Target;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::compare::{Endpoint, compare};
use super::rig::done;

pub struct Pipeline {
    pub lab: Lab,
    pub sql: Direct,
    pub config: PathBuf,
}

impl Pipeline {
    /// A lab whose SQL Server has run these batches, captured.
    pub async fn start<'a>(batches: impl IntoIterator<Item = &'a str>) -> Self {
        let options = LabOptions { source_database: sample::DATABASE.to_owned(), ..LabOptions::default() };
        Self::start_with(options, batches).await
    }

    pub async fn start_with<'a>(options: LabOptions, batches: impl IntoIterator<Item = &'a str>) -> Self {
        let pipeline = Self::uncaptured(options, batches).await;
        pipeline.capture();
        pipeline
    }

    /// The same, where CDC may be off.
    pub async fn uncaptured<'a>(options: LabOptions, batches: impl IntoIterator<Item = &'a str>) -> Self {
        let lab = Lab::start(options).await.unwrap();
        let options = lab.options().clone();
        let mut sql =
            Direct::login(&*lab.sqlserver.sessions, &options.source_user, &options.source_password, &options.source_database).unwrap();
        sql.run_all(batches).unwrap();
        let config = lab.write_config().unwrap();
        // Loaded files go at once, so that their deletion is part of every run.
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, format!("{text}\n[store]\nkeep = \"0s\"\n")).unwrap();
        Self { lab, sql, config }
    }

    /// The sample company, seeded.
    pub async fn sample(seed: u64) -> (Self, Workload) {
        let batches = [sample::schema_batches(), sample::seed_batches(seed)].concat();
        (Self::start(batches.iter().map(String::as_str)).await, Workload::new(seed))
    }

    /// Moves what was committed into the change tables.
    pub fn capture(&self) {
        let database = &self.lab.options().source_database;
        self.lab.sqlserver.cdc.capture_now(database).unwrap();
        self.lab.sqlserver.cdc.capture_idle_tick(database).unwrap();
    }

    /// Runs transactions of the workload and captures them.
    pub fn work(&mut self, workload: &mut Workload, transactions: usize) {
        for batch in workload.take(transactions) {
            self.sql.run(&batch).unwrap_or_else(|error| panic!("{error}\n{batch}"));
        }
        self.capture();
    }

    pub async fn engine(&self) -> Arc<LiveEngine> {
        self.engine_with(|_| {}).await
    }

    pub async fn engine_with(&self, edit: impl FnOnce(&mut Settings)) -> Arc<LiveEngine> {
        let mut settings = config::load(Some(&self.config), None).unwrap();
        edit(&mut settings);
        let (engine, mut events) = connect::engine(settings, Run::new("test", false), CancellationToken::new()).await.unwrap();
        tokio::spawn(async move { while events.events.recv().await.is_some() {} });
        engine
    }

    /// Every tracked table.
    pub async fn tables(&self) -> Vec<TableName> {
        let tables = self.engine().await.source.tables().await.unwrap();
        tables.into_iter().filter(|table| table.tracked).map(|table| table.name).collect()
    }

    /// Opens the first epoch of every tracked table and loads it.
    pub async fn prepared(&self) -> Vec<TableName> {
        let tables = self.tables().await;
        self.prepare(&tables).await;
        tables
    }

    /// The same for these tables.
    pub async fn prepare(&self, tables: &[TableName]) {
        let engine = self.engine().await;
        done(engine.prepare(tables, PrepareOptions::default()).await);
        done(engine.load(tables).await);
    }

    /// Production equals the source, by a reader of another make.
    pub async fn assert_equal(&self, tables: &[TableName]) {
        let options = self.lab.options();
        let source = Endpoint {
            port: self.lab.sqlserver.address().port(),
            user: options.source_user.clone(),
            password: options.source_password.clone(),
            database: options.source_database.clone(),
            ca: None,
        };
        let engine = self.engine().await;
        let entry = |table: &TableName| {
            let production = unquoted(&engine.target.names(table).production);
            json!({ "schema": table.schema, "table": table.name, "production": production })
        };
        let mapping = json!(tables.iter().map(entry).collect::<Vec<_>>()).to_string();
        let compared = compare(&source, &super::lab::target(&self.lab), &mapping, &["--values"]).await;
        assert_eq!(compared.exit, 0, "the two sides differ:\n{}", compared.report);
    }

    /// The program itself as a child process on this lab.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_db-to-redshift"));
        command.arg("--config").arg(&self.config).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs the program until it stands at a failpoint, then kills it with SIGKILL. `false`: it
    /// ended without passing the point.
    pub async fn killed_at(&self, point: &str, arguments: &[&str]) -> bool {
        let mut child = self.program(arguments).env("D2R_FAILPOINT", point).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("failpoint ") {
                child.kill().await.unwrap();
                return true;
            }
        }
        child.wait().await.unwrap();
        false
    }
}

/// Schema and table of `"schema"."table"`.
fn unquoted(name: &str) -> Vec<String> {
    name.trim_matches('"').split("\".\"").map(|part| part.replace("\"\"", "\"")).collect()
}
