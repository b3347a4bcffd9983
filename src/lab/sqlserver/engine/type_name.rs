//! Declared types by name: parsing parts, catalogue form, byte lengths, display.

use crate::lab::sqlserver::types::DataType;

/// The facts of `sys.types`: name, system_type_id, max_length, precision, scale.
pub const SYSTEM_TYPES: &[(&str, u8, i16, u8, u8)] = &[
    ("image", 34, 16, 0, 0),
    ("text", 35, 16, 0, 0),
    ("uniqueidentifier", 36, 16, 0, 0),
    ("date", 40, 3, 10, 0),
    ("time", 41, 5, 16, 7),
    ("datetime2", 42, 8, 27, 7),
    ("datetimeoffset", 43, 10, 34, 7),
    ("tinyint", 48, 1, 3, 0),
    ("smallint", 52, 2, 5, 0),
    ("int", 56, 4, 10, 0),
    ("smalldatetime", 58, 4, 16, 0),
    ("real", 59, 4, 24, 0),
    ("money", 60, 8, 19, 4),
    ("datetime", 61, 8, 23, 3),
    ("float", 62, 8, 53, 0),
    ("sql_variant", 98, 8016, 0, 0),
    ("ntext", 99, 16, 0, 0),
    ("bit", 104, 1, 1, 0),
    ("decimal", 106, 17, 38, 38),
    ("numeric", 108, 17, 38, 38),
    ("smallmoney", 122, 4, 10, 4),
    ("bigint", 127, 8, 19, 0),
    ("varbinary", 165, 8000, 0, 0),
    ("varchar", 167, 8000, 0, 0),
    ("binary", 173, 8000, 0, 0),
    ("char", 175, 8000, 0, 0),
    ("timestamp", 189, 8, 0, 0),
    ("nvarchar", 231, 8000, 0, 0),
    ("nchar", 239, 8000, 0, 0),
    ("hierarchyid", 240, 892, 0, 0),
    ("geometry", 240, -1, 0, 0),
    ("geography", 240, -1, 0, 0),
    ("xml", 241, -1, 0, 0),
];

/// `user_type_id`: that of the system type, but the CLR types share one of those.
#[must_use]
pub fn user_type_id(name: &str, system_type_id: u8) -> i32 {
    match name {
        "hierarchyid" => 128,
        "geometry" => 129,
        "geography" => 130,
        _ => i32::from(system_type_id),
    }
}

/// Whether values of the type are one plain value: neither a variant, nor xml, nor of a CLR or an
/// old large type.
#[must_use]
pub fn is_plain(data_type: &DataType) -> bool {
    use DataType::{Geography, Geometry, HierarchyId, Image, NText, SqlVariant, Text, Xml};
    !matches!(data_type, Xml | SqlVariant | HierarchyId | Geography | Geometry | Text | NText | Image)
}

/// A length or precision as written in a declaration: `(10, 2)`, `(max)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    Number(u32),
    Max,
}

/// Why a declared type is refused; the number is SQL Server's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TypeError {
    /// 2715: no such type.
    Unknown,
    /// 2716, 1002, 131: a size that the type does not take.
    BadSize,
}

