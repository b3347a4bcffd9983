//! `demo`: the lab, the sample company, changes, sync, and the proof that both sides are equal.

mod live;

use std::sync::Arc;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::args::{Demo, Global};
use super::connect::{self, LiveEngine};
use super::document::Document;
use super::lab::{failed, source};
use super::{console, exit, output, signals, watch};
use crate::config;
use crate::engine::Run;
use crate::engine::check::Found;
use crate::engine::event::{EventReceiver, TableReport};
use crate::engine::prepare::PrepareOptions;
use crate::lab::compare::{self, Comparison, Pair};
use crate::lab::direct::Direct;
use crate::lab::sample::{self, Workload};
use crate::lab::{Lab, LabOptions};
use crate::model::fault::FaultDocument;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::target::Target;

/// What the demo did, and whether both sides are equal.
#[derive(Serialize, JsonSchema)]
pub struct DemoReport {
    /// Seed of the workload.
    seed: u64,
    /// In the order in which they were done.
    steps: Vec<Step>,
    /// How each table compares.
    tables: Vec<Compared>,
    /// What went wrong.
    faults: Vec<Met>,
    /// Nothing went wrong, and production equals the source in every table.
    equal: bool,
}

/// A fault, and what met it.
#[derive(Serialize, JsonSchema)]
struct Met {
    /// The job, or the part of `check`.
    doing: String,
    /// The one table that was worked on; null: the fault is of a whole system.
    table: Option<TableName>,
    fault: FaultDocument,
}

/// What was done, with its time.
#[derive(Serialize, JsonSchema)]
struct Step {
    /// In words.
    #[serde(rename = "step")]
    name: String,
    /// How long it took.
    seconds: f64,
    /// Rows that were changed in the source or moved.
    rows: u64,
    /// Batches that were moved.
    batches: u64,
}

/// One table on both sides.
#[derive(Serialize, JsonSchema)]
struct Compared {
    table: TableName,
    /// Rows in the source.
    source_rows: u64,
    /// Rows in production.
    target_rows: u64,
    /// Rows of the source that production does not hold, or not often enough.
    missing: u64,
    /// Rows of production that the source does not hold.
    surplus: u64,
    /// None is missing, and none surplus.
    equal: bool,
}

impl From<&Comparison> for Compared {
    fn from(line: &Comparison) -> Self {
        let Comparison { table, source_rows, target_rows, missing, surplus } = line.clone();
        Self { table, source_rows, target_rows, missing, surplus, equal: line.is_equal() }
    }
}

impl Document for DemoReport {
    const NAME: &'static str = "demo";
    const VERSION: u32 = 2;
}

/// The demo under way.
struct Stage {
    lab: Lab,
    source: Direct,
    engine: Arc<LiveEngine>,
    tables: Vec<TableName>,
    steps: Vec<Step>,
    /// The first fault of each report.
    faults: Vec<Met>,
}

pub async fn run(global: &Global, demo: &Demo) -> Result<u8, Fault> {
    let cancel = CancellationToken::new();
    signals::stop_at_first(cancel.clone());
    let started = Instant::now();
    say(global, "starting the lab: SQL Server, S3 and Redshift stand-ins on loopback");
    let options = LabOptions { source_database: sample::DATABASE.to_owned(), bucket: None, ..LabOptions::default() };
    let lab = Lab::start(options).await.map_err(|error| failed("the lab could not be started", error))?;
    let mut direct = source(&lab)?;
    let batches = [sample::schema_batches(), sample::seed_batches(demo.seed)].concat();
    let seeded = direct.run_all(batches.iter().map(String::as_str)).map_err(|error| failed("the sample could not be made", error))?;
    capture(&lab)?;
    let file = lab.write_config().map_err(|error| failed("the lab's configuration could not be written", error))?;
    let settings = config::load(Some(&file), None)?;
    let (engine, events) = connect::engine(settings, Run::new("demo", false), cancel).await?;
    if !demo.headless && !global.json && !global.events && console::on_terminal() {
        return Box::pin(on_screen(global, demo, lab, direct, (engine, events))).await;
    }
    let shown = watch::follow(events, watch::Show::choose(global.events, global.json));
    let first = Step { name: "start the lab, fill the source".into(), seconds: started.elapsed().as_secs_f64(), rows: seeded, batches: 0 };
    let mut stage = Stage { lab, source: direct, engine, tables: Vec::new(), steps: vec![first], faults: Vec::new() };
    let compared = stage.play(demo).await;
    let Stage { lab, engine, steps, faults, .. } = stage;
    drop(engine);
    if let Err(error) = shown.await {
        tracing::warn!(%error, "the progress display ended early");
    }
    lab.stop().await.map_err(|error| failed("the lab could not be stopped", error))?;
    let compared = compared?;
    let equal = faults.is_empty() && !compared.is_empty() && compared.iter().all(Comparison::is_equal);
    // With events too every line of standard output is a document.
    if global.json || global.events {
        output::document(&DemoReport { seed: demo.seed, steps, tables: compared.iter().map(Compared::from).collect(), faults, equal });
    } else {
        print(demo, &steps, &compared, &faults, equal);
    }
    Ok(if equal { exit::DONE } else { exit::FAILED })
}

/// The console over the lab.
async fn on_screen(
    global: &Global,
    demo: &Demo,
    lab: Lab,
    source: Direct,
    (engine, events): (Arc<LiveEngine>, EventReceiver),
) -> Result<u8, Fault> {
    let shown = watch::follow(events, watch::Show::Lines);
    let tables = tracked(&engine).await?;
    let ended = live::open(global, demo, &lab, source, &engine, &tables).await;
    watch::end(engine, shown).await;
    lab.stop().await.map_err(|error| failed("the lab could not be stopped", error))?;
    ended
}

