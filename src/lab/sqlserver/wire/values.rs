//! Values as they stand in rows and return values (MS-TDS 2.2.5.5).

use super::super::engine::value::spatial::Shape;
use super::super::types::{DataType, Datum};
use super::bytes::{put_u16, put_u32, put_u64, put_units};
use super::code_page;
use super::type_info::{decimal_length, fixed_code, time_length};

/// A value that its column cannot hold: the engine and its catalogue disagree. Names no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mismatch(pub &'static str);

const PLP_NULL: u64 = u64::MAX;
const SHORT_NULL: u16 = 0xFFFF;

/// 10 to the power of what a scale leaves out of the seven digits of a tick.
const TICKS_PER_UNIT: [u64; 8] = [10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
const TICKS_PER_DAY: u64 = 864_000_000_000;

/// How the length of a type's values is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Byte,
    Short,
    Long,
    Chunks,
}

fn length_form(data_type: &DataType) -> Length {
    match data_type {
        DataType::VarChar(None)
        | DataType::NVarChar(None)
        | DataType::VarBinary(None)
        | DataType::Xml
        | DataType::HierarchyId
        | DataType::Geography
        | DataType::Geometry => Length::Chunks,
        DataType::SqlVariant => Length::Long,
        DataType::Char(_)
        | DataType::VarChar(_)
        | DataType::NChar(_)
        | DataType::NVarChar(_)
        | DataType::Binary(_)
        | DataType::VarBinary(_)
        | DataType::RowVersion => Length::Short,
        _ => Length::Byte,
    }
}

/// Bytes that a NULL of this type takes in a row without a bitmap.
pub(super) fn null_size(data_type: &DataType) -> usize {
    match length_form(data_type) {
        Length::Byte => 1,
        Length::Short => 2,
        Length::Long => 4,
        Length::Chunks => 8,
    }
}

