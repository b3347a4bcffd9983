//! Status of many tables: what it says, and what it costs at the three servers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use db_to_redshift::model::TableName;
use db_to_redshift::model::status::{HopName, ReportKind, StatusReport, TableStatus, Verdict};

use db_to_redshift::source::Source;

use crate::support::fleet::{Requests, State, between, fleet, requests, state};
use crate::support::pipeline::Pipeline;
use crate::support::wide::measure;

async fn report(pipeline: &Pipeline) -> (StatusReport, Requests) {
    // An engine as a fresh process has it: no connection is kept.
    let engine = pipeline.engine().await;
    let before = requests(pipeline);
    let report = engine.fleet(None).await;
    (report, between(&before, &requests(pipeline)))
}

/// Listings that do not depend on what waits: a page for each thousand of folders, part files
/// behind production, control objects and leases, in stretches of 500 tables.
const STRETCHES: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_of_a_fleet_does_not_grow_with_its_tables() {
    let mut costs = Vec::new();
    for count in [10, 1_000] {
        let (pipeline, tables) = fleet(count).await;
        let (report, cost) = report(&pipeline).await;
        assert_eq!((report.kind, report.faults.as_slice()), (ReportKind::Fleet, [].as_slice()));
        assert_states(&report, &tables);
        assert_eq!((cost.read, cost.other), (0, 0), "{count} tables: {cost:?}");
        let uncertain = (0..count).filter(|number| matches!(state(*number), State::Pending | State::Writing)).count();
        assert!(cost.list <= uncertain + 1 + 3 * count.div_ceil(STRETCHES) + count / 1_000, "{count} tables: {cost:?}");
        let command = command(&pipeline).await;
        assert_eq!((command.read, command.other), (0, 0), "the command of {count} tables: {command:?}");
        costs.push((cost, command));
    }
    eprintln!("{costs:?}");
    let trips = |cost: &Requests| (cost.sql, cost.redshift);
    assert_eq!(trips(&costs[0].0), trips(&costs[1].0));
    assert_eq!(trips(&costs[0].1), trips(&costs[1].1));
}

/// What `status` costs as a process of its own, which says how long that took.
async fn command(pipeline: &Pipeline) -> Requests {
    let (began, before) = (Instant::now(), requests(pipeline));
    let mut child = pipeline.program(&["status", "--json"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    let (good, cost) = measure(&mut child).await;
    eprintln!("as a process: {:.1} s, {cost:?}", began.elapsed().as_secs_f64());
    assert!(good);
    between(&before, &requests(pipeline))
}

fn assert_states(report: &StatusReport, tables: &[TableName]) {
    assert_eq!(report.tables.iter().map(|status| &status.table).collect::<Vec<_>>(), tables.iter().collect::<Vec<_>>());
    for (number, status) in report.tables.iter().enumerate() {
        let store = status.store.as_ref().unwrap();
        let behind = number + 1 == tables.len();
        let files = (store.pending, store.pending_files, store.pending_bytes, store.writing_files);
        let (verdict, files_then) = match state(number) {
            State::Pending => (Verdict::Pending, (Some(1), Some(1), Some(100), Some(0))),
            State::Writing => (Verdict::Current, (Some(0), Some(0), Some(0), Some(1))),
            State::Paused => (Verdict::Paused, (Some(0), Some(0), Some(0), Some(0))),
            State::Kept | State::Current => (Verdict::Current, (Some(0), Some(0), Some(0), Some(0))),
        };
        assert_eq!(files, files_then, "{status:?}");
        assert_eq!(status.verdict, if behind { Verdict::Behind } else { verdict }, "{number} {status:?}");
        assert_eq!(store.epoch, Some(1));
        assert_eq!(store.extracting.as_ref().map(|busy| busy.silent), (state(number) == State::Writing).then_some(false));
        assert_eq!(status.source.as_ref().unwrap().waiting, Some(behind));
        let seq = u64::from(matches!(state(number), State::Kept));
        assert_eq!(status.target.as_ref().unwrap().applied_seq, Some(seq));
        let retention = status.retention.unwrap();
        assert!(!retention.warn && retention.left_seconds > 0, "{retention:?}");
    }
}

/// Figures of a large fleet: the program as a process of its own. Slow to set up.
/// `D2R_FLEET_TABLES=10000 cargo nextest run --run-ignored only a_large_fleet --no-capture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes to make the tables; prints figures"]
async fn a_large_fleet_is_measured() {
    let count = std::env::var("D2R_FLEET_TABLES").map_or(10_000, |text| text.parse().unwrap());
    let (few, _) = fleet(10).await;
    let (_, least) = report(&few).await;
    let least_command = command(&few).await;
    let started = Instant::now();
    let (pipeline, tables) = fleet(count).await;
    eprintln!("{count} tables made in {:.1} s", started.elapsed().as_secs_f64());
    let began = Instant::now();
    let (report, cost) = report(&pipeline).await;
    eprintln!("in process: {:.1} s, {cost:?}", began.elapsed().as_secs_f64());
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_states(&report, &tables);
    assert_eq!((cost.read, cost.other), (0, 0));
    assert_eq!((cost.sql, cost.redshift), (least.sql, least.redshift), "as many round trips as for ten tables");
    let command = command(&pipeline).await;
    assert_eq!((command.read, command.other), (0, 0));
    assert_eq!((command.sql, command.redshift), (least_command.sql, least_command.redshift), "the command, too");
}

fn find<'a>(report: &'a StatusReport, table: &TableName) -> &'a TableStatus {
    report.tables.iter().find(|status| status.table == *table).unwrap()
}

