//! Statements of a batch, in order.

use super::super::security;
use super::cursor::{Cursor, Result};
use super::execute::{call, execute};
use super::set::set;
use super::{Body, Statement};
use crate::lab::sqlserver::engine::type_name::{self, Size};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;
use sqlparser::ast::Expr;
use sqlparser::tokenizer::Token;
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// All statements of a batch; a mistake anywhere refuses all of it.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    let mut cursor = Cursor::new(sql)?;
    let mut list = vec![];
    loop {
        while cursor.eat_token(&Token::SemiColon) {}
        if cursor.done() {
            return Ok(list);
        }
        list.push(statement(&mut cursor)?);
    }
}

fn statements_until_end(c: &mut Cursor<'_>) -> Result<Vec<Statement>> {
    let mut list = vec![];
    loop {
        while c.eat_token(&Token::SemiColon) {}
        if c.is("END") || c.done() {
            return Ok(list);
        }
        list.push(statement(c)?);
    }
}

pub(super) fn statement(c: &mut Cursor<'_>) -> Result<Statement> {
    let line = c.line();
    let body = body(c).map_err(|m| Message { line: m.line.max(line), ..m })?;
    while c.eat_token(&Token::SemiColon) {}
    Ok(Statement { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), line, body })
}

fn body(c: &mut Cursor<'_>) -> Result<Body> {
    let Some(word) = c.word_at(c.at) else {
        return if c.token() == &Token::LParen { super::dml::query(c) } else { Err(c.unexpected()) };
    };
    if security::begins(c) {
        return Ok(Body::Security(Box::new(security::parse(c)?)));
    }
    match word.as_str() {
        "SELECT" | "WITH" | "INSERT" | "UPDATE" | "DELETE" => super::dml::parse(c),
        "CREATE" | "ALTER" | "DROP" | "TRUNCATE" => super::ddl::parse(c),
        "DECLARE" => declare(c),
        "SET" => set(c),
        "IF" => {
            c.at += 1;
            let condition = c.expr()?;
            let then = Box::new(statement(c)?);
            let otherwise = if c.eat("ELSE") { Some(Box::new(statement(c)?)) } else { None };
            Ok(Body::If { condition, then, otherwise })
        }
        "WHILE" => {
            c.at += 1;
            Ok(Body::While { condition: c.expr()?, body: Box::new(statement(c)?) })
        }
        "BEGIN" => begin(c),
        "BREAK" | "CONTINUE" | "RETURN" => {
            c.at += 1;
            Ok(match word.as_str() {
                "BREAK" => Body::Break,
                "CONTINUE" => Body::Continue,
                _ => Body::Return,
            })
        }
        "PRINT" => {
            c.at += 1;
            Ok(Body::Print(c.expr()?))
        }
        "RAISERROR" => {
            c.at += 1;
            c.expect_token(&Token::LParen)?;
            let list = list(c)?;
            c.expect_token(&Token::RParen)?;
            if c.eat("WITH") {
                c.identifier()?;
                while c.eat_token(&Token::Comma) {
                    c.identifier()?;
                }
            }
            Ok(Body::Raiserror(list))
        }
        "THROW" => {
            c.at += 1;
            let bare = c.done() || matches!(c.token(), Token::SemiColon) || c.is("END");
            Ok(Body::Throw(if bare { vec![] } else { list(c)? }))
        }
        "USE" => {
            c.at += 1;
            Ok(Body::Use(c.identifier()?))
        }
        "COMMIT" | "ROLLBACK" => {
            c.at += 1;
            let named = c.eat("TRANSACTION") || c.eat("TRAN");
            c.eat("WORK");
            let name = if named { transaction_name(c) } else { None };
            Ok(if word == "COMMIT" { Body::Commit } else { Body::Rollback(name) })
        }
        "SAVE" => {
            c.at += 1;
            if !(c.eat("TRANSACTION") || c.eat("TRAN")) {
                return Err(c.unexpected());
            }
            Ok(Body::Save(c.identifier()?))
        }
        "EXEC" | "EXECUTE" => execute(c),
        _ if matches!(c.token_at(c.at + 1), Token::Period) || c.at == 0 && !KNOWN_WORDS.contains(&word.as_str()) => call(c, None),
        _ => Err(Message {
            class: 16,
            line: c.line(),
            ..Message::error(40510, format!("Statement '{word}' is not supported in this version of SQL Server."))
        }),
    }
}

