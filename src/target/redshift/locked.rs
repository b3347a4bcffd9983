//! A transaction that holds the lock on a table's state (rule L1).
//!
//! `LOCK` stands alone and first: Redshift takes the transaction's snapshot with the first
//! statement that touches a table, so everything after the lock sees what was committed before
//! it was granted.

use super::catalogue;
use super::connect::Session;
use super::error::Kind;
use super::names::{Names, Relation};
use super::state::{self, StateRow};
use crate::config::RedshiftSettings;
use crate::model::fault::{rs, sync};
use crate::model::state::StreamIdentity;
use crate::model::{Epoch, Fault, Lsn, Seq, TableName};

/// `BEGIN` and `LOCK` are done, state is read.
pub struct Locked {
    pub session: Session,
    pub row: StateRow,
}

/// Begins a transaction, locks state under the lock time-out and reads it.
pub async fn begin(mut session: Session, settings: &RedshiftSettings, names: &Names) -> Result<Locked, Fault> {
    match lock_and_read(&mut session, settings, names).await {
        Ok(row) => Ok(Locked { session, row }),
        Err(fault) => {
            session.abandon().await;
            if fault.is(&rs::LOCKED) { Err(name_holder(fault, settings, names).await) } else { Err(fault) }
        }
    }
}

async fn lock_and_read(session: &mut Session, settings: &RedshiftSettings, names: &Names) -> Result<StateRow, Fault> {
    session.set_limit(settings.lock_timeout).await?;
    session.run("begin", "BEGIN").await?;
    lock(session, names).await?;
    session.set_limit(settings.timeout).await?;
    let answer = session.run("read state", &state::select(&names.state)).await?;
    state::read(names, &answer.rows)
}

/// Alone, and the first statement of every transaction on a table.
#[must_use]
pub fn lock_sql(names: &Names) -> String {
    format!("LOCK {}", names.state.sql())
}

async fn lock(session: &mut Session, names: &Names) -> Result<(), Fault> {
    let state = names.state.sql();
    match session.run("lock state", &lock_sql(names)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            Some(Kind::Cancelled) => Fault::new(&rs::LOCKED, format!("{state} stayed locked")).evidence("state", state),
            Some(Kind::Missing) => Fault::new(&rs::NOT_PREPARED, format!("{state} does not exist")).evidence("state", state),
            _ => error.into(),
        }),
    }
}

/// Says which session holds the lock, as far as it can be found out, and offers its end.
pub async fn name_holder(fault: Fault, settings: &RedshiftSettings, names: &Names) -> Fault {
    match holders(settings, names).await {
        Ok(holders) => holders.into_iter().fold(fault, |fault, holder| {
            let Holder { pid, owner, since } = holder;
            fault
                .evidence("pid", &pid)
                .evidence("user", owner)
                .evidence("since", since)
                .next(format!("if its client is gone: SELECT pg_terminate_backend({pid})"))
        }),
        Err(error) => {
            tracing::debug!(%error, "the holder of the lock could not be looked up");
            fault
        }
    }
}

struct Holder {
    pid: String,
    owner: String,
    since: String,
}

async fn holders(settings: &RedshiftSettings, names: &Names) -> Result<Vec<Holder>, Fault> {
    let mut session = Session::open(settings).await?;
    let Some(oid) = catalogue::oid(&mut session, &names.state).await? else { return Ok(Vec::new()) };
    let sql = format!(
        r#"SELECT "pid", "txn_owner", "txn_start"
  FROM svv_transactions
 WHERE "relation" = {oid} AND "granted" = TRUE
 ORDER BY "txn_start""#
    );
    let text = |value: Option<&Option<String>>| value.cloned().flatten().unwrap_or_default().trim().to_owned();
    let mut out: Vec<Holder> = Vec::new();
    for row in session.run("find the lock's holder", &sql).await?.rows {
        let holder = Holder { pid: text(row.first()), owner: text(row.get(1)), since: text(row.get(2)) };
        let number = !holder.pid.is_empty() && holder.pid.bytes().all(|byte| byte.is_ascii_digit());
        if number && out.iter().all(|other| other.pid != holder.pid) {
            out.push(holder);
        }
    }
    Ok(out)
}

/// Whether state guards this source table and this production.
pub fn is_of(row: &StateRow, names: &Names, table: &TableName) -> bool {
    row.source_table == table.to_string() && row.production == names.production.sql()
}

