//! Retry: the step that failed, and nothing else.

use db_to_redshift::engine::event::{Job, Outcome, TableReport};
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::control::RunTable;
use db_to_redshift::model::{Fault, TableName};

use jiff::Timestamp;

use super::{ids, one, recorded};
use crate::support::rig::{Rig, TestEngine, row};

/// As the command line notes its jobs.
async fn note(engine: &TestEngine, reports: &[TableReport]) {
    let line = |report: &TableReport| {
        let outcome = report.outcome.as_ref().map_or_else(Fault::code, Outcome::as_str);
        RunTable { table: report.table.clone(), outcome: format!("{} {outcome}", report.job.as_str()), fault: None, batches: 0, rows: 0 }
    };
    engine.note_run(reports.iter().map(line).collect(), Some(Timestamp::now())).await;
}

/// What a retry ran: the step, why, and how it ended; noted like any run.
async fn retry(rig: &Rig, table: &TableName) -> Vec<(Job, String, bool)> {
    let engine = rig.engine();
    let retried = engine.retry(one(table)).await.unwrap();
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
