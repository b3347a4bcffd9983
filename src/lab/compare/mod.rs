//! Compares tables of the lab's SQL Server with their production in the lab's Redshift.
//!
//! Shares nothing with the pipeline: the source is read from the engine's own values, without
//! TDS; production by plain SELECTs; both are brought to one text form by rules of their own.

mod text;

use std::collections::BTreeMap;

use tokio_postgres::SimpleQueryMessage;

use super::Lab;
use super::direct::{BatchError, Direct};
use super::sqlserver::types::{DataType, Datum};
use crate::model::TableName;

/// A source table and where its rows went.
#[derive(Clone, Debug)]
pub struct Pair {
    pub table: TableName,
    /// Quoted, as in `"public"."orders"`.
    pub production: String,
}

/// How one table compares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    pub table: TableName,
    pub source_rows: u64,
    pub target_rows: u64,
    /// Rows of the source that production does not hold, or not often enough.
    pub missing: u64,
    /// Rows of production that the source does not hold.
    pub surplus: u64,
}

impl Comparison {
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.missing == 0 && self.surplus == 0
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error("the source could not be read: {0}")]
    Source(#[from] BatchError),
    #[error("production could not be read: {0}")]
    Target(#[from] tokio_postgres::Error),
}

/// A plain client of the lab's Redshift.
pub async fn redshift(lab: &Lab) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (address, options) = (lab.redshift.addr(), lab.options());
    let mut config = tokio_postgres::Config::new();
    config.host(address.ip().to_string()).port(address.port()).dbname(&options.redshift_database);
    config.user(&options.redshift_user).password(&options.redshift_password);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    // Ends when the client is dropped.
    tokio::spawn(connection);
    Ok(client)
}

type Rows = BTreeMap<Vec<Option<String>>, i64>;

/// Compares the pairs one after the other. Every column but computed ones counts.
pub async fn tables(source: &mut Direct, target: &tokio_postgres::Client, pairs: &[Pair]) -> Result<Vec<Comparison>, CompareError> {
    // Instants are compared in UTC.
    target.simple_query("SET timezone TO 'UTC'").await?;
    let mut compared = Vec::with_capacity(pairs.len());
    for pair in pairs {
        compared.push(table(source, target, pair).await?);
    }
    Ok(compared)
}

async fn table(source: &mut Direct, target: &tokio_postgres::Client, pair: &Pair) -> Result<Comparison, CompareError> {
    let name = format!("{}.{}", bracketed(&pair.table.schema), bracketed(&pair.table.name));
    let columns = columns(source, &name)?;
    let list = columns.iter().map(|column| bracketed(column)).collect::<Vec<_>>().join(", ");
    let answer = source.run(&format!("SELECT {list} FROM {name}"))?;
    let mut rows = Rows::new();
    let mut source_rows = 0;
    let types: Vec<DataType> =
        answer.sets.first().map(|set| set.columns.iter().map(|column| column.data_type.clone()).collect()).unwrap_or_default();
    for row in answer.sets.iter().flat_map(|set| &set.rows) {
        *rows.entry(row.iter().zip(&types).map(|(value, data_type)| text::of_source(value, data_type)).collect()).or_default() += 1;
        source_rows += 1;
    }
    let list = columns.iter().zip(&types).map(|(column, data_type)| text::select(column, data_type)).collect::<Vec<_>>().join(", ");
    let mut target_rows = 0;
    for message in target.simple_query(&format!("SELECT {list} FROM {}", pair.production)).await? {
        if let SimpleQueryMessage::Row(row) = message {
            let cells = types.iter().enumerate().map(|(at, data_type)| row.get(at).map(|cell| text::of_target(cell, data_type))).collect();
            *rows.entry(cells).or_default() -= 1;
            target_rows += 1;
        }
    }
    let sum = |counts: Vec<i64>| counts.into_iter().map(i64::unsigned_abs).sum();
    let missing = sum(rows.values().copied().filter(|count| *count > 0).collect());
    let surplus = sum(rows.values().copied().filter(|count| *count < 0).collect());
    Ok(Comparison { table: pair.table.clone(), source_rows, target_rows, missing, surplus })
}

fn columns(source: &mut Direct, name: &str) -> Result<Vec<String>, BatchError> {
    let sql = format!(
        "SELECT name FROM sys.columns WHERE object_id = OBJECT_ID(N'{}') AND is_computed = 0 ORDER BY column_id",
        name.replace('\'', "''")
    );
    let answer = source.run(&sql)?;
    let name = |row: &Vec<Datum>| match row.first() {
        Some(Datum::Text(units)) => Some(String::from_utf16_lossy(units)),
        _ => None,
    };
    Ok(answer.sets.iter().flat_map(|set| &set.rows).filter_map(name).collect())
}

fn bracketed(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}