async fn tracked(engine: &LiveEngine) -> Result<Vec<TableName>, Fault> {
    let mut tables: Vec<TableName> =
        engine.source.tables().await?.into_iter().filter(|table| table.tracked).map(|table| table.name).collect();
    tables.sort();
    Ok(tables)
}

impl Stage {
    async fn play(&mut self, demo: &Demo) -> Result<Vec<Comparison>, Fault> {
        self.tables = tracked(&self.engine).await?;
        self.prepare().await?;
        let mut workload = Workload::new(demo.seed);
        for round in 1..=demo.rounds {
            let started = Instant::now();
            let mut changed = 0;
            for batch in workload.by_ref().take(demo.transactions) {
                changed += self.source.run(&batch).map_err(|error| failed("the workload met an error", error))?.changed;
            }
            capture(&self.lab)?;
            self.steps.push(Step {
                name: format!("round {round}: {} transactions", demo.transactions),
                seconds: started.elapsed().as_secs_f64(),
                rows: changed,
                batches: 0,
            });
            let started = Instant::now();
            let reports = self.engine.sync(&self.tables).await;
            self.note(format!("round {round}: sync"), started, reports);
        }
        self.compare().await
    }

    async fn prepare(&mut self) -> Result<(), Fault> {
        let started = Instant::now();
        let reports = self.engine.prepare(&self.tables, PrepareOptions::default()).await;
        self.note("prepare: tables, snapshots".into(), started, reports);
        let started = Instant::now();
        let reports = self.engine.load(&self.tables).await;
        self.note("load: snapshots".into(), started, reports);
        let started = Instant::now();
        let findings = self.engine.check(&self.tables).await;
        for finding in findings {
            if let Found::Fault(fault) = finding.result {
                let doing = format!("check {}", finding.area);
                self.faults.push(Met { doing, table: None, fault: FaultDocument::from(&fault) });
            }
        }
        self.steps.push(Step { name: "check".into(), seconds: started.elapsed().as_secs_f64(), rows: 0, batches: 0 });
        Ok(())
    }

    fn note(&mut self, name: String, started: Instant, reports: Vec<TableReport>) {
        let mut step = Step { name, seconds: started.elapsed().as_secs_f64(), rows: 0, batches: 0 };
        for report in reports {
            match report.outcome {
                // A sync extracts and loads the same rows: they count once.
                Ok(outcome) => {
                    step.rows = step.rows.saturating_add(if report.job == crate::engine::event::Job::Load { outcome.rows } else { 0 });
                    step.batches += outcome.batches;
                }
                Err(fault) => {
                    let doing = report.job.as_str().to_owned();
                    self.faults.push(Met { doing, table: Some(report.table), fault: FaultDocument::from(&fault) });
                }
            }
        }
        self.steps.push(step);
    }

    async fn compare(&mut self) -> Result<Vec<Comparison>, Fault> {
        let started = Instant::now();
        let pair = |table: &TableName| Pair { table: table.clone(), production: self.engine.target.names(table).production };
        let pairs: Vec<Pair> = self.tables.iter().map(pair).collect();
        let client = compare::redshift(&self.lab).await.map_err(|error| failed("the lab's Redshift cannot be reached", error))?;
        let compared = compare::tables(&mut self.source, &client, &pairs).await.map_err(|error| failed("the comparison failed", error))?;
        self.steps.push(Step { name: "compare".into(), seconds: started.elapsed().as_secs_f64(), rows: 0, batches: 0 });
        Ok(compared)
    }
}

/// Moves what was committed into the change tables now.
fn capture(lab: &Lab) -> Result<(), Fault> {
    let database = &lab.options().source_database;
    let captured = lab.sqlserver.cdc.capture_now(database).map(drop);
    captured
        .and_then(|()| lab.sqlserver.cdc.capture_idle_tick(database).map(drop))
        .map_err(|error| failed("capture failed in the lab", error))
}

fn say(global: &Global, text: &str) {
    if !global.json && !global.events {
        output::talk(text);
    }
}

fn print(demo: &Demo, steps: &[Step], compared: &[Comparison], faults: &[Met], equal: bool) {
    output::line(format_args!("Demo of the sample company {} (seed {})\n", sample::DATABASE, demo.seed));
    let mut rows = vec![["STEP", "ROWS", "BATCHES", "SECONDS"].map(str::to_owned).to_vec()];
    let number = |number: u64| if number == 0 { String::new() } else { output::count(number) };
    rows.extend(steps.iter().map(|step| vec![step.name.clone(), number(step.rows), number(step.batches), format!("{:.2}", step.seconds)]));
    output::line(output::table(&rows));
    let mut rows = vec![["TABLE", "SOURCE ROWS", "PRODUCTION ROWS", "RESULT"].map(str::to_owned).to_vec()];
    for line in compared {
        let result =
            if line.is_equal() { "equal".to_owned() } else { format!("DIFFERENT: {} missing, {} surplus", line.missing, line.surplus) };
        rows.push(vec![line.table.to_string(), output::count(line.source_rows), output::count(line.target_rows), result]);
    }
    output::line(output::table(&rows));
    for Met { doing, table, fault } in faults {
        let table = table.as_ref().map_or_else(String::new, |table| format!(" {table}"));
        output::line(format_args!("fault: {doing}{table}: {fault}"));
    }
    let verdict = if equal { "production equals the source in every table" } else { "production does NOT equal the source" };
    output::line(verdict);
}
