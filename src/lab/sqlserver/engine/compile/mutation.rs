//! Which rows an UPDATE or DELETE means, and their new values.

use super::super::catalog::same_name;
use super::super::parse::Rows;
use super::from::Name;
use super::{Compiled, Compiler, Output, Result, Scope, output_name, push};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;
use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart};

impl Compiler<'_> {
    /// A query of the hidden key of every row meant, then of the expressions for it; and the
    /// object id of the table.
    pub fn mutation(&mut self, target: &[String], rows: &Rows, set: &[&Expr]) -> Result<(Compiled, i32)> {
        let mut scope = Scope::default();
        let mut from = self.from(&rows.from, &mut scope)?;
        let name = Name::of_parts(target, &self.context.call.database.name)?;
        let meant = self.context.catalogue.table(&name.schema, &name.name).map(|t| t.object_id);
        let by_alias = |s: &Scope<'_>| {
            let single = target.len() == 1;
            let named = s.tables.iter().position(|t| single && same_name(&t.name, &name.name));
            named.or_else(|| s.tables.iter().position(|t| t.row.as_ref().is_some_and(|(_, id)| Some(*id) == meant)))
        };
        let at = if let Some(at) = by_alias(&scope) {
            at
        } else {
            let parts = target.iter().map(|p| ObjectNamePart::Identifier(Ident::new(p))).collect();
            let (sql, table) = self.table(&ObjectName(parts), None)?;
            from = format!("{from} JOIN {sql}");
            scope.tables.push(table);
            scope.tables.len() - 1
        };
        let (row, object_id) = scope.tables[at].row.clone().ok_or_else(|| {
            Message::error(4406, format!("Update or insert of view or function '{}' failed because it is not a table.", name.shown))
        })?;
        if let Some(table) = self.context.catalogue.table_by_id(object_id) {
            self.context.call.rights.require(if set.is_empty() { "DELETE" } else { "UPDATE" }, &table.schema, &table.name)?;
        }
        let mut sql = format!("SELECT {row} AS c1");
        let mut columns = vec![Output { name: String::new(), data_type: DataType::BigInt, nullable: false, collation: None }];
        for (i, expr) in set.iter().enumerate() {
            let value = self.expr(expr, &scope)?;
            push(&mut sql, format_args!(", {} AS {}", value.sql, output_name(i + 1)));
            columns.push(Output { name: String::new(), data_type: value.data_type, nullable: value.nullable, collation: None });
        }
        push(&mut sql, format_args!(" FROM {from}"));
        if let Some(condition) = &rows.condition {
            push(&mut sql, format_args!(" WHERE {}", self.predicate(condition, &scope)?));
        }
        if let Some(top) = &rows.top {
            push(&mut sql, format_args!(" LIMIT {}", self.row_count(top, &Scope::default())?));
        }
        Ok((Compiled { sql, columns, assigns: vec![] }, object_id))
    }
}
