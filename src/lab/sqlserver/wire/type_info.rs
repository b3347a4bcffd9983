//! TYPE_INFO: how a declared type is described on the wire (MS-TDS 2.2.5.4 to 2.2.5.6).

use super::super::types::DataType;
use super::bytes::{put_short_text, put_text, put_u16, put_u32};

/// SQL_Latin1_General_CP1_CI_AS: locale 0x0409, ignoring case, kana and width, sort order 52.
pub(super) const COLLATION: [u8; 5] = [0x09, 0x04, 0xD0, 0x00, 0x34];

/// The length that means `max`: the values travel in chunks (PLP).
pub(super) const MAX: u16 = 0xFFFF;

/// The type bytes.
pub(super) mod code {
    pub const NULL: u8 = 0x1F;
    pub const IMAGE: u8 = 0x22;
    pub const TEXT: u8 = 0x23;
    pub const VARIANT: u8 = 0x62;
    pub const GUID: u8 = 0x24;
    pub const INT_N: u8 = 0x26;
    pub const DATE_N: u8 = 0x28;
    pub const TIME_N: u8 = 0x29;
    pub const DATETIME2_N: u8 = 0x2A;
    pub const DATETIMEOFFSET_N: u8 = 0x2B;
    pub const INT1: u8 = 0x30;
    pub const BIT: u8 = 0x32;
    pub const INT2: u8 = 0x34;
    pub const INT4: u8 = 0x38;
    pub const DATETIME4: u8 = 0x3A;
    pub const REAL: u8 = 0x3B;
    pub const MONEY: u8 = 0x3C;
    pub const DATETIME: u8 = 0x3D;
    pub const FLOAT: u8 = 0x3E;
    pub const NTEXT: u8 = 0x63;
    pub const BIT_N: u8 = 0x68;
    pub const DECIMAL_N: u8 = 0x6A;
    pub const NUMERIC_N: u8 = 0x6C;
    pub const FLOAT_N: u8 = 0x6D;
    pub const MONEY_N: u8 = 0x6E;
    pub const DATETIME_N: u8 = 0x6F;
    pub const MONEY4: u8 = 0x7A;
    pub const INT8: u8 = 0x7F;
    pub const VARBINARY: u8 = 0xA5;
    pub const VARCHAR: u8 = 0xA7;
    pub const BINARY: u8 = 0xAD;
    pub const CHAR: u8 = 0xAF;
    pub const NVARCHAR: u8 = 0xE7;
    pub const NCHAR: u8 = 0xEF;
    pub const UDT: u8 = 0xF0;
    pub const XML: u8 = 0xF1;
}

/// USERTYPE of a rowversion; every other type that we send is told by TYPE_INFO alone.
const USER_TYPE_TIMESTAMP: u32 = 80;

pub(super) fn user_type(data_type: &DataType) -> u32 {
    if *data_type == DataType::RowVersion { USER_TYPE_TIMESTAMP } else { 0 }
}

/// The fixed type byte of a column that cannot be NULL, where the protocol has one: its values
/// then travel without a length.
pub(super) fn fixed_code(data_type: &DataType) -> Option<u8> {
    Some(match data_type {
        DataType::Bit => code::BIT,
        DataType::TinyInt => code::INT1,
        DataType::SmallInt => code::INT2,
        DataType::Int => code::INT4,
        DataType::BigInt => code::INT8,
        DataType::Real => code::REAL,
        DataType::Float => code::FLOAT,
        DataType::Money => code::MONEY,
        DataType::SmallMoney => code::MONEY4,
        DataType::DateTime => code::DATETIME,
        DataType::SmallDateTime => code::DATETIME4,
        _ => return None,
    })
}

/// Bytes of a time of this scale.
pub(super) fn time_length(scale: u8) -> u8 {
    match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    }
}

/// Bytes of the number of a decimal of this precision, without the sign.
pub(super) fn decimal_length(precision: u8) -> u8 {
    match precision {
        0..=9 => 4,
        10..=19 => 8,
        20..=28 => 12,
        _ => 16,
    }
}

