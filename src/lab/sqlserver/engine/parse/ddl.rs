//! CREATE, ALTER, DROP, TRUNCATE.

use super::batch::data_type;
use super::cursor::{Cursor, Result};
use super::{AlterChange, AlterTable, Body, CreateTable};
use crate::lab::sqlserver::engine::catalog::{Column, Identity, Index};
use crate::lab::sqlserver::engine::collation;
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;
use sqlparser::tokenizer::Token;

pub(super) fn parse(c: &mut Cursor<'_>) -> Result<Body> {
    let start = c.at;
    let verb = c.identifier()?.to_ascii_uppercase();
    let what = if verb == "TRUNCATE" { "TABLE".into() } else { c.word_at(c.at).unwrap_or_default() };
    match (verb.as_str(), what.as_str()) {
        ("TRUNCATE", _) => {
            c.expect("TABLE")?;
            Ok(Body::Truncate(c.name()?))
        }
        ("CREATE", "SCHEMA") => {
            c.at += 1;
            let name = c.identifier()?;
            if c.eat("AUTHORIZATION") {
                c.identifier()?;
            }
            Ok(Body::CreateSchema(name))
        }
        ("CREATE", "TABLE") => {
            c.at += 1;
            create_table(c)
        }
        ("CREATE", "UNIQUE" | "CLUSTERED" | "NONCLUSTERED" | "INDEX") => create_index(c),
        ("DROP", "TABLE") => {
            c.at += 1;
            let if_exists = if_exists(c)?;
            let mut names = vec![c.name()?];
            while c.eat_token(&Token::Comma) {
                names.push(c.name()?);
            }
            Ok(Body::DropTable { names, if_exists })
        }
        ("DROP", "INDEX") => {
            c.at += 1;
            let if_exists = if_exists(c)?;
            let name = c.identifier()?;
            c.expect("ON")?;
            Ok(Body::DropIndex { table: c.name()?, name, if_exists })
        }
        ("ALTER", "TABLE") => {
            c.at += 1;
            alter_table(c, start)
        }
        ("ALTER", "DATABASE") => {
            c.at += 1;
            let database = c.identifier()?;
            c.expect("SET")?;
            c.expect("ALLOW_SNAPSHOT_ISOLATION").map_err(|_| unsupported(c, "This option of ALTER DATABASE"))?;
            let on = c.eat("ON");
            if !on {
                c.expect("OFF")?;
            }
            Ok(Body::AllowSnapshot { database, on })
        }
        _ => Err(unsupported(c, &format!("Statement '{verb} {what}'"))),
    }
}

pub(super) fn unsupported(c: &Cursor<'_>, what: &str) -> Message {
    Message { line: c.line(), ..Message::error(40510, format!("{what} is not supported in this version of SQL Server.")) }
}

fn if_exists(c: &mut Cursor<'_>) -> Result<bool> {
    if c.eat("IF") {
        c.expect("EXISTS")?;
        return Ok(true);
    }
    Ok(false)
}

fn create_table(c: &mut Cursor<'_>) -> Result<Body> {
    let name = c.name()?;
    c.expect_token(&Token::LParen)?;
    let mut columns = vec![];
    let mut keys = vec![];
    let table = name.last().cloned().unwrap_or_default();
    loop {
        element(c, &table, &mut columns, &mut keys)?;
        if !c.eat_token(&Token::Comma) {
            break;
        }
        if c.token() == &Token::RParen {
            break;
        }
    }
    c.expect_token(&Token::RParen)?;
    storage_clause(c)?;
    Ok(Body::CreateTable(CreateTable { name, columns, keys }))
}

/// `ON [PRIMARY]`, `TEXTIMAGE_ON x`, `WITH (…)`: where and how, which the lab does not tell apart.
fn storage_clause(c: &mut Cursor<'_>) -> Result<()> {
    loop {
        if c.eat("ON") || c.eat("TEXTIMAGE_ON") {
            c.identifier()?;
        } else if c.is("WITH") && c.token_at(c.at + 1) == &Token::LParen {
            c.at += 1;
            skip_parentheses(c)?;
        } else {
            return Ok(());
        }
    }
}

fn skip_parentheses(c: &mut Cursor<'_>) -> Result<()> {
    let mut depth = 0_usize;
    loop {
        match c.token() {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::EOF => return Err(c.unexpected()),
            _ => {}
        }
        c.at += 1;
        if depth == 0 {
            return Ok(());
        }
    }
}

