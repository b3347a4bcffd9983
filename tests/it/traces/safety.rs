//! Ways to lose or hide changes that lie between the numbered traces.

use std::sync::Arc;
use std::time::Duration;

use db_to_redshift::engine::Run;
use db_to_redshift::engine::event::Job;
use db_to_redshift::engine::prepare::{OpenMode, PrepareOptions};
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::control::{Holder, Lease, LeaseKind};
use db_to_redshift::model::fault::sync;
use db_to_redshift::model::{SqlType, TableName, Value};
use db_to_redshift::source::CaptureHealth;
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::Target;
use jiff::{Timestamp, ToSpan};

use super::one;
use crate::support::column::column;
use crate::support::memory_source::Inner;
use crate::support::rig::{Rig, done, fault, id, net, row};

/// Net changes are refused by the jobs themselves, not only by `check` (E5).
#[tokio::test(flavor = "multi_thread")]
async fn net_changes_are_refused_where_they_would_lose_values() {
    let rig = Rig::start().await;
    let table = rig.table();
    assert!(fault(rig.engine_with(net).prepare(one(&table), PrepareOptions::default()).await).is(&sync::NET_REFUSED));
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    assert!(fault(rig.engine_with(net).extract(one(&table)).await).is(&sync::NET_REFUSED));
    assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), 0, "nothing was recorded");
}

/// A target that is down does not stop extraction: change history does not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_extracts_while_the_target_is_down() {
    let mut rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    let port = std::mem::replace(&mut rig.settings.redshift.port, 9);
    let reports = rig.engine_with(|settings| settings.load.retries = 0).sync(one(&table)).await;
    let jobs: Vec<_> = reports.iter().map(|report| (report.job, report.outcome.is_ok())).collect();
    assert_eq!(jobs, [(Job::Load, false), (Job::Extract, true)]);
    assert!(fault(reports).is(&sync::LOAD_STUCK));
    rig.settings.redshift.port = port;
    assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), 1);
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// One transaction deletes and makes a key, the next leaves its large value alone, and the row is
/// gone before it is read again: the next batch deletes it, and nothing diverged (E6, E7, L4).
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_left_before_it_was_read_again_diverges_nothing() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    // Past the overlap, where kept values are not read again by themselves.
    rig.source.with(|inner| inner.clock = inner.clock.checked_add(5.hours()).unwrap());
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "old", 1))));
    rig.sync(&table).await;
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.delete(&table, &id(1));
            tran.insert(&table, row(1, "new", 2));
        });
        inner.commit(|tran| tran.update(&table, &id(1), &[(2, Value::Int(3))]));
    });
    let leaving = table.clone();
    rig.source.before("reread", move |inner| {
        inner.commit(|tran| tran.delete(&leaving, &id(1)));
    });
    rig.extract(&table).await;
    rig.sync(&table).await;
    let state = rig.target().state(&table).await.unwrap().unwrap();
    assert_eq!(state.diverged, None);
    rig.assert_equal(&table).await;
}

/// A load under way finds a newer epoch: nothing of the old one is applied any more (L2).
#[tokio::test(flavor = "multi_thread")]
async fn a_running_load_leaves_an_epoch_that_was_replaced() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "old", 1))));
    rig.extract(&table).await;
    let held = rig.redshift.faults().on("SET \"fence\"", 1, Action::Hold);
    let engine = rig.engine();
    let loading = tokio::spawn({
        let (engine, table) = (engine.clone(), table.clone());
        async move { engine.load(one(&table)).await }
    });
    held.hit().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "new", 2))));
    // A snapshot does not wait for loads, but its target tables are looked at under the lock.
    let preparing = tokio::spawn({
        let (engine, table) = (rig.engine(), table.clone());
        async move { engine.prepare(one(&table), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await }
    });
    held.release();
    done(preparing.await.unwrap());
    done(loading.await.unwrap());
    rig.sync(&table).await;
    let state = rig.target().state(&table).await.unwrap().unwrap();
    assert_eq!(state.epoch, 2);
    rig.assert_equal(&table).await;
}

