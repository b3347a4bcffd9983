//! Names and values that break whoever quotes carelessly: through both servers, S3, the
//! configuration and the command line.

mod values;

use std::fs;

use db_to_redshift::engine::check::Found;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::LabOptions;
use db_to_redshift::model::control::{Control, Paused};
use db_to_redshift::model::fault::{Page, rs, s3};
use db_to_redshift::model::{Fault, SqlType, TableName};
use db_to_redshift::store::ChangeStore;

use self::values::VALUES;
use crate::support::column::column;
use crate::support::pipeline::Pipeline;
use crate::support::rig::{Rig, fault};

/// Names that SQL Server takes between brackets.
const NAMES: &[&str] = &[
    "brack]et]]s[",
    "quo\"te\"\"s",
    "it's ''",
    "semi;colon; DROP TABLE x",
    "dash--dash /* c */",
    "dot.dot",
    "sl/ash\\back",
    "ba!ng!20",
    " sp  ace ",
    "select",
    "日本語の表",
    "emoji 🛒👩‍👩‍👧",
    "per%cent%s$$1{0}",
    "st*r?glob[a-z]",
    "ÄÖÜ ß İ ﬁ",
    "@at#hash",
];

fn bracketed(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

fn text(value: &str) -> String {
    format!("N'{}'", value.replace('\'', "''"))
}

fn track(schema: &str, table: &str, instance: &str) -> String {
    format!(
        "EXEC sys.sp_cdc_enable_table @source_schema = {}, @source_name = {}, @role_name = NULL, @capture_instance = {}, \
         @supports_net_changes = 0",
        text(schema),
        text(table),
        text(instance)
    )
}

/// A pipeline whose databases, users, passwords and prefix are hostile as well.
async fn hostile_pipeline(batches: &[String]) -> Pipeline {
    let options = LabOptions {
        source_database: "Bad ]\"';-- 名".into(),
        source_user: "rea'der ]\"".into(),
        source_password: "p\\a\"s's;{w}=$1 名".into(),
        redshift_database: "dw'h \"x\" %s".into(),
        redshift_user: "loa\"der'".into(),
        redshift_password: "p\\a\"s's $$ 名".into(),
        ..LabOptions::default()
    };
    let first = ["ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON".to_owned(), "EXEC sys.sp_cdc_enable_db".to_owned()];
    let pipeline = Pipeline::start_with(options, first.iter().chain(batches).map(String::as_str)).await;
    let config = fs::read_to_string(&pipeline.config).unwrap();
    assert!(config.contains("prefix = \"cdc\""));
    fs::write(&pipeline.config, config.replace("prefix = \"cdc\"", "prefix = \"it's/(a)!*=b\"")).unwrap();
    pipeline
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_carried_to_the_letter() {
    let long = "L".repeat(128);
    let longer = format!("{}M", "L".repeat(127));
    let wide = "表".repeat(90);
    let mut tables: Vec<(&str, &str)> = vec![("sch]e\"m'a;-- .", "plain"), ("dbo", &long), ("dbo", &longer), ("日本 !/", &wide)];
    tables.extend(NAMES.iter().map(|name| ("dbo", *name)));
    // Every kind of name for a schema, too; with a short table name a long one fits.
    let longest = "S".repeat(128);
    let short: Vec<String> = (0..=NAMES.len()).map(|at| format!("s{at}")).collect();
    tables.extend(NAMES.iter().copied().chain([longest.as_str()]).zip(short.iter().map(String::as_str)));
    let schemas: std::collections::BTreeSet<&str> = tables.iter().map(|(schema, _)| *schema).filter(|schema| *schema != "dbo").collect();
    let mut batches: Vec<String> = schemas.iter().map(|schema| format!("CREATE SCHEMA {}", bracketed(schema))).collect();
    for (at, (schema, table)) in tables.iter().enumerate() {
        // Every table has a key column and another one with a hostile name, and a large one.
        let (key, other) = (NAMES[at % NAMES.len()], NAMES[(at + 5) % NAMES.len()]);
        let [key, other] = [key, other].map(bracketed);
        let name = format!("{}.{}", bracketed(schema), bracketed(table));
        batches.push(format!(
            "CREATE TABLE {name} ({key} int NOT NULL, [key 2] nvarchar(60) NOT NULL, {other} nvarchar(100) NULL, [large]]] nvarchar(max) NULL, \
             [{long}] int NULL, [{longer}] int NULL, PRIMARY KEY ({key}, [key 2]))"
        ));
        batches.push(track(schema, table, &format!("ci {at} ]\"'")));
        batches.push(format!(
            "INSERT INTO {name} VALUES (1, N'a', N'first', N'x', 1, 2), (2, N'b', N'second', NULL, 3, 4), (3, N'c', NULL, N'z', 5, 6)"
        ));
    }
    let mut pipeline = hostile_pipeline(&batches).await;
    let names = pipeline.prepared().await;
    let missing: Vec<_> = tables.iter().filter(|(schema, table)| !names.contains(&TableName::new(*schema, *table))).collect();
    assert!(missing.is_empty(), "{missing:?} of {names:?}");
    pipeline.assert_equal(&names).await;
    for (at, (schema, table)) in tables.iter().enumerate() {
        let [key, other] = [NAMES[at % NAMES.len()], NAMES[(at + 5) % NAMES.len()]].map(bracketed);
        let name = format!("{}.{}", bracketed(schema), bracketed(table));
        for sql in [
            format!(
                "INSERT INTO {name} VALUES (4, N'd', {}, {}, 7, 8)",
                text(NAMES[at % NAMES.len()]),
                text(NAMES[(at + 1) % NAMES.len()])
            ),
            format!("UPDATE {name} SET {other} = N'changed' WHERE {key} = 1"),
            format!("UPDATE {name} SET {key} = {key} + 10 WHERE {key} = 2"),
            format!("UPDATE {name} SET [key 2] = N'C' WHERE {key} = 3"),
            format!("DELETE FROM {name} WHERE {key} = 4"),
            format!("INSERT INTO {name} VALUES (5, N'e', NULL, NULL, NULL, 9)"),
        ] {
            pipeline.sql.run(&sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
        }
    }
    pipeline.capture();
    // By the command line, which selects by name and prints every name.
    for arguments in [&["sync", "--events"][..], &["sync", "--json"], &["status"], &["status", "--json"], &["check", "--json"], &["runs"]] {
        let output = pipeline.program(arguments).output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        for line in String::from_utf8(output.stdout).unwrap().lines().filter(|_| arguments.contains(&"--events")) {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
    pipeline.assert_equal(&names).await;
}

fn is_refused(engine: &[db_to_redshift::engine::check::Finding], page: &Page) -> bool {
    engine.iter().any(|finding| matches!(&finding.result, Found::Fault(fault) if fault.is(page)))
}

/// What cannot be carried is refused by check and by prepare, with the fault that says why, and
/// nothing is made.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_cannot_be_carried_are_refused() {
    /// Schema, name, more columns.
    type Table<'a> = (&'a str, &'a str, String);
    let longest = "名".repeat(128);
    let cases: Vec<(Vec<Table<'_>>, &Page)> = vec![
        (vec![("dbo", "Same", String::new()), ("b", "sAME", String::new())], &rs::COLLISION),
        (vec![("a", "b__c", String::new()), ("a__b", "c", String::new())], &rs::COLLISION),
        (vec![("dbo", "reserved", ", [__D2R_op] int NULL".into())], &rs::RESERVED),
        (vec![("dbo", "system", ", [CTID] int NULL".into())], &rs::RESERVED),
        (vec![(&longest, &longest, String::new())], &s3::KEY_TOO_LONG),
    ];
    let mut batches = vec!["CREATE SCHEMA a".to_owned(), "CREATE SCHEMA b".into(), "CREATE SCHEMA a__b".into()];
    batches.push(format!("CREATE SCHEMA {}", bracketed(&longest)));
    for (at, (schema, table, columns)) in cases.iter().flat_map(|(tables, _)| tables).enumerate() {
        let name = format!("{}.{}", bracketed(schema), bracketed(table));
        batches.push(format!("CREATE TABLE {name} (id int NOT NULL PRIMARY KEY{columns})"));
        batches.push(track(schema, table, &format!("i{at}")));
    }
    let pipeline = hostile_pipeline(&batches).await;
    let engine = pipeline.engine().await;
    for (tables, page) in &cases {
        let names: Vec<TableName> = tables.iter().map(|(schema, table, _)| TableName::new(*schema, *table)).collect();
        let reports = engine.prepare(&names, PrepareOptions::default()).await;
        let faults: Vec<Fault> = reports.into_iter().filter_map(|report| report.outcome.err()).collect();
        assert!(faults.iter().any(|fault| fault.is(page)), "{}: {faults:?}", page.code);
        assert!(is_refused(&engine.check(&names).await, page), "check says nothing of {}", page.code);
        for name in names.iter().filter(|_| !page.code.starts_with("S3")) {
            assert_eq!(engine.store.current_epoch(name).await.unwrap(), None, "{name}");
        }
    }
}

/// Two columns that only differ in the case of their letters, of any script, would be one column of
/// Redshift: the client folds as Unicode does. A source whose collation keeps them apart has them.
#[tokio::test(flavor = "multi_thread")]
async fn columns_that_become_one_are_refused() {
    for (one, other) in [("Name", "nAME"), ("Ärger", "ärger"), ("ΣΑΣ", "σασ"), ("STRAẞE", "straße"), ("\u{212a}elvin", "kelvin")]
    {
        let rig = Rig::start().await;
        let columns =
            vec![column("id", 1, SqlType::Int, Some(1)), column(one, 2, SqlType::Int, None), column(other, 3, SqlType::Int, None)];
        let table = [rig.source.table("t", columns)];
        let refused = fault(rig.engine().prepare(&table, PrepareOptions::default()).await);
        assert!(refused.is(&rs::COLLISION), "{one} and {other}: {refused:?}");
        assert!(refused.facts().contains(&("columns".into(), format!("{one}, {other}"))), "{refused:?}");
        assert!(is_refused(&rig.engine().check(&table).await, &rs::COLLISION), "check says nothing of {one} and {other}");
        assert_eq!(rig.s3.store.current_epoch(&table[0]).await.unwrap(), None, "{one}");
    }
}

/// Reasons, role names and COPY roles are text of people, and reach JSON, SQL and screens.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_words_of_operators_stay_words() {
    let mut pipeline = hostile_pipeline(&["CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)".to_owned()]).await;
    let role = "ro]le\"'; DROP TABLE t;--";
    let enabled = pipeline.program(&["enable", "--table", "dbo.t", "--role", role]).output().await.unwrap();
    assert!(enabled.status.success(), "{enabled:?}");
    let answer = pipeline.sql.run("SELECT role_name FROM cdc.change_tables").unwrap();
    assert_eq!(
        format!("{:?}", answer.sets[0].rows[0][0]),
        format!("{:?}", db_to_redshift::lab::sqlserver::types::Datum::Text(role.encode_utf16().collect()))
    );
    pipeline.sql.run("INSERT INTO dbo.t VALUES (1)").unwrap();
    pipeline.capture();

    let table = TableName::new("dbo", "t");
    let why = VALUES.concat();
    let engine = pipeline.engine().await;
    let paused = Paused { by: "a\"\n\u{1b}[31m".into(), why: why.clone(), since: "2026-01-02T03:04:05Z".parse().unwrap() };
    engine.store.put_control(&table, &Control { paused: Some(paused), intent: None }, None).await.unwrap();
    let shown = pipeline.program(&["status", "--table", "dbo.t", "--json"]).output().await.unwrap();
    let document: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(document.to_string().contains("DROP TABLE t"), "{document}");

    // A COPY role that would end its literal is one string to Redshift, which refuses it.
    let config = fs::read_to_string(&pipeline.config).unwrap();
    let hostile = config.replacen("[redshift]", "[redshift]\ncopy_role = \"arn:aws:iam::1:role/x' GZIP; DROP TABLE public.t; --\"", 1);
    fs::write(&pipeline.config, hostile).unwrap();
    let control = engine.store.control(&table).await.unwrap().unwrap();
    engine.store.put_control(&table, &Control::default(), Some(&control.1)).await.unwrap();
    let prepared = pipeline.program(&["prepare"]).output().await.unwrap();
    let loaded = pipeline.program(&["load"]).output().await.unwrap();
    let stopped = !prepared.status.success() || !loaded.status.success();
    assert!(stopped, "{prepared:?} {loaded:?}");
    fs::write(&pipeline.config, config).unwrap();
    for command in ["prepare", "sync"] {
        let output = pipeline.program(&[command]).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    pipeline.assert_equal(&[table]).await;
}

/// The pipeline's name and the prefix are parts of keys and of identities: only plain ones are taken.
#[test]
fn hostile_pipeline_names_and_prefixes_are_refused_by_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let example = include_str!("../../../config.example.toml");
    for name in ["it's", "a b", "a\\nb", "名", "$x", "%s", "\\\"", "/a", "a//b"] {
        let pipeline = example.replacen("pipeline = \"shop\"", &format!("pipeline = \"{name}\""), 1);
        let prefix = example.replacen("[s3]", &format!("[s3]\nprefix = \"{name}\""), 1);
        // A quote may stand in a prefix: S3 calls it safe.
        for (text, key) in [(pipeline, "`pipeline`"), (prefix, "`s3.prefix`")].into_iter().take(if name.contains("it's") { 1 } else { 2 }) {
            fs::write(&path, text).unwrap();
            let fault = db_to_redshift::config::load(Some(&path), None).unwrap_err();
            assert!(format!("{fault:?}").contains(key), "{name}: {fault:?}");
        }
    }
}
