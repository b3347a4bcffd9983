//! What becomes of each statement.

use super::super::copy::options::{self, CopyStatement};
use super::super::wire::message::SqlError;
use super::alter::{self, Altered};
use super::lexer::{Token, dense, lex, spaced, statements, text};
use super::rewrite::{self, Context};
use super::settings::{self, Effect};
use super::{create, refuse, security};

#[derive(Debug)]
pub(in super::super) struct Planned {
    /// The statement as it came, for the fault hook and for people.
    pub source: String,
    pub work: Work,
}

#[derive(Debug)]
pub(in super::super) enum Work {
    /// PostgreSQL does it.
    Pass { sql: String, after: Option<String>, effect: Option<Effect> },
    /// PostgreSQL does something with rows; the client sees only this tag.
    Instead { sql: String, tag: &'static str },
    /// Commits an open transaction, then itself.
    Truncate { sql: String },
    /// Moves all rows, in a transaction of its own.
    Append { to: String, from: String },
    /// A load from S3.
    Copy(Box<CopyStatement>),
}

impl Work {
    fn pass(sql: String) -> Self {
        Self::Pass { sql, after: None, effect: None }
    }
}

/// Plans all statements of a text.
pub(in super::super) fn plan(sql: &str, context: &Context<'_>) -> Result<Vec<Planned>, SqlError> {
    statements(lex(sql)?)
        .into_iter()
        .map(|tokens| {
            let work = one(&tokens, context)?;
            Ok(Planned { source: text(&tokens).trim().to_owned(), work })
        })
        .collect()
}

fn one(tokens: &[Token], context: &Context<'_>) -> Result<Work, SqlError> {
    refuse::check(&dense(tokens))?;
    let rewritten = rewrite::all(tokens, context)?;
    let words = dense(&rewritten);
    let word = |at: usize, word: &str| words.get(at).is_some_and(|token: &Token| token.is(word));
    let Some(first) = words.first() else { return Ok(Work::pass(String::new())) };
    if let Some((sql, tag)) = security::statement(&rewritten, &words)? {
        return Ok(Work::Instead { sql, tag });
    }
    Ok(match first.text.to_ascii_lowercase().as_str() {
        // The grammar of COPY reads literals itself.
        "copy" => Work::Copy(Box::new(options::read(&dense(tokens), context)?)),
        "create" if words.iter().take(4).any(|token| token.is("table")) => {
            // Types are read from the text as it came: after AS they look like casts.
            let (sql, after) = create::table(&words)?;
            Work::Pass { sql, after, effect: None }
        }
        "alter" if word(1, "table") => match alter::table(&words, context.in_transaction)? {
            Altered::Pass(sql) if sql.starts_with("SELECT pg_catalog.lab_") => Work::Instead { sql, tag: "ALTER TABLE" },
            Altered::Pass(sql) => Work::pass(sql),
            Altered::Append { to, from } => Work::Append { to, from },
        },
        "alter" if word(1, "database") => Work::Instead { sql: alter::database(&words)?, tag: "ALTER DATABASE" },
        "truncate" => Work::Truncate { sql: truncate(&words)? },
        "vacuum" => Work::pass(vacuum(&words, context.in_transaction)?),
        "analyze" | "analyse" => Work::pass(analyze(&words)?),
        "begin" | "start" => {
            let read_only = words.windows(2).any(|pair| pair[0].is("read") && pair[1].is("only"));
            Work::pass(if read_only { "BEGIN READ ONLY" } else { "BEGIN" }.to_owned())
        }
        "set" => {
            let (sql, effect) = settings::set(&words)?;
            Work::Pass { sql, after: None, effect }
        }
        "reset" => {
            let (sql, effect) = settings::reset(&words)?;
            Work::Pass { sql, after: None, effect }
        }
        "show" => Work::pass(settings::show(&words)?),
        "explain" => Work::pass(security::explain(&rewritten)),
        "cancel" => Work::Instead { sql: format!("SELECT pg_cancel_backend({})", spaced(&words[1..])), tag: "CANCEL" },
        "delete" if !word(1, "from") => Work::pass(format!("DELETE FROM {}", spaced(&words[1..]))),
        _ => Work::pass(text(&rewritten)),
    })
}

/// `TRUNCATE [TABLE] name`, no more.
fn truncate(words: &[Token]) -> Result<String, SqlError> {
    let name = &words[1 + usize::from(words.get(1).is_some_and(|token| token.is("table")))..];
    match name.iter().find(|token| token.is_any(&["cascade", "restrict", "restart", "continue", "only"]) || token.symbol(",")) {
        Some(token) => Err(SqlError::syntax(&token.text)),
        None => Ok(format!("TRUNCATE TABLE {}", spaced(name))),
    }
}

/// `VACUUM [FULL | SORT ONLY | DELETE ONLY | REINDEX | RECLUSTER] [name [TO n PERCENT] [BOOST]]`
fn vacuum(words: &[Token], in_transaction: bool) -> Result<String, SqlError> {
    if in_transaction {
        return Err(SqlError::new("25001", "VACUUM cannot run inside a transaction block"));
    }
    let at = words.iter().skip(1).take_while(|token| token.is_any(&["full", "sort", "delete", "only", "reindex", "recluster"])).count() + 1;
    let name: Vec<Token> = words[at..].iter().take_while(|token| !token.is_any(&["to", "boost"])).cloned().collect();
    Ok(format!("VACUUM {}", name.iter().map(|token| token.text.as_str()).collect::<String>()))
}

/// `ANALYZE [VERBOSE] [name [(columns)]] [PREDICATE COLUMNS | ALL COLUMNS]`
fn analyze(words: &[Token]) -> Result<String, SqlError> {
    if words.get(1).is_some_and(|token| token.is("compression")) {
        return Err(SqlError::not_served("ANALYZE COMPRESSION"));
    }
    let end = words.windows(2).position(|pair| pair[0].is_any(&["predicate", "all"]) && pair[1].is("columns")).unwrap_or(words.len());
    Ok(spaced(&words[..end]))
}
