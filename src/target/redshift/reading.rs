//! Production and staging read back: whole tables as a stream, and the rows of one key.

use std::pin::Pin;
use std::time::Duration;

use futures::StreamExt;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryStream};

use super::canonical;
use super::connect::Session;
use super::error::SqlError;
use super::hidden;
use super::names::{self, Names};
use super::quote::{ident, ident_list, literal};
use crate::config::RedshiftSettings;
use crate::model::fault::rs;
use crate::model::{Column, Fault, SqlType, TableShape};
use crate::target::{Held, HeldRows, KeyRows, StagedKeyRow};

/// A page ends at so many rows or bytes.
const PAGE_ROWS: usize = 2_000;
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// How much longer than an ordinary statement the read of a whole table may take.
const PATIENCE: u32 = 60;

/// The expression whose text says exactly what a column holds.
///
/// A REAL is asked for as the double that equals it, since Redshift has no setting that shows all
/// nine digits of one; with two extra digits a double shows all seventeen.
fn expression(column: &Column) -> String {
    let name = ident(&names::fold(&column.name));
    match &column.sql_type {
        SqlType::Real => format!("CAST({name} AS DOUBLE PRECISION)"),
        SqlType::Binary { .. } | SqlType::VarBinary { .. } | SqlType::VarBinaryMax | SqlType::Image | SqlType::RowVersion => {
            format!("TO_HEX({name})")
        }
        SqlType::DateTimeOffset { .. } => format!("({name} AT TIME ZONE 'UTC')"),
        _ => name,
    }
}

pub fn select_list(columns: &[Column]) -> String {
    let list: Vec<String> = columns.iter().enumerate().map(|(at, column)| format!("{} AS \"c{at}\"", expression(column))).collect();
    list.join(", ")
}

/// Every digit is shown, and dates in ISO order, whatever the user's defaults are.
const EXACT: &[&str] = &["SET extra_float_digits TO 2", "SET datestyle TO 'ISO'"];

pub async fn exact(session: &mut Session) -> Result<(), SqlError> {
    for sql in EXACT {
        session.run("set how values are shown", sql).await?;
    }
    Ok(())
}

/// A table read row by row; memory is that of a page.
pub struct RedshiftRows {
    session: Session,
    stream: Pin<Box<SimpleQueryStream>>,
    columns: Vec<Column>,
    wait: Duration,
    ended: bool,
}

/// Starts to read the given columns of production: of all its rows, or of none.
pub async fn production(settings: &RedshiftSettings, names: &Names, shape: &TableShape) -> Result<RedshiftRows, Fault> {
    let mut session = Session::open(settings).await?;
    hidden::require_open(&mut session, &names.production).await?;
    exact(&mut session).await?;
    session.set_limit(settings.timeout.saturating_mul(PATIENCE)).await?;
    let columns = shape.columns().to_vec();
    let sql = format!("SELECT {}\n  FROM {}", select_list(&columns), names.production.sql());
    let stream = Box::pin(session.stream("read production", &sql).await?);
    Ok(RedshiftRows { session, stream, columns, wait: settings.timeout.saturating_mul(PATIENCE), ended: false })
}

impl HeldRows for RedshiftRows {
    async fn next_page(&mut self) -> Result<Option<Vec<Vec<Held>>>, Fault> {
        let mut page = Vec::new();
        let mut bytes = 0;
        while !self.ended && page.len() < PAGE_ROWS && bytes < PAGE_BYTES {
            let message = tokio::time::timeout(self.wait, self.stream.next())
                .await
                .map_err(|_| SqlError::NoAnswer { step: "read production", why: format!("no row within {} s", self.wait.as_secs()) })?;
            match message {
                None => {
                    self.ended = true;
                    self.session.answered();
                }
                Some(Err(error)) => return Err(Session::failed("read production", &error).into()),
                Some(Ok(SimpleQueryMessage::Row(row))) => {
                    let held: Vec<Held> =
                        self.columns.iter().enumerate().map(|(at, column)| canonical::of_text(column, row.get(at))).collect();
                    bytes += held.iter().flatten().map(String::len).sum::<usize>();
                    page.push(held);
                }
                Some(Ok(_)) => {}
            }
        }
        Ok((!page.is_empty()).then_some(page))
    }
}

