//! All captured tables at once, in a fixed number of round trips: one that says whether capture
//! is on, one for tables and bounds, those of [`health`].

use tiberius::Row;

use super::cells::{self, Cells};
use super::error::Place;
use super::health;
use super::session::Sessions;
use crate::model::fault::src;
use crate::model::{CaptureIdentity, Fault, MappingRow, TableName, hex};
use crate::source::{FleetFacts, FleetInstance, FleetTable};

pub const CLOCK_AND_CDC: &str = "\
SELECT d.is_cdc_enabled, SYSDATETIME() AS now
  FROM sys.databases AS d
 WHERE d.database_id = DB_ID();";

/// Low-water marks first, then the newest mapping row, then the oldest, each a statement of its
/// own: a mark that rises in between never hides a gap.
pub const TABLES_AND_BOUNDS: &str = "\
SELECT s.name AS schema_name, t.name AS table_name, ct.capture_instance, ct.object_id, ct.create_date, ct.start_lsn
  FROM cdc.change_tables AS ct
 INNER JOIN sys.tables AS t ON t.object_id = ct.source_object_id
 INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
 WHERE ISNULL(ct.has_drop_pending, 0) = 0
 ORDER BY s.name, t.name, ct.create_date DESC, ct.object_id DESC;
SELECT TOP (1) m.start_lsn, ISNULL(m.tran_end_time, m.tran_begin_time) AS end_time, m.tran_id
  FROM cdc.lsn_time_mapping AS m
 ORDER BY m.start_lsn DESC;
SELECT TOP (1) m.start_lsn, ISNULL(m.tran_end_time, m.tran_begin_time) AS end_time, m.tran_id
  FROM cdc.lsn_time_mapping AS m
 ORDER BY m.start_lsn;";

fn place(what: &str) -> Place {
    Place::new(what).needs("SELECT ON SCHEMA::[cdc]")
}

pub async fn facts(sessions: &Sessions) -> Result<FleetFacts, Fault> {
    let place = place("the captured tables of the source could not be listed");
    let results = sessions.run(&place, CLOCK_AND_CDC, Vec::new()).await?;
    let row = cells::one(&results, 0, &place)?;
    let (cdc_enabled, clock) = (row.flag("is_cdc_enabled")?, row.time("now")?);
    let mut facts =
        FleetFacts { cdc_enabled, tables: Vec::new(), newest: None, oldest: None, clock, health: health::read(sessions).await? };
    if !cdc_enabled {
        return Ok(facts);
    }
    let results = sessions.run(&place, TABLES_AND_BOUNDS, Vec::new()).await?;
    let set = |n: usize| results.get(n).map(Vec::as_slice).unwrap_or_default();
    for row in set(0) {
        let row = Cells::new(row, &place);
        let name = TableName::new(row.text("schema_name")?, row.text("table_name")?);
        let identity = CaptureIdentity {
            instance: row.text("capture_instance")?,
            object_id: row.number("object_id")?,
            create_date: row.time("create_date")?,
        };
        let instance = FleetInstance { identity, start_lsn: row.lsn_or_null("start_lsn")? };
        match facts.tables.last_mut() {
            Some(table) if table.name == name => table.instances.push(instance),
            _ => facts.tables.push(FleetTable { name, instances: vec![instance] }),
        }
    }
    facts.newest = set(1).first().map(|row| mapping_row(row, &place)).transpose()?;
    facts.oldest = set(2).first().map(|row| mapping_row(row, &place)).transpose()?;
    Ok(facts)
}

fn mapping_row(row: &Row, place: &Place) -> Result<MappingRow, Fault> {
    let row = Cells::new(row, place);
    let lsn = row.lsn_or_null("start_lsn")?.ok_or_else(|| place.fault(&src::UNREADABLE).evidence("column", "start_lsn"))?;
    let tran_id = hex(&row.bytes_or_null("tran_id")?.unwrap_or_default());
    Ok(MappingRow { lsn, end_time: row.time("end_time")?, tran_id })
}
