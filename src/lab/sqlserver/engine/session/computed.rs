//! Computed columns: their definitions, and the values that a persisted one must have.

use super::super::catalog::{Column, Computed, Table};
use super::super::compile::computed::over_rows;
use super::super::compile::{Compiled, Param, Plan};
use super::super::{collation, parse};
use super::insert::stored_value;
use super::{EngineSession, Run};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};
use rusqlite::types::ValueRef;
use std::ops::RangeInclusive;

/// What stands in the translation of a function whose answer is not a matter of its arguments:
/// a new id, or a look into the catalogue.
const NOT_DETERMINISTIC: &[&str] = &["lab_newid()", "__lab_"];

/// All rows of a table, by their hidden keys.
pub(super) const ALL_ROWS: RangeInclusive<i64> = i64::MIN..=i64::MAX;

impl EngineSession {
    /// Columns with what the expressions of the computed ones say: type, nullability, collation.
    pub(super) fn define_computed(&self, verb: &str, table: &str, columns: &[Column]) -> Run<Vec<Column>> {
        let define = |column: &Column| match &column.computed {
            None => Ok(column.clone()),
            Some(computed) => self.defined(verb, table, columns, column, computed),
        };
        columns.iter().map(define).collect()
    }

    fn defined(&self, verb: &str, table: &str, columns: &[Column], column: &Column, computed: &Computed) -> Run<Column> {
        let closed = columns.iter().filter(|c| !c.is_stored()).map(|c| {
            let text =
                format!("Computed column '{}' in table '{table}' is not allowed to be used in another computed-column definition.", c.name);
            (c.name.clone(), Message::error(1759, text))
        });
        let plan = self.over_row(table, columns, closed.collect(), computed)?;
        if plan.params.iter().any(|param| matches!(param, Param::Variable(_))) {
            let text = format!("Variables are not allowed in the {verb} statement.");
            return Err(Message { class: 15, ..Message::error(112, text) }.into());
        }
        let deterministic = plan.params.is_empty() && !NOT_DETERMINISTIC.iter().any(|mark| plan.query.sql.contains(mark));
        if computed.persisted && !deterministic {
            let text = format!(
                "Computed column '{}' in table '{table}' cannot be persisted because the column is non-deterministic.",
                column.name
            );
            return Err(Message::error(4936, text).into());
        }
        let found = &plan.query.columns[0];
        if found.data_type == DataType::RowVersion {
            let text = format!("The computed column '{}' of type timestamp is not supported in this version of SQL Server.", column.name);
            return Err(Message::error(40510, text).into());
        }
        // Implicit, from the first column that the text comes from.
        let named = |c: &&Column| c.is_text() && self.reads(table, columns, computed, &c.name).unwrap_or(false);
        let same = |name: &&str| Some(collation::sqlite_name(name)) == found.collation;
        let collation = columns.iter().filter(named).filter_map(|c| c.collation.as_deref()).find(same).map(str::to_owned);
        let nullable = column.nullable && found.nullable;
        Ok(Column { data_type: found.data_type.clone(), nullable, collation, ..column.clone() })
    }

    fn over_row(&self, table: &str, columns: &[Column], closed: Vec<(String, Message)>, computed: &Computed) -> Result<Plan, Message> {
        let expr = parse::expression(&computed.expression)?;
        self.translate(|mut c| {
            let query = c.over_row(table, columns, closed, &expr)?;
            Ok(c.plan(query))
        })
    }

    /// Whether the expression names a column: then it cannot do without it.
    fn reads(&self, table: &str, columns: &[Column], computed: &Computed, name: &str) -> Result<bool, Message> {
        const CLOSED: i32 = -1;
        match self.over_row(table, columns, vec![(name.to_owned(), Message::error(CLOSED, ""))], computed) {
            Ok(_) => Ok(false),
            Err(message) if message.number == CLOSED => Ok(true),
            Err(message) => Err(message),
        }
    }

    /// 4922 when a computed column reads the column that `change` (`DROP COLUMN`) would take.
    pub(super) fn keep_for_computed(&self, table: &Table, column: &Column, change: &str) -> Run<()> {
        for computed in table.columns.iter().filter_map(|c| c.computed.as_ref()) {
            if self.reads(&table.name, &table.columns, computed, &column.name)? {
                let text = format!("ALTER TABLE {change} {} failed because one or more objects access this column.", column.name);
                return Err(Message::error(4922, text).into());
            }
        }
        Ok(())
    }

    /// The check that rows want when they are written; `None`: the table persists nothing.
    pub(super) fn persisted(&self, table: &Table) -> Run<Option<Persisted>> {
        let (mut columns, mut expressions) = (vec![], vec![]);
        for (at, column) in table.columns.iter().enumerate() {
            let Some(computed) = column.computed.as_ref().filter(|computed| computed.persisted) else { continue };
            let Compiled { sql, .. } = self.over_row(&table.name, &table.columns, Vec::new(), computed)?.query;
            columns.push(at);
            expressions.push(sql);
        }
        Ok((!columns.is_empty()).then(|| Persisted { columns, sql: over_rows(table, &expressions) }))
    }
}

/// A persisted value is computed when its row is written: so what it cannot be is an error then.
pub(super) struct Persisted {
    /// By their places in the table.
    columns: Vec<usize>,
    sql: String,
}

impl Persisted {
    /// `verb` is for 515.
    pub(super) fn check(&self, session: &EngineSession, table: &Table, rows: &RangeInclusive<i64>, verb: &str) -> Run<()> {
        let mut statement = session.conn.prepare_cached(&self.sql)?;
        let mut rows = statement.query([rows.start(), rows.end()])?;
        while let Some(row) = rows.next()? {
            for (i, at) in self.columns.iter().enumerate() {
                if row.get_ref(i)? == ValueRef::Null {
                    stored_value(table, &table.columns[*at], &DataType::Int, &Datum::Null, verb)?;
                }
            }
        }
        Ok(())
    }
}
