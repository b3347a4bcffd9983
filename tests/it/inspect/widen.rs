use db_to_redshift::engine::inspect::verify::Verdict;
use db_to_redshift::engine::inspect::widen::WidenOptions;
use db_to_redshift::engine::load::plan;
use db_to_redshift::model::fault::{rs, sync};
use db_to_redshift::model::{Fault, TableName};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::{Loader, Target};

use super::{loaded, prepare, row, table, verify};
use crate::support::memory_source::text;
use crate::support::rig::{Rig, fault, id};

fn fact<'a>(fault: &'a Fault, name: &str) -> &'a str {
    fault.facts().iter().find(|(known, _)| known == name).map_or_else(|| panic!("{name} is not in {fault}"), |(_, value)| value)
}

fn widen(column: Option<&str>, to: Option<u32>, confirm: bool) -> WidenOptions {
    WidenOptions { column: column.map(str::to_owned), to, confirm }
}

/// Updates are read again in the overlap and written behind the insert.
const LINE: &str = "3";

/// Three rows, one of which is too long for ten bytes.
async fn pending(rig: &Rig) -> TableName {
    let table = loaded(rig, &["a", "b"]).await;
    rig.source.with(|inner| {
        inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("short"))]));
        inner.commit(|tran| tran.update(&table, &id(2), &[(1, text("fifteen bytes!!"))]));
        inner.commit(|tran| tran.insert(&table, row(3, "c")));
    });
    rig.extract(&table).await;
    table
}

async fn load_fault(rig: &Rig, table: &TableName) -> Fault {
    fault(rig.engine().load(std::slice::from_ref(table)).await)
}

async fn names(rig: &Rig) -> Vec<Option<String>> {
    rig.query("SELECT name FROM public.v ORDER BY id").await.into_iter().map(|row| row[0].clone()).collect()
}

fn told(fault: &Fault, page: &db_to_redshift::model::fault::Page, line: &str) {
    assert!(fault.is(page), "{fault}");
    assert_eq!((fact(fault, "column"), fact(fault, "bytes"), fact(fault, "limit"), fact(fault, "line")), ("name", "15", "10", line));
    assert!(fact(fault, "file").contains("/data/dbo.v/e0001/") && fact(fault, "file").ends_with(".csv.zst"));
    assert!(fault.to_string().contains("dbo.v"));
    assert!(fault.actions().any(|next| next == "db-to-redshift widen --table 'dbo.v' --column 'Name' --to 60"), "{fault:?}");
    assert!(!fault.to_string().contains("fifteen"), "{fault}");
}

/// A DBA made production narrower: staging takes the value, production does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_production_is_told_widened_and_loaded() {
    let rig = Rig::start().await;
    let table = pending(&rig).await;
    rig.query("ALTER TABLE public.v ALTER COLUMN name TYPE VARCHAR(10)").await;
    told(&load_fault(&rig, &table).await, &rs::TOO_LONG, LINE);
    assert_eq!(names(&rig).await, [Some("a".to_owned()), Some("b".to_owned())], "nothing is half applied");
    let state = rig.target().state(&table).await.unwrap().unwrap();
    assert!(state.applied_seq == Some(0) && state.staged.is_some());

    let shown = rig.engine().widen(&table, &widen(None, None, false)).await.unwrap();
    assert_eq!(shown.statements, [r#"ALTER TABLE "public"."v" ALTER COLUMN "name" TYPE VARCHAR(60)"#]);
    assert!(!shown.done);
    assert!(load_fault(&rig, &table).await.is(&rs::TOO_LONG), "showing changes nothing");

    let report = rig.engine().widen(&table, &widen(None, None, true)).await.unwrap();
    assert!(report.done && !report.diverged && report.column == "Name");
    rig.load(&table).await;
    assert_eq!(names(&rig).await[1].as_deref(), Some("fifteen bytes!!"));
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal);
    let again = rig.engine().widen(&table, &widen(Some("Name"), None, true)).await.unwrap();
    assert!(again.statements.is_empty() && !again.done, "nothing is left to do");
}

/// Staging is too narrow as well: COPY refuses the value with 1204.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_copy_is_told_widened_and_loaded() {
    let rig = Rig::start().await;
    let table = pending(&rig).await;
    rig.query("ALTER TABLE public.v ALTER COLUMN name TYPE VARCHAR(10)").await;
    rig.query("ALTER TABLE d2r_staging.dbo__v ALTER COLUMN name TYPE VARCHAR(10)").await;
    let fault = load_fault(&rig, &table).await;
    told(&fault, &rs::LOAD_FAILED, LINE);
    assert_eq!((fact(&fault, "code"), fact(&fault, "length")), ("1204", "10"));
    let report = rig.engine().widen(&table, &widen(Some("name"), Some(16), true)).await.unwrap();
    assert_eq!((report.statements.len(), report.done), (2, true));
    rig.load(&table).await;
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal);

    let errors = rig.target().load_errors("s3://", 5, false).await.unwrap();
    assert_eq!((errors[0].column.as_str(), errors[0].code.as_str(), errors[0].line.as_str()), ("name", "1204", LINE));
    assert!(errors[0].raw_field.is_none() && !format!("{errors:?}").contains("fifteen"));
    let errors = rig.target().load_errors("s3://", 5, true).await.unwrap();
    assert_eq!(errors[0].raw_field.as_deref(), Some("fifteen bytes!!"));
    assert!(rig.target().load_errors("s3://elsewhere/", 5, true).await.unwrap().is_empty());
}

