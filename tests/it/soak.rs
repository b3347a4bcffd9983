//! The soak: a random workload, several workers as processes, and everything that can go wrong
//! with the three servers and with the workers, for as long as wanted. In the end the faults stop,
//! a plain sync runs, and production equals the source.
//!
//! `./run soak --minutes 60 [--seed 7]`; short without it. The seed repeats the workload and the
//! choice of the faults; when each strikes depends on the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use db_to_redshift::lab::redshift::Action;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use db_to_redshift::model::TableName;
use db_to_redshift::model::control::Paused;
use db_to_redshift::store::ChangeStore;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::process::{Child, Command};

use crate::support::audit::{self, Busy};
use crate::support::pipeline::Pipeline;

/// Workers at once.
const WORKERS: usize = 3;
const SHORT: Duration = Duration::from_secs(12);
/// How long one disturbance is left alone before the next.
const PAUSE_MS: std::ops::Range<u64> = 60..500;

fn wanted() -> (Duration, u64) {
    let minutes = std::env::var("D2R_SOAK_MINUTES").ok().map(|text| text.parse::<f64>().unwrap());
    let seed = std::env::var("D2R_SOAK_SEED").ok().map_or(1, |text| text.parse().unwrap());
    (minutes.map_or(SHORT, |minutes| Duration::from_secs_f64(minutes * 60.0)), seed)
}

/// What must have happened in a run of some minutes.
const TROUBLES: &[&str] = &[
    "Redshift fault",
    "Redshift restarted",
    "S3 fault",
    "SQL Server cut",
    "SQL Server restarted",
    "SIGKILL",
    "SIGSTOP",
    "SIGCONT",
    "capture stopped",
    "capture started",
    "clean-up of all but a minute",
    "clean-up to the newest commit",
    "table paused",
    "table resumed",
];

/// What happened, by name.
#[derive(Default)]
struct Tally(BTreeMap<String, u64>);

