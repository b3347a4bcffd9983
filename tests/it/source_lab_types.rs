//! Every type with its edges: written as T-SQL, read by scan, from change tables and by key.

use db_to_redshift::model::{Decimal, TableName, Value};
use db_to_redshift::source::{ChangesMode, ChangesRequest, Pages, ScanIsolation, Source};
use uuid::Uuid;

use crate::support::lab_sql_server::Lab;

/// A declaration, and literals with the values that they must become.
struct Case {
    declared: &'static str,
    values: Vec<(String, Value)>,
}

fn case(declared: &'static str, values: impl IntoIterator<Item = (&'static str, Value)>) -> Case {
    Case { declared, values: values.into_iter().map(|(literal, value)| (literal.to_owned(), value)).collect() }
}

fn decimal(unscaled: i128, scale: u8) -> Value {
    Value::Decimal(Decimal { unscaled, scale })
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn at(days: i32, ticks: u64) -> Value {
    Value::Timestamp { days, ticks }
}

const DAY: u64 = 864_000_000_000;
const LAST: i32 = 3_652_058;

/// Types that can be a key come first.
fn keyable() -> Vec<Case> {
    let guid = Uuid::from_u128(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f);
    vec![
        case("bit", [("0", Value::Bool(false)), ("1", Value::Bool(true))]),
        case("tinyint", [("0", Value::Int(0)), ("255", Value::Int(255))]),
        case("smallint", [("-32768", Value::Int(-32_768)), ("32767", Value::Int(32_767))]),
        case("int", [("-2147483648", Value::Int(i64::from(i32::MIN))), ("2147483647", Value::Int(i64::from(i32::MAX)))]),
        case("bigint", [("-9223372036854775808", Value::Int(i64::MIN)), ("9223372036854775807", Value::Int(i64::MAX))]),
        case("decimal(9,2)", [("-0.01", decimal(-1, 2)), ("9999999.99", decimal(999_999_999, 2))]),
        case("decimal(38,0)", [("-99999999999999999999999999999999999999", decimal(1 - 10_i128.pow(38), 0)), ("0", decimal(0, 0))]),
        case("decimal(38,38)", [("0.99999999999999999999999999999999999999", decimal(10_i128.pow(38) - 1, 38))]),
        case(
            "money",
            [("-922337203685477.5808", decimal(i128::from(i64::MIN), 4)), ("922337203685477.5807", decimal(i128::from(i64::MAX), 4))],
        ),
        case("smallmoney", [("-214748.3648", decimal(i128::from(i32::MIN), 4)), ("0.0001", decimal(1, 4))]),
        case("real", [("0.1E0", Value::Real(0.1)), ("-3.4028235E38", Value::Real(f32::MIN))]),
        case("float", [("0.1E0", Value::Float(0.1)), ("1.7976931348623157E308", Value::Float(f64::MAX))]),
        case("char(5)", [("'ab'", text("ab   "))]),
        case("varchar(20)", [("''", text("")), ("N'naïve €'", text("naïve €"))]),
        case("nchar(3)", [("N'日本'", text("日本 "))]),
        case("nvarchar(20)", [("N''", text("")), ("N'\u{1F600} ''q'''", text("\u{1F600} 'q'")), ("N'ABC'", text("ABC"))]),
        case("binary(3)", [("0x00FF", Value::Bytes(vec![0, 255, 0]))]),
        case("varbinary(9)", [("0x", Value::Bytes(vec![])), ("0x00", Value::Bytes(vec![0]))]),
        case("date", [("'0001-01-01'", Value::Date(0)), ("'9999-12-31'", Value::Date(LAST))]),
        case("time(0)", [("'23:59:59'", Value::Time(DAY - 10_000_000))]),
        case("time(7)", [("'00:00:00'", Value::Time(0)), ("'23:59:59.9999999'", Value::Time(DAY - 1))]),
        case(
            "datetime",
            [
                ("'1753-01-01T00:00:00'", at(639_905, 0)),
                ("'2026-11-23T08:00:00.003'", at(739_942, 288_000_030_000)),
                ("'2026-11-23T08:00:00.007'", at(739_942, 288_000_070_000)),
                ("'9999-12-31T23:59:59.997'", at(LAST, DAY - 30_000)),
            ],
        ),
        case("smalldatetime", [("'1900-01-01T00:00:00'", at(693_595, 0)), ("'2079-06-06T23:59:00'", at(759_130, DAY - 600_000_000))]),
        case("datetime2(3)", [("'2026-11-23T08:00:00.123'", at(739_942, 288_001_230_000))]),
        case("datetime2(7)", [("'0001-01-01T00:00:00'", at(0, 0)), ("'9999-12-31T23:59:59.9999999'", at(LAST, DAY - 1))]),
        case(
            "datetimeoffset(7)",
            [
                ("'2026-11-23T08:00:00.0000001 +05:30'", Value::TimestampTz { days: 739_942, ticks: 90_000_000_001, offset_minutes: 330 }),
                ("'2026-11-23T08:00:00 -14:00'", Value::TimestampTz { days: 739_942, ticks: 792_000_000_000, offset_minutes: -840 }),
            ],
        ),
        case("uniqueidentifier", [("'00010203-0405-0607-0809-0A0B0C0D0E0F'", Value::Uuid(guid))]),
    ]
}

fn large() -> Vec<Case> {
    let long = "x".repeat(30_000);
    vec![
        Case { declared: "varchar(max)", values: vec![("''".into(), text("")), (format!("'{long}'"), text(&long))] },
        Case { declared: "nvarchar(max)", values: vec![("N'\u{1F600}'".into(), text("\u{1F600}")), (format!("N'{long}'"), text(&long))] },
        Case {
            declared: "varbinary(max)",
            values: vec![("0x".into(), Value::Bytes(vec![])), (format!("0x{}", "07".repeat(20_000)), Value::Bytes(vec![7; 20_000]))],
        },
    ]
}

async fn rows<P: Pages>(mut pages: P) -> Vec<P::Row> {
    let mut rows = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        rows.extend(page);
    }
    rows
}

