//! `demo` on a terminal: the console over the lab, with a workload beside it, and one table that
//! fails on purpose so that there is something to repair.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{capture, say};
use crate::cli::args::{Console, Demo, Global};
use crate::cli::connect::LiveEngine;
use crate::cli::lab::failed;
use crate::cli::{console, output};
use crate::engine::prepare::PrepareOptions;
use crate::lab::Lab;
use crate::lab::compare;
use crate::lab::direct::Direct;
use crate::lab::sample::Workload;
use crate::model::{Fault, TableName};
use crate::target::Target;

/// Between two transactions of the workload.
const EVERY: Duration = Duration::from_secs(3);
/// The table that fails, and the column that is made too narrow for it.
const TABLE: (&str, &str) = ("dbo", "Customer");

/// Prepares everything, breaks one table, and opens the console.
pub async fn open(
    global: &Global,
    demo: &Demo,
    lab: &Lab,
    mut source: Direct,
    engine: &Arc<LiveEngine>,
    tables: &[TableName],
) -> Result<u8, Fault> {
    say(global, "preparing the tables of the sample company: first snapshots, first load");
    let mut reports = engine.prepare(tables, PrepareOptions::default()).await;
    reports.extend(engine.load(tables).await);
    for report in reports {
        report.outcome?;
    }
    break_one(lab, &mut source, engine).await?;
    let reports = engine.sync(tables).await;
    // What failed must be on record, as after a run of anybody.
    crate::cli::jobs::note_run(engine, &reports, Some(jiff::Timestamp::now())).await;
    let stop = CancellationToken::new();
    let working = tokio::task::spawn_blocking({
        let (stop, mut workload) = (stop.clone(), Workload::new(demo.seed));
        let (handle, cdc, database) =
            (tokio::runtime::Handle::current(), Arc::clone(&lab.sqlserver.cdc), lab.options().source_database.clone());
        move || {
            while handle.block_on(async { tokio::time::timeout(EVERY, stop.cancelled()).await }).is_err() {
                let Some(batch) = workload.next() else { return };
                // A stand-in that fails here shows as a quiet source; the demo goes on.
                let done = source.run(&batch).is_ok() && cdc.capture_now(&database).is_ok();
                tracing::debug!(done, "a transaction of the demo's workload");
            }
        }
    });
    let config = lab.write_config().map_err(|error| failed("the lab's configuration could not be written", error))?;
    let global = Global { config: Some(config), ..global.clone() };
    let code = console::run(&global, &Console::default()).await;
    stop.cancel();
    if let Err(error) = working.await {
        tracing::warn!(%error, "the demo's workload ended early");
    }
    output::talk("stopping the lab");
    code
}

/// Somebody makes a column of production as narrow as its values of now; then a longer one comes.
async fn break_one(lab: &Lab, source: &mut Direct, engine: &LiveEngine) -> Result<(), Fault> {
    let table = TableName::new(TABLE.0, TABLE.1);
    let production = engine.target.names(&table).production;
    let client = compare::redshift(lab).await.map_err(|error| failed("the lab's Redshift cannot be reached", error))?;
    let wrong = |error: tokio_postgres::Error| failed("the demo's table could not be broken", error);
    let rows = client.simple_query(&format!("SELECT max(octet_length(phone)) FROM {production}")).await.map_err(wrong)?;
    let widest = rows.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0)?.parse::<u32>().ok(),
        _ => None,
    });
    let width = widest.unwrap_or(12);
    client.simple_query(&format!("ALTER TABLE {production} ALTER COLUMN phone TYPE VARCHAR({width})")).await.map_err(wrong)?;
    let longer = "UPDATE dbo.Customer SET Phone = '+49 89 555 0100 ext 2045' WHERE CustomerId = (SELECT MIN(CustomerId) FROM dbo.Customer)";
    source.run(longer).map_err(|error| failed("the demo's table could not be broken", error))?;
    capture(lab)
}
