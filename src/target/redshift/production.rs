//! Whether a table that is there already can serve as production or staging.

use super::catalogue::{self, FoundColumn};
use super::connect::Session;
use super::ddl::{Layout, TargetColumn};
use super::names::{self, Names};
use super::quote::ident;
use super::types::{self, RsType};
use crate::config::RedshiftSettings;
use crate::model::fault::rs;
use crate::model::{Fault, TableName, TableShape};

/// Compares production with the shape; returns the columns that the source does not have.
///
/// Every difference is told at once, with the statement that mends it. `loaded` names the table once
/// a stream has loaded it: then a column that is only added would lack the values of the rows that
/// stand there, and loads must not run beside a rebuild.
pub fn check(names: &Names, layout: &Layout, found: &[FoundColumn], loaded: Option<&TableName>) -> Result<Vec<String>, Fault> {
    let table = names.production.sql();
    let mut problems: Vec<(String, String, String)> = Vec::new();
    for (at, want) in layout.columns.iter().enumerate() {
        let Some(have) = found.iter().find(|have| have.name == want.name) else {
            let why = format!("missing; {} is needed", want.rs);
            let brought =
                |table| format!("db-to-redshift prepare --new-epoch --table {table:#} # adds it, and brings the values of all rows");
            problems.push((want.name.clone(), why, loaded.map_or_else(|| add_column(names, want), brought)));
            continue;
        };
        if !have.rs.is_some_and(|rs| types::fits(want.rs, rs)) {
            let why = format!("{} where {} is needed", have.type_text, want.rs);
            problems.push((want.name.clone(), why, widen(&table, want, have)));
        } else if !have.nullable && at >= layout.key_len {
            let why = "NOT NULL, but NULLs may come".to_owned();
            problems.push((want.name.clone(), why, rebuild(&table, want)));
        }
    }
    let more: Vec<&FoundColumn> = found.iter().filter(|have| layout.column_names().all(|name| name != have.name)).collect();
    for have in more.iter().filter(|have| !have.nullable && !have.has_default) {
        let why = "NOT NULL, and the source has no such column".to_owned();
        problems.push((have.name.clone(), why, format!("ALTER TABLE {table} DROP COLUMN {}", ident(&have.name))));
    }
    if problems.is_empty() {
        return Ok(more.into_iter().map(|have| have.name.clone()).collect());
    }
    let mut fault = Fault::new(&rs::PRODUCTION_DIFFERS, format!("{table} does not fit the source table")).evidence("table", &table);
    let rebuilt = loaded.filter(|_| problems.iter().any(|(_, _, fix)| fix.contains("; UPDATE ")));
    if let Some(table) = rebuilt {
        fault = fault.next(format!("db-to-redshift pause --table {table:#} --reason 'a column is rebuilt'"));
    }
    fault = problems.into_iter().fold(fault, |fault, (column, why, fix)| fault.evidence(format!("column {column}"), why).next(fix));
    if let Some(table) = rebuilt {
        fault = fault.next(format!("db-to-redshift resume --table {table:#}")).next(format!("db-to-redshift verify --table {table:#}"));
    }
    Err(fault)
}

/// The productions of loaded tables that are there and do not fit.
pub async fn check_all(settings: &RedshiftSettings, tables: &[(TableName, TableShape)]) -> Result<Vec<(TableName, Fault)>, Fault> {
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let mut session = Session::open(settings).await?;
    let named: Vec<Names> = tables.iter().map(|(table, _)| Names::new(settings, table)).collect();
    let productions: Vec<&str> = named.iter().map(|names| names.production.name.as_str()).collect();
    let there = catalogue::columns_of(&mut session, &names::fold(&settings.target_schema), &productions).await?;
    let mut refused = Vec::new();
    for ((table, shape), names) in tables.iter().zip(&named) {
        if let Some(found) = there.get(&names.production.name)
            && let Err(fault) = check(names, &Layout::new(table, shape)?, found, Some(table))
        {
            refused.push((table.clone(), fault));
        }
    }
    Ok(refused)
}

/// The columns that production lacks.
pub fn missing<'a>(layout: &'a Layout, found: &'a [FoundColumn]) -> impl Iterator<Item = &'a TargetColumn> {
    layout.columns.iter().filter(|want| found.iter().all(|have| have.name != want.name))
}

#[must_use]
pub fn add_column(names: &Names, column: &TargetColumn) -> String {
    format!("ALTER TABLE {} ADD COLUMN {} {}", names.production.sql(), ident(&column.name), column.rs)
}

/// Only a VARCHAR can be widened in place, and only outside a transaction.
fn widen(table: &str, want: &TargetColumn, have: &FoundColumn) -> String {
    match (want.rs, have.rs) {
        // The policy of the column changed: a new epoch brings every value again, in its new form.
        (RsType::Super, _) | (_, Some(RsType::Super)) => {
            let name = ident(&want.name);
            format!(
                "ALTER TABLE {table} DROP COLUMN {name}; ALTER TABLE {table} ADD COLUMN {name} {}; then: db-to-redshift prepare --new-epoch --table <table>",
                want.rs
            )
        }
        (RsType::VarChar(length), Some(RsType::VarChar(_))) => {
            format!("ALTER TABLE {table} ALTER COLUMN {} TYPE VARCHAR({length})", ident(&want.name))
        }
        _ => rebuild(table, want),
    }
}

