//! A key as people type it: text, read by the type of the key's column.

use jiff::civil::{Date, DateTime, Time};
use uuid::Uuid;

use crate::model::fault::sync::BAD_KEY;
use crate::model::{Column, Decimal, Fault, SqlType, TableShape, Value};
use crate::target::Held;

/// One text for each key column, in key order.
pub fn parse(shape: &TableShape, texts: &[String]) -> Result<Vec<Value>, Fault> {
    let names: Vec<&str> = shape.key().iter().map(|column| column.name.as_str()).collect();
    if texts.len() != names.len() {
        return Err(Fault::new(&BAD_KEY, format!("the key has {} columns, and {} values were given", names.len(), texts.len()))
            .evidence("key columns", names.join(", ")));
    }
    shape.key().iter().zip(texts).map(|(column, text)| value(column, text)).collect()
}

/// The key of a row that was read back.
pub fn of_held(shape: &TableShape, key: &[Held]) -> Result<Vec<Value>, Fault> {
    let texts: Vec<String> = key.iter().map(|cell| cell.clone().unwrap_or_default()).collect();
    parse(shape, &texts)
}

/// The text may be a cell value, so the fault does not repeat it.
fn value(column: &Column, text: &str) -> Result<Value, Fault> {
    read(&column.sql_type, text).ok_or_else(|| {
        Fault::new(&BAD_KEY, format!("the value given for the key column {} is no {}", column.name, column.sql_type))
            .evidence("column", &column.name)
            .evidence("type", &column.sql_type)
    })
}

fn read(sql_type: &SqlType, text: &str) -> Option<Value> {
    let bare = text.trim();
    let integer = |least: i64, most: i64| bare.parse().ok().filter(|n| (least..=most).contains(n)).map(Value::Int);
    Some(match sql_type {
        SqlType::Bit => Value::Bool(match bare {
            "0" | "f" | "false" => false,
            "1" | "t" | "true" => true,
            _ => return None,
        }),
        SqlType::TinyInt => integer(0, 255)?,
        SqlType::SmallInt => integer(i16::MIN.into(), i16::MAX.into())?,
        SqlType::Int => integer(i32::MIN.into(), i32::MAX.into())?,
        SqlType::BigInt => integer(i64::MIN, i64::MAX)?,
        SqlType::Decimal { scale, .. } => decimal(bare, *scale)?,
        SqlType::Money | SqlType::SmallMoney => decimal(bare, 4)?,
        SqlType::Real => Value::Real(bare.parse().ok().filter(|n: &f32| n.is_finite())?),
        SqlType::Float => Value::Float(bare.parse().ok().filter(|n: &f64| n.is_finite())?),
        // Fixed lengths are stored with their blanks.
        SqlType::Char { length } | SqlType::NChar { length } => {
            let units = text.encode_utf16().count();
            Value::Text(format!("{text}{}", " ".repeat(usize::from(*length).saturating_sub(units))))
        }
        SqlType::VarChar { .. } | SqlType::NVarChar { .. } | SqlType::VarCharMax | SqlType::NVarCharMax => Value::Text(text.to_owned()),
        SqlType::Binary { .. } | SqlType::VarBinary { .. } | SqlType::VarBinaryMax | SqlType::RowVersion => Value::Bytes(bytes(bare)?),
        SqlType::Date => Value::Date(days(bare.parse().ok()?)?),
        SqlType::Time { .. } => Value::Time(ticks(bare.parse().ok()?)?),
        SqlType::DateTime | SqlType::SmallDateTime | SqlType::DateTime2 { .. } => {
            let time: DateTime = bare.parse().ok()?;
            Value::Timestamp { days: days(time.date())?, ticks: ticks(time.time())? }
        }
        SqlType::DateTimeOffset { .. } => instant(bare)?,
        SqlType::UniqueIdentifier => Value::Uuid(Uuid::parse_str(bare).ok()?),
        // None of these is ever a key.
        SqlType::Xml
        | SqlType::SqlVariant
        | SqlType::HierarchyId
        | SqlType::Geography
        | SqlType::Geometry
        | SqlType::Text
        | SqlType::NText
        | SqlType::Image
        | SqlType::Other { .. } => return None,
    })
}

