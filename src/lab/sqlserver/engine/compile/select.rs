//! One SELECT.

use super::super::catalog::same_name;
use super::super::value::rank;
use super::query::Limit;
use super::{Compiled, Compiler, Output, Result, Scope, Typed, not_supported, output_name, push, sortable};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;
use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, GroupByExpr, OrderByExpr, Select, SelectItem, SelectItemQualifiedWildcardKind, TopQuantity, Value,
};

/// A column of the select list before it is written.
struct Item<'e> {
    expr: Option<&'e Expr>,
    name: String,
    value: Typed,
}

impl Compiler<'_> {
    pub(super) fn select(&mut self, select: &Select, order: &[OrderByExpr], limit: Limit, parent: Option<&Scope<'_>>) -> Result<Compiled> {
        if select.into.is_some() {
            return Err(not_supported("SELECT … INTO"));
        }
        let mut scope = Scope { tables: vec![], parent };
        let masked = self.masked;
        let from = self.from(&select.from, &mut scope)?;
        self.masked = masked;
        let mut assigns = vec![];
        let mut items = vec![];
        for item in &select.projection {
            self.item(item, &scope, &mut items, &mut assigns)?;
        }
        // What conditions read is not seen.
        let masked = self.masked;
        if !assigns.is_empty() && assigns.len() != items.len() {
            return Err(Message::error(
                141,
                "A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.",
            ));
        }
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return Err(not_supported("DISTINCT ON")),
        };
        let mut sql = String::from(if distinct { "SELECT DISTINCT " } else { "SELECT " });
        for (i, item) in items.iter().enumerate() {
            let value = if distinct && rank::is_text(&item.value.data_type) { sortable(&item.value) } else { item.value.sql.clone() };
            let comma = if i > 0 { ", " } else { "" };
            push(&mut sql, format_args!("{comma}{value} AS {}", output_name(i)));
        }
        if !from.is_empty() {
            push(&mut sql, format_args!(" FROM {from}"));
        }
        if let Some(condition) = &select.selection {
            push(&mut sql, format_args!(" WHERE {}", self.predicate(condition, &scope)?));
        }
        match &select.group_by {
            GroupByExpr::Expressions(list, modifiers) if modifiers.is_empty() => {
                let list = list.iter().map(|e| self.expr(e, &scope).map(|v| sortable(&v))).collect::<Result<Vec<_>>>()?;
                if !list.is_empty() {
                    push(&mut sql, format_args!(" GROUP BY {}", list.join(", ")));
                }
            }
            _ => return Err(not_supported("This form of GROUP BY")),
        }
        if let Some(condition) = &select.having {
            push(&mut sql, format_args!(" HAVING {}", self.predicate(condition, &scope)?));
        }
        let order = self.order_by(order, &items, &scope)?;
        if !order.is_empty() {
            push(&mut sql, format_args!(" ORDER BY {order}"));
        }
        let limit = match &select.top {
            None => limit,
            Some(top) if top.percent || top.with_ties => return Err(not_supported("TOP … PERCENT or WITH TIES")),
            Some(top) => {
                let rows = match &top.quantity {
                    Some(TopQuantity::Constant(n)) => n.to_string(),
                    Some(TopQuantity::Expr(e)) => self.row_count(e, &scope)?,
                    None => return Err(super::syntax("TOP")),
                };
                Limit { rows: Some(rows), offset: None }
            }
        };
        sql.push_str(&limit.sql());
        self.masked = masked;
        let columns = items
            .into_iter()
            .map(|i| Output { name: i.name, data_type: i.value.data_type, nullable: i.value.nullable, collation: i.value.collation })
            .collect();
        Ok(Compiled { sql, columns, assigns })
    }

    /// A number of rows for LIMIT and OFFSET.
    pub(super) fn row_count(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<String> {
        let value = super::converted(self.expr(expr, scope)?, &DataType::BigInt)?;
        Ok(format!("max(0, {})", value.sql))
    }

    fn item<'e>(&mut self, item: &'e SelectItem, scope: &Scope<'_>, items: &mut Vec<Item<'e>>, assigns: &mut Vec<String>) -> Result<()> {
        let (expr, name) = match item {
            SelectItem::Wildcard(_) => {
                if scope.tables.is_empty() {
                    return Err(Message { class: 15, ..Message::error(263, "Must specify table to select from.") });
                }
                scope.tables.iter().try_for_each(|t| self.expand(t, items))?;
                return Ok(());
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let last = name.0.last().and_then(|p| p.as_ident()).map(|i| i.value.clone()).unwrap_or_default();
                let table = scope.tables.iter().find(|t| same_name(&t.name, &last));
                self.expand(
                    table.ok_or_else(|| {
                        Message::error(
                            107,
                            format!("The column prefix '{last}' does not match with a table name or alias name used in the query."),
                        )
                    })?,
                    items,
                )?;
                return Ok(());
            }
            SelectItem::UnnamedExpr(Expr::BinaryOp { left, op: BinaryOperator::Eq, right }) => match left.as_ref() {
                Expr::Identifier(name) if name.value.starts_with('@') => {
                    assigns.push(name.value.to_lowercase());
                    (right.as_ref(), String::new())
                }
                Expr::Identifier(name) => (right.as_ref(), name.value.clone()),
                _ => return Err(super::syntax("=")),
            },
            SelectItem::UnnamedExpr(expr) => (expr, implied_name(expr)),
            SelectItem::ExprWithAlias { expr, alias } if alias.value.starts_with('@') && alias.quote_style.is_none() => {
                assigns.push(alias.value.to_lowercase());
                (expr, String::new())
            }
            SelectItem::ExprWithAlias { expr, alias } => (expr, alias.value.clone()),
            other => return Err(super::syntax(&other.to_string())),
        };
        // The catalogue's spelling of a column wins over the query's.
        let value = self.output(|this| this.expr(expr, scope))?;
        items.push(Item { expr: Some(expr), name, value });
        Ok(())
    }

    fn order_by(&mut self, order: &[OrderByExpr], items: &[Item<'_>], scope: &Scope<'_>) -> Result<String> {
        let mut out = vec![];
        for term in order {
            let by_position = match &term.expr {
                Expr::Value(v) => match &v.value {
                    Value::Number(n, _) => Some(n.parse::<usize>().ok().filter(|n| (1..=items.len()).contains(n)).ok_or_else(|| {
                        Message::error(
                            108,
                            format!("The ORDER BY position number {n} is out of range of the number of items in the select list."),
                        )
                    })?),
                    _ => None,
                },
                Expr::Identifier(name) => items.iter().position(|i| same_name(&i.name, &name.value)).map(|p| p + 1),
                other => items.iter().position(|i| i.expr == Some(other)).map(|p| p + 1),
            };
            let sql = match by_position {
                Some(n) => sortable(&Typed { sql: output_name(n - 1), ..items[n - 1].value.clone() }),
                None => sortable(&self.expr(&term.expr, scope)?),
            };
            out.push(format!("{sql}{}", super::window::direction(term)));
        }
        Ok(out.join(", "))
    }

    fn expand(&mut self, table: &super::ScopeTable, items: &mut Vec<Item<'_>>) -> Result<()> {
        for c in &table.columns {
            let value = self.output(|this| this.column(table, c))?;
            items.push(Item { expr: None, name: c.name.clone(), value });
        }
        Ok(())
    }
}

/// The name of a column without alias: that of the column it shows, else none.
fn implied_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) if !name.value.starts_with('@') => name.value.clone(),
        Expr::CompoundIdentifier(names) => names.last().map(|n| n.value.clone()).unwrap_or_default(),
        _ => String::new(),
    }
}