/// The two reports of the sample company, through a sync, a stage without an apply, and a load.
#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_agrees_with_the_tables_themselves() {
    let (mut pipeline, mut workload) = Pipeline::sample(7).await;
    let tables = pipeline.prepared().await;
    pipeline.work(&mut workload, 60);
    agree(&pipeline, &tables, "changes wait").await;
    let engine = pipeline.engine().await;
    engine.extract(&tables).await;
    let waiting = agree(&pipeline, &tables, "records wait").await;
    assert!(waiting.contains_key(&Verdict::Pending), "{waiting:?}");
    // COPY is done, the apply never comes.
    let pending = engine.fleet(None).await.tables.into_iter().find(|status| status.verdict == Verdict::Pending).unwrap().table.to_string();
    assert!(pipeline.killed_at("apply.delete.before", &["load", "--table", &pending]).await);
    let staged = agree(&pipeline, &tables, "one is staged").await;
    assert!(staged.contains_key(&Verdict::Staged), "{staged:?}");
    engine.load(&tables).await;
    let current = agree(&pipeline, &tables, "all is loaded").await;
    assert_eq!(current, BTreeMap::from([(Verdict::Current, tables.len())]));
}

async fn agree(pipeline: &Pipeline, tables: &[TableName], when: &str) -> BTreeMap<Verdict, usize> {
    let engine = pipeline.engine().await;
    let (fleet, detail) = (engine.fleet(None).await, engine.status(tables).await);
    assert!(fleet.faults.is_empty() && detail.faults.is_empty(), "{when}: {:?} {:?}", fleet.faults, detail.faults);
    assert_eq!(fleet.tables.len(), detail.tables.len());
    let mut verdicts = BTreeMap::new();
    for detailed in &detail.tables {
        let quick = find(&fleet, &detailed.table);
        assert_eq!(quick.verdict, detailed.verdict, "{when}: {quick:?}\n{detailed:?}");
        assert_eq!(quick.source, detailed.source, "{when}");
        assert_eq!(quick.hops.extract.lag_seconds, detailed.hops.extract.lag_seconds, "{when}");
        assert_eq!(quick.hops.load.lag_seconds, detailed.hops.load.lag_seconds, "{when}: {quick:?}\n{detailed:?}");
        assert_eq!(quick.retention, detailed.retention, "{when}");
        let (a, b) = (quick.store.as_ref().unwrap(), detailed.store.as_ref().unwrap());
        assert_eq!((a.epoch, a.head, a.head_lsn, a.head_time, a.pending), (b.epoch, b.head, b.head_lsn, b.head_time, b.pending), "{when}");
        assert_eq!((a.pending_files, a.pending_bytes, a.writing_files), (b.pending_files, b.pending_bytes, b.writing_files), "{when}");
        let (a, b) = (quick.target.as_ref().unwrap(), detailed.target.as_ref().unwrap());
        assert_eq!((a.epoch, a.applied_seq, a.applied_lsn, a.staged), (b.epoch, b.applied_seq, b.applied_lsn, b.staged), "{when}");
        *verdicts.entry(quick.verdict).or_default() += 1;
    }
    verdicts
}