impl Tally {
    fn add(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    fn show(&self) -> String {
        self.0.iter().map(|(what, times)| format!("{what} {times}")).collect::<Vec<_>>().join(", ")
    }
}

struct Soak {
    pipeline: Pipeline,
    tables: Vec<TableName>,
    /// One configuration for each policy of clean-up.
    policies: Vec<PathBuf>,
    rng: StdRng,
    workers: Vec<Worker>,
    /// Workers that were started so far.
    started: u64,
    tally: Tally,
}

struct Worker {
    child: Child,
    command: &'static str,
    number: u64,
}

impl Soak {
    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.rng.random_range(0..of.len())]
    }

    /// Where a worker writes.
    fn said(&self, number: u64) -> PathBuf {
        self.pipeline.config.with_file_name(format!("worker-{number}.log"))
    }

    fn database(&self) -> String {
        self.pipeline.lab.options().source_database.clone()
    }

    fn start_worker(&mut self) {
        let config = self.pick(&self.policies.clone()).clone();
        let command = *self.pick(&["sync", "sync", "sync", "extract", "load", "prepare"]);
        let mut worker = Command::new(env!("CARGO_BIN_EXE_db-to-redshift"));
        // What it said is wanted only of one that does not end.
        let said = fs::File::create(self.said(self.started)).unwrap();
        worker.arg("--config").arg(config).arg(command).stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        if command == "prepare" {
            let table = self.pick(&self.tables.clone()).clone();
            worker.arg("--new-epoch").arg("--table").arg(table.to_string());
        } else if self.rng.random_ratio(1, 2) {
            worker.arg("--wait");
        }
        worker.kill_on_drop(true);
        self.workers.push(Worker { child: worker.spawn().unwrap(), command, number: self.started });
        self.started += 1;
        self.tally.add(format!("started {command}"));
    }

    /// Counts the workers that ended, by exit code.
    fn reap(&mut self) {
        let mut at = 0;
        while at < self.workers.len() {
            match self.workers[at].child.try_wait().unwrap() {
                None => at += 1,
                Some(status) => {
                    let Worker { command, number, .. } = self.workers.swap_remove(at);
                    fs::remove_file(self.said(number)).unwrap();
                    let code = status.code().map_or_else(|| "killed".to_owned(), |code| format!("exit {code}"));
                    assert!(!["exit 2", "exit 101"].contains(&code.as_str()), "{command}: {code}");
                    self.tally.add(format!("{command} {code}"));
                }
            }
        }
    }

    /// SIGSTOP or SIGCONT to a worker.
    fn signal(&mut self, signal: &str) {
        if self.workers.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.workers.len());
        if let Some(pid) = self.workers[at].child.id() {
            let _ = std::process::Command::new("kill").args([signal, &pid.to_string()]).status();
        }
    }

    async fn disturb(&mut self) {
        let database = self.database();
        let lab_cdc = Arc::clone(&self.pipeline.lab.sqlserver.cdc);
        let kind = self.rng.random_range(0..17);
        let what = match kind {
            0 | 1 => {
                if !self.workers.is_empty() {
                    let at = self.rng.random_range(0..self.workers.len());
                    let _ = self.workers[at].child.start_kill();
                }
                "SIGKILL"
            }
            2 => {
                self.signal("-STOP");
                "SIGSTOP"
            }
            3 => {
                self.wake_all();
                "SIGCONT"
            }
            4 | 5 => {
                let effects = [
                    Effect::SlowDown,
                    Effect::InternalError,
                    Effect::Conflict,
                    Effect::LoseReply,
                    Effect::LoseReply,
                    Effect::Delay(Duration::from_millis(200)),
                ];
                let effect = *self.pick(&effects);
                let part = *self.pick(&["", "/records/", "/data/", "/control/", "/leases/", "/loads/"]);
                let times = self.rng.random_range(1..6);
                // A 409 is an answer to conditional writes only.
                let rule = Rule::new(effect).key(part).times(times);
                let rule = if effect == Effect::Conflict { rule.operation("PutObject").key("/records/") } else { rule };
                self.pipeline.lab.s3.faults().add(rule);
                "S3 fault"
            }
            6 | 7 => {
                let action = *self.pick(&[Action::CutBefore, Action::CutAfter, Action::Conflict]);
                let statement = *self.pick(&["COMMIT", "COPY", "DELETE FROM", "INSERT INTO", "UPDATE", "LOCK", "TRUNCATE", "BEGIN"]);
                let nth = self.rng.random_range(1..4);
                drop(self.pipeline.lab.redshift.faults().on(statement, nth, action));
                "Redshift fault"
            }
            8 => {
                let cut = match self.rng.random_range(0..4) {
                    0 => Cut::AtRequest(self.rng.random_range(1..20)),
                    1 => Cut::AfterPackets(self.rng.random_range(1..60)),
                    2 => Cut::AfterStatement("sp_cdc_cleanup_change_table".into()),
                    _ => Cut::BeforeStatement("_CT".into()),
                };
                self.pipeline.lab.sqlserver.faults().order(cut);
                "SQL Server cut"
            }
            9 => {
                self.pipeline.lab.sqlserver.faults().kill_all();
                "SQL Server restarted"
            }
            10 => {
                self.pipeline.lab.redshift.faults().pause(true);
                for session in self.pipeline.lab.redshift.sessions() {
                    let _ = self.pipeline.lab.redshift.kill(session.pid);
                }
                tokio::time::sleep(Duration::from_millis(150)).await;
                self.pipeline.lab.redshift.faults().pause(false);
                "Redshift restarted"
            }
            11 => {
                lab_cdc.stop_capture(&database).unwrap();
                "capture stopped"
            }
            12 | 13 => {
                self.capture_again();
                "capture started"
            }
            14 => {
                if self.rng.random_ratio(1, 4) {
                    // So hard that the stream of a table that lags is lost: a gap, mended below.
                    lab_cdc.cleanup_now(&database, Some(0)).unwrap();
                    "clean-up to the newest commit"
                } else {
                    lab_cdc.cleanup_now(&database, Some(1)).unwrap();
                    "clean-up of all but a minute"
                }
            }
            15 => {
                let table = self.pick(&self.tables.clone()).clone();
                self.set_paused(&table, true).await;
                "table paused"
            }
            _ => {
                let table = self.pick(&self.tables.clone()).clone();
                self.set_paused(&table, false).await;
                "table resumed"
            }
        };
        self.tally.add(what);
    }

    fn capture_again(&self) {
        let (cdc, database) = (&self.pipeline.lab.sqlserver.cdc, self.database());
        cdc.stop_capture(&database).unwrap();
        cdc.start_capture(&database, Duration::from_millis(300)).unwrap();
    }

    fn wake_all(&mut self) {
        for worker in &self.workers {
            if let Some(pid) = worker.child.id() {
                let _ = std::process::Command::new("kill").args(["-CONT", &pid.to_string()]).status();
            }
        }
    }

    /// As the operator's commands do it; a fault in the way only means that it did not happen.
    async fn set_paused(&self, table: &TableName, paused: bool) {
        let store = &self.pipeline.engine().await.store;
        let Ok(present) = store.control(table).await else { return };
        let (mut control, etag) = present.map_or_else(Default::default, |(control, etag)| (control, Some(etag)));
        let order = || Paused { by: "soak".into(), why: "a drill".into(), since: "2026-01-02T03:04:05Z".parse().unwrap() };
        control.paused = paused.then(order);
        let _ = store.put_control(table, &control, etag.as_ref()).await;
    }

    /// Everything works again, and a plain run follows; where a stream was lost, a new epoch.
    async fn quiesce(&mut self) {
        self.wake_all();
        self.pipeline.lab.s3.faults().clear();
        self.pipeline.lab.redshift.faults().clear();
        self.pipeline.lab.sqlserver.faults().clear();
        for Worker { mut child, command, number } in std::mem::take(&mut self.workers) {
            let Ok(status) = tokio::time::timeout(Duration::from_mins(3), child.wait()).await else {
                let said = fs::read_to_string(self.said(number)).unwrap();
                panic!("{command} does not end by itself once nothing is in its way; it said:\n{said}");
            };
            status.unwrap();
        }
        for table in self.tables.clone() {
            self.set_paused(&table, false).await;
        }
        let (cdc, database) = (Arc::clone(&self.pipeline.lab.sqlserver.cdc), self.database());
        cdc.stop_capture(&database).unwrap();
        self.pipeline.capture();
        let mut said = String::new();
        for turn in 0..3 {
            let output = self.pipeline.program(&["sync", "--json"]).output().await.unwrap();
            said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            match output.status.code() {
                Some(0) => return,
                Some(4) => {
                    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&said);
                    for report in document["tables"].as_array().unwrap() {
                        let code = report["fault"]["code"].as_str().unwrap_or_default();
                        if code.is_empty() {
                            continue;
                        }
                        assert_eq!(code, "SYNC-002", "only the source's clean-up loses a stream: {report}");
                        let name = self.tables.iter().find(|table| serde_json::to_value(table).unwrap() == report["table"]).unwrap();
                        let glob = name.to_string();
                        self.tally.add("gap mended by a new epoch");
                        let prepared = self.pipeline.program(&["prepare", "--new-epoch", "--table", &glob]).output().await.unwrap();
                        assert!(prepared.status.success(), "{prepared:?}");
                    }
                }
                code => assert!(turn < 2, "{code:?}: {said}"),
            }
        }
        panic!("no plain sync went through: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soak_ends_equal() {
    let (length, seed) = wanted();
    let (pipeline, workload) = Pipeline::sample(seed).await;
    let tables = pipeline.prepared().await;
    let text = fs::read_to_string(&pipeline.config).unwrap();
    let policies = ["never", "after-load", "after-extract"].map(|policy| {
        let path = pipeline.config.with_file_name(format!("{policy}.toml"));
        let text = text.replacen("[source]", &format!("[source]\ncleanup = \"{policy}\""), 1);
        fs::write(&path, text.replacen("[redshift]", "[redshift]\nlock_timeout = \"2s\"", 1)).unwrap();
        path
    });
    let rng = StdRng::seed_from_u64(seed);
    let mut soak = Soak { pipeline, tables, policies: policies.to_vec(), rng, workers: Vec::new(), started: 0, tally: Tally::default() };
    soak.capture_again();
    eprintln!("soak of {length:?}, seed {seed}");
    let busy = Busy::start(&soak.pipeline, workload, Duration::from_millis(25), false);
    let started = Instant::now();
    let mut minute = 1;
    while started.elapsed() < length {
        soak.reap();
        while soak.workers.len() < WORKERS {
            soak.start_worker();
        }
        soak.disturb().await;
        let pause = soak.rng.random_range(PAUSE_MS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if started.elapsed() >= Duration::from_mins(1) * minute {
            eprintln!("minute {minute}: {}", soak.tally.show());
            minute += 1;
        }
    }
    let (_, transactions) = busy.stop();
    soak.quiesce().await;
    if let Err(different) = audit::equal(&mut soak.pipeline, &soak.tables).await {
        panic!("seed {seed}: production differs:\n{different}\n{}", soak.tally.show());
    }
    soak.pipeline.assert_equal(&soak.tables).await;
    let logged = audit::batch_log(&soak.pipeline, "d2r_control").await;
    let seconds = started.elapsed().as_secs();
    eprintln!("seed {seed}: {transactions} transactions in {seconds} s, equal; {logged:?}; {}", soak.tally.show());
    assert!(logged.batches > 0 && transactions > 0);
    // In a long run every kind of trouble has come.
    if length >= Duration::from_mins(5) {
        let never: Vec<_> = TROUBLES.iter().filter(|trouble| !soak.tally.0.contains_key(**trouble)).collect();
        assert!(never.is_empty(), "{never:?} never happened: {}", soak.tally.show());
    }
}
