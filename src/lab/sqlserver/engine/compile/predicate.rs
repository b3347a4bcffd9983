//! Conditions.

use super::super::value::rank;
use super::{Compiler, Result, Scope, Typed, collate, converted, not_supported, sortable};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

/// The comparison operator in SQLite's spelling.
pub(super) fn comparison(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Eq => "=",
        BinaryOperator::NotEq => "<>",
        BinaryOperator::Lt => "<",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Gt => ">",
        BinaryOperator::GtEq => ">=",
        _ => return None,
    })
}

impl Compiler<'_> {
    pub(super) fn predicate(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<String> {
        Ok(match expr {
            Expr::Nested(inner) => format!("({})", self.predicate(inner, scope)?),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => format!("(NOT {})", self.predicate(expr, scope)?),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => match self.keyset(left, right, scope)? {
                Some(sql) => sql,
                None => format!("({} AND {})", self.predicate(left, scope)?, self.predicate(right, scope)?),
            },
            Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
                format!("({} OR {})", self.predicate(left, scope)?, self.predicate(right, scope)?)
            }
            Expr::BinaryOp { left, op, right } if comparison(op).is_some() => {
                let (a, b) = (self.expr(left, scope)?, self.expr(right, scope)?);
                compare(a, comparison(op).unwrap_or("="), b)?
            }
            Expr::IsNull(inner) => format!("({} IS NULL)", self.expr(inner, scope)?.sql),
            Expr::IsNotNull(inner) => format!("({} IS NOT NULL)", self.expr(inner, scope)?.sql),
            Expr::Between { expr, negated, low, high } => {
                let value = self.expr(expr, scope)?;
                let (low, high) = (self.expr(low, scope)?, self.expr(high, scope)?);
                let sql = format!("({} AND {})", compare(value.clone(), ">=", low)?, compare(value, "<=", high)?);
                not(*negated, sql)
            }
            Expr::InList { expr, list, negated } => {
                let value = self.expr(expr, scope)?;
                let items = list.iter().map(|e| self.expr(e, scope)).collect::<Result<Vec<_>>>()?;
                let common = items.iter().filter(|i| !i.is_null()).fold(value.data_type.clone(), |t, i| rank::common(&t, &i.data_type));
                let value = converted(value, &common)?;
                let list = items.into_iter().map(|i| converted(i, &common).map(|c| sortable_as(&c, None))).collect::<Result<Vec<_>>>()?;
                not(*negated, format!("({} IN ({}))", sortable(&value), list.join(", ")))
            }
            Expr::InSubquery { expr, subquery, negated } => {
                let value = self.expr(expr, scope)?;
                let query = self.query(subquery, Some(scope))?;
                let [column] = query.columns.as_slice() else {
                    return Err(Message::error(
                        116,
                        "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
                    ));
                };
                let common = rank::common(&value.data_type, &column.data_type);
                let item = Typed { collation: column.collation, ..Typed::new("c1".into(), column.data_type.clone()) };
                let item = converted(item, &common)?;
                let collation = value.collation.or(column.collation);
                let value = Typed { collation, ..converted(value, &common)? };
                let query = format!("SELECT {} FROM ({})", sortable_as(&item, None), query.sql);
                not(*negated, format!("({} IN ({query}))", sortable(&value)))
            }
            Expr::Exists { subquery, negated } => {
                let query = self.query(subquery, Some(scope))?;
                not(*negated, format!("EXISTS ({})", query.sql))
            }
            Expr::Like { negated, expr, pattern, escape_char, any: false } => {
                let (value, pattern) = (self.expr(expr, scope)?, self.expr(pattern, scope)?);
                let escape = match escape_char {
                    Some(e) => self.expr(e, scope)?.sql,
                    None => "NULL".into(),
                };
                let fold = i32::from(collate(&value, &pattern) == "LAB_CI");
                let (value, pattern) = (as_text(value)?, as_text(pattern)?);
                not(*negated, format!("lab_like({}, {}, {escape}, {fold})", value.sql, pattern.sql))
            }
            Expr::IsDistinctFrom(a, b) => self.distinct(a, b, "IS NOT", scope)?,
            Expr::IsNotDistinctFrom(a, b) => self.distinct(a, b, "IS", scope)?,
            Expr::Value(v) if matches!(v.value, Value::Boolean(_)) => return Err(not_supported("A boolean literal")),
            other => {
                let shown = other.to_string();
                let message =
                    format!("An expression of non-boolean type specified in a context where a condition is expected, near '{shown}'.");
                return Err(Message { class: 15, ..Message::error(4145, message) });
            }
        })
    }

    fn distinct(&mut self, a: &Expr, b: &Expr, op: &str, scope: &Scope<'_>) -> Result<String> {
        let (a, b) = (self.expr(a, scope)?, self.expr(b, scope)?);
        compare(a, op, b)
    }
}

fn not(negated: bool, sql: String) -> String {
    if negated { format!("(NOT {sql})") } else { sql }
}

fn as_text(value: Typed) -> Result<Typed> {
    if rank::is_text(&value.data_type) { Ok(value) } else { converted(value, &DataType::NVarChar(Some(4000))) }
}

/// As [`sortable`], with COLLATE only when one is given: a second operand needs none.
fn sortable_as(value: &Typed, collation: Option<&str>) -> String {
    match (collation, &value.data_type) {
        (_, DataType::DateTimeOffset(_)) => sortable(value),
        (Some(c), t) if rank::is_text(t) => format!("{} COLLATE {c}", value.sql),
        _ => value.sql.clone(),
    }
}

/// `a op b`, both as their common type.
pub(super) fn compare(a: Typed, op: &str, b: Typed) -> Result<String> {
    let (a, b) = operands(a, b)?;
    Ok(format!("({a} {op} {b})"))
}

/// Both sides of a comparison, as their common type.
pub(super) fn operands(a: Typed, b: Typed) -> Result<(String, String)> {
    let common = match (a.is_null(), b.is_null()) {
        (true, false) => b.data_type.clone(),
        (false, true) => a.data_type.clone(),
        _ => rank::common(&a.data_type, &b.data_type),
    };
    // Padding and length do not matter to a comparison, so fixed types are not converted to.
    let common = match common {
        DataType::Char(_) | DataType::VarChar(_) => DataType::VarChar(None),
        DataType::NChar(_) | DataType::NVarChar(_) => DataType::NVarChar(None),
        DataType::Binary(_) | DataType::RowVersion => DataType::VarBinary(None),
        other => other,
    };
    let collation = rank::is_text(&common).then(|| collate(&a, &b));
    let (a, b) = (converted(a, &common)?, converted(b, &common)?);
    Ok((sortable_as(&a, collation), sortable_as(&b, None)))
}
