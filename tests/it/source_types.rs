//! Every type with its edges, from the wire into a [`Value`].

use db_to_redshift::config::Tls;
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};
use db_to_redshift::lab::sqlserver::wire::Options;
use db_to_redshift::model::{Decimal, SqlType, TableName, TableShape, Value};
use db_to_redshift::source::sqlserver::SqlServer;
use db_to_redshift::source::{Pages, ScanIsolation, Source};
use uuid::Uuid;

use crate::support::column::collated;
use crate::support::scripted_sql_server::{Scripted, settings};

/// A declared type, what the server sends for it, and pairs of datum and value.
struct Case {
    sql_type: SqlType,
    sent_as: DataType,
    values: Vec<(Datum, Value)>,
}

fn case(sql_type: SqlType, sent_as: DataType, values: Vec<(Datum, Value)>) -> Case {
    Case { sql_type, sent_as, values }
}

fn numbers(values: &[i64]) -> Vec<(Datum, Value)> {
    values.iter().map(|n| (Datum::Int(*n), Value::Int(*n))).collect()
}

fn decimals(scale: u8, values: &[i128]) -> Vec<(Datum, Value)> {
    let pair = |unscaled: &i128| {
        let unscaled = *unscaled;
        (Datum::Decimal { unscaled, scale }, Value::Decimal(Decimal { unscaled, scale }))
    };
    values.iter().map(pair).collect()
}

fn texts(values: &[&str]) -> Vec<(Datum, Value)> {
    values.iter().map(|text| (Datum::Text(text.encode_utf16().collect()), Value::Text((*text).into()))).collect()
}

fn bytes(values: &[&[u8]]) -> Vec<(Datum, Value)> {
    values.iter().map(|bytes| (Datum::Bytes(bytes.to_vec()), Value::Bytes(bytes.to_vec()))).collect()
}

const DAY: u64 = 864_000_000_000;
const LAST_DAY: u32 = 3_652_058;

