//! Whether capture is alive. Each question needs rights of its own; no right means unknown.

/// Needs VIEW SERVER STATE; not in Azure SQL Database. Status 4 is running.
pub const AGENT: &str = "\
SELECT s.status
  FROM sys.dm_server_services AS s
 WHERE s.servicename LIKE N'SQL Server Agent (%';";

/// Row 0 sums up all sessions since the server started. Needs VIEW DATABASE STATE.
pub const SCAN_SESSIONS: &str = "\
SELECT l.latency, l.last_commit_cdc_time, l.failed_sessions_count
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
