//! `c AS expression [PERSISTED [NOT NULL]]` in CREATE TABLE and ALTER TABLE … ADD.

use super::cursor::{Cursor, Result};
use super::ddl::unsupported;
use crate::lab::sqlserver::engine::catalog::{Column, Computed};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;
use sqlparser::ast::Expr;
use sqlparser::tokenizer::Token;

/// Calls that read more than one row.
const AGGREGATES: &[&str] = &["COUNT", "COUNT_BIG", "SUM", "AVG", "MIN", "MAX", "STRING_AGG"];

/// Behind AS. The type is left open: it is that of the expression over the columns of the table.
pub(super) fn column(c: &mut Cursor<'_>, name: &str) -> Result<Column> {
    let start = c.at;
    let expr = c.expr()?;
    of_one_row(c, start, name)?;
    let text = c.source(start, c.at);
    let expression = if matches!(expr, Expr::Nested(_)) { text } else { format!("({text})") };
    let persisted = c.eat("PERSISTED");
    let not_null = c.eat("NOT");
    if not_null {
        c.expect("NULL")?;
    }
    // sqlparser takes a NOT NULL right behind an expression for a test.
    let tested = matches!(expr, Expr::IsNotNull(_)) && !c.is_at(c.at.saturating_sub(3), "IS");
    if tested || not_null && !persisted {
        return Err(Message::error(
            8183,
            "Only UNIQUE or PRIMARY KEY constraints can be created on computed columns, while CHECK, FOREIGN KEY, and NOT NULL constraints require that computed columns be persisted.",
        ));
    }
    if ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "REFERENCES"].iter().any(|word| c.is(word)) {
        return Err(unsupported(c, &format!("A constraint of the computed column '{name}'")));
    }
    Ok(Column { computed: Some(Computed { expression, persisted }), ..Column::new(name, DataType::Int, !not_null) })
}

/// The expression takes its values from the row alone.
fn of_one_row(c: &Cursor<'_>, start: usize, name: &str) -> Result<()> {
    for at in start..c.at {
        let Some(word) = c.word_at(at) else { continue };
        let called = c.token_at(at + 1) == &Token::LParen;
        match word.as_str() {
            "SELECT" => {
                let text = "Subqueries are not allowed in this context. Only scalar expressions are allowed.";
                return Err(Message { class: 15, line: c.line(), ..Message::error(1046, text) });
            }
            "COLLATE" => return Err(unsupported(c, &format!("COLLATE in the computed column '{name}'"))),
            "OVER" => return Err(unsupported(c, &format!("OVER in the computed column '{name}'"))),
            word if called && AGGREGATES.contains(&word) => {
                return Err(unsupported(c, &format!("The aggregate {word} in the computed column '{name}'")));
            }
            _ => {}
        }
    }
    Ok(())
}
