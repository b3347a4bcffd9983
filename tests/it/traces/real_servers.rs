//! Traces that need a SQL Server: restores, columns and keys as its catalogue has them.

use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::sample;
use db_to_redshift::model::fault::{rs, sync};
use db_to_redshift::model::{Fault, TableName};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::Target;

use super::one;
use crate::support::memory_source::MemorySource;
use crate::support::pipeline::Pipeline;
use crate::support::rig::{Rig, done, fault, row};

const CDC: &str = "EXEC sys.sp_cdc_enable_db";
const TABLE: &str = "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, note nvarchar(max) NULL, n int NULL)";

fn track(table: &str) -> String {
    format!("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{table}', @role_name = NULL, @supports_net_changes = 0")
}

async fn pipeline(tables: &[&str]) -> Pipeline {
    let tracked: Vec<String> = tables
        .iter()
        .flat_map(|sql| {
            let name = sql.split("dbo.").nth(1).unwrap().split(' ').next().unwrap();
            [(*sql).to_owned(), track(name)]
        })
        .collect();
    let first = [format!("ALTER DATABASE [{}] SET ALLOW_SNAPSHOT_ISOLATION ON", sample::DATABASE), CDC.to_owned()];
    Pipeline::start(first.iter().chain(&tracked).map(String::as_str)).await
}

async fn stopped(pipeline: &Pipeline, table: &TableName) -> Fault {
    fault(pipeline.engine().await.sync(one(table)).await)
}

/// Traces 7 and 25 on a server: a backup is restored over the database. At once max lies below the
/// head; later the new history has run past it (E2, R7).
#[tokio::test(flavor = "multi_thread")]
async fn trace_25_a_restored_database_stops_the_stream_before_and_after_its_lsns_pass_the_head() {
    let mut pipeline = pipeline(&[TABLE]).await;
    let table = TableName::new("dbo", "t");
    pipeline.sql.run("INSERT INTO dbo.t VALUES (1, N'a', 1)").unwrap();
    pipeline.capture();
    pipeline.prepared().await;
    let database = pipeline.lab.options().source_database.clone();
    let backup = pipeline.lab.folder().join("yesterday.backup");
    pipeline.lab.sqlserver.cdc.back_up(&database, &backup).unwrap();
    pipeline.sql.run("INSERT INTO dbo.t VALUES (2, N'b', 2)").unwrap();
    pipeline.capture();
    done(pipeline.engine().await.sync(one(&table)).await);
    let head = pipeline.engine().await.store.record(&table, 1, 1).await.unwrap().unwrap();

    pipeline.lab.sqlserver.cdc.restore(&database, &backup).unwrap();
    assert!(pipeline.lab.sqlserver.cdc.max_lsn(&database).unwrap().unwrap() < head.lsn_to);
    assert!(stopped(&pipeline, &table).await.is(&sync::WENT_BACK));
    for n in 3..20 {
        pipeline.sql.run(&format!("INSERT INTO dbo.t VALUES ({n}, N'other', {n})")).unwrap();
        pipeline.capture();
    }
    assert!(pipeline.lab.sqlserver.cdc.max_lsn(&database).unwrap().unwrap() > head.lsn_to);
    assert!(stopped(&pipeline, &table).await.is(&sync::WENT_BACK));
    assert!(pipeline.engine().await.store.record(&table, 1, 2).await.unwrap().is_none());
}

/// Trace 16 on a server: a column is dropped and added again under its name; the change table
/// goes on with NULLs for it (E2).
#[tokio::test(flavor = "multi_thread")]
async fn trace_16_a_column_dropped_and_added_again_stops_the_stream() {
    let mut pipeline = pipeline(&[TABLE]).await;
    let table = TableName::new("dbo", "t");
    pipeline.prepared().await;
    pipeline.sql.run("INSERT INTO dbo.t VALUES (1, N'a', 1)").unwrap();
    pipeline.sql.run("ALTER TABLE dbo.t DROP COLUMN n").unwrap();
    pipeline.sql.run("ALTER TABLE dbo.t ADD n int NULL").unwrap();
    pipeline.sql.run("INSERT INTO dbo.t VALUES (2, N'b', 2)").unwrap();
    pipeline.capture();
    assert!(stopped(&pipeline, &table).await.is(&sync::DRIFT));
    assert!(pipeline.engine().await.store.record(&table, 1, 1).await.unwrap().is_none());
}