/// Commit to capture: how late the scan sessions were, for every table.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_hop_is_the_latency_of_capture() {
    let (mut pipeline, mut workload) = Pipeline::sample(10).await;
    pipeline.prepared().await;
    for batch in workload.by_ref().take(20) {
        pipeline.sql.run(&batch).unwrap();
    }
    pipeline.lab.sqlserver.engine.clock.set_shift(90);
    pipeline.capture();
    let engine = pipeline.engine().await;
    let told = engine.source.health().await.unwrap().latency_seconds.unwrap();
    assert!((90..150).contains(&told), "{told}");
    let report = engine.fleet(None).await;
    assert_eq!(report.systems.source.capture.latency_seconds, Some(told));
    assert!(report.tables.iter().all(|status| status.hops.capture.lag_seconds == Some(told)), "{:?}", report.tables[0].hops);
    let output = pipeline.program(&["status", "--json"]).output().await.unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["tables"][0]["hops"]["capture"]["lag_seconds"], told, "{said}");
}

/// A scan of the log that fails is told at once, and no longer once one has succeeded.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_the_log_that_fails_is_told() {
    let (mut pipeline, _) = Pipeline::sample(8).await;
    pipeline.prepared().await;
    let database = pipeline.lab.options().source_database.clone();
    let cdc = pipeline.lab.sqlserver.cdc.clone();
    cdc.fail_capture(&database, Some((22_863, "Failed to insert rows into Change Data Capture change tables."))).unwrap();
    pipeline.sql.run("EXEC sys.sp_cdc_scan").unwrap_err();
    let engine = pipeline.engine().await;
    let down = engine.fleet(None).await.systems.source.capture.down;
    assert!(down.as_deref().is_some_and(|down| down.contains("the newest scan of the log failed: 22863")), "{down:?}");
    cdc.fail_capture(&database, None).unwrap();
    pipeline.capture();
    assert_eq!(engine.fleet(None).await.systems.source.capture.down, None);
}

/// Clean-up counts back from the newest commit: a table that nobody extracts runs out of time.
#[tokio::test(flavor = "multi_thread")]
async fn the_countdown_warns_at_half_and_then_there_is_a_gap() {
    let (mut pipeline, mut workload) = Pipeline::sample(8).await;
    let tables = pipeline.prepared().await;
    pipeline.work(&mut workload, 40);
    let clock = &pipeline.lab.sqlserver.engine.clock;
    clock.set_shift(40 * 3_600);
    pipeline.capture();
    let engine = pipeline.engine().await;
    let late = engine.fleet(None).await;
    let moved: Vec<_> = late.tables.iter().filter(|status| status.source.as_ref().unwrap().waiting == Some(true)).collect();
    assert!(!moved.is_empty());
    for status in &late.tables {
        let left = status.retention.unwrap();
        assert!(left.warn && status.verdict == Verdict::Lagging, "{status:?}");
        assert!((40 * 3_600..41 * 3_600).contains(&left.used_seconds), "{left:?}");
        assert_eq!(left.used_seconds + left.left_seconds, 72 * 3_600);
        assert_eq!(status.next[1], "EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 8640;");
    }
    for status in &moved {
        let stuck = status.hops.stuck.as_ref().unwrap();
        assert_eq!(stuck.hop, HopName::Extract);
        assert!(status.hops.extract.lag_seconds.unwrap() >= 40 * 3_600);
    }
    clock.set_shift(80 * 3_600);
    pipeline.capture();
    pipeline.lab.sqlserver.cdc.cleanup_now(&pipeline.lab.options().source_database, None).unwrap();
    let gone = engine.fleet(None).await;
    assert!(gone.tables.iter().all(|status| status.verdict == Verdict::Gap), "{:?}", gone.tables[0]);
    assert_eq!(find(&gone, &tables[0]).next, [format!("db-to-redshift prepare --new-epoch --table '{}'", tables[0])]);
}

