//! Traces of workers that wake up late, and of clean-up beside a snapshot.

use db_to_redshift::config::CleanUpPolicy;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::model::fault::s3::WRITE_UNKNOWN;
use db_to_redshift::model::fault::sync;
use db_to_redshift::model::record::{Layout, RowCounts};
use db_to_redshift::model::{CommitRecord, Lsn, RecordKind, TableName};
use db_to_redshift::store::{ChangeStore, RecordPut};
use db_to_redshift::target::Target;

use super::one;
use crate::support::rig::{Rig, TestEngine, done, fault, row};
use crate::support::store::BUCKET;

const NEW_EPOCH: PrepareOptions =
    PrepareOptions { mode: db_to_redshift::engine::prepare::OpenMode::Snapshot, new_epoch: true, trusted: false, replace: false };

fn key(seq: u64) -> String {
    format!("cdc/v1/shop/records/dbo.t/e0001/{seq:012}.json")
}

fn min(rig: &Rig, table: &TableName) -> Lsn {
    rig.source.with(|inner| inner.get(table).min)
}

/// An engine that everybody may take over, with a policy.
fn rival(rig: &Rig, policy: CleanUpPolicy) -> TestEngine {
    rig.rival(|settings| settings.source.cleanup = policy)
}

/// Trace 2: an extractor stalls with its PUT under way. Others go on; the record in its place is
/// loaded and deleted, more than a thousand records and a month later. Then the PUT lands. The
/// head stays where it is, and nothing is carried twice (R4, C1).
#[tokio::test(flavor = "multi_thread")]
async fn trace_02_an_old_seq_that_lands_after_its_deletion_changes_nothing() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    let held = rig.s3.lab.faults().add(Rule::new(Effect::Hold).operation("PutObject").key("/records/"));
    let waiting = tokio::spawn({
        let (engine, table) = (rival(&rig, CleanUpPolicy::AfterExtract), table.clone());
        async move { engine.extract(one(&table)).await }
    });
    held.wait_hits(1).await;

    // Another one writes record 1; then quiet weeks: 1,100 empty records, all of them old.
    done(rival(&rig, CleanUpPolicy::Never).extract(one(&table)).await);
    let mut record: CommitRecord = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap();
    record.created_at = "2026-01-01T00:00:00Z".parse().unwrap();
    let put = |record: &CommitRecord| rig.s3.lab.overwrite(BUCKET, &key(record.seq), serde_json::to_vec(record).unwrap().into());
    put(&record);
    rig.load(&table).await;
    (record.parts, record.counts) = (Vec::new(), db_to_redshift::model::record::RowCounts::default());
    for seq in 2..=1_101 {
        record.seq = seq;
        record.lsn_from = Some(record.lsn_to.next());
        record.lsn_to = record.lsn_to.next();
        put(&record);
    }
    let last = record.lsn_to;
    rig.source.with(|inner| {
        inner.next = u32::from_be_bytes(last.as_bytes()[6..].try_into().unwrap()) + 10;
        inner.idle();
    });
    rig.load(&table).await;
    assert_eq!(rig.s3.store.seqs_after(&table, 1, None).await.unwrap()[..2], [0, 102], "old records are gone, never record 0");

    held.release();
    let _ = waiting.await.unwrap();
    assert_eq!(rig.s3.store.seqs_after(&table, 1, None).await.unwrap()[..2], [0, 1], "the stale record stands there");
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
    let state = rig.target().state(&table).await.unwrap().unwrap();
    assert_eq!((state.epoch, state.applied_seq), (1, Some(1_102)));
    let doubles = "SELECT seq_from FROM d2r_control.batch_log \
                   WHERE event IN ('applied', 'snapshot', 'start', 'schema') AND seq_from > 0 GROUP BY seq_from HAVING COUNT(*) > 1";
    assert!(rig.query(doubles).await.is_empty());
}

