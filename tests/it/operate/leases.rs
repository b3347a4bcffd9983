//! Leases: seen, released, taken over.

use std::sync::Arc;

use db_to_redshift::engine::operate::TakeOver;
use db_to_redshift::engine::{Run, lease};
use db_to_redshift::model::control::{Holder, Lease, LeaseKind};
use db_to_redshift::model::fault::{operate, sync};
use db_to_redshift::store::{ChangeStore, Written};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{one, outcome, recorded};
use crate::support::rig::{Rig, fault};

const TAKE_OVER: TakeOver = TakeOver { confirm: true, force: None };

/// Above the largest pid of Linux.
const NOBODY: u32 = 1 << 23;

async fn put(rig: &Rig, table: &db_to_redshift::model::TableName, kind: LeaseKind, holder: Holder, beat: u64) {
    let present = rig.s3.store.lease(table, kind).await.unwrap();
    let lease = Lease { holder: Some(holder), beat, at: Timestamp::now(), failed: None };
    let written = rig.s3.store.put_lease(table, kind, &lease, present.as_ref().map(|(_, etag)| etag)).await.unwrap();
    assert!(matches!(written, Written::Done(_)));
}

/// A job on another machine.
fn stranger() -> Holder {
    Holder { host: "elsewhere".into(), user: "airflow".into(), machine: None, ..Run::new("load", false).holder }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_busy_is_seen_and_only_ones_own_lease_is_released() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 0).await;
    let engine = rig.engine();
    assert_eq!(outcome(engine.leases(one(&table)).await).unwrap(), []);
    put(&rig, &table, LeaseKind::Load, stranger(), 7).await;
    let lines = outcome(engine.leases(one(&table)).await).unwrap();
    assert_eq!((lines.len(), lines[0].kind, lines[0].holder.host.as_str()), (1, LeaseKind::Load, "elsewhere"));
    assert!(!lines[0].holder_has_ended);
    let refused = outcome(engine.release_leases(one(&table)).await).unwrap_err();
    assert!(refused.is(&operate::NOT_OURS) && refused.facts().contains(&("user".to_owned(), "airflow".to_owned())), "{refused}");

    // Our own, of a process that has ended; and that of somebody else here.
    let ended = Holder { pid: NOBODY, ..Run::new("load", false).holder };
    put(&rig, &table, LeaseKind::Load, Holder { user: "somebody else".into(), ..ended.clone() }, 1).await;
    assert!(outcome(engine.release_leases(one(&table)).await).unwrap_err().is(&operate::NOT_OURS));
    put(&rig, &table, LeaseKind::Load, ended, 1).await;
    let freed = outcome(engine.release_leases(one(&table)).await).unwrap();
    assert!(freed.leases.len() == 1 && freed.leases[0].holder_has_ended);
    assert_eq!(rig.s3.store.lease(&table, LeaseKind::Load).await.unwrap().unwrap().0.holder, None);
    assert_eq!(outcome(engine.release_leases(one(&table)).await).unwrap().leases, []);
}

/// The time stamp is the holder's: one whose clock is minutes off is alive all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_with_another_clock_is_busy_once_it_is_seen_to_renew() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 0).await;
    let renew = async |beat| {
        let present = rig.s3.store.lease(&table, LeaseKind::Load).await.unwrap();
        let at = Timestamp::now() + jiff::SignedDuration::from_mins(5);
        let lease = Lease { holder: Some(stranger()), beat, at, failed: None };
        rig.s3.store.put_lease(&table, LeaseKind::Load, &lease, present.as_ref().map(|(_, etag)| etag)).await.unwrap();
    };
    renew(1).await;
    rig.s3.lab.requests().clear();
    let (engine, loaded) = (rig.engine(), table.clone());
    let loading = tokio::spawn(async move { engine.load(one(&loaded)).await });
    rig.s3.lab.requests().wait_for("GetObject", "load.json", 1).await;
    renew(2).await;
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), loading).await.expect("it waits for a live holder");
    assert!(fault(ended.unwrap()).is(&sync::BUSY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_renewed_is_not_taken_over() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 0).await;
    let (engine, watched) = (rig.engine(), table.clone());
    let holder = stranger();
    put(&rig, &table, LeaseKind::Extract, holder.clone(), 1).await;
    assert!(outcome(engine.take_over(one(&table), &TakeOver::default()).await).unwrap_err().is(&operate::CONFIRM));
    rig.s3.lab.requests().clear();
    let watching = tokio::spawn(async move { outcome(engine.take_over(one(&watched), &TAKE_OVER).await) });
    // Once it was looked at, its holder renews it. (The first look only lists.)
    rig.s3.lab.requests().wait_for("GetObject", "extract.json", 2).await;
    put(&rig, &table, LeaseKind::Extract, holder.clone(), 2).await;
    let refused = watching.await.unwrap().unwrap_err();
    assert!(refused.is(&sync::BUSY), "{refused}");
    assert!(refused.actions().any(|next| next.contains("--force 'dbo.t'")));
    assert_eq!(rig.s3.store.lease(&table, LeaseKind::Extract).await.unwrap().unwrap().0.holder, Some(holder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_of_a_process_that_has_ended_is_free_at_once() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let ended = Holder { pid: NOBODY, user: "somebody else".into(), ..Run::new("load", false).holder };
    put(&rig, &table, LeaseKind::Extract, ended.clone(), 1).await;
    put(&rig, &table, LeaseKind::Load, ended, 1).await;
    assert_eq!(outcome(rig.engine().take_over(one(&table), &TAKE_OVER).await).unwrap().leases.len(), 2);
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn force_takes_a_lease_from_a_job_at_work_only_with_the_name_typed() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 0).await;
    let (store, holder) = (Arc::new(rig.s3.store.clone()), stranger());
    let held = lease::take(&store, &table, LeaseKind::Load, &holder, false, &CancellationToken::new()).await.unwrap();
    let engine = rig.engine();
    for wrong in ["dbo.T", "", "t"] {
        // Not even with --confirm beside it.
        let order = TakeOver { confirm: true, force: Some(wrong.into()) };
        assert!(outcome(engine.take_over(one(&table), &order).await).unwrap_err().is(&operate::CONFIRM));
    }
    let order = TakeOver { confirm: false, force: Some("dbo.t".into()) };
    assert_eq!(outcome(engine.take_over(one(&table), &order).await).unwrap().leases[0].holder, holder);
    // The job that lost it notices when it renews or releases, and stops.
    let taken = rig.s3.store.lease(&table, LeaseKind::Load).await.unwrap().unwrap();
    held.release().await;
    assert_eq!(rig.s3.store.lease(&table, LeaseKind::Load).await.unwrap().unwrap(), taken, "the loser writes no more");
    rig.load(&table).await;
}
