//! The grammar of COPY … FROM 's3://…'. An option that the lab does not know is an error.

use super::super::sql::lexer::{Kind, Token};
use super::super::sql::names::{for_postgres, meaning};
use super::super::sql::rewrite::{Context, value};
use super::super::wire::message::SqlError;

/// Keys given in the statement.
#[derive(Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Keys {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Compression {
    None,
    Zstd,
}

/// A whole COPY statement.
#[derive(Clone, Debug)]
pub(in super::super) struct CopyStatement {
    /// As PostgreSQL reads it.
    pub table: String,
    /// Names as the catalogue spells them; `None`: all columns.
    pub columns: Option<Vec<String>>,
    pub url: String,
    /// `None`: by a role, which the lab plays with the keys it was started with.
    pub keys: Option<Keys>,
    pub manifest: bool,
    pub region: Option<String>,
    pub compression: Compression,
    pub quote: u8,
    pub delimiter: u8,
    pub null_as: String,
    pub ignore_header: u64,
    /// Replaces bytes that are no UTF-8.
    pub accept_invalid: Option<char>,
    pub truncate_columns: bool,
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(word));
        self.at += usize::from(found);
        found
    }

    fn near(&self) -> SqlError {
        SqlError::syntax(self.peek().map_or("end of input", |token| &token.text))
    }

    fn literal(&mut self) -> Result<String, SqlError> {
        match self.peek() {
            Some(token) if token.kind == Kind::Literal => {
                let value = value(&token.text)?;
                self.at += 1;
                Ok(value)
            }
            _ => Err(self.near()),
        }
    }

    /// A literal after an optional `AS`.
    fn as_literal(&mut self) -> Result<String, SqlError> {
        self.eat("as");
        self.literal()
    }

    fn one_byte(&mut self, what: &str) -> Result<u8, SqlError> {
        match self.as_literal()?.as_bytes() {
            [byte] if byte.is_ascii() => Ok(*byte),
            _ => Err(SqlError::new("22023", format!("COPY {what} must be a single ASCII character"))),
        }
    }

    /// `ON`, `OFF`, `TRUE` or `FALSE`; nothing said is `ON`.
    fn switch(&mut self) -> bool {
        let off = self.peek().is_some_and(|token| token.is_any(&["off", "false"]));
        let on = self.peek().is_some_and(|token| token.is_any(&["on", "true", "preset"]));
        self.at += usize::from(off || on);
        !off
    }

    fn number(&mut self) -> Result<u64, SqlError> {
        self.eat("as");
        let number = self.peek().and_then(|token| token.text.parse().ok());
        self.at += usize::from(number.is_some());
        number.ok_or_else(|| self.near())
    }
}

/// Reads dense tokens that begin with COPY.
pub(in super::super) fn read(tokens: &[Token], context: &Context<'_>) -> Result<CopyStatement, SqlError> {
    let mut reader = Reader { tokens, at: 1 };
    let mut table = String::new();
    while let Some(token) = reader.peek().filter(|token| (token.is_name() && !token.is("from")) || token.symbol(".")) {
        let mut token = token.clone();
        for_postgres(&mut token, context.case_sensitive, context.long_names);
        table.push_str(&token.text);
        reader.at += 1;
    }
    if table.is_empty() {
        return Err(reader.near());
    }
    let columns = columns(&mut reader, context)?;
    if reader.peek().is_some_and(|token| token.is("to")) {
        return Err(SqlError::syntax("to"));
    }
    if !reader.eat("from") {
        return Err(reader.near());
    }
    if reader.peek().is_some_and(|token| token.is_any(&["stdin", "program", "stdout"])) {
        return Err(SqlError::new("0A000", "COPY from STDIN is not supported; the data source must be a path such as 's3://bucket/key'"));
    }
    let url = reader.literal()?;
    if !url.starts_with("s3://") {
        return Err(SqlError::not_served(format!("COPY from {}", url.split("://").next().unwrap_or_default())));
    }
    let mut copy = CopyStatement {
        table,
        columns,
        url,
        keys: None,
        manifest: false,
        region: None,
        compression: Compression::None,
        quote: b'"',
        delimiter: b',',
        null_as: "\\N".to_owned(),
        ignore_header: 0,
        accept_invalid: None,
        truncate_columns: false,
    };
    let mut seen = Seen::default();
    while reader.peek().is_some() {
        option(&mut reader, &mut copy, &mut seen)?;
    }
    if !seen.csv {
        return Err(SqlError::not_served("COPY in a format other than CSV"));
    }
    match &copy.keys {
        None if !seen.role => {
            return Err(SqlError::new("42601", "COPY from S3 needs IAM_ROLE, CREDENTIALS or ACCESS_KEY_ID and SECRET_ACCESS_KEY"));
        }
        Some(keys) if seen.role || keys.id.is_empty() || keys.secret.is_empty() => {
            return Err(SqlError::new("42601", "COPY needs either a role or both ACCESS_KEY_ID and SECRET_ACCESS_KEY"));
        }
        _ => {}
    }
    Ok(copy)
}