/// A column or a table constraint.
fn element(c: &mut Cursor<'_>, table: &str, columns: &mut Vec<Column>, keys: &mut Vec<Index<String>>) -> Result<()> {
    let named = c.is("CONSTRAINT");
    if named || c.is("PRIMARY") || c.is("UNIQUE") {
        let name = if c.eat("CONSTRAINT") { Some(c.identifier()?) } else { None };
        let Some(mut key) = key(c, table, name)? else { return Err(unsupported(c, "This constraint")) };
        key.columns = column_list(c)?;
        storage_clause(c)?;
        push_key(keys, key)?;
        return Ok(());
    }
    if c.is("FOREIGN") || c.is("CHECK") || c.is("INDEX") {
        return Err(unsupported(c, "This table element"));
    }
    let (column, own) = column(c, table)?;
    columns.push(column);
    for key in own {
        push_key(keys, key)?;
    }
    Ok(())
}

fn push_key(keys: &mut Vec<Index<String>>, mut key: Index<String>) -> Result<()> {
    if key.primary_key && keys.iter().any(|k| k.primary_key) {
        return Err(Message::error(8110, "Cannot add multiple PRIMARY KEY constraints to the table."));
    }
    // A primary key is clustered unless another index is.
    if key.primary_key && key.clustered && keys.iter().any(|k| k.clustered) {
        key.clustered = false;
    }
    keys.push(key);
    Ok(())
}

/// `PRIMARY KEY | UNIQUE [CLUSTERED | NONCLUSTERED]`.
fn key(c: &mut Cursor<'_>, table: &str, name: Option<String>) -> Result<Option<Index<String>>> {
    let primary_key = if c.eat("PRIMARY") {
        c.expect("KEY")?;
        true
    } else if c.eat("UNIQUE") {
        false
    } else {
        return Ok(None);
    };
    let clustered = if c.eat("CLUSTERED") { true } else { !c.eat("NONCLUSTERED") && primary_key };
    let prefix = if primary_key { "PK" } else { "UQ" };
    // The server's own names end in digits of the object's id; position in the batch does here.
    let name = name.unwrap_or_else(|| format!("{prefix}__{table}__{:08X}", c.at));
    Ok(Some(Index { name, primary_key, unique_constraint: !primary_key, unique: true, clustered, columns: vec![] }))
}

fn column_list(c: &mut Cursor<'_>) -> Result<Vec<String>> {
    c.expect_token(&Token::LParen)?;
    let mut list = vec![];
    loop {
        list.push(c.identifier()?);
        if !c.eat("ASC") {
            c.eat("DESC");
        }
        if !c.eat_token(&Token::Comma) {
            break;
        }
    }
    c.expect_token(&Token::RParen)?;
    Ok(list)
}

fn column(c: &mut Cursor<'_>, table: &str) -> Result<(Column, Vec<Index<String>>)> {
    let name = c.identifier()?;
    if c.eat("AS") {
        return Ok((super::computed::column(c, &name)?, vec![]));
    }
    let bare_rowversion = c.word_at(c.at).is_none();
    if bare_rowversion && !matches!(c.token(), Token::Word(_)) {
        return Err(c.unexpected());
    }
    let data_type = data_type(c)?;
    // Nullable unless said otherwise; a rowversion never is.
    let mut column = Column::new(&name, data_type, true);
    if column.data_type == DataType::RowVersion {
        column.nullable = false;
    }
    let mut keys = vec![];
    let mut constraint = None;
    loop {
        if c.eat("NOT") {
            if c.eat("FOR") {
                c.expect("REPLICATION")?;
            } else {
                c.expect("NULL")?;
                column.nullable = false;
            }
        } else if c.eat("NULL") {
            column.nullable = true;
        } else if c.eat("COLLATE") {
            let collation = c.identifier()?;
            if !collation::is_known(&collation) {
                return Err(Message::error(448, format!("Invalid collation '{collation}'.")));
            }
            column.collation = (!collation.eq_ignore_ascii_case("database_default")).then_some(collation);
        } else if c.eat("IDENTITY") {
            let (mut seed, mut increment) = (1, 1);
            if c.eat_token(&Token::LParen) {
                seed = c.number()?;
                c.expect_token(&Token::Comma)?;
                increment = c.number()?;
                c.expect_token(&Token::RParen)?;
            }
            column.identity = Some(Identity { seed, increment, last: None });
            column.nullable = false;
        } else if c.eat("CONSTRAINT") {
            constraint = Some(c.identifier()?);
        } else if c.eat("DEFAULT") {
            let start = c.at;
            c.expr()?;
            column.default = Some(c.source(start, c.at));
            if c.eat("WITH") {
                c.expect("VALUES")?;
            }
            constraint = None;
        } else if c.eat("MASKED") {
            column.mask = Some(mask(c)?);
        } else if c.eat("ROWGUIDCOL") || c.eat("SPARSE") {
        } else if c.is("PRIMARY") || c.is("UNIQUE") {
            if let Some(mut key) = key(c, table, constraint.take())? {
                key.columns = if c.token() == &Token::LParen { column_list(c)? } else { vec![name.clone()] };
                if key.primary_key {
                    column.nullable = false;
                }
                keys.push(key);
            }
        } else if c.is("CHECK") || c.is("REFERENCES") || c.is("FOREIGN") {
            return Err(unsupported(c, "This column constraint"));
        } else {
            return Ok((column, keys));
        }
    }
}

