//! Parameters of RPC requests: TYPE_INFO and value, read into the words of the lab.

use super::super::types::{DataType, Datum};
use super::bytes::{Malformed, Reader, utf16_units};
use super::code_page;
use super::type_info::{MAX, code, time_length};
use super::values::guid_bytes;

const PLP_NULL: u64 = u64::MAX;
const PLP_UNKNOWN: u64 = u64::MAX - 1;
const SHORT_NULL: u16 = 0xFFFF;
const LONG_NULL: u32 = u32::MAX;
/// Bit of the collation that makes char data UTF-8 (SQL Server 2019).
const COLLATION_UTF8: u32 = 0x0400_0000;

/// Why a parameter could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ParameterError {
    Malformed,
    /// A type that the lab does not take; everything after it is unreadable.
    UnknownType(u8),
}

impl From<Malformed> for ParameterError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Reads TYPE_INFO and one value.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(DataType, Datum), ParameterError> {
    let type_code = reader.u8()?;
    Ok(match type_code {
        // A NULL without a type: SQL Server takes it for nvarchar(1) too.
        code::NULL => (DataType::NVarChar(Some(1)), Datum::Null),
        code::BIT => (DataType::Bit, Datum::Bit(reader.u8()? != 0)),
        code::INT1 | code::INT2 | code::INT4 | code::INT8 => {
            let length = match type_code {
                code::INT1 => 1,
                code::INT2 => 2,
                code::INT4 => 4,
                _ => 8,
            };
            integer(length, reader.take(length)?)?
        }
        code::REAL => (DataType::Real, Datum::Real(f32::from_le_bytes(reader.array()?))),
        code::FLOAT => (DataType::Float, Datum::Float(f64::from_le_bytes(reader.array()?))),
        code::MONEY => money(8, reader.take(8)?)?,
        code::MONEY4 => money(4, reader.take(4)?)?,
        code::DATETIME => old_time(8, reader.take(8)?)?,
        code::DATETIME4 => old_time(4, reader.take(4)?)?,
        code::BIT_N => {
            reader.u8()?;
            // A length of zero is NULL, so there is a first byte.
            (DataType::Bit, byte_value(reader)?.map_or(Datum::Null, |bytes| Datum::Bit(bytes[0] != 0)))
        }
        code::INT_N => sized(reader, integer)?,
        code::FLOAT_N => sized(reader, float)?,
        code::MONEY_N => sized(reader, money)?,
        code::DATETIME_N => sized(reader, old_time)?,
        code::DECIMAL_N | code::NUMERIC_N => decimal(reader)?,
        code::GUID => {
            reader.u8()?;
            let value = match byte_value(reader)? {
                None => Datum::Null,
                Some(bytes) => Datum::Guid(guid_bytes(bytes.try_into().map_err(|_| Malformed)?)),
            };
            (DataType::UniqueIdentifier, value)
        }
        code::DATE_N => {
            let value = match byte_value(reader)? {
                None => Datum::Null,
                Some(bytes) => Datum::Date(days(bytes)?),
            };
            (DataType::Date, value)
        }
        code::TIME_N | code::DATETIME2_N | code::DATETIMEOFFSET_N => new_time(type_code, reader)?,
        code::VARCHAR | code::CHAR => {
            let length = reader.u16()?;
            let utf8 = collation_is_utf8(reader)?;
            let value = long_value(reader, length)?.map_or(Datum::Null, |bytes| Datum::Text(char_units(&bytes, utf8)));
            (if type_code == code::CHAR { DataType::Char(length) } else { DataType::VarChar(bounded(length)) }, value)
        }
        code::NVARCHAR | code::NCHAR => {
            let length = reader.u16()?;
            reader.take(5)?;
            let value = long_value(reader, length)?.map_or(Datum::Null, |bytes| Datum::Text(utf16_units(&bytes)));
            (
                if type_code == code::NCHAR {
                    DataType::NChar(length / 2)
                } else {
                    DataType::NVarChar(bounded(length).map(|length| length / 2))
                },
                value,
            )
        }
        code::VARBINARY | code::BINARY => {
            let length = reader.u16()?;
            let value = long_value(reader, length)?.map_or(Datum::Null, Datum::Bytes);
            (if type_code == code::BINARY { DataType::Binary(length) } else { DataType::VarBinary(bounded(length)) }, value)
        }
        code::TEXT | code::NTEXT | code::IMAGE => {
            reader.u32()?;
            let utf8 = if type_code == code::IMAGE { false } else { collation_is_utf8(reader)? };
            let length = reader.u32()?;
            let bytes = if length == LONG_NULL { None } else { Some(reader.take(usize::try_from(length).map_err(|_| Malformed)?)?) };
            match type_code {
                code::TEXT => (DataType::VarChar(None), bytes.map_or(Datum::Null, |bytes| Datum::Text(char_units(bytes, utf8)))),
                code::NTEXT => (DataType::NVarChar(None), bytes.map_or(Datum::Null, |bytes| Datum::Text(utf16_units(bytes)))),
                _ => (DataType::VarBinary(None), bytes.map_or(Datum::Null, |bytes| Datum::Bytes(bytes.to_vec()))),
            }
        }
        code::XML => {
            // A schema collection would name it; the lab has none.
            if reader.u8()? != 0 {
                return Err(ParameterError::UnknownType(code::XML));
            }
            let value = long_value(reader, MAX)?.map_or(Datum::Null, |bytes| Datum::Text(utf16_units(&bytes)));
            (DataType::NVarChar(None), value)
        }
        other => return Err(ParameterError::UnknownType(other)),
    })
}

