//! ALTER TABLE, as far as Redshift has it.

use super::super::wire::message::SqlError;
use super::columns::column;
use super::lexer::{Token, spaced};

/// What becomes of an ALTER TABLE.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Altered {
    Pass(String),
    /// Moves all rows of `from` into `to`.
    Append {
        to: String,
        from: String,
    },
}

/// The tokens are dense and already in PostgreSQL's form.
pub(super) fn table(tokens: &[Token], in_transaction: bool) -> Result<Altered, SqlError> {
    let mut at = 2;
    while tokens.get(at).is_some_and(Token::is_name) && tokens.get(at + 1).is_some_and(|token| token.symbol(".")) {
        at += 2;
    }
    let name: String = tokens.get(2..=at).unwrap_or_default().iter().map(|token| token.text.as_str()).collect();
    let action = tokens.get(at + 1..).unwrap_or_default();
    let word = |at: usize, word: &str| action.get(at).is_some_and(|token: &Token| token.is(word));
    let Some(first) = action.first() else { return Err(SqlError::syntax("end of input")) };
    match first.text.to_ascii_lowercase().as_str() {
        "append" if word(1, "from") => {
            if in_transaction {
                return Err(SqlError::new("25001", "ALTER TABLE APPEND cannot run inside a transaction block"));
            }
            if let Some(option) = action.iter().find(|token| token.is_any(&["ignoreextra", "filltarget"])) {
                return Err(SqlError::not_served(format!("ALTER TABLE APPEND … {}", option.text.to_ascii_uppercase())));
            }
            Ok(Altered::Append { to: name, from: action[2..].iter().map(|token| token.text.as_str()).collect() })
        }
        "add" if action.get(1).is_some_and(|token| token.is_any(&["constraint", "primary", "unique", "foreign"])) => {
            Err(SqlError::not_served("ALTER TABLE ADD of a key; declare it in CREATE TABLE"))
        }
        "add" => {
            let from = if word(1, "column") { 2 } else { 1 };
            let column = column(&action[from..])?;
            if column.not_null && column.default.is_none() {
                return Err(SqlError::new("0A000", "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression"));
            }
            Ok(Altered::Pass(format!("ALTER TABLE {name} ADD COLUMN {}", column.definition())))
        }
        "alter" => widen(&name, action, in_transaction),
        "row" if word(1, "level") && word(2, "security") && action.len() == 4 && (word(3, "on") || word(3, "off")) => {
            let relation = super::rewrite::quote(&name);
            Ok(Altered::Pass(format!("SELECT pg_catalog.lab_row_level_security({relation}, {})", word(3, "on"))))
        }
        "drop" | "rename" | "owner" => Ok(Altered::Pass(spaced(tokens))),
        other => Err(SqlError::not_served(format!("ALTER TABLE … {}", other.to_ascii_uppercase()))),
    }
}

/// `ALTER DATABASE name COLLATE …`. The lab remembers it for `db_collation()`; what is compared by it
/// stays as it is, so this serves who refuses such a database.
pub(super) fn database(tokens: &[Token]) -> Result<String, SqlError> {
    match tokens {
        [_, _, _, verb, collation] if verb.is("collate") && collation.is_any(&["case_sensitive", "cs", "case_insensitive", "ci"]) => {
            let collation = if collation.is_any(&["case_sensitive", "cs"]) { "case_sensitive" } else { "case_insensitive" };
            Ok(format!("SELECT pg_catalog.lab_set_db_collation('{collation}')"))
        }
        _ => Err(SqlError::not_served("ALTER DATABASE other than COLLATE")),
    }
}

/// `ALTER COLUMN c TYPE varchar(n)`, the one change of a type.
fn widen(name: &str, action: &[Token], in_transaction: bool) -> Result<Altered, SqlError> {
    let from = if action.get(1).is_some_and(|token| token.is("column")) { 2 } else { 1 };
    let (Some(column), Some(verb)) = (action.get(from), action.get(from + 1)) else { return Err(SqlError::syntax("alter")) };
    if verb.is("encode") {
        return Err(SqlError::not_served("ALTER TABLE … ALTER COLUMN … ENCODE"));
    }
    if !verb.is("type") {
        return Err(SqlError::syntax(&verb.text));
    }
    if in_transaction {
        return Err(SqlError::new("25001", "ALTER TABLE ALTER COLUMN cannot run inside a transaction block"));
    }
    let (kind, _) = super::types::column(&action[from + 2..])?;
    if !kind.text.starts_with("varchar(") {
        return Err(SqlError::new(
            "0A000",
            format!("cannot alter type of column \"{}\": only VARCHAR columns can be altered", column.text.trim_matches('"')),
        ));
    }
    Ok(Altered::Pass(format!(
        "SELECT pg_catalog.lab_widen({}, {}, {})",
        super::rewrite::quote(name),
        super::rewrite::quote(column.text.trim_matches('"')),
        super::rewrite::quote(&kind.text)
    )))
}