/// Trace 17: two rows whose keys differ in the seventh digit of a second would be one row in
/// Redshift, which keeps six (E8): check and prepare refuse such keys; a key with six goes through.
#[tokio::test(flavor = "multi_thread")]
async fn trace_17_keys_that_differ_in_the_seventh_digit_are_refused() {
    let seven = ["datetime2(7)", "time(7)", "datetimeoffset(7)"];
    let mut tables: Vec<String> = seven
        .iter()
        .zip(["a", "b", "c"])
        .map(|(key, name)| format!("CREATE TABLE dbo.{name} (at {key} NOT NULL PRIMARY KEY, n int NULL)"))
        .collect();
    tables.push("CREATE TABLE dbo.six (at datetime2(6) NOT NULL PRIMARY KEY, n int NULL)".to_owned());
    let mut pipeline = pipeline(&tables.iter().map(String::as_str).collect::<Vec<_>>()).await;
    pipeline
        .sql
        .run("INSERT INTO dbo.a VALUES ('2026-03-01T10:00:00.0000001', 1); INSERT INTO dbo.a VALUES ('2026-03-01T10:00:00.0000002', 2)")
        .unwrap();
    pipeline
        .sql
        .run("INSERT INTO dbo.six VALUES ('2026-03-01T10:00:00.000001', 1); INSERT INTO dbo.six VALUES ('2026-03-01T10:00:00.000002', 2)")
        .unwrap();
    pipeline.capture();
    let engine = pipeline.engine().await;
    for name in ["a", "b", "c"] {
        let table = TableName::new("dbo", name);
        let refused = fault(engine.prepare(one(&table), PrepareOptions::default()).await);
        assert!(refused.is(&rs::KEY_COLUMN), "{name}: {refused}");
        assert_eq!(engine.store.current_epoch(&table).await.unwrap(), None);
    }
    let checked = engine.check(&pipeline.tables().await).await;
    let refused = checked
        .iter()
        .filter(|finding| matches!(&finding.result, db_to_redshift::engine::check::Found::Fault(fault) if fault.is(&rs::KEY_COLUMN)));
    assert_eq!(refused.count(), 3);
    let six = TableName::new("dbo", "six");
    done(engine.prepare(one(&six), PrepareOptions::default()).await);
    pipeline.sql.run("UPDATE dbo.six SET n = 3 WHERE at = '2026-03-01T10:00:00.000002'").unwrap();
    pipeline.capture();
    done(engine.sync(one(&six)).await);
    pipeline.assert_equal(one(&six)).await;
}

/// Trace 14, the first half: a second database, carried by the same pipeline or by another, meets
/// the state of the first at every step (1).
#[tokio::test(flavor = "multi_thread")]
async fn trace_14_a_second_database_stops_at_the_state_of_the_first() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "first", 1))));
    rig.sync(&table).await;
    for pipeline in ["shop", "other"] {
        let other = MemorySource::new();
        other.with(|inner| inner.identity.database = "second".into());
        let columns = rig.source.with(|inner| inner.get(&table).instance.shape.columns().to_vec());
        other.table("t", columns);
        other.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "second", 2))));
        let mut second = std::sync::Arc::into_inner(rig.engine_with(|settings| settings.pipeline = pipeline.into())).unwrap();
        second.source = std::sync::Arc::new(other);
        let second = std::sync::Arc::new(second);
        let options = PrepareOptions { new_epoch: true, replace: true, ..PrepareOptions::default() };
        assert!(fault(second.prepare(one(&table), options).await).is(&sync::OTHER_STREAM), "{pipeline}");
        assert!(second.extract(one(&table)).await[0].outcome.is_err());
        rig.assert_equal(&table).await;
    }
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(3, "first", 3))));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Trace 14, the second half: `a` + `b__c` beside `a__b` + `c` (1): staging of both would be
/// `a__b__c`.
#[tokio::test(flavor = "multi_thread")]
async fn trace_14_names_that_join_to_one_name_are_refused_together() {
    let rig = Rig::start().await;
    let first = rig.table();
    let columns = rig.source.with(|inner| inner.get(&first).instance.shape.columns().to_vec());
    let one_way = rig.source.table_in("a", "b__c", columns.clone());
    let other_way = rig.source.table_in("a__b", "c", columns);
    let both = [one_way.clone(), other_way];
    // A third one is none the worse for it.
    let all = [both[0].clone(), first.clone(), both[1].clone()];
    let reports = rig.engine().prepare(&all, PrepareOptions::default()).await;
    for (report, refused) in reports.iter().zip([true, false, true]) {
        assert_eq!(report.outcome.as_ref().is_err_and(|fault| fault.is(&rs::COLLISION)), refused, "{report:?}");
    }
    assert_eq!(rig.s3.store.current_epoch(&first).await.unwrap(), Some(1));
    for table in &both {
        assert_eq!(rig.s3.store.current_epoch(table).await.unwrap(), None);
    }
    // Each alone is good.
    done(rig.engine().prepare(one(&one_way), PrepareOptions::default()).await);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&one_way, row(1, "a", 1))));
    rig.sync(&one_way).await;
    assert_eq!(rig.target().row_counts(&one_way).await.unwrap(), (1, 0));
}
