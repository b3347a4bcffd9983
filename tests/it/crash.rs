//! The crash matrix: at every point where a worker can die, one is killed there, or stalls there
//! and wakes up late, while a workload runs and a second worker works on the same tables. A
//! plain run afterwards must end with production equal to the source, each batch applied once.
//!
//! `./run crash --kills 100` runs the whole of it: so often a worker is killed at each point, by
//! `D2R_CRASH_KILLS`, and a third as often one stalls there; in a new lab after every 50, since
//! comparing takes the longer the more was changed.
//! `--points` chooses among the points.
//! The short form meets each point once, on the tables with the oddest keys and without a
//! workload at its side.

mod repairs;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use db_to_redshift::lab::sample::Workload;
use db_to_redshift::model::TableName;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::audit::{self, Busy};
use crate::support::pipeline::Pipeline;

/// What the worker runs that is going to die.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Sync,
    /// Another epoch for every table.
    NewEpoch,
    /// The very first epoch, into schemas of its own.
    First,
}

/// Points that a sync passes.
const SYNC: &[&str] = &[
    "lease.put.before",
    "lease.put.after",
    "part.upload.before",
    "part.upload.after",
    "record.put.before",
    "record.put.after",
    "cleanup.before",
    "cleanup.after",
    "fence.commit.before",
    "fence.commit.after",
    "manifest.put.before",
    "manifest.put.after",
    "copy.before",
    "copy.after",
    "stage.commit.before",
    "stage.commit.after",
    "apply.delete.before",
    "apply.delete.after",
    "apply.commit.before",
    "apply.commit.after",
    "log.insert.before",
    "log.insert.after",
    "truncate.before",
    "truncate.after",
    "parts.delete.before",
    "parts.delete.after",
];

/// Points of a snapshot and its load.
const NEW_EPOCH: &[&str] = &[
    "control.put.before",
    "control.put.after",
    "part.upload.after",
    "record.put.before",
    "record.put.after",
    "epoch.delete.before",
    "epoch.delete.after",
    "copy.after",
    "epoch.commit.before",
    "epoch.commit.after",
    "log.insert.before",
    "records.delete.before",
    "records.delete.after",
];

/// Points of the first preparation.
const FIRST: &[&str] = &["state.create.before", "state.create.after", "control.put.before", "record.put.before", "epoch.commit.before"];

/// What becomes of the worker at the point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Killed, then the second one works.
    Killed,
    /// Killed while the second one works.
    KilledBeside,
    /// Wakes up when the second one has done its work.
    Stalls,
}

/// They take turns, over the points and over the kills at one.
const FATES: [Fate; 4] = [Fate::Killed, Fate::Stalls, Fate::Killed, Fate::KilledBeside];

/// Fates in one lab of the long form.
const FRESH: u32 = 50;

/// Of the short form.
const TABLES: &[(&str, &str)] = &[("warehouse", "ShelfSlot"), ("dbo", "Customer")];

/// `None`: the short form.
fn kills() -> Option<u32> {
    std::env::var("D2R_CRASH_KILLS").ok().map(|text| text.parse().unwrap())
}

/// Those of the points that were asked for: all, unless `D2R_CRASH_POINTS` names some.
fn wanted<'a>(points: &[&'a str]) -> Vec<&'a str> {
    let asked = std::env::var("D2R_CRASH_POINTS").unwrap_or_default();
    points.iter().copied().filter(|point| asked.is_empty() || asked.split(',').any(|name| name.trim() == *point)).collect()
}

/// Random enough for choosing how, and the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct Matrix {
    pipeline: Pipeline,
    workload: Option<Workload>,
    tables: Vec<TableName>,
    /// A configuration whose waits are short, for workers that meet others.
    hasty: PathBuf,
    control_schema: String,
    firsts: u32,
    dice: Dice,
}

