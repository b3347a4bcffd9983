//! A database taken back to an earlier state, as an operator restores a backup over it.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::Backup;
use uuid::Uuid;

use crate::lab::sqlserver::engine::catalog;

/// Pages copied in one step; all of them, since nobody else may write in between.
const ALL_PAGES: i32 = -1;

/// Writes a copy of the database, log included, to `file`.
pub fn back_up(connection: &Connection, file: &Path) -> rusqlite::Result<()> {
    let mut copy = Connection::open(file)?;
    Backup::new(connection, &mut copy)?.step(ALL_PAGES)?;
    Ok(())
}

/// Puts the copy over the database. Open connections see the old state from their next
/// transaction on. The LSNs go on from where the copy stood, in a new recovery fork; the database
/// guid stays.
pub fn restore(connection: &mut Connection, file: &Path) -> rusqlite::Result<()> {
    let version = catalog::version(connection)?;
    let copy = Connection::open(file)?;
    {
        let restored = Backup::new(&copy, connection)?;
        restored.step(ALL_PAGES)?;
    }
    // Sessions keep what they know of the catalogue until its version differs.
    let next = version.max(catalog::version(connection)?) + 1;
    catalog::set_meta(connection, "catalogue_version", &next)?;
    catalog::set_meta(connection, "recovery_fork_guid", &Uuid::new_v4().as_bytes().to_vec())
}
