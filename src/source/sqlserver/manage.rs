//! The calls that change the source: clean-up and enabling.

use super::catalog;
use super::cells;
use super::error::Place;
use super::instance;
use super::session::{self, Sessions};
use crate::model::fault::src;
use crate::model::{Fault, Lsn, TableName};
use crate::source::CleanUp;

/// `@P1` the instance, `@P2` the new low-water mark.
pub const CLEAN_UP: &str = "\
EXEC sys.sp_cdc_cleanup_change_table
     @capture_instance = @P1,
     @low_water_mark = @P2,
     @threshold = 5000;";

pub const ENABLE_DATABASE: &str = "EXEC sys.sp_cdc_enable_db;";

/// Amazon RDS: its master user is no sysadmin and has this procedure instead. `@P1` the database.
pub const ENABLE_DATABASE_ON_RDS: &str = "EXEC msdb.dbo.rds_cdc_enable_db @P1;";

/// `@P1` the schema, `@P2` the table, `@P3` the instance, `@P4` the gating role or NULL. Net changes cost
/// capture an index more and are not needed.
pub const ENABLE_TABLE: &str = "\
EXEC sys.sp_cdc_enable_table
     @source_schema = @P1,
     @source_name = @P2,
     @capture_instance = @P3,
     @role_name = @P4,
     @supports_net_changes = 0;";

/// `@P1` the schema, `@P2` the table.
pub const IS_TRACKED: &str = "\
SELECT t.is_tracked_by_cdc
  FROM sys.tables AS t
 INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
 WHERE s.name = @P1 AND t.name = @P2;";

/// The number that says that an instance of that name exists.
pub(super) const NAME_TAKEN: u32 = 22926;

/// Raises the mark and deletes below it.
pub async fn clean_up(sessions: &Sessions, instance: &str, mark: Lsn) -> Result<CleanUp, Fault> {
    let place = Place::new(format!("the change history of {instance} could not be cleaned up"));
    match sessions.run(&place, CLEAN_UP, vec![session::text(instance), session::lsn(mark)]).await {
        Ok(_) => Ok(CleanUp::Done),
        Err(fault) => match number(&fault) {
            Some(22957) => Ok(CleanUp::AlreadyDone),
            Some(22964) => Ok(CleanUp::ChooseAgain),
            _ if fault.is(&src::CLEAN_UP_FAILED) => Err(fault.evidence("mark", mark)),
            _ => Err(fault),
        },
    }
}

pub async fn enable_database(sessions: &Sessions) -> Result<(), Fault> {
    let place = Place::new(format!("change data capture could not be enabled for {}", sessions.settings().database));
    let results = sessions.run(&place, catalog::CDC_ENABLED, Vec::new()).await?;
    if cells::one(&results, 0, &place)?.flag("is_cdc_enabled")? {
        return Ok(());
    }
    match sessions.run(&place, ENABLE_DATABASE, Vec::new()).await {
        // Somebody else was quicker.
        Err(fault) if number(&fault) == Some(22905) => Ok(()),
        // Only a sysadmin may: unless this is RDS.
        Err(fault) if number(&fault) == Some(22902) => {
            let database = session::text(&sessions.settings().database);
            match sessions.run(&place, ENABLE_DATABASE_ON_RDS, vec![database]).await {
                // Could not find stored procedure: it is not.
                Err(missing) if number(&missing) == Some(2812) => Err(fault),
                other => other.map(|_| ()),
            }
        }
        other => other.map(|_| ()),
    }
}

pub async fn enable_table(sessions: &Sessions, table: &TableName, role: Option<&str>) -> Result<(), Fault> {
    let place = Place::new(format!("capture of {table} could not be enabled"));
    if is_tracked(sessions, &place, table).await? {
        return Ok(());
    }
    let mut taken = None;
    for name in instance::names(table) {
        let role = session::text_or_null(role.map(str::to_owned));
        let parameters = vec![session::text(&table.schema), session::text(&table.name), session::text(&name), role];
        match sessions.run(&place, ENABLE_TABLE, parameters).await {
            // The name is taken: by somebody who was quicker, or by another table.
            Err(fault) if number(&fault) == Some(NAME_TAKEN) => {
                if is_tracked(sessions, &place, table).await? {
                    return Ok(());
                }
                taken = Some(fault);
            }
            other => return other.map(|_| ()),
        }
    }
    Err(taken.unwrap_or_else(|| place.fault(&src::ENABLE_REFUSED)))
}

async fn is_tracked(sessions: &Sessions, place: &Place, table: &TableName) -> Result<bool, Fault> {
    let results = sessions.run(place, IS_TRACKED, vec![session::text(&table.schema), session::text(&table.name)]).await?;
    match results.first().and_then(|rows| rows.first()) {
        Some(row) => cells::Cells::new(row, place).flag("is_tracked_by_cdc"),
        None => Err(place.fault(&src::NO_TABLE).evidence("table", table)),
    }
}

/// The server's number behind a fault.
pub(super) fn number(fault: &Fault) -> Option<u32> {
    let (_, number) = fault.facts().iter().find(|(name, _)| name == "number")?;
    number.parse().ok()
}
