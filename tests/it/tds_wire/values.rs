//! A result set of every type: its ordinary values, its limits and NULL.

use db_to_redshift::lab::sqlserver::session::{Cancelled, Sink};
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};

use super::echo::{column, text};

const TICKS_PER_DAY: u64 = 864_000_000_000;
/// 9999-12-31 from 0001-01-01.
const LAST_DAY: u32 = 3_652_058;

/// Each type with a low, an ordinary and a high value.
pub fn every_type() -> Vec<(&'static str, DataType, [Datum; 3])> {
    let decimal = |unscaled, scale| Datum::Decimal { unscaled, scale };
    let most = 10_i128.pow(38) - 1;
    let variant = |base, value| Datum::Variant(Box::new((base, value)));
    let datetime = |days, ticks| Datum::DateTime { days, ticks };
    let small = |days, minutes| Datum::SmallDateTime { days, minutes };
    let datetime2 = |days, ticks| Datum::DateTime2 { days, ticks };
    let offset = |days, ticks, offset| Datum::DateTimeOffset { days, ticks, offset };
    vec![
        ("bit", DataType::Bit, [Datum::Bit(false), Datum::Bit(true), Datum::Bit(true)]),
        ("tinyint", DataType::TinyInt, [Datum::Int(0), Datum::Int(7), Datum::Int(255)]),
        ("smallint", DataType::SmallInt, [Datum::Int(-32_768), Datum::Int(7), Datum::Int(32_767)]),
        ("int", DataType::Int, [Datum::Int(i32::MIN.into()), Datum::Int(7), Datum::Int(i32::MAX.into())]),
        ("bigint", DataType::BigInt, [Datum::Int(i64::MIN), Datum::Int(7), Datum::Int(i64::MAX)]),
        ("real", DataType::Real, [Datum::Real(f32::MIN), Datum::Real(1.5), Datum::Real(f32::MAX)]),
        ("float", DataType::Float, [Datum::Float(f64::MIN), Datum::Float(0.1), Datum::Float(f64::MAX)]),
        ("decimal9", DataType::Decimal { precision: 9, scale: 2 }, [decimal(-999_999_999, 2), decimal(1, 2), decimal(999_999_999, 2)]),
        (
            "decimal19",
            DataType::Decimal { precision: 19, scale: 0 },
            [decimal(-9_999_999_999_999_999_999, 0), decimal(0, 0), decimal(9_999_999_999_999_999_999, 0)],
        ),
        ("decimal28", DataType::Decimal { precision: 28, scale: 28 }, [decimal(-1, 28), decimal(5, 28), decimal(10_i128.pow(28) - 1, 28)]),
        ("decimal38", DataType::Decimal { precision: 38, scale: 10 }, [decimal(-most, 10), decimal(15, 10), decimal(most, 10)]),
        ("money", DataType::Money, [Datum::Money(i64::MIN), Datum::Money(-1), Datum::Money(i64::MAX)]),
        ("smallmoney", DataType::SmallMoney, [Datum::Money(i32::MIN.into()), Datum::Money(-1), Datum::Money(i32::MAX.into())]),
        ("char", DataType::Char(4), [text("    "), text("ab  "), text("€é–x")]),
        ("varchar", DataType::VarChar(Some(8000)), [text(""), text("plain"), text(&"z".repeat(8000))]),
        ("varcharmax", DataType::VarChar(None), [text(""), text("plain ł"), text(&"y".repeat(100_000))]),
        ("nchar", DataType::NChar(4), [text("    "), text("zł  "), text("🙂🙂")]),
        ("nvarchar", DataType::NVarChar(Some(4000)), [text(""), text("zażółć 🙂"), text(&"ż".repeat(4000))]),
        ("nvarcharmax", DataType::NVarChar(None), [text(""), text("zażółć\0🙂"), text(&"ż".repeat(100_000))]),
        ("binary", DataType::Binary(3), [Datum::Bytes(vec![0; 3]), Datum::Bytes(vec![1, 2, 3]), Datum::Bytes(vec![255; 3])]),
        ("varbinary", DataType::VarBinary(Some(8000)), [Datum::Bytes(vec![]), Datum::Bytes(vec![1]), Datum::Bytes(vec![255; 8000])]),
        ("varbinarymax", DataType::VarBinary(None), [Datum::Bytes(vec![]), Datum::Bytes(vec![1]), Datum::Bytes(vec![9; 200_000])]),
        ("date", DataType::Date, [Datum::Date(0), Datum::Date(738_000), Datum::Date(LAST_DAY)]),
        ("time0", DataType::Time(0), [Datum::Time(0), Datum::Time(10_000_000), Datum::Time(TICKS_PER_DAY - 10_000_000)]),
        ("time3", DataType::Time(3), [Datum::Time(0), Datum::Time(10_000), Datum::Time(TICKS_PER_DAY - 10_000)]),
        ("time7", DataType::Time(7), [Datum::Time(0), Datum::Time(1), Datum::Time(TICKS_PER_DAY - 1)]),
        ("datetime", DataType::DateTime, [datetime(-53_690, 0), datetime(45_000, 1), datetime(2_958_463, 25_919_999)]),
        ("smalldatetime", DataType::SmallDateTime, [small(0, 0), small(45_000, 61), small(65_535, 1439)]),
        (
            "datetime2_2",
            DataType::DateTime2(2),
            [datetime2(0, 0), datetime2(738_000, 100_000), datetime2(LAST_DAY, TICKS_PER_DAY - 100_000)],
        ),
        ("datetime2_7", DataType::DateTime2(7), [datetime2(0, 0), datetime2(738_000, 1), datetime2(LAST_DAY, TICKS_PER_DAY - 1)]),
        ("offset0", DataType::DateTimeOffset(0), [offset(1, 0, -840), offset(738_000, 10_000_000, 120), offset(LAST_DAY, 0, 840)]),
        ("offset7", DataType::DateTimeOffset(7), [offset(1, 0, 0), offset(738_000, 1, -330), offset(LAST_DAY, 1, 840)]),
        (
            "guid",
            DataType::UniqueIdentifier,
            [Datum::Guid([0; 16]), Datum::Guid([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]), Datum::Guid([255; 16])],
        ),
        (
            "version",
            DataType::RowVersion,
            [Datum::Bytes(vec![0; 8]), Datum::Bytes(vec![0, 0, 0, 0, 0, 0, 7, 209]), Datum::Bytes(vec![255; 8])],
        ),
        ("text", DataType::Text, [text(""), text("plain ł"), text(&"y".repeat(100_000))]),
        ("ntext", DataType::NText, [text(""), text("zażółć 🙂"), text(&"ż".repeat(100_000))]),
        ("image", DataType::Image, [Datum::Bytes(vec![]), Datum::Bytes(vec![1]), Datum::Bytes(vec![9; 200_000])]),
        ("xml", DataType::Xml, [text(""), text("<a>ż🙂</a>"), text(&format!("<a>{}</a>", "ż".repeat(50_000)))]),
        ("hierarchyid", DataType::HierarchyId, [Datum::Bytes(vec![]), Datum::Bytes(vec![0x58]), Datum::Bytes(vec![0x5A, 0xC0])]),
        ("geography", DataType::Geography, [text("4326;POINT (0 0)"), text("4326;POINT (-122.5 47.25)"), text("4326;POINT (180 -90)")]),
        (
            "variant",
            DataType::SqlVariant,
            [
                variant(DataType::Int, Datum::Int(-7)),
                variant(DataType::NVarChar(Some(10)), text("zł 🙂")),
                variant(DataType::Decimal { precision: 38, scale: 3 }, decimal(-most, 3)),
            ],
        ),
    ]
}

/// Two result sets of the same values: columns that may be NULL with a row of NULLs at the end,
/// and columns that may not.
pub fn send(sink: &mut dyn Sink) -> Result<(), Cancelled> {
    let all = every_type();
    for nullable in [true, false] {
        let columns: Vec<_> = all.iter().map(|(name, data_type, _)| column(name, data_type.clone(), nullable)).collect();
        sink.columns(&columns)?;
        for at in 0..3 {
            let row: Vec<_> = all.iter().map(|(_, _, values)| values[at].clone()).collect();
            sink.row(&row)?;
        }
        if nullable {
            // One NULL among values travels in a plain row, many with a bitmap.
            let mut row: Vec<_> = all.iter().map(|(_, _, values)| values[1].clone()).collect();
            row[0] = Datum::Null;
            sink.row(&row)?;
            sink.row(&vec![Datum::Null; all.len()])?;
        }
        sink.done(Some(if nullable { 5 } else { 3 }))?;
    }
    Ok(())
}
