//! Traces around the overlap of a scan and its changes, and epochs without a scan.

use db_to_redshift::engine::prepare::{OpenMode, PrepareOptions};
use db_to_redshift::model::{SqlType, Value};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::Target;
use jiff::ToSpan;

use super::one;
use crate::support::column::column;
use crate::support::memory_source::Inner;
use crate::support::rig::{Rig, done, id, row};

fn forward(inner: &mut Inner, hours: i64) {
    inner.clock = inner.clock.checked_add(hours.hours()).unwrap();
}

/// Trace 22: the clock goes back an hour while the table is scanned. What was committed before
/// that carries later times than the end of the scan, and is an overlap all the same (R6).
#[tokio::test(flavor = "multi_thread")]
async fn trace_22_a_clock_that_goes_back_an_hour_does_not_end_the_overlap() {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.source.with(|inner| inner.commit(|tran| (1..=2).for_each(|n| tran.insert(&table, row(n, "large", n)))));
    let scanned = table.clone();
    rig.source.before("scan", move |inner| {
        inner.commit(|tran| tran.update(&scanned, &id(1), &[(2, Value::Int(11))]));
        inner.commit(|tran| tran.delete(&scanned, &id(1)));
        forward(inner, -1);
    });
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    // One transaction a batch: the deletion comes after the upsert that nothing stands behind.
    let engine = rig.engine_with(|settings| settings.extract.max_transactions = 1);
    done(engine.sync(one(&table)).await);
    rig.assert_equal(&table).await;
    let first = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap();
    assert_eq!(first.counts.gone, 1, "the untouched value was looked for in the source");
    let state = rig.target().state(&table).await.unwrap().unwrap();
    assert_eq!(state.diverged, None);

    // The overlap does end: two hours after the scan by the times of commits.
    rig.source.with(|inner| {
        forward(inner, 3);
        inner.commit(|tran| tran.update(&table, &id(2), &[(2, Value::Int(22))]));
    });
    rig.sync(&table).await;
    let rereads = rig.source.with(|inner| inner.rereads);
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(2), &[(2, Value::Int(23))])));
    rig.sync(&table).await;
    assert_eq!(rig.source.with(|inner| inner.rereads), rereads);
    rig.assert_equal(&table).await;
}

/// Trace 29: an epoch of kind `start`, in which production does not hold the large value that an
/// update leaves alone (E7), however long after.
#[tokio::test(flavor = "multi_thread")]
async fn trace_29_a_start_epoch_reads_untouched_values_from_the_source_for_ever() {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.source.with(|inner| inner.commit(|tran| (1..=3).for_each(|n| tran.insert(&table, row(n, "before the start", n)))));
    done(rig.engine().prepare(one(&table), PrepareOptions { mode: OpenMode::Start, ..PrepareOptions::default() }).await);
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(1), &[(2, Value::Int(10))])));
    rig.sync(&table).await;
    for n in 2..=3 {
        rig.source.with(|inner| {
            forward(inner, 24);
            inner.commit(|tran| tran.update(&table, &id(n), &[(2, Value::Int(10 * n))]));
        });
        rig.sync(&table).await;
    }
    rig.assert_equal(&table).await;
    assert_eq!(rig.target().state(&table).await.unwrap().unwrap().diverged, None);
}

/// Trace 30: the row is gone when its untouched value is read again, and the column is NOT NULL in
/// the source (L8): NULL is loaded until the deletion comes.
#[tokio::test(flavor = "multi_thread")]
async fn trace_30_a_row_that_is_gone_does_not_break_a_column_that_is_not_null() {
    let rig = Rig::start().await;
    let mut columns =
        vec![column("id", 1, SqlType::Int, Some(1)), column("note", 2, SqlType::NVarCharMax, None), column("n", 3, SqlType::Int, None)];
    columns[1].nullable = false;
    columns[2].nullable = false;
    let table = rig.source.table("t", columns);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    done(rig.engine().prepare(one(&table), PrepareOptions { mode: OpenMode::Start, ..PrepareOptions::default() }).await);
    rig.source.with(|inner| {
        inner.commit(|tran| tran.update(&table, &id(1), &[(2, Value::Int(2))]));
        inner.commit(|tran| tran.delete(&table, &id(1)));
        inner.commit(|tran| tran.insert(&table, row(2, "b", 2)));
    });
    let engine = rig.engine_with(|settings| {
        settings.extract.max_transactions = 1;
        settings.load.coalesce_batches = 1;
    });
    done(engine.extract(one(&table)).await);
    let first = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap();
    assert_eq!(first.counts.gone, 1);
    done(engine.load(one(&table)).await);
    rig.assert_equal(&table).await;
    assert_eq!(rig.target().state(&table).await.unwrap().unwrap().diverged, None);
    let required = "SELECT column_name FROM information_schema.columns WHERE is_nullable = 'NO' \
                    AND ((table_schema = 'public' AND table_name = 't') OR (table_schema = 'd2r_staging' AND table_name = 'dbo__t')) \
                    AND column_name NOT LIKE '__d2r%'";
    let required: Vec<_> = rig.query(required).await.into_iter().flatten().flatten().collect();
    assert_eq!(required, ["id", "id"], "only keys are NOT NULL");
}

/// Trace 30, the other half: a production table that somebody made with NOT NULL columns is refused.
#[tokio::test(flavor = "multi_thread")]
async fn trace_30_a_production_table_with_more_not_null_columns_is_refused() {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.query("CREATE TABLE public.t (id INTEGER NOT NULL, note VARCHAR(65535), n INTEGER NOT NULL)").await;
    let fault = crate::support::rig::fault(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    assert!(fault.to_string().contains('n') && fault.code().starts_with("RS-"), "{fault}");
    assert!(rig.target().state(&table).await.unwrap().is_none(), "nothing was made");
}

/// Rows that wait to be read again are few where they are large: their own values count (E7).
#[tokio::test(flavor = "multi_thread")]
async fn large_rows_are_read_again_by_megabytes() {
    let rig = Rig::start().await;
    let columns = vec![
        column("id", 1, SqlType::Int, Some(1)),
        column("note", 2, SqlType::NVarCharMax, None),
        column("more", 3, SqlType::NVarCharMax, None),
    ];
    let table = rig.source.table("wide", columns);
    let words = |text: &str| Value::Text(text.repeat(1 << 20));
    rig.source.with(|inner| {
        inner.commit(|tran| (1..=12).for_each(|n| tran.insert(&table, vec![Value::Int(n), Value::Null, Value::Text(format!("more {n}"))])));
    });
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.source.with(|inner| {
        inner.commit(|tran| (1..=12).for_each(|n| tran.update(&table, &id(n), &[(1, words("x"))])));
        inner.commit(|tran| tran.update(&table, &id(1), &[(1, words("y"))]));
        inner.rereads = 0;
    });
    done(rig.engine_with(|settings| settings.extract.part_bytes = 64 << 20).extract(one(&table)).await);
    assert_eq!(rig.source.with(|inner| inner.rereads), 4, "thirteen versions of a megabyte, four at a time");
    assert_eq!(rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap().counts.rows(), 13);
}
