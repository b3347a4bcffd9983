//! Redshift's column types in terms of PostgreSQL.

use super::super::wire::message::SqlError;
use super::lexer::{Kind, Token, dense};

const STRING_MOST: u32 = 65_535;
const CHAR_MOST: u32 = 4_096;
const VARBYTE_MOST: u32 = 1_024_000;
const VARBYTE_DEFAULT: u32 = 64_000;

/// A type as PostgreSQL gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ColumnType {
    pub text: String,
    /// The most bytes of a VARBYTE, which PostgreSQL's bytea cannot say.
    pub varbyte: Option<u32>,
}

/// Reads a type at the front of dense tokens; returns it and how many tokens it took.
pub(super) fn column(tokens: &[Token]) -> Result<(ColumnType, usize), SqlError> {
    let Some(first) = tokens.first() else { return Err(SqlError::syntax("end of input")) };
    if first.kind != Kind::Word {
        return Err(SqlError::syntax(&first.text));
    }
    let second = |word: &str| tokens.get(1).is_some_and(|token| token.is(word));
    let name = first.text.to_ascii_lowercase();
    let (kind, words) = match name.as_str() {
        "character" | "char" | "nchar" | "national" if second("varying") => ("varchar", 2),
        "national" if second("character") && tokens.get(2).is_some_and(|token| token.is("varying")) => ("varchar", 3),
        "national" if second("character") => ("char", 2),
        "varchar" | "nvarchar" => ("varchar", 1),
        "character" | "char" | "nchar" => ("char", 1),
        "binary" if second("varying") => ("varbyte", 2),
        "varbyte" | "varbinary" => ("varbyte", 1),
        "numeric" | "decimal" => ("decimal", 1),
        "double" if second("precision") => ("double precision", 2),
        "text" => return Ok((plain("varchar(256)"), 1)),
        "bpchar" => return Ok((plain("char(256)"), 1)),
        "super" => return Ok((plain("jsonb"), 1)),
        "time" | "timestamp" => return Ok(time(&name, tokens)),
        "hllsketch" | "geometry" | "geography" => {
            return Err(SqlError::not_served(format!("columns of type {}", name.to_ascii_uppercase())));
        }
        other => (other, 1),
    };
    let (arguments, used) = arguments(&tokens[words..])?;
    let used = words + used;
    let one = |most: u32, default: u32, what: &str| match arguments.as_slice() {
        [] => Ok(default),
        [Argument::Max] if what != "char" => Ok(most),
        [Argument::Number(0)] => Err(SqlError::new("22023", format!("length for type {what} must be at least 1"))),
        [Argument::Number(n)] if *n > most => Err(SqlError::new("22023", format!("length for type {what} cannot exceed {most}"))),
        [Argument::Number(n)] => Ok(*n),
        _ => Err(SqlError::syntax("(")),
    };
    Ok((
        match kind {
            "varchar" => plain(format!("varchar({})", one(STRING_MOST, 256, "varchar")?)),
            "char" => plain(format!("char({})", one(CHAR_MOST, 1, "char")?)),
            "varbyte" => ColumnType { text: "bytea".to_owned(), varbyte: Some(one(VARBYTE_MOST, VARBYTE_DEFAULT, "varbyte")?) },
            "decimal" => plain(decimal(&arguments)?),
            _ if arguments.is_empty() => plain(kind),
            _ => plain(tokens[..used].iter().map(|token| token.text.as_str()).collect::<String>()),
        },
        used,
    ))
}

/// The type of a cast: only what PostgreSQL would not understand is changed. Looks at tokens with
/// space; returns how many it took.
pub(super) fn cast(tokens: &[Token]) -> Result<(String, usize), SqlError> {
    let Some(first) = tokens.first() else { return Err(SqlError::syntax("end of input")) };
    let whole = || -> Result<(String, usize), SqlError> {
        let thick = dense(tokens);
        let (kind, used) = column(&thick)?;
        let mut seen = 0;
        let taken = tokens
            .iter()
            .take_while(|token| {
                let more = seen < used;
                seen += usize::from(more && token.kind != Kind::Space);
                more
            })
            .count();
        Ok((kind.text, taken))
    };
    match first.text.to_ascii_lowercase().as_str() {
        "nvarchar" | "varbyte" | "varbinary" | "super" => whole(),
        "varchar" if dense(&tokens[..tokens.len().min(6)]).iter().any(|token| token.is("max")) => whole(),
        _ => Ok((first.text.clone(), 1)),
    }
}

