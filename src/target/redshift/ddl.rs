//! The tables that we create.

use std::fmt::Write as _;

use super::names::{self, Names, Relation};
use super::quote::ident;
use super::types::{self, RsType};
use crate::model::fault::rs;
use crate::model::{Column, Fault, TableName, TableShape};

/// A column of production or staging.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetColumn {
    /// Folded, not quoted.
    pub name: String,
    pub rs: RsType,
    pub not_null: bool,
}

/// A shape in the target's words: what every statement on production and staging is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The columns of production, in the order of the shape.
    pub columns: Vec<TargetColumn>,
    pub key_len: usize,
    /// Position in `columns` of each large column.
    pub large: Vec<usize>,
}

impl Layout {
    /// Fails on a type that [`types::map`] refuses; check and prepare have looked before.
    pub fn new(table: &TableName, shape: &TableShape) -> Result<Self, Fault> {
        let column = |column: &Column| {
            let mapped = types::map(column).map_err(|refused| {
                Fault::new(&rs::COLUMN_TYPE, format!("{table}, column {}: {}", column.name, refused.why))
                    .evidence("column", &column.name)
                    .next(refused.help)
            })?;
            // Only the key is NOT NULL (rule L8): delete rows, and values of rows that are gone,
            // hold NULL elsewhere.
            Ok(TargetColumn { name: names::fold(&column.name), rs: mapped.rs, not_null: column.is_key() })
        };
        Ok(Self {
            columns: shape.columns().iter().map(column).collect::<Result<_, Fault>>()?,
            key_len: shape.key_len(),
            large: shape.large_columns().map(|(at, _)| at).collect(),
        })
    }

    #[must_use]
    pub fn key(&self) -> &[TargetColumn] {
        &self.columns[..self.key_len]
    }

    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key().iter().map(|column| column.name.as_str())
    }

    /// The columns of staging, in the order of the part files.
    #[must_use]
    pub fn staging_columns(&self) -> Vec<TargetColumn> {
        let internal = |name: &str, rs, not_null| TargetColumn { name: name.to_owned(), rs, not_null };
        let mut columns = vec![
            internal(names::OP, RsType::VarChar(1), true),
            internal(names::BATCH, RsType::BigInt, true),
            internal(names::ORDER, RsType::BigInt, true),
        ];
        columns.extend(self.columns.iter().cloned());
        columns.extend((1..=self.large.len()).map(|number| internal(&names::keep(number), RsType::VarChar(1), false)));
        columns
    }

    /// `a."k" = b."k" AND …` over the key.
    #[must_use]
    pub fn same_key(&self, left: &str, right: &str) -> String {
        let equal = |name| format!("{left}.{0} = {right}.{0}", ident(name));
        self.key_names().map(equal).collect::<Vec<_>>().join(" AND ")
    }
}

fn create(relation: &Relation, columns: &[TargetColumn], dist: &str) -> String {
    let mut sql = format!("CREATE TABLE {} (\n", relation.sql());
    for (at, column) in columns.iter().enumerate() {
        let comma = if at + 1 == columns.len() { "" } else { "," };
        let null = if column.not_null { " NOT NULL" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(sql, "  {} {}{null}{comma}", ident(&column.name), column.rs);
    }
    sql.push_str(") ");
    sql.push_str(dist);
    sql
}

/// Types that a distribution key is surely allowed to have.
fn distributes(rs: RsType) -> bool {
    !matches!(rs, RsType::VarByte(_) | RsType::Super)
}

#[must_use]
pub fn create_production(names: &Names, layout: &Layout) -> String {
    create(&names.production, &layout.columns, &distribution(layout))
}

#[must_use]
pub fn create_staging(names: &Names, layout: &Layout) -> String {
    create(&names.staging, &layout.staging_columns(), &distribution(layout))
}

/// On one key column both tables are distributed by it, so that the rows that meet lie on one
/// slice; otherwise Redshift chooses.
fn distribution(layout: &Layout) -> String {
    match layout.key() {
        [key] if distributes(key.rs) => format!("DISTSTYLE KEY DISTKEY ({})", ident(&key.name)),
        _ => "DISTSTYLE AUTO".to_owned(),
    }
}

#[must_use]
pub fn create_schema(name: &str) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {}", ident(name))
}

