//! What listings tell of all tables, and what they cost.

use bytes::Bytes;
use db_to_redshift::model::control::{Control, Holder, Intent, Lease, LeaseKind, Paused};
use db_to_redshift::model::{CommitRecord, Epoch, Lsn, Seq, TableName};
use db_to_redshift::store::{AppliedSeqs, Attempt, ChangeStore, Files, PartUpload, StoredTable, Written};
use jiff::Timestamp;
use uuid::Uuid;

use crate::support::memory_source::lsn;
use crate::support::store::{S3Lab, record, s3_lab};

fn of(name: &str) -> TableName {
    TableName::new("dbo", name)
}

fn lsn_of(seq: Seq) -> Lsn {
    lsn(u32::try_from(seq).unwrap() + 100)
}

/// An attempt with so many files of ten bytes, and its record if asked for.
async fn batch(at: &S3Lab, name: &str, epoch: Epoch, seq: Seq, files: u32, recorded: bool) {
    let mut record = CommitRecord { table: of(name), epoch, lsn_to: lsn_of(seq), ..record(seq) };
    let attempt = Attempt { table: of(name), epoch, seq, lsn_to: lsn_of(seq), id: record.attempt };
    for number in 1..=files {
        let mut upload = at.store.part(&attempt, number).await.unwrap();
        upload.write(Bytes::from_static(b"0123456789")).await.unwrap();
        record.parts.push(upload.finish(1).await.unwrap());
    }
    if recorded {
        at.store.put_record(&record).await.unwrap();
    }
}

fn applied(list: &[(&str, Epoch, Seq)]) -> AppliedSeqs {
    list.iter().map(|(name, epoch, seq)| (of(name), (*epoch, *seq))).collect()
}

fn count(files: Files) -> (u64, u64) {
    (files.count, files.bytes)
}

#[tokio::test]
async fn records_and_attempts_are_told_apart_without_reading_any() {
    let at = s3_lab().await;
    for name in ["current", "pending", "empty", "reopened", "fresh"] {
        batch(&at, name, 1, 0, 0, true).await;
    }
    batch(&at, "pending", 1, 1, 1, true).await;
    batch(&at, "pending", 1, 2, 2, true).await;
    batch(&at, "pending", 1, 3, 1, true).await;
    batch(&at, "pending", 1, 4, 3, false).await;
    batch(&at, "empty", 1, 1, 0, true).await;
    // A snapshot of a new epoch is under way on one table, and done on another.
    batch(&at, "current", 2, 0, 4, false).await;
    batch(&at, "reopened", 2, 0, 5, true).await;
    // A first snapshot.
    batch(&at, "first", 1, 0, 1, false).await;
    at.lab.requests().clear();
    let applied = applied(&[("current", 1, 0), ("pending", 1, 1), ("empty", 1, 0), ("reopened", 1, 0)]);
    let fleet = at.store.fleet(&applied).await.unwrap();
    let seen = |name: &str| {
        let table: &StoredTable = &fleet[&of(name)];
        (table.epoch, table.head, table.head_lsn, table.pending, count(table.waiting), count(table.writing))
    };
    assert_eq!(seen("current"), (Some(1), Some(0), None, 0, (0, 0), (4, 40)));
    assert_eq!(seen("pending"), (Some(1), Some(3), Some(lsn_of(3)), 2, (3, 30), (3, 30)));
    assert_eq!(seen("empty"), (Some(1), Some(1), Some(lsn_of(1)), 1, (0, 0), (0, 0)));
    assert_eq!(seen("reopened"), (Some(2), Some(0), Some(lsn_of(0)), 1, (5, 50), (0, 0)));
    // Never loaded: all of the epoch waits.
    assert_eq!(seen("fresh"), (Some(1), Some(0), Some(lsn_of(0)), 1, (0, 0), (0, 0)));
    assert_eq!(seen("first"), (None, None, None, 0, (0, 0), (1, 10)));
    assert!(fleet[&of("empty")].waiting.since.is_some(), "a marker has a time too");
    let all = at.lab.requests().all();
    assert!(all.iter().all(|request| request.operation == "ListObjectsV2"), "{all:?}");
}

#[tokio::test]
async fn files_that_production_holds_are_stepped_over() {
    let at = s3_lab().await;
    for name in ["a", "b", "c"] {
        batch(&at, name, 1, 0, 0, true).await;
        batch(&at, name, 1, 1, 1, true).await;
        let attempt = Attempt { table: of(name), epoch: 1, seq: 2, lsn_to: lsn_of(2), id: Uuid::new_v4() };
        let folder = at.store.part(&attempt, 1).await.unwrap().finish(0).await.unwrap().key;
        for number in 2..=3_500 {
            at.lab.overwrite(crate::support::store::BUCKET, &folder.replace("part-00001", &format!("part-{number:05}")), Bytes::new());
        }
        batch(&at, name, 1, 3, 1, true).await;
    }
    at.lab.requests().clear();
    let fleet = at.store.fleet(&applied(&[("a", 1, 2), ("b", 1, 2), ("c", 1, 2)])).await.unwrap();
    assert!(fleet.values().all(|table| table.pending == 1 && table.head == Some(3) && table.waiting.count == 1), "{fleet:?}");
    // One page for each table's kept files, one for what follows the last.
    let pages = at.lab.requests().count("ListObjectsV2", "/data/");
    assert!(pages <= 4, "{pages} pages for 10,500 files");
}

#[tokio::test]
async fn control_and_leases_show_by_their_length_and_never_come_back_with_an_old_etag() {
    let at = s3_lab().await;
    let table = of("t");
    let paused = Some(Paused { by: "ops".into(), why: "trouble".into(), since: Timestamp::now() });
    let intent = Some(Intent { run: Uuid::new_v4(), epoch: 2, order: None, min_lsn: None, l0: None, since: Timestamp::now() });
    let mut etags: Vec<db_to_redshift::store::ETag> = Vec::new();
    for (paused, intent) in [(None, None), (paused.clone(), None), (None, intent.clone()), (paused, intent), (None, None)] {
        let value = Control { paused, intent };
        let Written::Done(etag) = at.store.put_control(&table, &value, etags.last()).await.unwrap() else { panic!("nobody else writes") };
        assert!(!etags.contains(&etag), "an ETag came back");
        let (read, now) = at.store.control(&table).await.unwrap().unwrap();
        assert_eq!((&read, &now), (&value, &etag));
        etags.push(etag);
        let fleet = at.store.fleet(&AppliedSeqs::new()).await.unwrap();
        assert_eq!((fleet[&table].paused, fleet[&table].intent), (value.paused.is_some(), value.intent.is_some()));
    }
    let holder = Holder { run: Uuid::new_v4(), host: "h".into(), user: "u".into(), pid: 1, machine: None, since: Timestamp::now() };
    let mut last = None;
    for holder in [Some(holder), None] {
        let lease = Lease { holder, beat: 1, at: Timestamp::now(), failed: None };
        let Written::Done(etag) = at.store.put_lease(&table, LeaseKind::Load, &lease, last.as_ref()).await.unwrap() else {
            panic!("nobody else writes")
        };
        last = Some(etag);
        let fleet = at.store.fleet(&AppliedSeqs::new()).await.unwrap();
        assert_eq!((fleet[&table].loading.is_some(), fleet[&table].extracting), (lease.holder.is_some(), None));
    }
}
