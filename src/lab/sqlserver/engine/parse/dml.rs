//! Queries and DML: cut from the batch, rewritten where sqlparser falls short, and parsed by it.

use super::cursor::{Cursor, Result};
use super::{Body, Delete, Insert, Rows, Source, Update};
use crate::lab::sqlserver::session::Message;
use sqlparser::ast::{
    AssignmentTarget, Expr, FromTable, Query, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, UpdateTableFromKind,
};
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Reserved words that begin a statement wherever they stand outside parentheses.
const STARTERS: &[&str] = &[
    "DECLARE",
    "PRINT",
    "EXEC",
    "EXECUTE",
    "WHILE",
    "IF",
    "COMMIT",
    "ROLLBACK",
    "THROW",
    "RAISERROR",
    "RETURN",
    "USE",
    "BREAK",
    "CONTINUE",
    "TRUNCATE",
    "BEGIN",
    "CREATE",
    "ALTER",
    "DROP",
    "INSERT",
    "DELETE",
    "UPDATE",
    "MERGE",
    "GRANT",
    "REVOKE",
    "DENY",
    "WAITFOR",
    "SAVE",
    "GOTO",
    "KILL",
    "DBCC",
    "CHECKPOINT",
];

/// Whether an unquoted word begins a statement.
pub(super) fn begins_statement(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    STARTERS.contains(&upper.as_str()) || matches!(upper.as_str(), "SELECT" | "SET" | "END" | "ELSE" | "WITH")
}

pub(super) fn parse(c: &mut Cursor<'_>) -> Result<Body> {
    let (start, end) = (c.at, end_of_statement(c));
    let mut verb_at = start;
    if c.is("WITH") {
        // The verb stands after the last common table expression.
        let mut depth = 0_usize;
        for at in start..end {
            match c.token_at(at) {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ if depth == 0 && ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(|w| c.is_at(at, w)) => {
                    verb_at = at;
                    break;
                }
                _ => {}
            }
        }
    }
    let verb = c.word_at(verb_at).unwrap_or_default();
    if verb == "SELECT" {
        return query(c);
    }
    if verb_at != start {
        return Err(Message::error(
            40510,
            format!("{verb} with a common table expression is not supported in this version of SQL Server."),
        ));
    }
    let mut tokens = without_option(c, start, end)?;
    let top = take_top(c, &mut tokens)?;
    let body = match verb.as_str() {
        "INSERT" => insert(c, tokens)?,
        "UPDATE" => update(c, tokens, top)?,
        _ => delete(c, tokens, top)?,
    };
    c.at = end;
    Ok(body)
}

/// A SELECT.
pub(super) fn query(c: &mut Cursor<'_>) -> Result<Body> {
    let (start, end) = (c.at, end_of_statement(c));
    let tokens = without_option(c, start, end)?;
    let query = c.parse_piece(tokens, sqlparser::parser::Parser::parse_query)?;
    c.at = end;
    Ok(Body::Select(query))
}