/// `"id" = '7' AND …`
fn has_key(shape: &TableShape, key: &[Held]) -> Result<String, Fault> {
    let mut parts = Vec::with_capacity(key.len());
    for (column, value) in shape.key().iter().zip(key) {
        let Some(value) = value else {
            return Err(Fault::new(&rs::ANSWER, format!("the key column {} has no value", column.name)));
        };
        let name = ident(&names::fold(&column.name));
        parts.push(match &column.sql_type {
            SqlType::Binary { .. } | SqlType::VarBinary { .. } | SqlType::RowVersion => {
                format!("{name} = TO_VARBYTE({}, 'hex')", literal(value))
            }
            SqlType::DateTimeOffset { .. } => format!("{name} = {}", literal(&format!("{value}+00"))),
            _ => format!("{name} = {}", literal(value)),
        });
    }
    Ok(parts.join(" AND "))
}

/// The rows of one key in production and, in the order of the batches, in staging.
pub async fn rows_of_key(settings: &RedshiftSettings, names: &Names, shape: &TableShape, key: &[Held]) -> Result<KeyRows, Fault> {
    let mut session = Session::open(settings).await?;
    exact(&mut session).await?;
    let (list, condition) = (select_list(shape.columns()), has_key(shape, key)?);
    let hold = |row: &[Option<String>]| -> Vec<Held> {
        shape.columns().iter().enumerate().map(|(at, column)| canonical::of_text(column, row.get(at).and_then(Option::as_deref))).collect()
    };
    let sql = format!("SELECT {list}\n  FROM {}\n WHERE {condition}\n LIMIT 10", names.production.sql());
    let production = session.run("read a row of production", &sql).await?.rows.iter().map(|row| hold(row)).collect();
    let internal = ident_list([names::BATCH, names::ORDER, names::OP]);
    let sql = format!(
        "SELECT {list}, {internal}\n  FROM {}\n WHERE {condition}\n ORDER BY {}\n LIMIT 1000",
        names.staging.sql(),
        ident_list([names::BATCH, names::ORDER])
    );
    let width = shape.columns().len();
    let staged = |row: &Vec<Option<String>>| -> Option<StagedKeyRow> {
        let text = |at: usize| row.get(width + at)?.as_deref();
        Some(StagedKeyRow { seq: text(0)?.parse().ok()?, order: text(1)?.parse().ok()?, operation: text(2)?.to_owned(), values: hold(row) })
    };
    let staging = session.run("read rows of staging", &sql).await?.rows.iter().map(staged).collect::<Option<Vec<_>>>();
    let staging = staging.ok_or_else(|| Fault::new(&rs::ANSWER, format!("the rows of {} cannot be read", names.staging.sql())))?;
    Ok(KeyRows { production, staging })
}

/// How many keys stand in production more than once.
pub async fn duplicate_keys(settings: &RedshiftSettings, names: &Names, shape: &TableShape) -> Result<u64, Fault> {
    let mut session = Session::open(settings).await?;
    session.set_limit(settings.timeout.saturating_mul(PATIENCE)).await?;
    let folded: Vec<String> = shape.key().iter().map(|column| names::fold(&column.name)).collect();
    let key = ident_list(folded.iter().map(String::as_str));
    let production = names.production.sql();
    let sql = format!("SELECT COUNT(*)\n  FROM (SELECT {key} FROM {production} GROUP BY {key} HAVING COUNT(*) > 1) AS \"d\"");
    let found = session.run("count duplicate keys", &sql).await?.number();
    found.ok_or_else(|| Fault::new(&rs::ANSWER, format!("the duplicate keys of {production} cannot be counted")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unfit;

    fn column(name: &str, sql_type: SqlType, key_ordinal: Option<u8>) -> Column {
        Column { name: name.into(), column_id: 1, ordinal: 1, sql_type, nullable: false, collation: None, key_ordinal, unfit: Unfit::Fail }
    }

    #[test]
    fn values_are_asked_for_exactly_and_keys_are_quoted() {
        let shape = TableShape::new(vec![
            column("Id", SqlType::VarChar { length: 9 }, Some(1)),
            column("Tag", SqlType::Binary { length: 2 }, Some(2)),
            column("Ratio", SqlType::Real, None),
            column("At", SqlType::DateTimeOffset { scale: 3 }, None),
        ]);
        insta::assert_snapshot!(select_list(shape.columns()), @r#""id" AS "c0", TO_HEX("tag") AS "c1", CAST("ratio" AS DOUBLE PRECISION) AS "c2", ("at" AT TIME ZONE 'UTC') AS "c3""#);
        let key = [Some(r"it's \".to_owned()), Some("ab01".to_owned())];
        insta::assert_snapshot!(has_key(&shape, &key).unwrap(), @r#""id" = 'it''s \\' AND "tag" = TO_VARBYTE('ab01', 'hex')"#);
        assert!(has_key(&shape, &[None, None]).is_err());
    }
}
