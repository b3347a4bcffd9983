//! How a column is declared, selected and compared.

use crate::model::{Column, SqlType};

/// The type of a catalogue row: base type name, `max_length` in bytes (-1 is MAX), precision and
/// scale as in `sys.columns`.
#[must_use]
pub fn sql_type(base_type: &str, max_length: i16, precision: u8, scale: u8) -> SqlType {
    let bytes = u16::try_from(max_length).ok();
    let length = |max: SqlType, sized: fn(u16) -> SqlType| bytes.map_or(max, sized);
    match base_type.to_ascii_lowercase().as_str() {
        "bit" => SqlType::Bit,
        "tinyint" => SqlType::TinyInt,
        "smallint" => SqlType::SmallInt,
        "int" => SqlType::Int,
        "bigint" => SqlType::BigInt,
        "decimal" | "numeric" => SqlType::Decimal { precision, scale },
        "money" => SqlType::Money,
        "smallmoney" => SqlType::SmallMoney,
        "real" => SqlType::Real,
        // float(1) to float(24) is stored as real, and the catalogue calls it so.
        "float" => SqlType::Float,
        "char" => SqlType::Char { length: bytes.unwrap_or(0) },
        "varchar" => length(SqlType::VarCharMax, |length| SqlType::VarChar { length }),
        "nchar" => SqlType::NChar { length: bytes.unwrap_or(0) / 2 },
        "nvarchar" => length(SqlType::NVarCharMax, |bytes| SqlType::NVarChar { length: bytes / 2 }),
        "binary" => SqlType::Binary { length: bytes.unwrap_or(0) },
        "varbinary" => length(SqlType::VarBinaryMax, |length| SqlType::VarBinary { length }),
        "date" => SqlType::Date,
        "time" => SqlType::Time { scale },
        "datetime" => SqlType::DateTime,
        "smalldatetime" => SqlType::SmallDateTime,
        "datetime2" => SqlType::DateTime2 { scale },
        "datetimeoffset" => SqlType::DateTimeOffset { scale },
        "uniqueidentifier" => SqlType::UniqueIdentifier,
        "timestamp" | "rowversion" => SqlType::RowVersion,
        "xml" => SqlType::Xml,
        "sql_variant" => SqlType::SqlVariant,
        "hierarchyid" => SqlType::HierarchyId,
        "geography" => SqlType::Geography,
        "geometry" => SqlType::Geometry,
        "text" => SqlType::Text,
        "ntext" => SqlType::NText,
        "image" => SqlType::Image,
        other => SqlType::Other { name: other.to_owned() },
    }
}

/// Whether the driver reads single-byte text of this collation exactly as the server means it.
///
/// It knows code page 1252 byte for byte. It takes UTF-8 collations for 125x, and its tables for
/// double-byte pages are those of the web, not of Windows: there the server turns the text into
/// Unicode itself.
fn driver_reads(collation: Option<&str>) -> bool {
    collation.is_some_and(|name| {
        let latin = name.starts_with("Latin1_General_") || name.starts_with("SQL_Latin1_General_CP1_");
        latin && !name.ends_with("_UTF8")
    })
}

/// The expression that is selected for a column, without an alias: `c.[name]`, or a cast where
/// the plain value would lose something on its way. `of` is the alias of the table.
#[must_use]
pub fn select_expression(column: &Column, of: &str) -> String {
    let name = format!("{of}.{}", super::quote::name(&column.name));
    match &column.sql_type {
        // On the wire money becomes a binary float in the driver.
        SqlType::Money => format!("CAST({name} AS decimal(19,4))"),
        SqlType::SmallMoney => format!("CAST({name} AS decimal(10,4))"),
        SqlType::RowVersion => format!("CAST({name} AS binary(8))"),
        SqlType::Char { length } | SqlType::VarChar { length } if !driver_reads(column.collation.as_deref()) => {
            // n bytes are at most n UTF-16 units.
            if *length <= 4000 { format!("CAST({name} AS nvarchar({length}))") } else { format!("CAST({name} AS nvarchar(max))") }
        }
        SqlType::VarCharMax | SqlType::Text if !driver_reads(column.collation.as_deref()) => format!("CAST({name} AS nvarchar(max))"),
        // The old large types travel with a text pointer; their successors do not.
        SqlType::Text => format!("CAST({name} AS varchar(max))"),
        SqlType::Image => format!("CAST({name} AS varbinary(max))"),
        // A variant may hold varchar(8000), of which nvarchar(4000) would cut a half away.
        SqlType::NText | SqlType::Xml | SqlType::SqlVariant => format!("CAST({name} AS nvarchar(max))"),
        SqlType::HierarchyId => format!("{name}.ToString()"),
        SqlType::Geography | SqlType::Geometry => format!("{name}.STAsText()"),
        _ => name,
    }
}

/// The list of select expressions, each under the column's own name.
#[must_use]
pub fn select_list(columns: &[Column], of: &str) -> String {
    let items: Vec<_> =
        columns.iter().map(|column| format!("{} AS {}", select_expression(column, of), super::quote::name(&column.name))).collect();
    items.join(",\n       ")
}

