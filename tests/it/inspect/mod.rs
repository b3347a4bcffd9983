//! Inspection and repair against the lab.

mod batch_log;
mod columns;
mod commands;
mod dry_run;
mod dry_run_document;
mod files;
mod load_sql;
mod preview;
mod staging;
mod trace;
mod upkeep;
mod verify;
mod waiting;
mod widen;

use std::time::Duration;

use db_to_redshift::engine::inspect::verify::{VerifyOptions, VerifyReport};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::{Decimal, SqlType, TableName, Value};
use db_to_redshift::target::Target;

use crate::support::column::column;
use crate::support::memory_source::{Inner, text};
use crate::support::rig::{Rig, done};

/// `dbo.v (id, name nvarchar(20), at datetime2(7), price money, ratio real, bytes varbinary(50),
/// note nvarchar(max))`
fn table(rig: &Rig) -> TableName {
    let columns = vec![
        column("id", 1, SqlType::Int, Some(1)),
        column("Name", 2, SqlType::NVarChar { length: 20 }, None),
        column("at", 3, SqlType::DateTime2 { scale: 7 }, None),
        column("price", 4, SqlType::Money, None),
        column("ratio", 5, SqlType::Real, None),
        column("bytes", 6, SqlType::VarBinary { length: 50 }, None),
        column("note", 7, SqlType::NVarCharMax, None),
    ];
    rig.source.table("v", columns)
}

/// Ticks end in a seventh digit that production cannot hold.
fn row(id: i64, name: &str) -> Vec<Value> {
    vec![
        Value::Int(id),
        text(name),
        Value::Timestamp { days: 739_000, ticks: 123_456_789_017 },
        Value::Decimal(Decimal { unscaled: -12_345, scale: 4 }),
        Value::Real(0.1),
        Value::Bytes(Vec::new()),
        text("a\0note "),
    ]
}

async fn prepare(rig: &Rig, table: &TableName) {
    done(rig.engine().prepare(std::slice::from_ref(table), PrepareOptions::default()).await);
}

/// A table with these rows, loaded from its snapshot.
async fn loaded(rig: &Rig, names: &[&str]) -> TableName {
    let table = table(rig);
    rig.source.with(|inner| {
        inner.commit(|tran| (1..).zip(names).for_each(|(id, name)| tran.insert(&table, row(id, name))));
    });
    prepare(rig, &table).await;
    rig.load(&table).await;
    table
}

fn quick() -> VerifyOptions {
    VerifyOptions { settle: Duration::from_secs(20), ..VerifyOptions::default() }
}

async fn verify_with(rig: &Rig, table: &TableName, options: &VerifyOptions) -> VerifyReport {
    // The log goes on behind the scan, so that capture passes its time.
    let source = rig.source.clone();
    rig.source.before("clock", move |_| source.before("watermarks", Inner::idle));
    rig.engine().verify(table, options).await.unwrap()
}

async fn verify(rig: &Rig, table: &TableName) -> VerifyReport {
    verify_with(rig, table, &quick()).await
}

async fn diverged(rig: &Rig, table: &TableName) -> Option<String> {
    rig.target().state(table).await.unwrap().unwrap().diverged.map(|diverged| diverged.why)
}