/// Trace 12: clean-up after extract while a long snapshot runs (C2).
#[tokio::test(flavor = "multi_thread")]
async fn trace_12_clean_up_leaves_the_history_of_a_running_snapshot_alone() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    let scan = rig.source.hold("scan");
    let snapshot = tokio::spawn({
        let (engine, table) = (rival(&rig, CleanUpPolicy::Never), table.clone());
        async move { engine.prepare(one(&table), NEW_EPOCH).await }
    });
    scan.reached().await;
    let before = min(&rig, &table);
    for n in 0..3 {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(n, "during", n))));
        done(rival(&rig, CleanUpPolicy::AfterExtract).extract(one(&table)).await);
        done(rival(&rig, CleanUpPolicy::AfterLoad).load(one(&table)).await);
    }
    assert_eq!(min(&rig, &table), before, "clean-up ran beneath a snapshot");
    scan.open();
    done(snapshot.await.unwrap());
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
    // With the snapshot done the same policy does clean up.
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(9, "after", 9))));
    done(rival(&rig, CleanUpPolicy::AfterExtract).extract(one(&table)).await);
    assert!(min(&rig, &table) > before);
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Trace 13: the PUT of a record gets no answer, the job is killed, the PUT lands later (R3):
/// before or after the next job has put its own.
#[tokio::test(flavor = "multi_thread")]
async fn trace_13_a_record_that_lands_after_its_job_has_died_counts_once() {
    for late in [false, true] {
        let rig = Rig::start().await;
        let table = rig.prepared().await;
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
        let held = rig.s3.lab.faults().add(Rule::new(Effect::Hold).operation("PutObject").key("/records/"));
        let killed = tokio::spawn({
            let (engine, table) = (rival(&rig, CleanUpPolicy::Never), table.clone());
            async move { engine.extract(one(&table)).await }
        });
        held.wait_hits(1).await;
        killed.abort();
        assert!(killed.await.unwrap_err().is_cancelled());
        if late {
            rig.extract(&table).await;
        }
        held.release();
        rig.s3.lab.requests().wait_for("PutObject", &key(1), 1 + usize::from(late)).await;
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
        rig.sync(&table).await;
        rig.assert_equal(&table).await;
        assert!(rig.s3.store.attempts(&table, 1).await.unwrap().is_empty(), "no orphan stays");
    }
}

/// Trace 13, where the job gives up by itself: what it has put may stand there, so its parts stay.
#[tokio::test(flavor = "multi_thread")]
async fn trace_13_the_parts_of_a_record_of_unknown_fate_stay() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    let faults = rig.s3.lab.faults();
    faults.add(Rule::new(Effect::LoseReply).operation("PutObject").key("/records/"));
    faults.add(Rule::new(Effect::AccessDenied).operation("PutObject").key("/records/"));
    assert!(fault(rig.engine().extract(one(&table)).await).is(&WRITE_UNKNOWN));
    rig.sync(&table).await;
    assert_eq!(rig.s3.store.seqs_after(&table, 1, None).await.unwrap(), [0, 1]);
    rig.assert_equal(&table).await;
}

/// Trace 24: clean-up has read epoch and control, a whole snapshot comes between, then clean-up
/// acts (C1, C2): at the point where it looks again, and after it has looked.
#[tokio::test(flavor = "multi_thread")]
async fn trace_24_clean_up_that_acts_after_a_snapshot_takes_nothing_that_the_new_epoch_needs() {
    for (at, cleans) in [("clean_up_mark", false), ("clean_up", true)] {
        let rig = Rig::start().await;
        let table = rig.prepared().await;
        rig.load(&table).await;
        let before = min(&rig, &table);
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
        let gate = rig.source.hold(at);
        let cleaner = tokio::spawn({
            let (engine, table) = (rival(&rig, CleanUpPolicy::AfterExtract), table.clone());
            async move { engine.extract(one(&table)).await }
        });
        gate.reached().await;
        let scan = rig.source.hold("scan");
        let snapshot = tokio::spawn({
            let (engine, table) = (rival(&rig, CleanUpPolicy::Never), table.clone());
            async move { engine.prepare(one(&table), NEW_EPOCH).await }
        });
        scan.reached().await;
        // Committed during the scan: the first change of the new epoch.
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
        scan.open();
        done(snapshot.await.unwrap());
        gate.open();
        done(cleaner.await.unwrap());
        let opened = rig.s3.store.record(&table, 2, 0).await.unwrap().unwrap().lsn_to;
        assert_eq!(min(&rig, &table) > before, cleans, "{at}");
        assert!(min(&rig, &table) <= opened.next(), "{at}: changes of the new epoch were cleaned up");
        rig.sync(&table).await;
        rig.assert_equal(&table).await;
    }
}

