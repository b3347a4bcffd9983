//! Declared types and exact values of the lab's SQL Server.

/// A declared type. Lengths as in the declaration; `None` is `max`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DataType {
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
    Char(u16),
    VarChar(Option<u16>),
    NChar(u16),
    NVarChar(Option<u16>),
    Binary(u16),
    VarBinary(Option<u16>),
    Date,
    Time(u8),
    DateTime,
    SmallDateTime,
    DateTime2(u8),
    DateTimeOffset(u8),
    UniqueIdentifier,
    /// rowversion / timestamp: eight bytes, big-endian.
    RowVersion,
    Xml,
    SqlVariant,
    HierarchyId,
    Geography,
    Geometry,
    Text,
    NText,
    Image,
}

/// A value, exactly as SQL Server would hold it.
#[derive(Clone, PartialEq, Debug)]
pub enum Datum {
    Null,
    Bit(bool),
    /// tinyint, smallint, int, bigint.
    Int(i64),
    Decimal {
        unscaled: i128,
        scale: u8,
    },
    /// money and smallmoney, in ten-thousandths.
    Money(i64),
    Real(f32),
    Float(f64),
    /// Every character type and xml, as UTF-16 units: lone surrogates survive. Of a geography or
    /// geometry `SRID;WKT`.
    Text(Vec<u16>),
    /// binary, varbinary, rowversion, image, hierarchyid.
    Bytes(Vec<u8>),
    /// Days since 0001-01-01.
    Date(u32),
    /// 100 ns units since midnight, whatever the declared scale.
    Time(u64),
    /// Days since 1900-01-01 and 1/300 s units since midnight.
    DateTime {
        days: i32,
        ticks: u32,
    },
    /// Days since 1900-01-01 and minutes since midnight.
    SmallDateTime {
        days: u16,
        minutes: u16,
    },
    /// Days since 0001-01-01 and 100 ns units since midnight.
    DateTime2 {
        days: u32,
        ticks: u64,
    },
    /// The UTC instant as for `DateTime2`, and the offset in minutes that was written.
    DateTimeOffset {
        days: u32,
        ticks: u64,
        offset: i16,
    },
    /// In the order of the text form (first three groups big-endian).
    Guid([u8; 16]),
    /// A value of sql_variant with its base type; its NULL is `Null`.
    Variant(Box<(DataType, Datum)>),
}

/// A column of a result set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResultColumn {
    /// Empty for an expression without a name.
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
}
