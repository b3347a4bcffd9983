//! Accept: a stream goes on after DDL that leaves what it carries readable as before (rule R7).

use db_to_redshift::engine::inspect::widen::WidenOptions;
use db_to_redshift::engine::operate::Accepted;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::sample;
use db_to_redshift::model::fault::{operate, rs, sync};
use db_to_redshift::model::{Column, Fault, RecordKind, SqlType, TableName, TableShape};
use db_to_redshift::store::ChangeStore;

use super::{ids, log, one, outcome, record, recorded, state};
use crate::support::column::column;
use crate::support::memory_source::Inner;
use crate::support::pipeline::Pipeline;
use crate::support::rig::{Rig, done, fault, row};

async fn accept(rig: &Rig, table: &TableName, confirm: bool) -> Result<Accepted, Fault> {
    outcome(rig.engine().accept(one(table), confirm).await)
}

/// DDL that capture has noted, and a row behind it.
fn altered(rig: &Rig, table: &TableName, command: &str, alters_captured: bool, edit: impl FnOnce(&mut Vec<Column>)) {
    rig.source.with(|inner: &mut Inner| {
        inner.note_ddl(table, command, alters_captured);
        let instance = &mut inner.get(table).instance;
        let mut columns = instance.shape.columns().to_vec();
        edit(&mut columns);
        instance.shape = TableShape::new(columns);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_was_added_needs_no_new_snapshot() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 2).await;
    assert_eq!(accept(&rig, &table, true).await.unwrap().batch, None, "nothing has changed yet");
    altered(&rig, &table, "ALTER TABLE dbo.t\n  ADD extra int NULL", false, |_| {});
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(3, "x", 3))));
    let stopped = fault(rig.engine().extract(one(&table)).await);
    assert!(stopped.is(&sync::DRIFT));
    assert!(stopped.actions().any(|next| next.starts_with("db-to-redshift accept-schema --table 'dbo.t'")), "{stopped}");

    let asked = accept(&rig, &table, false).await.unwrap_err();
    assert!(asked.is(&operate::CONFIRM));
    assert!(asked.facts().iter().any(|(_, value)| value == "ALTER TABLE dbo.t ADD extra int NULL"), "{asked}");
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::DRIFT), "a look changes nothing");

    let accepted = accept(&rig, &table, true).await.unwrap();
    assert_eq!((accepted.batch, accepted.next.as_slice()), (Some(3), &["db-to-redshift sync --table 'dbo.t'".to_owned()][..]));
    assert_eq!(accept(&rig, &table, true).await.unwrap().batch, None, "once is enough");
    // Batches before and behind it: it is loaded by itself.
    assert_eq!(rig.extract(&table).await.batches, 1);
    record(&rig, &table, [4]).await;
    rig.load(&table).await;
    assert_eq!(ids(&rig).await, [1, 2, 3, 4]);
    rig.assert_equal(&table).await;
    let log = log(&rig).await;
    assert!(log.iter().any(|line| line.starts_with("schema 3-3")) && log.iter().any(|line| line.starts_with("applied 4-5")), "{log:?}");
    assert_eq!(state(&rig, &table).await.applied_seq, Some(5));
}

/// The hash of the state changes with the record alone, and what follows it is loaded.
#[tokio::test(flavor = "multi_thread")]
async fn a_string_that_became_longer_goes_on_with_the_new_columns() {
    let rig = Rig::start().await;
    let table = rig.source.table("t", strings());
    rig.engine().prepare(one(&table), PrepareOptions::default()).await;
    rig.load(&table).await;
    let before = state(&rig, &table).await.column_hash;
    altered(&rig, &table, "ALTER TABLE dbo.t ALTER COLUMN note nvarchar(40) NULL", true, |columns| {
        columns[1].sql_type = SqlType::NVarChar { length: 40 };
    });
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::DRIFT));
    let accepted = accept(&rig, &table, true).await.unwrap();
    assert_eq!(accepted.longer, ["note nvarchar(20) -> nvarchar(40)"]);
    assert_eq!(accepted.next[0], "db-to-redshift widen --table 'dbo.t' --column 'note' --confirm");
    let schema = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap();
    assert_eq!((schema.kind, schema.lsn_to.next()), (RecordKind::Schema, schema.lsn_from.unwrap()));
    // Blanks at the end of a value that is too long would be cut, and nobody would hear of it.
    let padded = format!("{}{}", "茶".repeat(20), " ".repeat(10));
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, &padded, 1))));
    rig.extract(&table).await;
    let narrow = fault(rig.engine().load(one(&table)).await);
    assert!(narrow.is(&rs::NOT_YET_WIDE) && narrow.actions().next() == Some(&*accepted.next[0]), "{narrow:?}");
    assert_eq!(state(&rig, &table).await.applied_seq, Some(0));
    let widen = WidenOptions { column: Some("note".into()), to: None, confirm: true };
    assert!(rig.engine().widen(&table, &widen).await.unwrap().done);
    rig.load(&table).await;
    let after = state(&rig, &table).await.column_hash;
    assert_eq!(after.as_ref(), Some(&schema.column_hash));
    assert_ne!(after, before);
    rig.assert_equal(&table).await;
}

