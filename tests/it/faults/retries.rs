//! What is tried again, how often, and who hears of it.

use std::sync::Arc;

use db_to_redshift::engine::event::{Event, Events};
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use db_to_redshift::model::fault::{rs, s3};
use db_to_redshift::model::{TableName, Value};
use db_to_redshift::source::Source;

use crate::faults::cuts::{Machines, engine};
use crate::support::lab_sql_server::Lab;
use crate::support::pipeline::Pipeline;
use crate::support::recorder::Recorder;
use crate::support::rig::{Rig, done, fault, id, row};

/// Every request of a job's tries at once, by the SDK.
const TRIES_OF_THE_SDK: u32 = 5;
/// Tries of a conditional write (rule R3).
const TRIES_OF_A_CONDITIONAL_WRITE: usize = 7;

/// An engine whose warnings are collected.
fn listening<S: Source>(engine: Machines<S>) -> (Machines<S>, tokio::task::JoinHandle<Vec<String>>) {
    let (events, mut receiver) = Events::new();
    let heard = tokio::spawn(async move {
        let mut warnings = Vec::new();
        while let Some(event) = receiver.events.recv().await {
            if let Event::Warning { text, .. } = event {
                warnings.push(text);
            }
        }
        warnings
    });
    let mut engine = Arc::into_inner(engine).unwrap();
    engine.events = events;
    (Arc::new(engine), heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_store_is_asked_again_and_the_operator_hears_of_it() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    let (engine, heard) = listening(engine(&rig, Arc::new(rig.source.clone()), 2));
    rig.s3.lab.faults().add(Rule::new(Effect::SlowDown).operation("PutObject").key("data/").times(TRIES_OF_THE_SDK));
    done(engine.sync(std::slice::from_ref(&table)).await);
    drop(engine);
    let warnings = heard.await.unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("try 1 of 3: S3-010"), "{warnings:?}");
    rig.assert_equal(&table).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tries_end_and_the_fault_says_how_many_there_were() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.s3.lab.faults().add(Rule::new(Effect::SlowDown).operation("PutObject").key("data/").times(u32::MAX));
    let (engine, heard) = listening(engine(&rig, Arc::new(rig.source.clone()), 1));
    let fault = fault(engine.extract(std::slice::from_ref(&table)).await);
    assert!(fault.is(&s3::SLOW_DOWN) && fault.facts().contains(&("tries".into(), "2".into())), "{fault:?}");
    drop(engine);
    assert_eq!(heard.await.unwrap().len(), 1);
}