fn cases() -> Vec<Case> {
    let most = 10_i128.pow(38) - 1;
    let mut cases = vec![
        case(SqlType::Bit, DataType::Bit, vec![(Datum::Bit(true), Value::Bool(true)), (Datum::Bit(false), Value::Bool(false))]),
        case(SqlType::TinyInt, DataType::TinyInt, numbers(&[0, 127, 128, 255])),
        case(SqlType::SmallInt, DataType::SmallInt, numbers(&[-32_768, 0, 32_767])),
        case(SqlType::Int, DataType::Int, numbers(&[i64::from(i32::MIN), -1, i64::from(i32::MAX)])),
        case(SqlType::BigInt, DataType::BigInt, numbers(&[i64::MIN, -1, i64::MAX])),
        // Selected as decimal: all 19 digits survive.
        case(SqlType::Money, DataType::Decimal { precision: 19, scale: 4 }, decimals(4, &[i128::from(i64::MIN), -1, i128::from(i64::MAX)])),
        case(
            SqlType::SmallMoney,
            DataType::Decimal { precision: 10, scale: 4 },
            decimals(4, &[i128::from(i32::MIN), 5, i128::from(i32::MAX)]),
        ),
        case(
            SqlType::Real,
            DataType::Real,
            [0.0, -0.0, f32::MIN_POSITIVE, f32::MAX, 0.1].map(|n| (Datum::Real(n), Value::Real(n))).to_vec(),
        ),
        case(
            SqlType::Float,
            DataType::Float,
            [0.0, -0.0, f64::MIN_POSITIVE, f64::MAX, 0.1].map(|n| (Datum::Float(n), Value::Float(n))).to_vec(),
        ),
        case(SqlType::Char { length: 5 }, DataType::Char(5), texts(&["ab   ", "äöüß€"])),
        case(SqlType::VarChar { length: 20 }, DataType::VarChar(Some(20)), texts(&["", " ", "naïve €\u{81}"])),
        case(SqlType::VarCharMax, DataType::VarChar(None), texts(&["", &"x".repeat(100_000)])),
        case(SqlType::NChar { length: 4 }, DataType::NChar(4), texts(&["日本  "])),
        case(SqlType::NVarChar { length: 40 }, DataType::NVarChar(Some(40)), texts(&["", "a\0b", "\u{1F600}", "\"quoted\", \\back\r\n"])),
        case(SqlType::NVarCharMax, DataType::NVarChar(None), texts(&["", &"\u{1F600}é".repeat(50_000)])),
        case(SqlType::Binary { length: 3 }, DataType::Binary(3), bytes(&[&[0, 255, 0]])),
        case(SqlType::VarBinary { length: 9 }, DataType::VarBinary(Some(9)), bytes(&[&[], &[0], &[255; 9]])),
        case(SqlType::VarBinaryMax, DataType::VarBinary(None), bytes(&[&[], &vec![7; 100_000]])),
        case(SqlType::RowVersion, DataType::Binary(8), bytes(&[&[0, 0, 0, 0, 0, 0, 7, 209]])),
        case(SqlType::Date, DataType::Date, vec![(Datum::Date(0), Value::Date(0)), (Datum::Date(LAST_DAY), Value::Date(3_652_058))]),
        case(
            SqlType::DateTime,
            DataType::DateTime,
            vec![
                (Datum::DateTime { days: -53_690, ticks: 0 }, Value::Timestamp { days: 639_905, ticks: 0 }),
                (Datum::DateTime { days: 0, ticks: 1 }, Value::Timestamp { days: 693_595, ticks: 30_000 }),
                (Datum::DateTime { days: 0, ticks: 2 }, Value::Timestamp { days: 693_595, ticks: 70_000 }),
                (Datum::DateTime { days: 2_958_463, ticks: 25_919_999 }, Value::Timestamp { days: 3_652_058, ticks: DAY - 30_000 }),
            ],
        ),
        case(
            SqlType::SmallDateTime,
            DataType::SmallDateTime,
            vec![
                (Datum::SmallDateTime { days: 0, minutes: 0 }, Value::Timestamp { days: 693_595, ticks: 0 }),
                (Datum::SmallDateTime { days: 65_535, minutes: 1_439 }, Value::Timestamp { days: 759_130, ticks: 863_400_000_000 }),
            ],
        ),
        case(
            SqlType::UniqueIdentifier,
            DataType::UniqueIdentifier,
            vec![(
                Datum::Guid([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
                Value::Uuid(Uuid::from_u128(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f)),
            )],
        ),
    ];
    for (precision, scale) in [(1, 0), (9, 2), (19, 4), (28, 28), (38, 0), (38, 37), (38, 38)] {
        let most = most / 10_i128.pow(38 - u32::from(precision));
        let values = decimals(scale, &[-most, -1, 0, 1, most]);
        cases.push(case(SqlType::Decimal { precision, scale }, DataType::Decimal { precision, scale }, values));
    }
    for scale in 0..=7_u8 {
        let unit = 10_u64.pow(7 - u32::from(scale));
        let last = DAY - unit;
        let times = vec![(Datum::Time(0), Value::Time(0)), (Datum::Time(unit), Value::Time(unit)), (Datum::Time(last), Value::Time(last))];
        cases.push(case(SqlType::Time { scale }, DataType::Time(scale), times));
        let moments = vec![
            (Datum::DateTime2 { days: 0, ticks: 0 }, Value::Timestamp { days: 0, ticks: 0 }),
            (Datum::DateTime2 { days: LAST_DAY, ticks: last }, Value::Timestamp { days: 3_652_058, ticks: last }),
        ];
        cases.push(case(SqlType::DateTime2 { scale }, DataType::DateTime2(scale), moments));
        let offsets = [-840_i16, 0, 330, 840].map(|offset| {
            let sent = Datum::DateTimeOffset { days: 739_943, ticks: last, offset };
            (sent, Value::TimestampTz { days: 739_943, ticks: last, offset_minutes: offset })
        });
        cases.push(case(SqlType::DateTimeOffset { scale }, DataType::DateTimeOffset(scale), offsets.to_vec()));
    }
    cases
}

#[tokio::test]
async fn every_type_arrives_with_its_edges() {
    for Case { sql_type, sent_as, values } in cases() {
        let script = Scripted::default();
        let mut sent: Vec<_> = values.iter().map(|(datum, _)| vec![datum.clone()]).collect();
        sent.push(vec![Datum::Null]);
        script.on_rows("FROM [dbo].[Types]", vec![("c", sent_as)], sent);
        let server = script.serve(Options::default()).await;
        let source = SqlServer::new(settings(&server, Tls::Off));
        let shape = TableShape::new(vec![collated("c", 1, sql_type.clone(), None)]);
        let mut pages = source.scan(&TableName::new("dbo", "Types"), &shape, ScanIsolation::ReadCommitted).await.unwrap();
        let mut rows = Vec::new();
        while let Some(page) = pages.next_page().await.unwrap() {
            rows.extend(page);
        }
        assert_eq!(rows.len(), values.len() + 1, "{sql_type}");
        for (at, (row, (_, expected))) in rows.iter().zip(&values).enumerate() {
            // Zero has a sign: compared as identities, which are bytes.
            let identity = |value: &Value| {
                let mut out = Vec::new();
                value.write_identity(&mut out);
                out
            };
            assert_eq!(identity(&row[0]), identity(expected), "{sql_type}, value {at}");
        }
        assert!(rows[values.len()][0].is_null(), "{sql_type}");
    }
}

#[tokio::test]
async fn a_lone_surrogate_is_mended_outside_keys_and_refused_in_them() {
    let script = Scripted::default();
    let lone = vec![Datum::Text(vec![0x61, 0xD800, 0x62])];
    script.on_rows("FROM [dbo].[Types]", vec![("c", DataType::NVarChar(Some(9)))], vec![lone]);
    let server = script.serve(Options::default()).await;
    let source = SqlServer::new(settings(&server, Tls::Off));
    let shape = |key_ordinal| TableShape::new(vec![collated("c", 1, SqlType::NVarChar { length: 9 }, key_ordinal)]);
    let table = TableName::new("dbo", "Types");
    let mut pages = source.scan(&table, &shape(None), ScanIsolation::ReadCommitted).await.unwrap();
    assert!(pages.next_page().await.unwrap() == Some(vec![vec![Value::Text("a\u{FFFD}b".into())]]));
    let mut pages = source.scan(&table, &shape(Some(1)), ScanIsolation::ReadCommitted).await.unwrap();
    assert_eq!(pages.next_page().await.unwrap_err().code(), "SRC-019");
}