fn strings() -> Vec<Column> {
    vec![
        column("id", 1, SqlType::Int, Some(1)),
        column("note", 2, SqlType::NVarChar { length: 20 }, None),
        column("n", 3, SqlType::Int, None),
    ]
}

type Edit = fn(&mut Vec<Column>);

/// Columns of many kinds, the key first.
fn many_kinds() -> Vec<Column> {
    let raw = column("raw", 4, SqlType::VarBinary { length: 20 }, None);
    let price = column("price", 5, SqlType::Decimal { precision: 10, scale: 2 }, None);
    let at = column("at", 6, SqlType::DateTime2 { scale: 3 }, None);
    [strings(), vec![raw, price, at]].concat()
}

/// What makes rows of another form, and whether it alters a captured column.
fn other_forms() -> Vec<(&'static str, bool, Edit)> {
    vec![
        // Redshift can make no VARBYTE longer.
        ("a longer binary", true, |columns| columns[3].sql_type = SqlType::VarBinary { length: 40 }),
        ("another type", true, |columns| columns[2].sql_type = SqlType::BigInt),
        ("a shorter string", true, |columns| columns[1].sql_type = SqlType::NVarChar { length: 10 }),
        ("a MAX string", true, |columns| columns[1].sql_type = SqlType::NVarCharMax),
        ("another name", false, |columns| columns[1].name = "remark".into()),
        ("another column of the name", false, |columns| columns[2].column_id = 9),
        ("another collation", true, |columns| columns[1].collation = Some("Latin1_General_BIN2".into())),
        ("another precision", true, |columns| columns[4].sql_type = SqlType::Decimal { precision: 12, scale: 2 }),
        ("another scale", true, |columns| columns[4].sql_type = SqlType::Decimal { precision: 10, scale: 3 }),
        ("another scale of a time", true, |columns| columns[5].sql_type = SqlType::DateTime2 { scale: 4 }),
        ("another key column", true, |columns| (columns[0].key_ordinal, columns[2].key_ordinal) = (None, Some(1))),
        ("a further key column", true, |columns| columns[2].key_ordinal = Some(2)),
    ]
}

/// By the columns alone: capture has noted no DDL yet.
#[tokio::test(flavor = "multi_thread")]
async fn columns_of_another_form_stop_an_extract() {
    for (what, _, edit) in other_forms() {
        let rig = Rig::start().await;
        let table = rig.source.table("t", many_kinds());
        let opened = rig.engine().prepare(one(&table), PrepareOptions::default()).await;
        done(opened);
        rig.source.with(|inner| {
            let instance = &mut inner.get(&table).instance;
            let mut columns = instance.shape.columns().to_vec();
            edit(&mut columns);
            instance.shape = TableShape::new(columns);
            inner.idle();
        });
        let stopped = fault(rig.engine().extract(one(&table)).await);
        assert!(stopped.is(&sync::DRIFT), "{what}: {stopped:?}");
        let named = stopped.facts().iter().any(|(name, columns)| name == "columns" && columns.contains('-') && columns.contains('+'));
        assert!(named, "{what}: {stopped:?}");
        assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), 0, "{what}: no record");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_rows_of_two_forms_needs_a_new_epoch() {
    let and_back: (&str, bool, Edit) = ("altered and altered back", true, |_| {});
    for (what, alters_captured, edit) in other_forms().into_iter().chain([and_back]) {
        let rig = Rig::start().await;
        let table = rig.source.table("t", many_kinds());
        rig.engine().prepare(one(&table), PrepareOptions::default()).await;
        altered(&rig, &table, "ALTER TABLE dbo.t …", alters_captured, edit);
        let refused = accept(&rig, &table, true).await.unwrap_err();
        assert!(refused.is(&sync::DRIFT), "{what}: {refused}");
        assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), 0, "{what}: no record");
    }
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    altered(&rig, &table, "ALTER TABLE dbo.t DROP COLUMN n", false, |_| {});
    rig.source.with(|inner| inner.get(&table).instance.missing = vec!["n".into()]);
    assert!(accept(&rig, &table, true).await.unwrap_err().is(&sync::DRIFT), "a captured column is gone");

    // Rows that are switched in or out are no changes that anybody captures.
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    altered(&rig, &table, "ALTER TABLE dbo.t\n SWITCH PARTITION 3 TO dbo.t_old", false, |_| {});
    let refused = accept(&rig, &table, true).await.unwrap_err();
    assert!(refused.is(&sync::DRIFT) && refused.facts().iter().any(|(_, ddl)| ddl.contains("SWITCH PARTITION 3")), "{refused}");
}