/// A system that is down takes only its own part away.
#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_is_down_is_named_and_the_others_still_show() {
    let (pipeline, _) = Pipeline::sample(9).await;
    let tables = pipeline.prepared().await;
    pipeline.lab.sqlserver.cdc.set_agent_service(false);
    let dead = pipeline.engine_with(|settings| settings.redshift.port = 1).await;
    let report = dead.fleet(None).await;
    assert!(report.systems.target.fault.is_some() && report.systems.store.fault.is_none() && report.systems.source.fault.is_none());
    assert_eq!(report.faults.len(), 1);
    assert_eq!(report.systems.source.capture.down.as_deref(), Some("SQL Server Agent is stopped"));
    assert_eq!(report.tables.len(), tables.len());
    for status in &report.tables {
        assert_eq!(status.verdict, Verdict::Unknown);
        let store = status.store.as_ref().unwrap();
        assert_eq!((store.epoch, store.head, store.pending), (Some(1), Some(0), None));
        assert!(status.target.is_none() && status.source.as_ref().unwrap().tracked);
    }
    let blind = pipeline.engine_with(|settings| settings.source.port = 1).await;
    let report = blind.fleet(None).await;
    assert!(report.systems.source.fault.is_some() && report.systems.target.fault.is_none());
    assert_eq!(report.tables.len(), tables.len(), "the log and the store still name them");
    assert!(report.tables.iter().all(|status| status.verdict == Verdict::Unknown && status.target.is_some()));
}

/// A report on an answer of before costs the target nothing, and says the same while nothing moves;
/// once the target is asked again, what was loaded since shows.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_target_may_be_kept() {
    let (mut pipeline, mut workload) = Pipeline::sample(10).await;
    let tables = pipeline.prepared().await;
    let engine = pipeline.engine().await;
    let (first, said) = engine.fleet_since(None, None).await;
    let before = requests(&pipeline);
    let (again, kept) = engine.fleet_since(None, Some(Arc::clone(&said))).await;
    let cost = between(&before, &requests(&pipeline));
    assert!(Arc::ptr_eq(&said, &kept));
    assert!(cost.redshift == 0 && cost.list > 0 && cost.sql > 0, "{cost:?}");
    assert_eq!(
        again.tables.iter().map(|status| &status.target).collect::<Vec<_>>(),
        first.tables.iter().map(|status| &status.target).collect::<Vec<_>>()
    );
    assert!(again.tables.iter().all(|status| status.verdict == Verdict::Current), "{again:?}");

    pipeline.work(&mut workload, 40);
    engine.sync(&tables).await;
    let (stale, kept) = engine.fleet_since(None, Some(said)).await;
    assert!(stale.tables.iter().any(|status| status.verdict == Verdict::Behind), "what was loaded since does not show: {stale:?}");
    let (fresh, asked) = engine.fleet_since(None, None).await;
    assert!(asked.at > kept.at && fresh.tables.iter().all(|status| status.verdict == Verdict::Current), "{fresh:?}");

    // A fault is kept like an answer.
    let dead = pipeline.engine_with(|settings| settings.redshift.port = 1).await;
    let (_, said) = dead.fleet_since(None, None).await;
    assert!(said.answer.is_err());
    let (report, _) = engine.fleet_since(None, Some(said)).await;
    assert!(report.systems.target.fault.is_some() && report.tables.iter().all(|status| status.target.is_none()));
}

/// A system that refuses the login is a matter of configuration, one that is away is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_a_system_gives_its_own_exit_code() {
    let pipeline = Pipeline::start(["EXEC sys.sp_cdc_enable_db"]).await;
    let text = std::fs::read_to_string(&pipeline.config).unwrap();
    let (others, redshift) = text.split_once("[redshift]").unwrap();
    let port = format!("port = {}", pipeline.lab.redshift.addr().port());
    for (was, is, told) in [("user = ", "user = \"nobody\" # ", (2, "RS-003")), (&port, "port = 9", (1, "RS-001"))] {
        std::fs::write(&pipeline.config, format!("{others}[redshift]{}", redshift.replace(was, is))).unwrap();
        let output = pipeline.program(&["status", "--json"]).output().await.unwrap();
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let code = said["faults"][0]["fault"]["code"].as_str().unwrap_or_default();
        assert_eq!((output.status.code().unwrap(), code), told, "{said:#}");
    }
}
