//! Rows of production that row-level security hides from the user of this program.
//!
//! Redshift applies policies to SELECT, UPDATE and DELETE, not to INSERT and COPY. A DELETE leaves what
//! a policy hides, the new version of the row comes to stand beside it, and every count that could tell
//! is filtered as well. Two looks notice it before anything is committed. A plan names a guarded scan
//! to everybody, whatever the policy lets through; the views about policies are for administrators. And
//! the rows that a load has put in must all be seen: that needs no word of the planner.

use std::collections::BTreeSet;

use super::catalogue;
use super::connect::Session;
use super::error::{Kind, SqlError};
use super::names::{self, Names, Relation};
use super::quote::ident;
use crate::config::RedshiftSettings;
use crate::model::fault::rs;
use crate::model::{Fault, TableName};

/// The node of a plan that stands for a table with policies on the user who asks. Whoever may ignore
/// them has an ordinary scan there.
const GUARDED: &str = "RLS SecureScan";

/// The role that is proposed: IGNORE RLS is granted to roles only.
const ROLE: &str = "d2r_ignore_rls";

/// Plans a look at all of production, and runs nothing.
#[must_use]
pub fn plan_sql(production: &Relation) -> String {
    format!("EXPLAIN SELECT COUNT(*) FROM {}", production.sql())
}

async fn is_guarded(session: &mut Session, production: &Relation) -> Result<bool, SqlError> {
    let plan = session.run("look for row-level security", &plan_sql(production)).await?;
    Ok(plan.rows.iter().flatten().flatten().any(|line| line.contains(GUARDED)))
}

/// Fails where policies stand between us and production. What they let through cannot be asked, so any
/// is refused.
pub async fn require_open(session: &mut Session, production: &Relation) -> Result<(), Fault> {
    if !is_guarded(session, production).await? {
        return Ok(());
    }
    Err(hidden_rows(session, production, "is guarded by row-level security").await)
}

/// Fails where the rows that were put in are not those that `count` sees.
pub async fn require_seen(session: &mut Session, production: &Relation, count: &str, put_in: u64) -> Result<(), Fault> {
    match session.run("count what was put in", count).await?.number() {
        Some(seen) if seen == put_in => Ok(()),
        Some(seen) => {
            let fault = hidden_rows(session, production, "does not show the rows that were put in").await;
            Err(fault.evidence("put in", put_in).evidence("seen", seen))
        }
        None => Err(Fault::new(&rs::ANSWER, format!("the rows of {} cannot be counted", production.sql()))),
    }
}

/// With the name of our user, which the remedy needs, as far as the session still answers.
async fn hidden_rows(session: &mut Session, production: &Relation, why: &str) -> Fault {
    let production = production.sql();
    let fault = Fault::new(&rs::HIDDEN_ROWS, format!("{production} {why}")).evidence("production", &production);
    match session.run("read user", "SELECT CURRENT_USER").await {
        Ok(answer) => match answer.text() {
            Some(user) => fault.evidence("user", user).next(grant(user)),
            None => fault,
        },
        Err(error) => {
            tracing::debug!(%error, "the user of the session could not be read");
            fault
        }
    }
}

fn grant(user: &str) -> String {
    format!("CREATE ROLE {ROLE}; GRANT IGNORE RLS TO ROLE {ROLE}; GRANT ROLE {ROLE} TO {};", ident(user))
}

/// The productions that are there and guarded. One statement for each that is there.
pub async fn check_all(settings: &RedshiftSettings, tables: &[TableName]) -> Result<Vec<(TableName, Fault)>, Fault> {
    let mut session = Session::open(settings).await?;
    let there: BTreeSet<String> = catalogue::tables_of(&mut session, &names::fold(&settings.target_schema)).await?.into_iter().collect();
    let mut hidden = Vec::new();
    for table in tables {
        let production = Names::new(settings, table).production;
        if !there.contains(&production.name) {
            continue;
        }
        match is_guarded(&mut session, &production).await {
            Ok(false) => {}
            Ok(true) => hidden.push((table.clone(), hidden_rows(&mut session, &production, "is guarded by row-level security").await)),
            // What we may not read has a line of its own; what went meanwhile hides nothing.
            Err(SqlError::Server(error)) if matches!(error.kind, Kind::Permission | Kind::Missing) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(hidden)
}

#[cfg(test)]
mod tests {
    use super::super::ddl::tests::orders;
    use super::*;

    #[test]
    fn the_remedy_quotes_the_user() {
        let remedy = grant("load\"er");
        assert!(remedy.contains("; GRANT IGNORE RLS TO ROLE d2r_ignore_rls; "), "{remedy}");
        assert!(remedy.ends_with(r#"; GRANT ROLE d2r_ignore_rls TO "load""er";"#), "{remedy}");
        let (names, _) = orders();
        assert_eq!(plan_sql(&names.production), r#"EXPLAIN SELECT COUNT(*) FROM "sales"."orders""#);
    }
}
