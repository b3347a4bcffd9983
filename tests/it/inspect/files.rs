use std::time::Duration;

use db_to_redshift::engine::inspect::files::{BatchState, LooseState};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::engine::status::TargetSaid;
use db_to_redshift::model::control::{Lease, LeaseKind};
use db_to_redshift::model::fault::sync;
use db_to_redshift::model::{Fault, Lsn, RecordKind};
use db_to_redshift::store::{Attempt, ChangeStore, PartUpload, Written};
use uuid::Uuid;

use super::{loaded, row};
use crate::support::rig::{Rig, done, id};

#[tokio::test(flavor = "multi_thread")]
async fn the_batches_are_told_newest_first_with_their_files() {
    let mut rig = Rig::start().await;
    rig.settings.store.keep = Duration::from_hours(1);
    let table = loaded(&rig, &["a", "b"]).await;
    rig.source.with(|inner| {
        inner.commit(|tran| tran.insert(&table, row(7, "seven")));
        inner.commit(|tran| tran.delete(&table, &id(1)));
    });
    rig.sync(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(8, "eight"))));
    rig.extract(&table).await;
    let told = rig.engine().files(&table, 10, None).await.unwrap();
    assert_eq!((told.epoch, told.head, told.applied_seq, told.more), (1, 2, Some(1), false));
    let seqs: Vec<_> = told.batches.iter().map(|batch| (batch.seq, batch.state, batch.kind)).collect();
    let changes = RecordKind::Changes;
    assert_eq!(
        seqs,
        [(2, BatchState::Pending, changes), (1, BatchState::Applied, changes), (0, BatchState::Applied, RecordKind::Snapshot)]
    );
    let one = &told.batches[1];
    assert_eq!((one.rows, one.upserts, one.deletes), (2, 1, 1));
    assert!(one.lsn_from.unwrap() <= one.lsn_to && one.committed.is_some());
    assert!(told.batches[2].lsn_from.is_none());
    let file = &one.files[0];
    assert!(file.url == format!("s3://{}/{}", rig.settings.s3.bucket, file.key) && file.present && file.bytes > 0);
    assert_eq!((file.number, file.rows), (1, 2));
    assert!(told.loose.is_empty() && told.extracting.is_none() && told.target_fault.is_none());

    // Bounded, and told so.
    let newest = rig.engine().files(&table, 1, None).await.unwrap();
    assert_eq!((newest.batches.len(), newest.batches[0].seq, newest.more), (1, 2, true));

    // Files go after their load where nothing is kept; the records stay.
    let gone = rig.engine_with(|settings| settings.store.keep = Duration::ZERO);
    done(gone.load(std::slice::from_ref(&table)).await);
    let told = gone.files(&table, 10, None).await.unwrap();
    assert!(told.batches.iter().all(|batch| batch.state == BatchState::Applied && batch.files.iter().all(|file| !file.present)));

    // The target is away: everything else is told.
    let away = TargetSaid { at: jiff::Timestamp::now(), answer: Err(Fault::new(&sync::CANCELLED, "away")) };
    let told = gone.files(&table, 10, Some(&away)).await.unwrap();
    assert_eq!(told.target_fault.as_ref().unwrap().what, "away");
    assert!(told.batches.len() == 3 && told.batches.iter().all(|batch| batch.state == BatchState::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_record_are_told_apart() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    let store = &rig.s3.store;
    for seq in [0, 1] {
        let attempt = Attempt { table: table.clone(), epoch: 1, seq, lsn_to: Lsn::MAX, id: Uuid::new_v4() };
        let mut upload = store.part(&attempt, 1).await.unwrap();
        upload.write(bytes::Bytes::from_static(b"half")).await.unwrap();
        upload.finish(1).await.unwrap();
    }
    let engine = rig.engine();
    let told = engine.files(&table, 10, None).await.unwrap();
    let loose: Vec<_> = told.loose.iter().map(|files| (files.seq, files.state, files.bytes, files.urls.len())).collect();
    assert_eq!(loose, [(1, LooseState::LeftBehind, 4, 1), (0, LooseState::LeftBehind, 4, 1)]);
    let (lease, etag) = store.lease(&table, LeaseKind::Extract).await.unwrap().unwrap_or_else(|| panic!("prepare took it"));
    let held = Lease { holder: Some(engine.run.holder.clone()), beat: lease.beat + 1, at: lease.at, failed: None };
    assert!(matches!(store.put_lease(&table, LeaseKind::Extract, &held, Some(&etag)).await.unwrap(), Written::Done(_)));
    let told = engine.files(&table, 10, None).await.unwrap();
    assert_eq!(told.loose.iter().map(|files| files.state).collect::<Vec<_>>(), [LooseState::Writing, LooseState::LeftBehind]);
    assert_eq!(told.extracting.unwrap().pid, std::process::id());
}

/// A snapshot that waits, and a table that was never prepared.
#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_load_all_is_pending() {
    let rig = Rig::start().await;
    let table = rig.table();
    let fault = rig.engine().files(&table, 10, None).await.unwrap_err();
    assert!(fault.is(&sync::NOT_PREPARED), "{fault}");
    done(rig.engine().prepare(std::slice::from_ref(&table), PrepareOptions::default()).await);
    let engine = rig.engine();
    let told = engine.files(&table, 10, None).await.unwrap();
    assert_eq!((told.applied_seq, told.batches.len(), told.batches[0].state), (None, 1, BatchState::Pending));
}