/// Appends a value. With `nullable` unset, types that have a fixed form travel without a length.
/// On a mismatch `out` holds a part of the value: the caller cuts it off.
pub(super) fn put(out: &mut Vec<u8>, data_type: &DataType, nullable: bool, value: &Datum) -> Result<(), Mismatch> {
    if matches!(value, Datum::Null) {
        if !nullable {
            return Err(Mismatch("NULL in a column declared NOT NULL"));
        }
        match length_form(data_type) {
            Length::Byte => out.push(0),
            Length::Short => put_u16(out, SHORT_NULL),
            Length::Long => put_u32(out, 0),
            Length::Chunks => put_u64(out, PLP_NULL),
        }
        return Ok(());
    }
    let bare = !nullable && fixed_code(data_type).is_some();
    let mut small = |bytes: &[u8]| {
        if !bare {
            out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        }
        out.extend_from_slice(bytes);
    };
    match (data_type, value) {
        (DataType::Bit, Datum::Bit(value)) => small(&[u8::from(*value)]),
        (DataType::TinyInt, Datum::Int(value)) => small(&[u8::try_from(*value).map_err(out_of_range)?]),
        (DataType::SmallInt, Datum::Int(value)) => small(&i16::try_from(*value).map_err(out_of_range)?.to_le_bytes()),
        (DataType::Int, Datum::Int(value)) | (DataType::SmallMoney, Datum::Money(value)) => {
            small(&i32::try_from(*value).map_err(out_of_range)?.to_le_bytes());
        }
        (DataType::BigInt, Datum::Int(value)) => small(&value.to_le_bytes()),
        (DataType::Real, Datum::Real(value)) => small(&value.to_le_bytes()),
        (DataType::Float, Datum::Float(value)) => small(&value.to_le_bytes()),
        (DataType::Money, Datum::Money(value)) => {
            // The high half comes first.
            let bytes = value.to_le_bytes();
            let mut swapped = [0; 8];
            swapped[..4].copy_from_slice(&bytes[4..]);
            swapped[4..].copy_from_slice(&bytes[..4]);
            small(&swapped);
        }
        (DataType::Decimal { precision, scale }, Datum::Decimal { unscaled, scale: given }) => {
            if scale != given {
                return Err(Mismatch("a decimal of another scale"));
            }
            put_decimal(out, *precision, *unscaled)?;
        }
        (DataType::Date, Datum::Date(days)) => small(&three_bytes(*days)?),
        (DataType::Time(scale), Datum::Time(ticks)) => {
            let (bytes, length) = time_bytes(*ticks, *scale)?;
            small(&bytes[..length]);
        }
        (DataType::DateTime2(scale), Datum::DateTime2 { days, ticks }) => {
            let (time, length) = time_bytes(*ticks, *scale)?;
            let mut bytes = [0; 8];
            bytes[..length].copy_from_slice(&time[..length]);
            bytes[length..length + 3].copy_from_slice(&three_bytes(*days)?);
            small(&bytes[..length + 3]);
        }
        (DataType::DateTimeOffset(scale), Datum::DateTimeOffset { days, ticks, offset }) => {
            let (time, length) = time_bytes(*ticks, *scale)?;
            let mut bytes = [0; 10];
            bytes[..length].copy_from_slice(&time[..length]);
            bytes[length..length + 3].copy_from_slice(&three_bytes(*days)?);
            bytes[length + 3..length + 5].copy_from_slice(&offset.to_le_bytes());
            small(&bytes[..length + 5]);
        }
        (DataType::DateTime, Datum::DateTime { days, ticks }) => {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&days.to_le_bytes());
            bytes[4..].copy_from_slice(&ticks.to_le_bytes());
            small(&bytes);
        }
        (DataType::SmallDateTime, Datum::SmallDateTime { days, minutes }) => {
            let (days, minutes) = (days.to_le_bytes(), minutes.to_le_bytes());
            small(&[days[0], days[1], minutes[0], minutes[1]]);
        }
        (DataType::UniqueIdentifier, Datum::Guid(bytes)) => small(&guid_bytes(bytes)),
        (DataType::Char(length), Datum::Text(units)) => put_code_page(out, Some(*length), units)?,
        (DataType::VarChar(length), Datum::Text(units)) => put_code_page(out, *length, units)?,
        (DataType::NChar(length), Datum::Text(units)) => put_unicode(out, Some(*length), units)?,
        (DataType::NVarChar(length), Datum::Text(units)) => put_unicode(out, *length, units)?,
        (DataType::Binary(length), Datum::Bytes(bytes)) => put_bytes(out, Some(*length), bytes)?,
        (DataType::VarBinary(length), Datum::Bytes(bytes)) => put_bytes(out, *length, bytes)?,
        (DataType::RowVersion, Datum::Bytes(bytes)) => put_bytes(out, Some(8), bytes)?,
        (DataType::Xml, Datum::Text(units)) => put_unicode(out, None, units)?,
        (DataType::HierarchyId, Datum::Bytes(bytes)) => put_bytes(out, None, bytes)?,
        (DataType::Geography | DataType::Geometry, Datum::Text(units)) => {
            put_bytes(out, None, &spatial_bytes(data_type, &String::from_utf16_lossy(units))?)?;
        }
        (DataType::Text, Datum::Text(units)) => {
            put_pointer(out, units.len())?;
            out.extend(units.iter().map(|unit| code_page::encode(*unit)));
        }
        (DataType::NText, Datum::Text(units)) => {
            put_pointer(out, units.len() * 2)?;
            put_units(out, units);
        }
        (DataType::Image, Datum::Bytes(bytes)) => {
            put_pointer(out, bytes.len())?;
            out.extend_from_slice(bytes);
        }
        (DataType::SqlVariant, Datum::Variant(inner)) => super::variant::put(out, &inner.0, &inner.1)?,
        _ => return Err(Mismatch("a value of another type")),
    }
    Ok(())
}

fn out_of_range(_: std::num::TryFromIntError) -> Mismatch {
    Mismatch("a number out of the type's range")
}

/// Writes the length in front of `size` bytes; the caller writes the bytes and then
/// [`end_chunks`] when this was a `max` type.
fn put_length(out: &mut Vec<u8>, declared: Option<usize>, size: usize) -> Result<(), Mismatch> {
    match declared {
        Some(declared) if size > declared => return Err(Mismatch("a value longer than the type")),
        // A declared length is at most 8000 bytes.
        Some(_) => put_u16(out, u16::try_from(size).map_err(|_| Mismatch("a value longer than 8000 bytes"))?),
        None => {
            put_u64(out, size as u64);
            if size > 0 {
                put_u32(out, u32::try_from(size).map_err(|_| Mismatch("a value longer than 2 GB"))?);
            }
        }
    }
    Ok(())
}

