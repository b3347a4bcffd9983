//! SQL Server types as Redshift types.

use std::fmt;

use crate::model::{Column, SqlType, Unfit};

/// Longest `VARCHAR` of a stored column, in bytes.
pub const VARCHAR_MAX: u32 = 65_535;
/// Longest `VARBYTE`, in bytes.
pub const VARBYTE_MAX: u32 = 1_024_000;
/// Longest `SUPER`, in bytes.
pub const SUPER_MAX: u32 = 16_000_000;

/// A Redshift column type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RsType {
    Boolean,
    SmallInt,
    Integer,
    BigInt,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Real,
    Double,
    /// Length in bytes.
    VarChar(u32),
    /// Length in bytes.
    Char(u32),
    /// Length in bytes; 0 where the catalogue does not say.
    VarByte(u32),
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Super,
}

impl fmt::Display for RsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Integer => f.write_str("INTEGER"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Real => f.write_str("REAL"),
            Self::Double => f.write_str("DOUBLE PRECISION"),
            Self::VarChar(length) => write!(f, "VARCHAR({length})"),
            Self::Char(length) => write!(f, "CHAR({length})"),
            Self::VarByte(length) => write!(f, "VARBYTE({length})"),
            Self::Date => f.write_str("DATE"),
            Self::Time => f.write_str("TIME"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::TimestampTz => f.write_str("TIMESTAMPTZ"),
            Self::Super => f.write_str("SUPER"),
        }
    }
}

/// What a source column becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapped {
    pub rs: RsType,
    /// Why a value may not fit or not come back the same; empty for an exact mapping.
    pub lossy: Vec<String>,
}

/// A column that is not carried, with what helps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    pub why: String,
    pub help: String,
}

const SEVENTH_DIGIT: &str = "the seventh fraction digit is cut: Redshift keeps microseconds";
const BINARY_FLOAT: &str = "a binary floating-point number: Redshift shows fewer digits than it stores";
/// COPY takes an empty CSV field for NULL in every type but CHAR and VARCHAR.
const EMPTY_BINARY: &str = "an empty value becomes NULL: COPY cannot tell them apart";
/// CAST of a variant uses the style 0 of its base type.
const VARIANT: &str = "its text as CAST writes it: the base type is lost, of a datetime the seconds, of a float the digits after the sixth, and binary is read as UTF-16";
const SPATIAL: &str = "its well-known text: SRID, Z and M are lost";
/// The scale of 38 digits behind the point that Redshift's DECIMAL does not reach.
const ALL_FRACTION: &str = "text with every digit: Redshift's DECIMAL ends at scale 37";
/// What SUPER holds in one string depends on a setting of the cluster.
const SUPER_STRING: &str = "a JSON string, up to 16,000,000 bytes: over 65,535 bytes the cluster must have taken part in large strings (SELECT is_large_string_enabled()), else the load stops";

