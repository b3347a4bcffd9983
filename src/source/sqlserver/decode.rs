//! Values of the wire as [`Value`]: one decoder a column, chosen once.

use tiberius::ColumnData;
use tiberius::time::Time;

use super::error::Place;
use crate::model::fault::src;
use crate::model::{Decimal, Fault, SqlType, TableName, TableShape, Value};

/// Days from 0001-01-01 to 1900-01-01, where datetime and smalldatetime begin.
pub const DAYS_TO_1900: i32 = 693_595;

/// What the wire must bring for a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wire {
    Bit,
    Int,
    Decimal { scale: u8 },
    Real,
    Float,
    Text,
    Bytes,
    Date,
    Time,
    DateTime,
    SmallDateTime,
    DateTime2,
    DateTimeOffset,
    Guid,
}

/// `None` for a type that is not carried.
fn wire(sql_type: &SqlType) -> Option<Wire> {
    Some(match sql_type {
        SqlType::Bit => Wire::Bit,
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => Wire::Int,
        SqlType::Decimal { scale, .. } => Wire::Decimal { scale: *scale },
        // Selected as decimal.
        SqlType::Money | SqlType::SmallMoney => Wire::Decimal { scale: 4 },
        SqlType::Real => Wire::Real,
        SqlType::Float => Wire::Float,
        SqlType::Char { .. }
        | SqlType::VarChar { .. }
        | SqlType::VarCharMax
        | SqlType::NChar { .. }
        | SqlType::NVarChar { .. }
        | SqlType::NVarCharMax
        // Selected as text.
        | SqlType::Xml
        | SqlType::SqlVariant
        | SqlType::HierarchyId
        | SqlType::Geography
        | SqlType::Geometry
        | SqlType::Text
        | SqlType::NText => Wire::Text,
        SqlType::Binary { .. } | SqlType::VarBinary { .. } | SqlType::VarBinaryMax | SqlType::RowVersion | SqlType::Image => Wire::Bytes,
        SqlType::Date => Wire::Date,
        SqlType::Time { .. } => Wire::Time,
        SqlType::DateTime => Wire::DateTime,
        SqlType::SmallDateTime => Wire::SmallDateTime,
        SqlType::DateTime2 { .. } => Wire::DateTime2,
        SqlType::DateTimeOffset { .. } => Wire::DateTimeOffset,
        SqlType::UniqueIdentifier => Wire::Guid,
        SqlType::Other { .. } => return None,
    })
}

/// Decodes the rows of one table, cells in the order of its shape.
#[derive(Clone, Debug)]
pub struct RowDecoder {
    place: Place,
    columns: Vec<ColumnDecoder>,
}

#[derive(Clone, Debug)]
struct ColumnDecoder {
    name: String,
    wire: Wire,
    is_key: bool,
}

