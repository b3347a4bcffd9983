//! FROM: tables, views, derived tables, functions, joins.

use super::super::catalog::{Column, ROWID, Table, same_name};
use super::super::extension::Relation;
use super::super::{collation, parse, views};
use super::{Compiler, Output, Result, Scope, ScopeColumn, ScopeTable, column_sql, not_supported, output_name, push};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};
use rusqlite::types::ValueRef;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, ObjectName, Query, SetExpr, TableAlias, TableFactor, TableWithJoins,
};

/// Table hints that change locking or the plan in SQL Server; here every statement reads what is
/// committed, so they mean nothing.
const HINTS: &[&str] = &[
    "NOLOCK",
    "READUNCOMMITTED",
    "READCOMMITTED",
    "READCOMMITTEDLOCK",
    "READPAST",
    "REPEATABLEREAD",
    "SERIALIZABLE",
    "HOLDLOCK",
    "SNAPSHOT",
    "ROWLOCK",
    "PAGLOCK",
    "TABLOCK",
    "TABLOCKX",
    "UPDLOCK",
    "XLOCK",
    "NOWAIT",
    "FORCESEEK",
    "FORCESCAN",
    "NOEXPAND",
    "INDEX",
];

/// A name of up to four parts as schema and name in the current database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// `dbo` unless written; `msdb.dbo` for another database.
    pub schema: String,
    pub name: String,
    /// Whether a schema was written.
    pub qualified: bool,
    /// As it was written, for messages.
    pub shown: String,
}

impl Name {
    /// `database` is the current one.
    pub fn of(name: &ObjectName, database: &str) -> Result<Self> {
        let parts: Vec<String> = name.0.iter().filter_map(|p| p.as_ident().map(|i| i.value.clone())).collect();
        Self::of_parts(&parts, database)
    }

    pub fn of_parts(parts: &[String], database: &str) -> Result<Self> {
        let shown = parts.join(".");
        let default = |s: &String| if s.is_empty() { "dbo".to_owned() } else { s.clone() };
        let (schema, name) = match parts {
            [name] => ("dbo".into(), name),
            [schema, name] => (default(schema), name),
            [db, schema, name] if same_name(db, database) || schema.eq_ignore_ascii_case("sys") => (default(schema), name),
            [db, schema, name] => (format!("{}.{}", db.to_lowercase(), default(schema)), name),
            _ => return Err(Message::error(7202, format!("Could not find server '{}' in sys.servers.", parts.first().map_or("", |p| p)))),
        };
        Ok(Self { schema, name: name.clone(), qualified: parts.len() > 1, shown })
    }

    #[must_use]
    pub fn invalid(&self) -> Message {
        Message::error(208, format!("Invalid object name '{}'.", self.shown))
    }
}

