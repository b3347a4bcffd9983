//! The connection lost at each statement, one after the other, until a job needs no cut. The short
//! form tries some of them and counts all, see [`super::places`].
//!
//! Two jobs are gone through: a table of its own is prepared and loaded, and a round of changes
//! is carried: large values that an update leaves alone, a key that changes, a row that goes and
//! comes back. After each cut the plain command is given again, as a scheduler would, and then
//! production must equal the source.

use std::sync::Arc;
use std::time::Instant;

use db_to_redshift::config::Settings;
use db_to_redshift::engine::event::{Events, TableReport};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::engine::{Engine, Run};
use db_to_redshift::lab::redshift::{self as lab_redshift, Action};
use db_to_redshift::lab::s3::{Effect, FaultHandle, Rule};
use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use db_to_redshift::model::{SqlType, TableName, Value};
use db_to_redshift::source::Source;
use db_to_redshift::store::s3::S3Store;
use db_to_redshift::target::Target;
use db_to_redshift::target::redshift::Redshift;
use tokio_util::sync::CancellationToken;

use super::places::{Places, Turn};
use crate::support::column::column;
use crate::support::lab_sql_server::Lab;
use crate::support::memory_source::text;
use crate::support::rig::{Rig, done, id, row};

/// Statements or requests that both jobs have at the least. Fewer: the enumeration lost some.
const REDSHIFT_STATEMENTS: u32 = 120;
const REDSHIFT_COMMITS: u32 = 12;
const S3_REQUESTS: u32 = 75;
const SQL_SERVER_REQUESTS: u32 = 50;

/// One place of so many is tried by a scenario of the short form: two scenarios try all.
const STRIDE: u32 = 2;

/// The jobs of a run, in order.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    Prepare,
    Load,
    Sync,
}

pub type Machines<S> = Arc<Engine<S, S3Store, Redshift>>;

/// An engine as a process of its own would have it, whose leases everybody takes for those of a
/// dead one.
pub fn engine<S: Source>(rig: &Rig, source: Arc<S>, retries: u32) -> Machines<S> {
    let (events, mut receiver) = Events::new();
    tokio::spawn(async move { while receiver.events.recv().await.is_some() {} });
    let mut settings: Settings = rig.settings.clone();
    settings.extract.retries = retries;
    settings.load.retries = retries;
    let mut run = Run::new("test", false);
    run.holder.pid = 1 << 23;
    Arc::new(Engine {
        source,
        store: Arc::new(rig.s3.store.clone()),
        target: Arc::new(rig.target()),
        settings: Arc::new(settings),
        run,
        events,
        cancel: CancellationToken::new(),
    })
}

async fn act<S: Source>(engine: &Machines<S>, table: &TableName, step: Step) -> Vec<TableReport> {
    let tables = std::slice::from_ref(table);
    match step {
        Step::Prepare => engine.prepare(tables, PrepareOptions::default()).await,
        Step::Load => engine.load(tables).await,
        Step::Sync => engine.sync(tables).await,
    }
}

/// One job under a cut. A job that fails, or is abandoned, is followed by a plain one, which must
/// come through.
async fn step<S: Source>(rig: &Rig, source: &Arc<S>, table: &TableName, step: Step, trouble: &Trouble) {
    let troubled = engine(rig, Arc::clone(source), trouble.retries);
    let job = act(&troubled, table, step);
    let reports = match &trouble.abandon_at {
        // The process dies while its request is on the way.
        Some(handle) if handle.hits() == 0 => tokio::select! {
            reports = job => Some(reports),
            () = handle.wait_hits(1) => None,
        },
        _ => Some(job.await),
    };
    let good = reports.as_ref().is_some_and(|reports| reports.iter().all(|report| report.outcome.is_ok()));
    if trouble.retries > 0 && trouble.abandon_at.is_none() {
        done(reports.expect("nobody abandons it"));
    } else if !good {
        done(act(&engine(rig, Arc::clone(source), 0), table, step).await);
    }
}

struct Trouble {
    retries: u32,
    abandon_at: Option<FaultHandle>,
}

impl Trouble {
    /// A job that gives up at once, so that the next one has to recover.
    fn fatal() -> Self {
        Self { retries: 0, abandon_at: None }
    }

    /// A job that has to come through by itself.
    fn survived() -> Self {
        Self { retries: 3, abandon_at: None }
    }
}

/// Takes a table of its own, with the source in memory, to its first load.
async fn open(rig: &Rig, name: &str, trouble: &Trouble) -> TableName {
    let columns =
        vec![column("id", 1, SqlType::Int, Some(1)), column("note", 2, SqlType::NVarCharMax, None), column("n", 3, SqlType::Int, None)];
    let table = rig.source.table(name, columns);
    rig.source.with(|inner| {
        inner.commit(|tran| (1..=4).for_each(|at| tran.insert(&table, row(at, "first", at))));
    });
    let source = Arc::new(rig.source.clone());
    step(rig, &source, &table, Step::Prepare, trouble).await;
    step(rig, &source, &table, Step::Load, trouble).await;
    table
}

