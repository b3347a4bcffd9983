//! How a value of a declared type is stored in SQLite: the only place that knows.
//!
//! | type | SQLite |
//! |---|---|
//! | bit, integers, money | INTEGER |
//! | decimal, precision up to 18 | INTEGER, unscaled |
//! | decimal, precision from 19 | BLOB of 16 bytes, big-endian, sign bit flipped: sorts as the number |
//! | real, float | REAL |
//! | character types | TEXT, see [`text_to_sql`]; compared by a collation |
//! | binary, varbinary, rowversion | BLOB |
//! | uniqueidentifier | BLOB of 16 bytes in SQL Server's sort order (last group first) |
//! | xml, text, ntext, geography, geometry | TEXT |
//! | image, hierarchyid | BLOB |
//! | sql_variant | BLOB: 8 bytes of the base type, 1 of the storage class, the stored value |
//! | date | INTEGER days |
//! | time | INTEGER 100 ns |
//! | datetime | INTEGER, days from 1900 * 25,920,000 + 1/300 s |
//! | smalldatetime | INTEGER minutes from 1900 |
//! | datetime2 | INTEGER 100 ns from 0001-01-01 |
//! | datetimeoffset | BLOB: 8 bytes 100 ns of the UTC instant, then 2 bytes offset + 32768 |
//!
//! NULL is NULL for every type; the empty string is TEXT of length 0.

use crate::lab::sqlserver::types::{DataType, Datum};
use rusqlite::types::{Value, ValueRef};

/// 1/300 s units in a day.
pub const DATETIME_TICKS_A_DAY: i64 = 86_400 * 300;
/// 100 ns units in a day.
pub const TICKS_A_DAY: u64 = 86_400 * 10_000_000;
/// Days from 0001-01-01 to 1900-01-01.
pub const DAYS_TO_1900: i64 = 693_595;
/// The largest precision of a decimal that is stored as INTEGER.
pub const SMALL_DECIMAL: u8 = 18;

/// A stored value does not fit the type that the catalogue declares for it.
#[derive(Debug, thiserror::Error)]
#[error("a stored value of storage class {class} does not fit the declared type {data_type:?}")]
pub struct CodecError {
    data_type: DataType,
    class: &'static str,
}

/// The escape of [`text_to_sql`]: a noncharacter that text practically never holds.
const ESCAPE: char = '\u{10FFFF}';
/// A lone surrogate `0xD800 + x` is written as the escape and this character plus `x`.
const SURROGATE_BASE: u32 = 0xE000;

