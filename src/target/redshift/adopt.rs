//! Section 1: a changed source or S3 root takes over the state, one transaction.

use super::catalogue;
use super::delsert::delete_all;
use super::locked::{self, Locked};
use super::names::Names;
use super::state;
use crate::model::fault::operate::NOT_ADOPTABLE;
use crate::model::{Fault, TableName, TargetState};
use crate::target::Adopt;

fn is_as_seen(state: &TargetState, seen: &TargetState) -> bool {
    (&state.identity, state.epoch, state.applied_seq) == (&seen.identity, seen.epoch, seen.applied_seq)
}

pub async fn run(locked: &mut Locked, names: &Names, table: &TableName, adopt: &Adopt) -> Result<TargetState, Fault> {
    if !locked::is_of(&locked.row, names, table) {
        return Err(Fault::new(&NOT_ADOPTABLE, format!("{} guards another table", names.state.sql()))
            .evidence("source table in state", &locked.row.source_table)
            .evidence("source table here", table)
            .evidence("production in state", &locked.row.production)
            .evidence("production here", names.production.sql()));
    }
    let state = locked.row.state.clone();
    // What the operator has seen must still stand there.
    if !is_as_seen(&state, &adopt.seen) {
        return Err(locked::moved(&locked.row, names));
    }
    // Rows of the old stream may not be applied by the new one. A staging table that is not the
    // recorded one is rebuilt by prepare.
    if state.staged.is_some() && catalogue::oid(&mut locked.session, &names.staging).await? == Some(state.staging_oid) {
        locked.session.run("empty staging", &delete_all(&names.staging)).await?;
    }
    let why = adopt.diverged.as_deref().map(|why| state::with_reason(state.diverged.as_ref(), why));
    let sql = state::set_identity(&names.state, state.fence, &adopt.to, why.as_deref());
    locked::move_state(&mut locked.session, names, &sql).await?;
    locked.session.commit().await?;
    Ok(TargetState { identity: adopt.to.clone(), fence: state.fence + 1, staged: None, ..state })
}
