//! Traces around bounds, windows and guards.

use db_to_redshift::engine::check::Found;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::fault::{src, sync};
use db_to_redshift::model::status::Verdict;
use db_to_redshift::model::{Fault, RecordKind, SqlType, TableName, Value};
use db_to_redshift::source::ChangesMode;
use db_to_redshift::store::ChangeStore;
use jiff::ToSpan;

use super::one;
use crate::support::column::column;
use crate::support::memory_source::{Inner, lsn};
use crate::support::rig::{Rig, done, fault, id, net, row};

/// Trace 6: a quiet table in a busy database must reach its change although the window is
/// bounded in transactions (E3, E4).
#[tokio::test(flavor = "multi_thread")]
async fn trace_06_a_quiet_table_in_a_busy_database_moves_on() {
    let rig = Rig::start().await;
    let quiet = rig.prepared().await;
    let busy = rig.source.table("busy", rig.source.with(|inner| inner.get(&quiet).instance.shape.columns().to_vec()));
    for n in 0..50 {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&busy, row(n, "x", n))));
    }
    let change = rig.source.with(|inner| inner.commit(|tran| tran.insert(&quiet, row(7, "seven", 7))));
    for n in 50..60 {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&busy, row(n, "x", n))));
    }
    let engine = rig.engine_with(|settings| settings.extract.max_transactions = 5);
    done(engine.extract(one(&quiet)).await);
    let record = rig.s3.store.record(&quiet, 1, 1).await.unwrap().unwrap();
    assert_eq!(record.counts.rows(), 1);
    assert!(record.lsn_to >= change, "the window is counted from the first change of this table");
    rig.load(&quiet).await;
    rig.assert_equal(&quiet).await;
}

/// Trace 7: max LSN goes back: the source was restored (E2).
#[tokio::test(flavor = "multi_thread")]
async fn trace_07_a_source_that_went_back_stops_the_stream() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.sync(&table).await;
    rig.source.with(|inner| {
        inner.mapping.pop();
        inner.next -= 10;
    });
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::WENT_BACK));
}

/// Trace 25: a point-in-time restore whose new LSNs run past the old head (E2, R7).
#[tokio::test(flavor = "multi_thread")]
async fn trace_25_another_history_under_the_same_lsns_stops_the_stream() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.sync(&table).await;
    rig.source.with(|inner| {
        inner.mapping.last_mut().unwrap().tran_id = "restored".into();
        inner.commit(|tran| tran.insert(&table, row(2, "b", 2)));
    });
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::WENT_BACK));
}

/// Trace 25 once more: the restore lies between L0 and the scan, so that only rows of the scan, and
/// no record's end, saw what was lost (E2, R2).
#[tokio::test(flavor = "multi_thread")]
async fn trace_25_a_history_that_only_the_scan_saw_stops_the_stream() {
    let rig = Rig::start().await;
    let table = rig.table();
    let late = table.clone();
    rig.source.before("scan", move |inner| {
        inner.commit(|tran| tran.insert(&late, row(1, "lost by the restore", 1)));
    });
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.source.with(|inner| {
        // Restored to just before that insert; another life went on from there.
        inner.get(&table).rows.clear();
        inner.get(&table).changes.clear();
        inner.mapping.last_mut().unwrap().tran_id = "restored".into();
        inner.idle();
    });
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::WENT_BACK));
}

/// Trace 8: a lost gating role reads as a low-water mark of zero (E2).
#[tokio::test(flavor = "multi_thread")]
async fn trace_08_a_low_water_mark_of_zero_is_no_access() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.get(&table).min = lsn(0));
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::NO_ACCESS));
}

/// Trace 9: clean-up moves the mark while rows are read (E9).
#[tokio::test(flavor = "multi_thread")]
async fn trace_09_clean_up_during_the_read_leaves_no_record() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
    clean_up_before_the_read(&rig, &table);
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::GAP));
    assert!(rig.s3.store.record(&table, 1, 1).await.unwrap().is_none());
    assert_eq!(rig.source.with(|inner| inner.modes.clone()), [ChangesMode::All]);
}

/// The same by net changes, which say nothing of rows that are gone (E9).
#[tokio::test(flavor = "multi_thread")]
async fn trace_09_clean_up_during_a_read_of_net_changes_leaves_no_record() {
    let mut rig = Rig::start().await;
    net(&mut rig.settings);
    let table = rig.source.table("t", vec![column("id", 1, SqlType::Int, Some(1)), column("n", 2, SqlType::Int, None)]);
    rig.source.with(|inner| inner.get(&table).instance.supports_net_changes = true);
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    let insert = |n| rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, vec![Value::Int(n), Value::Int(n)])));
    // Past the overlap, where net changes are not asked for yet (E5).
    rig.source.with(|inner| inner.clock = inner.clock.checked_add(5.hours()).unwrap());
    insert(1);
    assert_eq!(rig.extract(&table).await.batches, 1);
    insert(2);
    insert(3);
    clean_up_before_the_read(&rig, &table);
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::GAP));
    assert!(rig.s3.store.record(&table, 1, 2).await.unwrap().is_none());
    assert_eq!(rig.source.with(|inner| inner.modes.clone()), [ChangesMode::All, ChangesMode::Net]);
}