/// `WITH (FUNCTION = 'default()')` behind MASKED.
fn mask(c: &mut Cursor<'_>) -> Result<String> {
    c.expect("WITH")?;
    c.expect_token(&Token::LParen)?;
    c.expect("FUNCTION")?;
    c.expect_token(&Token::Eq)?;
    let function = match c.token() {
        Token::SingleQuotedString(text) | Token::NationalStringLiteral(text) => text.to_ascii_lowercase(),
        _ => return Err(c.unexpected()),
    };
    if function != "default()" {
        return Err(unsupported(c, &format!("The masking function {function}")));
    }
    c.at += 1;
    c.expect_token(&Token::RParen)?;
    Ok(function)
}

fn create_index(c: &mut Cursor<'_>) -> Result<Body> {
    let unique = c.eat("UNIQUE");
    let clustered = c.eat("CLUSTERED");
    c.eat("NONCLUSTERED");
    c.expect("INDEX")?;
    let name = c.identifier()?;
    c.expect("ON")?;
    let table = c.name()?;
    let columns = column_list(c)?;
    if c.eat("INCLUDE") {
        column_list(c)?;
    }
    if c.is("WHERE") {
        return Err(unsupported(c, "A filtered index"));
    }
    storage_clause(c)?;
    let index = Index { name, primary_key: false, unique_constraint: false, unique, clustered, columns };
    Ok(Body::CreateIndex { table, index })
}

fn alter_table(c: &mut Cursor<'_>, start: usize) -> Result<Body> {
    let name = c.name()?;
    let table = name.last().cloned().unwrap_or_default();
    let change = if c.eat("ADD") {
        let (mut columns, mut keys) = (vec![], vec![]);
        loop {
            element(c, &table, &mut columns, &mut keys)?;
            if !c.eat_token(&Token::Comma) {
                break;
            }
        }
        AlterChange::Add { columns, keys }
    } else if c.eat("DROP") {
        if c.eat("CONSTRAINT") {
            if_exists(c)?;
            AlterChange::DropConstraint(c.identifier()?)
        } else {
            c.expect("COLUMN")?;
            if_exists(c)?;
            let mut columns = vec![c.identifier()?];
            while c.eat_token(&Token::Comma) {
                c.eat("COLUMN");
                columns.push(c.identifier()?);
            }
            AlterChange::Drop { columns }
        }
    } else if c.eat("ALTER") {
        c.expect("COLUMN")?;
        alter_column(c)?
    } else {
        return Err(unsupported(c, "This form of ALTER TABLE"));
    };
    Ok(Body::AlterTable(AlterTable { name, change, text: c.source(start, c.at) }))
}

fn alter_column(c: &mut Cursor<'_>) -> Result<AlterChange> {
    let column = c.identifier()?;
    if c.is("ADD") || c.is("DROP") {
        let adds = c.is("ADD");
        c.at += 1;
        c.expect("MASKED").map_err(|_| unsupported(c, "This form of ALTER COLUMN"))?;
        let function = if adds { Some(mask(c)?) } else { None };
        return Ok(AlterChange::Mask { column, function });
    }
    let data_type = data_type(c)?;
    if c.eat("COLLATE") {
        return Err(unsupported(c, "A change of a column's collation"));
    }
    if c.is("MASKED") {
        return Err(unsupported(c, "A mask beside a type in ALTER COLUMN"));
    }
    let not_null = c.eat("NOT");
    if not_null {
        c.expect("NULL")?;
    } else {
        c.eat("NULL");
    }
    Ok(AlterChange::Alter { column, data_type, nullable: !not_null })
}