/// A DBA may run the statements that are shown instead: where nothing is staged, and where a range
/// waits in staging.
#[tokio::test(flavor = "multi_thread")]
async fn the_statements_that_are_shown_do_it_too() {
    for narrow in [&["public.v"][..], &["public.v", "d2r_staging.dbo__v"]] {
        let rig = Rig::start().await;
        let table = pending(&rig).await;
        for relation in narrow {
            rig.query(&format!("ALTER TABLE {relation} ALTER COLUMN name TYPE VARCHAR(10)")).await;
        }
        load_fault(&rig, &table).await;
        let shown = rig.engine().widen(&table, &widen(None, None, false)).await.unwrap();
        assert_eq!(shown.statements.len(), narrow.len());
        for statement in &shown.statements {
            rig.query(statement).await;
        }
        rig.load(&table).await;
        assert_eq!(names(&rig).await[1].as_deref(), Some("fifteen bytes!!"));
        assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal);
        assert_eq!(super::diverged(&rig, &table).await, None);
    }
}

/// The snapshot goes straight into production.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_snapshot_is_told_too() {
    let rig = Rig::start().await;
    let table = table(&rig);
    rig.source
        .with(|inner| inner.commit(|tran| (1..=2).zip(["a", "fifteen bytes!!"]).for_each(|(id, name)| tran.insert(&table, row(id, name)))));
    prepare(&rig, &table).await;
    rig.query("ALTER TABLE public.v ALTER COLUMN name TYPE VARCHAR(10)").await;
    told(&load_fault(&rig, &table).await, &rs::LOAD_FAILED, "2");
    assert!(rig.engine().widen(&table, &widen(None, None, true)).await.unwrap().done);
    rig.load(&table).await;
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal);
}

/// What Redshift cannot alter is refused, before anything is done where the catalogue says so.
#[tokio::test(flavor = "multi_thread")]
async fn columns_that_cannot_be_widened_are_refused_with_what_helps() {
    for (declared, refused_by_us) in
        [("VARCHAR(60) ENCODE bytedict", true), ("VARCHAR(60) DEFAULT 'x'", true), ("VARCHAR(60) UNIQUE", false)]
    {
        let rig = Rig::start().await;
        let table = table(&rig);
        rig.query(&format!(
            "CREATE TABLE public.v (id INTEGER NOT NULL, name {declared}, at TIMESTAMP, price DECIMAL(20,4), ratio REAL, bytes VARBYTE(50), note VARCHAR(65535))"
        ))
        .await;
        prepare(&rig, &table).await;
        rig.load(&table).await;
        let fence = rig.target().state(&table).await.unwrap().unwrap().fence;
        let refused = rig.engine().widen(&table, &widen(Some("name"), Some(100), true)).await.unwrap_err();
        assert!(refused.is(&rs::NOT_WIDENED), "{declared}: {refused}");
        assert!(refused.actions().any(|next| next.contains("--new-epoch")));
        assert_eq!(rig.target().state(&table).await.unwrap().unwrap().fence == fence, refused_by_us, "{declared}");
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a"))));
        rig.sync(&table).await;
        assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal, "{declared}: the stream goes on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_varchar_columns_up_to_their_limit_are_widened() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    for (column, to) in [("bytes", 100), ("id", 100), ("name", 70_000)] {
        let refused = rig.engine().widen(&table, &widen(Some(column), Some(to), true)).await.unwrap_err();
        assert!(refused.is(&rs::NOT_WIDENED), "{column}: {refused}");
    }
    let refused = rig.engine().widen(&table, &widen(Some("nmae"), None, true)).await.unwrap_err();
    assert!(refused.is(&sync::NO_COLUMN) && refused.to_string().contains("Name"), "{refused}");
    // Nothing waits that is too long: that is no failure.
    for confirm in [false, true] {
        let report = rig.engine().widen(&table, &widen(None, None, confirm)).await.unwrap();
        assert!(report.nothing_too_long().is_some() && report.statements.is_empty() && !report.done, "{report:?}");
    }
}

/// A worker that staged before the repair is stale behind it, and a repair that dies half-way
/// leaves nothing to undo.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_before_cannot_go_on() {
    let rig = Rig::start().await;
    let table = pending(&rig).await;
    let target = rig.target();
    let identity = target.state(&table).await.unwrap().unwrap().identity;
    let mut stalled = target.loader(&table).await.unwrap();
    let fence = stalled.raise_fence(&identity).await.unwrap().fence;
    let record = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap();
    let manifest = rig.s3.store.put_manifest(&table, 1, 1, 1, &record.parts).await.unwrap();
    let range = plan::range(&[record], &identity, fence, Some(rig.s3.store.url(&manifest))).unwrap();
    stalled.stage(&range).await.unwrap();

    let mut repair = target.loader(&table).await.unwrap();
    let cleared = repair.clear_for_ddl(&identity).await.unwrap();
    assert!(cleared.fence > fence && cleared.staged.is_none());
    assert_eq!(target.row_counts(&table).await.unwrap(), (2, 0), "staging is empty, production untouched");
    for refused in [stalled.apply(&range).await.map(|_| ()), stalled.stage(&range).await] {
        assert!(refused.unwrap_err().is(&sync::STALE_FENCE));
    }
    // The repair dies here: the next load takes the records as if nothing had been.
    drop(repair);
    rig.load(&table).await;
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal);
    let mut late = target.loader(&table).await.unwrap();
    assert!(late.accept_ddl(cleared.fence).await.unwrap_err().is(&sync::STALE_FENCE));
}
