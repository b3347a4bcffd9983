//! Prepare where something stands already: a state that was lost, rows of others, changes that
//! capture has not noted yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use db_to_redshift::engine::prepare::{OpenMode, PrepareOptions};
use db_to_redshift::model::fault::{rs, sync};
use db_to_redshift::model::{ChangeRow, Fault, Operation, SqlType, TableShape, Value};
use db_to_redshift::store::ChangeStore;
use jiff::ToSpan;

use super::{one, record, recorded, state};
use crate::support::column::column;
use crate::support::memory_source::{lsn, text};
use crate::support::rig::{Rig, done, fault};

const REMEDY: &str = "db-to-redshift prepare --new-epoch --replace --table 'dbo.t'";

fn names_the_remedy(fault: &Fault) -> bool {
    fault.actions().any(|next| next.ends_with(REMEDY))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_without_its_row_and_a_state_that_was_dropped_lead_to_a_new_snapshot() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 2).await;
    rig.load(&table).await;
    let remedy = PrepareOptions { new_epoch: true, replace: true, ..PrepareOptions::default() };

    rig.query(r#"DELETE FROM d2r_control."public__t__state""#).await;
    let lost = fault(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    assert!(lost.is(&rs::STATE_ROWS) && names_the_remedy(&lost), "{lost}");
    assert!(fault(rig.engine().load(one(&table)).await).is(&rs::STATE_ROWS));

    rig.query(r#"DROP TABLE d2r_control."public__t__state""#).await;
    let lost = fault(rig.engine().prepare(one(&table), remedy).await);
    assert!(lost.is(&rs::FOREIGN_STAGING) && names_the_remedy(&lost), "{lost}");
    assert!(fault(rig.engine().load(one(&table)).await).is(&rs::NOT_PREPARED));

    rig.query(r#"DROP TABLE d2r_staging."dbo__t""#).await;
    done(rig.engine().prepare(one(&table), remedy).await);
    rig.load(&table).await;
    record(&rig, &table, [3]).await;
    rig.load(&table).await;
    assert_eq!(state(&rig, &table).await.epoch, 2);
    rig.assert_equal(&table).await;
}

/// An epoch is open, but its state is gone: to trust the rows that stand there takes an epoch that
/// begins behind them, or the next load would replace them.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_not_trusted_under_an_epoch_that_would_replace_them() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 2).await;
    rig.load(&table).await;
    rig.query(r#"DROP TABLE d2r_control."public__t__state""#).await;
    rig.query(r#"DROP TABLE d2r_staging."dbo__t""#).await;
    rig.query("INSERT INTO public.t (id, note) VALUES (4711, 'of another tool')").await;
    let trusting = PrepareOptions { mode: OpenMode::Start, trusted: true, ..PrepareOptions::default() };
    let refused = fault(rig.engine().prepare(one(&table), trusting).await);
    assert!(refused.is(&sync::PRODUCTION_NOT_EMPTY), "{refused}");
    let offered = "db-to-redshift prepare --new-epoch --mode start --trusted --table 'dbo.t'";
    assert!(refused.actions().any(|action| action.starts_with(offered)), "{:?}", refused.actions().collect::<Vec<_>>());
    assert_eq!(fault(rig.engine().load(one(&table)).await).code(), "RS-014", "no state was made");

    done(rig.engine().prepare(one(&table), PrepareOptions { new_epoch: true, ..trusting }).await);
    rig.load(&table).await;
    assert_eq!(rig.query("SELECT note FROM public.t WHERE id = 4711").await[0][0].as_deref(), Some("of another tool"));
    assert!(state(&rig, &table).await.diverged.is_some());
}

/// A large column became a small one, and capture has not come there yet. A change from before
/// leaves it alone, which only the old type tells from a NULL: the stream begins behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_behind_a_change_that_capture_has_not_noted() {
    let rig = Rig::start().await;
    let columns = |note| vec![column("id", 1, SqlType::Int, Some(1)), column("n", 2, SqlType::Int, None), column("note", 3, note, None)];
    let table = rig.source.table("w", columns(SqlType::VarCharMax));
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, vec![Value::Int(1), Value::Int(1), text("kept")])));
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.load(&table).await;

    let row = |n| vec![Value::Int(1), Value::Int(n), text("kept")];
    rig.source.with(|inner| {
        // Enabling capture alters a table, too: what comes at once is not waited for.
        inner.clock = inner.clock.checked_add(1.minutes()).unwrap();
        let altered = inner.clock.checked_add(2.seconds()).unwrap();
        let entry = inner.get(&table);
        entry.altered = Some(altered);
        entry.instance.shape = TableShape::new(columns(SqlType::VarChar { length: 100 }));
        entry.rows.values_mut().for_each(|values| *values = row(2));
    });
    let looks = Arc::new(AtomicU32::new(0));
    let (name, counted) = (table.clone(), Arc::clone(&looks));
    // The first look at the mapping finds capture behind; then it comes.
    rig.source.before("mappings", move |inner| {
        counted.store(inner.next, Ordering::Relaxed);
        let image = |operation, n| ChangeRow {
            lsn: lsn(0),
            command_id: 1,
            seqval: lsn(1),
            operation,
            mask: vec![0b010],
            values: vec![Value::Int(1), Value::Int(n), Value::Null],
        };
        inner.idle();
        let at = inner.max();
        for change in [image(Operation::Before, 1), image(Operation::After, 2)] {
            inner.get(&name).changes.push(ChangeRow { lsn: at, ..change });
        }
        // The change of the definition, and what came after it.
        let command = "ALTER TABLE dbo.w ALTER COLUMN note varchar(100) NULL";
        let altered = inner.get(&name).altered;
        inner.note_ddl(&name, command, true);
        inner.get(&name).altered = altered;
    });
    done(rig.engine().prepare(one(&table), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    rig.load(&table).await;
    rig.sync(&table).await;
    let record = rig.s3.store.record(&table, 2, 0).await.unwrap().unwrap();
    assert!(record.l0.unwrap() > lsn(looks.load(Ordering::Relaxed)), "it waited: {record:?}");
    let held = rig.query("SELECT n, note FROM public.w").await;
    assert_eq!((held[0][0].as_deref(), held[0][1].as_deref()), (Some("2"), Some("kept")));
}
