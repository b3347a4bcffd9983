//! Queries: WITH, set operations, VALUES, ORDER BY, OFFSET and FETCH.

use super::super::catalog::same_name;
use super::super::value::rank;
use super::{Compiled, Compiler, Output, Result, Scope, Typed, converted, not_supported, output_name, push, sortable};
use crate::lab::sqlserver::session::Message;
use sqlparser::ast::{Cte, Expr, LimitClause, OrderByExpr, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier, Value};

/// TOP, or OFFSET and FETCH, as SQL of numbers.
#[derive(Clone, Default, Debug)]
pub(super) struct Limit {
    pub rows: Option<String>,
    pub offset: Option<String>,
}

impl Limit {
    pub(super) fn sql(&self) -> String {
        match (&self.rows, &self.offset) {
            (None, None) => String::new(),
            (rows, None) => format!(" LIMIT {}", rows.as_deref().unwrap_or("-1")),
            (rows, Some(offset)) => format!(" LIMIT {} OFFSET {offset}", rows.as_deref().unwrap_or("-1")),
        }
    }
}

impl Compiler<'_> {
    /// A query; `parent` is what a correlated subquery sees.
    pub fn query(&mut self, query: &Query, parent: Option<&Scope<'_>>) -> Result<Compiled> {
        if query.for_clause.is_some() {
            return Err(not_supported("FOR XML, FOR JSON and FOR BROWSE"));
        }
        let visible = self.ctes.len();
        let mut with = vec![];
        for cte in query.with.iter().flat_map(|w| &w.cte_tables) {
            with.push(self.cte(cte)?);
        }
        let order: &[OrderByExpr] = match query.order_by.as_ref().map(|o| &o.kind) {
            None => &[],
            Some(OrderByKind::Expressions(list)) => list,
            Some(OrderByKind::All(_)) => return Err(super::syntax("ALL")),
        };
        let limit = self.limit(query)?;
        let mut compiled = match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select, order, limit, parent)?,
            body => {
                let mut compiled = self.body(body, parent)?;
                let terms = order.iter().map(|o| order_by_output(o, &compiled.columns)).collect::<Result<Vec<_>>>()?;
                if !terms.is_empty() {
                    push(&mut compiled.sql, format_args!(" ORDER BY {}", terms.join(", ")));
                }
                compiled.sql.push_str(&limit.sql());
                compiled
            }
        };
        self.ctes.truncate(visible);
        if !with.is_empty() {
            compiled.sql = format!("WITH RECURSIVE {} {}", with.join(", "), compiled.sql);
        }
        Ok(compiled)
    }

    fn limit(&mut self, query: &Query) -> Result<Limit> {
        let none = Scope::default();
        let offset = match &query.limit_clause {
            None => None,
            Some(LimitClause::LimitOffset { limit: None, offset, .. }) => offset.as_ref(),
            Some(_) => return Err(super::syntax("LIMIT")),
        };
        let offset = offset.map(|o| self.row_count(&o.value, &none)).transpose()?;
        let rows = match &query.fetch {
            None => None,
            Some(fetch) if fetch.percent || fetch.with_ties => return Err(super::syntax("FETCH")),
            Some(fetch) => fetch.quantity.as_ref().map(|q| self.row_count(q, &none)).transpose()?,
        };
        Ok(Limit { rows, offset })
    }

    fn cte(&mut self, cte: &Cte) -> Result<String> {
        let name = cte.alias.name.value.clone();
        let sql_name = format!("w{}", self.alias());
        let renamed = |mut columns: Vec<Output>| -> Result<Vec<Output>> {
            if !cte.alias.columns.is_empty() {
                if cte.alias.columns.len() != columns.len() {
                    return Err(Message::error(8159, format!("'{name}' has a different number of columns than its column list.")));
                }
                for (column, alias) in columns.iter_mut().zip(&cte.alias.columns) {
                    column.name.clone_from(&alias.name.value);
                }
            }
            Ok(columns)
        };
        // A recursive one is known to itself by the columns of its first branch.
        let recursive = match cte.query.body.as_ref() {
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier: SetQuantifier::All, right }
                if right.to_string().to_lowercase().contains(&name.to_lowercase()) =>
            {
                Some(left)
            }
            _ => None,
        };
        let compiled = if let Some(anchor) = recursive {
            let first = self.body(anchor, None)?;
            let columns = renamed(first.columns)?;
            self.ctes.push((name.clone(), sql_name.clone(), columns));
            let whole = self.query(&cte.query, None);
            self.ctes.pop();
            whole?
        } else {
            self.query(&cte.query, None)?
        };
        let names: Vec<String> = (0..compiled.columns.len()).map(output_name).collect();
        let columns = renamed(compiled.columns)?;
        self.ctes.push((name.clone(), sql_name.clone(), columns));
        Ok(format!("{sql_name} ({}) AS ({})", names.join(", "), compiled.sql))
    }

    fn body(&mut self, body: &SetExpr, parent: Option<&Scope<'_>>) -> Result<Compiled> {
        match body {
            SetExpr::Select(select) => self.select(select, &[], Limit::default(), parent),
            SetExpr::Query(query) => {
                let inner = self.query(query, parent)?;
                Ok(Compiled { sql: format!("SELECT * FROM ({})", inner.sql), ..inner })
            }
            SetExpr::Values(values) => {
                let rows: Vec<&[Expr]> = values.rows.iter().map(|r| r.content.as_slice()).collect();
                self.values(&rows, parent)
            }
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let (left, right) = (self.body(left, parent)?, self.body(right, parent)?);
                let all = matches!(set_quantifier, SetQuantifier::All);
                let word = match (op, all) {
                    (SetOperator::Union, true) => "UNION ALL",
                    (SetOperator::Union, false) => "UNION",
                    (SetOperator::Except, false) => "EXCEPT",
                    (SetOperator::Intersect, false) => "INTERSECT",
                    _ => return Err(super::syntax("ALL")),
                };
                set_operation(&left, word, &right)
            }
            other => Err(not_supported(&format!("'{other}'"))),
        }
    }

    /// Rows of expressions as a query.
    pub(super) fn values(&mut self, rows: &[&[Expr]], parent: Option<&Scope<'_>>) -> Result<Compiled> {
        let none = Scope::default();
        let scope = parent.unwrap_or(&none);
        let width = rows.first().map_or(0, |r| r.len());
        let mut by_column: Vec<Vec<Typed>> = vec![vec![]; width];
        for row in rows {
            if row.len() != width {
                return Err(Message::error(10709, "The number of columns for each row in a table value constructor must be the same."));
            }
            for (column, e) in by_column.iter_mut().zip(*row) {
                column.push(self.expr(e, scope)?);
            }
        }
        let mut columns = vec![];
        let mut cells: Vec<Vec<String>> = vec![vec![]; rows.len()];
        for column in by_column {
            let (data_type, values) = super::expr::unified(column)?;
            for (row, value) in cells.iter_mut().zip(values) {
                row.push(value.sql);
            }
            columns.push(Output { name: String::new(), data_type, nullable: true, collation: None });
        }
        let selects: Vec<String> = cells
            .iter()
            .map(|row| {
                let list: Vec<String> = row.iter().enumerate().map(|(i, sql)| format!("{sql} AS {}", output_name(i))).collect();
                format!("SELECT {}", list.join(", "))
            })
            .collect();
        Ok(Compiled { sql: selects.join(" UNION ALL "), columns, assigns: vec![] })
    }
}