/// `start` keeps what production holds, so a load that runs meanwhile loses its fence, and one that
/// holds the lease keeps `start` out.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_shuts_out_loads_of_the_old_epoch() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    let before = rig.target().state(&table).await.unwrap().unwrap().fence;
    let start = PrepareOptions { mode: OpenMode::Start, new_epoch: true, trusted: true, replace: false };
    done(rig.engine().prepare(one(&table), start).await);
    let after = rig.target().state(&table).await.unwrap().unwrap().fence;
    assert_eq!(after, before + 1);
    // A load at work on another machine holds its lease: it is fresh, so nobody waits to see it die.
    let holder = Holder { host: "elsewhere".into(), machine: None, ..Run::new("load", false).holder };
    let present = rig.s3.store.lease(&table, LeaseKind::Load).await.unwrap().map(|(_, etag)| etag);
    let lease = Lease { holder: Some(holder), beat: 1, at: Timestamp::now(), failed: None };
    rig.s3.store.put_lease(&table, LeaseKind::Load, &lease, present.as_ref()).await.unwrap();
    assert!(fault(rig.engine().prepare(one(&table), start).await).is(&sync::BUSY));
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), Some(2), "no further epoch was opened");
}

/// Rows are staged, then production is dropped: a new epoch is the way out, and it opens.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_production_with_staged_rows_has_a_way_out() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.extract(&table).await;
    let cut = rig.redshift.faults().on("DELETE FROM \"public\"", 1, Action::CutBefore);
    assert!(fault(rig.engine_with(|settings| settings.load.retries = 0).load(one(&table)).await).is(&sync::LOAD_STUCK));
    assert!(cut.was_hit());
    assert!(rig.target().state(&table).await.unwrap().unwrap().staged.is_some());
    rig.query("DROP TABLE public.t").await;
    assert!(fault(rig.engine().load(one(&table)).await).is(&sync::DIVERGED));
    done(rig.engine().prepare(one(&table), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Nothing new is captured and the clock runs on: that is told, and is not "nothing to do" (E2).
#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_stands_still_is_told() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    assert!(!rig.extract(&table).await.capture_down);
    rig.source.with(|inner| inner.clock = inner.clock.checked_add(16.minutes()).unwrap());
    let reports = rig.engine().extract(one(&table)).await;
    let outcome = reports.into_iter().next().unwrap().outcome.unwrap();
    assert!(outcome.capture_down);
    assert_eq!(outcome.as_str(), "capture is down");
    rig.source.with(Inner::idle);
    assert!(!rig.extract(&table).await.capture_down, "it goes on");
}

/// What the server says of its agent and of its scans counts before anything has been silent.
#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_fails_is_told_at_once() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    let healthy = rig.source.with(|inner| inner.health.clone());
    let failing = CaptureHealth { newest_errors: Some(1), last_error: Some((22_859, "out of log".into())), ..healthy.clone() };
    for (health, why) in [
        (CaptureHealth { agent_running: Some(false), ..healthy.clone() }, "Agent is stopped"),
        (failing, "the newest scan of the log failed: 22859, out of log"),
    ] {
        rig.source.with(|inner| inner.health = health);
        assert!(rig.extract(&table).await.capture_down, "{why}");
        let down = rig.engine().fleet(None).await.systems.source.capture.down;
        assert!(down.as_deref().is_some_and(|down| down.contains(why)), "{down:?}");
    }
    rig.source.with(|inner| inner.health = CaptureHealth { agent_running: Some(true), newest_errors: Some(0), ..healthy });
    assert!(!rig.extract(&table).await.capture_down);
}

/// Two jobs with `--wait` over the same tables: each would hold what the other waits for, for ever, did
/// not the one that waits hold nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_lease_holds_none() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    let columns = vec![column("id", 1, SqlType::Int, Some(1))];
    let other = rig.source.table("u", columns);
    done(rig.engine().prepare(one(&other), PrepareOptions::default()).await);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    let lease_of = async |table: &TableName| rig.s3.store.lease(table, LeaseKind::Extract).await.unwrap().unwrap();
    let holder = Holder { host: "elsewhere".into(), machine: None, ..Run::new("extract", false).holder };
    let held = Lease { holder: Some(holder), beat: 1, at: Timestamp::now(), failed: None };
    rig.s3.store.put_lease(&other, LeaseKind::Extract, &held, Some(&lease_of(&other).await.1)).await.unwrap();

    let mut engine = Arc::into_inner(rig.engine()).unwrap();
    engine.run.wait = true;
    let (engine, both) = (Arc::new(engine), [table.clone(), other.clone()]);
    let waiting = tokio::spawn(async move { engine.extract(&both).await });
    let free = async {
        while rig.s3.store.head(&table, 1, 0).await.unwrap() == 0 || lease_of(&table).await.0.holder.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), free).await.expect("the lease of the table that was free comes back");
    assert!(!waiting.is_finished());
    let released = Lease { holder: None, beat: 2, ..held };
    rig.s3.store.put_lease(&other, LeaseKind::Extract, &released, Some(&lease_of(&other).await.1)).await.unwrap();
    let reports = waiting.await.unwrap();
    assert!(reports.len() == 2 && reports.iter().all(|report| report.outcome.is_ok()), "{reports:?}");
}
