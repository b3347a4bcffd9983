//! Every carried type through part files, COPY, staging and production; names that need quoting.

use db_to_redshift::model::record::Layout;
use db_to_redshift::model::{Column, Decimal, Keep, SqlType, StagedOp, StagedRow, TableName, TableShape, Value};
use db_to_redshift::target::{Applied, ApplyOutcome, BatchRows, LoadRange, Loader, NewColumns, OpenLoad, Target};
use uuid::Uuid;

use crate::support::column::column;
use crate::support::target::{MARKER, TargetLab, identity, lsn, open, target_lab};

fn row(order: i64, values: Vec<Value>, shape: &TableShape) -> StagedRow {
    StagedRow { op: StagedOp::Upsert, order, values, keep: vec![Keep::Value; shape.large_columns().count()] }
}

/// Prepares a table, starts epoch 1 and loads one batch.
async fn load(lab: &TargetLab, table: &TableName, shape: &TableShape, rows: Vec<StagedRow>) -> Applied {
    lab.target.prepare(table, shape, &identity(), NewColumns::Refuse).await.unwrap();
    let mut loader = lab.target.loader(table).await.unwrap();
    let fence = loader.raise_fence(&identity()).await.unwrap().fence;
    let mut start = open(1, fence, OpenLoad::Start { trusted: false }, 0);
    start.shape = shape.clone();
    loader.open_epoch(&start).await.unwrap();
    let count = rows.len() as u64;
    let range = LoadRange {
        identity: identity(),
        epoch: 1,
        from: 1,
        to: 1,
        lsn_from: lsn(0).next(),
        lsn_to: lsn(1),
        batches: vec![BatchRows { seq: 1, rows: count }],
        shape: shape.clone(),
        null_marker: MARKER.into(),
        manifest_url: lab.upload_of(table, shape, 1, Layout::Changes, &[(1, rows)]).await,
        fence,
    };
    loader.stage(&range).await.unwrap();
    match loader.apply(&range).await.unwrap() {
        ApplyOutcome::Applied(applied) => applied,
        ApplyOutcome::StagingEmptied => panic!("staging was emptied"),
    }
}

const DAY: u64 = 864_000_000_000;
/// 2026-11-23.
const TODAY: i32 = 739_942;

