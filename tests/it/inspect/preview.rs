use db_to_redshift::engine::inspect::preview::PreviewOptions;
use db_to_redshift::engine::inspect::rows::{Cell, RowOperation};
use db_to_redshift::model::fault::sync;
use db_to_redshift::model::{RecordKind, Value};

use super::{loaded, prepare, row, table};
use crate::support::memory_source::text;
use crate::support::rig::{Rig, id};
use crate::support::store::BUCKET;

fn options(most: usize, show_values: bool) -> PreviewOptions {
    PreviewOptions { file: None, from_line: 1, most, show_values }
}

fn cell(text: &str) -> Cell {
    Cell::Text { text: text.into(), bytes: text.len() as u64 }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rows_of_a_change_file_are_shown() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b"]).await;
    rig.source.with(|inner| {
        // Past the overlap, where untouched values are not read again.
        inner.clock = inner.clock.checked_add(jiff::ToSpan::hours(5)).unwrap();
        inner.idle();
        inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("x"))]));
    });
    rig.sync(&table).await;
    rig.source.with(|inner| {
        inner.commit(|tran| tran.update(&table, &id(1), &[(1, text(""))]));
        inner.commit(|tran| tran.update(&table, &id(2), &[(1, Value::Null)]));
        inner.commit(|tran| tran.delete(&table, &id(2)));
    });
    rig.extract(&table).await;
    let engine = rig.engine();
    let shown = engine.preview(&table, 2, &options(10, true)).await.unwrap();
    assert_eq!((shown.kind, shown.files, shown.number, shown.file_rows, shown.complete), (RecordKind::Changes, 1, Some(1), 3, true));
    assert!(shown.url.unwrap().starts_with("s3://"));
    let names: Vec<_> = shown.columns.iter().map(|column| (column.name.as_str(), column.source_type.as_str(), column.key)).collect();
    assert_eq!(names[..2], [("id", "int", true), ("Name", "nvarchar(20)", false)]);
    let [empty, null, delete] = shown.rows.as_slice() else { panic!("{:?}", shown.rows) };
    assert_eq!((&empty.cells[0], &empty.cells[1], &empty.cells[6]), (&cell("1"), &cell(""), &Cell::Kept));
    assert_eq!((&null.cells[0], &null.cells[1]), (&cell("2"), &Cell::Null));
    assert_eq!((delete.operation, &delete.cells[0], &delete.cells[1]), (RowOperation::Delete, &cell("2"), &Cell::Absent));
    assert!(empty.order < null.order && null.order < delete.order && empty.line < null.line);

    // Nothing of a value unless it was asked for; the kept ones show.
    let hidden = engine.preview(&table, 2, &options(1, false)).await.unwrap();
    assert_eq!((hidden.rows.len(), hidden.complete), (1, false));
    assert_eq!((&hidden.rows[0].cells[0], &hidden.rows[0].cells[1], &hidden.rows[0].cells[6]), (&Cell::Hidden, &Cell::Hidden, &Cell::Kept));
    // A fault names a line: from there on.
    let from = engine.preview(&table, 2, &PreviewOptions { from_line: null.line.unwrap(), ..options(1, true) }).await.unwrap();
    assert_eq!((from.rows.len(), from.rows[0].line, &from.rows[0].cells[1]), (1, null.line, &Cell::Null));
    let none = engine.preview(&table, 2, &options(0, true)).await.unwrap();
    assert!(none.rows.is_empty() && !none.complete && none.last_line.is_none());
    // Whoever has read the last row knows where the file ends.
    let last = delete.line.unwrap();
    for (line, most, rows, ends) in [(last, 1, 1, true), (last + 1, 1, 0, true), (1, 2, 2, false), (1, 3, 3, true)] {
        let told = engine.preview(&table, 2, &PreviewOptions { from_line: line, ..options(most, true) }).await.unwrap();
        assert_eq!((told.rows.len(), told.last_line), (rows, ends.then_some(last)), "from line {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_shows_too_and_what_is_not_there_is_named() {
    let rig = Rig::start().await;
    let table = table(&rig);
    rig.source.with(|inner| inner.commit(|tran| (1..=3).for_each(|id| tran.insert(&table, row(id, "name")))));
    prepare(&rig, &table).await;
    let engine = rig.engine();
    let shown = engine.preview(&table, 0, &options(2, true)).await.unwrap();
    assert_eq!((shown.kind, shown.rows.len(), shown.file_rows, shown.complete), (RecordKind::Snapshot, 2, 3, false));
    assert_eq!((shown.rows[0].order, &shown.rows[0].cells[1]), (None, &cell("name")));
    // An empty binary value is what production will hold: NULL.
    assert_eq!(shown.rows[0].cells[5], Cell::Null);
    for (seq, file) in [(9, None), (0, Some(2)), (0, Some(0))] {
        let fault = engine.preview(&table, seq, &PreviewOptions { file, ..options(2, false) }).await.unwrap_err();
        assert!(fault.is(&sync::NO_BATCH), "{fault}");
    }
    rig.load(&table).await;
    let fault = engine.preview(&table, 0, &options(2, true)).await.unwrap_err();
    assert!(fault.is(&sync::PART_UNREADABLE), "its files were deleted: {fault}");
}

/// A large file is left as soon as there are enough rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_not_read_to_its_end() {
    let rig = Rig::start().await;
    let table = rig.table();
    let noise = |id: i64| {
        use sha2::Digest as _;
        (0..64).map(|n| format!("{:x?}", sha2::Sha256::digest(format!("{id} {n}").as_bytes()))).collect::<Vec<_>>().concat()
    };
    rig.source.with(|inner| {
        inner.commit(|tran| (1..=400).for_each(|id| tran.insert(&table, crate::support::rig::row(id, &noise(id), id))));
    });
    prepare(&rig, &table).await;
    let engine = rig.engine();
    let whole = engine.preview(&table, 0, &options(usize::MAX, false)).await.unwrap();
    assert!(whole.complete && whole.bytes > 200_000, "{}", whole.bytes);
    let key = engine.files(&table, 1, None).await.unwrap().batches[0].files[0].key.clone();
    // The end of the file is spoilt: who reads on meets it.
    let mut spoilt = rig.s3.lab.object(BUCKET, &key).unwrap().to_vec();
    let end = spoilt.len() - 2_000;
    spoilt[end..].fill(0xff);
    rig.s3.lab.overwrite(BUCKET, &key, spoilt.into());
    assert_eq!(engine.preview(&table, 0, &options(5, false)).await.unwrap().rows.len(), 5);
    let fault = engine.preview(&table, 0, &options(usize::MAX, false)).await.unwrap_err();
    assert!(fault.is(&sync::PART_UNREADABLE), "{fault}");
}
