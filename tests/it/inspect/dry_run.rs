use db_to_redshift::model::fault::sync;
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::Target;

use super::{loaded, prepare, row, table};
use crate::support::memory_source::text;
use crate::support::rig::{Rig, id};

/// What it says is what the load then does; until then nothing changes.
#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_the_load_then_does() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b", "c"]).await;
    rig.source.with(|inner| {
        inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("twice"))]));
        inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("once more"))]));
        inner.commit(|tran| tran.delete(&table, &id(2)));
    });
    rig.extract(&table).await;
    rig.source.with(|inner| {
        inner.commit(|tran| tran.insert(&table, row(7, "seven")));
        inner.commit(|tran| tran.insert(&table, row(8, "gone again")));
        inner.commit(|tran| tran.delete(&table, &id(8)));
    });
    rig.extract(&table).await;
    let before = rig.target().state(&table).await.unwrap();
    let report = rig.engine().dry_run(&table).await.unwrap();
    assert_eq!(rig.target().state(&table).await.unwrap(), before);
    assert!(!report.has_trouble() && report.complete && !report.snapshot);
    assert_eq!((report.from, report.to, report.rows, report.keys), (Some(1), Some(2), 6, 4));
    assert_eq!((report.deletes, report.inserts, report.repeated_keys, report.production_rows), (2, 2, 2, 3));
    let name = report.columns.iter().find(|column| column.column == "Name").unwrap();
    assert_eq!((name.limit, name.widest, name.too_long), (60, 10, 0));
    assert_eq!(name.widest_at.as_ref().unwrap().seq, 2);

    rig.load(&table).await;
    let line = rig.target().log("shop", None, 1).await.unwrap().remove(0);
    assert_eq!((line.deleted, line.inserted), (report.deletes, report.inserts));
    let report = rig.engine().dry_run(&table).await.unwrap();
    assert_eq!((report.records, report.from, report.rows), (0, None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_is_named_with_its_place() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b"]).await;
    rig.query("INSERT INTO public.v SELECT * FROM public.v WHERE id = 2").await;
    rig.query("ALTER TABLE public.v ALTER COLUMN name TYPE VARCHAR(10)").await;
    rig.source.with(|inner| {
        inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("just right"))]));
        inner.commit(|tran| tran.update(&table, &id(2), &[(1, text("one too many"))]));
    });
    rig.extract(&table).await;
    let report = rig.engine().dry_run(&table).await.unwrap();
    assert!(report.has_trouble());
    assert_eq!((report.duplicate_keys, report.deletes, report.inserts), (1, 3, 2));
    let name = report.columns.iter().find(|column| column.column == "Name").unwrap();
    assert_eq!((name.limit, name.widest, name.too_long), (10, 12, 1));
    let place = name.first_too_long.as_ref().unwrap();
    assert_eq!((place.seq, place.line), (1, 2));
    assert!(place.file.starts_with("s3://"));
    assert!(!serde_json::to_string(&report).unwrap().contains("too many"));
    // What helps is the same on the screen and on the command line.
    assert_eq!(name.next, ["db-to-redshift widen --table 'dbo.v' --column 'Name' --to 60"]);
    let shown = format!("{:?}", db_to_redshift::console::pages::dry_run(&report));
    assert!(shown.contains("widen Name from 10 to 60 bytes"), "{shown}");
}

/// An untouched large value that neither a batch nor production has.
#[tokio::test(flavor = "multi_thread")]
async fn kept_values_that_would_be_lost_are_counted() {
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
        inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("y"))]));
        inner.commit(|tran| tran.update(&table, &id(2), &[(1, text("y"))]));
    });
    rig.extract(&table).await;
    assert_eq!(rig.engine().dry_run(&table).await.unwrap().lost_kept, 0);
    rig.query("DELETE FROM public.v WHERE id = 2").await;
    let report = rig.engine().dry_run(&table).await.unwrap();
    assert_eq!((report.lost_kept, report.deletes), (1, 1));
    rig.load(&table).await;
    let why = super::diverged(&rig, &table).await.unwrap();
    assert!(why.contains("1 untouched"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_replaces_production() {
    let rig = Rig::start().await;
    let table = table(&rig);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a"))));
    prepare(&rig, &table).await;
    let report = rig.engine().dry_run(&table).await.unwrap();
    assert_eq!((report.snapshot, report.rows, report.deletes, report.inserts), (true, 1, 0, 1));
    assert!(!report.has_trouble());
}

/// With all that an operator needs: the same document as anywhere else.
#[tokio::test(flavor = "multi_thread")]
async fn the_fault_that_the_load_would_stop_with_is_told_in_full() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    for id in [7, 8] {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(id, "x"))));
        rig.sync(&table).await;
    }
    rig.s3.store.delete_records(&table, 1, &[1, 2]).await.unwrap();
    let report = rig.engine().dry_run(&table).await.unwrap();
    assert!(report.has_trouble());
    let fault = report.fault.as_ref().unwrap();
    assert_eq!(fault.code, sync::RECORDS_GONE.code);
    assert!(!fault.next.is_empty() && !fault.meaning.is_empty(), "{fault:?}");
    let document = serde_json::to_value(&report).unwrap();
    assert_eq!(document["fault"]["code"], sync::RECORDS_GONE.code);
    // The screen leads to it, though nothing waits.
    let page = db_to_redshift::console::pages::dry_run(&report);
    assert_eq!(page.stops(), 1, "{page:?}");
}
