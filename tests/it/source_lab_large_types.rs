//! The types that are selected with a cast: written as T-SQL, read by scan, from change tables and
//! by key; and what capture leaves NULL of them.

use db_to_redshift::model::{Operation, TableName, TableShape, Value};
use db_to_redshift::source::{ChangesMode, ChangesRequest, Pages, ScanIsolation, Source};

use crate::support::lab_sql_server::Lab;

const TABLE: &str = "CREATE TABLE dbo.Odd (
    id int NOT NULL PRIMARY KEY, x xml NULL, v sql_variant NULL, h hierarchyid NULL, g geography NULL, m geometry NULL,
    t text NULL, n ntext NULL, i image NULL, d decimal(38,38) NULL)";

async fn rows<P: Pages>(mut pages: P) -> Vec<P::Row> {
    let mut rows = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        rows.extend(page);
    }
    rows
}

/// The text of a value; bytes in hex; `~` for NULL.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "~".into(),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => db_to_redshift::model::hex(bytes),
        Value::Int(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        other => panic!("{other:?} was not expected"),
    }
}

fn all(values: &[Value]) -> Vec<String> {
    values.iter().map(shown).collect()
}

async fn lab_with(statements: &[&str]) -> (Lab, TableName, TableShape) {
    let lab = Lab::start().await;
    lab.source.enable_database().await.unwrap();
    lab.run(TABLE).await;
    let table = TableName::new("dbo", "Odd");
    lab.source.enable_table(&table, None).await.unwrap();
    for statement in statements {
        lab.run(statement).await;
    }
    lab.capture();
    let shape = lab.source.describe(std::slice::from_ref(&table)).await.unwrap().remove(0).unwrap().instances.remove(0).shape;
    (lab, table, shape)
}

async fn changes(lab: &Lab, table: &TableName, shape: &TableShape) -> Vec<(Operation, Vec<u8>, Vec<String>)> {
    let instance = lab.source.describe(std::slice::from_ref(table)).await.unwrap().remove(0).unwrap().instances.remove(0);
    let to = lab.source.watermarks(&[]).await.unwrap().max.unwrap();
    let request = ChangesRequest {
        table: table.clone(),
        instance: instance.identity.instance.clone(),
        shape: shape.clone(),
        from: instance.start_lsn.unwrap(),
        to,
        mode: ChangesMode::All,
    };
    let found = rows(lab.source.changes(&request).await.unwrap()).await;
    found.into_iter().map(|row| (row.operation, row.mask.clone(), all(&row.values))).collect()
}

const INSERT: &str = "INSERT INTO dbo.Odd (id, x, v, h, g, m, t, n, i, d) VALUES
    (1, N'<?xml version=\"1.0\"?><a b=\"1\">\u{e4}\u{1F600}<c/></a>', CAST(-12.50 AS decimal(9,2)), hierarchyid::Parse('/1/2.1/'),
     geography::Point(47.65, -122.35, 4326), geometry::STGeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))', 0),
     'plain \u{e4}', N'wide \u{1F600}', 0x00FF, -0.00000000000000000000000000000000000001)";

const ONE: [&str; 10] = [
    "1",
    "<a b=\"1\">\u{e4}\u{1F600}<c/></a>",
    "-12.50",
    "/1/2.1/",
    "POINT (-122.35 47.65)",
    "POLYGON ((0 0, 1 0, 1 1, 0 0))",
    "plain \u{e4}",
    "wide \u{1F600}",
    "00ff",
    "-0.00000000000000000000000000000000000001",
];

