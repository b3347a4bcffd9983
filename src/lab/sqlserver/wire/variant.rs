//! Values of sql_variant: the base type, its properties, the value (MS-TDS 2.2.5.5.4).

use super::super::types::{DataType, Datum};
use super::bytes::{put_u16, put_u32};
use super::type_info::{COLLATION, code};
use super::values::{self, Mismatch};

/// The most bytes of a value with its header: the length in TYPE_INFO.
pub(super) const MOST: u32 = 8009;

pub(super) fn put(out: &mut Vec<u8>, base: &DataType, value: &Datum) -> Result<(), Mismatch> {
    let mut body = Vec::new();
    let (token, properties) = head(base)?;
    body.push(token);
    body.push(u8::try_from(properties.len()).unwrap_or(u8::MAX));
    body.extend_from_slice(&properties);
    let mut whole = Vec::new();
    values::put(&mut whole, base, true, value)?;
    // The length is that of the whole: the value's own is left out.
    body.extend_from_slice(whole.get(values::null_size(base)..).unwrap_or_default());
    put_u32(out, u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.append(&mut body);
    Ok(())
}

fn head(base: &DataType) -> Result<(u8, Vec<u8>), Mismatch> {
    let plain = |token| Ok((token, vec![]));
    let length = |token, bytes: u16| {
        let mut properties = vec![];
        put_u16(&mut properties, bytes);
        Ok((token, properties))
    };
    let text = |token, bytes: u16| {
        let mut properties = COLLATION.to_vec();
        put_u16(&mut properties, bytes);
        Ok((token, properties))
    };
    match base {
        DataType::Bit => plain(code::BIT),
        DataType::TinyInt => plain(code::INT1),
        DataType::SmallInt => plain(code::INT2),
        DataType::Int => plain(code::INT4),
        DataType::BigInt => plain(code::INT8),
        DataType::Real => plain(code::REAL),
        DataType::Float => plain(code::FLOAT),
        DataType::Money => plain(code::MONEY),
        DataType::SmallMoney => plain(code::MONEY4),
        DataType::DateTime => plain(code::DATETIME),
        DataType::SmallDateTime => plain(code::DATETIME4),
        DataType::UniqueIdentifier => plain(code::GUID),
        DataType::Date => plain(code::DATE_N),
        DataType::Time(scale) => Ok((code::TIME_N, vec![*scale])),
        DataType::DateTime2(scale) => Ok((code::DATETIME2_N, vec![*scale])),
        DataType::DateTimeOffset(scale) => Ok((code::DATETIMEOFFSET_N, vec![*scale])),
        DataType::Decimal { precision, scale } => Ok((code::DECIMAL_N, vec![*precision, *scale])),
        DataType::Char(bytes) => text(code::CHAR, *bytes),
        DataType::VarChar(Some(bytes)) => text(code::VARCHAR, *bytes),
        DataType::NChar(units) => text(code::NCHAR, units * 2),
        DataType::NVarChar(Some(units)) => text(code::NVARCHAR, units * 2),
        DataType::Binary(bytes) => length(code::BINARY, *bytes),
        DataType::VarBinary(Some(bytes)) => length(code::VARBINARY, *bytes),
        _ => Err(Mismatch("a variant of a type that has none")),
    }
}