/// A round of changes on what the round before left.
async fn carry(rig: &Rig, table: &TableName, round: i64, trouble: &Trouble) {
    let (old, new) = (round * 10 - 10, round * 10);
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.insert(table, row(new + 1, "one", 1));
            tran.insert(table, row(new + 2, "two", 2));
            tran.update(table, &id(old + 1), &[(2, Value::Int(11))]);
            tran.update(table, &id(old + 2), &[(0, Value::Int(old + 5))]);
        });
        inner.commit(|tran| {
            tran.delete(table, &id(old + 3));
            tran.insert(table, row(new + 3, "three", 3));
            tran.insert(table, row(new + 4, "four", 4));
        });
        inner.commit(|tran| {
            tran.insert(table, row(old + 3, "back", 33));
            tran.update(table, &id(old + 4), &[(1, text("newer"))]);
            tran.update(table, &id(old + 4), &[(2, Value::Int(44))]);
        });
    });
    step(rig, &Arc::new(rig.source.clone()), table, Step::Sync, trouble).await;
}

/// Production equals the source, and state says that nothing is staged. (Rows may stay in staging
/// where the answer to the apply was lost: the next stage deletes them.)
async fn assert_whole(rig: &Rig, table: &TableName) {
    let name = &table.name;
    let rows = rig.query(&format!("SELECT id, note, n FROM public.{name} ORDER BY id")).await;
    let number = |cell: &Option<String>| cell.as_ref().map(|text| text.parse().unwrap());
    let production: Vec<_> = rows.iter().map(|row| (number(&row[0]).unwrap(), row[1].clone(), number(&row[2]))).collect();
    assert_eq!(production, rig.expected(table), "{table}");
    let state = rig.target().state(table).await.unwrap().unwrap();
    assert!(state.staged.is_none(), "{table}: {state:?}");
}

/// A planned cut, and whether it came to it.
trait Planned {
    fn happened(&self) -> bool;
}

/// Goes through both jobs, each until it needs no cut; returns how many places there are. `plan`
/// plans the n-th cut, `clear` withdraws it.
async fn enumerate<P: Planned>(rig: &Rig, turn: Turn, plan: impl Fn(u32) -> (P, Trouble), clear: impl Fn()) -> u32 {
    let started = Instant::now();
    let (mut opened, mut carried) = (Places::new(turn), Places::new(turn));
    while let Some(n) = opened.next() {
        let (planned, trouble) = plan(n);
        let table = open(rig, &format!("t{n}"), &trouble).await;
        // Asked first: what is withdrawn counts as over.
        let happened = planned.happened();
        clear();
        assert_whole(rig, &table).await;
        opened.tried(happened);
    }
    let table = open(rig, "changing", &Trouble::survived()).await;
    let mut round = 0;
    while let Some(n) = carried.next() {
        round += 1;
        let (planned, trouble) = plan(n);
        carry(rig, &table, round, &trouble).await;
        // Asked first: what is withdrawn counts as over.
        let happened = planned.happened();
        clear();
        assert_whole(rig, &table).await;
        carried.tried(happened);
    }
    println!("cut at {} of prepare and load, at {} of sync, in {:?}", opened.text(), carried.text(), started.elapsed());
    opened.counted() + carried.counted()
}

impl Planned for lab_redshift::Planted {
    fn happened(&self) -> bool {
        self.was_hit()
    }
}

impl Planned for FaultHandle {
    fn happened(&self) -> bool {
        self.hits() > 0
    }
}

