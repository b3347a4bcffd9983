//! What can be carried at all: decided from names and shapes, without a connection.

use std::collections::BTreeMap;

use super::names::{self, Names};
use super::types;
use crate::config::RedshiftSettings;
use crate::model::fault::{Page, rs};
use crate::model::{Column, Fault, TableName, TableShape};
use crate::target::{LossyMapping, Refused};

/// Most columns of a table.
const MOST_COLUMNS: usize = 1600;
/// Columns that staging has besides those of the shape and the keep flags.
const INTERNAL_COLUMNS: usize = 3;
/// System columns of PostgreSQL and of Redshift: no column of a table may have their names.
const SYSTEM_COLUMNS: &[&str] = &["oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "insertxid", "deletexid"];

/// Every reason why these tables cannot be carried together.
pub fn check(settings: &RedshiftSettings, tables: &[(TableName, TableShape)]) -> Vec<Refused> {
    let mut refused = Vec::new();
    for (table, shape) in tables {
        let mut of_table = Vec::new();
        check_one(table, shape, &mut of_table);
        refused.extend(of_table.into_iter().map(|fault| Refused { tables: vec![table.clone()], fault: fault.about(table) }));
    }
    check_names(settings, tables.iter().map(|(table, _)| table), &mut refused);
    refused
}

/// The reasons that lie in one table.
pub fn check_one(table: &TableName, shape: &TableShape, faults: &mut Vec<Fault>) {
    let refuse = |page: &'static Page, column: &Column, why: &str, help: &str| {
        Fault::new(page, format!("{table}, column {}: {why}", column.name))
            .evidence("table", table)
            .evidence("column", &column.name)
            .evidence("type", &column.sql_type)
            .next(help)
    };
    if shape.key_len() == 0 {
        faults.push(Fault::new(&rs::KEY_COLUMN, format!("{table} has no key")).evidence("table", table).next(
            "give the table a primary key or a unique index over NOT NULL columns, none of them computed, and enable CDC with @index_name",
        ));
    }
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for column in shape.columns() {
        if let Some(why) = types::refuse_policy(column) {
            let what = format!("the policy {:?} cannot hold: {why}", column.unfit.as_str());
            faults.push(refuse(&rs::COLUMN_POLICY, column, &what, "take the column out of `columns` under [[table]]"));
        }
        if let Err(refused) = types::map(column) {
            faults.push(refuse(&rs::COLUMN_TYPE, column, &refused.why, &refused.help));
        } else if let Some(refused) = types::refuse_in_key(&column.sql_type).filter(|_| column.is_key()) {
            faults.push(refuse(&rs::KEY_COLUMN, column, &refused.why, &refused.help));
        }
        let name = names::fold(&column.name);
        if name.starts_with(names::INTERNAL) || SYSTEM_COLUMNS.contains(&name.as_str()) {
            faults.push(
                Fault::new(&rs::RESERVED, format!("{table}, column {}: the name is reserved", column.name))
                    .evidence("table", table)
                    .evidence("column", &column.name),
            );
        }
        if let Some(other) = folded.insert(name, &column.name) {
            faults.push(
                Fault::new(&rs::COLLISION, format!("{table}: the columns {other} and {} have one name in Redshift", column.name))
                    .evidence("table", table)
                    .evidence("columns", format!("{other}, {}", column.name))
                    .next("leave one of the columns out of the capture instance, or rename it in the source"),
            );
        }
    }
    let columns = INTERNAL_COLUMNS + shape.columns().len() + shape.large_columns().count();
    if columns > MOST_COLUMNS {
        faults.push(
            Fault::new(&rs::TOO_WIDE, format!("{table}: staging would need {columns} columns"))
                .evidence("table", table)
                .evidence("columns", columns)
                .evidence("limit", MOST_COLUMNS),
        );
    }
}

/// The tables whose names meet, whatever they are: production of two source schemas, staging of
/// `a` + `b__c` and of `a__b` + `c`, or staging and production in one schema.
fn check_names<'a>(settings: &RedshiftSettings, tables: impl Iterator<Item = &'a TableName>, refused: &mut Vec<Refused>) {
    let mut seen = BTreeMap::from([(names::log(settings), ("the batch log".to_owned(), None))]);
    for table in tables {
        let Names { production, staging, state, .. } = Names::new(settings, table);
        let mut met: Vec<&TableName> = Vec::new();
        for (what, relation) in [("production", production), ("staging", staging), ("state", state)] {
            let owner = format!("{what} of {table}");
            let Some((other, other_table)) = seen.insert(relation.clone(), (owner.clone(), Some(table))) else { continue };
            // Two tables that share production share their state too: once is enough.
            if other_table.is_some_and(|other| met.contains(&other)) {
                continue;
            }
            met.extend(other_table);
            let fault = Fault::new(&rs::COLLISION, format!("{owner} and {other} would be one table"))
                .evidence("name", relation.sql())
                .evidence("table", table);
            refused.push(Refused { tables: other_table.into_iter().chain([table]).cloned().collect(), fault });
        }
    }
}

