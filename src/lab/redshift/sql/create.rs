//! CREATE TABLE: Redshift's table attributes and keys are taken off and remembered.

use super::super::wire::message::SqlError;
use super::columns::{Column, column, enclosed, split};
use super::lexer::{Token, spaced};
use super::rewrite::quote as literal;

/// What a CREATE TABLE declares for the planner only.
#[derive(Debug, Default, PartialEq, Eq)]
struct Attributes {
    dist_style: Option<String>,
    dist_key: Option<String>,
    sort_key: Vec<String>,
    /// Columns of declared keys: planner hints that are never enforced.
    keys: Vec<String>,
    /// Declared encodings by column.
    encodings: Vec<(String, String)>,
}

/// Rewrites `CREATE … TABLE`; the tokens are dense and already in PostgreSQL's form. Returns the
/// statement, and one that records the attributes.
pub(super) fn table(tokens: &[Token]) -> Result<(String, Option<String>), SqlError> {
    let Some(mut at) = tokens.iter().position(|token| token.is("table")).map(|at| at + 1) else { return Err(SqlError::syntax("create")) };
    if tokens.get(at).is_some_and(|token| token.is("if")) {
        at += 3;
    }
    let name_from = at;
    while tokens.get(at).is_some_and(|token| token.is_name() || token.symbol("."))
        && !tokens[at].is_any(&["as", "distkey", "diststyle", "sortkey", "backup", "compound", "interleaved", "encode"])
    {
        at += 1;
    }
    let Some(name) = tokens.get(name_from..at).filter(|name| !name.is_empty()) else { return Err(SqlError::syntax("table")) };
    if name.iter().any(|token| token.text.starts_with('#')) {
        return Err(SqlError::not_served("temporary tables named with #"));
    }
    let name: String = name.iter().map(|token| token.text.as_str()).collect();
    let head = spaced(&tokens[..name_from]);

    let mut attributes = Attributes::default();
    let body = if tokens.get(at).is_some_and(|token| token.symbol("(")) && !begins_query(tokens.get(at + 1)) {
        let (inside, after) = enclosed(tokens, at)?;
        at = after;
        Some(items(inside, &mut attributes)?)
    } else {
        None
    };
    at = table_attributes(tokens, at, &mut attributes)?;
    let query = match tokens.get(at) {
        None => None,
        Some(token) if token.is("as") => Some(spaced(&tokens[at + 1..])),
        Some(token) => return Err(SqlError::syntax(&token.text)),
    };
    let sql = match (&body, &query) {
        (Some(body), None) => format!("{head} {name} ({body})"),
        // Only names may stand before AS.
        (Some(body), Some(query)) => format!("{head} {name} ({body}) AS {query}"),
        (None, Some(query)) => format!("{head} {name} AS {query}"),
        (None, None) => return Err(SqlError::syntax("end of input")),
    };
    Ok((sql, (attributes != Attributes::default()).then(|| record(&name, &attributes))))
}

fn begins_query(token: Option<&Token>) -> bool {
    token.is_some_and(|token| token.is_any(&["select", "with"]))
}

fn record(name: &str, attributes: &Attributes) -> String {
    let list = |names: &[String]| names.iter().map(|column| literal(column)).collect::<Vec<_>>().join(", ");
    let encodings = attributes
        .encodings
        .iter()
        .map(|(column, encoding)| format!(", pg_catalog.lab_set_encoding({}, {}, {})", literal(name), literal(column), literal(encoding)));
    format!(
        "SELECT pg_catalog.lab_set_attributes({}, {}, {}, ARRAY[{}]::text[], ARRAY[{}]::text[]){}",
        literal(name),
        literal(attributes.dist_style.as_deref().unwrap_or(if attributes.dist_key.is_some() { "KEY" } else { "AUTO" })),
        attributes.dist_key.as_deref().map_or_else(|| "NULL".to_owned(), literal),
        list(&attributes.sort_key),
        list(&attributes.keys),
        encodings.collect::<String>(),
    )
}

/// The items between the parentheses, for PostgreSQL.
fn items(inside: &[Token], attributes: &mut Attributes) -> Result<String, SqlError> {
    let mut texts = Vec::new();
    let mut columns: Vec<(usize, Column)> = Vec::new();
    let mut primary: Vec<String> = Vec::new();
    let parts = split(inside);
    // CREATE TABLE t (a, b) AS …: names alone.
    if parts.iter().all(|part| part.len() == 1 && part[0].is_name()) {
        return Ok(spaced(inside));
    }
    for part in parts {
        let Some(first) = part.first() else { return Err(SqlError::syntax(",")) };
        if first.is("like") {
            texts.push(like(part)?);
        } else if first.is_any(&["constraint", "primary", "unique", "foreign"]) {
            let (is_primary, names) = constraint(part)?;
            attributes.keys.extend(names.iter().map(|name| bare(name)));
            if is_primary {
                primary.extend(names);
            }
        } else if first.is("check") {
            return Err(SqlError::new("0A000", "CHECK constraints are not supported"));
        } else {
            columns.push((texts.len(), column(part)?));
            texts.push(String::new());
        }
    }
    for (at, column) in &mut columns {
        if column.primary_key || column.unique {
            attributes.keys.push(bare(&column.name));
        }
        column.primary_key |= primary.contains(&column.name);
        if let Some(encoding) = column.encoding.take() {
            attributes.encodings.push((bare(&column.name), encoding));
        }
        if column.dist_key {
            attributes.dist_key = Some(bare(&column.name));
        }
        if column.sort_key {
            attributes.sort_key = vec![bare(&column.name)];
        }
        texts[*at] = column.definition();
    }
    Ok(texts.join(", "))
}