impl Compiler<'_> {
    pub(super) fn from(&mut self, list: &[TableWithJoins], scope: &mut Scope<'_>) -> Result<String> {
        let mut sql = String::new();
        for (i, table) in list.iter().enumerate() {
            if i > 0 {
                sql.push_str(" JOIN ");
            }
            sql.push_str(&self.joined(table, scope)?);
        }
        Ok(sql)
    }

    fn joined(&mut self, table: &TableWithJoins, scope: &mut Scope<'_>) -> Result<String> {
        let mut sql = self.factor(&table.relation, scope)?;
        let first = scope.tables.len().saturating_sub(1);
        for join in &table.joins {
            let (word, constraint, left_null, right_null) = match &join.join_operator {
                JoinOperator::Join(c) | JoinOperator::Inner(c) => ("JOIN", Some(c), false, false),
                JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => ("LEFT JOIN", Some(c), false, true),
                JoinOperator::Right(c) | JoinOperator::RightOuter(c) => ("RIGHT JOIN", Some(c), true, false),
                JoinOperator::FullOuter(c) => ("FULL JOIN", Some(c), true, true),
                JoinOperator::CrossJoin(_) => ("JOIN", None, false, false),
                JoinOperator::CrossApply => {
                    if self.applied(&join.relation, scope)? {
                        continue;
                    }
                    ("JOIN", None, false, false)
                }
                JoinOperator::OuterApply => ("LEFT JOIN", None, false, true),
                _ => return Err(not_supported("This kind of join")),
            };
            let before = scope.tables.len();
            let right = self.factor(&join.relation, scope)?;
            let nullable = |tables: &mut [ScopeTable]| tables.iter_mut().flat_map(|t| &mut t.columns).for_each(|c| c.nullable = true);
            if left_null {
                nullable(&mut scope.tables[first..before]);
            }
            if right_null {
                nullable(&mut scope.tables[before..]);
            }
            push(&mut sql, format_args!(" {word} {right}"));
            match constraint {
                None if word == "LEFT JOIN" => sql.push_str(" ON 1"),
                None => {}
                Some(JoinConstraint::On(condition)) => push(&mut sql, format_args!(" ON {}", self.predicate(condition, scope)?)),
                Some(_) => return Err(super::syntax("JOIN")),
            }
        }
        Ok(sql)
    }

    /// CROSS APPLY of one row of expressions: its columns are the expressions themselves.
    fn applied(&mut self, relation: &TableFactor, scope: &mut Scope<'_>) -> Result<bool> {
        let TableFactor::Derived { subquery, alias: Some(alias), .. } = relation else { return Ok(false) };
        let plain = subquery.order_by.is_none() && subquery.fetch.is_none() && subquery.with.is_none();
        let outputs: Vec<(String, &Expr)> = match subquery.body.as_ref() {
            SetExpr::Values(values) if plain && values.rows.len() == 1 => {
                values.rows[0].content.iter().map(|e| (String::new(), e)).collect()
            }
            SetExpr::Select(s) if plain && s.from.is_empty() && s.selection.is_none() && s.top.is_none() => {
                let mut list = vec![];
                for item in &s.projection {
                    match item {
                        sqlparser::ast::SelectItem::ExprWithAlias { expr, alias } => list.push((alias.value.clone(), expr)),
                        sqlparser::ast::SelectItem::UnnamedExpr(expr) => list.push((String::new(), expr)),
                        _ => return Ok(false),
                    }
                }
                list
            }
            _ => return Ok(false),
        };
        let mut columns = vec![];
        for (i, (name, expr)) in outputs.into_iter().enumerate() {
            self.masked = false;
            let value = self.expr(expr, scope)?;
            let name = alias.columns.get(i).map_or(name, |c| c.name.value.clone());
            columns.push(ScopeColumn {
                name,
                data_type: value.data_type,
                nullable: value.nullable,
                collation: value.collation,
                sql: value.sql,
                computed: None,
                masked: self.masked,
            });
        }
        scope.tables.push(ScopeTable { name: alias.name.value.clone(), schema: None, columns, row: None, closed: Vec::new() });
        Ok(true)
    }

    fn factor(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) -> Result<String> {
        match factor {
            TableFactor::Table { name, alias, args, with_hints, .. } => {
                check_hints(with_hints)?;
                let (sql, table) = match args {
                    Some(args) => self.table_function(name, &args.args, alias.as_ref())?,
                    None => self.table(name, alias.as_ref())?,
                };
                scope.tables.push(table);
                Ok(sql)
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let (sql, table) = self.derived(subquery, alias.as_ref())?;
                scope.tables.push(table);
                Ok(sql)
            }
            TableFactor::Function { name, args, alias, .. } => {
                let (sql, table) = self.table_function(name, args, alias.as_ref())?;
                scope.tables.push(table);
                Ok(sql)
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => Ok(format!("({})", self.joined(table_with_joins, scope)?)),
            other => Err(not_supported(&format!("'{other}' in FROM"))),
        }
    }

    fn derived(&mut self, query: &Query, alias: Option<&TableAlias>) -> Result<(String, ScopeTable)> {
        let compiled = self.query(query, None)?;
        let own = self.alias();
        let sql = format!("({}) AS {own}", compiled.sql);
        Ok((sql, outputs_in_scope(&own, &compiled.columns, alias, "")))
    }

    /// A table, view, relation or common table expression by name.
    pub(super) fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<(String, ScopeTable)> {
        if let [one] = name.0.as_slice()
            && let Some(one) = one.as_ident()
            && let Some((_, sql_name, columns)) = self.ctes.iter().rev().find(|(n, ..)| same_name(n, &one.value)).cloned()
        {
            let own = self.alias();
            return Ok((format!("{sql_name} AS {own}"), outputs_in_scope(&own, &columns, alias, &one.value)));
        }
        let name = Name::of(name, &self.context.call.database.name)?;
        let own = self.alias();
        let shown = alias.map_or_else(|| name.name.clone(), |a| a.name.value.clone());
        let schema = alias.is_none().then(|| name.schema.clone());
        let closed = self.require_select(&name)?;
        if let Some(table) = self.context.catalogue.table(&name.schema, &name.name) {
            let mut scope = ScopeTable { closed, ..stored_in_scope(&own, &table, shown, schema) };
            self.mark_masked(&table, &mut scope);
            let rows = match &table.filter {
                Some(condition) => self.behind_filter(&table, condition)?,
                None => table.sql_name(),
            };
            return Ok((format!("{rows} AS {own}"), scope));
        }
        let full = format!("{}.{}", name.schema, name.name).to_lowercase();
        let relation = if let Some(relation) = views::find(&full) {
            Some(relation)
        } else {
            self.reusable = false;
            (self.context.server_relation)(&full)
                .or_else(|| self.context.extensions.iter().find_map(|e| e.relation(self.context.call, &full)))
        };
        let relation = relation.ok_or_else(|| name.invalid())?;
        Ok(relation_in_scope(&own, &relation, shown, schema))
    }

    /// The rows of a table for which the predicate of a security policy holds, for every login. The
    /// predicate reads what is closed or masked, too.
    fn behind_filter(&mut self, table: &Table, condition: &str) -> Result<String> {
        let row = self.alias();
        let scope = Scope { tables: vec![stored_in_scope(&row, table, table.name.clone(), None)], parent: None };
        let holds = self.predicate(&parse::expression(condition)?, &scope)?;
        Ok(format!("(SELECT * FROM {} AS {row} WHERE {holds})", table.sql_name()))
    }

    /// SELECT on what is named; the catalogue views are open to everybody. Returns the columns of
    /// a table that are closed.
    fn require_select(&mut self, name: &Name) -> Result<Vec<(String, Message)>> {
        let rights = self.context.call.rights;
        if rights.is_owner() {
            return Ok(Vec::new());
        }
        // A translation that is kept would outlive a REVOKE.
        self.reusable = false;
        let (schema, relation) = (name.schema.to_lowercase(), name.name.to_lowercase());
        match schema.as_str() {
            "sys" if relation.starts_with("dm_cdc_") => rights.require_in_database("VIEW DATABASE STATE").map(|()| Vec::new()),
            "sys" if relation.starts_with("dm_server_") => Err(Message {
                class: 14,
                ..Message::error(300, "VIEW SERVER STATE permission was denied on object 'server', database 'master'.")
            }),
            "sys" | "information_schema" => Ok(Vec::new()),
            other if other.starts_with("msdb.") => {
                let text = format!(
                    "The server principal \"{}\" is not able to access the database \"msdb\" under the current security context.",
                    self.context.call.user
                );
                Err(Message { class: 14, ..Message::error(916, text) })
            }
            _ => match self.context.catalogue.table(&name.schema, &name.name) {
                Some(table) => {
                    let columns = table.columns.iter().map(|column| column.name.as_str());
                    rights.closed_columns(&name.schema, &name.name, columns)
                }
                None => rights.require("SELECT", &name.schema, &name.name).map(|()| Vec::new()),
            },
        }
    }

    fn table_function(&mut self, name: &ObjectName, args: &[FunctionArg], alias: Option<&TableAlias>) -> Result<(String, ScopeTable)> {
        self.reusable = false;
        let name = Name::of(name, &self.context.call.database.name)?;
        let full = format!("{}.{}", name.schema, name.name).to_lowercase();
        let mut values = vec![];
        for arg in args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) = arg else { return Err(super::syntax(&arg.to_string())) };
            values.push(self.evaluate(e)?);
        }
        let found = self.context.extensions.iter().find_map(|e| e.table_function(self.context.call, &full, &values));
        let relation = found.ok_or_else(|| name.invalid())??;
        let own = self.alias();
        let shown = alias.map_or_else(|| name.name.clone(), |a| a.name.value.clone());
        Ok(relation_in_scope(&own, &relation, shown, None))
    }

    /// The present value of an expression that depends on no row. NULL keeps its type.
    fn evaluate(&mut self, expr: &Expr) -> Result<(DataType, Datum)> {
        let mut compiler = Compiler::new(self.context);
        let query = compiler.scalar(expr)?;
        let plan = compiler.plan(query);
        let mut statement = self.context.call.conn.prepare(&plan.query.sql).map_err(|e| super::super::failure::message(&e))?;
        for (i, param) in plan.params.iter().enumerate() {
            statement.raw_bind_parameter(i + 1, (self.context.bind)(param)?).map_err(|e| super::super::failure::message(&e))?;
        }
        let mut rows = statement.raw_query();
        let row = rows.next().map_err(|e| super::super::failure::message(&e))?;
        let stored = row.map_or(ValueRef::Null, |r| r.get_ref(0).unwrap_or(ValueRef::Null));
        let data_type = plan.query.columns[0].data_type.clone();
        let value = super::super::codec::decode(&data_type, stored).map_err(|e| Message::error(50_000, e.to_string()))?;
        Ok((data_type, value))
    }
}

