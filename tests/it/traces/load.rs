//! Traces around staging, fence, epochs and lost answers.

use std::sync::Arc;

use db_to_redshift::engine::load::plan;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::model::fault::{rs, sync};
use db_to_redshift::model::{CommitRecord, PartFile, SqlType, TableName, Value};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::{ApplyOutcome, LoadRange, Loader, NewColumns, Target};

use super::one;
use crate::support::column::column;
use crate::support::recorder::Recorder;
use crate::support::rig::{Rig, done, fault, id, net, row};

/// The range of one recorded batch, for a loader with this fence.
async fn range(rig: &Rig, table: &TableName, seq: u64, fence: i64) -> LoadRange {
    let record: CommitRecord = rig.s3.store.record(table, 1, seq).await.unwrap().unwrap();
    let parts: Vec<PartFile> = record.parts.clone();
    let key = rig.s3.store.put_manifest(table, 1, seq, seq, &parts).await.unwrap();
    let identity = rig.engine().identity(&record.source);
    plan::range(&[record], &identity, fence, Some(rig.s3.store.url(&key))).unwrap()
}

/// Trace 1: L1 commits apply and stalls; L2 takes over and stages; L1 wakes and truncates (L6).
#[tokio::test(flavor = "multi_thread")]
async fn trace_01_a_stalled_loader_cannot_truncate_what_another_staged() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "one", 1))));
    rig.extract(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "two", 2))));
    rig.extract(&table).await;
    let target = rig.target();
    let identity = range(&rig, &table, 1, 0).await.identity;
    let mut first = target.loader(&table).await.unwrap();
    let fence = first.raise_fence(&identity).await.unwrap().fence;
    let batch = range(&rig, &table, 1, fence).await;
    first.stage(&batch).await.unwrap();
    assert!(matches!(first.apply(&batch).await.unwrap(), ApplyOutcome::Applied(_)));
    let mut second = target.loader(&table).await.unwrap();
    let newer = second.raise_fence(&identity).await.unwrap().fence;
    assert!(newer > fence);
    let next = range(&rig, &table, 2, newer).await;
    second.stage(&next).await.unwrap();
    let woken = first.truncate_staging(fence).await;
    assert!(!matches!(woken, Ok(true)), "the stalled loader truncated");
    assert!(matches!(second.apply(&next).await.unwrap(), ApplyOutcome::Applied(_)));
    rig.assert_equal(&table).await;
    assert!(first.stage(&batch).await.unwrap_err().is(&sync::STALE_FENCE));
}

/// Trace 3: a new snapshot while an older epoch stands in staging (L1, L2, L5).
#[tokio::test(flavor = "multi_thread")]
async fn trace_03_a_new_snapshot_drops_what_an_older_epoch_staged() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "old", 1))));
    rig.extract(&table).await;
    let target = rig.target();
    let mut stalled = target.loader(&table).await.unwrap();
    let identity = range(&rig, &table, 1, 0).await.identity;
    let fence = stalled.raise_fence(&identity).await.unwrap().fence;
    let batch = range(&rig, &table, 1, fence).await;
    stalled.stage(&batch).await.unwrap();
    rig.source.with(|inner| {
        inner.commit(|tran| tran.delete(&table, &id(1)));
        inner.commit(|tran| tran.insert(&table, row(2, "new", 2)));
    });
    done(rig.engine().prepare(one(&table), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    rig.load(&table).await;
    let state = target.state(&table).await.unwrap().unwrap();
    assert_eq!((state.epoch, state.applied_seq, state.staged), (2, Some(0), None));
    assert!(stalled.apply(&batch).await.is_err(), "a batch of the old epoch was applied");
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Trace 4: a row with a large value is inserted and then updated without it, in one batch
/// (E5, E7, L4), past the overlap, where nothing is read again.
#[tokio::test(flavor = "multi_thread")]
async fn trace_04_an_untouched_large_value_comes_from_the_same_batch_or_from_production() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.clock = inner.clock.checked_add(jiff::ToSpan::hours(5)).unwrap());
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "first", 1))));
    rig.sync(&table).await;
    let rereads = rig.source.with(|inner| inner.rereads);
    rig.source.with(|inner| {
        inner.commit(|tran| tran.insert(&table, row(2, "second", 2)));
        inner.commit(|tran| tran.update(&table, &id(2), &[(2, Value::Int(22))]));
        inner.commit(|tran| tran.update(&table, &id(1), &[(2, Value::Int(11))]));
    });
    rig.sync(&table).await;
    assert_eq!(rig.source.with(|inner| inner.rereads), rereads, "past the overlap nothing is read again");
    rig.assert_equal(&table).await;
}

