//! The table that a COPY fills, from the catalogue and within the session's own transaction.

use std::io;

use super::super::backend::{Backend, Row};
use super::super::sql::rewrite::quote as literal;
use super::super::wire::message::SqlError;
use super::options::CopyStatement;
use super::values::{Kind, Target};

pub(super) struct Table {
    pub oid: u32,
    pub name: String,
    /// Row-level security is on for the session's user.
    pub secured: bool,
    /// In the order of the file's fields.
    pub columns: Vec<Target>,
}

/// Reads what the COPY needs. The inner error is the statement's.
pub(super) async fn read(backend: &mut Backend, copy: &CopyStatement) -> io::Result<Result<Table, SqlError>> {
    let sql = format!(
        "SELECT c.oid, c.relname, c.relkind, has_table_privilege(c.oid, 'INSERT'), a.attname, t.typname, a.atttypmod, a.attnotnull, a.attidentity,
                pg_catalog.lab_type_name(c.oid, a.attnum, a.atttypid, a.atttypmod), row_security_active(c.oid)
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
           JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          WHERE c.oid = {}::regclass AND a.attnum > 0 AND NOT a.attisdropped
          ORDER BY a.attnum",
        literal(&copy.table)
    );
    let rows = match backend.query(&sql).await? {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    Ok(columns(&rows, copy))
}

fn columns(rows: &[Row], copy: &CopyStatement) -> Result<Table, SqlError> {
    let text = |row: &Row, at: usize| {
        row.get(at).and_then(Option::as_ref).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    let Some(first) = rows.first() else {
        return Err(SqlError::new("42P01", format!("Cannot COPY into nonexistent table {}", copy.table)));
    };
    let name = text(first, 1);
    if text(first, 2) != "r" {
        return Err(SqlError::new("42809", format!("Cannot COPY into {name}: it is no table")));
    }
    if text(first, 3) != "t" {
        return Err(SqlError::new("42501", format!("permission denied for relation {name}")));
    }
    let mut all = Vec::new();
    for row in rows {
        let target = Target {
            name: text(row, 4),
            kind: kind(&text(row, 5), text(row, 6).parse().unwrap_or(-1), &text(row, 9))?,
            not_null: text(row, 7) == "t",
        };
        all.push((target, text(row, 8) == "a"));
    }
    let columns = match &copy.columns {
        None => all.into_iter().filter(|(_, always)| !always).map(|(target, _)| target).collect(),
        Some(names) => names
            .iter()
            .map(|wanted| {
                let (target, always) = all
                    .iter()
                    .find(|(target, _)| target.name == *wanted)
                    .ok_or_else(|| SqlError::new("42703", format!("column \"{wanted}\" of relation \"{name}\" does not exist")))?;
                if *always {
                    Err(SqlError::new("0A000", format!("cannot load identity column \"{wanted}\" without EXPLICIT_IDS")))
                } else {
                    Ok(target.clone())
                }
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(Table { oid: text(first, 0).parse().unwrap_or(0), name, secured: text(first, 10) == "t", columns })
}

fn kind(name: &str, modifier: i32, full: &str) -> Result<Kind, SqlError> {
    let length = usize::try_from(modifier - 4).ok();
    Ok(match name {
        "bool" => Kind::Bool,
        "int2" => Kind::Integer("Short", i16::MIN.into(), i16::MAX.into()),
        "int4" => Kind::Integer("Integer", i32::MIN.into(), i32::MAX.into()),
        "int8" => Kind::Integer("Long", i64::MIN, i64::MAX),
        "numeric" => {
            let packed = u32::try_from(modifier - 4).unwrap_or(18 << 16);
            Kind::Decimal { precision: packed >> 16, scale: packed & 0x7ff }
        }
        "float4" => Kind::Real,
        "float8" => Kind::Double,
        "varchar" | "text" => Kind::Varchar(length.unwrap_or(65_535)),
        "bpchar" => Kind::Char(length.unwrap_or(1)),
        "date" => Kind::Date,
        "time" => Kind::Time,
        "timetz" => Kind::TimeTz,
        "timestamp" => Kind::Timestamp,
        "timestamptz" => Kind::TimestampTz,
        "bytea" => Kind::Varbyte(full.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(64_000)),
        "jsonb" => Kind::Super,
        other => return Err(SqlError::not_served(format!("COPY into columns of type {other}"))),
    })
}