/// Fails when state belongs to another stream, another source table or another production.
pub fn require_stream(row: &StateRow, names: &Names, table: &TableName, ours: &StreamIdentity) -> Result<(), Fault> {
    let theirs = &row.state.identity;
    if is_of(row, names, table) && theirs.agrees_with(ours) {
        return Ok(());
    }
    let mut fault = Fault::new(&sync::OTHER_STREAM, format!("{} belongs to another stream", names.state.sql()));
    let production = names.production.sql();
    let table = table.to_string();
    let none = String::new();
    let guid = |guid: &Option<String>| guid.clone().unwrap_or_else(|| none.clone());
    let pairs = [
        ("source table", row.source_table.clone(), table),
        ("production", row.production.clone(), production),
        ("pipeline", theirs.pipeline.clone(), ours.pipeline.clone()),
        ("server", theirs.source.server.clone(), ours.source.server.clone()),
        ("database", theirs.source.database.clone(), ours.source.database.clone()),
        ("database guid", guid(&theirs.source.database_guid), guid(&ours.source.database_guid)),
        ("recovery fork guid", guid(&theirs.source.recovery_fork_guid), guid(&ours.source.recovery_fork_guid)),
        ("root", theirs.root.clone(), ours.root.clone()),
    ];
    for (name, stored, configured) in pairs {
        if stored != configured && !stored.is_empty() && !configured.is_empty() {
            fault = fault.evidence(format!("{name} in state"), stored).evidence(format!("{name} here"), configured);
        }
    }
    Err(fault)
}

/// Fails when a later load job has taken over.
pub fn require_fence(row: &StateRow, names: &Names, fence: i64) -> Result<(), Fault> {
    if row.state.fence == fence {
        return Ok(());
    }
    Err(Fault::new(&sync::STALE_FENCE, format!("{}: the fence was raised by another load job", names.state.sql()))
        .evidence("ours", fence)
        .evidence("stored", row.state.fence))
}

/// Fails when production or staging are not the tables that state knows, and marks the table
/// diverged in state. Comes before the caller changes anything: a mark ends the transaction.
pub async fn require_oids(locked: &mut Locked, names: &Names) -> Result<(), Fault> {
    let (production_oid, staging_oid) = (locked.row.state.production_oid, locked.row.state.staging_oid);
    for (relation, recorded) in [(&names.production, production_oid), (&names.staging, staging_oid)] {
        let found = catalogue::oid(&mut locked.session, relation).await?;
        if found != Some(recorded) {
            mark_replaced(locked, names, relation).await?;
            return Err(Fault::new(&sync::DIVERGED, format!("{} is not the table that was loaded", relation.sql()))
                .evidence("recorded oid", recorded)
                .evidence("found oid", found.map_or_else(|| "none".to_owned(), |oid| oid.to_string())));
        }
    }
    Ok(())
}

/// Diverged until a verify or a snapshot (rule L1), even if the table of before comes back: nobody
/// knows what was written meanwhile.
async fn mark_replaced(locked: &mut Locked, names: &Names, relation: &Relation) -> Result<(), Fault> {
    let Some(sql) = replaced_sql(&locked.row, names, relation) else { return Ok(()) };
    move_state(&mut locked.session, names, &sql).await?;
    locked.session.commit().await
}

/// Sets that mark; `None` when it is set.
pub fn replaced_sql(row: &StateRow, names: &Names, relation: &Relation) -> Option<String> {
    let why = format!("{} is not the table that was loaded", relation.sql());
    let marked = row.state.diverged.as_ref();
    if marked.is_some_and(|diverged| diverged.why.contains(&why)) {
        return None;
    }
    let why = state::with_reason(marked, &why);
    Some(state::set_diverged(&names.state, row.state.fence, row.state.epoch, Some(&why)))
}

/// Where a range expects state to stand.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    pub epoch: Epoch,
    pub from: Seq,
    pub lsn_from: Lsn,
}

/// Fails when the range does not follow what is applied.
pub fn require_position(row: &StateRow, names: &Names, expected: Position) -> Result<(), Fault> {
    let state = &row.state;
    let follows = state.epoch == expected.epoch
        && state.applied_seq.is_some_and(|applied| applied.checked_add(1) == Some(expected.from))
        && state.applied_lsn.is_some_and(|lsn| lsn.next() == expected.lsn_from);
    if follows {
        return Ok(());
    }
    Err(moved(row, names)
        .evidence("expected epoch", expected.epoch)
        .evidence("expected seq", expected.from)
        .evidence("expected lsn_from", expected.lsn_from))
}

/// State is elsewhere, with where it is.
pub fn moved(row: &StateRow, names: &Names) -> Fault {
    let state = &row.state;
    let mut fault = Fault::new(&rs::STATE_MOVED, format!("{} is not where it was read", names.state.sql())).evidence("epoch", state.epoch);
    if let Some(applied) = state.applied_seq {
        fault = fault.evidence("applied_seq", applied);
    }
    if let Some(lsn) = state.applied_lsn {
        fault = fault.evidence("applied_lsn", lsn);
    }
    if let Some(staged) = state.staged {
        fault = fault.evidence("staged", format!("epoch {} seq {} to {}", staged.epoch, staged.from, staged.to));
    }
    fault
}

/// Runs a statement that must touch exactly the one row of state.
pub async fn move_state(session: &mut Session, names: &Names, sql: &str) -> Result<(), Fault> {
    let answer = session.run("update state", sql).await?;
    if answer.affected == 1 {
        return Ok(());
    }
    Err(Fault::new(&rs::STATE_MOVED, format!("the update of {} touched {} rows", names.state.sql(), answer.affected))
        .evidence("rows", answer.affected))
}