/// The one place that says which Redshift type carries a source column.
///
/// Lengths of `VARCHAR` are bytes: a UTF-16 unit takes three at the most, and so does a character
/// of any code page. A column with a UTF-8 collation is declared in bytes already, but its room is
/// three for each of them too: NUL takes one there and becomes U+FFFD, which takes three.
/// `DECIMAL(19,s)` is stored as a 64-bit integer and cannot hold every 19-digit number, hence 20.
/// `decimal(38,38)` becomes text: its digits are exact and of one form for one number, so text
/// loses nothing but the type, where refusing would keep the whole table out.
pub fn map(column: &Column) -> Result<Mapped, Refused> {
    let exact = |rs| Ok(Mapped { rs, lossy: Vec::new() });
    let lossy = |rs, why: String| Ok(Mapped { rs, lossy: vec![why] });
    let text = |units: u16| RsType::VarChar((u32::from(units) * 3).clamp(1, VARCHAR_MAX));
    let too_long = |limit: u32| match column.unfit {
        Unfit::Truncate => format!("a value over {limit} bytes is cut and counted"),
        Unfit::Null => format!("a value over {limit} bytes becomes NULL and is counted"),
        Unfit::Fail | Unfit::Super => format!("a value over {limit} bytes does not fit and stops the load"),
    };
    let long_text = || {
        if column.unfit == Unfit::Super {
            (RsType::Super, SUPER_STRING.into())
        } else {
            (RsType::VarChar(VARCHAR_MAX), too_long(VARCHAR_MAX))
        }
    };
    match &column.sql_type {
        SqlType::Bit => exact(RsType::Boolean),
        SqlType::TinyInt | SqlType::SmallInt => exact(RsType::SmallInt),
        SqlType::Int => exact(RsType::Integer),
        SqlType::BigInt => exact(RsType::BigInt),
        // A sign, a zero, a point and 38 digits.
        SqlType::Decimal { scale: 38, .. } => lossy(RsType::VarChar(41), ALL_FRACTION.into()),
        SqlType::Decimal { precision: 19, scale } => exact(RsType::Decimal { precision: 20, scale: *scale }),
        SqlType::Decimal { precision, scale } => exact(RsType::Decimal { precision: *precision, scale: *scale }),
        SqlType::Money => exact(RsType::Decimal { precision: 20, scale: 4 }),
        SqlType::SmallMoney => exact(RsType::Decimal { precision: 10, scale: 4 }),
        SqlType::Real => lossy(RsType::Real, BINARY_FLOAT.into()),
        SqlType::Float => lossy(RsType::Double, BINARY_FLOAT.into()),
        SqlType::Char { length } | SqlType::VarChar { length } | SqlType::NChar { length } | SqlType::NVarChar { length } => {
            exact(text(*length))
        }
        SqlType::VarCharMax | SqlType::NVarCharMax | SqlType::Text | SqlType::NText | SqlType::Xml => {
            let (rs, why) = long_text();
            lossy(rs, why)
        }
        SqlType::Geography | SqlType::Geometry => {
            let (rs, why) = long_text();
            Ok(Mapped { rs, lossy: vec![SPATIAL.into(), why] })
        }
        SqlType::SqlVariant => lossy(RsType::VarChar(VARCHAR_MAX), VARIANT.into()),
        // ToString gives nvarchar(4000), of ASCII characters only.
        SqlType::HierarchyId => exact(RsType::VarChar(4000)),
        SqlType::Binary { length } => exact(RsType::VarByte(u32::from(*length).max(1))),
        SqlType::VarBinary { length } => lossy(RsType::VarByte(u32::from(*length).max(1)), EMPTY_BINARY.into()),
        SqlType::VarBinaryMax | SqlType::Image => {
            Ok(Mapped { rs: RsType::VarByte(VARBYTE_MAX), lossy: vec![too_long(VARBYTE_MAX), EMPTY_BINARY.to_owned()] })
        }
        SqlType::Date => exact(RsType::Date),
        SqlType::Time { scale: 7 } => lossy(RsType::Time, SEVENTH_DIGIT.into()),
        SqlType::Time { .. } => exact(RsType::Time),
        SqlType::DateTime2 { scale: 7 } => lossy(RsType::Timestamp, SEVENTH_DIGIT.into()),
        SqlType::DateTime | SqlType::SmallDateTime | SqlType::DateTime2 { .. } => exact(RsType::Timestamp),
        SqlType::DateTimeOffset { scale } => {
            let mut lossy = vec!["the offset is lost: Redshift keeps the instant in UTC".to_owned()];
            if *scale == 7 {
                lossy.push(SEVENTH_DIGIT.into());
            }
            Ok(Mapped { rs: RsType::TimestampTz, lossy })
        }
        SqlType::UniqueIdentifier => exact(RsType::Char(36)),
        SqlType::RowVersion => exact(RsType::VarByte(8)),
        SqlType::Other { name } => Err(Refused { why: format!("the type {name} is not carried"), help: help_for(name) }),
    }
}

/// The cast that turns a foreign type into one that is carried.
fn help_for(name: &str) -> String {
    let cast = match name.to_ascii_lowercase().as_str() {
        "json" | "vector" => "CAST(column AS nvarchar(max))",
        _ => return "leave the column out of the capture instance (@captured_column_list of sys.sp_cdc_enable_table)".into(),
    };
    format!(
        "leave the column out of the capture instance (@captured_column_list of sys.sp_cdc_enable_table), or carry {cast} in a column of its own that the application fills"
    )
}