/// A type, a value of it, and how production shows the value.
fn samples() -> Vec<(SqlType, Value, &'static str)> {
    let decimal = |unscaled, scale| Value::Decimal(Decimal { unscaled, scale });
    let text = |text: &str| Value::Text(text.into());
    let noon = DAY / 2 + 1_234_567;
    vec![
        (SqlType::Bit, Value::Bool(true), "t"),
        (SqlType::TinyInt, Value::Int(255), "255"),
        (SqlType::SmallInt, Value::Int(-32_768), "-32768"),
        (SqlType::Int, Value::Int(i64::from(i32::MIN)), "-2147483648"),
        (SqlType::BigInt, Value::Int(i64::MIN), "-9223372036854775808"),
        (SqlType::Decimal { precision: 19, scale: 0 }, decimal(9_999_999_999_999_999_999, 0), "9999999999999999999"),
        (SqlType::Decimal { precision: 38, scale: 37 }, decimal(-1, 37), "-0.0000000000000000000000000000000000001"),
        (SqlType::Money, decimal(-9_223_372_036_854_775_808, 4), "-922337203685477.5808"),
        (SqlType::SmallMoney, decimal(2_147_483_647, 4), "214748.3647"),
        (SqlType::Real, Value::Real(0.1), "0.1"),
        (SqlType::Float, Value::Float(-1.5e-300), "-1.5e-300"),
        (SqlType::Char { length: 5 }, text("ab"), "ab"),
        (SqlType::VarChar { length: 10 }, text("it's \\ \"q\""), "it's \\ \"q\""),
        (SqlType::NChar { length: 2 }, text("\u{20ac}\u{20ac}"), "\u{20ac}\u{20ac}"),
        (SqlType::NVarChar { length: 4 }, text("\u{1F600}\u{1F600}"), "\u{1F600}\u{1F600}"),
        (SqlType::NVarCharMax, text("a,b\r\nc"), "a,b\r\nc"),
        (SqlType::VarCharMax, text(""), ""),
        (SqlType::Binary { length: 2 }, Value::Bytes(vec![0, 255]), "00ff"),
        (SqlType::VarBinary { length: 4 }, Value::Bytes(vec![0x0a]), "0a"),
        // COPY takes an empty field for NULL here: prepare warns of it.
        (SqlType::VarBinary { length: 4 }, Value::Bytes(vec![]), "~"),
        (SqlType::VarBinaryMax, Value::Bytes(vec![1; 3]), "010101"),
        (SqlType::RowVersion, Value::Bytes(vec![0, 0, 0, 0, 0, 0, 7, 0xd1]), "00000000000007d1"),
        (SqlType::Date, Value::Date(0), "0001-01-01"),
        (SqlType::Time { scale: 7 }, Value::Time(DAY - 1), "23:59:59.999999"),
        (SqlType::DateTime, Value::Timestamp { days: TODAY, ticks: DAY / 2 + 30_000 }, "2026-11-23 12:00:00.003"),
        (SqlType::SmallDateTime, Value::Timestamp { days: TODAY, ticks: 0 }, "2026-11-23 00:00:00"),
        (SqlType::DateTime2 { scale: 7 }, Value::Timestamp { days: TODAY, ticks: noon }, "2026-11-23 12:00:00.123456"),
        (
            SqlType::DateTimeOffset { scale: 7 },
            Value::TimestampTz { days: TODAY, ticks: noon, offset_minutes: -330 },
            "2026-11-23 12:00:00.123456+00",
        ),
        (SqlType::Decimal { precision: 38, scale: 38 }, decimal(-1, 38), "-0.00000000000000000000000000000000000001"),
        (SqlType::Xml, text("<a b=\"1\">\u{1F600}</a>"), "<a b=\"1\">\u{1F600}</a>"),
        (SqlType::SqlVariant, text("-12.50"), "-12.50"),
        (SqlType::HierarchyId, text("/1/2.1/"), "/1/2.1/"),
        (SqlType::Geography, text("POINT (-122.35 47.65)"), "POINT (-122.35 47.65)"),
        (SqlType::Geometry, text("POINT EMPTY"), "POINT EMPTY"),
        (SqlType::Text, text(""), ""),
        (SqlType::NText, text("a\0b"), "a\u{fffd}b"),
        (SqlType::Image, Value::Bytes(vec![0xff]), "ff"),
        (SqlType::UniqueIdentifier, Value::Uuid(Uuid::from_u128(0xAB)), "00000000-0000-0000-0000-0000000000ab"),
    ]
}

#[tokio::test]
async fn every_type_arrives_and_so_does_null() {
    let lab = target_lab().await;
    let table = TableName::new("dbo", "Types");
    let key = column("Id", 1, SqlType::Int, Some(1));
    let columns = samples().into_iter().zip(2..).map(|((sql_type, ..), id)| column(&format!("c{id}"), id, sql_type, None));
    let shape = TableShape::new(std::iter::once(key).chain(columns).collect());
    let values = std::iter::once(Value::Int(1)).chain(samples().into_iter().map(|(_, value, _)| value)).collect();
    let nulls = std::iter::once(Value::Int(2)).chain(samples().into_iter().map(|_| Value::Null)).collect();
    let applied = load(&lab, &table, &shape, vec![row(1, values, &shape), row(2, nulls, &shape)]).await;
    assert_eq!(applied.inserted, 2);

    let shown: Vec<String> = samples()
        .iter()
        .zip(2..)
        .map(|((sql_type, ..), id)| match sql_type {
            SqlType::Binary { .. } | SqlType::VarBinary { .. } | SqlType::VarBinaryMax | SqlType::RowVersion | SqlType::Image => {
                format!("TO_HEX(\"c{id}\")")
            }
            _ => format!("\"c{id}\""),
        })
        .collect();
    let rows = lab.sql().await.rows(&format!("SELECT {} FROM \"shop\".\"types\" ORDER BY \"id\"", shown.join(", "))).await;
    for ((sql_type, _, expected), found) in samples().iter().zip(&rows[0]) {
        assert_eq!(expected, found, "{sql_type}");
    }
    assert!(rows[1].iter().all(|value| value == "~"), "{:?}", rows[1]);
}

