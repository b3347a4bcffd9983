//! Traces around keys that move.

use db_to_redshift::model::{SqlType, TableName, Value};

use crate::support::column::column;
use crate::support::memory_source::text;
use crate::support::rig::{Rig, done, id, row};

/// Trace 10: `UPDATE t SET id = id + 1`, a swap of two keys, one row moved twice, in pairs of
/// before- and after-images as on a nonclustered key (E6).
#[tokio::test(flavor = "multi_thread")]
async fn trace_10_shifted_swapped_and_twice_moved_keys_end_where_the_source_has_them() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| {
        inner.commit(|tran| (1..=6).for_each(|n| tran.insert(&table, row(n, &format!("note {n}"), n))));
    });
    rig.sync(&table).await;
    // From the highest down: the log of a set-based update has no order that a reader may trust.
    rig.source.with(|inner| {
        inner.commit(|tran| (1..=6).rev().for_each(|n| tran.update(&table, &id(n), &[(0, Value::Int(n + 1))])));
        inner.commit(|tran| {
            tran.update(&table, &id(2), &[(0, Value::Int(99))]);
            tran.update(&table, &id(3), &[(0, Value::Int(2))]);
            tran.update(&table, &id(99), &[(0, Value::Int(3))]);
        });
        inner.commit(|tran| {
            tran.update(&table, &id(7), &[(0, Value::Int(8))]);
            tran.update(&table, &id(8), &[(0, Value::Int(9))]);
        });
    });
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// The same rows in an order turned round inside the transaction: the result may not depend on it.
#[tokio::test(flavor = "multi_thread")]
async fn trace_10_the_order_of_pairs_inside_a_transaction_does_not_matter() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| {
        inner.commit(|tran| (1..=4).for_each(|n| tran.insert(&table, row(n, &format!("note {n}"), n))));
    });
    rig.sync(&table).await;
    let lsn =
        rig.source.with(|inner| inner.commit(|tran| (1..=4).rev().for_each(|n| tran.update(&table, &id(n), &[(0, Value::Int(n + 1))]))));
    rig.source.with(|inner| {
        let rows = inner.get(&table).changes.iter_mut().filter(|row| row.lsn == lsn);
        for row in rows {
            let mut bytes = *row.seqval.as_bytes();
            bytes[9] = 255 - bytes[9];
            row.seqval = db_to_redshift::model::Lsn::from_bytes(bytes);
        }
    });
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// `dbo.t (id nvarchar(10) key, note nvarchar(max))` with the row `abc`, carried.
async fn texts() -> (Rig, TableName) {
    let rig = Rig::start().await;
    let table = rig
        .source
        .table("t", vec![column("id", 1, SqlType::NVarChar { length: 10 }, Some(1)), column("note", 2, SqlType::NVarCharMax, None)]);
    done(rig.engine().prepare(std::slice::from_ref(&table), db_to_redshift::engine::prepare::PrepareOptions::default()).await);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, vec![text("abc"), text("large")])));
    rig.sync(&table).await;
    (rig, table)
}

async fn holds(rig: &Rig, id: &str) {
    assert_eq!(rig.query("SELECT id, note FROM public.t").await, [[Some(id.to_owned()), Some("large".to_owned())]]);
}

/// Trace 5: `abc` becomes `ABC` (E5, E6).
#[tokio::test(flavor = "multi_thread")]
async fn trace_05_a_key_that_changes_only_in_case() {
    let (rig, table) = texts().await;
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &[text("abc")], &[(0, text("ABC"))])));
    rig.sync(&table).await;
    holds(&rig, "ABC").await;
}

/// Trace 28: `abc` becomes `ABC` and `abc` again in one transaction, and goes there and back and there (E6).
#[tokio::test(flavor = "multi_thread")]
async fn trace_28_a_key_that_changes_in_case_and_back_in_one_transaction() {
    let (rig, table) = texts().await;
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.update(&table, &[text("abc")], &[(0, text("ABC"))]);
            tran.update(&table, &[text("ABC")], &[(0, text("abc"))]);
        })
    });
    rig.sync(&table).await;
    holds(&rig, "abc").await;
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.update(&table, &[text("abc")], &[(0, text("ABC"))]);
            tran.update(&table, &[text("ABC")], &[(0, text("abc"))]);
            tran.update(&table, &[text("abc")], &[(0, text("ABC"))]);
        })
    });
    rig.sync(&table).await;
    holds(&rig, "ABC").await;
}

/// One instant under several offsets is one key, for SQL Server and for a TIMESTAMPTZ alike: what is
/// settled of one spelling may not delete the row under another (E6). As `a` and `a` with a blank.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_spelt_anew_within_its_transaction_is_not_lost() {
    let rig = Rig::start().await;
    let columns = vec![column("id", 1, SqlType::DateTimeOffset { scale: 6 }, Some(1)), column("n", 2, SqlType::Int, None)];
    let table = rig.source.table("t", columns);
    done(rig.engine().prepare(std::slice::from_ref(&table), db_to_redshift::engine::prepare::PrepareOptions::default()).await);
    let at = |offset_minutes| Value::TimestampTz { days: 730_119, ticks: 0, offset_minutes };
    let held = async |n: Option<i64>| {
        rig.sync(&table).await;
        let rows = rig.query("SELECT n FROM public.t").await;
        assert_eq!(rows, n.map(|n| vec![Some(n.to_string())]).into_iter().collect::<Vec<_>>());
    };
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.insert(&table, vec![at(0), Value::Int(1)]);
            tran.update(&table, &[at(0)], &[(0, at(60))]);
        })
    });
    held(Some(1)).await;
    // It is there; its value changes, then its offset, and again.
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.update(&table, &[at(60)], &[(1, Value::Int(2))]);
            tran.update(&table, &[at(60)], &[(0, at(120))]);
            tran.update(&table, &[at(120)], &[(0, at(-60))]);
        })
    });
    held(Some(2)).await;
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.delete(&table, &[at(-60)]);
            tran.insert(&table, vec![at(0), Value::Int(3)]);
            tran.delete(&table, &[at(0)]);
            tran.insert(&table, vec![at(30), Value::Int(4)]);
        })
    });
    held(Some(4)).await;
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.update(&table, &[at(30)], &[(0, at(0))]);
            tran.delete(&table, &[at(0)]);
        })
    });
    held(None).await;
}
