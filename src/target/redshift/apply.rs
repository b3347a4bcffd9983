//! L4: a staged range into production, one transaction.

use std::collections::BTreeMap;

use super::connect::Session;
use super::ddl::Layout;
use super::delsert::{count_batches, count_staged_keys, delete_all, delete_staged_keys, insert_survivors};
use super::hidden;
use super::kept;
use super::locked::{self, Locked};
use super::names::Names;
use super::stage::guard;
use super::state::{self, Moved};
use crate::model::fault::rs;
use crate::model::state::{StagedRange, StreamIdentity};
use crate::model::{Epoch, Fault, Seq, TableName};
use crate::target::{Applied, ApplyOutcome, LoadRange};

pub async fn run(locked: &mut Locked, names: &Names, table: &TableName, range: &LoadRange) -> Result<ApplyOutcome, Fault> {
    guard(locked, names, table, range).await?;
    let ours = |staged: &StagedRange| (staged.epoch, staged.from, staged.to) == (range.epoch, range.from, range.to);
    let Some(staged) = locked.row.state.staged.filter(ours) else { return Err(locked::moved(&locked.row, names)) };
    let session = &mut locked.session;
    hidden::require_open(session, &names.production).await?;
    // The same numbers may stand for other changes, where the records were made anew meanwhile.
    if staged.lsn_to != range.lsn_to || !holds(&batches(session, names).await?, range) {
        empty(session, names, (range.fence, range.epoch)).await?;
        session.commit().await?;
        return Ok(ApplyOutcome::StagingEmptied);
    }
    let layout = Layout::new(table, &range.shape)?;
    let lost_kept = fill_kept(session, names, &layout).await?;
    fail_point!("apply.delete.before");
    let deleted = session.run("delete staged keys", &delete_staged_keys(names, &layout)).await?.affected;
    fail_point!("apply.delete.after");
    let inserted = session.run("insert survivors", &insert_survivors(names, &layout)).await?.affected;
    // Where the new rows cannot be seen, the old ones could not be deleted either and stand beside them.
    // Without new rows nothing is doubled; that nothing is missed then rests on `require_open` alone.
    if inserted > 0 {
        hidden::require_seen(session, &names.production, &count_staged_keys(names, &layout), inserted).await?;
    }
    let why = (lost_kept > 0).then(|| format!("{lost_kept} untouched large values were found nowhere: NULL was loaded"));
    let moved =
        Moved { epoch: range.epoch, from: range.from, to: range.to, lsn_to: range.lsn_to, deleted, inserted, diverged: why.as_deref() };
    locked::move_state(session, names, &state::set_applied(&names.state, range.fence, &moved)).await?;
    fail_point!("apply.commit.before");
    session.commit().await?;
    fail_point!("apply.commit.after");
    Ok(ApplyOutcome::Applied(Applied { deleted, inserted, lost_kept }))
}

/// Empties staging, which no longer holds what the records say.
pub async fn unstage(
    locked: &mut Locked,
    names: &Names,
    table: &TableName,
    identity: &StreamIdentity,
    (fence, epoch): (i64, Epoch),
) -> Result<(), Fault> {
    locked::require_stream(&locked.row, names, table, identity)?;
    locked::require_fence(&locked.row, names, fence)?;
    locked::require_oids(locked, names).await?;
    empty(&mut locked.session, names, (fence, epoch)).await?;
    locked.session.commit().await
}

/// With nothing staged any more, under the lock.
pub async fn empty(session: &mut Session, names: &Names, (fence, epoch): (i64, Epoch)) -> Result<(), Fault> {
    session.run("empty staging", &delete_all(&names.staging)).await?;
    locked::move_state(session, names, &state::set_unstaged(&names.state, fence, epoch)).await
}

pub async fn batches(session: &mut Session, names: &Names) -> Result<BTreeMap<Seq, u64>, Fault> {
    let answer = session.run("count batches in staging", &count_batches(names)).await?;
    let read = |row: &Vec<Option<String>>| -> Option<(Seq, u64)> {
        let [Some(batch), Some(rows)] = row.as_slice() else { return None };
        Some((batch.parse().ok()?, rows.parse().ok()?))
    };
    let unreadable = || Fault::new(&rs::ANSWER, format!("the batches in {} cannot be read", names.staging.sql()));
    answer.rows.iter().map(|row| read(row).ok_or_else(unreadable)).collect()
}

/// Whether staging holds the rows of the records, batch by batch, and nothing else.
fn holds(staging: &BTreeMap<Seq, u64>, range: &LoadRange) -> bool {
    let recorded: BTreeMap<Seq, u64> = range.batches.iter().filter(|batch| batch.rows > 0).map(|batch| (batch.seq, batch.rows)).collect();
    *staging == recorded
}

/// Fills kept values; returns how many were found nowhere.
async fn fill_kept(session: &mut Session, names: &Names, layout: &Layout) -> Result<u64, Fault> {
    let Some(count) = kept::count_flagged(names, layout) else { return Ok(0) };
    let answer = session.run("count kept values", &count).await?;
    let figures: Vec<u64> = answer.rows.first().into_iter().flatten().filter_map(|figure| figure.as_deref()?.parse().ok()).collect();
    if figures.len() != layout.large.len() {
        return Err(Fault::new(&rs::ANSWER, format!("the kept values in {} cannot be counted", names.staging.sql())));
    }
    let mut lost = 0;
    for (number, _) in (1..).zip(&figures).filter(|(_, flagged)| **flagged > 0) {
        session.run("keep values of staging", &kept::fill_from_staging(names, layout, number)).await?;
        session.run("keep values of production", &kept::fill_from_production(names, layout, number)).await?;
        let left = session.run("count lost values", &kept::count_lost(names, layout, number)).await?.number();
        lost += left.ok_or_else(|| Fault::new(&rs::ANSWER, format!("the lost values in {} cannot be counted", names.staging.sql())))?;
    }
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lsn, SourceIdentity, TableShape};
    use crate::target::BatchRows;

    #[test]
    fn staging_must_hold_each_batch_and_nothing_else() {
        let source = SourceIdentity { server: String::new(), database: String::new(), database_guid: None, recovery_fork_guid: None };
        let range = LoadRange {
            identity: StreamIdentity { pipeline: String::new(), source, root: String::new() },
            epoch: 1,
            from: 1,
            to: 3,
            lsn_from: Lsn::ZERO,
            lsn_to: Lsn::ZERO,
            batches: vec![BatchRows { seq: 1, rows: 2 }, BatchRows { seq: 2, rows: 0 }, BatchRows { seq: 3, rows: 1 }],
            shape: TableShape::new(vec![]),
            null_marker: String::new(),
            manifest_url: None,
            fence: 1,
        };
        let staging = |rows: &[(Seq, u64)]| rows.iter().copied().collect();
        assert!(holds(&staging(&[(1, 2), (3, 1)]), &range));
        for wrong in [&[(1, 2)][..], &[(1, 1), (3, 2)], &[(1, 2), (3, 1), (4, 1)], &[]] {
            assert!(!holds(&staging(wrong), &range), "{wrong:?}");
        }
    }
}