/// Why a column cannot be part of the key, although its type is carried (rule E8: no digit of a
/// key is ever cut).
pub fn refuse_in_key(sql_type: &SqlType) -> Option<Refused> {
    match sql_type {
        SqlType::Time { scale: 7 } | SqlType::DateTime2 { scale: 7 } | SqlType::DateTimeOffset { scale: 7 } => Some(Refused {
            why: format!("{sql_type} in a key: two keys that differ in the seventh digit would become one"),
            help: "name another unique index with @index_name of sys.sp_cdc_enable_table, or declare the column with scale 6".into(),
        }),
        other if other.is_large() => {
            Some(Refused { why: format!("{other} in a key: Redshift cannot hold every value of it"), help: ANOTHER_INDEX.into() })
        }
        SqlType::SqlVariant => Some(Refused {
            why: "sql_variant in a key: the number 1 and the text '1' would become one key".into(),
            help: ANOTHER_INDEX.into(),
        }),
        // Its text is canonical, but no source says that bytes which were cast to the type cannot
        // share one.
        SqlType::HierarchyId => Some(Refused {
            why: "hierarchyid in a key: it is carried as text, and two values might share one".into(),
            help: ANOTHER_INDEX.into(),
        }),
        _ => None,
    }
}

const ANOTHER_INDEX: &str = "name another unique index with @index_name of sys.sp_cdc_enable_table";

/// The most bytes that a value of a column may have in its target column; `None` where every
/// value fits.
#[must_use]
pub fn byte_limit(column: &Column) -> Option<u32> {
    if !column.sql_type.is_large() {
        return None;
    }
    match map(column).ok()?.rs {
        RsType::VarChar(length) | RsType::VarByte(length) => Some(length),
        RsType::Super => Some(SUPER_MAX),
        _ => None,
    }
}

/// Whether a policy can hold for a column; else why not.
pub fn refuse_policy(column: &Column) -> Option<&'static str> {
    match column.unfit {
        Unfit::Fail => None,
        _ if column.is_key() => Some("a key is carried unchanged or not at all"),
        _ if !column.sql_type.is_large() => Some("every value of its type fits"),
        Unfit::Super if matches!(column.sql_type, SqlType::VarBinaryMax | SqlType::Image) => Some("SUPER holds text, not binary values"),
        _ => None,
    }
}