/// Digits beyond the scale would be another number.
fn decimal(text: &str, scale: u8) -> Option<Value> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let missing = usize::from(scale).checked_sub(fraction.len())?;
    if whole.is_empty() && fraction.is_empty() || !plain(whole) || !plain(fraction) {
        return None;
    }
    let unscaled: i128 = format!("{whole}{fraction}{}", "0".repeat(missing)).parse().ok()?;
    Some(Value::Decimal(Decimal { unscaled: if negative { -unscaled } else { unscaled }, scale }))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() || digits.is_empty() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

fn days(date: Date) -> Option<i32> {
    if date.year() < 1 {
        return None;
    }
    i32::try_from(date.duration_since(Date::constant(1, 1, 1)).as_hours() / 24).ok()
}

fn ticks(time: Time) -> Option<u64> {
    u64::try_from(time.duration_since(Time::midnight()).as_nanos() / 100).ok()
}

/// Without an offset UTC is meant.
fn instant(text: &str) -> Option<Value> {
    let at = text.rfind(['+', '-']).filter(|at| *at > 10);
    let (local, offset) = at.map_or((text, ""), |at| text.split_at(at));
    let local = local.strip_suffix('Z').unwrap_or(local);
    let offset_minutes = if offset.is_empty() {
        0
    } else {
        let (hours, minutes) = offset[1..].split_once(':').unwrap_or((&offset[1..], "0"));
        let minutes = hours.parse::<i16>().ok()?.checked_mul(60)?.checked_add(minutes.parse::<i16>().ok()?)?;
        if offset.starts_with('-') { -minutes } else { minutes }
    };
    let utc = local.trim().parse::<DateTime>().ok()?.checked_sub(jiff::SignedDuration::from_mins(offset_minutes.into())).ok()?;
    Some(Value::TimestampTz { days: days(utc.date())?, ticks: ticks(utc.time())?, offset_minutes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unfit;

    #[test]
    fn keys_read_by_their_type() {
        let same =
            |sql_type: SqlType, text: &str, value: &Value| assert!(read(&sql_type, text).as_ref() == Some(value), "{sql_type} {text}");
        same(SqlType::TinyInt, "255", &Value::Int(255));
        same(SqlType::Decimal { precision: 9, scale: 2 }, "-1.5", &Value::Decimal(Decimal { unscaled: -150, scale: 2 }));
        same(SqlType::NChar { length: 4 }, "ab", &Value::Text("ab  ".into()));
        same(SqlType::NVarChar { length: 4 }, " a", &Value::Text(" a".into()));
        same(SqlType::VarBinary { length: 4 }, "0xAB01", &Value::Bytes(vec![0xab, 1]));
        same(SqlType::Date, "0001-01-02", &Value::Date(1));
        same(SqlType::Time { scale: 6 }, "00:00:01.5", &Value::Time(15_000_000));
        same(SqlType::DateTime, "0001-01-02 00:00:00.003", &Value::Timestamp { days: 1, ticks: 30_000 });
        let instant = Value::TimestampTz { days: 0, ticks: 36_000_000_000, offset_minutes: 60 };
        same(SqlType::DateTimeOffset { scale: 0 }, "0001-01-01T02:00:00+01:00", &instant);
        same(SqlType::Bit, "1", &Value::Bool(true));
    }

    #[test]
    fn what_does_not_read_is_refused() {
        for (sql_type, text) in [
            (SqlType::Int, "2147483648"),
            (SqlType::Int, "1.0"),
            (SqlType::TinyInt, "-1"),
            (SqlType::Decimal { precision: 9, scale: 2 }, "1.234"),
            (SqlType::Decimal { precision: 9, scale: 2 }, "."),
            (SqlType::Binary { length: 2 }, "abc"),
            (SqlType::Date, "yesterday"),
            (SqlType::UniqueIdentifier, "x"),
            (SqlType::Real, "inf"),
        ] {
            assert!(read(&sql_type, text).is_none(), "{sql_type} {text}");
        }
    }

    #[test]
    fn a_key_has_all_its_columns_and_the_fault_hides_the_value() {
        let column = Column {
            name: "id".into(),
            column_id: 1,
            ordinal: 1,
            sql_type: SqlType::Int,
            nullable: false,
            collation: None,
            key_ordinal: Some(1),
            unfit: Unfit::Fail,
        };
        let shape = TableShape::new(vec![column]);
        assert!(parse(&shape, &["1".into(), "2".into()]).unwrap_err().is(&BAD_KEY));
        let fault = parse(&shape, &["card 4711".into()]).unwrap_err();
        assert!(fault.to_string().contains("id") && !fault.to_string().contains("4711"));
    }
}