/// All that is captured but the newest transaction goes just before the changes are read.
fn clean_up_before_the_read(rig: &Rig, table: &TableName) {
    let cleaned = table.clone();
    rig.source.before("changes", move |inner| {
        let max = inner.max();
        let table = inner.get(&cleaned);
        table.min = max;
        table.changes.retain(|row| row.lsn >= max);
    });
}

/// Trace 26: a change captured between the reading of max and the probe lies above the window
/// and comes with the next one (E3).
#[tokio::test(flavor = "multi_thread")]
async fn trace_26_a_change_between_max_and_probe_is_not_lost() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    // So late that an empty record is written, up to the max LSN of before the change.
    rig.source.with(|inner| inner.clock = inner.clock.checked_add(jiff::ToSpan::hours(20)).unwrap());
    rig.source.with(Inner::idle);
    let late = table.clone();
    rig.source.before("first_changes", move |inner| {
        inner.commit(|tran| tran.insert(&late, row(1, "late", 1)));
    });
    assert_eq!(rig.extract(&table).await.batches, 1);
    let record = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap();
    assert!(record.parts.is_empty() && record.lsn_to < rig.source.with(|inner| inner.max()));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Trace 15: a fresh instance begins above L0; its first batch begins where it begins (R2).
#[tokio::test(flavor = "multi_thread")]
async fn trace_15_a_fresh_instance_above_l0_opens_at_its_own_start() {
    let rig = Rig::start().await;
    let table = rig.table();
    let start = lsn(5_000);
    rig.source.with(|inner| inner.get(&table).min = start);
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    let record = rig.s3.store.record(&table, 1, 0).await.unwrap().unwrap();
    assert_eq!((record.kind, record.lsn_to), (RecordKind::Snapshot, start.prev()));
    rig.source.with(|inner| inner.next = 6_000);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Trace 15 once more: until the log comes to where the instance begins, max LSN lies between L0 and
/// the end of record 0, and of a `schema` record behind it. The source has not gone back (E2, R2).
#[tokio::test(flavor = "multi_thread")]
async fn trace_15_a_max_lsn_below_the_end_of_a_fresh_head_is_no_restore() {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.source.with(|inner| inner.get(&table).min = lsn(5_000));
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.source.with(Inner::idle);
    assert_eq!(rig.extract(&table).await.batches, 0);

    rig.source.with(|inner| inner.note_ddl(&table, "ALTER TABLE dbo.t ADD extra int NULL", false));
    let accepted = rig.engine().accept(one(&table), true).await.remove(0).outcome.unwrap();
    assert_eq!(accepted.batch, Some(1));
    assert_eq!(rig.extract(&table).await.batches, 0);
    let head = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap();
    let max = rig.source.with(|inner| inner.max());
    assert!(head.kind == RecordKind::Schema && head.l0.unwrap() < max && max < head.lsn_to, "else it proves nothing: {head:?}");

    rig.source.with(|inner| inner.next = 6_000);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Trace 16: a column dropped and added again under its name is another column (E2).
#[tokio::test(flavor = "multi_thread")]
async fn trace_16_a_column_that_came_back_is_drift() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| {
        let instance = &mut inner.get(&table).instance;
        let mut columns = instance.shape.columns().to_vec();
        columns[2].column_id = 4;
        instance.shape = db_to_redshift::model::TableShape::new(columns);
        inner.commit(|tran| tran.insert(&table, row(1, "a", 1)));
    });
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::DRIFT));
}

/// Trace 11: a row is updated, then deleted, before the scan reaches it (E7).
#[tokio::test(flavor = "multi_thread")]
async fn trace_11_a_row_updated_and_deleted_before_the_scan_leaves_nothing() {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "large", 1))));
    let scanned = table.clone();
    rig.source.before("scan", move |inner| {
        inner.commit(|tran| tran.update(&scanned, &id(1), &[(2, Value::Int(2))]));
        inner.commit(|tran| tran.delete(&scanned, &id(1)));
    });
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.sync(&table).await;
    let record = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap();
    assert_eq!(record.counts.gone, 1);
    assert!(rig.production().await.is_empty());
}