/// A key parameter or a column of parameters, cast to the declared type of the column it is
/// compared with: an index can then be used, and text compares under the column's own collation.
#[must_use]
pub fn key_expression(column: &Column, value: &str) -> String {
    let value = match column.collation.as_deref() {
        Some(collation) if column.sql_type.is_text() && is_collation_name(collation) => format!("{value} COLLATE {collation}"),
        _ => value.to_owned(),
    };
    match &column.sql_type {
        // `rowversion` cannot be cast to by that name.
        SqlType::RowVersion => format!("CAST({value} AS binary(8))"),
        sql_type => format!("CAST({value} AS {sql_type})"),
    }
}

/// A collation cannot be quoted; what is not plainly one stays out of the text.
fn is_collation_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(sql_type: SqlType, collation: Option<&str>) -> Column {
        let collation = collation.map(str::to_owned);
        Column {
            name: "a]b".into(),
            column_id: 1,
            ordinal: 1,
            sql_type,
            nullable: false,
            collation,
            key_ordinal: Some(1),
            unfit: crate::model::Unfit::Fail,
        }
    }

    #[test]
    fn catalogue_lengths_are_bytes() {
        assert_eq!(sql_type("nvarchar", 100, 0, 0), SqlType::NVarChar { length: 50 });
        assert_eq!(sql_type("nchar", 8000, 0, 0), SqlType::NChar { length: 4000 });
        assert_eq!(sql_type("varchar", 8000, 0, 0), SqlType::VarChar { length: 8000 });
        assert_eq!(sql_type("nvarchar", -1, 0, 0), SqlType::NVarCharMax);
        assert_eq!(sql_type("varbinary", -1, 0, 0), SqlType::VarBinaryMax);
        assert_eq!(sql_type("numeric", 9, 18, 4), SqlType::Decimal { precision: 18, scale: 4 });
        assert_eq!(sql_type("timestamp", 8, 0, 0), SqlType::RowVersion);
        assert_eq!(sql_type("xml", -1, 0, 0), SqlType::Xml);
        assert_eq!(sql_type("image", 16, 0, 0), SqlType::Image);
        assert_eq!(sql_type("hierarchyid", 892, 0, 0), SqlType::HierarchyId);
        assert_eq!(sql_type("vector", 20, 0, 0), SqlType::Other { name: "vector".into() });
        assert_eq!(sql_type("datetimeoffset", 10, 34, 7), SqlType::DateTimeOffset { scale: 7 });
    }

    #[test]
    fn casts_stand_only_where_the_plain_value_would_lose() {
        let select = |sql_type, collation| select_expression(&column(sql_type, collation), "c");
        assert_eq!(select(SqlType::Int, None), "c.[a]]b]");
        assert_eq!(select(SqlType::Money, None), "CAST(c.[a]]b] AS decimal(19,4))");
        assert_eq!(select(SqlType::SmallMoney, None), "CAST(c.[a]]b] AS decimal(10,4))");
        assert_eq!(select(SqlType::RowVersion, None), "CAST(c.[a]]b] AS binary(8))");
        assert_eq!(select(SqlType::VarChar { length: 20 }, Some("SQL_Latin1_General_CP1_CI_AS")), "c.[a]]b]");
        assert_eq!(select(SqlType::VarChar { length: 20 }, Some("Latin1_General_100_CI_AS_SC_UTF8")), "CAST(c.[a]]b] AS nvarchar(20))");
        assert_eq!(select(SqlType::VarChar { length: 20 }, Some("Japanese_CI_AS")), "CAST(c.[a]]b] AS nvarchar(20))");
        assert_eq!(select(SqlType::VarChar { length: 8000 }, Some("SQL_Latin1_General_CP850_BIN")), "CAST(c.[a]]b] AS nvarchar(max))");
        assert_eq!(select(SqlType::VarCharMax, Some("Latin1_General_100_BIN2_UTF8")), "CAST(c.[a]]b] AS nvarchar(max))");
        assert_eq!(select(SqlType::NVarCharMax, Some("Latin1_General_100_BIN2_UTF8")), "c.[a]]b]");
        assert_eq!(select(SqlType::Text, Some("SQL_Latin1_General_CP1_CI_AS")), "CAST(c.[a]]b] AS varchar(max))");
        assert_eq!(select(SqlType::Text, Some("Japanese_CI_AS")), "CAST(c.[a]]b] AS nvarchar(max))");
        assert_eq!(select(SqlType::Image, None), "CAST(c.[a]]b] AS varbinary(max))");
        for sql_type in [SqlType::NText, SqlType::Xml, SqlType::SqlVariant] {
            assert_eq!(select(sql_type, None), "CAST(c.[a]]b] AS nvarchar(max))");
        }
        assert_eq!(select(SqlType::HierarchyId, None), "c.[a]]b].ToString()");
        assert_eq!(select(SqlType::Geometry, None), "c.[a]]b].STAsText()");
    }

    #[test]
    fn keys_compare_in_their_own_type_and_collation() {
        let key = |sql_type, collation| key_expression(&column(sql_type, collation), "k.c0");
        assert_eq!(key(SqlType::Int, None), "CAST(k.c0 AS int)");
        assert_eq!(key(SqlType::RowVersion, None), "CAST(k.c0 AS binary(8))");
        assert_eq!(
            key(SqlType::VarChar { length: 9 }, Some("Latin1_General_CI_AS")),
            "CAST(k.c0 COLLATE Latin1_General_CI_AS AS varchar(9))"
        );
        assert_eq!(key(SqlType::NVarChar { length: 9 }, Some("x; DROP")), "CAST(k.c0 AS nvarchar(9))");
    }
}
