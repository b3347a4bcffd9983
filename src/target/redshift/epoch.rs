//! L5: record 0 opens an epoch, one transaction. R7: a `schema` record goes through alone.

use super::catalogue;
use super::copy::{Copy, CopyAccessSource};
use super::ddl::Layout;
use super::delsert::{delete_all, insert_survivors};
use super::hidden;
use super::locked::{self, Locked};
use super::names::{Names, Relation};
use super::state::{self, Opened};
use crate::model::fault::{rs, sync};
use crate::model::{Fault, TableName};
use crate::target::{Applied, LoadRange, OpenEpoch, OpenLoad};

pub async fn open(
    locked: &mut Locked,
    names: &Names,
    table: &TableName,
    open: &OpenEpoch,
    access: &dyn CopyAccessSource,
) -> Result<Applied, Fault> {
    locked::require_stream(&locked.row, names, table, &open.identity)?;
    locked::require_fence(&locked.row, names, open.fence)?;
    let old_epoch = locked.row.state.epoch;
    if old_epoch >= open.epoch {
        return Err(locked::moved(&locked.row, names).evidence("expected an epoch before", open.epoch));
    }
    let layout = Layout::new(table, &open.shape)?;
    // Only a verify or a snapshot takes a mark away (rule L9).
    let kept_mark = locked.row.state.diverged.as_ref().filter(|_| matches!(open.load, OpenLoad::Start { .. })).map(|mark| mark.why.clone());
    let session = &mut locked.session;
    // A snapshot replaces production, whichever table that is by now: its oid is taken anew.
    let mut oids = [0; 2];
    for (oid, relation) in oids.iter_mut().zip([&names.production, &names.staging]) {
        *oid = catalogue::oid(session, relation).await?.ok_or_else(|| missing(relation))?;
    }
    let [production_oid, staging_oid] = oids;
    hidden::require_open(session, &names.production).await?;
    session.run("empty staging", &delete_all(&names.staging)).await?;
    let applied = match &open.load {
        OpenLoad::Start { trusted } => {
            if !trusted {
                require_empty(locked, names).await?;
            }
            Applied::default()
        }
        OpenLoad::Production { manifest_url } => replace(locked, names, &layout, open, manifest_url.as_deref(), access, false).await?,
        OpenLoad::Staging { manifest_url } => replace(locked, names, &layout, open, manifest_url.as_deref(), access, true).await?,
    };
    let opened = Opened {
        old_epoch,
        epoch: open.epoch,
        lsn_to: open.lsn_to,
        capture: &open.capture,
        column_hash: &open.column_hash,
        production_oid,
        staging_oid,
        deleted: applied.deleted,
        inserted: applied.inserted,
        diverged: diverged(&open.load).or(kept_mark.as_deref()),
    };
    locked::move_state(&mut locked.session, names, &state::set_opened(&names.state, open.fence, &opened)).await?;
    fail_point!("epoch.commit.before");
    locked.session.commit().await?;
    fail_point!("epoch.commit.after");
    Ok(applied)
}

/// Why production counts as diverged once the epoch is open.
#[must_use]
pub fn diverged(load: &OpenLoad) -> Option<&'static str> {
    matches!(load, OpenLoad::Start { trusted: true }).then_some("started on rows that an operator trusted; not verified yet")
}

fn missing(relation: &Relation) -> Fault {
    Fault::new(&sync::DIVERGED, format!("{} does not exist", relation.sql())).next("db-to-redshift prepare --table <table> # creates it")
}

#[must_use]
pub fn count_production(names: &Names) -> String {
    format!("SELECT COUNT(*) FROM {}", names.production.sql())
}

/// A stream of changes alone starts on an empty table.
async fn require_empty(locked: &mut Locked, names: &Names) -> Result<(), Fault> {
    let production = names.production.sql();
    let rows = locked.session.run("count production", &count_production(names)).await?.number();
    match rows {
        Some(0) => Ok(()),
        Some(rows) => Err(Fault::new(&rs::NOT_EMPTY, format!("{production} holds rows")).evidence("rows", rows)),
        None => Err(Fault::new(&rs::ANSWER, format!("the rows of {production} cannot be counted"))),
    }
}

/// Replaces production by the rows of a scan, straight or through staging with a fold.
async fn replace(
    locked: &mut Locked,
    names: &Names,
    layout: &Layout,
    open: &OpenEpoch,
    manifest_url: Option<&str>,
    access: &dyn CopyAccessSource,
    fold: bool,
) -> Result<Applied, Fault> {
    let session = &mut locked.session;
    fail_point!("epoch.delete.before");
    let deleted = session.run("empty production", &delete_all(&names.production)).await?.affected;
    fail_point!("epoch.delete.after");
    let Some(manifest_url) = manifest_url else {
        if open.rows == 0 {
            return Ok(Applied { deleted, ..Applied::default() });
        }
        return Err(
            Fault::new(&rs::COPY_COUNT, "the record of the snapshot says rows, but there is no manifest").evidence("recorded", open.rows)
        );
    };
    let null_marker = open.null_marker.as_str();
    if !fold {
        let copy = Copy { into: &names.production, columns: layout.column_names().collect(), manifest_url, null_marker };
        copy.run(session, access, open.rows).await?;
        hidden::require_seen(session, &names.production, &count_production(names), open.rows).await?;
        return Ok(Applied { deleted, inserted: open.rows, lost_kept: 0 });
    }
    let staging = layout.staging_columns();
    let columns = staging.iter().map(|column| column.name.as_str()).collect();
    Copy { into: &names.staging, columns, manifest_url, null_marker }.run(session, access, open.rows).await?;
    let inserted = session.run("insert survivors", &insert_survivors(names, layout)).await?.affected;
    hidden::require_seen(session, &names.production, &count_production(names), inserted).await?;
    session.run("empty staging", &delete_all(&names.staging)).await?;
    Ok(Applied { deleted, inserted, lost_kept: 0 })
}

/// R7: state takes the hash and the position of a `schema` record; nothing may be staged.
pub async fn accept_schema(
    locked: &mut Locked,
    names: &Names,
    table: &TableName,
    range: &LoadRange,
    column_hash: &str,
) -> Result<(), Fault> {
    locked::require_stream(&locked.row, names, table, &range.identity)?;
    locked::require_fence(&locked.row, names, range.fence)?;
    // A schema record covers no LSNs (its lsn_to is the head's), so only epoch and seq place it.
    let state = &locked.row.state;
    let follows = state.epoch == range.epoch && state.applied_seq.is_some_and(|applied| applied.checked_add(1) == Some(range.from));
    if !follows || range.from != range.to || state.staged.is_some() || state.applied_lsn != Some(range.lsn_to) {
        return Err(locked::moved(&locked.row, names).evidence("expected seq", range.from).evidence("expected lsn", range.lsn_to));
    }
    locked::require_oids(locked, names).await?;
    let sql = state::set_schema(&names.state, range.fence, range.epoch, range.from, range.lsn_to, column_hash);
    locked::move_state(&mut locked.session, names, &sql).await?;
    locked.session.commit().await
}
