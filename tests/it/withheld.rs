//! What SQL Server withholds in silence, rows behind a security policy and values behind masks, stops
//! every job that would read the table, before anything is recorded.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use db_to_redshift::cli::connect::LiveEngine;
use db_to_redshift::config::{Secret, Settings, Tls};
use db_to_redshift::engine::check::{Finding, Found};
use db_to_redshift::engine::inspect::verify::VerifyOptions;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::sample;
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};
use db_to_redshift::lab::sqlserver::wire::Options;
use db_to_redshift::model::fault::{Page, src, sync};
use db_to_redshift::model::{Fault, TableName};
use db_to_redshift::source::Source;
use db_to_redshift::source::sqlserver::session::Sessions;
use db_to_redshift::source::sqlserver::withheld;
use db_to_redshift::store::ChangeStore;

use crate::support::lab_sql_server::{Lab, set_policy};
use crate::support::pipeline::Pipeline;
use crate::support::rig::{Rig, done, fault, row};
use crate::support::scripted_sql_server::{Scripted, begin, settings};

fn table() -> TableName {
    TableName::new("dbo", "t")
}

/// `dbo.t` with three rows, tracked.
async fn pipeline() -> Pipeline {
    let pipeline = Pipeline::start([
        &*format!("ALTER DATABASE [{}] SET ALLOW_SNAPSHOT_ISOLATION ON", sample::DATABASE),
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, tenant int NOT NULL, name nvarchar(10) NULL)",
        "EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL",
        "INSERT dbo.t VALUES (1, 1, N'a'), (2, 2, N'b'), (3, 2, N'c')",
    ])
    .await;
    pipeline.capture();
    pipeline
}

/// Only rows of tenant 1 are seen while it is on.
fn policy(pipeline: &Pipeline, enabled: bool) {
    set_policy(&pipeline.lab.sqlserver.engine, sample::DATABASE, ("dbo", "t"), "tenant = 1", enabled);
}

/// Row 3 goes and comes back within one transaction, so that it is read again from the table.
const CHANGES: [&str; 2] = [
    "BEGIN TRAN; DELETE dbo.t WHERE id = 3; INSERT dbo.t VALUES (3, 2, N'again'); COMMIT",
    "UPDATE dbo.t SET name = N'z' WHERE id = 1; INSERT dbo.t VALUES (4, 2, N'd')",
];

async fn production(pipeline: &Pipeline) -> Vec<String> {
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    crate::support::lab::cells(&client.simple_query("SELECT id, tenant, name FROM public.t ORDER BY id").await.unwrap())
}

fn told(found: &[Finding], page: &Page) -> bool {
    found.iter().any(|line| line.area == "dbo.t" && matches!(&line.result, Found::Fault(fault) if fault.is(page)))
}

/// Check tells it, prepare refuses, and no epoch was opened.
async fn nothing_begins(engine: &Arc<LiveEngine>, page: &Page) {
    let table = table();
    let one = slice::from_ref(&table);
    assert!(told(&engine.check(one).await, page));
    let refused = fault(engine.prepare(one, PrepareOptions::default()).await);
    assert!(refused.is(page), "{refused:?}");
    assert_eq!(engine.store.current_epoch(&table).await.unwrap(), None);
    assert!(engine.store.control(&table).await.unwrap().is_none(), "no intent, either");
}