fn bounded(length: u16) -> Option<u16> {
    (length != MAX).then_some(length)
}

fn collation_is_utf8(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let flags = reader.u32()?;
    reader.u8()?;
    Ok(flags & COLLATION_UTF8 != 0)
}

fn char_units(bytes: &[u8], utf8: bool) -> Vec<u16> {
    if utf8 { String::from_utf8_lossy(bytes).encode_utf16().collect() } else { bytes.iter().map(|byte| code_page::decode(*byte)).collect() }
}

/// A value behind one byte of length; zero is NULL.
fn byte_value<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Malformed> {
    match reader.u8()? {
        0 => Ok(None),
        length => Ok(Some(reader.take(usize::from(length))?)),
    }
}

/// A value behind two bytes of length, or in chunks when the type's length is `max`.
fn long_value(reader: &mut Reader<'_>, declared: u16) -> Result<Option<Vec<u8>>, Malformed> {
    if declared != MAX {
        return match reader.u16()? {
            SHORT_NULL => Ok(None),
            length => Ok(Some(reader.take(usize::from(length))?.to_vec())),
        };
    }
    let total = reader.u64()?;
    if total == PLP_NULL {
        return Ok(None);
    }
    let mut value = Vec::new();
    loop {
        match reader.length()? {
            0 if total == PLP_UNKNOWN || total == value.len() as u64 => return Ok(Some(value)),
            0 => return Err(Malformed),
            chunk => value.extend_from_slice(reader.take(chunk)?),
        }
    }
}

type FromBytes = fn(usize, &[u8]) -> Result<(DataType, Datum), Malformed>;

/// A type of several sizes: its size, then a value of that size or nothing.
fn sized(reader: &mut Reader<'_>, from: FromBytes) -> Result<(DataType, Datum), Malformed> {
    let size = usize::from(reader.u8()?);
    match byte_value(reader)? {
        Some(bytes) => from(size.max(bytes.len()), bytes),
        None => Ok((from(size, &[0; 8][..size.min(8)])?.0, Datum::Null)),
    }
}

fn integer(size: usize, bytes: &[u8]) -> Result<(DataType, Datum), Malformed> {
    let value = match *bytes {
        [byte] => i64::from(byte),
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        _ => i64::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?),
    };
    let data_type = match size {
        1 => DataType::TinyInt,
        2 => DataType::SmallInt,
        4 => DataType::Int,
        8 => DataType::BigInt,
        _ => return Err(Malformed),
    };
    Ok((data_type, Datum::Int(value)))
}