impl Matrix {
    async fn start(seed: u64) -> Self {
        let (pipeline, workload) = Pipeline::sample(seed).await;
        let text = fs::read_to_string(&pipeline.config).unwrap();
        // The original program's way, so that clean-up is part of every run.
        fs::write(&pipeline.config, text.replacen("[source]", "[source]\ncleanup = \"after-extract\"", 1)).unwrap();
        let hasty = pipeline.config.with_file_name("hasty.toml");
        let mut matrix = Self {
            pipeline,
            workload: Some(workload),
            tables: Vec::new(),
            hasty,
            control_schema: "d2r_control".into(),
            firsts: 0,
            dice: Dice(seed),
        };
        if kills().is_none() {
            let mut text = fs::read_to_string(&matrix.pipeline.config).unwrap() + "\n[[table]]\nname = \"*\"\nmode = \"skip\"\n";
            for (schema, table) in TABLES {
                writeln!(text, "\n[[table]]\nname = \"{schema}.{table}\"").unwrap();
            }
            fs::write(&matrix.pipeline.config, text).unwrap();
        }
        matrix.write_hasty();
        let whole = matrix.pipeline.tables().await;
        let wanted = |table: &TableName| kills().is_some() || TABLES.contains(&(table.schema.as_str(), table.name.as_str()));
        matrix.tables = whole.into_iter().filter(wanted).collect();
        matrix.pipeline.prepare(&matrix.tables).await;
        matrix
    }

    fn write_hasty(&self) {
        let text = fs::read_to_string(&self.pipeline.config).unwrap();
        let text = text.replacen("[redshift]", "[redshift]\nlock_timeout = \"1s\"", 1);
        fs::write(&self.hasty, format!("{text}\n[load]\nretries = 1\n")).unwrap();
    }