/// The columns whose values may not all fit or not all come back the same.
pub fn lossy(shape: &TableShape) -> Vec<LossyMapping> {
    let mut out = Vec::new();
    for column in shape.columns() {
        if let Ok(mapped) = types::map(column) {
            out.extend(mapped.lossy.into_iter().map(|why| LossyMapping {
                column: column.name.clone(),
                from: column.sql_type.to_string(),
                to: mapped.rs.to_string(),
                why,
            }));
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::names::tests::settings;
    use super::*;
    use crate::model::SqlType;

    pub fn column(name: &str, id: i32, sql_type: SqlType, key_ordinal: Option<u8>) -> Column {
        Column {
            name: name.into(),
            column_id: id,
            ordinal: id,
            sql_type,
            nullable: key_ordinal.is_none(),
            collation: None,
            key_ordinal,
            unfit: crate::model::Unfit::Fail,
        }
    }

    fn keyed(columns: impl IntoIterator<Item = Column>) -> TableShape {
        TableShape::new(std::iter::once(column("Id", 1, SqlType::Int, Some(1))).chain(columns).collect())
    }

    fn codes(tables: &[(&str, &str, TableShape)]) -> Vec<&'static str> {
        let tables: Vec<_> = tables.iter().map(|(schema, name, shape)| (TableName::new(*schema, *name), shape.clone())).collect();
        check(&settings(), &tables).iter().map(|refused| refused.fault.code()).collect()
    }

    #[test]
    fn a_plain_table_passes() {
        let shape = keyed([column("Notes", 2, SqlType::NVarCharMax, None)]);
        assert!(codes(&[("dbo", "Orders", shape.clone()), ("dbo", "Lines", shape)]).is_empty());
    }

    #[test]
    fn names_that_meet_are_refused() {
        let plain = || keyed([]);
        assert_eq!(codes(&[("dbo", "Orders", plain()), ("dbo", "ORDERS", plain())]), [rs::COLLISION.code]);
        assert_eq!(codes(&[("dbo", "Orders", plain()), ("sales", "Orders", plain())]), [rs::COLLISION.code], "production is one");
        assert_eq!(codes(&[("a", "b__c", plain()), ("a__b", "c", plain())]), [rs::COLLISION.code], "staging is one");
        let mut one_schema = settings();
        one_schema.staging_schema = one_schema.target_schema.clone();
        let tables = [(TableName::new("dbo", "t"), plain()), (TableName::new("x", "dbo__t"), plain())];
        let refused = check(&one_schema, &tables);
        assert_eq!(refused.len(), 1, "staging of one is production of the other");
        assert_eq!(refused[0].tables, tables.map(|(table, _)| table));
    }

    #[test]
    fn columns_are_refused_by_type_name_and_number() {
        let refused = |column: Column| codes(&[("dbo", "t", keyed([column]))]);
        assert_eq!(refused(column("id", 2, SqlType::Int, None)), [rs::COLLISION.code]);
        assert_eq!(refused(column("__D2R_op", 2, SqlType::Int, None)), [rs::RESERVED.code]);
        assert_eq!(refused(column("XMIN", 2, SqlType::Int, None)), [rs::RESERVED.code]);
        assert_eq!(refused(column("x", 2, SqlType::Other { name: "json".into() }, None)), [rs::COLUMN_TYPE.code]);
        assert!(refused(column("x", 2, SqlType::Decimal { precision: 38, scale: 38 }, None)).is_empty());
        let policy = |sql_type, unfit| refused(Column { unfit, ..column("x", 2, sql_type, None) });
        assert_eq!(policy(SqlType::Int, crate::model::Unfit::Truncate), [rs::COLUMN_POLICY.code]);
        assert!(policy(SqlType::Xml, crate::model::Unfit::Super).is_empty());
        assert_eq!(refused(column("x", 2, SqlType::DateTime2 { scale: 7 }, Some(2))), [rs::KEY_COLUMN.code]);
        assert!(refused(column("x", 2, SqlType::DateTime2 { scale: 7 }, None)).is_empty());
        let no_key = TableShape::new(vec![column("x", 1, SqlType::Int, None)]);
        assert_eq!(codes(&[("dbo", "t", no_key)]), [rs::KEY_COLUMN.code]);
    }

    #[test]
    fn staging_counts_its_own_columns() {
        let wide = |plain: i32, large: i32| {
            let columns = (0..plain + large).map(|at| {
                let sql_type = if at < plain { SqlType::Int } else { SqlType::NVarCharMax };
                column(&format!("c{at}"), at + 2, sql_type, None)
            });
            codes(&[("dbo", "t", keyed(columns))])
        };
        // 3 + the key + 1594 + 1 large with its flag = 1600
        assert!(wide(1594, 1).is_empty());
        assert_eq!(wide(1595, 1), [rs::TOO_WIDE.code]);
    }

    #[test]
    fn every_lossy_column_is_told() {
        let shape = keyed([
            column("at", 2, SqlType::DateTimeOffset { scale: 7 }, None),
            column("notes", 3, SqlType::NVarCharMax, None),
            column("name", 4, SqlType::NVarChar { length: 50 }, None),
        ]);
        let told: Vec<_> = lossy(&shape).into_iter().map(|lossy| (lossy.column, lossy.to)).collect();
        let pair = |column: &str, to: &str| (column.to_owned(), to.to_owned());
        assert_eq!(told, [pair("at", "TIMESTAMPTZ"), pair("at", "TIMESTAMPTZ"), pair("notes", "VARCHAR(65535)")]);
    }
}