impl RowDecoder {
    /// A column of a type that is not carried is a fault: its values would be lost in silence.
    pub fn new(table: &TableName, shape: &TableShape) -> Result<Self, Fault> {
        let place = Place::new(format!("a row of {table} could not be read"));
        let columns = shape
            .columns()
            .iter()
            .map(|column| {
                let wire = wire(&column.sql_type).ok_or_else(|| {
                    Fault::new(&src::TYPE_NOT_CARRIED, format!("{table} cannot be read"))
                        .evidence("column", &column.name)
                        .evidence("type", &column.sql_type)
                })?;
                Ok(ColumnDecoder { name: column.name.clone(), wire, is_key: column.is_key() })
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Self { place, columns })
    }

    /// The values of one row, and about how many bytes they take.
    pub fn row(&self, mut cells: impl Iterator<Item = ColumnData<'static>>) -> Result<(Vec<Value>, usize), Fault> {
        let mut values = Vec::with_capacity(self.columns.len());
        let mut bytes = 0;
        for column in &self.columns {
            let cell = cells.next().ok_or_else(|| self.unfit(column, "nothing"))?;
            let value = self.value(column, cell)?;
            bytes += size_of::<Value>() + heap_bytes(&value);
            values.push(value);
        }
        Ok((values, bytes))
    }

    fn value(&self, column: &ColumnDecoder, cell: ColumnData<'static>) -> Result<Value, Fault> {
        if is_null(&cell) {
            return Ok(Value::Null);
        }
        let kind = kind(&cell);
        let value = value(column.wire, cell).ok_or_else(|| self.unfit(column, kind))?;
        if column.is_key && matches!(&value, Value::Text(text) if text.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(self.place.fault(&src::KEY_NOT_TEXT).evidence("column", &column.name));
        }
        Ok(value)
    }

    fn unfit(&self, column: &ColumnDecoder, found: &str) -> Fault {
        let expected = format!("{:?}", column.wire);
        self.place.fault(&src::UNREADABLE).evidence("column", &column.name).evidence("expected", expected).evidence("found", found)
    }
}

fn heap_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

fn value(wire: Wire, cell: ColumnData<'static>) -> Option<Value> {
    Some(match (wire, cell) {
        (Wire::Bit, ColumnData::Bit(Some(bit))) => Value::Bool(bit),
        (Wire::Int, ColumnData::U8(Some(n))) => Value::Int(i64::from(n)),
        (Wire::Int, ColumnData::I16(Some(n))) => Value::Int(i64::from(n)),
        (Wire::Int, ColumnData::I32(Some(n))) => Value::Int(i64::from(n)),
        (Wire::Int, ColumnData::I64(Some(n))) => Value::Int(n),
        (Wire::Decimal { scale }, ColumnData::Numeric(Some(n))) if n.scale() == scale => {
            Value::Decimal(Decimal { unscaled: n.value(), scale })
        }
        (Wire::Real, ColumnData::F32(Some(n))) => Value::Real(n),
        (Wire::Float, ColumnData::F64(Some(n))) => Value::Float(n),
        (Wire::Text, ColumnData::String(Some(text))) => Value::Text(text.into_owned()),
        (Wire::Bytes, ColumnData::Binary(Some(bytes))) => Value::Bytes(bytes.into_owned()),
        (Wire::Date, ColumnData::Date(Some(date))) => Value::Date(i32::try_from(date.days()).ok()?),
        (Wire::Time, ColumnData::Time(Some(time))) => Value::Time(ticks(time)?),
        (Wire::DateTime, cell @ ColumnData::DateTime(_))
        | (Wire::SmallDateTime, cell @ ColumnData::SmallDateTime(_))
        | (Wire::DateTime2, cell @ ColumnData::DateTime2(_)) => {
            let (days, ticks) = timestamp(&cell)?;
            Value::Timestamp { days, ticks }
        }
        (Wire::DateTimeOffset, ColumnData::DateTimeOffset(Some(value))) => {
            // The wire value is the UTC instant; the offset only says how it was written.
            let instant = value.datetime2();
            let days = i32::try_from(instant.date().days()).ok()?;
            Value::TimestampTz { days, ticks: ticks(instant.time())?, offset_minutes: value.offset() }
        }
        (Wire::Guid, ColumnData::Guid(Some(guid))) => Value::Uuid(guid),
        _ => return None,
    })
}

/// Days since 0001-01-01 and 100 ns units since midnight of the three types without an offset.
#[must_use]
pub fn timestamp(cell: &ColumnData<'static>) -> Option<(i32, u64)> {
    match cell {
        ColumnData::DateTime(Some(value)) => {
            // Units of 1/300 s, shown as milliseconds that end in 0, 3 or 7.
            let milliseconds = (u64::from(value.seconds_fragments()) * 10 + 1) / 3;
            Some((value.days().checked_add(DAYS_TO_1900)?, milliseconds * 10_000))
        }
        ColumnData::SmallDateTime(Some(value)) => {
            // The driver calls the second half "seconds_fragments"; it is minutes.
            Some((i32::from(value.days()) + DAYS_TO_1900, u64::from(value.seconds_fragments()) * 600_000_000))
        }
        ColumnData::DateTime2(Some(value)) => Some((i32::try_from(value.date().days()).ok()?, ticks(value.time())?)),
        _ => None,
    }
}

fn ticks(time: Time) -> Option<u64> {
    let power = 7_u32.checked_sub(u32::from(time.scale()))?;
    time.increments().checked_mul(10_u64.pow(power))
}

#[must_use]
pub fn is_null(cell: &ColumnData<'static>) -> bool {
    matches!(
        cell,
        ColumnData::U8(None)
            | ColumnData::I16(None)
            | ColumnData::I32(None)
            | ColumnData::I64(None)
            | ColumnData::F32(None)
            | ColumnData::F64(None)
            | ColumnData::Bit(None)
            | ColumnData::String(None)
            | ColumnData::Guid(None)
            | ColumnData::Binary(None)
            | ColumnData::Numeric(None)
            | ColumnData::Xml(None)
            | ColumnData::DateTime(None)
            | ColumnData::SmallDateTime(None)
            | ColumnData::Time(None)
            | ColumnData::Date(None)
            | ColumnData::DateTime2(None)
            | ColumnData::DateTimeOffset(None)
    )
}

/// The kind of a wire value, for evidence: never the value.
fn kind(cell: &ColumnData<'static>) -> &'static str {
    match cell {
        ColumnData::U8(_) => "tinyint",
        ColumnData::I16(_) => "smallint",
        ColumnData::I32(_) => "int",
        ColumnData::I64(_) => "bigint",
        ColumnData::F32(_) => "real",
        ColumnData::F64(_) => "float or money",
        ColumnData::Bit(_) => "bit",
        ColumnData::String(_) => "text",
        ColumnData::Guid(_) => "uniqueidentifier",
        ColumnData::Binary(_) => "bytes",
        ColumnData::Numeric(_) => "decimal",
        ColumnData::Xml(_) => "xml",
        ColumnData::DateTime(_) => "datetime",
        ColumnData::SmallDateTime(_) => "smalldatetime",
        ColumnData::Time(_) => "time",
        ColumnData::Date(_) => "date",
        ColumnData::DateTime2(_) => "datetime2",
        ColumnData::DateTimeOffset(_) => "datetimeoffset",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Column;
    use proptest::prelude::*;
    use tiberius::numeric::Numeric;
    use tiberius::time::{Date, DateTime, DateTime2, DateTimeOffset, SmallDateTime};

    fn decode(sql_type: SqlType, cell: ColumnData<'static>) -> Result<Value, Fault> {
        let column = Column {
            name: "c".into(),
            column_id: 1,
            ordinal: 1,
            sql_type,
            nullable: true,
            collation: None,
            key_ordinal: Some(1),
            unfit: crate::model::Unfit::Fail,
        };
        let decoder = RowDecoder::new(&TableName::new("dbo", "t"), &TableShape::new(vec![column]))?;
        Ok(decoder.row(std::iter::once(cell))?.0.remove(0))
    }

    #[test]
    fn datetime_shows_the_milliseconds_that_sql_server_shows() {
        let milliseconds = |fragments| match timestamp(&ColumnData::DateTime(Some(DateTime::new(0, fragments)))) {
            Some((_, ticks)) => ticks / 10_000,
            None => u64::MAX,
        };
        let expected = |n: u64| n / 3 * 10 + [0, 3, 7][(n % 3) as usize];
        for fragment in 0..300_u32 {
            assert_eq!(milliseconds(fragment), expected(u64::from(fragment)), "{fragment}");
        }
        assert_eq!(milliseconds(300 * 86_400 - 1), 86_399_997);
    }

    #[test]
    fn moments_keep_every_tick() {
        let last_day = 3_652_058;
        let at = |date, time| DateTime2::new(Date::new(date), time);
        let cell = ColumnData::DateTime2(Some(at(last_day, Time::new(863_999_999_999, 7))));
        let expected = Value::Timestamp { days: 3_652_058, ticks: 863_999_999_999 };
        assert!(decode(SqlType::DateTime2 { scale: 7 }, cell).unwrap() == expected);

        let cell = ColumnData::DateTimeOffset(Some(DateTimeOffset::new(at(0, Time::new(1, 0)), -840)));
        let expected = Value::TimestampTz { days: 0, ticks: 10_000_000, offset_minutes: -840 };
        assert!(decode(SqlType::DateTimeOffset { scale: 0 }, cell).unwrap() == expected);

        let cell = ColumnData::SmallDateTime(Some(SmallDateTime::new(65_535, 1439)));
        let expected = Value::Timestamp { days: 65_535 + DAYS_TO_1900, ticks: 1439 * 600_000_000 };
        assert!(decode(SqlType::SmallDateTime, cell).unwrap() == expected);

        let cell = ColumnData::DateTime(Some(DateTime::new(-53_690, 0)));
        assert!(decode(SqlType::DateTime, cell).unwrap() == Value::Timestamp { days: 639_905, ticks: 0 });
        assert!(decode(SqlType::Time { scale: 3 }, ColumnData::Time(Some(Time::new(5, 3)))).unwrap() == Value::Time(50_000));
    }

    #[test]
    fn another_wire_type_is_a_fault_without_the_value() {
        let fault = decode(SqlType::Int, ColumnData::String(Some("card 4711".into()))).unwrap_err();
        assert!(fault.is(&src::UNREADABLE) && !format!("{fault:?}").contains("4711"), "{fault:?}");
        assert!(fault.facts().iter().any(|(name, value)| name == "column" && value == "c"));
        // Money must have been cast: a float has lost digits already.
        assert!(decode(SqlType::Money, ColumnData::F64(Some(1.0))).is_err());
        let numeric = ColumnData::Numeric(Some(Numeric::new_with_scale(1, 2)));
        assert!(decode(SqlType::Decimal { precision: 9, scale: 4 }, numeric).is_err());
    }

    #[test]
    fn a_type_that_is_not_carried_stops_the_read() {
        let fault = decode(SqlType::Other { name: "vector".into() }, ColumnData::Binary(None)).unwrap_err();
        assert!(fault.is(&src::TYPE_NOT_CARRIED));
    }

    #[test]
    fn a_mended_character_in_a_key_is_refused() {
        let text = |text: &str| ColumnData::String(Some(text.to_owned().into()));
        assert!(decode(SqlType::NVarChar { length: 9 }, text("a\u{FFFD}")).unwrap_err().is(&src::KEY_NOT_TEXT));
        assert!(decode(SqlType::NVarChar { length: 9 }, text("a\u{1F600}")).is_ok());
    }

    proptest! {
        #[test]
        fn decimals_keep_every_digit(unscaled in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_u8..=38) {
            let cell = ColumnData::Numeric(Some(Numeric::new_with_scale(unscaled, scale)));
            let value = decode(SqlType::Decimal { precision: 38, scale }, cell).unwrap();
            let kept = value == Value::Decimal(Decimal { unscaled, scale });
            prop_assert!(kept);
        }

        #[test]
        fn every_time_scale_becomes_ticks(increments in 0_u64..86_400, scale in 0_u8..=7) {
            let time = ticks(Time::new(increments * 10_u64.pow(u32::from(scale)), scale)).unwrap();
            prop_assert_eq!(time, increments * 10_000_000);
        }
    }
}
