//! L3: a range of batches into staging, one transaction.

use super::copy::{Copy, CopyAccessSource};
use super::ddl::Layout;
use super::delsert::delete_all;
use super::locked::{self, Locked, Position};
use super::names::Names;
use super::state;
use crate::model::fault::rs;
use crate::model::state::StagedRange;
use crate::model::{Fault, TableName};
use crate::target::LoadRange;

/// The guards of every transaction that moves batches: identity, fence, position, oids.
pub async fn guard(locked: &mut Locked, names: &Names, table: &TableName, range: &LoadRange) -> Result<(), Fault> {
    locked::require_stream(&locked.row, names, table, &range.identity)?;
    locked::require_fence(&locked.row, names, range.fence)?;
    let position = Position { epoch: range.epoch, from: range.from, lsn_from: range.lsn_from };
    locked::require_position(&locked.row, names, position)?;
    locked::require_oids(locked, names).await
}

pub async fn run(
    locked: &mut Locked,
    names: &Names,
    table: &TableName,
    range: &LoadRange,
    access: &dyn CopyAccessSource,
) -> Result<(), Fault> {
    guard(locked, names, table, range).await?;
    if locked.row.state.staged.is_some() {
        return Err(locked::moved(&locked.row, names));
    }
    let layout = Layout::new(table, &range.shape)?;
    let rows = range.rows();
    // Never TRUNCATE here: it commits, and the lock would be gone.
    locked.session.run("empty staging", &delete_all(&names.staging)).await?;
    match &range.manifest_url {
        Some(manifest_url) => {
            let staging = layout.staging_columns();
            let columns = staging.iter().map(|column| column.name.as_str()).collect();
            let copy = Copy { into: &names.staging, columns, manifest_url, null_marker: &range.null_marker };
            copy.run(&mut locked.session, access, rows).await?;
        }
        None if rows == 0 => {}
        None => {
            return Err(Fault::new(&rs::COPY_COUNT, format!("the records of {table} say rows, but there is no manifest"))
                .evidence("recorded", rows));
        }
    }
    let staged = StagedRange { epoch: range.epoch, from: range.from, to: range.to, rows, lsn_to: range.lsn_to };
    locked::move_state(&mut locked.session, names, &state::set_staged(&names.state, range.fence, &staged)).await?;
    fail_point!("stage.commit.before");
    locked.session.commit().await?;
    fail_point!("stage.commit.after");
    Ok(())
}