/// Rule R3: only the same bytes may be sent again, which the store does; nobody knows whether the
/// record stands, so no new attempt is begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_without_an_answer_is_not_written_anew() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    let sent = |rig: &Rig| rig.s3.lab.requests().count("PutObject", "000000000001.json");
    rig.s3.lab.faults().add(Rule::new(Effect::InternalError).operation("PutObject").key("000000000001.json").times(u32::MAX));
    let fault = fault(engine(&rig, Arc::new(rig.source.clone()), 3).extract(std::slice::from_ref(&table)).await);
    assert!(fault.is(&s3::WRITE_UNKNOWN), "{fault:?}");
    assert_eq!(sent(&rig), TRIES_OF_A_CONDITIONAL_WRITE);
    rig.s3.lab.faults().clear();
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Conditional writes are sent again within the store: the operator hears of these tries, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_object_that_is_written_again_is_told() {
    let (mut pipeline, mut workload) = Pipeline::sample(31).await;
    pipeline.prepared().await;
    pipeline.work(&mut workload, 10);
    pipeline.lab.s3.faults().add(Rule::new(Effect::Conflict).operation("PutObject").key("/records/").times(2));
    let output = pipeline.program(&["sync", "--events"]).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let events = String::from_utf8(output.stdout).unwrap();
    let told: Vec<&str> = events.lines().filter(|line| line.contains("store_retry")).collect();
    assert_eq!(told.len(), 2, "{events}");
    assert!(told.iter().all(|line| line.contains("/records/") && line.contains("S3-")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_breaks_amid_a_read_is_read_again() {
    let (rig, lab) = (Rig::start().await, Lab::start().await);
    for sql in [
        "ALTER DATABASE Roastery SET ALLOW_SNAPSHOT_ISOLATION ON",
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, note nvarchar(max) NULL, n int NULL)",
        "EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL",
        "INSERT dbo.t VALUES (0, N'first', 0)",
    ] {
        lab.write(sql);
    }
    let table = TableName::new("dbo", "t");
    let (engine, heard) = listening(engine(&rig, Arc::new(lab.source_with_pages(100)), 2));
    done(engine.prepare(std::slice::from_ref(&table), db_to_redshift::engine::prepare::PrepareOptions::default()).await);
    lab.write("INSERT dbo.t VALUES (1, N'a', 1)");
    // The first meets a kept connection, which is replaced without a word.
    for _ in 0..2 {
        lab.wire.faults().order(Cut::BeforeStatement("dbo_t_CT]".into()));
    }
    done(engine.sync(std::slice::from_ref(&table)).await);
    drop(engine);
    let tries: Vec<_> = heard.await.unwrap().into_iter().filter(|text| text.starts_with("try ")).collect();
    assert!(tries.len() == 1 && tries[0].starts_with("try 1 of 3: SRC-012"), "{tries:?}");
    assert_eq!(rig.production().await, [(0, Some("first".to_owned()), Some(0)), (1, Some("a".to_owned()), Some(1))]);
}

const COPY: &str = "COPY \"d2r_staging\"";
const DELETE: &str = "DELETE FROM \"public\"";
const INSERT: &str = "INSERT INTO \"public\"";

/// A load whose transaction is lost once to another one, at these statements of stage and apply and
/// at their COMMITs, begins it again by itself.
async fn one_conflict_is_outlived(action: Action) {
    let mut rig = Rig::start().await;
    let recorder = Recorder::before(rig.redshift.addr()).await;
    rig.settings.redshift.port = recorder.port;
    let table = rig.prepared().await;
    rig.load(&table).await;
    let change = async |n| {
        rig.source.with(|inner| {
            inner.commit(|tran| {
                tran.insert(&table, row(n, "new", n));
                if n > 0 {
                    tran.update(&table, &id(n - 1), &[(2, Value::Int(n * 100))]);
                }
            })
        });
        rig.extract(&table).await;
    };
    // Without a conflict: which COMMIT is whose.
    change(0).await;
    recorder.take();
    rig.load(&table).await;
    let statements = recorder.take();
    let commit_behind = |part: &str| {
        let at = statements.iter().position(|statement| statement.contains(part)).unwrap();
        1 + u32::try_from(statements[..at].iter().filter(|statement| statement.contains("COMMIT")).count()).unwrap()
    };
    // Statement, which of them, and what must be done a second time.
    let places = [
        (COPY, 1, COPY),
        (DELETE, 1, DELETE),
        (INSERT, 1, INSERT),
        ("COMMIT", commit_behind(COPY), COPY),
        ("COMMIT", commit_behind(INSERT), INSERT),
    ];
    for (n, (statement, nth, again)) in (1..).zip(places) {
        let what = format!("{action:?} at {statement} {nth}");
        change(n).await;
        let (engine, heard) = listening(engine(&rig, Arc::new(rig.source.clone()), 3));
        let planted = rig.redshift.faults().on(statement, nth, action);
        recorder.take();
        assert_eq!(done(engine.load(std::slice::from_ref(&table)).await).batches, 1, "{what}");
        assert!(planted.was_hit(), "{what}");
        let sent = recorder.take();
        let count = |part: &str| sent.iter().filter(|statement| statement.contains(part)).count();
        assert_eq!(count(again), 2, "{what}: {again} was not done again");
        assert_eq!(count(COPY), 1 + usize::from(again == COPY), "{what}: what is staged stays so");
        drop(engine);
        let warnings = heard.await.unwrap();
        let told = format!("try 1 of 4: {}", rs::CONFLICT.code);
        assert!(warnings.len() == 1 && warnings[0].starts_with(&told), "{what}: {warnings:?}");
        rig.assert_equal(&table).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_outlives_one_serialisation_conflict() {
    one_conflict_is_outlived(Action::Conflict).await;
}

/// 1018: another session made the table anew after this transaction's snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_outlives_one_relation_that_its_snapshot_does_not_see() {
    one_conflict_is_outlived(Action::Refuse("XX000", "1018 DETAIL:  Relation does not exist")).await;
}
