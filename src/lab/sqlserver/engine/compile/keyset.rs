//! Keyset predicates: `a > @a OR (a = @a AND b > @b) OR (a = @a AND b = @b AND c > @c)` says that
//! a row lies behind another. SQLite finds its place in an index only when it is written as a
//! comparison of rows, `(a, b, c) > (@a, @b, @c)`, which is the same in three-valued logic.

use super::super::value::rank;
use super::predicate::{compare, operands};
use super::{Compiler, Result, Scope};
use sqlparser::ast::{BinaryOperator, Expr};

/// The pairs of column and value, if the expression is such a chain.
fn chain(expr: &Expr) -> Option<Vec<(&Expr, &Expr)>> {
    let parts: Vec<Vec<&Expr>> = flat(expr, &BinaryOperator::Or).into_iter().map(|part| flat(part, &BinaryOperator::And)).collect();
    if parts.len() < 2 {
        return None;
    }
    let mut pairs: Vec<(&Expr, &Expr)> = Vec::new();
    for part in parts {
        let (last, before) = part.split_last()?;
        let Expr::BinaryOp { left, op: BinaryOperator::Gt, right } = last else { return None };
        let equal = |(term, (column, value)): (&&Expr, &(&Expr, &Expr))| matches!(term, Expr::BinaryOp { left, op: BinaryOperator::Eq, right } if **left == **column && **right == **value);
        if before.len() != pairs.len() || !before.iter().zip(&pairs).all(equal) {
            return None;
        }
        pairs.push((left, right));
    }
    Some(pairs)
}

/// The operands of a run of one operator, without the brackets around them.
fn flat<'a>(expr: &'a Expr, of: &BinaryOperator) -> Vec<&'a Expr> {
    match expr {
        Expr::Nested(inner) => flat(inner, of),
        Expr::BinaryOp { left, op, right } if op == of => [flat(left, of), flat(right, of)].concat(),
        other => vec![other],
    }
}

impl Compiler<'_> {
    /// A conjunction with a keyset chain in it; `None` when there is none.
    pub(super) fn keyset(&mut self, left: &Expr, right: &Expr, scope: &Scope<'_>) -> Result<Option<String>> {
        let mut all = flat(left, &BinaryOperator::And);
        all.extend(flat(right, &BinaryOperator::And));
        let Some((at, pairs)) = all.iter().enumerate().find_map(|(at, part)| Some((at, chain(part)?))) else { return Ok(None) };
        let (mut columns, mut values) = (vec![], vec![]);
        for (column, value) in &pairs {
            let (a, b) = (self.expr(column, scope)?, self.expr(value, scope)?);
            let (a, b) = operands(a, b)?;
            columns.push(a);
            values.push(b);
        }
        let mut sql = vec![format!("(({}) > ({}))", columns.join(", "), values.join(", "))];
        for (_, part) in all.iter().enumerate().filter(|(other, _)| *other != at) {
            sql.push(match part {
                // Another lower bound of the first column would be taken for the search instead.
                Expr::BinaryOp { left, op: BinaryOperator::GtEq, right } if **left == *pairs[0].0 => {
                    let (mut a, b) = (self.expr(left, scope)?, self.expr(right, scope)?);
                    if !rank::is_text(&a.data_type) {
                        a.sql = format!("+{}", a.sql);
                    }
                    compare(a, ">=", b)?
                }
                part => self.predicate(part, scope)?,
            });
        }
        Ok(Some(format!("({})", sql.join(" AND "))))
    }
}

#[cfg(test)]
mod tests {
    use super::chain;
    use sqlparser::dialect::MsSqlDialect;
    use sqlparser::parser::Parser;

    fn pairs(sql: &str) -> Option<usize> {
        let expr = Parser::new(&MsSqlDialect {}).try_with_sql(sql).unwrap().parse_expr().unwrap();
        chain(&expr).map(|pairs| pairs.len())
    }

    #[test]
    fn only_a_whole_chain_is_one() {
        assert_eq!(pairs("(a > @a OR (a = @a AND b > @b))"), Some(2));
        assert_eq!(pairs("a > @a OR (a = @a AND b > @b) OR (a = @a AND b = @b AND c > @c)"), Some(3));
        for other in [
            "a > @a",
            "a > @a OR b > @b",
            "a > @a OR (a = @x AND b > @b)",
            "a > @a OR (a = @a AND b >= @b)",
            "a > @a OR (a = @a AND b IS NOT NULL)",
            "(a = @a AND b > @b) OR a > @a",
        ] {
            assert_eq!(pairs(other), None, "{other}");
        }
    }
}
