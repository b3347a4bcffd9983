//! The dynamic management views: what the capture process did, and the services of the server.

use super::agent::{Agent, CaptureError, ScanSession};
use super::position::{Position, lsn_text};
use crate::lab::sqlserver::engine::codec;
use crate::lab::sqlserver::engine::extension::Relation;
use crate::lab::sqlserver::types::{DataType, Datum, ResultColumn};

fn column(name: &str, data_type: DataType) -> ResultColumn {
    ResultColumn { name: name.into(), data_type, nullable: true }
}

fn text(text: &str) -> Datum {
    Datum::Text(text.encode_utf16().collect())
}

fn datetime(stored: i64) -> Datum {
    if stored == 0 {
        return Datum::Null;
    }
    codec::decode(&DataType::DateTime, rusqlite::types::ValueRef::Integer(stored)).unwrap_or(Datum::Null)
}

fn lsn(position: i64) -> Datum {
    if position == 0 { text("00000000:00000000:0000") } else { text(&lsn_text(Position(position).lsn())) }
}

/// `sys.dm_cdc_log_scan_sessions`.
pub fn log_scan_sessions(agent: &Agent) -> Relation {
    let lsn_type = || DataType::NVarChar(Some(23));
    let columns = vec![
        column("session_id", DataType::Int),
        column("start_time", DataType::DateTime),
        column("end_time", DataType::DateTime),
        column("duration", DataType::BigInt),
        column("scan_phase", DataType::NVarChar(Some(200))),
        column("error_count", DataType::Int),
        column("start_lsn", lsn_type()),
        column("current_lsn", lsn_type()),
        column("end_lsn", lsn_type()),
        column("tran_count", DataType::BigInt),
        column("last_commit_lsn", lsn_type()),
        column("last_commit_time", DataType::DateTime),
        column("log_record_count", DataType::BigInt),
        column("schema_change_count", DataType::Int),
        column("command_count", DataType::BigInt),
        column("first_begin_cdc_lsn", lsn_type()),
        column("last_commit_cdc_lsn", lsn_type()),
        column("last_commit_cdc_time", DataType::DateTime),
        column("latency", DataType::Int),
        column("empty_scan_count", DataType::Int),
        column("failed_sessions_count", DataType::Int),
    ];
    let count = |value: u64| Datum::Int(value.cast_signed());
    let row = |session: &ScanSession| {
        let scan = &session.scan;
        vec![
            Datum::Int(session.id),
            datetime(session.start),
            datetime(session.end),
            Datum::Int((session.end - session.start).max(0) / 300),
            text("Done"),
            Datum::Int(session.errors),
            lsn(scan.first_p),
            lsn(scan.last_p),
            lsn(scan.last_p),
            count(scan.transactions),
            lsn(scan.last_p),
            datetime(scan.last_commit),
            count(scan.rows + scan.transactions * 2),
            count(scan.schema_changes),
            count(scan.rows),
            lsn(scan.first_p),
            lsn(scan.last_p),
            datetime(scan.last_commit),
            Datum::Int(session.latency),
            Datum::Int(session.empty_scans),
            Datum::Int(session.failed_sessions),
        ]
    };
    let rows: Vec<_> = agent.sessions().iter().map(row).collect();
    Relation::of_rows(columns, &rows)
}

/// `sys.dm_cdc_errors`.
pub fn errors(agent: &Agent) -> Relation {
    let lsn_type = || DataType::NVarChar(Some(23));
    let columns = vec![
        column("session_id", DataType::Int),
        column("phase_number", DataType::Int),
        column("entry_time", DataType::DateTime),
        column("error_number", DataType::Int),
        column("error_severity", DataType::Int),
        column("error_state", DataType::Int),
        column("error_message", DataType::NVarChar(Some(1024))),
        column("start_lsn", lsn_type()),
        column("begin_lsn", lsn_type()),
        column("sequence_value", lsn_type()),
    ];
    let row = |error: &CaptureError| {
        vec![
            Datum::Int(error.session),
            Datum::Int(7),
            datetime(error.at),
            Datum::Int(error.number),
            Datum::Int(16),
            Datum::Int(1),
            text(&error.text),
            lsn(0),
            lsn(0),
            lsn(0),
        ]
    };
    let rows: Vec<_> = agent.errors().iter().map(row).collect();
    Relation::of_rows(columns, &rows)
}

/// `sys.dm_server_services`: the engine, and the Agent as a test wants it.
pub fn services(agent_running: bool) -> Relation {
    let columns = vec![
        column("servicename", DataType::NVarChar(Some(256))),
        column("startup_type", DataType::Int),
        column("startup_type_desc", DataType::NVarChar(Some(256))),
        column("status", DataType::Int),
        column("status_desc", DataType::NVarChar(Some(256))),
        column("process_id", DataType::Int),
        column("last_startup_time", DataType::DateTimeOffset(7)),
        column("service_account", DataType::NVarChar(Some(256))),
        column("filename", DataType::NVarChar(Some(256))),
        column("is_clustered", DataType::NVarChar(Some(1))),
        column("cluster_nodename", DataType::NVarChar(Some(256))),
    ];
    let row = |name: &str, running: bool| {
        let (status, description) = if running { (4, "Running") } else { (1, "Stopped") };
        vec![
            text(name),
            Datum::Int(2),
            text("Automatic"),
            Datum::Int(status),
            text(description),
            if running { Datum::Int(1433) } else { Datum::Null },
            Datum::Null,
            text("LocalSystem"),
            Datum::Null,
            text("N"),
            Datum::Null,
        ]
    };
    Relation::of_rows(columns, &[row("SQL Server (MSSQLSERVER)", true), row("SQL Server Agent (MSSQLSERVER)", agent_running)])
}