/// Extract and verify refuse, and neither record nor row moves.
async fn nothing_goes_on(pipeline: &Pipeline, engine: &Arc<LiveEngine>, page: &Page) {
    let table = table();
    let before = (engine.store.head(&table, 1, 0).await.unwrap(), production(pipeline).await);
    let refused = fault(engine.sync(slice::from_ref(&table)).await);
    assert!(refused.is(page), "{refused:?}");
    let refused = engine.verify(&table, &VerifyOptions::default()).await.unwrap_err();
    assert!(refused.is(page), "{refused:?}");
    assert_eq!((engine.store.head(&table, 1, 0).await.unwrap(), production(pipeline).await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_filters_rows_stops_a_table_until_it_is_taken_off() {
    let mut pipeline = pipeline().await;
    let engine = pipeline.engine().await;
    let table = table();
    let one = slice::from_ref(&table);
    policy(&pipeline, true);
    nothing_begins(&engine, &src::ROWS_FILTERED).await;

    policy(&pipeline, false);
    assert!(!told(&engine.check(one).await, &src::ROWS_FILTERED));
    pipeline.prepare(one).await;
    assert_eq!(production(&pipeline).await, ["1|1|a", "2|2|b", "3|2|c"]);

    pipeline.sql.run_all(CHANGES).unwrap();
    policy(&pipeline, true);
    pipeline.capture();
    nothing_goes_on(&pipeline, &engine, &src::ROWS_FILTERED).await;
    policy(&pipeline, false);
    done(engine.sync(one).await);
    assert_eq!(production(&pipeline).await, ["1|1|z", "2|2|b", "3|2|again", "4|2|d"]);
    pipeline.assert_equal(one).await;
}

/// A login with what the manual asks for, and no more.
fn as_reader(settings: &mut Settings) {
    settings.source.user = "reader".into();
    settings.source.password = Secret::new("Read-only-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_stops_a_table_until_the_login_may_see_through_it() {
    let mut pipeline = pipeline().await;
    let batches = [
        "CREATE LOGIN reader WITH PASSWORD = 'Read-only-1'",
        "CREATE USER reader FOR LOGIN reader",
        "GRANT SELECT ON SCHEMA::dbo TO reader",
        "GRANT SELECT ON SCHEMA::cdc TO reader",
        "GRANT VIEW DATABASE STATE TO reader",
        "ALTER TABLE dbo.t ALTER COLUMN name ADD MASKED WITH (FUNCTION = 'default()')",
    ];
    pipeline.sql.run_all(batches).unwrap();
    pipeline.capture();
    let engine = pipeline.engine_with(as_reader).await;
    let table = table();
    let one = slice::from_ref(&table);
    nothing_begins(&engine, &src::VALUES_MASKED).await;
    // Whether a policy filters this login's rows it cannot know.
    let unseen = |found: &[Finding]| found.iter().any(|line| format!("{:?}", line.result).contains("GRANT VIEW DEFINITION TO [reader];"));
    assert!(unseen(&engine.check(one).await));
    pipeline.sql.run("GRANT VIEW DEFINITION TO reader").unwrap();
    assert!(!unseen(&engine.check(one).await));

    pipeline.sql.run("GRANT UNMASK TO reader").unwrap();
    done(engine.prepare(one, PrepareOptions::default()).await);
    done(engine.load(one).await);
    assert_eq!(production(&pipeline).await, ["1|1|a", "2|2|b", "3|2|c"]);

    pipeline.sql.run_all(CHANGES).unwrap();
    pipeline.sql.run("REVOKE UNMASK FROM reader").unwrap();
    pipeline.capture();
    nothing_goes_on(&pipeline, &engine, &src::VALUES_MASKED).await;
    pipeline.sql.run("GRANT UNMASK ON dbo.t (name) TO reader").unwrap();
    done(engine.sync(one).await);
    assert_eq!(production(&pipeline).await, ["1|1|z", "2|2|b", "3|2|again", "4|2|d"]);
    pipeline.assert_equal(one).await;

    // A new mask is DDL on the table, too: to accept that is not to accept the mask.
    pipeline.sql.run("ALTER TABLE dbo.t ALTER COLUMN tenant ADD MASKED WITH (FUNCTION = 'default()')").unwrap();
    pipeline.sql.run("UPDATE dbo.t SET tenant = 7 WHERE id = 4").unwrap();
    pipeline.capture();
    let refused = engine.accept(one, true).await.remove(0).outcome.unwrap_err();
    assert!(refused.is(&src::VALUES_MASKED), "{refused:?}");
    pipeline.sql.run("GRANT UNMASK TO reader").unwrap();
    let refused = fault(engine.extract(one).await);
    assert!(refused.is(&sync::DRIFT), "{refused:?}");
    assert!(engine.accept(one, true).await.remove(0).outcome.unwrap().batch.is_some());
    done(engine.sync(one).await);
    pipeline.assert_equal(one).await;
}

fn filtered() -> Fault {
    Fault::new(&src::ROWS_FILTERED, "a policy filters dbo.t").evidence("policy", "p")
}

/// Between a look at the source and the record that follows a policy may be switched on.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_while_a_table_is_read_leaves_no_record() {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    let hidden = table.clone();
    rig.source.before("scan", move |inner| inner.get(&hidden).withheld.push(filtered()));
    let refused = fault(rig.engine().prepare(slice::from_ref(&table), PrepareOptions::default()).await);
    assert!(refused.is(&src::ROWS_FILTERED), "{refused:?}");
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), None);

    rig.source.with(|inner| inner.get(&table).withheld.clear());
    done(rig.engine().prepare(slice::from_ref(&table), PrepareOptions::default()).await);
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
    let hidden = table.clone();
    rig.source.before("changes", move |inner| inner.get(&hidden).withheld.push(filtered()));
    let refused = fault(rig.engine().extract(slice::from_ref(&table)).await);
    assert!(refused.is(&src::ROWS_FILTERED), "{refused:?}");
    assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), 0);

    rig.source.with(|inner| inner.get(&table).withheld.clear());
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
    // And verify finds no difference in rows that it may not see.
    let hidden = table.clone();
    rig.source.before("scan", move |inner| {
        inner.get(&hidden).withheld.push(filtered());
        inner.get(&hidden).rows.clear();
    });
    let options = VerifyOptions { settle: Duration::ZERO, ..VerifyOptions::default() };
    let refused = rig.engine().verify(&table, &options).await.unwrap_err();
    assert!(refused.is(&src::ROWS_FILTERED), "{refused:?}");
}

