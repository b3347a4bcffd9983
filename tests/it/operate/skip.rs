//! Skip: one batch is left out, and everybody can see it (rule L9).

use db_to_redshift::engine::inspect::files::BatchState;
use db_to_redshift::engine::load::plan;
use db_to_redshift::engine::operate::{SkipOrder, Skipped};
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::fault::{operate, rs, sync};
use db_to_redshift::model::{CommitRecord, Fault, PartFile, RecordKind, TableName};
use db_to_redshift::store::{ChangeStore, RecordPut};
use db_to_redshift::target::{Loader, Target};

use super::{ids, log, one, record, recorded, state};
use crate::support::rig::{Rig, fault};
use crate::support::store::BUCKET;

fn order(table: &TableName, batch: u64) -> SkipOrder {
    SkipOrder { table: table.clone(), batch: Some(batch), why: "files lost".into(), confirm: Some(table.to_string()) }
}

async fn skip(rig: &Rig, order: &SkipOrder) -> Result<Option<Skipped>, Fault> {
    rig.engine().skip(order).await
}

async fn lose_parts(rig: &Rig, table: &TableName, seq: u64) {
    let record = rig.s3.store.record(table, 1, seq).await.unwrap().unwrap();
    for part in record.parts {
        rig.s3.lab.remove(BUCKET, &part.key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_loaded_is_left_out_and_the_table_counts_as_diverged() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 3).await;
    lose_parts(&rig, &table, 1).await;
    assert!(fault(rig.engine().load(one(&table)).await).is(&rs::COPY_SOURCE));

    // Without the whole order nothing happens but the telling.
    let look = SkipOrder { batch: None, confirm: None, ..order(&table, 1) };
    let asked = skip(&rig, &look).await.unwrap_err();
    assert!(asked.is(&operate::CONFIRM));
    assert!(asked.facts().contains(&("rows that production will not get".to_owned(), "1".to_owned())), "{asked}");
    assert!(asked.actions().any(|next| next.contains("--batch 1 --confirm 'dbo.t'")));
    for wrong in [None, Some("dbo.T".to_owned()), Some(String::new())] {
        let order = SkipOrder { confirm: wrong, ..order(&table, 1) };
        assert!(skip(&rig, &order).await.unwrap_err().is(&operate::CONFIRM));
    }
    let silent = SkipOrder { why: " ".into(), ..order(&table, 1) };
    assert!(skip(&rig, &silent).await.unwrap_err().is(&operate::CONFIRM));
    assert!(skip(&rig, &order(&table, 2)).await.unwrap_err().is(&operate::OTHER_BATCH));
    let before = state(&rig, &table).await;
    assert_eq!((before.applied_seq, before.diverged), (Some(0), None));

    let skipped = skip(&rig, &order(&table, 1)).await.unwrap().unwrap();
    assert_eq!((skipped.epoch, skipped.batch, skipped.rows), (1, 1, 1));
    let after = state(&rig, &table).await;
    assert_eq!(after.applied_seq, Some(1));
    let why = after.diverged.unwrap().why;
    assert!(why.starts_with("batch 1 of epoch 1 was skipped by ") && why.ends_with(": files lost"), "{why}");
    // The same order again does not reach the next batch.
    assert!(skip(&rig, &order(&table, 1)).await.unwrap_err().is(&operate::OTHER_BATCH));

    rig.load(&table).await;
    assert_eq!(ids(&rig).await, [2, 3]);
    assert_eq!(log(&rig).await, ["snapshot 0-0 0", "skipped 1-1 1", "applied 2-3 2"]);
    // What production stands behind is not all that it holds.
    let files = rig.engine().files(&table, 10, None).await.unwrap();
    let states: Vec<_> = files.batches.iter().map(|batch| batch.state).collect();
    assert_eq!(states, [BatchState::Applied, BatchState::Applied, BatchState::Skipped, BatchState::Applied]);
    let traced = rig.engine().trace(&table, &["1".to_owned()], false).await.unwrap();
    let records: Vec<_> = traced.records.iter().map(|record| (record.seq, record.skipped, record.applied)).collect();
    assert_eq!(records, [(1, true, false)]);
    assert_eq!(skip(&rig, &look).await.unwrap(), None, "nothing waits");
    assert!(skip(&rig, &order(&table, 4)).await.unwrap_err().is(&operate::OTHER_BATCH));

    // A new epoch replaces production: the mark goes.
    let options = db_to_redshift::engine::prepare::PrepareOptions { new_epoch: true, ..Default::default() };
    crate::support::rig::done(rig.engine().prepare(one(&table), options).await);
    rig.load(&table).await;
    assert_eq!(state(&rig, &table).await.diverged, None);
    rig.assert_equal(&table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_range_is_dropped_with_the_skipped_batch_and_staged_again_without_it() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 2).await;
    let target = rig.target();
    let records: Vec<CommitRecord> =
        vec![rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap(), rig.s3.store.record(&table, 1, 2).await.unwrap().unwrap()];
    let identity = rig.engine().identity(&records[0].source);
    let mut stalled = target.loader(&table).await.unwrap();
    let fence = stalled.raise_fence(&identity).await.unwrap().fence;
    let parts: Vec<PartFile> = records.iter().flat_map(|record| record.parts.clone()).collect();
    let key = rig.s3.store.put_manifest(&table, 1, 1, 2, &parts).await.unwrap();
    let range = plan::range(&records, &identity, fence, Some(rig.s3.store.url(&key))).unwrap();
    stalled.stage(&range).await.unwrap();

    skip(&rig, &order(&table, 1)).await.unwrap().unwrap();
    let after = state(&rig, &table).await;
    assert_eq!((after.applied_seq, after.staged), (Some(1), None));
    assert_eq!(target.row_counts(&table).await.unwrap(), (0, 0));
    assert!(stalled.apply(&range).await.unwrap_err().is(&sync::STALE_FENCE), "the stalled loader may not bring it back");
    rig.load(&table).await;
    assert_eq!(ids(&rig).await, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_record_0_nor_a_change_of_columns_is_skipped() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    let look = SkipOrder { batch: None, ..order(&table, 0) };
    assert!(skip(&rig, &look).await.unwrap_err().is(&operate::NOT_SKIPPABLE));
    assert!(skip(&rig, &order(&table, 0)).await.unwrap_err().is(&operate::NOT_SKIPPABLE));
    rig.load(&table).await;
    let opening = rig.s3.store.record(&table, 1, 0).await.unwrap().unwrap();
    let schema = CommitRecord { kind: RecordKind::Schema, seq: 1, parts: Vec::new(), ..opening };
    assert_eq!(rig.s3.store.put_record(&schema).await.unwrap(), RecordPut::Written);
    assert!(skip(&rig, &order(&table, 1)).await.unwrap_err().is(&operate::NOT_SKIPPABLE));
    assert_eq!(state(&rig, &table).await.applied_seq, Some(0));
}

/// L7: the answer to the COMMIT of a skip is lost; it counts once, whichever way it ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_skip_whose_answer_was_lost_counts_once() {
    for action in [Action::CutAfter, Action::CutBefore] {
        let rig = Rig::start().await;
        let table = recorded(&rig, 2).await;
        // The first COMMIT is that of the fence.
        let planted = rig.redshift.faults().on("COMMIT", 2, action);
        skip(&rig, &order(&table, 1)).await.unwrap().unwrap();
        assert!(planted.was_hit());
        assert_eq!(state(&rig, &table).await.applied_seq, Some(1));
        rig.load(&table).await;
        assert_eq!(ids(&rig).await, [2]);
    }
}

/// A skip against loaders that really work at the same time: each batch is loaded or skipped,
/// never both, and a table with a hole in it always says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_skip_that_races_loaders_either_wins_or_changes_nothing() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 0).await;
    let mut lost = Vec::new();
    for batch in 1..=8_u64 {
        record(&rig, &table, [i64::try_from(batch).unwrap()]).await;
        let load = || {
            let (engine, table) = (rig.rival(|_| {}), table.clone());
            tokio::spawn(async move { engine.load(&[table]).await })
        };
        let (engine, order) = (rig.rival(|_| {}), order(&table, batch));
        // In turns the loaders, the skip, or both begin first.
        let before = (batch % 3 == 0).then(load);
        let skip = tokio::spawn(async move { engine.skip(&order).await });
        let after = (batch % 3 != 1).then(load);
        let skipped = skip.await.unwrap();
        for rival in before.into_iter().chain(after) {
            for report in rival.await.unwrap() {
                if let Err(fault) = report.outcome {
                    let moved = [&sync::STALE_FENCE, &sync::LEASE_LOST, &rs::LOCKED];
                    assert!(moved.iter().any(|page| fault.is(page)), "{fault:?}");
                }
            }
        }
        match skipped {
            Ok(skipped) => lost.push(i64::try_from(skipped.unwrap().batch).unwrap()),
            Err(fault) => {
                let late = [&operate::OTHER_BATCH, &sync::STALE_FENCE, &sync::LEASE_LOST, &rs::LOCKED];
                assert!(late.iter().any(|page| fault.is(page)), "{fault:?}");
            }
        }
        rig.load(&table).await;
    }
    eprintln!("skipped: {lost:?}");
    assert!(lost.contains(&1) && lost.contains(&4), "a skip without a rival goes through");
    let expected: Vec<i64> = (1..=8).filter(|id| !lost.contains(id)).collect();
    assert_eq!(ids(&rig).await, expected);
    let state = state(&rig, &table).await;
    assert_eq!((state.applied_seq, state.diverged.is_some()), (Some(8), !lost.is_empty()));
}