async fn enumerate_redshift(turn: Turn, statement: &str, action: Action, trouble: fn() -> Trouble) -> u32 {
    let rig = Rig::start().await;
    let faults = rig.redshift.faults();
    enumerate(&rig, turn, |n| (faults.on(statement, n, action), trouble()), || faults.clear()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redshift_is_lost_before_each_statement() {
    let covered = enumerate_redshift(Turn::of(0, STRIDE), "", Action::CutBefore, Trouble::fatal).await;
    assert!(covered >= REDSHIFT_STATEMENTS, "{covered} statements are fewer than before");
}

/// Beside COMMIT and what commits by itself, a statement whose answer is lost is undone like one
/// that never ran; the job that survives goes through all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redshift_is_lost_after_each_commit() {
    let covered = enumerate_redshift(Turn::EVERY, "commit", Action::CutAfter, Trouble::fatal).await;
    assert!(covered >= REDSHIFT_COMMITS, "{covered} commits are fewer than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_redshift_lost_after_each_statement() {
    let covered = enumerate_redshift(Turn::of(1, STRIDE), "", Action::CutAfter, Trouble::survived).await;
    assert!(covered >= REDSHIFT_STATEMENTS, "{covered} statements are fewer than before");
}

async fn enumerate_s3(turn: Turn, effect: Effect, abandon: bool) -> u32 {
    let rig = Rig::start().await;
    let faults = rig.s3.lab.faults();
    let plan = |n| {
        let handle = faults.add(Rule::new(effect).skip(n - 1));
        let abandon_at = abandon.then(|| handle.clone());
        (handle, Trouble { abandon_at, ..Trouble::survived() })
    };
    enumerate(&rig, turn, plan, || faults.clear()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_each_lost_reply_of_s3() {
    let covered = enumerate_s3(Turn::of(0, STRIDE), Effect::LoseReply, false).await;
    assert!(covered >= S3_REQUESTS, "{covered} requests are fewer than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_dies_at_each_request_to_s3_that_was_carried_out() {
    let covered = enumerate_s3(Turn::of(1, STRIDE), Effect::LoseReply, true).await;
    assert!(covered >= S3_REQUESTS, "{covered} requests are fewer than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_dies_at_each_request_to_s3_that_was_lost() {
    let covered = enumerate_s3(Turn::of(2, STRIDE), Effect::LoseRequest, true).await;
    assert!(covered >= S3_REQUESTS, "{covered} requests are fewer than before");
}

const KEPT: &str = "id int NOT NULL PRIMARY KEY, note nvarchar(max) NULL, n int NULL";

/// The table of both sides as text.
async fn assert_same(rig: &Rig, lab: &Lab, name: &str) {
    let rows = rig.query(&format!("SELECT id, note, n FROM public.{name} ORDER BY id")).await;
    let production: Vec<String> =
        rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("~")).collect::<Vec<_>>().join("|")).collect();
    let sql =
        format!("SELECT CONCAT(id, N'|', ISNULL(note, N'~'), N'|', ISNULL(CAST(n AS nvarchar(20)), N'~')) FROM dbo.{name} ORDER BY id");
    assert_eq!(production, lab.texts(&sql), "{name}");
}

async fn enumerate_sql_server(turn: Turn, cut: fn(u64) -> Cut, trouble: fn() -> Trouble) -> u32 {
    let (rig, lab) = (Rig::start().await, Lab::start().await);
    let started = Instant::now();
    let source = || Arc::new(lab.source_with_pages(100));
    lab.write("ALTER DATABASE Roastery SET ALLOW_SNAPSHOT_ISOLATION ON");
    lab.write("EXEC sys.sp_cdc_enable_db");
    let (mut opened, mut carried) = (Places::new(turn), Places::new(turn));
    while let Some(n) = opened.next() {
        let (name, table) = (format!("t{n}"), TableName::new("dbo", format!("t{n}")));
        lab.write(&format!("CREATE TABLE dbo.{name} ({KEPT})"));
        lab.write(&format!("EXEC sys.sp_cdc_enable_table N'dbo', N'{name}', NULL"));
        lab.write(&format!("INSERT dbo.{name} VALUES (1, N'one', 1), (2, N'two', 2), (3, N'three', 3), (4, N'four', 4)"));
        let ordered = lab.wire.faults().order(cut(n.into()));
        step(&rig, &source(), &table, Step::Prepare, &trouble()).await;
        lab.wire.faults().clear();
        step(&rig, &source(), &table, Step::Load, &Trouble::survived()).await;
        assert_same(&rig, &lab, &name).await;
        opened.tried(ordered.happened());
    }
    // The table behind the last place was opened without a cut.
    let (name, table) = (format!("t{}", opened.counted() + 1), TableName::new("dbo", format!("t{}", opened.counted() + 1)));
    let mut new = 0;
    while let Some(n) = carried.next() {
        let old = new;
        new += 10;
        lab.write(&format!(
            "BEGIN TRAN; INSERT dbo.{name} VALUES ({new} + 1, N'one', 1), ({new} + 2, N'two', 2); \
             UPDATE dbo.{name} SET n = 11 WHERE id = {old} + 1; UPDATE dbo.{name} SET id = {old} + 5 WHERE id = {old} + 2; COMMIT; \
             BEGIN TRAN; DELETE dbo.{name} WHERE id = {old} + 3; \
             INSERT dbo.{name} VALUES ({new} + 3, N'three', 3), ({new} + 4, N'four', 4); COMMIT; \
             INSERT dbo.{name} VALUES ({old} + 3, N'back', 33); \
             BEGIN TRAN; UPDATE dbo.{name} SET note = N'newer' WHERE id = {old} + 4; UPDATE dbo.{name} SET n = 44 WHERE id = {old} + 4; COMMIT"
        ));
        let ordered = lab.wire.faults().order(cut(n.into()));
        step(&rig, &source(), &table, Step::Sync, &trouble()).await;
        lab.wire.faults().clear();
        assert_same(&rig, &lab, &name).await;
        carried.tried(ordered.happened());
    }
    println!("{:?}: cut at {} of prepare, at {} of sync, in {:?}", cut(0), opened.text(), carried.text(), started.elapsed());
    opened.counted() + carried.counted()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_server_is_lost_at_each_request() {
    let covered = enumerate_sql_server(Turn::of(0, STRIDE), Cut::AtRequest, Trouble::fatal).await;
    assert!(covered >= SQL_SERVER_REQUESTS, "{covered} requests are fewer than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_sql_server_lost_amid_each_answer() {
    let covered = enumerate_sql_server(Turn::of(1, STRIDE), Cut::AfterPackets, Trouble::survived).await;
    assert!(covered >= SQL_SERVER_REQUESTS, "{covered} packets are fewer than before");
}
