//! Retry: the step that failed, and nothing else.

use std::sync::Arc;

use db_to_redshift::engine::event::{Event, Events, Job, Outcome, TableReport};
use db_to_redshift::engine::prepare::{OpenMode, PrepareOptions};
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::control::{Control, Intent, RunTable};
use db_to_redshift::model::fault::src;
use db_to_redshift::model::order::Repeat;
use db_to_redshift::model::{Fault, TableName};
use db_to_redshift::store::ChangeStore;
use jiff::Timestamp;
use uuid::Uuid;

use super::{ids, one, recorded};
use crate::support::rig::{Rig, TestEngine, done, row};

/// As the command line notes its jobs.
async fn note(engine: &TestEngine, reports: &[TableReport]) {
    let line = |report: &TableReport| {
        let outcome = report.outcome.as_ref().map_or_else(Fault::code, Outcome::as_str);
        RunTable {
            table: report.table.clone(),
            outcome: format!("{} {outcome}", report.job.as_str()),
            fault: None,
            batches: 0,
            rows: 0,
            order: report.order,
        }
    };
    engine.note_run(reports.iter().map(line).collect(), Some(Timestamp::now())).await;
}

/// What a retry ran: the step, why, and how it ended; noted like any run.
async fn retry(rig: &Rig, table: &TableName) -> Vec<(Job, String, bool)> {
    let engine = rig.engine();
    let retried = engine.retry(one(table), Repeat::NewEpoch).await.unwrap();
    assert_eq!(retried.nothing_failed.is_empty(), !retried.again.is_empty());
    let (why, reports): (Vec<_>, Vec<_>) = retried.again.into_iter().unzip();
    note(&engine, &reports).await;
    reports.iter().zip(why).map(|(report, why)| (report.job, why, report.outcome.is_ok())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_step_that_failed_runs_again() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    assert_eq!(retry(&rig, &table).await, [], "nothing failed");
    assert!(ids(&rig).await.is_empty(), "and what waits is not loaded by the way");

    let engine = rig.engine_with(|settings| settings.load.retries = 0);
    let planted = rig.redshift.faults().on("COPY", 1, Action::Conflict);
    let reports = engine.load(one(&table)).await;
    assert!(planted.was_hit() && reports[0].outcome.is_err());
    note(&engine, &reports).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
    assert_eq!(retry(&rig, &table).await, [(Job::Load, "SYNC-025".into(), true)]);
    assert_eq!(ids(&rig).await, [1], "nothing was extracted");
    assert_eq!(retry(&rig, &table).await, []);

    // An extraction that meets a gap, again and again until it is gone.
    let min = rig.source.with(|inner| {
        let max = inner.max();
        std::mem::replace(&mut inner.get(&table).min, max.next())
    });
    let engine = rig.engine();
    note(&engine, &engine.extract(one(&table)).await).await;
    assert_eq!(retry(&rig, &table).await, [(Job::Extract, "SYNC-002".into(), false)]);
    rig.source.with(|inner| inner.get(&table).min = min);
    assert_eq!(retry(&rig, &table).await, [(Job::Extract, "SYNC-002".into(), true)]);
    assert_eq!(retry(&rig, &table).await, []);
    rig.load(&table).await;
    rig.assert_equal(&table).await;
}

/// A load that was killed noted nothing, but its rows stand in staging.
#[tokio::test(flavor = "multi_thread")]
async fn rows_left_in_staging_call_for_a_load() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let planted = rig.redshift.faults().on("DELETE FROM \"public\"", 1, Action::CutBefore);
    assert!(rig.engine_with(|settings| settings.load.retries = 0).load(one(&table)).await[0].outcome.is_err());
    assert!(planted.was_hit());
    assert_eq!(retry(&rig, &table).await, [(Job::Load, "rows stand in staging".into(), true)]);
    rig.assert_equal(&table).await;
}

/// Prepares with these options while the scan of the source breaks off; noted like any run.
async fn broken_prepare(rig: &Rig, table: &TableName, options: PrepareOptions) {
    let engine = rig.engine_with(|settings| settings.extract.retries = 0);
    rig.source.with(|inner| inner.fail_scans = true);
    let reports = engine.prepare(one(table), options).await;
    rig.source.with(|inner| inner.fail_scans = false);
    assert!(reports[0].outcome.as_ref().unwrap_err().is(&src::CONNECTION_LOST), "{reports:?}");
    note(&engine, &reports).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_failed_is_taken_again_as_it_was_ordered() {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    broken_prepare(&rig, &table, PrepareOptions::default()).await;
    assert_eq!(retry(&rig, &table).await, [(Job::Prepare, "SRC-012".into(), true)]);
    assert_eq!(retry(&rig, &table).await, []);
    rig.load(&table).await;
    rig.assert_equal(&table).await;

    let anew = PrepareOptions { new_epoch: true, ..PrepareOptions::default() };
    broken_prepare(&rig, &table, anew).await;
    assert_eq!(retry(&rig, &table).await, [(Job::Prepare, "SRC-012".into(), true)]);
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), Some(2), "another epoch, since that was the order");
    assert_eq!(retry(&rig, &table).await, []);

    // The stream went on: nobody wants its epoch thrown away any more.
    broken_prepare(&rig, &table, anew).await;
    let engine = rig.engine();
    note(&engine, &engine.sync(one(&table)).await).await;
    assert_eq!(retry(&rig, &table).await, []);
    // Somebody else opened an epoch meanwhile, which noted no run.
    broken_prepare(&rig, &table, anew).await;
    done(rig.engine().prepare(one(&table), anew).await);
    assert_eq!(retry(&rig, &table).await, []);
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), Some(3));
    rig.load(&table).await;
    rig.assert_equal(&table).await;
}

