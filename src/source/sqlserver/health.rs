//! Whether capture is alive. Each question needs rights of its own; no right means unknown.

use std::time::Duration;

use tiberius::Row;

use super::cells::Cells;
use super::error::{Place, quotes_values};
use super::session::Sessions;
use crate::model::Fault;
use crate::model::fault::src;
use crate::source::CaptureHealth;

/// Needs VIEW SERVER STATE; not in Azure SQL Database. Status 4 is running.
pub const AGENT: &str = "\
SELECT s.status
  FROM sys.dm_server_services AS s
 WHERE s.servicename LIKE N'SQL Server Agent (%';";

/// Row 0 sums up all sessions since the server started; the highest number is the newest session,
/// which also counts the empty scans that went well after it.
/// Needs VIEW DATABASE STATE.
pub const SCAN_SESSIONS: &str = "\
SELECT l.latency, l.last_commit_cdc_time, l.failed_sessions_count,
       (SELECT TOP (1) CASE WHEN n.empty_scan_count > 0 THEN 0 ELSE n.error_count END
          FROM sys.dm_cdc_log_scan_sessions AS n
         WHERE n.session_id > 0
         ORDER BY n.session_id DESC) AS newest_errors
  FROM sys.dm_cdc_log_scan_sessions AS l
 WHERE l.session_id = 0;";

/// Minutes. Needs rights in msdb.
pub const RETENTION: &str = "\
SELECT j.retention
  FROM msdb.dbo.cdc_jobs AS j
 WHERE j.database_id = DB_ID() AND j.job_type = N'cleanup';";

/// The same in Azure SQL Database.
pub const RETENTION_AZURE: &str = "\
SELECT j.retention
  FROM cdc.cdc_jobs AS j
 WHERE j.job_type = N'cleanup';";

pub const LAST_ERROR: &str = "\
SELECT TOP (1) e.error_number, e.error_message
  FROM sys.dm_cdc_errors AS e
 ORDER BY e.entry_time DESC;";

const AGENT_RUNNING: i64 = 4;

pub async fn read(sessions: &Sessions) -> Result<CaptureHealth, Fault> {
    let place = Place::new("the state of capture could not be read");
    let mut health = CaptureHealth::default();
    if let Some(row) = ask(sessions, &place, AGENT).await? {
        health.agent_running = Cells::new(&row, &place).number_or_null("status")?.map(|status| status == AGENT_RUNNING);
    }
    if let Some(row) = ask(sessions, &place, SCAN_SESSIONS).await? {
        let row = Cells::new(&row, &place);
        health.latency_seconds = row.number_or_null("latency")?;
        health.last_commit_cdc_time = row.time_or_null("last_commit_cdc_time")?;
        health.failed_sessions = row.number_or_null("failed_sessions_count")?;
        health.newest_errors = row.number_or_null("newest_errors")?;
    }
    let retention = match ask(sessions, &place, RETENTION).await? {
        Some(row) => Some(row),
        None => ask(sessions, &place, RETENTION_AZURE).await?,
    };
    if let Some(row) = retention {
        health.retention = Some(Duration::from_secs(60 * Cells::new(&row, &place).number::<u64>("retention")?));
    }
    if let Some(row) = ask(sessions, &place, LAST_ERROR).await? {
        let row = Cells::new(&row, &place);
        let number: i32 = row.number("error_number")?;
        let told = if u32::try_from(number).is_ok_and(quotes_values) { None } else { row.text_or_null("error_message")? };
        health.last_error = Some((number, told.unwrap_or_else(|| "its message may quote values".to_owned())));
    }
    Ok(health)
}

/// The first row, or `None` where there is none, the view does not exist, or the login may not
/// see it.
pub async fn ask(sessions: &Sessions, place: &Place, sql: &str) -> Result<Option<Row>, Fault> {
    match sessions.run(place, sql, Vec::new()).await {
        Ok(results) => Ok(results.into_iter().flatten().next()),
        Err(fault) if fault.is(&src::PERMISSION) || fault.is(&src::OBJECT_GONE) => Ok(None),
        Err(fault) => Err(fault),
    }
}
