//! EXECUTE: calls of procedures and of text.

use super::cursor::{Cursor, Result};
use super::{ArgumentValue, Body, Execute, ExecuteArgument};
use sqlparser::ast::Expr;
use sqlparser::tokenizer::Token;

pub(super) fn execute(c: &mut Cursor<'_>) -> Result<Body> {
    c.at += 1;
    if c.eat_token(&Token::LParen) {
        let text = c.expr()?;
        c.expect_token(&Token::RParen)?;
        return Ok(Body::ExecuteText(text));
    }
    let status = match c.token() {
        Token::Word(w) if w.value.starts_with('@') => {
            let name = w.value.to_lowercase();
            c.at += 1;
            c.expect_token(&Token::Eq)?;
            Some(name)
        }
        _ => None,
    };
    call(c, status)
}

pub(super) fn call(c: &mut Cursor<'_>, status: Option<String>) -> Result<Body> {
    let name = c.name()?;
    let mut arguments = vec![];
    while let Some(argument) = argument(c)? {
        arguments.push(argument);
        if !c.eat_token(&Token::Comma) {
            break;
        }
    }
    Ok(Body::Execute(Execute { status, name, arguments }))
}

fn argument(c: &mut Cursor<'_>) -> Result<Option<ExecuteArgument>> {
    let mut name = String::new();
    if let Token::Word(w) = c.token()
        && w.value.starts_with('@')
        && c.token_at(c.at + 1) == &Token::Eq
    {
        name.clone_from(&w.value);
        c.at += 2;
    }
    let value = match c.token() {
        Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("DEFAULT") => {
            c.at += 1;
            ArgumentValue::Default
        }
        Token::Word(w) if !w.value.starts_with('@') && !w.value.eq_ignore_ascii_case("NULL") => {
            // After a procedure without arguments the next statement begins.
            if name.is_empty() && w.quote_style.is_none() && super::dml::begins_statement(&w.value) {
                return Ok(None);
            }
            let word = w.value.clone();
            c.at += 1;
            ArgumentValue::Word(word)
        }
        Token::EOF | Token::SemiColon => return Ok(None),
        Token::Minus => {
            let end = c.at + 2;
            ArgumentValue::Expr(constant(c, end)?)
        }
        _ => {
            let end = c.at + 1;
            ArgumentValue::Expr(constant(c, end)?)
        }
    };
    let output = c.eat("OUTPUT") || c.eat("OUT");
    Ok(Some(ExecuteArgument { name, value, output }))
}

fn constant(c: &mut Cursor<'_>, end: usize) -> Result<Expr> {
    let tokens = c.tokens(c.at, end).to_vec();
    let expr = c.parse_piece(tokens, sqlparser::parser::Parser::parse_expr)?;
    c.at = end;
    Ok(expr)
}
