use db_to_redshift::engine::inspect::rows::{Cell, RowOperation};
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::Value;

use super::loaded;
use crate::support::memory_source::text;
use crate::support::rig::{Rig, fault, id};

fn cell(text: &str) -> Cell {
    Cell::Text { text: text.into(), bytes: text.len() as u64 }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_that_wait_in_staging_are_shown() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b"]).await;
    let engine = rig.engine();
    let empty = engine.staging(&table, 10, true).await.unwrap();
    assert_eq!((empty.total, empty.batches.len(), empty.rows.len(), empty.complete), (0, 0, 0, true));
    rig.source.with(|inner| {
        inner.clock = inner.clock.checked_add(jiff::ToSpan::hours(5)).unwrap();
        inner.idle();
        inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("x"))]));
    });
    rig.sync(&table).await;
    rig.source.with(|inner| {
        inner.commit(|tran| tran.update(&table, &id(1), &[(1, text(""))]));
        inner.commit(|tran| tran.update(&table, &id(2), &[(1, Value::Null)]));
    });
    rig.extract(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.delete(&table, &id(2))));
    rig.extract(&table).await;
    // COPY is done, the apply is refused.
    let refused = rig.redshift.faults().on("DELETE FROM \"public\".\"v\"", 1, Action::Refuse("42501", "permission denied"));
    let _ = fault(engine.load(std::slice::from_ref(&table)).await);
    assert!(refused.was_hit());

    let shown = engine.staging(&table, 10, true).await.unwrap();
    assert_eq!(shown.staging, r#""d2r_staging"."dbo__v""#);
    assert_eq!((shown.total, shown.complete), (3, true));
    assert_eq!(shown.staged.map(|staged| (staged.from, staged.to, staged.rows)), Some((2, 3, 3)));
    assert_eq!(shown.batches.iter().map(|batch| (batch.seq, batch.rows)).collect::<Vec<_>>(), [(2, 2), (3, 1)]);
    let [empty, null, delete] = shown.rows.as_slice() else { panic!("{:?}", shown.rows) };
    assert_eq!((empty.seq, &empty.cells[0], &empty.cells[1], &empty.cells[6]), (2, &cell("1"), &cell(""), &Cell::Kept));
    assert_eq!((&null.cells[0], &null.cells[1]), (&cell("2"), &Cell::Null));
    assert_eq!((delete.seq, delete.operation, &delete.cells[1]), (3, RowOperation::Delete, &Cell::Absent));
    // The same words as in the file.
    let options = db_to_redshift::engine::inspect::preview::PreviewOptions { file: None, from_line: 1, most: 10, show_values: true };
    let file = engine.preview(&table, 2, &options).await.unwrap();
    assert_eq!(file.columns, shown.columns);
    assert_eq!(file.rows.iter().map(|row| &row.cells).collect::<Vec<_>>(), [&empty.cells, &null.cells]);

    let hidden = engine.staging(&table, 1, false).await.unwrap();
    assert_eq!((hidden.rows.len(), hidden.total, hidden.complete), (1, 3, false));
    assert_eq!((&hidden.rows[0].cells[0], &hidden.rows[0].cells[6]), (&Cell::Hidden, &Cell::Kept));
    rig.load(&table).await;
    assert!(engine.staging(&table, 10, false).await.unwrap().staged.is_none());
}

/// A load that holds the state's lock keeps no look waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_waits_for_no_lock() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("x"))])));
    rig.extract(&table).await;
    let held = rig.redshift.faults().on("DELETE FROM \"public\".\"v\"", 1, Action::Hold);
    let (engine, one) = (rig.engine(), table.clone());
    let load = tokio::spawn(async move { engine.load(&[one]).await });
    held.hit().await;
    let engine = rig.engine();
    let shown = engine.staging(&table, 10, false).await.unwrap();
    assert_eq!(shown.rows.len(), 1);
    let files = engine.files(&table, 1, None).await.unwrap();
    assert_eq!(files.batches[0].state, db_to_redshift::engine::inspect::files::BatchState::Staged);
    assert!(!load.is_finished());
    held.release();
    crate::support::rig::done(load.await.unwrap());
}
