//! What was done to the definition of a tracked table, as capture has noted it.

use super::cells::Cells;
use super::error::Place;
use super::session::{self, Sessions};
use crate::model::{CaptureIdentity, Fault, Lsn};
use crate::source::DdlNote;

/// `object_id` is that of the change table. Rows come when capture reads the DDL from the log.
const SINCE: &str = "\
SELECT h.ddl_lsn, h.ddl_time, h.ddl_command, h.required_column_update
  FROM cdc.ddl_history AS h
 WHERE h.object_id = @P1
   AND h.ddl_lsn > @P2
 ORDER BY h.ddl_lsn;";

pub async fn since(sessions: &Sessions, capture: &CaptureIdentity, after: Lsn) -> Result<Vec<DdlNote>, Fault> {
    let place = Place::new("the history of DDL could not be read").needs("SELECT ON SCHEMA::[cdc]");
    let parameters = vec![session::number(i64::from(capture.object_id)), session::lsn(after)];
    let results = sessions.run(&place, SINCE, parameters).await?;
    let note = |row| {
        let row = Cells::new(row, &place);
        Ok(DdlNote {
            lsn: row.lsn_or_null("ddl_lsn")?.unwrap_or_default(),
            time: row.time("ddl_time")?,
            command: row.text("ddl_command")?,
            alters_captured: row.flag("required_column_update")?,
        })
    };
    results.first().map(Vec::as_slice).unwrap_or_default().iter().map(note).collect()
}
