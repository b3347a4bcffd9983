//! Computed columns: what their expressions are worth, and their values in a query.

use super::super::catalog::{Column, ROWID, Table};
use super::super::parse;
use super::from::columns_in_scope;
use super::{Compiled, Compiler, Output, Result, Scope, ScopeColumn, ScopeTable, Typed};
use crate::lab::sqlserver::session::Message;
use sqlparser::ast::Expr;

/// The table's name in the SQL of [`Compiler::over_row`].
const ROW: &str = "a1";

impl Compiler<'_> {
    /// A column of a table in scope; a computed one by its expression over the row.
    pub(super) fn column(&mut self, table: &ScopeTable, column: &ScopeColumn) -> Result<Typed> {
        table.require(&column.name)?;
        self.masked |= column.masked;
        let found = Typed {
            sql: column.sql.clone(),
            data_type: column.data_type.clone(),
            nullable: column.nullable,
            literal: None,
            collation: column.collation,
        };
        let Some(expression) = &column.computed else { return Ok(found) };
        // What it is made of must be open too: no document says so, nor that it need not be.
        let row = Scope { tables: vec![table.clone()], parent: None };
        let value = self.expr(&parse::expression(expression)?, &row)?;
        // A row that an outer join made up has no values, whatever the expression makes of NULLs.
        let sql = match &table.row {
            Some((row, _)) => format!("(CASE WHEN {row} IS NOT NULL THEN {} END)", value.sql),
            None => value.sql,
        };
        Ok(Typed { sql, ..found })
    }

    /// An expression over a row of a table, as the definition of a computed column has it; to name
    /// one of the `closed` columns is the error that stands with it.
    pub fn over_row(&mut self, table: &str, columns: &[Column], closed: Vec<(String, Message)>, expr: &Expr) -> Result<Compiled> {
        let row = ScopeTable { name: table.into(), schema: None, columns: columns_in_scope(ROW, columns), row: None, closed };
        let value = self.expr(expr, &Scope { tables: vec![row], parent: None })?;
        let column = Output { name: String::new(), data_type: value.data_type, nullable: value.nullable, collation: value.collation };
        Ok(Compiled { sql: value.sql, columns: vec![column], assigns: vec![] })
    }
}

/// A query of expressions of [`Compiler::over_row`] for the rows whose hidden keys lie between `?1` and `?2`.
#[must_use]
pub fn over_rows(table: &Table, expressions: &[String]) -> String {
    format!("SELECT {} FROM {} AS {ROW} WHERE {ROW}.{ROWID} BETWEEN ?1 AND ?2", expressions.join(", "), table.sql_name())
}
