//! What every statement needs before PostgreSQL sees it: literals, names, a few functions, and
//! the types of casts.

use super::super::wire::message::SqlError;
use super::lexer::{Kind, Token, lex};
use super::names::{LongNames, catalogued, for_postgres};
use super::types;

/// The part of a session that changes what a text means.
#[derive(Clone, Copy)]
pub(in super::super) struct Context<'a> {
    pub case_sensitive: bool,
    pub long_names: &'a LongNames,
    pub last_copy_count: i64,
    pub last_copy_id: i64,
    /// A transaction block is open.
    pub in_transaction: bool,
}

/// Rewrites all tokens of a statement.
pub(super) fn all(tokens: &[Token], context: &Context<'_>) -> Result<Vec<Token>, SqlError> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let catalogue = tokens.iter().any(|token| token.is_name() && of_catalogue(&token.text));
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let before = out.iter().rev().find(|token| token.kind != Kind::Space);
        let after = tokens[at + 1..].iter().find(|token| token.kind != Kind::Space);
        let called = after.is_some_and(|next| next.symbol("("));
        let qualified = before.is_some_and(|token| token.symbol("."));
        let typed = before.is_some_and(|token| token.symbol("::")) || (before.is_some_and(|token| token.is("as")) && in_cast(&out));
        at += 1;
        match token.kind {
            Kind::Literal => {
                let short = if catalogue { catalogued(&value(&token.text)?, context.long_names) } else { None };
                let text = short.map_or_else(|| literal(&token.text), |short| Ok(quote(&short)))?;
                out.push(Token::new(Kind::Literal, text));
            }
            Kind::Word if typed => {
                let (kind, used) = types::cast(&tokens[at - 1..])?;
                out.push(Token::new(Kind::Word, kind));
                at += used - 1;
            }
            Kind::Word if called && !qualified && token.is("nvl") => out.push(Token::new(Kind::Word, "coalesce")),
            Kind::Word if called && (token.is("pg_last_copy_count") || token.is("pg_last_copy_id")) => {
                let figure = if token.is("pg_last_copy_id") { context.last_copy_id } else { context.last_copy_count };
                out.extend(lex(&format!("{}(({figure})::bigint", token.text))?);
                // The opening parenthesis of the call stands there already.
                at += 1 + tokens[at..].iter().take_while(|token| token.kind == Kind::Space).count();
            }
            Kind::Word if !called && !qualified && token.is("sysdate") && !before.is_some_and(|token| token.is("as")) => {
                out.push(Token::new(Kind::Word, "pg_catalog.lab_sysdate()"));
            }
            Kind::Word | Kind::Quoted => {
                let mut token = token.clone();
                for_postgres(&mut token, context.case_sensitive, context.long_names);
                out.push(token);
            }
            _ => out.push(token.clone()),
        }
    }
    Ok(out)
}

/// Whether a statement with this name in it may read names from the catalogue.
pub(in super::super) fn of_catalogue(name: &str) -> bool {
    let name = name.trim_matches('"').to_ascii_lowercase();
    name == "information_schema" || ["pg_", "svv_", "stv_", "stl_", "sys_"].iter().any(|front| name.starts_with(front))
}

/// The last open parenthesis belongs to `CAST`.
fn in_cast(out: &[Token]) -> bool {
    let mut depth = 0_i32;
    let mut rest = out.iter().rev().filter(|token| token.kind != Kind::Space);
    while let Some(token) = rest.next() {
        if token.symbol(")") {
            depth += 1;
        } else if token.symbol("(") {
            if depth == 0 {
                return rest.next().is_some_and(|token| token.is("cast"));
            }
            depth -= 1;
        }
    }
    false
}

/// What a literal means: its bytes, with the backslash escapes that PostgreSQL 8.0 knows.
pub(in super::super) fn value(literal: &str) -> Result<String, SqlError> {
    let inner = literal.get(1..literal.len() - 1).unwrap_or_default().as_bytes();
    let mut bytes = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        at += 1;
        if byte == b'\'' {
            at += 1; // its double
        }
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let Some(&escaped) = inner.get(at) else { break };
        at += 1;
        bytes.push(match escaped {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0'..=b'7' => {
                let mut code = u32::from(escaped - b'0');
                while let Some(digit @ b'0'..=b'7') = inner.get(at).filter(|_| code < 0o40) {
                    code = code * 8 + u32::from(digit - b'0');
                    at += 1;
                }
                code.to_le_bytes()[0]
            }
            other => other,
        });
    }
    if bytes.contains(&0) {
        return Err(SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    String::from_utf8(bytes).map_err(|_| SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\""))
}

/// A literal in which PostgreSQL sees no escape.
pub(in super::super) fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn literal(text: &str) -> Result<String, SqlError> {
    if text.contains('\\') { value(text).map(|value| quote(&value)) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::super::lexer;
    use super::*;

    fn through(sql: &str) -> String {
        let long_names = LongNames::default();
        let context =
            Context { case_sensitive: false, long_names: &long_names, last_copy_count: 7, last_copy_id: 9, in_transaction: false };
        lexer::text(&all(&lex(sql).unwrap(), &context).unwrap())
    }

    #[test]
    fn backslash_is_an_escape() {
        assert_eq!(through(r"select 'a\\b', 'it\'s', 'x\ty', '\303\251', 'q'"), "select 'a\\b', 'it''s', 'x\ty', 'é', 'q'");
        assert_eq!(value(r"'\q'").unwrap(), "q");
        assert_eq!(value("'a''b'").unwrap(), "a'b");
        assert_eq!(value(r"'\1234'").unwrap(), "S4");
        assert!(value(r"'\0'").is_err());
    }

    #[test]
    fn functions_of_redshift() {
        assert_eq!(
            through("select NVL(a, sysdate), pg_last_copy_count ()"),
            "select coalesce(a, pg_catalog.lab_sysdate()), pg_last_copy_count((7)::bigint)"
        );
        assert_eq!(through("select t.sysdate, pg_last_copy_id()"), "select t.sysdate, pg_last_copy_id((9)::bigint)");
    }

    #[test]
    fn types_of_casts() {
        assert_eq!(
            through("select cast(a as nvarchar(3)), b::varbyte(4), c::varchar(max)"),
            "select cast(a as varchar(3)), b::bytea, c::varchar(65535)"
        );
        assert_eq!(through("select a as super"), "select a as super");
    }

    #[test]
    fn quoted_names_are_folded() {
        assert_eq!(through("select \"ColA\" from \"S\".T"), "select \"cola\" from \"s\".T");
    }
}
