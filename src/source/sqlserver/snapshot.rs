//! The rows of a table, streamed in one statement.

use super::counted;
use super::decode::RowDecoder;
use super::error::Place;
use super::pages::Stream;
use super::session::Sessions;
use super::{columns, quote};
use crate::model::{Fault, TableName, TableShape, Value};
use crate::source::ScanIsolation;

/// Each a batch of its own. The first read inside pins the version that is seen.
pub const SNAPSHOT_ISOLATION: &str = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT;";
pub const BEGIN: &str = "BEGIN TRANSACTION;";
pub const COMMIT: &str = "COMMIT TRANSACTION;";

#[must_use]
pub fn rows(table: &TableName, shape: &TableShape) -> String {
    format!("SELECT {}\n  FROM {} AS t;", columns::select_list(shape.columns(), "t"), quote::table(table))
}

/// Starts a scan on a connection of its own. One statement reads the whole table: under snapshot
/// isolation it is also the read that pins the version.
pub async fn stream(
    sessions: &Sessions,
    table: &TableName,
    shape: &TableShape,
    isolation: ScanIsolation,
) -> Result<Stream<Vec<Value>>, Fault> {
    let place = Place::new(format!("{table} could not be scanned")).needs(format!("SELECT ON {}", quote::table(table)));
    let decoder = RowDecoder::new(table, shape)?;
    let mut driver = sessions.open().await?;
    if isolation == ScanIsolation::Snapshot {
        for sql in [SNAPSHOT_ISOLATION, BEGIN] {
            sessions.run_on(&mut driver, &place, sql, Vec::new()).await?;
        }
    }
    let sql = rows(table, shape);
    let user = sessions.settings().user.clone();
    Ok(Stream::start(place.clone(), move |mut writer| async move {
        let failed = |error: tiberius::error::Error| place.failed(&error, &user);
        let mut rows = counted::run(&mut driver, &sql, Vec::new()).await.map_err(failed)?;
        while let Some(row) = rows.next().await.map_err(failed)? {
            let (values, bytes) = decoder.row(row.into_iter())?;
            writer.push(values, bytes).await?;
        }
        rows.whole(&place)?;
        if isolation == ScanIsolation::Snapshot {
            driver.simple_query(COMMIT).await.map_err(failed)?.into_results().await.map_err(failed)?;
        }
        Ok(writer)
    }))
}