/// A table that left the source, before the round or amid it, is a fault of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_never_stops_the_others() {
    let rig = Rig::start().await;
    let stays = rig.prepared().await;
    let columns = rig.source.with(|inner| inner.get(&stays).instance.shape.columns().to_vec());
    let [goes, leaves] = ["goes", "leaves"].map(|name| rig.source.table(name, columns.clone()));
    let all = [goes.clone(), stays.clone(), leaves.clone()];
    done(rig.engine().prepare(&all, PrepareOptions::default()).await);
    for n in 0..2 {
        rig.source.with(|inner| inner.commit(|tran| all.iter().for_each(|table| tran.insert(table, row(n, "x", n)))));
    }
    rig.source.with(|inner| inner.tables.remove(&goes));
    let late = leaves.clone();
    rig.source.before("first_changes", move |inner| drop(inner.tables.remove(&late)));
    let reports = rig.engine().extract(&all).await;
    let code = |at: usize| reports[at].outcome.as_ref().err().map(Fault::code);
    assert_eq!([code(0), code(1), code(2)], [Some(src::NO_TABLE.code), None, Some(src::OBJECT_GONE.code)]);
    assert_eq!(reports[1].outcome.as_ref().unwrap().rows, 2);

    let again = PrepareOptions { new_epoch: true, ..PrepareOptions::default() };
    let reports = rig.engine().prepare(&all, again).await;
    assert_eq!(reports.iter().map(|report| report.outcome.is_ok()).collect::<Vec<_>>(), [false, true, false]);
    let report = rig.engine().status(&all).await;
    let tracked: Vec<bool> = report.tables.iter().map(|line| line.source.as_ref().unwrap().tracked).collect();
    assert_eq!((tracked, report.faults.len()), (vec![false, true, false], 0), "{report:?}");
    assert!([0, 2].into_iter().all(|at| report.tables[at].verdict == Verdict::NotTracked));
    let findings = rig.engine().check(&all).await;
    let gone: Vec<_> = findings.iter().filter(|line| matches!(&line.result, Found::Fault(fault) if fault.is(&src::NO_TABLE))).collect();
    assert_eq!(gone.iter().map(|line| line.area.as_str()).collect::<Vec<_>>(), ["dbo.goes", "dbo.leaves"]);
    assert!(findings.iter().any(|line| line.area == stays.to_string() && matches!(line.result, Found::Good(_))));
}

/// The mapping of all heads is one question a round, whatever the number of tables (E3).
#[tokio::test(flavor = "multi_thread")]
async fn one_round_asks_once_about_the_time_mapping() {
    let rig = Rig::start().await;
    let first = rig.prepared().await;
    let columns = rig.source.with(|inner| inner.get(&first).instance.shape.columns().to_vec());
    let mut tables = vec![first];
    tables.extend((0..5).map(|n| rig.source.table(&format!("quiet{n}"), columns.clone())));
    done(rig.engine().prepare(&tables, PrepareOptions::default()).await);
    rig.source.with(Inner::idle);
    let before = rig.source.with(|inner| inner.mapped);
    done(rig.engine().extract(&tables).await);
    // One for the guards, one for how late the quiet tables are and whether capture runs.
    assert_eq!(rig.source.with(|inner| inner.mapped) - before, 2);
}

/// Capture notes DDL late: an ALTER TABLE right before `prepare` reaches the history behind the
/// snapshot that has seen its columns. That is no drift; whatever alters the table afterwards is.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_columns_that_the_snapshot_has_seen_is_no_drift() {
    let noted = |inner: &mut Inner, table: &TableName| {
        inner.idle();
        let ddl = Some(inner.max());
        inner.get(table).instance.ddl_lsn = ddl;
    };
    // When the history takes it: after the snapshot, or while it is taken.
    for during_the_scan in [false, true] {
        let rig = Rig::start().await;
        let table = rig.table();
        let before = rig.source.with(|inner| inner.clock.checked_sub(1_i64.minutes()).unwrap());
        rig.source.with(|inner| inner.get(&table).altered = Some(before));
        if during_the_scan {
            let table = table.clone();
            rig.source.before("scan", move |inner| noted(inner, &table));
        }
        done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
        rig.source.with(|inner| {
            noted(inner, &table);
            inner.commit(|tran| tran.insert(&table, row(1, "a", 1)));
        });
        rig.sync(&table).await;
        rig.assert_equal(&table).await;

        rig.source.with(|inner| {
            let now = inner.clock;
            inner.get(&table).altered = Some(now);
            noted(inner, &table);
            inner.commit(|tran| tran.insert(&table, row(2, "b", 2)));
        });
        assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::DRIFT));
    }
}

/// What proves nothing stays drift: a table altered while its snapshot ran, one altered in the very
/// second of the last look, and one whose catalogue does not say.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_columns_that_the_snapshot_may_have_missed_is_drift() {
    for (seconds, during_the_scan) in [(Some(60), true), (Some(0), false), (None, false)] {
        let rig = Rig::start().await;
        let table = rig.table();
        let at = |inner: &Inner, seconds: i64| Some(inner.clock.checked_sub(seconds.seconds()).unwrap());
        rig.source.with(|inner| {
            let altered = seconds.and_then(|seconds| at(inner, seconds));
            inner.get(&table).altered = altered;
        });
        if during_the_scan {
            let table = table.clone();
            rig.source.before("scan", move |inner| {
                let altered = at(inner, 2);
                inner.get(&table).altered = altered;
            });
        }
        done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
        rig.source.with(|inner| {
            inner.idle();
            let ddl = Some(inner.max());
            inner.get(&table).instance.ddl_lsn = ddl;
        });
        assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::DRIFT), "{seconds:?} {during_the_scan}");
    }
}