/// A fresh instance begins above the LSN that was newest when its snapshot was taken (rule R2):
/// with a record behind record 0 that is still no source that went back.
#[tokio::test(flavor = "multi_thread")]
async fn right_behind_record_zero_it_may_stand() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    altered(&rig, &table, "ALTER TABLE dbo.t ADD extra int NULL", false, |_| {});
    assert_eq!(accept(&rig, &table, true).await.unwrap().batch, Some(1));
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "x", 1))));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

async fn production(pipeline: &Pipeline) -> Vec<String> {
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    crate::support::lab::cells(&client.simple_query("SELECT id, name FROM public.t ORDER BY id").await.unwrap())
}

/// The same on the stand-in server, by the command line: drift is exit code 4, and no row is lost
/// or read twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_altered_and_goes_on() {
    let mut pipeline = Pipeline::start([
        &*format!("ALTER DATABASE [{}] SET ALLOW_SNAPSHOT_ISOLATION ON", sample::DATABASE),
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name nvarchar(10) NULL)",
        "EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL",
    ])
    .await;
    let run = async |pipeline: &Pipeline, arguments: &[&str]| {
        let output = pipeline.program(arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), said)
    };
    pipeline.sql.run("INSERT dbo.t VALUES (1, N'a')").unwrap();
    pipeline.capture();
    pipeline.prepared().await;
    pipeline.sql.run("INSERT dbo.t VALUES (2, N'b')").unwrap();
    pipeline.sql.run("ALTER TABLE dbo.t ADD extra int NULL").unwrap();
    pipeline.sql.run("ALTER TABLE dbo.t ALTER COLUMN name nvarchar(30) NULL").unwrap();
    pipeline.sql.run("INSERT dbo.t VALUES (3, N'twenty characters !!', 5)").unwrap();
    pipeline.capture();
    let (code, said) = run(&pipeline, &["sync"]).await;
    assert!(code == 4 && said.contains("SYNC-004"), "{code} {said}");
    let (code, said) = run(&pipeline, &["accept-schema", "--table", "dbo.t"]).await;
    assert!(code == 2 && said.contains("name nvarchar(10) -> nvarchar(30)") && said.contains("ADD extra int NULL"), "{code} {said}");
    let (code, said) = run(&pipeline, &["accept-schema", "--table", "dbo.t", "--confirm"]).await;
    assert!(code == 0 && said.contains("widen --table 'dbo.t' --column 'name'"), "{code} {said}");
    let (code, said) = run(&pipeline, &["widen", "--table", "dbo.t", "--column", "name", "--confirm"]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = run(&pipeline, &["sync"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(production(&pipeline).await, ["1|a", "2|b", "3|twenty characters !!"]);
    pipeline.sql.run("UPDATE dbo.t SET name = N'z' WHERE id = 1; DELETE dbo.t WHERE id = 2").unwrap();
    pipeline.capture();
    assert_eq!(run(&pipeline, &["sync"]).await.0, 0);
    assert_eq!(production(&pipeline).await, ["1|z", "3|twenty characters !!"]);
}