    /// Another pipeline into schemas of its own, so that everything is prepared for the first time.
    fn first_again(&mut self) {
        self.firsts += 1;
        let n = self.firsts;
        let text = fs::read_to_string(&self.pipeline.config).unwrap();
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            let ours = ["pipeline = ", "target_schema", "staging_schema", "control_schema"];
            if !ours.iter().any(|key| line.starts_with(key)) {
                lines.push(line.to_owned());
            }
            if line == "[redshift]" {
                lines.push(format!("target_schema = \"t{n}\"\nstaging_schema = \"s{n}\"\ncontrol_schema = \"c{n}\""));
            }
        }
        fs::write(&self.pipeline.config, format!("pipeline = \"first{n}\"\n{}\n", lines.join("\n"))).unwrap();
        self.control_schema = format!("c{n}");
        self.write_hasty();
    }

    fn worker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_db-to-redshift"));
        command.arg("--config").arg(&self.hasty).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.kill_on_drop(true);
        command
    }

    /// Starts a worker and waits until it stands at the point. `None`: it ended before.
    async fn standing(&self, arguments: &[&str], point: &str, wake: &PathBuf) -> Option<Child> {
        let mut worker = self.worker(arguments);
        worker.env("D2R_FAILPOINT", point).env("D2R_FAILPOINT_UNTIL", wake).stdout(Stdio::piped());
        let mut child = worker.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("failpoint ") {
                // What it prints later must not meet a closed pipe.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Some(child);
            }
        }
        child.wait().await.unwrap();
        None
    }

    /// Leases go, so that nobody is kept from work that another has begun.
    fn forget_leases(&self) {
        let bucket = self.pipeline.lab.options().bucket.clone().unwrap();
        for key in self.pipeline.lab.s3.keys(&bucket, "").into_iter().filter(|key| key.contains("/leases/")) {
            self.pipeline.lab.s3.remove(&bucket, &key);
        }
    }

    /// One worker meets its fate at the point, beside another; then a plain run.
    async fn once(&mut self, way: Way, point: &str, fate: Fate) {
        let context = format!("{way:?} {point} {fate:?}");
        if way == Way::First {
            self.first_again();
        }
        let arguments: &[&str] = match way {
            Way::Sync => &["sync"],
            Way::NewEpoch => &["prepare", "--new-epoch"],
            Way::First => &["prepare"],
        };
        // These points are passed by the load of what was prepared.
        let loads = ["epoch.", "copy.", "log.", "records."].iter().any(|family| point.starts_with(family));
        let before = usize::try_from(4 + self.dice.roll(12)).unwrap();
        let mut workload = self.workload.take().unwrap();
        self.pipeline.work(&mut workload, before);
        let pause = Duration::from_millis(if kills().is_some() { 15 } else { 400 });
        let busy = Busy::start(&self.pipeline, workload, pause, true);
        let wake = self.pipeline.lab.folder().join("wake");
        let _ = fs::remove_file(&wake);
        let armed: &[&str] = if way != Way::Sync && loads {
            let output = self.pipeline.program(arguments).output().await.unwrap();
            assert!(output.status.success(), "{context}: {output:?}");
            &["load"]
        } else {
            arguments
        };
        let nth = if kills().is_some() { 1 + self.dice.roll(3) } else { 1 };
        let mut child = self.standing(armed, &format!("{point}:{nth}"), &wake).await;
        if child.is_none() {
            // Not so many passings this time.
            child = self.standing(if loads && way != Way::Sync { &["load"] } else { armed }, point, &wake).await;
        }
        if child.is_none() && way != Way::Sync {
            self.pipeline.program(&["prepare", "--new-epoch"]).output().await.unwrap();
            child = self.standing(armed, point, &wake).await;
        }
        // The workload goes on beside: sooner or later it touches one of the tables.
        for _ in 0..30 {
            if child.is_some() || way != Way::Sync {
                break;
            }
            child = self.standing(armed, point, &wake).await;
        }
        let mut child = child.unwrap_or_else(|| panic!("{context}: the point was never passed"));
        self.forget_leases();
        match fate {
            Fate::Killed => {
                child.kill().await.unwrap();
                if kills().is_some() {
                    self.worker(&["sync"]).status().await.unwrap();
                }
            }
            Fate::KilledBeside => {
                let mut second = self.worker(&["sync"]).spawn().unwrap();
                let after = Duration::from_millis(self.dice.roll(400));
                let ended = tokio::time::timeout(after, second.wait()).await;
                child.kill().await.unwrap();
                if ended.is_err() {
                    second.wait().await.unwrap();
                }
            }
            Fate::Stalls => {
                self.worker(&["sync"]).status().await.unwrap();
                fs::write(&wake, "").unwrap();
                let ended = tokio::time::timeout(Duration::from_mins(2), child.wait()).await;
                ended.unwrap_or_else(|_| panic!("{context}: woke up and never ended")).unwrap();
            }
        }
        let (workload, _) = busy.stop();
        self.workload = Some(workload);
        self.plain_run(&context).await;
        if let Err(different) = audit::equal(&mut self.pipeline, &self.tables).await {
            panic!("{context}: production differs:\n{different}");
        }
    }

    /// What an operator would run next: nothing special.
    async fn plain_run(&mut self, context: &str) {
        self.pipeline.capture();
        let first: &[&[&str]] = if self.firsts > 0 { &[&["prepare"], &["sync"]] } else { &[&["sync"]] };
        for arguments in first {
            let output = self.pipeline.program(arguments).output().await.unwrap();
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{context}: {arguments:?} failed: {said}");
        }
    }

    /// Once every table has had another batch, nothing of the dead is left. What a snapshot that
    /// died leaves above the present epoch stays until the next one: it might only be slow.
    async fn swept(&mut self, context: &str, way: Way) {
        if way == Way::NewEpoch {
            for arguments in [&["prepare", "--new-epoch"][..], &["load"]] {
                let output = self.pipeline.program(arguments).output().await.unwrap();
                assert!(output.status.success(), "{context}: {output:?}");
            }
        }
        let mut left = Vec::new();
        for _ in 0..6 {
            let mut workload = self.workload.take().unwrap();
            self.pipeline.work(&mut workload, 40);
            self.workload = Some(workload);
            self.plain_run(context).await;
            left = audit::left_over(&self.pipeline, &self.tables).await;
            if left.is_empty() {
                return;
            }
        }
        panic!("{context}: left behind: {left:#?}");
    }

    /// Nothing is left, nothing was applied twice, and an independent reader finds production equal.
    async fn end(&mut self, context: &str, way: Way) -> audit::Logged {
        self.swept(context, way).await;
        self.pipeline.assert_equal(&self.tables).await;
        audit::batch_log(&self.pipeline, &self.control_schema).await
    }
}