/// Policies and masks cost one round trip, whatever the number of tables.
#[tokio::test(flavor = "multi_thread")]
async fn many_tables_are_described_in_as_many_round_trips_as_one() {
    let lab = Lab::start().await;
    let names = lab.cdc.track_many(&lab.database, "fleet", 40).unwrap();
    lab.capture();
    let tables: Vec<TableName> = names.iter().map(|name| TableName::new("fleet", name)).collect();
    lab.source.describe(&tables[..1]).await.unwrap();
    let mut costs = Vec::new();
    for count in [1, 40] {
        let before = lab.requests();
        let described = lab.source.describe(&tables[..count]).await.unwrap();
        assert!(described.iter().all(|table| table.as_ref().unwrap().withheld.is_empty()));
        costs.push(lab.requests() - before);
    }
    assert_eq!(costs[0], costs[1]);
}

/// A server from before both features has none of the views; other errors, and half an answer, never
/// pass for "nothing is withheld".
#[tokio::test]
async fn only_a_server_that_lacks_the_views_withholds_nothing_by_default() {
    const VIEWS: &str = "sys.security_predicates";
    let script = Scripted::default();
    let server = script.serve(Options::default()).await;
    let sessions = Sessions::new(settings(&server, Tls::Off));
    script.on_error(VIEWS, 208, "Invalid object name 'sys.security_predicates'.");
    assert!(withheld::read(&sessions).await.unwrap().of("dbo.t", "[dbo].[t]", 7, |_| true).is_empty());
    script.on_error(VIEWS, 1205, "Transaction was deadlocked on lock resources with another process.");
    assert!(withheld::read(&sessions).await.err().unwrap().is(&src::INTERRUPTED));
    script.on_error(VIEWS, 207, "Invalid column name 'is_enabled'.");
    assert!(withheld::read(&sessions).await.err().unwrap().is(&src::OBJECT_GONE));
    script.on(VIEWS, |_, sink| {
        begin(&[("object_id", DataType::Int), ("schema_name", DataType::NVarChar(Some(128)))], sink)?;
        sink.done(Some(0))
    });
    assert!(withheld::read(&sessions).await.err().unwrap().is(&src::UNREADABLE));
    // Without its schema a policy still has a name.
    script.on(VIEWS, |_, sink| {
        let name = DataType::NVarChar(Some(128));
        begin(&[("object_id", DataType::Int), ("schema_name", name.clone()), ("policy_name", name.clone())], sink)?;
        sink.row(&[Datum::Int(7), Datum::Null, Datum::Text("p".encode_utf16().collect())])?;
        sink.done(Some(1))?;
        begin(&[("object_id", DataType::Int), ("column_id", DataType::Int), ("column_name", name.clone()), ("user_name", name)], sink)?;
        sink.done(Some(0))
    });
    let faults = withheld::read(&sessions).await.unwrap().of("dbo.t", "[dbo].[t]", 7, |_| true);
    assert!(faults.len() == 1 && faults[0].facts()[0] == ("policy".to_owned(), "[p]".to_owned()), "{faults:?}");
}

/// A policy that lets the login see everything is vouched for in the configuration. Nobody can tell it
/// from one that does not: what it then hides counts as deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_an_operator_vouches_for_stops_nothing() {
    let mut pipeline = pipeline().await;
    let table = table();
    let one = slice::from_ref(&table);
    set_policy(&pipeline.lab.sqlserver.engine, sample::DATABASE, ("dbo", "t"), "tenant > 0", true);
    nothing_begins(&pipeline.engine().await, &src::ROWS_FILTERED).await;
    let text = std::fs::read_to_string(&pipeline.config).unwrap() + "\n[[table]]\nname = \"dbo.t\"\nsees_all_rows = true\n";
    std::fs::write(&pipeline.config, text).unwrap();
    let engine = pipeline.engine().await;
    assert!(!told(&engine.check(one).await, &src::ROWS_FILTERED));
    pipeline.prepare(one).await;
    pipeline.sql.run_all(CHANGES).unwrap();
    pipeline.capture();
    done(engine.sync(one).await);
    assert_eq!(production(&pipeline).await, ["1|1|z", "2|2|b", "3|2|again", "4|2|d"]);
    pipeline.assert_equal(one).await;
}