fn columns(reader: &mut Reader<'_>, context: &Context<'_>) -> Result<Option<Vec<String>>, SqlError> {
    if !reader.peek().is_some_and(|token| token.symbol("(")) {
        return Ok(None);
    }
    reader.at += 1;
    let mut names = Vec::new();
    loop {
        let Some(token) = reader.peek().filter(|token| token.is_name()) else { return Err(reader.near()) };
        let mut token = token.clone();
        for_postgres(&mut token, context.case_sensitive, context.long_names);
        // Folded already: what it means now is what the catalogue spells.
        names.push(meaning(&token, true));
        reader.at += 1;
        match reader.peek() {
            Some(token) if token.symbol(",") => reader.at += 1,
            Some(token) if token.symbol(")") => {
                reader.at += 1;
                return Ok(Some(names));
            }
            _ => return Err(reader.near()),
        }
    }
}

/// Which of the options that must be there have been read.
#[derive(Default)]
struct Seen {
    role: bool,
    csv: bool,
}

fn option(reader: &mut Reader<'_>, copy: &mut CopyStatement, seen: &mut Seen) -> Result<(), SqlError> {
    let Some(word) = reader.peek().filter(|token| token.kind == Kind::Word).map(|token| token.text.to_ascii_lowercase()) else {
        return Err(reader.near());
    };
    reader.at += 1;
    match word.as_str() {
        "iam_role" => {
            if !reader.eat("default") && reader.literal()?.is_empty() {
                return Err(SqlError::new("42601", "IAM_ROLE must not be empty"));
            }
            seen.role = true;
        }
        "access_key_id" => copy.keys.get_or_insert_default().id = reader.as_literal()?,
        "secret_access_key" => copy.keys.get_or_insert_default().secret = reader.as_literal()?,
        "session_token" => copy.keys.get_or_insert_default().token = Some(reader.as_literal()?),
        "with" if reader.peek().is_some_and(|token| token.is("credentials")) => {}
        "credentials" => credentials(&reader.as_literal()?, copy, seen)?,
        "manifest" => copy.manifest = true,
        "region" => copy.region = Some(reader.as_literal()?),
        "format" => {
            reader.eat("as");
            if !reader.eat("csv") {
                let named = reader.peek().map_or_else(String::new, |token| token.text.to_ascii_uppercase());
                return Err(SqlError::not_served(format!("COPY FORMAT {named}")));
            }
            seen.csv = true;
        }
        "csv" => seen.csv = true,
        "quote" => copy.quote = reader.one_byte("QUOTE")?,
        "delimiter" => copy.delimiter = reader.one_byte("DELIMITER")?,
        "null" => copy.null_as = reader.as_literal()?,
        "zstd" => copy.compression = Compression::Zstd,
        "dateformat" | "timeformat" => {
            let format = reader.as_literal()?;
            if format != "auto" {
                return Err(SqlError::not_served(format!("COPY {} '{format}'; only 'auto'", word.to_ascii_uppercase())));
            }
        }
        "compupdate" | "statupdate" => {
            reader.switch();
        }
        "maxerror" => {
            if reader.number()? != 0 {
                return Err(SqlError::not_served("COPY MAXERROR above 0"));
            }
        }
        "ignoreheader" => copy.ignore_header = reader.number()?,
        "acceptinvchars" => {
            let with = if reader.peek().is_some_and(|token| token.is("as") || token.kind == Kind::Literal) {
                reader.as_literal()?
            } else {
                "?".to_owned()
            };
            copy.accept_invalid = with.chars().next();
        }
        "truncatecolumns" => copy.truncate_columns = true,
        _ => return Err(SqlError::not_served(format!("COPY option {}", word.to_ascii_uppercase()))),
    }
    Ok(())
}

/// `aws_access_key_id=A;aws_secret_access_key=S;token=T` or `aws_iam_role=…`.
fn credentials(text: &str, copy: &mut CopyStatement, seen: &mut Seen) -> Result<(), SqlError> {
    for pair in text.split(';').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("aws_iam_role", _)) => seen.role = true,
            Some(("aws_access_key_id", value)) => value.clone_into(&mut copy.keys.get_or_insert_default().id),
            Some(("aws_secret_access_key", value)) => value.clone_into(&mut copy.keys.get_or_insert_default().secret),
            Some(("token", value)) => copy.keys.get_or_insert_default().token = Some(value.to_owned()),
            // The rest of the text may be a secret.
            _ => {
                return Err(SqlError::new(
                    "42601",
                    "Invalid credentials. Must be of the format: credentials 'aws_iam_role=…' or 'aws_access_key_id=…;aws_secret_access_key=…[;token=…]'",
                ));
            }
        }
    }
    Ok(())
}
