//! What repairs and inspection change: each under the state's lock, or, where Redshift refuses a
//! transaction block, between two transactions that hold it.

use super::apply;
use super::catalogue;
use super::connect::Session;
use super::error::{Kind, SqlError};
use super::locked::{self, Locked};
use super::names::{Names, Relation};
use super::quote::ident;
use super::state;
use crate::config::RedshiftSettings;
use crate::model::fault::{rs, sync};
use crate::model::state::StreamIdentity;
use crate::model::{Fault, TableName, TargetState};
use crate::target::{Finding, Verified, Widening};

/// Notes what a verify found (rules L1, L9), and says whether the table is marked now. State must
/// stand where the verify saw it. An equal table that had been replaced is the recorded one from
/// now on: under a mark where keys in flight were not compared, so that loads go on and another
/// verify can take it away.
pub async fn note_verified(
    locked: &mut Locked,
    names: &Names,
    table: &TableName,
    identity: &StreamIdentity,
    seen: Verified,
    finding: &Finding,
) -> Result<bool, Fault> {
    locked::require_stream(&locked.row, names, table, identity)?;
    let state = locked.row.state.clone();
    if state.fence != seen.fence || state.epoch != seen.epoch || state.applied_seq != Some(seen.applied_seq) {
        return Err(locked::moved(&locked.row, names)
            .evidence("verified at epoch", seen.epoch)
            .evidence("verified at seq", seen.applied_seq)
            .evidence("verified under fence", seen.fence));
    }
    let production = catalogue::oid(&mut locked.session, &names.production).await?;
    if production != Some(seen.production_oid) {
        return Err(Fault::new(&sync::DIVERGED, format!("{} was replaced while it was verified", names.production.sql()))
            .evidence("oid", production.unwrap_or_default())
            .evidence("oid that was read", seen.production_oid));
    }
    let mut replaced = false;
    if !matches!(finding, Finding::Different(_)) {
        let staging = catalogue::oid(&mut locked.session, &names.staging).await?;
        let recorded = (state.production_oid, state.staging_oid);
        let found = (seen.production_oid, staging.unwrap_or(state.staging_oid));
        replaced = found != recorded;
        if replaced {
            if state.staged.is_some() {
                apply::empty(&mut locked.session, names, (state.fence, state.epoch)).await?;
            }
            locked::move_state(&mut locked.session, names, &state::set_oids(&names.state, state.fence, found.0, found.1)).await?;
        }
    }
    let doubted = match finding {
        Finding::Equal => None,
        Finding::EqualButFor(why) => Some(why).filter(|_| replaced || state.diverged.is_some()),
        Finding::Different(why) => Some(why),
    };
    // Takes no earlier reason away: what a skip left out is told until all is equal.
    let why = doubted.map(|why| state::with_finding(state.diverged.as_ref(), why));
    let sql = state::set_diverged(&names.state, state.fence, state.epoch, why.as_deref());
    locked::move_state(&mut locked.session, names, &sql).await?;
    locked.session.commit().await?;
    Ok(why.is_some())
}

/// Before DDL that refuses a transaction block: raises the fence, so that no worker of before can
/// go on, and leaves nothing staged (rule L8). What stood in staging is in the records still.
pub async fn clear_for_ddl(locked: &mut Locked, names: &Names, table: &TableName, identity: &StreamIdentity) -> Result<TargetState, Fault> {
    locked::require_stream(&locked.row, names, table, identity)?;
    locked::require_oids(locked, names).await?;
    let state = locked.row.state.clone();
    if state.staged.is_some() {
        apply::empty(&mut locked.session, names, (state.fence, state.epoch)).await?;
    }
    locked::move_state(&mut locked.session, names, &state::raise_fence(&names.state, state.fence)).await?;
    locked.session.commit().await?;
    Ok(TargetState { fence: state.fence + 1, staged: None, ..state })
}

/// The statements of a widening, production first: staging may be wider than it, not narrower.
#[must_use]
pub fn widen_sql(names: &Names, widening: &Widening) -> Vec<String> {
    let sql = |relation: &Relation| {
        format!("ALTER TABLE {} ALTER COLUMN {} TYPE VARCHAR({})", relation.sql(), ident(&widening.name), widening.bytes)
    };
    let production = widening.production.then(|| sql(&names.production));
    production.into_iter().chain(widening.staging.then(|| sql(&names.staging))).collect()
}

