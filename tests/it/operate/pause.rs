//! Pause and resume, before a job and in the middle of one.

use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::fault::operate;
use db_to_redshift::model::status::Verdict;
use db_to_redshift::store::ChangeStore;

use super::{ids, one, outcome, record, recorded, state};
use crate::support::rig::{Rig, row};

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_table_stands_still_until_it_is_resumed() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let engine = rig.engine();
    assert!(outcome(engine.pause(one(&table), " \n").await).unwrap_err().is(&operate::CONFIRM), "a reason is needed");
    assert!(outcome(engine.pause(one(&table), &"x".repeat(1_001)).await).unwrap_err().is(&operate::CONFIRM), "and a short one");
    let first = outcome(engine.pause(one(&table), "index  rebuild").await).unwrap();
    assert!(first.changed && first.paused.why == "index rebuild" && first.paused.by.contains('@'));
    let second = outcome(rig.engine().pause(one(&table), "another reason").await).unwrap();
    assert_eq!((second.changed, &second.paused), (false, &first.paused), "the first order stands");

    let status = engine.status(one(&table)).await;
    assert_eq!(status.tables[0].verdict, Verdict::Paused);
    assert_eq!(status.tables[0].store.as_ref().unwrap().control.as_ref().unwrap().paused.as_ref(), Some(&first.paused));
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
    for reports in [rig.engine().extract(one(&table)).await, rig.engine().load(one(&table)).await] {
        let done = reports[0].outcome.as_ref().unwrap();
        assert!(done.paused && done.batches == 0);
    }
    // A new snapshot would read the whole table.
    let again = PrepareOptions { new_epoch: true, ..PrepareOptions::default() };
    assert!(rig.engine().prepare(one(&table), again).await[0].outcome.as_ref().unwrap().paused);
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), Some(1));
    assert!(ids(&rig).await.is_empty());
    assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), 1);

    assert_eq!(outcome(engine.resume(one(&table)).await).unwrap().was, Some(first.paused));
    assert_eq!(outcome(engine.resume(one(&table)).await).unwrap().was, None);
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// E1: empty records go on, so that a pause of some days does not end in a gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_quiet_table_keeps_clear_of_clean_up() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 0).await;
    outcome(rig.engine().pause(one(&table), "holidays").await).unwrap();
    rig.source.with(|inner| {
        inner.clock = inner.clock.checked_add(jiff::ToSpan::hours(20)).unwrap();
        inner.idle();
    });
    rig.extract(&table).await;
    let record = rig.s3.store.record(&table, 1, 1).await.unwrap().expect("an empty record");
    assert!(record.parts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_between_two_batches_stops_an_extraction() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 0).await;
    for id in 1..=3 {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(id, "x", id))));
    }
    let (orders, paused) = (rig.engine(), table.clone());
    // While the first of three batches is read.
    rig.source.before("changes", move |_| {
        let order = async { outcome(orders.pause(one(&paused), "stop").await).unwrap() };
        assert!(tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(order)).changed);
    });
    let engine = rig.engine_with(|settings| settings.extract.max_transactions = 1);
    let reports = engine.extract(one(&table)).await;
    let done = reports[0].outcome.as_ref().unwrap();
    assert!(done.paused && done.batches == 1, "{done:?}");
    assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), 1);

    outcome(rig.engine().resume(one(&table)).await).unwrap();
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_between_two_transactions_stops_a_load() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 2).await;
    let held = rig.redshift.faults().on("COPY", 1, Action::Hold);
    let engine = rig.engine_with(|settings| settings.load.coalesce_batches = 1);
    let (running, loaded) = (engine, table.clone());
    let job = tokio::spawn(async move { running.load(one(&loaded)).await });
    held.hit().await;
    outcome(rig.engine().pause(one(&table), "stop").await).unwrap();
    held.release();
    let reports = job.await.unwrap();
    assert!(reports[0].outcome.as_ref().unwrap().paused);
    let stopped = state(&rig, &table).await;
    assert_eq!(stopped.applied_seq, Some(0));
    assert!(stopped.staged.is_some_and(|staged| staged.to == 1), "what is staged stays");

    outcome(rig.engine().resume(one(&table)).await).unwrap();
    record(&rig, &table, [3]).await;
    rig.load(&table).await;
    rig.assert_equal(&table).await;
}