#[tokio::test]
async fn every_way_of_reading_brings_the_same_text() {
    let empty = "INSERT INTO dbo.Odd (id, x, v, h, t, n, i, d) VALUES (2, N'', N'', '/', '', N'', 0x, 0)";
    let (lab, table, shape) = lab_with(&[INSERT, empty, "INSERT INTO dbo.Odd (id) VALUES (3)"]).await;
    let names: Vec<_> = shape.columns().iter().map(|column| column.sql_type.to_string()).collect();
    assert_eq!(names, ["int", "xml", "sql_variant", "hierarchyid", "geography", "geometry", "text", "ntext", "image", "decimal(38,38)"]);
    let zero = format!("0.{}", "0".repeat(38));
    let two = ["2", "", "", "/", "~", "~", "", "", "", &zero];
    let three = ["3", "~", "~", "~", "~", "~", "~", "~", "~", "~"];

    let mut scanned = rows(lab.source.scan(&table, &shape, ScanIsolation::ReadCommitted).await.unwrap()).await;
    scanned.sort_by_key(|row| shown(&row[0]));
    assert_eq!(scanned.iter().map(|row| all(row)).collect::<Vec<_>>(), [ONE.as_slice(), &two, &three]);

    let changed = changes(&lab, &table, &shape).await;
    assert_eq!(changed.iter().map(|(_, _, row)| row.as_slice()).collect::<Vec<_>>(), [ONE.as_slice(), &two, &three]);

    let reread = rows(lab.source.reread(&table, &shape, &[vec![Value::Int(1)]]).await.unwrap()).await;
    assert_eq!(reread.iter().map(|row| all(row)).collect::<Vec<_>>(), [ONE]);
}

#[tokio::test]
async fn a_variant_shows_what_cast_shows_of_its_base_type() {
    let long = "x".repeat(8000);
    let values = [
        ("1", "1"),
        ("N'\u{1F600}'", "\u{1F600}"),
        ("CAST('2026-11-23' AS date)", "2026-11-23"),
        ("CAST('2026-11-23T08:00:00.1234567' AS datetime2(7))", "2026-11-23 08:00:00.1234567"),
        ("CAST(1 AS bit)", "1"),
        ("CAST('00010203-0405-0607-0809-0A0B0C0D0E0F' AS uniqueidentifier)", "00010203-0405-0607-0809-0A0B0C0D0E0F"),
    ];
    let long_insert = format!("INSERT INTO dbo.Odd (id, v) VALUES (99, '{long}')");
    let inserts: Vec<String> =
        values.iter().enumerate().map(|(id, (value, _))| format!("INSERT INTO dbo.Odd (id, v) VALUES ({id}, {value})")).collect();
    let statements: Vec<&str> = inserts.iter().map(String::as_str).chain([long_insert.as_str()]).collect();
    let (lab, table, shape) = lab_with(&statements).await;
    let changed = changes(&lab, &table, &shape).await;
    let found: Vec<_> = changed.iter().map(|(_, _, row)| row[2].as_str()).collect();
    // All 8000 characters: nvarchar(4000) would have cut them.
    let expected: Vec<_> = values.iter().map(|(_, shown)| *shown).chain([long.as_str()]).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn capture_leaves_what_was_not_touched() {
    let (lab, table, shape) = lab_with(&[INSERT, "UPDATE dbo.Odd SET d = 0 WHERE id = 1", "DELETE FROM dbo.Odd WHERE id = 1"]).await;
    let changed = changes(&lab, &table, &shape).await;
    let operations: Vec<_> = changed.iter().map(|(operation, ..)| *operation).collect();
    assert_eq!(operations, [Operation::Insert, Operation::Before, Operation::After, Operation::Delete]);
    let after = &changed[2];
    for (at, column) in shape.columns().iter().enumerate() {
        if column.sql_type.is_large() {
            assert_eq!((after.2[at].as_str(), column.is_touched(&after.1)), ("~", false), "{}", column.sql_type);
        } else {
            assert_ne!(after.2[at], "~", "{}", column.sql_type);
        }
    }
    // text, ntext and image are NULL in a delete, xml is not.
    assert_eq!(&changed[3].2[6..9], ["~", "~", "~"]);
    assert_eq!(changed[3].2[1], ONE[1]);
}