/// Before it is given, and not only in its outcome.
#[tokio::test(flavor = "multi_thread")]
async fn that_a_prepare_is_given_again_is_told() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let anew = PrepareOptions { new_epoch: true, ..PrepareOptions::default() };
    broken_prepare(&rig, &table, anew).await;
    let (events, mut receiver) = Events::new();
    let mut engine = Arc::into_inner(rig.engine()).unwrap();
    engine.events = events;
    let engine: TestEngine = Arc::new(engine);
    assert!(engine.retry(one(&table), Repeat::NewEpoch).await.unwrap().again[0].1.outcome.is_ok());
    drop(engine);
    let Some(Event::Note { job: Job::Prepare, text, .. }) = receiver.events.recv().await else { panic!("the first word is the order") };
    assert!(text.starts_with("given again") && text.ends_with(&anew.command(&table)), "{text}");
}

/// What is allowed to a retry that nobody confirmed, and to one that was told of a first snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_retry_opens_no_epoch_that_nobody_confirmed() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let anew = PrepareOptions { new_epoch: true, ..PrepareOptions::default() };
    broken_prepare(&rig, &table, anew).await;
    let outcome = Err(Fault::new(&src::CONNECTION_LOST, "x"));
    note(&rig.engine(), &[TableReport { job: Job::Load, table: table.clone(), outcome, order: None }]).await;
    let found = rig.engine().to_retry(one(&table)).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|step| (step.job, step.why, step.order)).collect();
    assert_eq!(found, [(Job::Prepare, "SRC-012".into(), Some(anew)), (Job::Load, "SRC-012".into(), None)]);

    // The load alone, however the prepare stands.
    let retried = rig.engine().retry(one(&table), Repeat::Steps).await.unwrap();
    assert_eq!(retried.again.iter().map(|(_, report)| (report.job, report.outcome.is_ok())).collect::<Vec<_>>(), [(Job::Load, true)]);
    // Told of a prepare, but not of one that replaces production: it says what to type.
    let retried = rig.engine().retry(one(&table), Repeat::Prepare).await.unwrap();
    let fault = retried.again[0].1.outcome.as_ref().unwrap_err();
    assert_eq!((retried.again[0].1.job, fault.code()), (Job::Prepare, "SYNC-046"));
    assert!(fault.actions().any(|action| action == anew.command(&table)), "{:?}", fault.actions().collect::<Vec<_>>());
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), Some(1), "the epoch stands");

    let first = Rig::start().await;
    let table = first.table();
    broken_prepare(&first, &table, PrepareOptions::default()).await;
    assert!(first.engine().retry(one(&table), Repeat::Steps).await.unwrap().again.is_empty());
    let retried = first.engine().retry(one(&table), Repeat::Prepare).await.unwrap();
    assert!(retried.again[0].1.outcome.is_ok(), "{retried:?}");
}

/// A prepare that was killed noted nothing but its intent.
#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_stands_calls_for_its_snapshot() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let order = Some(PrepareOptions { new_epoch: true, ..PrepareOptions::default() });
    let intent = Intent { run: Uuid::new_v4(), epoch: 2, order, min_lsn: None, l0: None, since: Timestamp::now() };
    let put = |intent| {
        let control = Control { intent: Some(intent), ..Control::default() };
        let (rig, table) = (&rig, &table);
        async move {
            let etag = rig.s3.store.control(table).await.unwrap().map(|(_, etag)| etag);
            rig.s3.store.put_control(table, &control, etag.as_ref()).await.unwrap();
        }
    };
    put(intent.clone()).await;
    assert_eq!(retry(&rig, &table).await, [(Job::Prepare, "the snapshot of epoch 2 did not end".into(), true)]);
    assert_eq!(retry(&rig, &table).await, []);
    // Of an older version, which did not note the order.
    put(Intent { epoch: 3, order: None, ..intent }).await;
    assert_eq!(retry(&rig, &table).await, [(Job::Prepare, "the snapshot of epoch 3 did not end".into(), false)]);
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_vouched_for_is_told_and_not_repeated() {
    let rig = Rig::start().await;
    let table = rig.table();
    for (options, command) in [
        (
            PrepareOptions { mode: OpenMode::Start, trusted: true, new_epoch: true, replace: false },
            "db-to-redshift prepare --mode start --new-epoch --trusted --table 'dbo.t'",
        ),
        (PrepareOptions { replace: true, ..PrepareOptions::default() }, "db-to-redshift prepare --replace --table 'dbo.t'"),
    ] {
        let engine = rig.engine();
        let outcome = Err(Fault::new(&src::CONNECTION_LOST, "x"));
        note(&engine, &[TableReport { job: Job::Prepare, table: table.clone(), outcome, order: Some(options) }]).await;
        // Asked twice, it says the same.
        for _ in 0..2 {
            let retried = rig.engine().retry(one(&table), Repeat::NewEpoch).await.unwrap();
            let [(why, report)] = &retried.again[..] else { panic!("{retried:?}") };
            let fault = report.outcome.as_ref().unwrap_err();
            assert_eq!((why.as_str(), fault.code()), ("SRC-012", "SYNC-046"));
            assert!(fault.actions().any(|action| action == command), "{:?}", fault.actions().collect::<Vec<_>>());
            let (_, reports): (Vec<_>, Vec<_>) = retried.again.into_iter().unzip();
            note(&rig.engine(), &reports).await;
        }
    }
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), None);
}