/// The type of a declaration. `default_length` is 1 in DDL and variables, 30 in CAST.
pub fn parse(name: &str, sizes: &[Size], default_length: u16) -> Result<DataType, TypeError> {
    let lower = name.to_ascii_lowercase();
    let plain = |t: DataType| if sizes.is_empty() { Ok(t) } else { Err(TypeError::BadSize) };
    let length = |limit: u16| match sizes {
        [] => Ok(default_length),
        [Size::Number(n)] => u16::try_from(*n).ok().filter(|n| (1..=limit).contains(n)).ok_or(TypeError::BadSize),
        _ => Err(TypeError::BadSize),
    };
    let variable = |limit: u16| if sizes == [Size::Max] { Ok(None) } else { length(limit).map(Some) };
    let fraction = || match sizes {
        [] => Ok(7),
        [Size::Number(n)] => u8::try_from(*n).ok().filter(|n| *n <= 7).ok_or(TypeError::BadSize),
        _ => Err(TypeError::BadSize),
    };
    match lower.as_str() {
        "bit" => plain(DataType::Bit),
        "tinyint" => plain(DataType::TinyInt),
        "smallint" => plain(DataType::SmallInt),
        "int" | "integer" => plain(DataType::Int),
        "bigint" => plain(DataType::BigInt),
        "decimal" | "numeric" | "dec" => {
            let (p, s) = match sizes {
                [] => (18, 0),
                [Size::Number(p)] => (*p, 0),
                [Size::Number(p), Size::Number(s)] => (*p, *s),
                _ => return Err(TypeError::BadSize),
            };
            match (u8::try_from(p), u8::try_from(s)) {
                (Ok(precision), Ok(scale)) if (1..=38).contains(&precision) && scale <= precision => {
                    Ok(DataType::Decimal { precision, scale })
                }
                _ => Err(TypeError::BadSize),
            }
        }
        "money" => plain(DataType::Money),
        "smallmoney" => plain(DataType::SmallMoney),
        "real" => plain(DataType::Real),
        "float" => match sizes {
            [Size::Number(1..=24)] => Ok(DataType::Real),
            [] | [Size::Number(25..=53)] => Ok(DataType::Float),
            _ => Err(TypeError::BadSize),
        },
        "char" | "character" => length(8000).map(DataType::Char),
        "varchar" => variable(8000).map(DataType::VarChar),
        "nchar" => length(4000).map(DataType::NChar),
        "nvarchar" => variable(4000).map(DataType::NVarChar),
        "sysname" => plain(DataType::NVarChar(Some(128))),
        "binary" => length(8000).map(DataType::Binary),
        "varbinary" => variable(8000).map(DataType::VarBinary),
        "date" => plain(DataType::Date),
        "time" => fraction().map(DataType::Time),
        "datetime" => plain(DataType::DateTime),
        "smalldatetime" => plain(DataType::SmallDateTime),
        "datetime2" => fraction().map(DataType::DateTime2),
        "datetimeoffset" => fraction().map(DataType::DateTimeOffset),
        "uniqueidentifier" => plain(DataType::UniqueIdentifier),
        "rowversion" | "timestamp" => plain(DataType::RowVersion),
        "xml" => plain(DataType::Xml),
        "sql_variant" => plain(DataType::SqlVariant),
        "hierarchyid" => plain(DataType::HierarchyId),
        "geography" => plain(DataType::Geography),
        "geometry" => plain(DataType::Geometry),
        "text" => plain(DataType::Text),
        "ntext" => plain(DataType::NText),
        "image" => plain(DataType::Image),
        _ => Err(TypeError::Unknown),
    }
}

/// The name as `sys.types` has it.
#[must_use]
pub fn name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Bit => "bit",
        DataType::TinyInt => "tinyint",
        DataType::SmallInt => "smallint",
        DataType::Int => "int",
        DataType::BigInt => "bigint",
        DataType::Decimal { .. } => "decimal",
        DataType::Money => "money",
        DataType::SmallMoney => "smallmoney",
        DataType::Real => "real",
        DataType::Float => "float",
        DataType::Char(_) => "char",
        DataType::VarChar(_) => "varchar",
        DataType::NChar(_) => "nchar",
        DataType::NVarChar(_) => "nvarchar",
        DataType::Binary(_) => "binary",
        DataType::VarBinary(_) => "varbinary",
        DataType::Date => "date",
        DataType::Time(_) => "time",
        DataType::DateTime => "datetime",
        DataType::SmallDateTime => "smalldatetime",
        DataType::DateTime2(_) => "datetime2",
        DataType::DateTimeOffset(_) => "datetimeoffset",
        DataType::UniqueIdentifier => "uniqueidentifier",
        DataType::RowVersion => "timestamp",
        DataType::Xml => "xml",
        DataType::SqlVariant => "sql_variant",
        DataType::HierarchyId => "hierarchyid",
        DataType::Geography => "geography",
        DataType::Geometry => "geometry",
        DataType::Text => "text",
        DataType::NText => "ntext",
        DataType::Image => "image",
    }
}

/// The id in `sys.types`.
#[must_use]
pub fn system_type_id(data_type: &DataType) -> u8 {
    let name = name(data_type);
    SYSTEM_TYPES.iter().find(|t| t.0 == name).map_or(0, |t| t.1)
}

