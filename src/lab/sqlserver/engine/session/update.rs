//! UPDATE and DELETE.
//!
//! An UPDATE reads the rows that it means, with their new values, to the end; then it writes them.
//! Rows whose unique key changes are taken out and put back as a set, so that `id = id + 1` works.

use super::super::catalog::{Index, ROWID, Table, quote};
use super::super::compile::Plan;
use super::super::extension::RowChange;
use super::super::parse::{self, Delete, Update};
use super::insert::{computed, read_row, same_key, stored_value, unique};
use super::{EngineSession, Run};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};
use rusqlite::types::Value;
use sqlparser::ast::Expr;
use std::collections::HashSet;
use std::sync::Arc;

/// A row to write: hidden key, values before and after in the order of the table's columns.
struct Changed {
    row: i64,
    change: RowChange,
}

impl EngineSession {
    fn mutation(&self, target: &[String], rows: &super::super::parse::Rows, set: &[&Expr]) -> Result<(Plan, i32), Message> {
        self.translate(|mut c| {
            let (compiled, object_id) = c.mutation(target, rows, set)?;
            Ok((c.plan(compiled), object_id))
        })
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Run<u64> {
        let (plan, object_id) = self.mutation(&delete.target, &delete.rows, &[])?;
        let table = self.table_of(object_id)?;
        self.state.begin_statement(vec![]);
        let sql = format!("DELETE FROM {} WHERE {ROWID} IN ({})", table.sql_name(), plan.query.sql);
        let values = self.param_values(&plan)?;
        let count = self.conn.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(values))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn table_of(&self, object_id: i32) -> Run<Arc<Table>> {
        Ok(self.catalogue.table_by_id(object_id).ok_or_else(|| Message::error(208, "Invalid object name."))?)
    }

    pub(super) fn update(&mut self, update: &Update) -> Run<u64> {
        let defaults: Vec<Option<Expr>> = self.set_defaults(update)?;
        let set: Vec<&Expr> = update.set.iter().zip(&defaults).map(|((_, e), d)| d.as_ref().unwrap_or(e)).collect();
        let (plan, object_id) = self.mutation(&update.target, &update.rows, &set)?;
        let table = self.table_of(object_id)?;
        let mut targets = vec![];
        for (name, _) in &update.set {
            let at = table.columns.iter().position(|c| super::super::catalog::same_name(&c.name, name));
            let at = at.ok_or_else(|| Message::error(207, format!("Invalid column name '{name}'.")))?;
            let column = &table.columns[at];
            if !column.is_stored() {
                return Err(computed(column).into());
            }
            if column.identity.is_some() {
                return Err(Message::error(8102, format!("Cannot update identity column '{}'.", column.name)).into());
            }
            if column.data_type == DataType::RowVersion {
                return Err(Message::error(272, "Cannot update a timestamp column.").into());
            }
            if targets.contains(&at) {
                return Err(Message::error(264, format!("The column name '{name}' is specified more than once in the SET clause or column list of an INSERT. A column cannot be assigned more than one value in the same clause.")).into());
            }
            targets.push(at);
        }
        let types: Vec<DataType> = plan.query.columns.iter().skip(1).map(|c| c.data_type.clone()).collect();
        let mut seen = HashSet::new();
        let mut news: Vec<(i64, Vec<Value>)> = vec![];
        self.each_row(&plan, |row| {
            let Some(Datum::Int(id)) = row.first() else { return Ok(()) };
            // A join may name a row more than once: one of the values is taken.
            if seen.insert(*id) {
                let values = targets.iter().zip(types.iter().zip(&row[1..]));
                let values = values.map(|(at, (t, v))| stored_value(&table, &table.columns[*at], t, v, "UPDATE"));
                news.push((*id, values.collect::<Result<_, _>>()?));
            }
            Ok(())
        })?;
        drop(seen);
        let touched: Vec<i32> = targets.iter().map(|at| table.columns[*at].id).collect();
        self.state.begin_statement(touched.clone());
        let rows: Vec<i64> = news.iter().map(|(row, _)| *row).collect();
        let outcome = self.write_changes(&table, &targets, &touched, news);
        self.state.set_logging(true);
        if let Some(persisted) = self.persisted(&table)?.filter(|_| outcome.is_ok()) {
            rows.iter().try_for_each(|row| persisted.check(self, &table, &(*row..=*row), "UPDATE"))?;
        }
        outcome
    }

    /// `SET c = DEFAULT` by the column's own default.
    fn set_defaults(&self, update: &Update) -> Run<Vec<Option<Expr>>> {
        let is_default = |e: &Expr| matches!(e, Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("DEFAULT"));
        let mut out = vec![];
        for (name, expr) in &update.set {
            out.push(if is_default(expr) {
                let table = self.stored_table(&update.target)?;
                let text = table.column(name).and_then(|c| c.default.clone()).unwrap_or_else(|| "NULL".into());
                Some(parse::expression(&text)?)
            } else {
                None
            });
        }
        Ok(out)
    }

    fn write_changes(&mut self, table: &Table, targets: &[usize], touched: &[i32], news: Vec<(i64, Vec<Value>)>) -> Run<u64> {
        let count = u64::try_from(news.len()).unwrap_or(0);
        let keys: Vec<&Index<i32>> = table.indexes.iter().filter(|i| i.unique && i.columns.iter().any(|c| touched.contains(c))).collect();
        if keys.is_empty() {
            for (row, values) in news {
                self.write_in_place(table, targets, row, &values)?;
            }
            return Ok(count);
        }
        let mut moved = vec![];
        let mut moves_cluster = false;
        for (row, values) in news {
            let before = read_row(self, table, row)?;
            let mut after = before.clone();
            for (at, value) in targets.iter().zip(&values) {
                after[*at] = value.clone();
            }
            let differs = |index: &Index<i32>| {
                index.columns.iter().any(|id| {
                    let at = table.columns.iter().position(|c| c.id == *id);
                    at.is_some_and(|at| !same_key(&table.columns[at], &before[at], &after[at]))
                })
            };
            if keys.iter().any(|k| differs(k)) {
                moves_cluster |= keys.iter().any(|k| k.clustered && differs(k));
                moved.push(Changed { row, change: RowChange { before, after } });
            } else {
                self.write_in_place(table, targets, row, &values)?;
            }
        }
        self.move_rows(table, touched, moved, moves_cluster)?;
        Ok(count)
    }

    fn write_in_place(&self, table: &Table, targets: &[usize], row: i64, values: &[Value]) -> Run<()> {
        let mut names: Vec<String> = targets.iter().map(|at| quote(&table.columns[*at].name)).collect();
        let mut all = values.to_vec();
        if let Some(version) = table.columns.iter().find(|c| c.data_type == DataType::RowVersion) {
            names.push(quote(&version.name));
            all.push(self.next_version());
        }
        let set: Vec<String> = names.iter().enumerate().map(|(i, n)| format!("{n} = ?{}", i + 1)).collect();
        let sql = format!("UPDATE {} SET {} WHERE {ROWID} = ?{}", table.sql_name(), set.join(", "), names.len() + 1);
        all.push(Value::Integer(row));
        let mut statement = self.conn.prepare_cached(&sql)?;
        if let Err(error) = statement.execute(rusqlite::params_from_iter(all.iter())) {
            return Err(unique(table, &read_row(self, table, row)?, &error).into());
        }
        Ok(())
    }

    fn next_version(&self) -> Value {
        Value::Blob(self.database.next_rowversion().to_be_bytes().to_vec())
    }

    /// Takes all rows out, then puts all back. A clustered key is logged as deletes and inserts by
    /// the triggers; another key as pairs, by the extensions.
    fn move_rows(&mut self, table: &Table, touched: &[i32], mut moved: Vec<Changed>, clustered: bool) -> Run<()> {
        if moved.is_empty() {
            return Ok(());
        }
        if let Some(version) = table.columns.iter().position(|c| c.data_type == DataType::RowVersion) {
            for m in &mut moved {
                m.change.after[version] = self.next_version();
            }
        }
        self.state.set_logging(clustered);
        {
            let mut take = self.conn.prepare_cached(&format!("DELETE FROM {} WHERE {ROWID} = ?1", table.sql_name()))?;
            for m in &moved {
                take.execute([m.row])?;
            }
            let names: Vec<String> = table.columns.iter().filter(|c| c.is_stored()).map(|c| quote(&c.name)).collect();
            let marks: Vec<String> = (2..names.len() + 2).map(|i| format!("?{i}")).collect();
            let sql = format!("INSERT INTO {} ({ROWID}, {}) VALUES (?1, {})", table.sql_name(), names.join(", "), marks.join(", "));
            let mut put = self.conn.prepare_cached(&sql)?;
            for m in &moved {
                let stored = m.change.after.iter().zip(&table.columns).filter(|(_, c)| c.is_stored()).map(|(value, _)| value.clone());
                let values = std::iter::once(Value::Integer(m.row)).chain(stored);
                put.execute(rusqlite::params_from_iter(values)).map_err(|e| unique(table, &m.change.after, &e))?;
            }
        }
        self.state.set_logging(true);
        if !clustered && table.tracked_by_cdc {
            let changes: Vec<RowChange> = moved.into_iter().map(|m| m.change).collect();
            for extension in self.server.extensions() {
                extension.key_update(&self.call(), table, &changes, touched)?;
            }
        }
        Ok(())
    }
}