/// Whether a column of type `have` holds every value of type `want` unchanged.
///
/// Floats must be of the same type: `0.1` read by COPY into DOUBLE PRECISION is not the value that
/// staging's REAL becomes, and a key would not meet itself.
#[must_use]
pub fn fits(want: RsType, have: RsType) -> bool {
    use RsType::{BigInt, Char, Decimal, Integer, SmallInt, VarByte, VarChar};
    match (want, have) {
        (VarChar(n), VarChar(m)) | (Char(n), Char(m) | VarChar(m)) => m >= n,
        (VarByte(n), VarByte(m)) => m >= n || m == 0,
        (SmallInt, Integer | BigInt) | (Integer, BigInt) => true,
        (Decimal { precision: p, scale: s }, Decimal { precision, scale }) => {
            // Nineteen digits are stored in 64 bits: only eighteen of them are sure.
            let digits = if precision == 19 { 18 } else { precision };
            scale >= s && i16::from(digits) - i16::from(scale) >= i16::from(p) - i16::from(s)
        }
        // A SUPER takes JSON, nothing else does: neither stands for the other.
        (want, have) => want == have,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(sql_type: SqlType) -> Column {
        Column {
            name: "c".into(),
            column_id: 1,
            ordinal: 1,
            sql_type,
            nullable: true,
            collation: None,
            key_ordinal: None,
            unfit: crate::model::Unfit::Fail,
        }
    }

    /// The type, and whether a warning goes with it.
    fn mapped(sql_type: SqlType) -> (String, usize) {
        let mapped = map(&column(sql_type)).unwrap();
        (mapped.rs.to_string(), mapped.lossy.len())
    }

    macro_rules! row {
        ($name:ident: $($from:expr => $to:literal, $lossy:literal);+ $(;)?) => {
            #[test]
            fn $name() {
                $(assert_eq!(mapped($from), ($to.to_owned(), $lossy));)+
            }
        };
    }

    row!(bit: SqlType::Bit => "BOOLEAN", 0);
    row!(tinyint_is_unsigned: SqlType::TinyInt => "SMALLINT", 0);
    row!(integers: SqlType::SmallInt => "SMALLINT", 0; SqlType::Int => "INTEGER", 0; SqlType::BigInt => "BIGINT", 0);
    row!(decimals:
        SqlType::Decimal { precision: 18, scale: 2 } => "DECIMAL(18,2)", 0;
        SqlType::Decimal { precision: 19, scale: 4 } => "DECIMAL(20,4)", 0;
        SqlType::Decimal { precision: 38, scale: 37 } => "DECIMAL(38,37)", 0);
    row!(money: SqlType::Money => "DECIMAL(20,4)", 0);
    row!(smallmoney: SqlType::SmallMoney => "DECIMAL(10,4)", 0);
    row!(real: SqlType::Real => "REAL", 1);
    row!(float: SqlType::Float => "DOUBLE PRECISION", 1);
    row!(code_page_text: SqlType::Char { length: 10 } => "VARCHAR(30)", 0; SqlType::VarChar { length: 8000 } => "VARCHAR(24000)", 0);
    row!(utf16_text: SqlType::NChar { length: 10 } => "VARCHAR(30)", 0; SqlType::NVarChar { length: 4000 } => "VARCHAR(12000)", 0);
    row!(max_text: SqlType::VarCharMax => "VARCHAR(65535)", 1; SqlType::NVarCharMax => "VARCHAR(65535)", 1);
    row!(binary: SqlType::Binary { length: 16 } => "VARBYTE(16)", 0; SqlType::VarBinary { length: 8000 } => "VARBYTE(8000)", 1);
    row!(max_binary: SqlType::VarBinaryMax => "VARBYTE(1024000)", 2);
    row!(rowversion: SqlType::RowVersion => "VARBYTE(8)", 0);
    row!(decimal_of_fraction_only: SqlType::Decimal { precision: 38, scale: 38 } => "VARCHAR(41)", 1);
    row!(xml: SqlType::Xml => "VARCHAR(65535)", 1);
    row!(old_large_types: SqlType::Text => "VARCHAR(65535)", 1; SqlType::NText => "VARCHAR(65535)", 1; SqlType::Image => "VARBYTE(1024000)", 2);
    row!(sql_variant: SqlType::SqlVariant => "VARCHAR(65535)", 1);
    row!(hierarchyid: SqlType::HierarchyId => "VARCHAR(4000)", 0);
    row!(spatial: SqlType::Geography => "VARCHAR(65535)", 2; SqlType::Geometry => "VARCHAR(65535)", 2);
    row!(date: SqlType::Date => "DATE", 0);
    row!(time: SqlType::Time { scale: 6 } => "TIME", 0; SqlType::Time { scale: 7 } => "TIME", 1);
    row!(datetime: SqlType::DateTime => "TIMESTAMP", 0);
    row!(smalldatetime: SqlType::SmallDateTime => "TIMESTAMP", 0);
    row!(datetime2: SqlType::DateTime2 { scale: 3 } => "TIMESTAMP", 0; SqlType::DateTime2 { scale: 7 } => "TIMESTAMP", 1);
    row!(datetimeoffset:
        SqlType::DateTimeOffset { scale: 0 } => "TIMESTAMPTZ", 1;
        SqlType::DateTimeOffset { scale: 7 } => "TIMESTAMPTZ", 2);
    row!(uniqueidentifier: SqlType::UniqueIdentifier => "CHAR(36)", 0);

    #[test]
    fn a_utf8_collation_has_room_for_the_stand_in_of_each_nul() {
        let mut utf8 = column(SqlType::VarChar { length: 100 });
        utf8.collation = Some("Latin1_General_100_CI_AS_SC_UTF8".into());
        assert_eq!(map(&utf8).unwrap().rs, RsType::VarChar(300));
        utf8.sql_type = SqlType::Char { length: 8000 };
        assert_eq!(map(&utf8).unwrap().rs, RsType::VarChar(24_000));
        utf8.sql_type = SqlType::NVarChar { length: 100 };
        assert_eq!(map(&utf8).unwrap().rs, RsType::VarChar(300), "nvarchar is UTF-16 whatever its collation");
    }

    #[test]
    fn what_is_not_carried_names_the_cast_that_helps() {
        let refused = map(&column(SqlType::Other { name: "json".into() })).unwrap_err();
        assert!(refused.why.contains("json") && refused.help.contains("CAST(column AS nvarchar(max))"));
        assert!(map(&column(SqlType::Other { name: "cursor".into() })).unwrap_err().help.contains("@captured_column_list"));
    }

    #[test]
    fn a_policy_holds_where_a_value_can_be_too_long() {
        let with = |sql_type, unfit| Column { unfit, ..column(sql_type) };
        assert_eq!(map(&with(SqlType::Xml, Unfit::Super)).unwrap().rs, RsType::Super);
        assert_eq!(byte_limit(&with(SqlType::Xml, Unfit::Super)), Some(16_000_000));
        assert_eq!(byte_limit(&with(SqlType::NText, Unfit::Truncate)), Some(65_535));
        assert_eq!(byte_limit(&with(SqlType::Image, Unfit::Null)), Some(1_024_000));
        assert_eq!(byte_limit(&column(SqlType::NVarChar { length: 4000 })), None);
        for unfit in [Unfit::Truncate, Unfit::Null, Unfit::Super] {
            assert!(refuse_policy(&with(SqlType::NVarCharMax, unfit)).is_none());
            assert!(refuse_policy(&with(SqlType::Int, unfit)).is_some());
            assert!(refuse_policy(&Column { key_ordinal: Some(1), ..with(SqlType::NVarCharMax, unfit) }).is_some());
        }
        assert!(
            refuse_policy(&with(SqlType::Image, Unfit::Super)).is_some() && refuse_policy(&with(SqlType::Image, Unfit::Null)).is_none()
        );
        let told = map(&with(SqlType::NVarCharMax, Unfit::Truncate)).unwrap().lossy;
        assert!(told[0].contains("is cut"), "{told:?}");
    }

    #[test]
    fn keys_are_never_cut() {
        for sql_type in [
            SqlType::Time { scale: 7 },
            SqlType::DateTime2 { scale: 7 },
            SqlType::DateTimeOffset { scale: 7 },
            SqlType::NVarCharMax,
            SqlType::SqlVariant,
            SqlType::HierarchyId,
            SqlType::Xml,
        ] {
            assert!(refuse_in_key(&sql_type).is_some(), "{sql_type}");
        }
        for sql_type in [SqlType::Time { scale: 6 }, SqlType::DateTime, SqlType::Int, SqlType::NVarChar { length: 40 }] {
            assert!(refuse_in_key(&sql_type).is_none(), "{sql_type}");
        }
    }

    #[test]
    fn wider_columns_fit_and_narrower_ones_do_not() {
        use RsType::{BigInt, Char, Date, Decimal, Integer, Timestamp, VarByte, VarChar};
        let decimal = |precision, scale| Decimal { precision, scale };
        assert!(fits(VarChar(30), VarChar(30)) && fits(VarChar(30), VarChar(90)) && !fits(VarChar(30), VarChar(10)));
        assert!(fits(Char(36), VarChar(36)) && !fits(VarChar(36), Char(36)), "CHAR holds single-byte characters only");
        assert!(fits(Integer, BigInt) && !fits(BigInt, Integer));
        assert!(fits(decimal(10, 2), decimal(12, 4)) && !fits(decimal(10, 2), decimal(12, 5)) && !fits(decimal(10, 2), decimal(12, 1)));
        assert!(!fits(decimal(20, 4), decimal(19, 4)) && fits(decimal(18, 4), decimal(19, 4)));
        assert!(fits(VarByte(8), VarByte(0)) && !fits(VarByte(8), VarByte(4)));
        assert!(!fits(Date, Timestamp) && !fits(RsType::Real, RsType::Double));
    }
}