/// `sys.columns.max_length`, `precision`, `scale`: bytes, -1 for max.
#[must_use]
pub fn sizes(data_type: &DataType) -> (i16, u8, u8) {
    let bytes = |n: u16| i16::try_from(n).unwrap_or(i16::MAX);
    let fraction_bytes = |s: u8| {
        if s <= 2 {
            3
        } else if s <= 4 {
            4
        } else {
            5
        }
    };
    match data_type {
        DataType::Decimal { precision, scale } => {
            let bytes = match precision {
                0..=9 => 5,
                10..=19 => 9,
                20..=28 => 13,
                _ => 17,
            };
            (bytes, *precision, *scale)
        }
        DataType::Char(n) | DataType::Binary(n) => (bytes(*n), 0, 0),
        DataType::NChar(n) => (bytes(n * 2), 0, 0),
        DataType::VarChar(n) | DataType::VarBinary(n) => (n.map_or(-1, bytes), 0, 0),
        DataType::NVarChar(n) => (n.map_or(-1, |n| bytes(n * 2)), 0, 0),
        DataType::Time(s) => (fraction_bytes(*s), if *s == 0 { 8 } else { 9 + s }, *s),
        DataType::DateTime2(s) => (fraction_bytes(*s) + 3, if *s == 0 { 19 } else { 20 + s }, *s),
        DataType::DateTimeOffset(s) => (fraction_bytes(*s) + 5, if *s == 0 { 26 } else { 27 + s }, *s),
        other => {
            let name = name(other);
            SYSTEM_TYPES.iter().find(|t| t.0 == name).map_or((0, 0, 0), |t| (t.2, t.3, t.4))
        }
    }
}

/// The type as it is written in a declaration: `decimal(10,2)`, `nvarchar(max)`.
#[must_use]
pub fn display(data_type: &DataType) -> String {
    let name = name(data_type);
    let sized = |n: Option<u16>| n.map_or_else(|| format!("{name}(max)"), |n| format!("{name}({n})"));
    match data_type {
        DataType::Decimal { precision, scale } => format!("{name}({precision},{scale})"),
        DataType::Char(n) | DataType::NChar(n) | DataType::Binary(n) => sized(Some(*n)),
        DataType::VarChar(n) | DataType::NVarChar(n) | DataType::VarBinary(n) => sized(*n),
        DataType::Time(s) | DataType::DateTime2(s) | DataType::DateTimeOffset(s) => format!("{name}({s})"),
        _ => name.to_owned(),
    }
}

/// The declared type of a row of `sys.columns`: name, max_length, precision, scale.
#[must_use]
pub fn from_catalogue(name: &str, max_length: i64, precision: i64, scale: i64) -> Option<DataType> {
    let number = |n: i64| u32::try_from(n).ok().map(Size::Number);
    let size = |bytes: i64| if max_length < 0 { Some(Size::Max) } else { number(max_length / bytes) };
    let sizes = match name {
        "decimal" | "numeric" => vec![number(precision)?, number(scale)?],
        "char" | "varchar" | "binary" | "varbinary" => vec![size(1)?],
        "nchar" | "nvarchar" => vec![size(2)?],
        "time" | "datetime2" | "datetimeoffset" => vec![number(scale)?],
        _ => vec![],
    };
    parse(name, &sizes, 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogue_form_is_reversible() {
        for t in [
            DataType::Decimal { precision: 38, scale: 37 },
            DataType::NVarChar(Some(4000)),
            DataType::NVarChar(None),
            DataType::VarBinary(None),
            DataType::NChar(7),
            DataType::Time(0),
            DataType::DateTime2(3),
            DataType::DateTimeOffset(7),
            DataType::RowVersion,
            DataType::Money,
            DataType::Xml,
            DataType::HierarchyId,
            DataType::Geometry,
            DataType::NText,
        ] {
            let (length, precision, scale) = sizes(&t);
            assert_eq!(from_catalogue(name(&t), length.into(), precision.into(), scale.into()), Some(t));
        }
        assert_eq!(parse("nvarchar", &[Size::Number(4001)], 1), Err(TypeError::BadSize));
        assert_eq!(parse("vector", &[], 1), Err(TypeError::Unknown));
    }
}
