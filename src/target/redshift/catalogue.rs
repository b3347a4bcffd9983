//! What the catalogue says about tables.

use std::collections::BTreeMap;

use super::connect::Session;
use super::error::SqlError;
use super::names::Relation;
use super::quote::literal;
use super::types::RsType;
use crate::model::Fault;
use crate::model::fault::rs;

/// The oid of a table, which a table that is dropped and made again does not keep. `None` when
/// there is no such table.
pub async fn oid(session: &mut Session, relation: &Relation) -> Result<Option<u32>, Fault> {
    let answer = session.run("look up oid", &oid_sql(relation)).await?;
    answer
        .text()
        .map(|text| text.parse().map_err(|_| Fault::new(&rs::ANSWER, format!("the oid of {} cannot be read", relation.sql()))))
        .transpose()
}

/// Only catalogue tables: they are read on the leader node and take no snapshot.
fn oid_sql(relation: &Relation) -> String {
    format!(
        "SELECT c.oid\n  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\n WHERE n.nspname = {} AND c.relname = {}",
        literal(&relation.schema),
        literal(&relation.name)
    )
}

/// Names of all tables of a schema, in one statement.
pub async fn tables_of(session: &mut Session, schema: &str) -> Result<Vec<String>, SqlError> {
    let sql = format!(
        "SELECT c.relname\n  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\n WHERE n.nspname = {} AND c.relkind = 'r'",
        literal(schema)
    );
    Ok(session.run("list tables", &sql).await?.rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

/// Whether a schema exists.
pub async fn schema_exists(session: &mut Session, name: &str) -> Result<bool, SqlError> {
    let sql = format!("SELECT nspname FROM pg_namespace WHERE nspname = {}", literal(name));
    Ok(!session.run("look up schema", &sql).await?.rows.is_empty())
}

/// A column as the catalogue describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundColumn {
    pub name: String,
    /// `None` for a type that no source column maps to.
    pub rs: Option<RsType>,
    /// The type as the catalogue words it.
    pub type_text: String,
    pub nullable: bool,
    pub has_default: bool,
}

/// What [`found`] reads.
const OF_COLUMN: &str =
    r#""column_name", "data_type", "character_maximum_length", "numeric_precision", "numeric_scale", "is_nullable", "column_default""#;

/// The columns of those of the tables that are there, by table.
pub async fn columns_of(session: &mut Session, schema: &str, tables: &[&str]) -> Result<BTreeMap<String, Vec<FoundColumn>>, SqlError> {
    let names: Vec<String> = tables.iter().map(|table| literal(table)).collect();
    let sql = format!(
        r#"SELECT {OF_COLUMN}, "table_name"
  FROM svv_columns
 WHERE "table_schema" = {} AND "table_name" IN ({})
 ORDER BY "table_name", "ordinal_position""#,
        literal(schema),
        names.join(", ")
    );
    let mut columns: BTreeMap<String, Vec<FoundColumn>> = BTreeMap::new();
    for row in &session.run("look up columns", &sql).await?.rows {
        let table = row.last().cloned().flatten().unwrap_or_default();
        columns.entry(table).or_default().push(found(row));
    }
    Ok(columns)
}

/// The columns of a table, in their order; empty when there is no such table.
pub async fn columns(session: &mut Session, relation: &Relation) -> Result<Vec<FoundColumn>, SqlError> {
    let sql = format!(
        r#"SELECT {OF_COLUMN}
  FROM svv_columns
 WHERE "table_schema" = {} AND "table_name" = {}
 ORDER BY "ordinal_position""#,
        literal(&relation.schema),
        literal(&relation.name)
    );
    Ok(session.run("look up columns", &sql).await?.rows.iter().map(|row| found(row)).collect())
}

fn found(row: &[Option<String>]) -> FoundColumn {
    let text = |at: usize| row.get(at).and_then(Option::as_deref).map(str::trim);
    let number = |at: usize| text(at).and_then(|text| text.parse::<u32>().ok());
    let type_text = text(1).unwrap_or_default().to_ascii_lowercase();
    let length = number(2);
    let rs = rs_type(&type_text, length, number(3), number(4));
    FoundColumn {
        name: row.first().cloned().flatten().unwrap_or_default(),
        rs,
        type_text: rs.map_or(type_text, |rs| rs.to_string()),
        // SVV_COLUMNS says yes or no; a blank is neither and counts as nullable.
        nullable: !text(5).is_some_and(|text| text.eq_ignore_ascii_case("no")),
        has_default: text(6).is_some_and(|text| !text.is_empty()),
    }
}

fn rs_type(name: &str, length: Option<u32>, precision: Option<u32>, scale: Option<u32>) -> Option<RsType> {
    let base = name.split('(').next().unwrap_or_default().trim();
    Some(match base {
        "boolean" => RsType::Boolean,
        "smallint" => RsType::SmallInt,
        "integer" => RsType::Integer,
        "bigint" => RsType::BigInt,
        "numeric" | "decimal" => {
            RsType::Decimal { precision: u8::try_from(precision?).ok()?, scale: u8::try_from(scale.unwrap_or(0)).ok()? }
        }
        "real" => RsType::Real,
        "double precision" => RsType::Double,
        "character varying" | "varchar" => RsType::VarChar(length?),
        "character" | "char" => RsType::Char(length?),
        // Not every catalogue view knows the length of a VARBYTE.
        "binary varying" | "varbyte" => RsType::VarByte(length.unwrap_or(0)),
        "date" => RsType::Date,
        "time without time zone" | "time" => RsType::Time,
        "timestamp without time zone" | "timestamp" => RsType::Timestamp,
        "timestamp with time zone" | "timestamptz" => RsType::TimestampTz,
        "super" => RsType::Super,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogue_rows_read_as_types() {
        let row = |values: [&str; 7]| found(&values.map(|value| (!value.is_empty()).then(|| value.to_owned())));
        let money = row(["price", "numeric", "", "20", "4", "YES", ""]);
        assert_eq!(money.rs, Some(RsType::Decimal { precision: 20, scale: 4 }));
        assert!(money.nullable && !money.has_default);
        let name = row(["name", "character varying", "60", "", "", "NO", "'x'::character varying"]);
        assert_eq!(name.rs, Some(RsType::VarChar(60)));
        assert!(!name.nullable && name.has_default);
        assert_eq!(row(["b", "binary varying", "", "", "", "YES", ""]).rs, Some(RsType::VarByte(0)));
        assert_eq!(row(["at", "timestamp with time zone", "", "", "", "YES", ""]).rs, Some(RsType::TimestampTz));
        assert_eq!(row(["s", "super", "", "", "", "YES", ""]).rs, Some(RsType::Super));
        let foreign = row(["s", "hllsketch", "", "", "", "YES", ""]);
        assert_eq!((foreign.rs, foreign.type_text.as_str()), (None, "hllsketch"));
    }

    #[test]
    fn look_ups_quote_their_names() {
        let relation = Relation { schema: "s".into(), name: r"it's \".into() };
        assert!(oid_sql(&relation).ends_with(r"WHERE n.nspname = 's' AND c.relname = 'it''s \\'"));
    }
}