/// Statements that SQL Server has and the lab lacks; any other first word is a procedure's name.
const KNOWN_WORDS: &[&str] = &[
    "MERGE",
    "WAITFOR",
    "GOTO",
    "KILL",
    "DBCC",
    "CHECKPOINT",
    "BACKUP",
    "RESTORE",
    "BULK",
    "OPEN",
    "FETCH",
    "CLOSE",
    "DEALLOCATE",
    "RECONFIGURE",
    "SHUTDOWN",
    "ENABLE",
    "DISABLE",
    "ADD",
    "READTEXT",
    "WRITETEXT",
    "REVERT",
    "VALUES",
];

fn list(c: &mut Cursor<'_>) -> Result<Vec<Expr>> {
    let mut list = vec![c.expr()?];
    while c.eat_token(&Token::Comma) {
        list.push(c.expr()?);
    }
    Ok(list)
}

fn transaction_name(c: &mut Cursor<'_>) -> Option<String> {
    const NEXT: &[&str] = &[
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "SET",
        "DECLARE",
        "IF",
        "WHILE",
        "BEGIN",
        "END",
        "ELSE",
        "PRINT",
        "EXEC",
        "EXECUTE",
        "COMMIT",
        "ROLLBACK",
        "SAVE",
        "RETURN",
        "USE",
        "WITH",
        "CREATE",
        "ALTER",
        "DROP",
        "TRUNCATE",
        "THROW",
        "RAISERROR",
        "BREAK",
        "CONTINUE",
    ];
    match c.word_at(c.at) {
        Some(word) if NEXT.contains(&word.as_str()) => None,
        _ => c.identifier().ok(),
    }
}

fn begin(c: &mut Cursor<'_>) -> Result<Body> {
    c.expect("BEGIN")?;
    if c.eat("TRANSACTION") || c.eat("TRAN") {
        return Ok(Body::BeginTransaction(transaction_name(c)));
    }
    if c.eat("TRY") {
        let body = statements_until_end(c)?;
        for word in ["END", "TRY"] {
            c.expect(word)?;
        }
        while c.eat_token(&Token::SemiColon) {}
        for word in ["BEGIN", "CATCH"] {
            c.expect(word)?;
        }
        let catch = statements_until_end(c)?;
        for word in ["END", "CATCH"] {
            c.expect(word)?;
        }
        return Ok(Body::Try { body, catch });
    }
    let list = statements_until_end(c)?;
    c.expect("END")?;
    Ok(Body::Block(list))
}

/// A declared type at the cursor; `default_length` as in [`type_name::parse`].
pub(super) fn data_type(c: &mut Cursor<'_>) -> Result<DataType> {
    let mut parts = c.name()?;
    let name = parts.pop().unwrap_or_default();
    let mut sizes = vec![];
    if c.eat_token(&Token::LParen) {
        loop {
            sizes.push(if c.eat("MAX") { Size::Max } else { Size::Number(u32::try_from(c.number()?).map_err(|_| c.unexpected())?) });
            if !c.eat_token(&Token::Comma) {
                break;
            }
        }
        c.expect_token(&Token::RParen)?;
    }
    type_name::parse(&name, &sizes, 1).map_err(|e| match e {
        type_name::TypeError::Unknown => Message::error(2715, format!("Cannot find data type {name}.")),
        type_name::TypeError::BadSize => Message::error(1002, format!("The size given to the type '{name}' is not valid.")),
    })
}

fn declare(c: &mut Cursor<'_>) -> Result<Body> {
    c.expect("DECLARE")?;
    let mut list = vec![];
    loop {
        let name = c.identifier()?;
        if !name.starts_with('@') {
            return Err(c.unexpected());
        }
        c.eat("AS");
        if c.is("TABLE") || c.is("CURSOR") {
            return Err(Message::error(40510, "A variable of type table or cursor is not supported in this version of SQL Server."));
        }
        let data_type = data_type(c)?;
        let value = if c.eat_token(&Token::Eq) { Some(c.expr()?) } else { None };
        list.push((name.to_lowercase(), data_type, value));
        if !c.eat_token(&Token::Comma) {
            return Ok(Body::Declare(list));
        }
    }
}
