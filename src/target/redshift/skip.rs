//! L9: the next batch is passed over, one transaction. Nothing of it reaches production.

use super::delsert::delete_all;
use super::locked::{self, Locked};
use super::names::Names;
use super::stage::guard;
use super::state;
use crate::model::{Fault, TableName};
use crate::target::LoadRange;

pub async fn run(locked: &mut Locked, names: &Names, table: &TableName, range: &LoadRange, why: &str) -> Result<(), Fault> {
    guard(locked, names, table, range).await?;
    if range.from != range.to {
        return Err(locked::moved(&locked.row, names).evidence("asked up to", range.to));
    }
    // A staged range begins with this batch: what is left of it is staged again later.
    if locked.row.state.staged.is_some() {
        locked.session.run("empty staging", &delete_all(&names.staging)).await?;
    }
    let why = state::with_reason(locked.row.state.diverged.as_ref(), why);
    let sql = state::set_skipped(&names.state, range.fence, range.epoch, range.to, range.lsn_to, &why);
    locked::move_state(&mut locked.session, names, &sql).await?;
    fail_point!("skip.commit.before");
    locked.session.commit().await?;
    fail_point!("skip.commit.after");
    Ok(())
}
