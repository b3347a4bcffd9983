//! What an operator orders: pause, skip, adopt, lease, retry, recover.

mod accept;
mod adopt;
mod command_line;
mod leases;
mod marks;
mod pause;
mod prepare;
mod recapture;
mod recover;
mod retry;
mod skip;

use db_to_redshift::engine::operate::Report;
use db_to_redshift::model::{Fault, TableName, TargetState};
use db_to_redshift::target::Target;

use crate::support::rig::{Rig, row};

fn one(table: &TableName) -> &[TableName] {
    std::slice::from_ref(table)
}

/// The one outcome of reports.
fn outcome<R>(mut reports: Vec<Report<R>>) -> Result<R, Fault> {
    assert_eq!(reports.len(), 1);
    reports.remove(0).outcome
}

/// Prepared and loaded, with as many recorded batches of one row each behind it.
async fn recorded(rig: &Rig, batches: i64) -> TableName {
    let table = rig.prepared().await;
    rig.load(&table).await;
    record(rig, &table, 1..=batches).await;
    table
}

/// One recorded batch with one row for each id.
async fn record(rig: &Rig, table: &TableName, ids: impl IntoIterator<Item = i64>) {
    for id in ids {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(table, row(id, "x", id))));
        assert_eq!(rig.extract(table).await.batches, 1);
    }
}

async fn state(rig: &Rig, table: &TableName) -> TargetState {
    rig.target().state(table).await.unwrap().unwrap()
}

/// Ids in production.
async fn ids(rig: &Rig) -> Vec<i64> {
    rig.production().await.into_iter().map(|(id, _, _)| id).collect()
}

/// `event from-to rows` of the batch log without what was only staged, in the order of batches.
async fn log(rig: &Rig) -> Vec<String> {
    let rows = rig
        .query(
            "SELECT event, seq_from, seq_to, staged_rows FROM d2r_control.batch_log WHERE event <> 'staged' ORDER BY epoch, seq_to, event",
        )
        .await;
    let text = |cell: &Option<String>| cell.clone().unwrap();
    rows.iter().map(|row| format!("{} {}-{} {}", text(&row[0]), text(&row[1]), text(&row[2]), text(&row[3]))).collect()
}
