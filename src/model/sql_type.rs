//! The SQL Server types that the program carries.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A column's declared type.
///
/// Lengths are in the unit of the declaration: bytes for `(var)char` and `(var)binary`, UTF-16
/// units for `n(var)char`. `MAX` has a variant of its own because a change table leaves such a
/// column NULL when an update did not touch it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SqlType {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Money,
    SmallMoney,
    Real,
    Float,
    Char {
        length: u16,
    },
    VarChar {
        length: u16,
    },
    VarCharMax,
    NChar {
        length: u16,
    },
    NVarChar {
        length: u16,
    },
    NVarCharMax,
    Binary {
        length: u16,
    },
    VarBinary {
        length: u16,
    },
    VarBinaryMax,
    Date,
    Time {
        scale: u8,
    },
    DateTime,
    SmallDateTime,
    DateTime2 {
        scale: u8,
    },
    DateTimeOffset {
        scale: u8,
    },
    UniqueIdentifier,
    RowVersion,
    Xml,
    SqlVariant,
    HierarchyId,
    Geography,
    Geometry,
    /// The old large types: a change table holds NULL for them in operations 1 and 3, always.
    Text,
    NText,
    Image,
    /// A type that the program does not carry yet, by its name in `sys.types`.
    Other {
        name: String,
    },
}

impl SqlType {
    /// Whether a change table may hold NULL for "not touched" in a column of this type.
    ///
    /// What is written of the MAX types and of text, ntext and image is taken to hold for xml and
    /// for the spatial types too, which are stored out of the row likewise: a flag too many costs
    /// a column in staging, a flag too few costs a value.
    #[must_use]
    pub fn is_large(&self) -> bool {
        use SqlType::{Geography, Geometry, Image, NText, NVarCharMax, Text, VarBinaryMax, VarCharMax, Xml};
        matches!(self, VarCharMax | NVarCharMax | VarBinaryMax | Xml | Text | NText | Image | Geography | Geometry)
    }

    /// Whether the server compares values of this type by a collation.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(
            self,
            Self::Char { .. } | Self::VarChar { .. } | Self::VarCharMax | Self::NChar { .. } | Self::NVarChar { .. } | Self::NVarCharMax
        )
    }
}

impl fmt::Display for SqlType {
    /// The type as it is written in T-SQL, as in `decimal(19,4)` or `nvarchar(max)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bit => f.write_str("bit"),
            Self::TinyInt => f.write_str("tinyint"),
            Self::SmallInt => f.write_str("smallint"),
            Self::Int => f.write_str("int"),
            Self::BigInt => f.write_str("bigint"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Money => f.write_str("money"),
            Self::SmallMoney => f.write_str("smallmoney"),
            Self::Real => f.write_str("real"),
            Self::Float => f.write_str("float"),
            Self::Char { length } => write!(f, "char({length})"),
            Self::VarChar { length } => write!(f, "varchar({length})"),
            Self::VarCharMax => f.write_str("varchar(max)"),
            Self::NChar { length } => write!(f, "nchar({length})"),
            Self::NVarChar { length } => write!(f, "nvarchar({length})"),
            Self::NVarCharMax => f.write_str("nvarchar(max)"),
            Self::Binary { length } => write!(f, "binary({length})"),
            Self::VarBinary { length } => write!(f, "varbinary({length})"),
            Self::VarBinaryMax => f.write_str("varbinary(max)"),
            Self::Date => f.write_str("date"),
            Self::Time { scale } => write!(f, "time({scale})"),
            Self::DateTime => f.write_str("datetime"),
            Self::SmallDateTime => f.write_str("smalldatetime"),
            Self::DateTime2 { scale } => write!(f, "datetime2({scale})"),
            Self::DateTimeOffset { scale } => write!(f, "datetimeoffset({scale})"),
            Self::UniqueIdentifier => f.write_str("uniqueidentifier"),
            Self::RowVersion => f.write_str("rowversion"),
            Self::Xml => f.write_str("xml"),
            Self::SqlVariant => f.write_str("sql_variant"),
            Self::HierarchyId => f.write_str("hierarchyid"),
            Self::Geography => f.write_str("geography"),
            Self::Geometry => f.write_str("geometry"),
            Self::Text => f.write_str("text"),
            Self::NText => f.write_str("ntext"),
            Self::Image => f.write_str("image"),
            Self::Other { name } => f.write_str(name),
        }
    }
}