fn identity(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    value.write_identity(&mut out);
    out
}

#[tokio::test]
async fn scans_and_change_tables_bring_every_type_whole() {
    let lab = Lab::start().await;
    lab.source.enable_database().await.unwrap();
    let cases: Vec<_> = keyable().into_iter().chain(large()).collect();
    for (n, Case { declared, values }) in cases.iter().enumerate() {
        let table = TableName::new("dbo", format!("T{n}"));
        lab.run(&format!("CREATE TABLE dbo.T{n} (id int NOT NULL PRIMARY KEY, c {declared} NULL)")).await;
        lab.source.enable_table(&table, None).await.unwrap();
        for (id, (literal, _)) in values.iter().enumerate() {
            lab.run(&format!("INSERT INTO dbo.T{n} (id, c) VALUES ({id}, {literal})")).await;
        }
        lab.run(&format!("INSERT INTO dbo.T{n} (id, c) VALUES (-1, NULL)")).await;
    }
    lab.capture();
    let max = lab.source.watermarks(&[]).await.unwrap().max.unwrap();
    for (n, Case { declared, values }) in cases.iter().enumerate() {
        let table = TableName::new("dbo", format!("T{n}"));
        let instance = lab.source.describe(std::slice::from_ref(&table)).await.unwrap().remove(0).unwrap().instances.remove(0);
        assert_eq!(instance.shape.columns()[1].sql_type.to_string(), *declared);
        let scanned = rows(lab.source.scan(&table, &instance.shape, ScanIsolation::ReadCommitted).await.unwrap()).await;
        let request = ChangesRequest {
            table: table.clone(),
            instance: instance.identity.instance.clone(),
            shape: instance.shape.clone(),
            from: instance.start_lsn.unwrap(),
            to: max,
            mode: ChangesMode::All,
        };
        let changed: Vec<_> = rows(lab.source.changes(&request).await.unwrap()).await.into_iter().map(|row| row.values).collect();
        for found in [scanned, changed] {
            assert_eq!(found.len(), values.len() + 1, "{declared}");
            for row in found {
                let Value::Int(id) = row[0] else { panic!("{declared}: an id is a number") };
                match usize::try_from(id) {
                    Err(_) => assert!(row[1].is_null(), "{declared}"),
                    Ok(id) => assert_eq!(
                        identity(&row[1]),
                        identity(&values[id].1),
                        "{declared}: {}",
                        &values[id].0[..values[id].0.len().min(60)]
                    ),
                }
            }
        }
    }
}

#[tokio::test]
async fn every_type_of_key_is_found_again() {
    let lab = Lab::start().await;
    lab.source.enable_database().await.unwrap();
    for (n, Case { declared, values }) in keyable().iter().enumerate() {
        let table = TableName::new("dbo", format!("K{n}"));
        lab.run(&format!("CREATE TABLE dbo.K{n} (c {declared} NOT NULL PRIMARY KEY, v int NULL)")).await;
        lab.source.enable_table(&table, None).await.unwrap();
        for (v, (literal, _)) in values.iter().enumerate() {
            lab.run(&format!("INSERT INTO dbo.K{n} (c, v) VALUES ({literal}, {v})")).await;
        }
        let shape = lab.source.describe(std::slice::from_ref(&table)).await.unwrap().remove(0).unwrap().instances.remove(0).shape;
        let keys: Vec<_> = values.iter().map(|(_, value)| vec![value.clone()]).collect();
        let mut found = rows(lab.source.reread(&table, &shape, &keys).await.unwrap()).await;
        found.sort_by_key(|row| match row[1] {
            Value::Int(v) => v,
            _ => -1,
        });
        let found: Vec<_> = found.iter().map(|row| identity(&row[0])).collect();
        assert_eq!(found, values.iter().map(|(_, value)| identity(value)).collect::<Vec<_>>(), "{declared}");
    }
}

#[tokio::test]
async fn rowversions_and_lone_surrogates_survive_as_they_are_declared() {
    let lab = Lab::start().await;
    lab.source.enable_database().await.unwrap();
    lab.run("CREATE TABLE dbo.R (id int NOT NULL PRIMARY KEY, v rowversion, t nvarchar(5) NULL)").await;
    lab.source.enable_table(&TableName::new("dbo", "R"), None).await.unwrap();
    lab.run("INSERT INTO dbo.R (id, t) VALUES (1, NCHAR(55296) + N'x')").await;
    lab.run("INSERT INTO dbo.R (id, t) VALUES (2, N'y')").await;
    let table = TableName::new("dbo", "R");
    let shape = lab.source.describe(std::slice::from_ref(&table)).await.unwrap().remove(0).unwrap().instances.remove(0).shape;
    let mut found = rows(lab.source.scan(&table, &shape, ScanIsolation::ReadCommitted).await.unwrap()).await;
    found.sort_by_key(|row| matches!(row[0], Value::Int(2)));
    let version = |row: &[Value]| match &row[1] {
        Value::Bytes(bytes) => u64::from_be_bytes(bytes.as_slice().try_into().unwrap()),
        _ => panic!("a rowversion is bytes"),
    };
    assert!(version(&found[0]) < version(&found[1]));
    assert!(found[0][2] == text("\u{FFFD}x") && found[1][2] == text("y"));
}
