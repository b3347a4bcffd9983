//! SET: variables and options.

use super::cursor::{Cursor, Result};
use super::{Body, Isolation, SetOption};
use crate::lab::sqlserver::session::Message;
use sqlparser::ast::Expr;
use sqlparser::tokenizer::Token;

/// SET options that change nothing that the lab does: they are on as the drivers set them, or
/// about plans and locks.
const IGNORED: &[&str] = &[
    "ANSI_NULLS",
    "ANSI_PADDING",
    "ANSI_WARNINGS",
    "ANSI_NULL_DFLT_ON",
    "ANSI_NULL_DFLT_OFF",
    "ANSI_DEFAULTS",
    "ARITHABORT",
    "CONCAT_NULL_YIELDS_NULL",
    "QUOTED_IDENTIFIER",
    "NUMERIC_ROUNDABORT",
    "CURSOR_CLOSE_ON_COMMIT",
    "DEADLOCK_PRIORITY",
    "TEXTSIZE",
    "LANGUAGE",
    "CONTEXT_INFO",
];

fn on_off(c: &mut Cursor<'_>) -> Result<bool> {
    if c.eat("ON") {
        Ok(true)
    } else if c.eat("OFF") {
        Ok(false)
    } else {
        Err(c.unexpected())
    }
}

pub(super) fn set(c: &mut Cursor<'_>) -> Result<Body> {
    c.expect("SET")?;
    let word = c.identifier()?;
    if word.starts_with('@') {
        let operator = match c.token() {
            Token::Eq => None,
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod => {
                let op = c.token().clone();
                c.at += 1;
                Some(op)
            }
            _ => return Err(c.unexpected()),
        };
        c.expect_token(&Token::Eq)?;
        let value = c.expr()?;
        let value = match operator {
            None => value,
            Some(op) => compound(&word, &op, value),
        };
        return Ok(Body::Assign(word.to_lowercase(), value));
    }
    let upper = word.to_ascii_uppercase();
    let option = match upper.as_str() {
        "NOCOUNT" => SetOption::NoCount(on_off(c)?),
        "XACT_ABORT" => SetOption::XactAbort(on_off(c)?),
        "IDENTITY_INSERT" => {
            let table = c.name()?;
            SetOption::IdentityInsert(table, on_off(c)?)
        }
        "LOCK_TIMEOUT" => SetOption::LockTimeout(c.number()?),
        "TRANSACTION" => SetOption::Isolation(isolation(c)?),
        "DATEFORMAT" => {
            let order = c.identifier()?;
            // Dates with the year in front read the same under both.
            if !["mdy", "ymd"].iter().any(|o| order.eq_ignore_ascii_case(o)) {
                return Err(Message::error(40510, format!("SET DATEFORMAT {order} is not supported in this version of SQL Server.")));
            }
            SetOption::Ignored
        }
        "IMPLICIT_TRANSACTIONS" => {
            if on_off(c)? {
                return Err(Message::error(40510, "SET IMPLICIT_TRANSACTIONS ON is not supported in this version of SQL Server."));
            }
            SetOption::Ignored
        }
        "ROWCOUNT" => {
            if c.number()? != 0 {
                return Err(Message::error(40510, "SET ROWCOUNT other than 0 is not supported in this version of SQL Server."));
            }
            SetOption::Ignored
        }
        _ if IGNORED.contains(&upper.as_str()) => {
            while c.eat_token(&Token::Comma) {
                c.identifier()?;
            }
            c.eat_token(&Token::Minus);
            c.at += 1;
            SetOption::Ignored
        }
        _ => return Err(Message { class: 15, ..Message::error(195, format!("'{word}' is not a recognized SET option.")) }),
    };
    Ok(Body::SetOption(option))
}

fn compound(variable: &str, op: &Token, value: Expr) -> Expr {
    use sqlparser::ast::{BinaryOperator, Ident};
    let op = match op {
        Token::Minus => BinaryOperator::Minus,
        Token::Mul => BinaryOperator::Multiply,
        Token::Div => BinaryOperator::Divide,
        Token::Mod => BinaryOperator::Modulo,
        _ => BinaryOperator::Plus,
    };
    Expr::BinaryOp { left: Box::new(Expr::Identifier(Ident::new(variable))), op, right: Box::new(Expr::Nested(Box::new(value))) }
}

fn isolation(c: &mut Cursor<'_>) -> Result<Isolation> {
    c.expect("ISOLATION")?;
    c.expect("LEVEL")?;
    Ok(match c.identifier()?.to_ascii_uppercase().as_str() {
        "SNAPSHOT" => Isolation::Snapshot,
        "SERIALIZABLE" => Isolation::Serializable,
        "REPEATABLE" => {
            c.expect("READ")?;
            Isolation::RepeatableRead
        }
        "READ" if c.eat("UNCOMMITTED") => Isolation::ReadUncommitted,
        "READ" if c.eat("COMMITTED") => Isolation::ReadCommitted,
        _ => return Err(c.unexpected()),
    })
}
