//! What PostgreSQL would do and Redshift refuses.

use super::super::wire::message::SqlError;
use super::lexer::{Kind, Token};

/// First words that the lab lets through to be looked at further.
const KNOWN: &[&str] = &[
    "select",
    "with",
    "insert",
    "update",
    "delete",
    "create",
    "drop",
    "alter",
    "begin",
    "start",
    "commit",
    "end",
    "rollback",
    "abort",
    "set",
    "reset",
    "show",
    "truncate",
    "lock",
    "attach",
    "copy",
    "vacuum",
    "analyze",
    "analyse",
    "grant",
    "revoke",
    "comment",
    "explain",
    "declare",
    "fetch",
    "close",
    "prepare",
    "execute",
    "deallocate",
    "cancel",
];

/// Catalogues of newer servers.
const NO_RELATIONS: &[&str] =
    &["pg_range", "pg_extension", "pg_collation", "pg_event_trigger", "pg_publication", "pg_sequence", "pg_policy"];

/// Refuses a statement by its tokens; those of literals are still as they came.
pub(super) fn check(tokens: &[Token]) -> Result<(), SqlError> {
    let Some(first) = tokens.first() else { return Ok(()) };
    if !first.is_any(KNOWN) && !first.symbol("(") {
        if first.is_any(&["savepoint", "release", "listen", "notify", "unlisten", "reindex", "cluster", "discard", "do"]) {
            return Err(not_supported(tokens));
        }
        if first.is_any(&["unload", "merge", "call", "use", "detach"]) {
            return Err(SqlError::not_served(first.text.to_ascii_uppercase()));
        }
        return Err(SqlError::syntax(&first.text));
    }
    let writes = first.is_any(&["insert", "update", "delete", "with"]);
    let mut depth = 0_i32;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let next_is = |symbol: &str| next.is_some_and(|next| next.symbol(symbol));
        match token.kind {
            Kind::Symbol if token.text == "(" => depth += 1,
            Kind::Symbol if token.text == ")" => depth -= 1,
            // PostgreSQL 8.0 reads E'…' as the type e before a literal.
            Kind::Word if next.is_some_and(|next| next.kind == Kind::Literal) && token.is("e") => {
                return Err(SqlError::new("42704", "type \"e\" does not exist"));
            }
            Kind::Word if depth == 0 && writes && token.is("returning") => return Err(SqlError::syntax(&token.text)),
            Kind::Word if depth == 0 && first.is("insert") && token.is("on") && next.is_some_and(|next| next.is("conflict")) => {
                return Err(SqlError::syntax(&token.text));
            }
            Kind::Word if next_is("(") && token.text.to_ascii_lowercase().contains("advisory_") => {
                return Err(SqlError::new("42883", format!("function {}(integer) does not exist", token.text.to_ascii_lowercase())));
            }
            Kind::Word | Kind::Quoted if NO_RELATIONS.contains(&token.text.trim_matches('"').to_ascii_lowercase().as_str()) => {
                return Err(SqlError::new(
                    "42P01",
                    format!("relation \"{}\" does not exist", token.text.trim_matches('"').to_ascii_lowercase()),
                ));
            }
            _ => {}
        }
    }
    if first.is("create") {
        create(tokens)?;
    }
    if first.is("delete") {
        delete(tokens)?;
    }
    if first.is("lock") && tokens.iter().any(|token| token.is("in") || token.is("nowait")) {
        return Err(SqlError::syntax("in"));
    }
    Ok(())
}

fn create(tokens: &[Token]) -> Result<(), SqlError> {
    let what = tokens.iter().skip(1).find(|token| !token.is_any(&["or", "replace", "local", "temp", "temporary"]));
    match what {
        Some(what) if what.is_any(&["table", "schema", "view", "user", "group", "role", "rls"]) => Ok(()),
        Some(what)
            if what.is_any(&[
                "index",
                "unique",
                "rule",
                "trigger",
                "sequence",
                "type",
                "domain",
                "extension",
                "tablespace",
                "unlogged",
            ]) =>
        {
            Err(not_supported(tokens))
        }
        Some(what) => Err(SqlError::not_served(format!("CREATE {}", what.text.to_ascii_uppercase()))),
        None => Err(SqlError::syntax("create")),
    }
}

fn not_supported(tokens: &[Token]) -> SqlError {
    SqlError::new("0A000", format!("SQL command \"{}\" not supported on Redshift tables.", super::lexer::spaced(tokens)))
}

/// `DELETE FROM t USING …`: the table that loses rows takes no alias.
fn delete(tokens: &[Token]) -> Result<(), SqlError> {
    let mut at = 1 + usize::from(tokens.get(1).is_some_and(|token| token.is("from")));
    while tokens.get(at).is_some_and(Token::is_name) && tokens.get(at + 1).is_some_and(|token| token.symbol(".")) {
        at += 2;
    }
    match tokens.get(at + 1) {
        Some(token) if token.is_any(&["using", "where"]) => Ok(()),
        Some(token) => Err(SqlError::syntax(&token.text)),
        None => Ok(()),
    }
}