fn end_chunks(out: &mut Vec<u8>, declared: Option<u16>) {
    if declared.is_none() {
        put_u32(out, 0);
    }
}

fn put_code_page(out: &mut Vec<u8>, declared: Option<u16>, units: &[u16]) -> Result<(), Mismatch> {
    put_length(out, declared.map(usize::from), units.len())?;
    out.extend(units.iter().map(|unit| code_page::encode(*unit)));
    end_chunks(out, declared);
    Ok(())
}

fn put_unicode(out: &mut Vec<u8>, declared: Option<u16>, units: &[u16]) -> Result<(), Mismatch> {
    put_length(out, declared.map(|units| usize::from(units) * 2), units.len() * 2)?;
    put_units(out, units);
    end_chunks(out, declared);
    Ok(())
}

fn put_bytes(out: &mut Vec<u8>, declared: Option<u16>, bytes: &[u8]) -> Result<(), Mismatch> {
    put_length(out, declared.map(usize::from), bytes.len())?;
    out.extend_from_slice(bytes);
    end_chunks(out, declared);
    Ok(())
}

/// What stands before a value of an old large type: the text pointer, a timestamp, the length.
fn put_pointer(out: &mut Vec<u8>, size: usize) -> Result<(), Mismatch> {
    out.push(16);
    out.extend_from_slice(b"dummy textptr\0\0\0");
    out.extend_from_slice(b"dummyTS\0");
    put_u32(out, u32::try_from(size).map_err(|_| Mismatch("a value longer than 2 GB"))?);
    Ok(())
}

/// A single point in the serialized form of MS-SSCLRT: SRID, version 1, the properties "valid" and
/// "single point", two numbers (of a geography the latitude first).
fn spatial_bytes(data_type: &DataType, stored: &str) -> Result<Vec<u8>, Mismatch> {
    let shape = Shape::of_stored(stored).ok_or(Mismatch("a spatial value without its SRID"))?;
    let (x, y) = shape.point().ok_or(Mismatch("a spatial value other than a point (read it with STAsText)"))?;
    let (first, second) = if data_type == &DataType::Geography { (y, x) } else { (x, y) };
    let mut bytes = shape.srid.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[1, 0x0C]);
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.extend_from_slice(&second.to_le_bytes());
    Ok(bytes)
}

fn put_decimal(out: &mut Vec<u8>, precision: u8, unscaled: i128) -> Result<(), Mismatch> {
    let magnitude = unscaled.unsigned_abs();
    if magnitude >= 10_u128.pow(u32::from(precision.min(38))) {
        return Err(Mismatch("a decimal of more digits than its precision"));
    }
    let length = decimal_length(precision);
    out.push(length + 1);
    out.push(u8::from(unscaled >= 0));
    out.extend_from_slice(&magnitude.to_le_bytes()[..usize::from(length)]);
    Ok(())
}

fn three_bytes(days: u32) -> Result<[u8; 3], Mismatch> {
    match days.to_le_bytes() {
        [first, second, third, 0] => Ok([first, second, third]),
        _ => Err(Mismatch("a date out of range")),
    }
}

/// The ticks in units of the scale, and how many bytes of them count.
fn time_bytes(ticks: u64, scale: u8) -> Result<([u8; 8], usize), Mismatch> {
    let unit = TICKS_PER_UNIT.get(usize::from(scale)).ok_or(Mismatch("a time scale above 7"))?;
    if !ticks.is_multiple_of(*unit) {
        return Err(Mismatch("a time with more digits than its scale"));
    }
    if ticks >= TICKS_PER_DAY {
        return Err(Mismatch("a time past midnight"));
    }
    Ok(((ticks / unit).to_le_bytes(), usize::from(time_length(scale))))
}

/// From the order of the text to the wire's: the first three groups are little-endian.
/// The same turn leads back.
pub(super) fn guid_bytes(guid: &[u8; 16]) -> [u8; 16] {
    let mut bytes = *guid;
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}
