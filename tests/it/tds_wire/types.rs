//! Every type through tiberius.

use db_to_redshift::lab::sqlserver::types::{DataType, Datum};
use std::borrow::Cow;

use tiberius::numeric::Numeric;
use tiberius::time::{Date, DateTime, DateTime2, DateTimeOffset, SmallDateTime, Time};
use tiberius::xml::XmlData;
use tiberius::{ColumnData, Row};

use super::values::every_type;
use super::*;

/// What tiberius must make of a value. It reads money as a float: the exact digits are checked
/// with other clients.
#[expect(clippy::cast_precision_loss, reason = "as tiberius computes it")]
fn expected(data_type: &DataType, value: &Datum) -> ColumnData<'static> {
    let time = |ticks: u64, scale: u8| Time::new(ticks / 10_u64.pow(u32::from(7 - scale)), scale);
    let datetime2 = |days, ticks, scale| DateTime2::new(Date::new(days), time(ticks, scale));
    match (data_type, value) {
        (_, Datum::Bit(value)) => ColumnData::Bit(Some(*value)),
        (DataType::TinyInt, Datum::Int(value)) => ColumnData::U8(Some(u8::try_from(*value).unwrap())),
        (DataType::SmallInt, Datum::Int(value)) => ColumnData::I16(Some(i16::try_from(*value).unwrap())),
        (DataType::Int, Datum::Int(value)) => ColumnData::I32(Some(i32::try_from(*value).unwrap())),
        (_, Datum::Int(value)) => ColumnData::I64(Some(*value)),
        (_, Datum::Decimal { unscaled, scale }) => ColumnData::Numeric(Some(Numeric::new_with_scale(*unscaled, *scale))),
        (DataType::Money, Datum::Money(value)) => {
            ColumnData::F64(Some((((value >> 32) << 32) as f64 + (value & 0xFFFF_FFFF) as f64) / 1e4))
        }
        (_, Datum::Money(value)) => ColumnData::F64(Some(*value as f64 / 1e4)),
        (_, Datum::Real(value)) => ColumnData::F32(Some(*value)),
        (_, Datum::Float(value)) => ColumnData::F64(Some(*value)),
        (DataType::Xml, Datum::Text(units)) => ColumnData::Xml(Some(Cow::Owned(XmlData::new(String::from_utf16(units).unwrap())))),
        // SRID, version, properties, latitude, longitude.
        (DataType::Geography, Datum::Text(units)) => {
            let stored = String::from_utf16(units).unwrap();
            let (x, y) = stored.strip_prefix("4326;POINT (").unwrap().strip_suffix(')').unwrap().split_once(' ').unwrap();
            let mut bytes = vec![0xE6, 0x10, 0, 0, 1, 0x0C];
            bytes.extend(y.parse::<f64>().unwrap().to_le_bytes());
            bytes.extend(x.parse::<f64>().unwrap().to_le_bytes());
            ColumnData::Binary(Some(bytes.into()))
        }
        (_, Datum::Variant(inner)) => self::expected(&inner.0, &inner.1),
        (DataType::VarChar(_) | DataType::Text, Datum::Text(units)) => {
            ColumnData::String(Some(String::from_utf16(units).unwrap().replace('ł', "?").into()))
        }
        (_, Datum::Text(units)) => ColumnData::String(Some(String::from_utf16(units).unwrap().into())),
        (_, Datum::Bytes(bytes)) => ColumnData::Binary(Some(bytes.clone().into())),
        (_, Datum::Date(days)) => ColumnData::Date(Some(Date::new(*days))),
        (DataType::Time(scale), Datum::Time(ticks)) => ColumnData::Time(Some(time(*ticks, *scale))),
        (_, Datum::DateTime { days, ticks }) => ColumnData::DateTime(Some(DateTime::new(*days, *ticks))),
        (_, Datum::SmallDateTime { days, minutes }) => ColumnData::SmallDateTime(Some(SmallDateTime::new(*days, *minutes))),
        (DataType::DateTime2(scale), Datum::DateTime2 { days, ticks }) => ColumnData::DateTime2(Some(datetime2(*days, *ticks, *scale))),
        (DataType::DateTimeOffset(scale), Datum::DateTimeOffset { days, ticks, offset }) => {
            ColumnData::DateTimeOffset(Some(DateTimeOffset::new(datetime2(*days, *ticks, *scale), *offset)))
        }
        (_, Datum::Guid(bytes)) => ColumnData::Guid(Some(uuid::Uuid::from_bytes(*bytes))),
        other => panic!("no expectation for {other:?}"),
    }
}

fn is_null(cell: &ColumnData<'_>) -> bool {
    format!("{cell:?}").ends_with("(None)")
}

fn check_row(row: &Row, which: usize) {
    for (((name, data_type, values), (column, cell)), place) in every_type().iter().zip(row.cells()).zip(0..) {
        assert_eq!(column.name(), *name);
        let expected = expected(data_type, &values[which]);
        assert!(*cell == expected, "{name} in column {place}: {cell:?} instead of {expected:?}");
    }
}

#[tokio::test]
async fn every_value_arrives_as_it_was_sent() {
    let (server, _events) = plain_server().await;
    for packet_size in [512, 4096, 32_767] {
        let mut config = config(&server, EncryptionLevel::NotSupported);
        config.packet_size(packet_size);
        let mut client = Box::pin(connect(config)).await.unwrap();
        let sets = client.simple_query("types").await.unwrap().into_results().await.unwrap();
        assert_eq!((sets[0].len(), sets[1].len()), (5, 3));
        for (which, row) in sets[0].iter().take(3).enumerate() {
            check_row(row, which);
        }
        for (which, row) in sets[1].iter().enumerate() {
            check_row(row, which);
        }
        assert!(sets[0][4].cells().all(|(_, cell)| is_null(cell)));
        let one_null: Vec<bool> = sets[0][3].cells().map(|(_, cell)| is_null(cell)).collect();
        assert!(one_null[0] && !one_null[1..].contains(&true));
    }
}

#[tokio::test]
async fn a_lone_surrogate_passes_untouched() {
    let (server, _events) = plain_server().await;
    let mut config = config(&server, EncryptionLevel::NotSupported);
    config.lossy_utf16_decoding(true);
    let mut client = Box::pin(connect(config)).await.unwrap();
    let row = client.simple_query("surrogate").await.unwrap().into_row().await.unwrap().unwrap();
    assert_eq!(row.get::<&str, _>(0), Some("a\u{FFFD}b"));
    assert_eq!(row.get::<&str, _>(1), Some("a?b"));
}

#[tokio::test]
async fn a_value_that_its_column_cannot_hold_is_said_aloud() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    let error = client.simple_query("liar").await.unwrap().into_results().await.unwrap_err();
    assert!(error.to_string().contains("column 2: a number out of the type's range"), "{error}");
    assert_eq!(client.simple_query("number 3").await.unwrap().into_row().await.unwrap().unwrap().get::<i32, _>(0), Some(3));
}