fn float(_: usize, bytes: &[u8]) -> Result<(DataType, Datum), Malformed> {
    match *bytes {
        [a, b, c, d] => Ok((DataType::Real, Datum::Real(f32::from_le_bytes([a, b, c, d])))),
        _ => Ok((DataType::Float, Datum::Float(f64::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?)))),
    }
}

fn money(_: usize, bytes: &[u8]) -> Result<(DataType, Datum), Malformed> {
    let mut halves = Reader::new(bytes);
    if bytes.len() == 4 {
        return Ok((DataType::SmallMoney, Datum::Money(i64::from(i32::from_le_bytes(halves.array()?)))));
    }
    // The high half comes first.
    let high = i64::from(i32::from_le_bytes(halves.array()?));
    let low = i64::from(halves.u32()?);
    Ok((DataType::Money, Datum::Money(high << 32 | low)))
}

fn old_time(_: usize, bytes: &[u8]) -> Result<(DataType, Datum), Malformed> {
    let mut parts = Reader::new(bytes);
    if bytes.len() == 4 {
        return Ok((DataType::SmallDateTime, Datum::SmallDateTime { days: parts.u16()?, minutes: parts.u16()? }));
    }
    Ok((DataType::DateTime, Datum::DateTime { days: i32::from_le_bytes(parts.array()?), ticks: parts.u32()? }))
}

fn decimal(reader: &mut Reader<'_>) -> Result<(DataType, Datum), Malformed> {
    let [_, precision, scale] = reader.array()?;
    if precision == 0 || precision > 38 || scale > precision {
        return Err(Malformed);
    }
    let value = match byte_value(reader)? {
        None => Datum::Null,
        Some(bytes) => {
            let (sign, digits) = bytes.split_first().ok_or(Malformed)?;
            let mut wide = [0; 16];
            wide.get_mut(..digits.len()).ok_or(Malformed)?.copy_from_slice(digits);
            let magnitude = i128::try_from(u128::from_le_bytes(wide)).map_err(|_| Malformed)?;
            Datum::Decimal { unscaled: if *sign == 0 { -magnitude } else { magnitude }, scale }
        }
    };
    Ok((DataType::Decimal { precision, scale }, value))
}

fn days(bytes: &[u8]) -> Result<u32, Malformed> {
    let [a, b, c] = bytes.try_into().map_err(|_| Malformed)?;
    Ok(u32::from_le_bytes([a, b, c, 0]))
}

/// time, datetime2, datetimeoffset: the time in units of the scale, the days, the offset.
fn new_time(type_code: u8, reader: &mut Reader<'_>) -> Result<(DataType, Datum), Malformed> {
    let scale = reader.u8()?;
    if scale > 7 {
        return Err(Malformed);
    }
    let data_type = match type_code {
        code::TIME_N => DataType::Time(scale),
        code::DATETIME2_N => DataType::DateTime2(scale),
        _ => DataType::DateTimeOffset(scale),
    };
    let Some(bytes) = byte_value(reader)? else { return Ok((data_type, Datum::Null)) };
    let mut value = Reader::new(bytes);
    let mut wide = [0; 8];
    let length = usize::from(time_length(scale));
    wide[..length].copy_from_slice(value.take(length)?);
    let ticks = u64::from_le_bytes(wide).checked_mul(10_u64.pow(u32::from(7 - scale))).ok_or(Malformed)?;
    let datum = match type_code {
        code::TIME_N => Datum::Time(ticks),
        code::DATETIME2_N => Datum::DateTime2 { days: days(value.take(3)?)?, ticks },
        _ => Datum::DateTimeOffset { days: days(value.take(3)?)?, ticks, offset: i16::from_le_bytes(value.array()?) },
    };
    if value.is_empty() { Ok((data_type, datum)) } else { Err(Malformed) }
}