/// What was met at a point.
#[derive(Clone, Copy, Default)]
struct Met {
    kills: u32,
    stalls: u32,
}

impl Met {
    fn all(self) -> u32 {
        self.kills + self.stalls
    }

    /// A stall counts in the short form, which meets each point once.
    fn enough(self) -> bool {
        kills().map_or(self.all() > 0, |kills| self.kills >= kills)
    }
}

/// Meets every point, and prints how often and how long that took.
async fn run(way: Way, points: &[&str], seed: u64) {
    let points = wanted(points);
    if points.is_empty() {
        return;
    }
    let mut seeds = seed..;
    let mut matrix = Box::pin(Matrix::start(seed)).await;
    let mut table = format!("{:<22} {:<8} {:>5} {:>6} {:>8}\n", "POINT", "RUN", "KILLS", "STALLS", "SECONDS");
    let (all, mut sum, mut logged) = (Instant::now(), Met::default(), audit::Logged::default());
    for (at, point) in points.iter().enumerate() {
        let (started, mut met) = (Instant::now(), Met::default());
        while !met.enough() {
            if kills().is_some() && met.all().is_multiple_of(FRESH) {
                matrix = Box::pin(Matrix::start(seeds.next().unwrap())).await;
            }
            let fate = FATES[(at + met.all() as usize) % FATES.len()];
            matrix.once(way, point, fate).await;
            if fate == Fate::Stalls {
                met.stalls += 1;
            } else {
                met.kills += 1;
            }
            if kills().is_some() && (met.all().is_multiple_of(FRESH) || met.enough()) {
                logged += matrix.end(point, way).await;
            }
        }
        sum = Met { kills: sum.kills + met.kills, stalls: sum.stalls + met.stalls };
        let Met { kills: killed, stalls } = met;
        writeln!(table, "{point:<22} {way:<8?} {killed:>5} {stalls:>6} {:>8.1}", started.elapsed().as_secs_f64()).unwrap();
        if kills().is_some() {
            eprintln!("{}", table.lines().last().unwrap());
        }
    }
    if kills().is_none() {
        logged = matrix.end("in the end", way).await;
    }
    let Met { kills, stalls } = sum;
    let seconds = all.elapsed().as_secs_f64();
    eprintln!("{table}{kills} kills and {stalls} stalls at {} points in {seconds:.0} s, all passed; {logged:?}", points.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_die_or_stall_at_any_point_of_a_sync() {
    Box::pin(run(Way::Sync, SYNC, 7)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_die_or_stall_at_any_point_of_a_snapshot() {
    Box::pin(run(Way::NewEpoch, NEW_EPOCH, 3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_die_or_stall_at_any_point_of_the_first_preparation() {
    Box::pin(run(Way::First, FIRST, 5)).await;
}

/// A point that stands in the code but not in the matrix is a hole in it.
#[test]
fn the_matrix_knows_every_failpoint() {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut missing = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for part in text.split("fail_point!(\"").skip(1) {
                let point = part.split('"').next().unwrap();
                let known = [SYNC, NEW_EPOCH, FIRST, repairs::POINTS].iter().any(|points| points.contains(&point));
                if !known && !path.ends_with("failpoint.rs") {
                    missing.push(point.to_owned());
                }
            }
        }
    }
    assert!(missing.is_empty(), "not in the matrix: {missing:?}");
}
