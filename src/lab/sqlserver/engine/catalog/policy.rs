//! Security policies, a fixture: they are made from inside the lab, not by T-SQL.
//!
//! A policy has one filter predicate, a condition over the columns of one table where SQL Server calls
//! an inline function. While it is on, every SELECT, UPDATE and DELETE of every login, dbo included,
//! finds only the rows for which the condition holds; the log and the change tables have all. It
//! stands in sys.security_policies and sys.security_predicates. Left out: the statements and their
//! permissions, functions, block predicates, several tables of one policy or policies of one table,
//! schema binding.

use super::read::find_table;
use super::write::{changed, create_schema, new_object};
use rusqlite::{Connection, Error, OptionalExtension as _, Result, params};

/// The policy of a table. Names are schema and name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy<'a> {
    pub name: (&'a str, &'a str),
    pub table: (&'a str, &'a str),
    /// T-SQL, as in `tenant = 1 OR USER_NAME() = N'carrier'`.
    pub condition: &'a str,
    pub enabled: bool,
}

/// Makes the policy of a table, or alters the one that is there.
pub fn set_policy(conn: &Connection, policy: &Policy<'_>) -> Result<()> {
    let table = find_table(conn, policy.table.0, policy.table.1)?.ok_or(Error::QueryReturnedNoRows)?;
    let mut known = conn.prepare_cached("SELECT object_id FROM __lab_policies WHERE target_id = ?1")?;
    let object_id: i32 = match known.query_row([table.object_id], |row| row.get(0)).optional()? {
        Some(object_id) => object_id,
        None => new_object(conn, create_schema(conn, policy.name.0)?, policy.name.1, "SP", false, 0)?,
    };
    conn.execute(
        "INSERT OR REPLACE INTO __lab_policies (object_id, target_id, condition, is_enabled) VALUES (?1, ?2, ?3, ?4)",
        params![object_id, table.object_id, policy.condition, policy.enabled],
    )?;
    changed(conn)
}