fn rebuild(table: &str, want: &TargetColumn) -> String {
    let (old, new) = (ident(&want.name), ident(&format!("{}__new", want.name)));
    format!(
        "ALTER TABLE {table} ADD COLUMN {new} {rs}; UPDATE {table} SET {new} = {old}; ALTER TABLE {table} DROP COLUMN {old}; ALTER TABLE {table} RENAME COLUMN {new} TO {old}",
        rs = want.rs
    )
}

/// Whether staging has the columns that it would be created with.
#[must_use]
pub fn staging_fits(layout: &Layout, found: &[FoundColumn]) -> bool {
    let want = layout.staging_columns();
    want.len() == found.len()
        && want.iter().zip(found).all(|(want, have)| {
            want.name == have.name && want.not_null != have.nullable && have.rs.is_some_and(|rs| types::fits(want.rs, rs))
        })
}

#[cfg(test)]
mod tests {
    use super::super::ddl::tests::orders;
    use super::*;

    fn found(columns: &[(&str, RsType, bool)]) -> Vec<FoundColumn> {
        let column = |(name, rs, nullable): &(&str, RsType, bool)| FoundColumn {
            name: (*name).into(),
            rs: Some(*rs),
            type_text: rs.to_string(),
            nullable: *nullable,
            has_default: false,
        };
        columns.iter().map(column).collect()
    }

    #[test]
    fn wider_columns_and_more_columns_are_taken() {
        let (names, layout) = orders();
        let columns = [
            ("id", RsType::BigInt, false),
            ("customer", RsType::VarChar(100), true),
            ("notes", RsType::VarChar(65535), true),
            ("loaded", RsType::Date, true),
        ];
        assert_eq!(check(&names, &layout, &found(&columns), None).unwrap(), ["loaded"]);
    }

    #[test]
    fn every_difference_is_told_with_its_remedy() {
        let (names, layout) = orders();
        let columns = [("id", RsType::SmallInt, false), ("customer", RsType::VarChar(20), true), ("extra", RsType::Date, false)];
        let fault = check(&names, &layout, &found(&columns), None).unwrap_err();
        assert_eq!(fault.code(), rs::PRODUCTION_DIFFERS.code);
        let actions: Vec<_> = fault.actions().collect();
        assert!(actions[0].starts_with(r#"ALTER TABLE "sales"."orders" ADD COLUMN "id__new" INTEGER; UPDATE"#), "{actions:?}");
        assert_eq!(actions[1], r#"ALTER TABLE "sales"."orders" ALTER COLUMN "customer" TYPE VARCHAR(60)"#);
        assert_eq!(actions[2], r#"ALTER TABLE "sales"."orders" ADD COLUMN "notes" VARCHAR(65535)"#);
        assert_eq!(actions[3], r#"ALTER TABLE "sales"."orders" DROP COLUMN "extra""#);
        assert_eq!(fault.facts().len(), 5);

        // Rows stand there that a stream has loaded.
        let fault = check(&names, &layout, &found(&columns), Some(&TableName::new("dbo", "Orders"))).unwrap_err();
        let actions: Vec<_> = fault.actions().collect();
        assert_eq!(actions[0], "db-to-redshift pause --table 'dbo.Orders' --reason 'a column is rebuilt'");
        assert_eq!(actions[3], "db-to-redshift prepare --new-epoch --table 'dbo.Orders' # adds it, and brings the values of all rows");
        let after = ["db-to-redshift resume --table 'dbo.Orders'", "db-to-redshift verify --table 'dbo.Orders'"];
        assert_eq!(actions[5..7], after);
    }

    #[test]
    fn not_null_is_for_keys_alone() {
        let (names, layout) = orders();
        let columns = [("id", RsType::Integer, false), ("customer", RsType::VarChar(60), false), ("notes", RsType::VarChar(65535), true)];
        let fault = check(&names, &layout, &found(&columns), None).unwrap_err();
        assert!(fault.to_string().contains("column customer=NOT NULL"), "{fault}");
    }

    #[test]
    fn staging_is_compared_column_by_column() {
        let (_, layout) = orders();
        let columns: Vec<_> = layout.staging_columns().iter().map(|want| (want.name.clone(), want.rs, !want.not_null)).collect();
        let mut columns: Vec<_> = columns.iter().map(|(name, rs, nullable)| (name.as_str(), *rs, *nullable)).collect();
        assert!(staging_fits(&layout, &found(&columns)));
        columns.pop();
        assert!(!staging_fits(&layout, &found(&columns)));
    }
}