/// Writes TYPE_INFO. `fixed` asks for the fixed type byte where there is one.
pub(super) fn put(out: &mut Vec<u8>, data_type: &DataType, fixed: bool) {
    if let Some(code) = fixed_code(data_type).filter(|_| fixed) {
        out.push(code);
        return;
    }
    let sized = |out: &mut Vec<u8>, code: u8, length: u8| out.extend_from_slice(&[code, length]);
    let long = |out: &mut Vec<u8>, code: u8, length: u16| {
        out.push(code);
        put_u16(out, length);
    };
    let text = |out: &mut Vec<u8>, code: u8, length: u16| {
        long(out, code, length);
        out.extend_from_slice(&COLLATION);
    };
    let huge = |out: &mut Vec<u8>, code: u8, length: u32| {
        out.push(code);
        put_u32(out, length);
    };
    match *data_type {
        DataType::Bit => sized(out, code::BIT_N, 1),
        DataType::TinyInt => sized(out, code::INT_N, 1),
        DataType::SmallInt => sized(out, code::INT_N, 2),
        DataType::Int => sized(out, code::INT_N, 4),
        DataType::BigInt => sized(out, code::INT_N, 8),
        DataType::Decimal { precision, scale } => {
            out.extend_from_slice(&[code::DECIMAL_N, decimal_length(precision) + 1, precision, scale]);
        }
        DataType::Money => sized(out, code::MONEY_N, 8),
        DataType::SmallMoney => sized(out, code::MONEY_N, 4),
        DataType::Real => sized(out, code::FLOAT_N, 4),
        DataType::Float => sized(out, code::FLOAT_N, 8),
        DataType::Char(length) => text(out, code::CHAR, length),
        DataType::VarChar(length) => text(out, code::VARCHAR, length.unwrap_or(MAX)),
        DataType::NChar(units) => text(out, code::NCHAR, units * 2),
        DataType::NVarChar(units) => text(out, code::NVARCHAR, units.map_or(MAX, |units| units * 2)),
        DataType::Binary(length) => long(out, code::BINARY, length),
        DataType::VarBinary(length) => long(out, code::VARBINARY, length.unwrap_or(MAX)),
        DataType::Date => out.push(code::DATE_N),
        DataType::Time(scale) => sized(out, code::TIME_N, scale),
        DataType::DateTime => sized(out, code::DATETIME_N, 8),
        DataType::SmallDateTime => sized(out, code::DATETIME_N, 4),
        DataType::DateTime2(scale) => sized(out, code::DATETIME2_N, scale),
        DataType::DateTimeOffset(scale) => sized(out, code::DATETIMEOFFSET_N, scale),
        DataType::UniqueIdentifier => sized(out, code::GUID, 16),
        DataType::RowVersion => long(out, code::BINARY, 8),
        DataType::Text => {
            huge(out, code::TEXT, 0x7FFF_FFFF);
            out.extend_from_slice(&COLLATION);
        }
        DataType::NText => {
            huge(out, code::NTEXT, 0x7FFF_FFFE);
            out.extend_from_slice(&COLLATION);
        }
        DataType::Image => huge(out, code::IMAGE, 0x7FFF_FFFF),
        DataType::SqlVariant => huge(out, code::VARIANT, super::variant::MOST),
        // No schema collection.
        DataType::Xml => out.extend_from_slice(&[code::XML, 0]),
        DataType::HierarchyId => user_defined(out, 892, "hierarchyid", "SqlHierarchyId"),
        DataType::Geography => user_defined(out, MAX, "geography", "SqlGeography"),
        DataType::Geometry => user_defined(out, MAX, "geometry", "SqlGeometry"),
    }
}

/// UDT_INFO: the length, where the type lives, and the class for clients that have it.
fn user_defined(out: &mut Vec<u8>, length: u16, name: &str, class: &str) {
    const ASSEMBLY: &str = "Microsoft.SqlServer.Types, Version=11.0.0.0, Culture=neutral, PublicKeyToken=89845dcd8080cc91";
    out.push(code::UDT);
    put_u16(out, length);
    put_short_text(out, "");
    put_short_text(out, "sys");
    put_short_text(out, name);
    put_text(out, &format!("Microsoft.SqlServer.Types.{class}, {ASSEMBLY}"));
}

/// Whether the name of the column's table follows TYPE_INFO in COLMETADATA.
pub(super) fn names_its_table(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Text | DataType::NText | DataType::Image)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(data_type: &DataType, fixed: bool) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, data_type, fixed);
        out
    }

    #[test]
    fn only_a_column_without_null_gets_a_fixed_type() {
        assert_eq!(written(&DataType::Int, true), [0x38]);
        assert_eq!(written(&DataType::Int, false), [0x26, 4]);
        assert_eq!(written(&DataType::UniqueIdentifier, true), [0x24, 16]);
    }

    #[test]
    fn lengths_are_in_bytes_and_max_is_all_ones() {
        assert_eq!(written(&DataType::NVarChar(Some(50)), false), [0xE7, 100, 0, 9, 4, 0xD0, 0, 0x34]);
        assert_eq!(written(&DataType::NVarChar(None), false), [0xE7, 0xFF, 0xFF, 9, 4, 0xD0, 0, 0x34]);
        assert_eq!(written(&DataType::VarBinary(Some(8000)), false), [0xA5, 0x40, 0x1F]);
        assert_eq!(written(&DataType::RowVersion, false), [0xAD, 8, 0]);
    }

    #[test]
    fn decimals_say_their_storage() {
        assert_eq!(written(&DataType::Decimal { precision: 9, scale: 2 }, true), [0x6A, 5, 9, 2]);
        assert_eq!(written(&DataType::Decimal { precision: 38, scale: 0 }, true), [0x6A, 17, 38, 0]);
    }
}