fn plain(text: impl Into<String>) -> ColumnType {
    ColumnType { text: text.into(), varbyte: None }
}

#[derive(PartialEq, Eq, Debug)]
enum Argument {
    Number(u32),
    Max,
}

fn arguments(tokens: &[Token]) -> Result<(Vec<Argument>, usize), SqlError> {
    if !tokens.first().is_some_and(|token| token.symbol("(")) {
        return Ok((Vec::new(), 0));
    }
    let Some(end) = tokens.iter().position(|token| token.symbol(")")) else { return Err(SqlError::syntax("end of input")) };
    let mut found = Vec::new();
    for (at, token) in tokens[1..end].iter().enumerate() {
        match (at % 2, token.text.parse()) {
            (0, Ok(number)) => found.push(Argument::Number(number)),
            (0, Err(_)) if token.is("max") => found.push(Argument::Max),
            (1, _) if token.symbol(",") => {}
            _ => return Err(SqlError::syntax(&token.text)),
        }
    }
    Ok((found, end + 1))
}

/// At most 38 digits, at most 37 of them after the point; (18, 0) when nothing is said.
fn decimal(arguments: &[Argument]) -> Result<String, SqlError> {
    let (precision, scale) = match arguments {
        [] => (18, 0),
        [Argument::Number(p)] => (*p, 0),
        [Argument::Number(p), Argument::Number(s)] => (*p, *s),
        _ => return Err(SqlError::syntax("(")),
    };
    if !(1..=38).contains(&precision) {
        return Err(SqlError::new("22023", format!("DECIMAL precision {precision} must be between 1 and 38")));
    }
    if scale > precision.min(37) {
        return Err(SqlError::new("22023", format!("DECIMAL scale {scale} must be between 0 and {}", precision.min(37))));
    }
    Ok(format!("numeric({precision},{scale})"))
}

/// `time` and `timestamp` with what may follow.
fn time(name: &str, tokens: &[Token]) -> (ColumnType, usize) {
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token: &Token| token.is(word));
    if (is(1, "with") || is(1, "without")) && is(2, "time") && is(3, "zone") {
        return (plain(format!("{name} {} time zone", tokens[1].text.to_ascii_lowercase())), 4);
    }
    (plain(name), 1)
}

#[cfg(test)]
mod tests {
    use super::super::lexer::lex;
    use super::*;

    fn read(text: &str) -> Result<(String, Option<u32>), String> {
        let tokens = dense(&lex(text).unwrap());
        let (kind, used) = column(&tokens).map_err(|error| error.message)?;
        assert_eq!(used, tokens.len(), "{text}");
        Ok((kind.text, kind.varbyte))
    }

    #[test]
    fn aliases_and_defaults() {
        for (redshift, postgres) in [
            ("VARCHAR", "varchar(256)"),
            ("varchar(MAX)", "varchar(65535)"),
            ("nvarchar(12)", "varchar(12)"),
            ("character varying (9)", "varchar(9)"),
            ("text", "varchar(256)"),
            ("bpchar", "char(256)"),
            ("char", "char(1)"),
            ("decimal", "numeric(18,0)"),
            ("numeric(38,37)", "numeric(38,37)"),
            ("double precision", "double precision"),
            ("timestamp with time zone", "timestamp with time zone"),
            ("timestamptz", "timestamptz"),
            ("bigint", "bigint"),
            ("super", "jsonb"),
        ] {
            assert_eq!(read(redshift).unwrap(), (postgres.to_owned(), None), "{redshift}");
        }
        assert_eq!(read("varbyte(8)").unwrap(), ("bytea".to_owned(), Some(8)));
        assert_eq!(read("binary varying").unwrap(), ("bytea".to_owned(), Some(64_000)));
    }

    #[test]
    fn limits() {
        for text in ["varchar(65536)", "varchar(0)", "char(4097)", "decimal(39,0)", "decimal(38,38)", "decimal(5,6)", "geometry"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