/// UTF-16 to valid UTF-8, reversibly: SQLite's collation callbacks want valid UTF-8, so a lone
/// surrogate becomes U+10FFFF and a character of the private area; U+10FFFF itself is doubled.
#[must_use]
pub fn text_to_sql(units: &[u16]) -> String {
    let mut out = String::with_capacity(units.len());
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(ESCAPE) => out.extend([ESCAPE, ESCAPE]),
            Ok(c) => out.push(c),
            Err(lone) => {
                let moved = u32::from(lone.unpaired_surrogate()) - 0xD800 + SURROGATE_BASE;
                out.push(ESCAPE);
                out.push(char::from_u32(moved).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
    }
    out
}

/// The reverse of [`text_to_sql`]. Bytes that are no UTF-8 cannot have been written by it; they
/// are read with replacement characters.
#[must_use]
pub fn text_from_sql(bytes: &[u8]) -> Vec<u16> {
    if bytes.is_ascii() {
        return bytes.iter().map(|b| u16::from(*b)).collect();
    }
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(ESCAPE) {
        return text.encode_utf16().collect();
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut chars = text.chars();
    let mut buffer = [0_u16; 2];
    while let Some(c) = chars.next() {
        let c = if c == ESCAPE {
            chars.next().unwrap_or(ESCAPE)
        } else {
            out.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        };
        match u32::from(c).checked_sub(SURROGATE_BASE).and_then(|x| u16::try_from(x).ok()) {
            Some(x) if x < 0x800 => out.push(0xD800 + x),
            _ => out.extend_from_slice(c.encode_utf16(&mut buffer)),
        }
    }
    out
}

/// Text order of a GUID's bytes to sort order: the reverse for the first eight bytes, which come last.
fn guid_to_sql(text: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    out.extend_from_slice(&text[10..16]);
    out.extend_from_slice(&text[8..10]);
    out.extend(text[..8].iter().rev());
    out
}

fn guid_from_sql(stored: &[u8]) -> Option<[u8; 16]> {
    let stored: &[u8; 16] = stored.try_into().ok()?;
    let mut text = [0; 16];
    text[10..16].copy_from_slice(&stored[..6]);
    text[8..10].copy_from_slice(&stored[6..8]);
    for (to, from) in text[..8].iter_mut().zip(stored[8..].iter().rev()) {
        *to = *from;
    }
    Some(text)
}

const SIGN: u128 = 1 << 127;

/// The storage form of `value`, which must already be a value of `data_type` (converted, padded,
/// scaled); a value of another shape is stored as NULL never: it keeps its own natural form.
#[must_use]
pub fn encode(data_type: &DataType, value: &Datum) -> Value {
    match value {
        Datum::Null => Value::Null,
        Datum::Bit(b) => Value::Integer(i64::from(*b)),
        Datum::Int(i) | Datum::Money(i) => Value::Integer(*i),
        Datum::Decimal { unscaled, .. } => match (data_type, i64::try_from(*unscaled)) {
            (DataType::Decimal { precision, .. }, Ok(small)) if *precision <= SMALL_DECIMAL => Value::Integer(small),
            _ => Value::Blob((unscaled.cast_unsigned() ^ SIGN).to_be_bytes().to_vec()),
        },
        Datum::Real(f) => Value::Real(f64::from(*f)),
        Datum::Float(f) => Value::Real(*f),
        Datum::Text(units) => Value::Text(text_to_sql(units)),
        Datum::Bytes(bytes) => Value::Blob(bytes.clone()),
        Datum::Date(days) => Value::Integer(i64::from(*days)),
        Datum::Time(ticks) => Value::Integer(ticks.cast_signed()),
        Datum::DateTime { days, ticks } => Value::Integer(i64::from(*days) * DATETIME_TICKS_A_DAY + i64::from(*ticks)),
        Datum::SmallDateTime { days, minutes } => Value::Integer(i64::from(*days) * 1440 + i64::from(*minutes)),
        Datum::DateTime2 { days, ticks } => Value::Integer((u64::from(*days) * TICKS_A_DAY + ticks).cast_signed()),
        Datum::DateTimeOffset { days, ticks, offset } => {
            let mut bytes = (u64::from(*days) * TICKS_A_DAY + ticks).to_be_bytes().to_vec();
            bytes.extend_from_slice(&(offset.cast_unsigned() ^ 0x8000).to_be_bytes());
            Value::Blob(bytes)
        }
        Datum::Guid(text) => Value::Blob(guid_to_sql(text)),
        Datum::Variant(inner) => Value::Blob(variant_to_sql(&inner.0, &inner.1)),
    }
}

/// The value that [`encode`] stored under `data_type`.
pub fn decode(data_type: &DataType, stored: ValueRef<'_>) -> Result<Datum, CodecError> {
    let datum = match (data_type, stored) {
        (_, ValueRef::Null) => Some(Datum::Null),
        (DataType::Bit, ValueRef::Integer(i)) => Some(Datum::Bit(i != 0)),
        (DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt, ValueRef::Integer(i)) => Some(Datum::Int(i)),
        (DataType::Money | DataType::SmallMoney, ValueRef::Integer(i)) => Some(Datum::Money(i)),
        (DataType::Decimal { scale, .. }, ValueRef::Integer(i)) => Some(Datum::Decimal { unscaled: i128::from(i), scale: *scale }),
        (DataType::Decimal { scale, .. }, ValueRef::Blob(bytes)) => <[u8; 16]>::try_from(bytes)
            .ok()
            .map(|b| Datum::Decimal { unscaled: (u128::from_be_bytes(b) ^ SIGN).cast_signed(), scale: *scale }),
        #[expect(clippy::cast_possible_truncation, reason = "was stored from an f32")]
        (DataType::Real, ValueRef::Real(f)) => Some(Datum::Real(f as f32)),
        (DataType::Float, ValueRef::Real(f)) => Some(Datum::Float(f)),
        (
            DataType::Char(_)
            | DataType::VarChar(_)
            | DataType::NChar(_)
            | DataType::NVarChar(_)
            | DataType::Xml
            | DataType::Text
            | DataType::NText
            | DataType::Geography
            | DataType::Geometry,
            ValueRef::Text(bytes),
        ) => Some(Datum::Text(text_from_sql(bytes))),
        (
            DataType::Binary(_) | DataType::VarBinary(_) | DataType::RowVersion | DataType::Image | DataType::HierarchyId,
            ValueRef::Blob(bytes),
        ) => Some(Datum::Bytes(bytes.to_vec())),
        (DataType::SqlVariant, ValueRef::Blob(bytes)) => variant_from_sql(bytes),
        (DataType::Date, ValueRef::Integer(i)) => u32::try_from(i).ok().map(Datum::Date),
        (DataType::Time(_), ValueRef::Integer(i)) => Some(Datum::Time(i.cast_unsigned())),
        (DataType::DateTime, ValueRef::Integer(i)) => decode_datetime(i),
        (DataType::SmallDateTime, ValueRef::Integer(i)) => {
            u16::try_from(i / 1440).ok().zip(u16::try_from(i % 1440).ok()).map(|(days, minutes)| Datum::SmallDateTime { days, minutes })
        }
        (DataType::DateTime2(_), ValueRef::Integer(i)) => split(i.cast_unsigned()).map(|(days, ticks)| Datum::DateTime2 { days, ticks }),
        (DataType::DateTimeOffset(_), ValueRef::Blob(bytes)) => decode_offset(bytes),
        (DataType::UniqueIdentifier, ValueRef::Blob(bytes)) => guid_from_sql(bytes).map(Datum::Guid),
        _ => None,
    };
    datum.ok_or_else(|| CodecError { data_type: data_type.clone(), class: class_of(stored) })
}

/// The base type goes first, so that values of one type lie together.
fn variant_to_sql(base: &DataType, value: &Datum) -> Vec<u8> {
    let mut out = super::value::type_code(base).to_be_bytes().to_vec();
    match encode(base, value) {
        Value::Null => out.push(0),
        Value::Integer(i) => {
            out.push(1);
            out.extend_from_slice(&i.to_be_bytes());
        }
        Value::Real(f) => {
            out.push(2);
            out.extend_from_slice(&f.to_bits().to_be_bytes());
        }
        Value::Text(text) => {
            out.push(3);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Blob(bytes) => {
            out.push(4);
            out.extend_from_slice(&bytes);
        }
    }
    out
}

fn variant_from_sql(stored: &[u8]) -> Option<Datum> {
    let (code, rest) = stored.split_first_chunk::<8>()?;
    let base = super::value::type_of_code(i64::from_be_bytes(*code))?;
    let (class, body) = rest.split_first()?;
    let stored = match class {
        1 => ValueRef::Integer(i64::from_be_bytes(body.try_into().ok()?)),
        2 => ValueRef::Real(f64::from_bits(u64::from_be_bytes(body.try_into().ok()?))),
        3 => ValueRef::Text(body),
        4 => ValueRef::Blob(body),
        _ => return None,
    };
    let value = decode(&base, stored).ok()?;
    Some(Datum::Variant(Box::new((base, value))))
}

fn split(ticks: u64) -> Option<(u32, u64)> {
    Some((u32::try_from(ticks / TICKS_A_DAY).ok()?, ticks % TICKS_A_DAY))
}

fn decode_datetime(stored: i64) -> Option<Datum> {
    let days = i32::try_from(stored.div_euclid(DATETIME_TICKS_A_DAY)).ok()?;
    let ticks = u32::try_from(stored.rem_euclid(DATETIME_TICKS_A_DAY)).ok()?;
    Some(Datum::DateTime { days, ticks })
}

fn decode_offset(bytes: &[u8]) -> Option<Datum> {
    let (instant, offset) = bytes.split_first_chunk::<8>()?;
    let (days, ticks) = split(u64::from_be_bytes(*instant))?;
    let offset = (u16::from_be_bytes(offset.try_into().ok()?) ^ 0x8000).cast_signed();
    Some(Datum::DateTimeOffset { days, ticks, offset })
}

fn class_of(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "null",
        ValueRef::Integer(_) => "integer",
        ValueRef::Real(_) => "real",
        ValueRef::Text(_) => "text",
        ValueRef::Blob(_) => "blob",
    }
}

/// The stored form as a literal of SQLite's SQL, to be spliced into a query text.
#[must_use]
pub fn literal(data_type: &DataType, value: &Datum) -> String {
    sql_literal(&encode(data_type, value))
}

/// A storage value as a literal of SQLite's SQL.
#[must_use]
pub fn sql_literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(i64::MIN) => "(-9223372036854775807 - 1)".into(),
        Value::Integer(i) => i.to_string(),
        Value::Real(f) => format!("{f:e}"),
        // A NUL would end the SQL text, so such a string is written by its bytes.
        Value::Text(t) if t.contains('\0') => format!("CAST({} AS TEXT)", hex(t.as_bytes())),
        Value::Text(t) => format!("'{}'", t.replace('\'', "''")),
        Value::Blob(b) => hex(b),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(bytes.len() * 2 + 3);
    out.push_str("x'");
    for b in bytes {
        let _ = write!(out, "{b:02x}");
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(data_type: &DataType, value: &Datum) {
        let stored = encode(data_type, value);
        assert_eq!(&decode(data_type, ValueRef::from(&stored)).unwrap(), value, "{data_type:?}");
    }

    #[test]
    fn every_type_survives() {
        let big = DataType::Decimal { precision: 38, scale: 10 };
        for unscaled in [0, 1, -1, 10_i128.pow(37), -(10_i128.pow(37))] {
            round_trip(&big, &Datum::Decimal { unscaled, scale: 10 });
        }
        round_trip(&DataType::Decimal { precision: 18, scale: 2 }, &Datum::Decimal { unscaled: -5, scale: 2 });
        round_trip(&DataType::DateTime, &Datum::DateTime { days: -53_690, ticks: 25_919_999 });
        round_trip(&DataType::DateTime2(7), &Datum::DateTime2 { days: 3_652_058, ticks: TICKS_A_DAY - 1 });
        round_trip(&DataType::DateTimeOffset(7), &Datum::DateTimeOffset { days: 1, ticks: 5, offset: -840 });
        round_trip(&DataType::UniqueIdentifier, &Datum::Guid(std::array::from_fn(|i| u8::try_from(i).unwrap())));
        round_trip(&DataType::NVarChar(None), &Datum::Text(vec![0x41, 0xD800, 0, 0x20AC, 0xDC00, 0xDBFF, 0xDFFF, 0xDBFF]));
        round_trip(&DataType::NVarChar(None), &Datum::Text(vec![]));
        round_trip(&DataType::Int, &Datum::Null);
        let variant = |base, value| Datum::Variant(Box::new((base, value)));
        round_trip(&DataType::SqlVariant, &variant(DataType::Int, Datum::Int(-7)));
        round_trip(&DataType::SqlVariant, &variant(DataType::NVarChar(Some(9)), Datum::Text(vec![0x41, 0xD800])));
        round_trip(
            &DataType::SqlVariant,
            &variant(DataType::Decimal { precision: 38, scale: 3 }, Datum::Decimal { unscaled: -1, scale: 3 }),
        );
        round_trip(&DataType::SqlVariant, &variant(DataType::Float, Datum::Float(-0.5)));
        round_trip(&DataType::Image, &Datum::Bytes(vec![1]));
        round_trip(&DataType::Xml, &Datum::Text(vec![0x3C]));
    }

    #[test]
    fn large_decimals_and_offsets_sort_as_bytes() {
        let big = DataType::Decimal { precision: 38, scale: 0 };
        let blob = |unscaled| match encode(&big, &Datum::Decimal { unscaled, scale: 0 }) {
            Value::Blob(b) => b,
            other => panic!("{other:?}"),
        };
        assert!(blob(-2) < blob(-1) && blob(-1) < blob(0) && blob(0) < blob(7));
    }
}
