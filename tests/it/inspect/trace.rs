use db_to_redshift::engine::inspect::trace::TraceReport;
use db_to_redshift::model::TableName;
use db_to_redshift::model::fault::sync;

use super::{loaded, row};
use crate::support::memory_source::text;
use crate::support::rig::{Rig, id};

async fn trace(rig: &Rig, table: &TableName, key: &str, values: bool) -> TraceReport {
    rig.engine().trace(table, &[key.to_owned()], values).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_key_is_told_from_change_to_production() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b"]).await;
    let first = rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("card-1"))])));
    rig.sync(&table).await;
    let second = rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("card-2"))])));
    rig.extract(&table).await;
    let third = rig.source.with(|inner| inner.commit(|tran| tran.delete(&table, &id(1))));

    let report = trace(&rig, &table, "1", false).await;
    let versions: Vec<_> = report.changes.iter().map(|change| (change.lsn, change.operation.as_str())).collect();
    let expected = [(first, "before"), (first, "after"), (second, "before"), (second, "after"), (third, "delete")];
    assert_eq!(versions[1..], expected, "behind the insert");
    assert_eq!(report.changes[2].touched, ["Name"]);
    assert!(report.changes.iter().all(|change| change.time.is_some()));
    let records: Vec<_> = report.records.iter().map(|record| (record.seq, record.applied)).collect();
    assert_eq!(records, [(1, true), (2, false)]);
    assert!(report.records[0].versions.is_none(), "loaded files are deleted at once here");
    let pending = &report.records[1].versions.as_ref().unwrap()[0];
    assert_eq!((pending.operation.as_str(), pending.line), ("upsert", 1));
    assert!((!report.in_source, report.production_rows, report.equal) == (true, 1, false));
    let hidden = serde_json::to_string(&report).unwrap();
    assert!(!hidden.contains("card-"), "{hidden}");

    let shown = trace(&rig, &table, "1", true).await;
    let at = |row: &[Option<String>]| row[1].clone().unwrap();
    assert_eq!(at(&shown.rows.as_ref().unwrap().production[0]), "card-1");
    assert_eq!(at(shown.records[1].versions.as_ref().unwrap()[0].values.as_ref().unwrap()), "card-2");
    assert_eq!(at(shown.changes.last().unwrap().values.as_ref().unwrap()), "card-2");

    let other = trace(&rig, &table, "2", false).await;
    assert!(other.equal && other.in_source && other.changes.len() == 1);
    let none = trace(&rig, &table, "77", false).await;
    assert!(none.changes.is_empty() && none.equal && !none.in_source);
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_rows_are_seen_and_bad_keys_are_refused() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "fifteen bytes!!"))));
    rig.extract(&table).await;
    rig.query("ALTER TABLE public.v ALTER COLUMN name TYPE VARCHAR(10)").await;
    rig.engine().load(std::slice::from_ref(&table)).await;
    let report = trace(&rig, &table, "2", true).await;
    assert_eq!((report.staging_rows, report.production_rows, report.equal), (1, 0, false));
    assert_eq!(report.rows.unwrap().staging[0].seq, 1);
    for key in [vec!["two"], vec!["1", "2"], vec!["99999999999"]] {
        let key: Vec<String> = key.into_iter().map(str::to_owned).collect();
        assert!(rig.engine().trace(&table, &key, false).await.unwrap_err().is(&sync::BAD_KEY));
    }
}