fn check_hints(hints: &[Expr]) -> Result<()> {
    for hint in hints {
        let shown = hint.to_string();
        let word = shown.split(['(', ' ', '=']).next().unwrap_or_default();
        if !HINTS.iter().any(|h| h.eq_ignore_ascii_case(word)) {
            return Err(Message { class: 15, ..Message::error(321, format!("\"{word}\" is not a recognized table hints option.")) });
        }
    }
    Ok(())
}

fn outputs_in_scope(own: &str, columns: &[Output], alias: Option<&TableAlias>, name: &str) -> ScopeTable {
    let renamed = |i: usize, name: &str| alias.and_then(|a| a.columns.get(i)).map_or_else(|| name.to_owned(), |c| c.name.value.clone());
    ScopeTable {
        name: alias.map_or_else(|| name.to_owned(), |a| a.name.value.clone()),
        schema: None,
        columns: columns
            .iter()
            .enumerate()
            .map(|(i, c)| ScopeColumn {
                name: renamed(i, &c.name),
                data_type: c.data_type.clone(),
                nullable: c.nullable,
                collation: c.collation,
                sql: format!("{own}.{}", output_name(i)),
                computed: None,
                masked: false,
            })
            .collect(),
        row: None,
        closed: Vec::new(),
    }
}