/// A value that was deleted with its row does not come back with the next row of that key (L4).
#[tokio::test(flavor = "multi_thread")]
async fn trace_04_a_deleted_row_lends_its_large_value_to_nobody() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.clock = inner.clock.checked_add(jiff::ToSpan::hours(5)).unwrap());
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "old", 1))));
    rig.sync(&table).await;
    rig.source.with(|inner| {
        inner.commit(|tran| tran.delete(&table, &id(1)));
        inner.commit(|tran| tran.insert(&table, vec![Value::Int(1), Value::Null, Value::Int(5)]));
        inner.commit(|tran| tran.update(&table, &id(1), &[(2, Value::Int(6))]));
    });
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Trace 13: the PUT of a record is carried out but its answer is lost (R3).
#[tokio::test(flavor = "multi_thread")]
async fn trace_13_a_record_whose_answer_was_lost_counts_once() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.s3.lab.faults().add(Rule::new(Effect::LoseReply).operation("PutObject").key("/records/"));
    rig.extract(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
    rig.sync(&table).await;
    assert_eq!(rig.s3.store.seqs_after(&table, 1, None).await.unwrap(), [0, 1, 2]);
    rig.assert_equal(&table).await;
}

/// A record that stands in staging goes from S3 and is made again of more changes with as many rows, as net
/// changes are: what was staged is not taken for it (L4).
#[tokio::test(flavor = "multi_thread")]
async fn what_was_staged_of_a_record_is_not_applied_for_one_that_was_made_anew() {
    let mut rig = Rig::start().await;
    net(&mut rig.settings);
    let table = rig.source.table("t", vec![column("id", 1, SqlType::Int, Some(1)), column("n", 2, SqlType::Int, None)]);
    rig.source.with(|inner| inner.get(&table).instance.supports_net_changes = true);
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.load(&table).await;
    // Past the overlap, where net changes are not asked for yet (E5).
    rig.source.with(|inner| inner.clock = inner.clock.checked_add(jiff::ToSpan::hours(5)).unwrap());
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, vec![Value::Int(0), Value::Int(0)])));
    rig.sync(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, vec![Value::Int(1), Value::Int(1)])));
    rig.extract(&table).await;
    let cut = rig.redshift.faults().on("DELETE FROM \"public\"", 1, Action::CutBefore);
    assert!(fault(rig.engine_with(|settings| settings.load.retries = 0).load(one(&table)).await).is(&sync::LOAD_STUCK));
    assert!(cut.was_hit());
    let staged = rig.target().state(&table).await.unwrap().unwrap().staged.unwrap();
    rig.s3.store.delete_records(&table, 1, &[2]).await.unwrap();
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(1), &[(1, Value::Int(2))])));
    rig.extract(&table).await;
    let record = rig.s3.store.record(&table, 1, 2).await.unwrap().unwrap();
    assert_eq!((record.counts.rows(), staged.rows), (1, 1), "only the end tells them apart");
    rig.load(&table).await;
    let state = rig.target().state(&table).await.unwrap().unwrap();
    assert_eq!((state.applied_seq, state.applied_lsn, state.staged), (Some(2), Some(record.lsn_to), None));
    let rows = rig.query("SELECT id, n FROM public.t ORDER BY id").await;
    assert_eq!(rows, [["0", "0"], ["1", "2"]].map(|row| row.map(|cell| Some(cell.to_owned()))));
}

/// The same for a range: its records may be fewer now. A hole in it is a fault, and leaves what is staged.
#[tokio::test(flavor = "multi_thread")]
async fn a_staged_range_whose_records_were_made_anew_is_staged_anew() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    for n in 1..=3 {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(n, "a", n))));
        rig.extract(&table).await;
    }
    let cut = rig.redshift.faults().on("DELETE FROM \"public\"", 1, Action::CutBefore);
    assert!(fault(rig.engine_with(|settings| settings.load.retries = 0).load(one(&table)).await).is(&sync::LOAD_STUCK));
    let staged = async || rig.target().state(&table).await.unwrap().unwrap().staged.map(|staged| (staged.from, staged.to));
    assert_eq!((cut.was_hit(), staged().await), (true, Some((1, 3))));
    rig.s3.store.delete_records(&table, 1, &[2]).await.unwrap();
    assert!(fault(rig.engine().load(one(&table)).await).is(&sync::RECORDS_GONE));
    assert_eq!(staged().await, Some((1, 3)));

    rig.s3.store.delete_records(&table, 1, &[1, 3]).await.unwrap();
    rig.source.with(|inner| inner.commit(|tran| tran.delete(&table, &id(2))));
    rig.extract(&table).await;
    assert_eq!(rig.s3.store.seqs_after(&table, 1, None).await.unwrap(), [0, 1], "one record of all that three were");
    let script = rig.engine().load_sql(&table).await.unwrap();
    let purposes: Vec<_> = script.transactions.iter().map(|transaction| transaction.purpose.as_str()).collect();
    let anew = "empty staging: the records were made anew since they were staged";
    assert_eq!((purposes[1], purposes[2], script.to), (anew, "fill staging", Some(1)), "{purposes:?}");
    rig.load(&table).await;
    rig.assert_equal(&table).await;
}

