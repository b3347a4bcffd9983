//! Counting, and emptying staging for good (rule L6).

use super::connect::Session;
use super::locked::{self, Locked};
use super::names::{Names, Relation};
use crate::model::Fault;
use crate::model::fault::rs;

/// Rows in production and in staging.
pub async fn row_counts(session: &mut Session, names: &Names) -> Result<(u64, u64), Fault> {
    Ok((rows(session, &names.production).await?, rows(session, &names.staging).await?))
}

/// Rows in a table.
pub async fn rows(session: &mut Session, relation: &Relation) -> Result<u64, Fault> {
    let table = relation.sql();
    let answer = session.run("count rows", &format!("SELECT COUNT(*) FROM {table}")).await?;
    answer.number().ok_or_else(|| Fault::new(&rs::ANSWER, format!("the rows of {table} cannot be counted")))
}

#[must_use]
pub fn truncate_sql(names: &Names) -> String {
    format!("TRUNCATE {}", names.staging.sql())
}

/// Empties staging by TRUNCATE, which gives the room back but commits: so it comes last.
pub async fn truncate(locked: &mut Locked, names: &Names, fence: i64) -> Result<bool, Fault> {
    let state = &locked.row.state;
    if state.fence != fence || state.staged.is_some() {
        locked.session.commit().await?;
        return Ok(false);
    }
    locked::require_oids(locked, names).await?;
    fail_point!("truncate.before");
    locked.session.run("truncate staging", &truncate_sql(names)).await?;
    fail_point!("truncate.after");
    // Redshift has committed by now and answers with a warning.
    locked.session.run("commit", "COMMIT").await?;
    Ok(true)
}
