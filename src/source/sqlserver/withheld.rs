//! What SQL Server withholds from a login without an error: rows behind a security policy, values
//! behind masks. Change tables show both, so a plain read and a change row disagree.
//!
//! - A filter predicate takes rows out of every SELECT in silence, for dbo and members of `db_owner`
//!   too, while readers of change tables see all of them (manual: Row-Level Security, there also
//!   Change Data Capture under Cross-Feature Compatibility). What it lets a login see hangs on its
//!   function, and cannot be told from outside.
//! - A masked column reads as `xxxx`, 0 or 1900-01-01 to whoever lacks UNMASK (manual: Dynamic Data
//!   Masking). Since SQL Server 2022 that permission may also be of a schema, a table or a column.
//!
//! Both came with SQL Server 2016: an older server has none of the views and withholds nothing.

use std::collections::HashMap;

use super::cells::Cells;
use super::error::Place;
use super::manage::number;
use super::quote;
use super::session::Sessions;
use crate::model::Fault;
use crate::model::fault::src;

/// Enabled filter predicates (type 0; 1 blocks writes), then the columns that this login sees
/// masked. Of all tables: policies and masks are few, and a text without names is planned once.
///
/// The schema of a policy may be hidden where the policy is not. HAS_PERMS_BY_NAME is NULL for a
/// permission that the server does not know, as UNMASK of a column before SQL Server 2022; a word on
/// the column or its table counts before one on the database. The name NULL is the current database,
/// whatever stands in its name.
pub const WITHHELD: &str = "\
SELECT f.target_object_id AS object_id, s.name AS schema_name, p.name AS policy_name
  FROM sys.security_predicates AS f
 INNER JOIN sys.security_policies AS p ON p.object_id = f.object_id
  LEFT JOIN sys.schemas AS s ON s.schema_id = p.schema_id
 WHERE p.is_enabled = 1 AND f.predicate_type = 0
 ORDER BY f.target_object_id, p.name;
SELECT m.object_id, m.column_id, m.name AS column_name, USER_NAME() AS user_name
  FROM sys.masked_columns AS m
 WHERE ISNULL(ISNULL(HAS_PERMS_BY_NAME(QUOTENAME(OBJECT_SCHEMA_NAME(m.object_id)) + N'.' + QUOTENAME(OBJECT_NAME(m.object_id)),
                                       N'OBJECT', N'UNMASK', m.name, N'COLUMN'),
                     HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'UNMASK')), 0) = 0
 ORDER BY m.object_id, m.column_id;";

/// `Invalid object name`: the server is older than the views.
const INVALID_OBJECT: u32 = 208;

/// By the object that is read: a table, or a change table.
#[derive(Default)]
pub struct Withheld {
    /// Names of the policies that filter its rows.
    policies: HashMap<i32, Vec<String>>,
    /// Ids and names of its masked columns.
    masked: HashMap<i32, Vec<(i32, String)>>,
    /// Who reads masks.
    user: String,
}

/// One round trip, whatever the number of tables.
pub async fn read(sessions: &Sessions) -> Result<Withheld, Fault> {
    let place = Place::new("security policies and masked columns could not be read");
    let results = match sessions.run(&place, WITHHELD, Vec::new()).await {
        Err(fault) if number(&fault) == Some(INVALID_OBJECT) => return Ok(Withheld::default()),
        answer => answer?,
    };
    // An answer that lacks a part must not pass for one that withholds nothing.
    let [policies, masked] = results.as_slice() else {
        return Err(place.fault(&src::UNREADABLE).evidence("result set", results.len()));
    };
    let mut withheld = Withheld::default();
    for row in policies {
        let row = Cells::new(row, &place);
        let name = quote::name(&row.text("policy_name")?);
        let policy = match row.text_or_null("schema_name")? {
            Some(schema) => format!("{}.{name}", quote::name(&schema)),
            None => name,
        };
        withheld.policies.entry(row.number("object_id")?).or_default().push(policy);
    }
    for row in masked {
        let row = Cells::new(row, &place);
        withheld.masked.entry(row.number("object_id")?).or_default().push((row.number("column_id")?, row.text("column_name")?));
        withheld.user = row.text_or_null("user_name")?.unwrap_or_default();
    }
    Ok(withheld)
}

impl Withheld {
    /// A fault for each policy on an object, and one for its masked columns, of which only those count
    /// that are read. `what` is the object in words, `object` its name in T-SQL.
    #[must_use]
    pub fn of(&self, what: &str, object: &str, object_id: i32, is_read: impl Fn(i32) -> bool) -> Vec<Fault> {
        let filtered = |policy: &String| {
            Fault::new(&src::ROWS_FILTERED, format!("security policy {policy} filters {what}"))
                .evidence("policy", policy)
                .evidence("object", object)
                .next(format!("if its readers can go through a view, move the filter there: ALTER SECURITY POLICY {policy} DROP FILTER PREDICATE ON {object};"))
        };
        let mut faults: Vec<Fault> = self.policies.get(&object_id).into_iter().flatten().map(filtered).collect();
        let masked = self.masked.get(&object_id).into_iter().flatten().filter(|(id, _)| is_read(*id));
        let masked: Vec<&str> = masked.map(|(_, name)| name.as_str()).collect();
        if !masked.is_empty() {
            faults.push(
                Fault::new(&src::VALUES_MASKED, format!("{} reads masks in {what}, not values", self.user))
                    .evidence("columns", masked.join(", "))
                    .evidence("object", object)
                    .next(format!("GRANT UNMASK TO {};", quote::name(&self.user))),
            );
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_not_withheld() {
        let masked = vec![(2, "note".to_owned()), (3, "price".to_owned())];
        let policies = HashMap::from([(7, vec!["[rules].[own]".to_owned()])]);
        let withheld = Withheld { policies, masked: HashMap::from([(7, masked)]), user: "re]ader".into() };
        let faults = withheld.of("dbo.t", "[dbo].[t]", 7, |id| id == 3);
        let [filtered, hidden] = faults.as_slice() else { panic!("{faults:?}") };
        assert!(filtered.is(&src::ROWS_FILTERED) && filtered.facts()[0].1 == "[rules].[own]", "{filtered:?}");
        assert!(hidden.is(&src::VALUES_MASKED) && hidden.facts()[0].1 == "price", "{hidden:?}");
        assert_eq!(hidden.actions().next(), Some("GRANT UNMASK TO [re]]ader];"));
        assert_eq!(withheld.of("dbo.t", "[dbo].[t]", 7, |_| false).len(), 1, "a column that is not captured may be masked");
        assert!(withheld.of("dbo.u", "[dbo].[u]", 8, |_| true).is_empty());
    }
}