/// A stored table as a scope sees it under an alias.
pub(super) fn stored_in_scope(own: &str, table: &Table, name: String, schema: Option<String>) -> ScopeTable {
    let columns = columns_in_scope(own, &table.columns);
    ScopeTable { name, schema, columns, row: Some((format!("{own}.{ROWID}"), table.object_id)), closed: Vec::new() }
}

pub(super) fn columns_in_scope(own: &str, columns: &[Column]) -> Vec<ScopeColumn> {
    let in_scope = |c: &Column| ScopeColumn {
        name: c.name.clone(),
        data_type: c.data_type.clone(),
        nullable: c.nullable,
        collation: c.is_text().then(|| collation::sqlite_name(c.collation.as_deref().unwrap_or(collation::DEFAULT))),
        sql: column_sql(own, &c.name),
        computed: c.computed.as_ref().map(|computed| computed.expression.clone()),
        masked: false,
    };
    columns.iter().map(in_scope).collect()
}

fn relation_in_scope(own: &str, relation: &Relation, name: String, schema: Option<String>) -> (String, ScopeTable) {
    let columns = relation
        .columns
        .iter()
        .map(|c| ScopeColumn {
            name: c.name.clone(),
            data_type: c.data_type.clone(),
            nullable: c.nullable,
            collation: None,
            sql: column_sql(own, &c.name),
            computed: None,
            masked: false,
        })
        .collect();
    (format!("({}) AS {own}", relation.sql), ScopeTable { name, schema, columns, row: None, closed: Vec::new() })
}
