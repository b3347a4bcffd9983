//! What stops a load, what the fault names, and where no policy is taken.

use std::collections::BTreeMap;

use db_to_redshift::config::{Changes, TableRule};
use db_to_redshift::engine::event::TableReport;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::fault::rs;
use db_to_redshift::model::{Fault, TableName, Unfit};

use super::types::{Kind, OPENING, binaries, texts, track};
use super::{one, rules};
use crate::support::lab::{cells, redshift};
use crate::support::memory_source::text;
use crate::support::pipeline::Pipeline;
use crate::support::rig::{Rig, done, fault, id, row};

fn facts(fault: &Fault) -> BTreeMap<&str, &str> {
    fault.facts().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The faults of a load are one for each kind, and name where its value stands.
fn assert_named(reports: &[TableReport], kinds: &[Kind], folder: &str, line: &str) {
    for kind in kinds {
        let table = TableName::new("dbo", kind.column);
        let report = reports.iter().find(|report| report.table == table).unwrap();
        let fault = report.outcome.as_ref().expect_err(kind.declared);
        assert_eq!(fault.code(), rs::LOAD_FAILED.code, "{fault}");
        let facts = facts(fault);
        let bytes = kind.too_long.len() / if kind.is_binary() { 2 } else { 1 };
        let (bytes, limit) = (bytes.to_string(), kind.limit().to_string());
        for (name, value) in
            [("source table", table.to_string().as_str()), ("column", "note"), ("bytes", &bytes), ("limit", &limit), ("line", line)]
        {
            assert_eq!(facts.get(name), Some(&value), "{}: {fault}", kind.declared);
        }
        let file = facts["file"];
        assert!(file.starts_with("s3://") && file.contains(folder) && file.contains(&format!("/dbo.{}/", kind.column)), "{file}");
        assert!(facts["table"].contains(&kind.column.to_lowercase()), "{fault}");
        // Nothing is widened beyond what Redshift has: another policy is what helps.
        let next: Vec<_> = fault.actions().collect();
        assert!(next.iter().any(|action| action.contains(r#"columns = { "Note" = "truncate" }"#)), "{next:?}");
        assert!(next.contains(&format!("then: db-to-redshift prepare --new-epoch --table '{table}'").as_str()), "{next:?}");
        assert!(!next.iter().any(|action| action.contains("--column")), "{next:?}");
    }
}

/// By a batch through staging, and by a snapshot into production.
async fn failures_are_named(kinds: &[Kind]) {
    let mut batches: Vec<String> = OPENING.map(str::to_owned).to_vec();
    for kind in kinds {
        batches.push(format!("CREATE TABLE dbo.{} (Id int NOT NULL PRIMARY KEY, Note {} NULL)", kind.column, kind.declared));
        batches.push(track(kind.column));
        batches.push(format!("INSERT INTO dbo.{} VALUES (1, NULL)", kind.column));
    }
    let mut pipeline = Pipeline::start(batches.iter().map(String::as_str)).await;
    let tables = pipeline.prepared().await;
    assert_eq!(tables.len(), kinds.len());
    for kind in kinds {
        pipeline.sql.run(&format!("INSERT INTO dbo.{} VALUES (2, {})", kind.column, kind.literal(&kind.too_long))).unwrap();
    }
    pipeline.capture();
    let engine = pipeline.engine().await;
    done(engine.extract(&tables).await);
    for kind in kinds {
        let report = engine.dry_run(&TableName::new("dbo", kind.column)).await.unwrap();
        let [check] = report.columns.as_slice() else { panic!("{}: {report:?}", kind.declared) };
        let bytes = (kind.too_long.len() / if kind.is_binary() { 2 } else { 1 }) as u64;
        assert_eq!((check.widest, check.too_long), (bytes, 1), "{}", kind.declared);
        assert_eq!(usize::try_from(check.limit).unwrap(), kind.limit(), "{}", kind.declared);
        assert!(report.has_trouble() && check.next[0].contains("shorten the value"), "{check:?}");
    }
    assert_named(&engine.load(&tables).await, kinds, "/e0001/000000000001-", "1");

    done(engine.prepare(&tables, PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    assert_named(&engine.load(&tables).await, kinds, "/e0002/000000000000-", "2");
    let client = redshift(&pipeline.lab).await;
    for kind in kinds {
        let sql = format!("SELECT id, note FROM public.{}", kind.column.to_lowercase());
        assert_eq!(cells(&client.simple_query(&sql).await.unwrap()), ["1|NULL"], "{}", kind.declared);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_names_table_column_bytes_limit_file_and_line_of_every_text() {
    Box::pin(failures_are_named(&texts())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_names_table_column_bytes_limit_file_and_line_of_binaries() {
    Box::pin(failures_are_named(&binaries())).await;
}

/// A SUPER holds a JSON text of 16,000,000 bytes, quotes included; one more is named like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_no_super_holds_is_named() {
    let mut rig = Rig::start().await;
    let table = rig.table();
    rig.settings.tables = rules(&table, "note", Unfit::Super);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, &"x".repeat(15_999_998), 1))));
    super::open(&rig, &table).await;
    assert_eq!(rig.query("SELECT OCTET_LENGTH(JSON_SERIALIZE(note)) FROM public.t").await, [[Some("16000000".to_owned())]]);
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(1), &[(1, text(&"x".repeat(15_999_999)))])));
    rig.extract(&table).await;
    let failed = fault(rig.engine().load(one(&table)).await);
    let facts = facts(&failed);
    let (named, next) = (["code", "column", "bytes", "limit", "line"].map(|name| facts[name]), failed.actions().collect::<Vec<_>>());
    assert_eq!(named, ["1224", "note", "16000001", "16000000", "1"], "{failed}");
    assert!(next.iter().any(|action| action.ends_with(r#"columns = { "note" = "truncate" }, or "null""#)), "{next:?}");
}

/// The longest value of every type with a length is carried whole.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_a_length_always_fits() {
    let nines = "9".repeat(38);
    let cases = [
        ("varchar(9)", "€".repeat(9)),
        ("varchar(8000)", "€".repeat(8000)),
        ("varchar(9) COLLATE Latin1_General_100_CI_AS_SC_UTF8", "語".repeat(3)),
        ("char(9)", "€".repeat(9)),
        ("nchar(9)", "語".repeat(9)),
        ("nvarchar(9)", "語".repeat(9)),
        ("nvarchar(9)", "\u{1F600}".repeat(4) + "語"),
        ("nvarchar(4000)", "語".repeat(4000)),
        ("sql_variant", "€".repeat(8000)),
        ("hierarchyid", "/".to_owned() + &"1/".repeat(200)),
        ("varbinary(8000)", "ab".repeat(8000)),
        ("binary(9)", "ab".repeat(9)),
        ("decimal(38,38)", format!("-0.{nines}")),
        ("decimal(38,0)", format!("-{nines}")),
        ("decimal(19,4)", "999999999999999.9999".to_owned()),
        ("money", "-922337203685477.5808".to_owned()),
        ("smallmoney", "-214748.3648".to_owned()),
    ];
    let columns: Vec<String> = cases.iter().enumerate().map(|(at, (declared, _))| format!("C{at} {declared} NULL")).collect();
    let create = format!("CREATE TABLE dbo.Bounds (Id int NOT NULL PRIMARY KEY, {})", columns.join(", "));
    let mut pipeline = Pipeline::start(OPENING.into_iter().chain([create.as_str(), track("Bounds").as_str()])).await;
    let literal = |(declared, value): &(&str, String)| match *declared {
        "sql_variant" => format!("CAST('{value}' AS varchar(8000))"),
        "hierarchyid" => format!("hierarchyid::Parse('{value}')"),
        binary if binary.contains("binary") => format!("0x{value}"),
        number if number.starts_with("decimal") || number.ends_with("money") => value.clone(),
        _ => format!("N'{value}'"),
    };
    let values: Vec<String> = cases.iter().map(literal).collect();
    let insert = |id: i32| format!("INSERT INTO dbo.Bounds VALUES ({id}, {})", values.join(", "));
    pipeline.sql.run(&insert(1)).unwrap();
    pipeline.capture();
    let tables = pipeline.prepared().await;
    pipeline.sql.run(&insert(2)).unwrap();
    pipeline.capture();
    done(pipeline.engine().await.sync(&tables).await);
    let client = redshift(&pipeline.lab).await;
    for (at, (declared, value)) in cases.iter().enumerate() {
        let found = cells(&client.simple_query(&format!("SELECT c{at} FROM public.bounds ORDER BY id")).await.unwrap());
        assert_eq!(found, [value.as_str(), value], "{declared}");
    }

    // So none of them takes a policy: check, columns and prepare say why.
    let table = &tables[0];
    for policy in [Unfit::Truncate, Unfit::Null, Unfit::Super] {
        let columns = (0..cases.len()).map(|at| (format!("c{at}"), policy)).chain([("Id".to_owned(), policy)]).collect();
        let rule = TableRule { name: table.to_string(), skip: false, changes: Changes::All, columns, sees_all_rows: false };
        let engine = pipeline.engine_with(|settings| settings.tables = vec![rule]).await;
        let map = engine.columns(table).await.unwrap();
        for column in &map.columns {
            let why = if column.key.is_some() { "a key is carried unchanged" } else { "every value of its type fits" };
            let refused = column.refused.as_deref().unwrap_or_default();
            assert!(refused.contains(why) && refused.contains(policy.as_str()), "{:?}: {refused}", column.source_type);
        }
        let refused = fault(engine.prepare(one(table), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
        assert_eq!(refused.code(), rs::COLUMN_POLICY.code, "{refused}");
    }
}

/// A SUPER holds no bytes; the page of the fault says what a policy is for.
#[tokio::test(flavor = "multi_thread")]
async fn super_is_refused_for_binaries() {
    for (declared, name) in [("varbinary(max)", "B"), ("image", "I")] {
        let create = format!("CREATE TABLE dbo.{name} (Id int NOT NULL PRIMARY KEY, Scan {declared} NULL)");
        let pipeline = Pipeline::start(OPENING.into_iter().chain([create.as_str(), track(name).as_str()])).await;
        let table = TableName::new("dbo", name);
        let engine = pipeline.engine_with(|settings| settings.tables = rules(&table, "scan", Unfit::Super)).await;
        let refused = fault(engine.prepare(one(&table), PrepareOptions::default()).await);
        assert_eq!(refused.code(), rs::COLUMN_POLICY.code);
        assert!(refused.to_string().contains("SUPER holds text, not binary values") && refused.to_string().contains("Scan"), "{refused}");
    }
}