/// `LIKE parent [INCLUDING DEFAULTS]`: copies names, types and NOT NULL; no keys.
fn like(part: &[Token]) -> Result<String, SqlError> {
    let options = part.iter().position(|token| token.is_any(&["including", "excluding"])).unwrap_or(part.len());
    let defaults = match &part[options..] {
        [] => "",
        [including, defaults] if including.is("including") && defaults.is("defaults") => " INCLUDING DEFAULTS",
        [excluding, defaults] if excluding.is("excluding") && defaults.is("defaults") => "",
        [token, ..] => return Err(SqlError::syntax(&token.text)),
    };
    let parent: String = part[1..options].iter().map(|token| token.text.as_str()).collect();
    Ok(format!("LIKE {parent} INCLUDING CONSTRAINTS{defaults}"))
}

/// A table constraint: whether it is the primary key, and its columns.
fn constraint(part: &[Token]) -> Result<(bool, Vec<String>), SqlError> {
    let at = if part[0].is("constraint") { 2 } else { 0 };
    let Some(kind) = part.get(at) else { return Err(SqlError::syntax("constraint")) };
    let key = part.get(at + 1).is_some_and(|token| token.is("key"));
    let open = match kind.text.to_ascii_lowercase().as_str() {
        "primary" | "foreign" if key => at + 2,
        "unique" => at + 1,
        _ => return Err(SqlError::syntax(&kind.text)),
    };
    let (columns, _) = enclosed(part, open)?;
    Ok((kind.is("primary"), split(columns).into_iter().flatten().map(|token| token.text.clone()).collect()))
}

/// DISTSTYLE, DISTKEY, SORTKEY, BACKUP and ENCODE AUTO after the columns.
fn table_attributes(tokens: &[Token], mut at: usize, attributes: &mut Attributes) -> Result<usize, SqlError> {
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        match token.text.to_ascii_lowercase().as_str() {
            "backup" if next.is_some_and(|next| next.is_any(&["yes", "no"])) => at += 2,
            "diststyle" => match next {
                Some(next) if next.is_any(&["auto", "even", "key", "all"]) => {
                    attributes.dist_style = Some(next.text.to_ascii_uppercase());
                    at += 2;
                }
                _ => return Err(SqlError::syntax("diststyle")),
            },
            "distkey" => {
                let (inside, after) = enclosed(tokens, at + 1)?;
                attributes.dist_key = inside.first().map(|token| bare(&token.text));
                at = after;
            }
            "compound" | "interleaved" if next.is_some_and(|next| next.is("sortkey")) => at += 1,
            "sortkey" if next.is_some_and(|next| next.is_any(&["auto", "none"])) => at += 2,
            "sortkey" => {
                let (inside, after) = enclosed(tokens, at + 1)?;
                attributes.sort_key = split(inside).into_iter().flatten().map(|token| bare(&token.text)).collect();
                at = after;
            }
            "encode" if next.is_some_and(|next| next.is("auto")) => at += 2,
            _ => break,
        }
    }
    Ok(at)
}

/// A name without its quotes, as the catalogue spells it.
fn bare(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{dense, lex};
    use super::*;

    fn through(sql: &str) -> Result<(String, Option<String>), String> {
        table(&dense(&lex(sql).unwrap())).map_err(|error| error.message)
    }

    #[test]
    fn attributes_are_taken_off_and_keys_are_not_enforced() {
        let (sql, record) = through(
            "CREATE TABLE IF NOT EXISTS \"s\".\"t\" (\"id\" BIGINT NOT NULL ENCODE az64 DISTKEY, b varbyte(8), c decimal(10,2) DEFAULT (1 + 2) ENCODE zstd, \
             PRIMARY KEY (\"id\"), UNIQUE (b)) DISTSTYLE KEY COMPOUND SORTKEY (\"id\", c) BACKUP NO",
        )
        .unwrap();
        assert_eq!(
            sql,
            "CREATE TABLE IF NOT EXISTS \"s\".\"t\" (\"id\" bigint NOT NULL, b bytea CONSTRAINT \"__lab_varbyte_8_b\" CHECK (octet_length(b) <= 8), c numeric(10,2) DEFAULT ( 1 + 2 ))"
        );
        assert_eq!(
            record.unwrap(),
            "SELECT pg_catalog.lab_set_attributes('\"s\".\"t\"', 'KEY', 'id', ARRAY['id', 'c']::text[], ARRAY['id', 'b']::text[]), \
             pg_catalog.lab_set_encoding('\"s\".\"t\"', 'id', 'az64'), pg_catalog.lab_set_encoding('\"s\".\"t\"', 'c', 'zstd')"
        );
    }

    #[test]
    fn other_forms() {
        assert_eq!(
            through("create temp table x (like y including defaults)").unwrap().0,
            "create temp table x (LIKE y INCLUDING CONSTRAINTS INCLUDING DEFAULTS)"
        );
        assert_eq!(through("create table x distkey(a) as select 1 as a").unwrap().0, "create table x AS select 1 as a");
        assert_eq!(
            through("create table x (i int identity(5,2), p int primary key references q (z))").unwrap().0,
            "create table x (i int GENERATED ALWAYS AS IDENTITY (START WITH 5 INCREMENT BY 2 MINVALUE 5), p int NOT NULL)"
        );
    }

    #[test]
    fn what_redshift_does_not_know_is_named() {
        for (sql, word) in [
            ("create table x (a int) tablespace y", "tablespace"),
            ("create table x (a int check (a > 1))", "check"),
            ("create table x (a int) with (fillfactor = 10)", "with"),
        ] {
            assert!(through(sql).unwrap_err().contains(word), "{sql}");
        }
    }
}