/// Each statement alone: Redshift refuses it inside a transaction block.
pub async fn widen(settings: &RedshiftSettings, names: &Names, widening: &Widening) -> Result<(), Fault> {
    let mut session = Session::open(settings).await?;
    session.set_limit(settings.lock_timeout).await?;
    for sql in widen_sql(names, widening) {
        fail_point!("widen.before");
        session.run("widen column", &sql).await.map_err(|error| match error.kind() {
            Some(Kind::Other) => Fault::new(&rs::NOT_WIDENED, format!("Redshift refused: {error}"))
                .evidence("column", &widening.name)
                .evidence("statement", &sql),
            _ => Fault::from(error).evidence("statement", &sql),
        })?;
    }
    Ok(())
}

/// After the DDL: state must be where [`clear_for_ddl`] left it. Tables that are others now are
/// recorded, and count as diverged: nobody saw who replaced them.
pub async fn accept_ddl(locked: &mut Locked, names: &Names, fence: i64) -> Result<bool, Fault> {
    locked::require_fence(&locked.row, names, fence)?;
    if locked.row.state.staged.is_some() {
        return Err(locked::moved(&locked.row, names));
    }
    let state = locked.row.state.clone();
    let mut oids = [0; 2];
    for (oid, relation) in oids.iter_mut().zip([&names.production, &names.staging]) {
        *oid = catalogue::oid(&mut locked.session, relation)
            .await?
            .ok_or_else(|| Fault::new(&sync::DIVERGED, format!("{} does not exist", relation.sql())))?;
    }
    let same = oids == [state.production_oid, state.staging_oid];
    if !same {
        locked::move_state(&mut locked.session, names, &state::set_oids(&names.state, fence, oids[0], oids[1])).await?;
        let why = state::with_reason(state.diverged.as_ref(), "the oids of production or staging changed while a column was widened");
        locked::move_state(&mut locked.session, names, &state::set_diverged(&names.state, fence, state.epoch, Some(&why))).await?;
    }
    locked.session.commit().await?;
    Ok(same)
}

/// Marks the table diverged, then empties production: TRUNCATE commits both, so it comes last.
pub async fn truncate_production(locked: &mut Locked, names: &Names, table: &TableName, identity: &StreamIdentity) -> Result<(), Fault> {
    locked::require_stream(&locked.row, names, table, identity)?;
    let state = locked.row.state.clone();
    if let Some(staged) = &state.staged {
        return Err(Fault::new(&rs::STILL_STAGED, format!("{} holds staged rows", names.staging.sql()))
            .evidence("from batch", staged.from)
            .evidence("to batch", staged.to));
    }
    locked::require_oids(locked, names).await?;
    locked::move_state(&mut locked.session, names, &state::raise_fence(&names.state, state.fence)).await?;
    let why = state::with_reason(state.diverged.as_ref(), "production was emptied on an operator's order");
    locked::move_state(&mut locked.session, names, &state::set_diverged(&names.state, state.fence + 1, state.epoch, Some(&why))).await?;
    fail_point!("truncate.production.before");
    locked.session.run("truncate production", &format!("TRUNCATE {}", names.production.sql())).await?;
    locked.session.run("commit", "COMMIT").await?;
    Ok(())
}

/// `ANALYZE` of production.
pub async fn analyze(settings: &RedshiftSettings, names: &Names) -> Result<(), Fault> {
    alone(settings, "analyze", &format!("ANALYZE {}", names.production.sql())).await
}

/// `VACUUM` of production, outside a transaction. One runs at a time in a cluster.
pub async fn vacuum(settings: &RedshiftSettings, names: &Names) -> Result<(), Fault> {
    alone(settings, "vacuum", &format!("VACUUM {}", names.production.sql())).await
}

/// How much longer than an ordinary statement upkeep may take.
const PATIENCE: u32 = 60;

async fn alone(settings: &RedshiftSettings, step: &'static str, sql: &str) -> Result<(), Fault> {
    let mut session = Session::open(settings).await?;
    session.set_limit(settings.timeout.saturating_mul(PATIENCE)).await?;
    session.run(step, sql).await.map(|_| ()).map_err(|error: SqlError| Fault::from(error).evidence("statement", sql))
}

#[cfg(test)]
mod tests {
    use super::super::ddl::tests::orders;
    use super::*;

    #[test]
    fn production_is_widened_before_staging() {
        let (names, _) = orders();
        let widening = Widening { name: "customer".into(), bytes: 120, production: true, staging: true };
        insta::assert_snapshot!(widen_sql(&names, &widening).join(";\n"), @r#"
        ALTER TABLE "sales"."orders" ALTER COLUMN "customer" TYPE VARCHAR(120);
        ALTER TABLE "staging"."dbo__orders" ALTER COLUMN "customer" TYPE VARCHAR(120)
        "#);
        assert_eq!(widen_sql(&names, &Widening { production: false, ..widening }).len(), 1);
    }
}