/// Where the statement at the cursor ends.
fn end_of_statement(c: &Cursor<'_>) -> usize {
    let (mut depth, mut cases) = (0_usize, 0_usize);
    let with = c.is("WITH");
    // The verbs that the statement may still hold outside parentheses.
    let mut selects = usize::from(c.is("SELECT") || c.is("INSERT") || with);
    let mut sets = usize::from(c.is("UPDATE"));
    let mut verb_after_with = with;
    for at in c.at..c.len() {
        match c.token_at(at) {
            Token::LParen => depth += 1,
            Token::RParen | Token::SemiColon if depth == 0 => return at,
            Token::RParen => depth -= 1,
            Token::Word(w) if w.quote_style.is_none() && depth == 0 => {
                let upper = w.value.to_ascii_uppercase();
                let dotted = at > 0 && c.token_at(at - 1) == &Token::Period;
                match upper.as_str() {
                    _ if dotted => {}
                    "CASE" => cases += 1,
                    "END" if cases > 0 => cases -= 1,
                    "ELSE" if cases > 0 => {}
                    "END" | "ELSE" => return at,
                    "SET" if sets > 0 => sets -= 1,
                    "SET" if at > c.at => return at,
                    "SELECT" => {
                        let joined = at > c.at && ["UNION", "ALL", "EXCEPT", "INTERSECT"].iter().any(|w| c.is_at(at - 1, w));
                        if !joined {
                            if selects == 0 {
                                return at;
                            }
                            selects -= 1;
                            verb_after_with = false;
                        }
                    }
                    "INSERT" | "UPDATE" | "DELETE" if verb_after_with && at > c.at => {
                        verb_after_with = false;
                        selects = usize::from(upper == "INSERT");
                        sets = usize::from(upper == "UPDATE");
                    }
                    other if at > c.at && STARTERS.contains(&other) => return at,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    c.len()
}

/// The tokens without a closing `OPTION (…)`, whose hints are about plans only.
fn without_option(c: &Cursor<'_>, start: usize, end: usize) -> Result<Vec<TokenWithSpan>> {
    const HINTS: &[&str] = &[
        "RECOMPILE",
        "MAXDOP",
        "MAXRECURSION",
        "FORCE",
        "LOOP",
        "HASH",
        "MERGE",
        "FAST",
        "OPTIMIZE",
        "KEEP",
        "KEEPFIXED",
        "ORDER",
        "USE",
        "QUERYTRACEON",
    ];
    for at in start..end {
        if c.is_at(at, "OPTION") && c.token_at(at + 1) == &Token::LParen {
            let hint = c.word_at(at + 2).unwrap_or_default();
            if !HINTS.contains(&hint.as_str()) {
                return Err(Message { class: 15, ..Message::error(102, format!("Incorrect syntax near '{hint}'.")) });
            }
            return Ok(c.tokens(start, at).to_vec());
        }
    }
    Ok(c.tokens(start, end).to_vec())
}

/// Takes `TOP (n)` out of an UPDATE, DELETE or INSERT.
fn take_top(c: &Cursor<'_>, tokens: &mut Vec<TokenWithSpan>) -> Result<Option<Expr>> {
    let is_top = matches!(&tokens.get(1).map(|t| &t.token), Some(Token::Word(w)) if w.value.eq_ignore_ascii_case("TOP"));
    if !is_top || tokens.get(2).map(|t| &t.token) != Some(&Token::LParen) {
        return Ok(None);
    }
    let mut depth = 0_usize;
    let close = tokens.iter().skip(2).position(|t| match t.token {
        Token::LParen => {
            depth += 1;
            false
        }
        Token::RParen => {
            depth -= 1;
            depth == 0
        }
        _ => false,
    });
    let close = close.ok_or_else(|| c.unexpected())? + 2;
    let inner = tokens[3..close].to_vec();
    let expr = c.parse_piece(inner, sqlparser::parser::Parser::parse_expr)?;
    tokens.drain(1..=close);
    Ok(Some(expr))
}

fn unsupported(what: &str) -> Message {
    Message::error(40510, format!("{what} is not supported in this version of SQL Server."))
}

fn parts_of(name: &sqlparser::ast::ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|p| p.as_ident().map(|i| i.value.clone())).collect()
}

fn insert(c: &Cursor<'_>, mut tokens: Vec<TokenWithSpan>) -> Result<Body> {
    // INTO may be left out.
    let has_into =
        matches!(&tokens.get(1).map(|t| &t.token), Some(Token::Word(w)) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("INTO"));
    if !has_into {
        tokens.insert(1, TokenWithSpan::wrap(Token::make_keyword("INTO")));
    }
    let is_word =
        |t: &TokenWithSpan, word: &str| matches!(&t.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word));
    let count = tokens.len();
    let defaults = count > 2 && is_word(&tokens[count - 2], "DEFAULT") && is_word(&tokens[count - 1], "VALUES");
    if defaults {
        let rest: Vec<TokenWithSpan> = tokens[2..count - 2].to_vec();
        let name = c.parse_piece(rest, |p| p.parse_object_name(false))?;
        return Ok(Body::Insert(Box::new(Insert { table: parts_of(&name), columns: vec![], source: Source::Defaults })));
    }
    let Statement::Insert(insert) = c.parse_piece(tokens, sqlparser::parser::Parser::parse_statement)? else { return Err(c.unexpected()) };
    if insert.output.is_some() || insert.returning.is_some() {
        return Err(unsupported("INSERT … OUTPUT"));
    }
    let TableObject::TableName(name) = &insert.table else { return Err(c.unexpected()) };
    let columns = insert.columns.iter().filter_map(|n| n.0.last().and_then(|p| p.as_ident()).map(|i| i.value.clone())).collect();
    let Some(source) = insert.source else { return Err(c.unexpected()) };
    let source = match *source {
        Query { with: None, body, order_by: None, .. } if matches!(*body, SetExpr::Values(_)) => {
            let SetExpr::Values(values) = *body else { return Err(c.unexpected()) };
            Source::Values(values.rows.into_iter().map(|r| r.content.into_iter().map(not_default).collect()).collect())
        }
        query => Source::Query(Box::new(query)),
    };
    Ok(Body::Insert(Box::new(Insert { table: parts_of(name), columns, source })))
}

fn not_default(expr: Expr) -> Option<Expr> {
    match &expr {
        Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("DEFAULT") => None,
        _ => Some(expr),
    }
}

fn target_of(table: &TableWithJoins) -> Option<(Vec<String>, bool)> {
    match &table.relation {
        TableFactor::Table { name, alias, args: None, .. } if table.joins.is_empty() => Some((parts_of(name), alias.is_some())),
        _ => None,
    }
}

fn update(c: &Cursor<'_>, tokens: Vec<TokenWithSpan>, top: Option<Expr>) -> Result<Body> {
    let Statement::Update(update) = c.parse_piece(tokens, sqlparser::parser::Parser::parse_statement)? else { return Err(c.unexpected()) };
    if update.output.is_some() || update.returning.is_some() {
        return Err(unsupported("UPDATE … OUTPUT"));
    }
    let (target, aliased) = target_of(&update.table).ok_or_else(|| unsupported("This target of UPDATE"))?;
    let mut set = vec![];
    for a in update.assignments {
        let AssignmentTarget::ColumnName(name) = &a.target else { return Err(unsupported("This form of SET")) };
        let column = parts_of(name).pop().unwrap_or_default();
        // Between brackets it is a column whose name begins so.
        let bare = name.0.last().and_then(|part| part.as_ident()).is_some_and(|ident| ident.quote_style.is_none());
        if bare && column.starts_with('@') {
            return Err(unsupported("SET of a variable in UPDATE"));
        }
        set.push((column, a.value));
    }
    let from = match update.from {
        Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => from,
        None if aliased => return Err(c.unexpected()),
        None => vec![update.table],
    };
    Ok(Body::Update(Box::new(Update { target, set, rows: Rows { top, from, condition: update.selection } })))
}

fn delete(c: &Cursor<'_>, mut tokens: Vec<TokenWithSpan>, top: Option<Expr>) -> Result<Body> {
    let is_from = |t: &TokenWithSpan| matches!(&t.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("FROM"));
    // DELETE [FROM] target [FROM tables]: one form for both.
    if !tokens.get(1).is_some_and(is_from) {
        tokens.insert(1, TokenWithSpan::wrap(Token::make_keyword("FROM")));
    }
    let mut depth = 0_i32;
    let second = tokens.iter().enumerate().skip(2).find(|(_, t)| {
        match t.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        depth == 0 && is_from(t)
    });
    let mut named = None;
    if let Some((at, _)) = second {
        let name: Vec<TokenWithSpan> = tokens[2..at].to_vec();
        named = Some(parts_of(&c.parse_piece(name, |p| p.parse_object_name(false))?));
        tokens.drain(1..at);
    }
    let Statement::Delete(delete) = c.parse_piece(tokens, sqlparser::parser::Parser::parse_statement)? else { return Err(c.unexpected()) };
    if delete.output.is_some() || delete.returning.is_some() {
        return Err(unsupported("DELETE … OUTPUT"));
    }
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = delete.from;
    let target = match named {
        Some(named) => named,
        None => from.first().and_then(target_of).map(|t| t.0).ok_or_else(|| unsupported("This target of DELETE"))?,
    };
    Ok(Body::Delete(Box::new(Delete { target, rows: Rows { top, from, condition: delete.selection } })))
}