/// Trace 24 with clean-up after load: production is still of the old epoch when it acts (C2).
#[tokio::test(flavor = "multi_thread")]
async fn trace_24_clean_up_after_the_load_of_an_ended_epoch_does_nothing() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.extract(&table).await;
    let before = min(&rig, &table);
    let gate = rig.source.hold("clean_up_mark");
    let loader = tokio::spawn({
        let (engine, table) = (rival(&rig, CleanUpPolicy::AfterLoad), table.clone());
        async move { engine.load(one(&table)).await }
    });
    gate.reached().await;
    done(rig.engine().prepare(one(&table), NEW_EPOCH).await);
    // The loader goes on with the new epoch, and cleans up for that one.
    let next = rig.source.hold("clean_up_mark");
    gate.open();
    next.reached().await;
    assert_eq!(min(&rig, &table), before);
    next.open();
    done(loader.await.unwrap());
    let opened = rig.s3.store.record(&table, 2, 0).await.unwrap().unwrap().lsn_to;
    assert!(min(&rig, &table) <= opened.next());
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Trace 31: the first records are deleted, half-way too, and the next extractor knows of no later
/// one (R4).
#[tokio::test(flavor = "multi_thread")]
async fn trace_31_the_head_is_found_although_the_first_records_are_gone() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    for n in 1..=4 {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(n, "x", n))));
        rig.sync(&table).await;
    }
    for gone in [&[1][..], &[2, 3]] {
        rig.s3.store.delete_records(&table, 1, gone).await.unwrap();
        let head = *rig.s3.store.seqs_after(&table, 1, None).await.unwrap().last().unwrap();
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(10 + i64::try_from(head).unwrap(), "y", 0))));
        assert_eq!(rig.sync(&table).await.batches, 2, "one batch is extracted and loaded");
        assert!(rig.s3.store.record(&table, 1, head + 1).await.unwrap().is_some());
        rig.assert_equal(&table).await;
    }
}

/// The record that won the race does not go on where ours would have: it is of another chain, and
/// nothing may be built on it (L2).
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_does_not_fit_stops_the_one_that_lost() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    let held = rig.s3.lab.faults().add(Rule::new(Effect::Hold).operation("PutObject").key("/records/"));
    let extracting = tokio::spawn({
        let (engine, table) = (rig.engine(), table.clone());
        async move { engine.extract(one(&table)).await }
    });
    held.wait_hits(1).await;
    let opening = rig.s3.store.record(&table, 1, 0).await.unwrap().unwrap();
    let (stray, opening) = (opening.clone(), opening.attempt);
    let stray = CommitRecord {
        kind: RecordKind::Changes,
        seq: 1,
        lsn_from: Some(stray.lsn_to.next().next()),
        lsn_to: stray.lsn_to.next().next(),
        layout: Layout::Changes,
        parts: Vec::new(),
        counts: RowCounts::default(),
        attempt: uuid::Uuid::new_v4(),
        ..stray
    };
    assert!(matches!(rig.s3.store.put_record(&stray).await.unwrap(), RecordPut::Written));
    held.release();
    let fault = fault(extracting.await.unwrap());
    assert!(fault.is(&sync::BROKEN_CHAIN) && fault.facts().iter().any(|(name, _)| name == "expected lsn_from"), "{fault}");
    let left = rig.s3.store.attempts(&table, 1).await.unwrap();
    let known = |attempt: uuid::Uuid| attempt == stray.attempt || attempt == opening;
    assert!(left.iter().all(|files| known(files.attempt.id)), "its parts went with it: {left:?}");
}

/// Trace 32: a snapshot dies before its record 0 (6): the stream goes on, nobody cleans up while
/// its intent stands, and the next snapshot replaces it.
#[tokio::test(flavor = "multi_thread")]
async fn trace_32_a_snapshot_that_dies_before_record_0_opens_nothing() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.sync(&table).await;
    let held = rig.s3.lab.faults().add(Rule::new(Effect::Hold).operation("PutObject").key("/records/"));
    let died = tokio::spawn({
        let (engine, table) = (rival(&rig, CleanUpPolicy::Never), table.clone());
        // Its parts are there, its record 0 is not.
        async move { engine.prepare(one(&table), NEW_EPOCH).await }
    });
    held.wait_hits(1).await;
    died.abort();
    assert!(died.await.unwrap_err().is_cancelled());
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), Some(1));
    assert!(!rig.s3.store.attempts(&table, 2).await.unwrap().is_empty());

    let before = min(&rig, &table);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
    done(rival(&rig, CleanUpPolicy::AfterExtract).sync(one(&table)).await);
    rig.assert_equal(&table).await;
    assert_eq!(min(&rig, &table), before, "the intent still stands");

    done(rig.engine().prepare(one(&table), NEW_EPOCH).await);
    // The record of the dead one lands at last, behind the record that opened the epoch.
    held.release();
    rig.s3.lab.requests().wait_for("PutObject", "/e0002/000000000000.json", 2).await;
    let (control, _) = rig.s3.store.control(&table).await.unwrap().unwrap();
    assert!(control.intent.is_none());
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(3, "c", 3))));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), Some(2));
    assert!(rig.s3.store.attempts(&table, 2).await.unwrap().is_empty(), "the parts of the dead snapshot are swept");
}