/// Trace 18: a range of empty batches only moves state without a COPY (L3).
#[tokio::test(flavor = "multi_thread")]
async fn trace_18_empty_batches_move_state_without_a_copy() {
    let mut rig = Rig::start().await;
    let recorder = Recorder::before(rig.redshift.addr()).await;
    rig.settings.redshift.port = recorder.port;
    let table = rig.prepared().await;
    rig.load(&table).await;
    for _ in 0..3 {
        rig.source.with(|inner| {
            inner.clock = inner.clock.checked_add(jiff::ToSpan::hours(20)).unwrap();
            inner.idle();
        });
        assert_eq!(rig.extract(&table).await.batches, 1, "a quiet table that lags gets an empty record");
        assert_eq!(rig.extract(&table).await.batches, 0, "and no second one");
    }
    let copies = || recorder.take().iter().filter(|statement| statement.trim_start().starts_with("COPY")).count();
    copies();
    rig.load(&table).await;
    assert_eq!(copies(), 0, "there is nothing to copy");
    let state = rig.target().state(&table).await.unwrap().unwrap();
    assert_eq!((state.applied_seq, state.staged), (Some(3), None));
    assert_eq!(state.applied_lsn, Some(rig.source.with(|inner| inner.max())));
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.sync(&table).await;
    assert_eq!(copies(), 1, "the recorder sees what is copied");
    rig.assert_equal(&table).await;
}

/// Trace 19: two first loads at once: one creates state, the loser reads it (L8).
#[tokio::test(flavor = "multi_thread")]
async fn trace_19_two_first_preparations_make_one_state() {
    let rig = Rig::start().await;
    let table = rig.table();
    let facts = rig.source.with(|inner| (inner.get(&table).instance.shape.clone(), inner.identity.clone()));
    let identity = rig.engine().identity(&facts.1);
    let target = Arc::new(rig.target());
    let race: Vec<_> = (0..4)
        .map(|_| {
            let (target, table, shape, identity) = (Arc::clone(&target), table.clone(), facts.0.clone(), identity.clone());
            tokio::spawn(async move { target.prepare(&table, &shape, &identity, NewColumns::Refuse).await.map(|_| ()) })
        })
        .collect();
    for racer in race {
        racer.await.unwrap().unwrap();
    }
    let mut loader = target.loader(&table).await.unwrap();
    assert_eq!(loader.raise_fence(&identity).await.unwrap().fence, 1);
}

/// Another stream may not touch this one's target, even under the same table names (trace 14).
#[tokio::test(flavor = "multi_thread")]
async fn trace_14_two_sources_never_share_a_state() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    let target = rig.target();
    let mut identity = range_identity(&rig, &table).await;
    identity.source.database = "other".into();
    let mut loader = target.loader(&table).await.unwrap();
    assert!(loader.raise_fence(&identity).await.unwrap_err().is(&sync::OTHER_STREAM));
}

async fn range_identity(rig: &Rig, table: &TableName) -> db_to_redshift::model::state::StreamIdentity {
    let record = rig.s3.store.record(table, 1, 0).await.unwrap().unwrap();
    rig.engine().identity(&record.source)
}

/// Two extractors and two loaders on one table at once: one chain of records, each change once.
#[tokio::test(flavor = "multi_thread")]
async fn rival_workers_make_one_chain() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    let (mut met, mut done_by_rivals) = (0, 0);
    for round in 0..8 {
        rig.source.with(|inner| {
            for n in 0..5 {
                inner.commit(|tran| tran.insert(&table, row(round * 10 + n, "x", n)));
            }
            inner.commit(|tran| tran.update(&table, &id(round * 10), &[(2, Value::Int(-1))]));
        });
        let rivals: Vec<_> = (0..4)
            .map(|n| {
                let (engine, table) = (rig.rival(|settings| settings.extract.max_transactions = 2), table.clone());
                tokio::spawn(async move { if n % 2 == 0 { engine.extract(&[table]).await } else { engine.load(&[table]).await } })
            })
            .collect();
        for rival in rivals {
            for report in rival.await.unwrap() {
                match report.outcome {
                    Ok(outcome) => done_by_rivals += outcome.batches,
                    Err(fault) => {
                        let lost = [&sync::STALE_FENCE, &sync::LEASE_LOST, &rs::LOCKED];
                        assert!(lost.iter().any(|page| fault.is(page)), "{fault:?}");
                        met += 1;
                    }
                }
            }
        }
    }
    eprintln!("{met} rivals lost their place, {done_by_rivals} batches were done by the others");
    assert!(done_by_rivals > 0);
    rig.sync(&table).await;
    let seqs = rig.s3.store.seqs_after(&table, 1, None).await.unwrap();
    assert_eq!(seqs, (0..seqs.len() as u64).collect::<Vec<_>>());
    rig.assert_equal(&table).await;
}

/// State that another day's backup brought back, with the files of the batches gone (trace 21).
#[tokio::test(flavor = "multi_thread")]
async fn trace_21_a_target_ahead_of_its_records_is_a_fault() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.sync(&table).await;
    rig.s3.store.delete_records(&table, 1, &[1]).await.unwrap();
    assert!(fault(rig.engine().load(one(&table)).await).is(&sync::RECORDS_GONE));
}