/// A column of n bytes in UTF-8 may be full of NUL, each of which becomes three bytes on the way.
#[tokio::test]
async fn a_utf8_column_full_of_nul_fits() {
    let lab = target_lab().await;
    let table = TableName::new("dbo", "Nuls");
    let text =
        |name, id, sql_type| Column { collation: Some("Latin1_General_100_CI_AS_SC_UTF8".into()), ..column(name, id, sql_type, None) };
    let shape = TableShape::new(vec![
        column("Id", 1, SqlType::Int, Some(1)),
        text("v", 2, SqlType::VarChar { length: 4 }),
        text("c", 3, SqlType::Char { length: 4 }),
        text("n", 4, SqlType::NVarChar { length: 4 }),
    ]);
    let nuls = || Value::Text("\0\0\0\0".into());
    let applied = load(&lab, &table, &shape, vec![row(1, vec![Value::Int(1), nuls(), nuls(), nuls()], &shape)]).await;
    assert_eq!(applied.inserted, 1);
    let found = lab.sql().await.rows("SELECT \"v\", \"c\", \"n\" FROM \"shop\".\"nuls\"").await;
    assert_eq!(found, [["\u{fffd}".repeat(4), "\u{fffd}".repeat(4), "\u{fffd}".repeat(4)]]);
}

#[tokio::test]
async fn odd_names_and_composite_keys_are_carried() {
    let lab = target_lab().await;
    let table = TableName::new("my schema", "Order \"Lines\" \\ Gr\u{f6}\u{df}e");
    let shape = TableShape::new(vec![
        column("select", 1, SqlType::NVarChar { length: 10 }, Some(1)),
        column("it's \\ \"odd\"", 2, SqlType::UniqueIdentifier, Some(2)),
        column("two\nlines", 3, SqlType::NVarCharMax, None),
        column("\u{c4}rger", 4, SqlType::Int, None),
        Column { nullable: false, ..column("k", 5, SqlType::Int, None) },
    ]);
    let id = Value::Uuid(Uuid::from_u128(7));
    let values = |key: &str, notes: Value, number: i64| vec![Value::Text(key.into()), id.clone(), notes, Value::Int(number), Value::Null];
    let rows = vec![
        row(1, values("a", Value::Text("first".into()), 1), &shape),
        row(2, values("A", Value::Text("other case, other key".into()), 2), &shape),
        StagedRow { keep: vec![Keep::Kept], ..row(3, values("a", Value::Null, 3), &shape) },
    ];
    assert_eq!(load(&lab, &table, &shape, rows).await, Applied { deleted: 0, inserted: 2, lost_kept: 0 });
    let names = lab.target.names(&table);
    let found =
        lab.sql().await.rows(&format!("SELECT \"two\nlines\", \"\u{e4}rger\" FROM {} ORDER BY \"\u{e4}rger\"", names.production)).await;
    assert_eq!(found, [["other case, other key", "2"], ["first", "3"]]);
    // Found again, whatever the quoting.
    let prepared = lab.target.prepare(&table, &shape, &identity(), NewColumns::Refuse).await.unwrap();
    assert!(prepared.did[0].starts_with("found"), "{:?}", prepared.did);
}