/// Both sides brought to common types; text is told apart by its collation.
fn set_operation(left: &Compiled, word: &str, right: &Compiled) -> Result<Compiled> {
    if left.columns.len() != right.columns.len() {
        return Err(Message::error(
            205,
            "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.",
        ));
    }
    let mut columns = vec![];
    for (a, b) in left.columns.iter().zip(&right.columns) {
        let data_type = rank::common(&a.data_type, &b.data_type);
        columns.push(Output {
            name: a.name.clone(),
            data_type,
            nullable: a.nullable || b.nullable,
            collation: a.collation.or(b.collation),
        });
    }
    let side = |of: &Compiled| -> Result<String> {
        let mut list = vec![];
        for (i, (from, to)) in of.columns.iter().zip(&columns).enumerate() {
            let value = Typed { collation: to.collation, ..Typed::new(output_name(i), from.data_type.clone()) };
            let value = converted(value, &to.data_type)?;
            let sql = if rank::is_text(&to.data_type) { sortable(&value) } else { value.sql };
            list.push(format!("{sql} AS {}", output_name(i)));
        }
        Ok(format!("SELECT {} FROM ({})", list.join(", "), of.sql))
    };
    Ok(Compiled { sql: format!("{} {word} {}", side(left)?, side(right)?), columns, assigns: vec![] })
}

fn order_by_output(term: &OrderByExpr, columns: &[Output]) -> Result<String> {
    let position = match &term.expr {
        Expr::Identifier(name) => columns.iter().position(|c| same_name(&c.name, &name.value)),
        Expr::Value(v) => match &v.value {
            Value::Number(n, _) => n.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < columns.len()),
            _ => None,
        },
        _ => None,
    };
    let at = position.ok_or_else(|| {
        Message::error(
            104,
            "ORDER BY items must appear in the select list if the statement contains a UNION, INTERSECT or EXCEPT operator.",
        )
    })?;
    let value = Typed { collation: columns[at].collation, ..Typed::new(output_name(at), columns[at].data_type.clone()) };
    Ok(format!("{}{}", sortable(&value), super::window::direction(term)))
}