#[must_use]
pub fn drop_table(relation: &Relation) -> String {
    format!("DROP TABLE {}", relation.sql())
}

/// The log is only ever appended to. It repeats lines when an answer was lost; readers drop doubles.
#[must_use]
pub fn create_log(log: &Relation) -> String {
    format!(
        r#"CREATE TABLE IF NOT EXISTS {} (
  "pipeline" VARCHAR(1024) NOT NULL,
  "table_name" VARCHAR(1024) NOT NULL,
  "event" VARCHAR(64) NOT NULL,
  "epoch" INTEGER NOT NULL,
  "seq_from" BIGINT NOT NULL,
  "seq_to" BIGINT NOT NULL,
  "lsn_to" CHAR(20) NOT NULL,
  "staged_rows" BIGINT NOT NULL,
  "deleted_rows" BIGINT NOT NULL,
  "inserted_rows" BIGINT NOT NULL,
  "run" CHAR(36) NOT NULL,
  "logged_at" TIMESTAMP NOT NULL,
  "capture_instance" VARCHAR(1024),
  "diverged_why" VARCHAR(4096)
) DISTSTYLE AUTO"#,
        log.sql()
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::names::tests::settings;
    use super::super::shapes::tests::column;
    use super::*;
    use crate::model::SqlType;

    pub fn orders() -> (Names, Layout) {
        let table = TableName::new("dbo", "Orders");
        let shape = TableShape::new(vec![
            column("Id", 1, SqlType::Int, Some(1)),
            column("Customer", 2, SqlType::NVarChar { length: 20 }, None),
            column("Notes", 3, SqlType::NVarCharMax, None),
        ]);
        (Names::new(&settings(), &table), Layout::new(&table, &shape).unwrap())
    }

    pub fn lines() -> (Names, Layout) {
        let table = TableName::new("dbo", "Lines");
        let shape = TableShape::new(vec![
            column("OrderId", 1, SqlType::Int, Some(1)),
            column("Line", 2, SqlType::SmallInt, Some(2)),
            column("Price", 3, SqlType::Money, None),
        ]);
        (Names::new(&settings(), &table), Layout::new(&table, &shape).unwrap())
    }

    #[test]
    fn production_and_staging_of_a_single_key() {
        let (names, layout) = orders();
        insta::assert_snapshot!(create_production(&names, &layout), @r#"
        CREATE TABLE "sales"."orders" (
          "id" INTEGER NOT NULL,
          "customer" VARCHAR(60),
          "notes" VARCHAR(65535)
        ) DISTSTYLE KEY DISTKEY ("id")
        "#);
        insta::assert_snapshot!(create_staging(&names, &layout), @r#"
        CREATE TABLE "staging"."dbo__orders" (
          "__d2r_op" VARCHAR(1) NOT NULL,
          "__d2r_batch" BIGINT NOT NULL,
          "__d2r_order" BIGINT NOT NULL,
          "id" INTEGER NOT NULL,
          "customer" VARCHAR(60),
          "notes" VARCHAR(65535),
          "__d2r_keep_1" VARCHAR(1)
        ) DISTSTYLE KEY DISTKEY ("id")
        "#);
    }

    #[test]
    fn a_composite_key_leaves_the_distribution_to_redshift() {
        let (names, layout) = lines();
        insta::assert_snapshot!(create_staging(&names, &layout), @r#"
        CREATE TABLE "staging"."dbo__lines" (
          "__d2r_op" VARCHAR(1) NOT NULL,
          "__d2r_batch" BIGINT NOT NULL,
          "__d2r_order" BIGINT NOT NULL,
          "orderid" INTEGER NOT NULL,
          "line" SMALLINT NOT NULL,
          "price" DECIMAL(20,4)
        ) DISTSTYLE AUTO
        "#);
    }
}
