//! The lab's change data capture through T-SQL: what a client of SQL Server sees.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use db_to_redshift::lab::sample::{self, TABLES, Workload};
use db_to_redshift::lab::sqlserver::cdc::{Cdc, IDLE};
use db_to_redshift::lab::sqlserver::engine::server::{Server, User};
use db_to_redshift::lab::sqlserver::engine::session::EngineSessions;
use db_to_redshift::lab::sqlserver::session::{Session, Sessions};
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};
use tempfile::TempDir;

use crate::support::tsql::Collected;

struct Bench {
    cdc: Arc<Cdc>,
    session: Box<dyn Session>,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let users = vec![User { name: "sa".into(), password: "right".into() }];
        let server = Arc::new(Server::open(folder.path(), &[sample::DATABASE], users).unwrap());
        let cdc = Cdc::attach(&server).unwrap();
        let sessions = EngineSessions::new(server, false);
        let session = sessions.login("sa", "right", sample::DATABASE, "test").unwrap().0;
        Self { cdc, session, _folder: folder }
    }

    /// A table t (id, name, note) with CDC, the instance begun.
    fn with_table() -> Self {
        let mut bench = Self::new();
        bench.run("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name nvarchar(20) NULL, note nvarchar(max) NULL)");
        bench.run("EXEC sys.sp_cdc_enable_db");
        bench.run("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't', @role_name = NULL");
        bench.capture();
        bench
    }

    fn ask(&mut self, sql: &str) -> Collected {
        let mut sink = Collected::default();
        self.session.batch(sql, &mut sink).unwrap();
        sink
    }

    fn run(&mut self, sql: &str) -> Collected {
        let sink = self.ask(sql);
        let errors: Vec<_> = sink.messages.iter().filter(|m| m.class > 10).collect();
        assert!(errors.is_empty(), "{errors:?} from {}", sql.chars().take(1500).collect::<String>());
        sink
    }

    fn error(&mut self, sql: &str) -> i32 {
        self.ask(sql).messages.iter().find(|m| m.class > 10).map_or(0, |m| m.number)
    }

    fn capture(&self) {
        self.cdc.capture_now(sample::DATABASE).unwrap();
    }

    /// Rows, one a line, values parted by blanks.
    fn shown(&mut self, sql: &str) -> String {
        let sink = self.run(sql);
        let lines: Vec<String> = sink.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect();
        lines.join("\n")
    }
}

fn cell(value: &Datum) -> String {
    match value {
        Datum::Null => "NULL".into(),
        Datum::Bit(bit) => u8::from(*bit).to_string(),
        Datum::Int(number) => number.to_string(),
        Datum::Text(units) => String::from_utf16_lossy(units),
        Datum::Bytes(bytes) => bytes.iter().fold("0x".to_owned(), |mut text, b| {
            let _ = write!(text, "{b:02x}");
            text
        }),
        other => format!("{other:?}"),
    }
}

const RANGE: &str = "DECLARE @from binary(10) = sys.fn_cdc_get_min_lsn(N'dbo_t'), @to binary(10) = sys.fn_cdc_get_max_lsn();\n";

#[test]
fn all_changes_in_a_closed_range() {
    let mut bench = Bench::with_table();
    assert_eq!(bench.shown("SELECT sys.fn_cdc_get_max_lsn(), sys.fn_cdc_get_min_lsn(N'no such')"), "NULL 0x00000000000000000000");
    bench.run("INSERT INTO dbo.t VALUES (1, N'a', N'x'), (2, N'b', N'y')");
    bench.run("BEGIN TRANSACTION; UPDATE dbo.t SET name = N'c' WHERE id = 1; DELETE FROM dbo.t WHERE id = 2; COMMIT");
    bench.capture();
    let all = "SELECT __$operation, id, name, note, __$update_mask FROM cdc.fn_cdc_get_all_changes_dbo_t(@from, @to, N'";
    let order = "') ORDER BY __$start_lsn, __$seqval, __$operation";
    assert_eq!(bench.shown(&format!("{RANGE}{all}all{order}")), "2 1 a x 0x07\n2 2 b y 0x07\n4 1 c NULL 0x02\n1 2 b y 0x07");
    assert_eq!(
        bench.shown(&format!("{RANGE}{all}all update old{order}")),
        "2 1 a x 0x07\n2 2 b y 0x07\n3 1 a NULL 0x02\n4 1 c NULL 0x02\n1 2 b y 0x07"
    );
    assert_eq!(bench.shown(&format!("{RANGE}SELECT COUNT(*) FROM cdc.fn_cdc_get_all_changes_dbo_t(@to, @to, N'all')")), "2");
    let commands = "SELECT __$command_id, __$operation FROM cdc.dbo_t_CT ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation";
    assert_eq!(bench.shown(commands), "1 2\n1 2\n1 3\n1 4\n2 1");
}

#[test]
fn a_range_outside_is_error_313_and_an_unknown_instance_208() {
    let mut bench = Bench::with_table();
    bench.run("INSERT INTO dbo.t (id) VALUES (1)");
    bench.capture();
    for call in [
        "SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_t(0x00000000000000000001, @to, N'all')",
        "SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_t(@from, sys.fn_cdc_increment_lsn(@to), N'all')",
        "SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_t(NULL, @to, N'all')",
        "SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_t(@from, @to, N'everything')",
        "SELECT * FROM cdc.fn_cdc_get_net_changes_dbo_t(0x00000000000000000001, @to, N'all')",
    ] {
        let sink = bench.ask(&format!("{RANGE}{call}"));
        let message = sink.messages.iter().find(|m| m.class > 10).unwrap();
        assert_eq!((message.number, message.state), (313, 3), "{call}");
        assert!(message.text.contains("insufficient number of arguments"), "{}", message.text);
    }
    assert_eq!(bench.error(&format!("{RANGE}SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_u(@from, @to, N'all')")), 208);
    bench.cdc.hide_instance(sample::DATABASE, "dbo_t", true).unwrap();
    assert_eq!(bench.shown("SELECT sys.fn_cdc_get_min_lsn(N'dbo_t')"), "0x00000000000000000000");
    assert_eq!(bench.error(&format!("{RANGE}SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_t(@to, @to, N'all')")), 229);
    bench.cdc.hide_instance(sample::DATABASE, "dbo_t", false).unwrap();
    bench.run("EXEC sys.sp_cdc_disable_table N'dbo', N't', N'all'");
    assert_eq!(bench.error("SELECT * FROM cdc.dbo_t_CT"), 208);
    assert_eq!(bench.shown("SELECT is_tracked_by_cdc FROM sys.tables WHERE name = N't'"), "0");
}

#[test]
fn net_changes_fold_a_range() {
    let mut bench = Bench::with_table();
    bench.run("INSERT INTO dbo.t VALUES (1, N'a', NULL), (2, N'b', NULL), (3, N'c', NULL)");
    bench.capture();
    bench.run("UPDATE dbo.t SET name = N'a2' WHERE id = 1");
    bench.run("UPDATE dbo.t SET note = N'n' WHERE id = 1");
    bench.run("DELETE FROM dbo.t WHERE id = 2");
    bench.run("INSERT INTO dbo.t VALUES (4, N'd', NULL)");
    bench.run("UPDATE dbo.t SET name = N'd2' WHERE id = 4");
    bench.run("INSERT INTO dbo.t VALUES (5, N'e', NULL)");
    bench.run("DELETE FROM dbo.t WHERE id = 5");
    bench.run("UPDATE dbo.t SET id = 33 WHERE id = 3");
    let first = bench.shown("SELECT sys.fn_cdc_increment_lsn(sys.fn_cdc_get_max_lsn())");
    bench.capture();
    let net = |option: &str| {
        format!(
            "SELECT __$operation, __$update_mask, id, name FROM cdc.fn_cdc_get_net_changes_dbo_t({first}, sys.fn_cdc_get_max_lsn(), N'{option}') ORDER BY id"
        )
    };
    assert_eq!(bench.shown(&net("all")), "4 NULL 1 a2\n1 NULL 2 b\n1 NULL 3 c\n2 NULL 4 d2\n2 NULL 33 c");
    assert_eq!(bench.shown(&net("all with mask")), "4 0x06 1 a2\n1 NULL 2 b\n1 NULL 3 c\n2 NULL 4 d2\n2 NULL 33 c");
    assert_eq!(bench.shown(&net("all with merge")), "5 NULL 1 a2\n1 NULL 2 b\n1 NULL 3 c\n5 NULL 4 d2\n5 NULL 33 c");
}

#[test]
fn times_masks_and_help() {
    let mut bench = Bench::with_table();
    bench.run("INSERT INTO dbo.t (id) VALUES (1)");
    bench.capture();
    let map = "SELECT CASE WHEN sys.fn_cdc_map_time_to_lsn(N'largest less than or equal', sys.fn_cdc_map_lsn_to_time(sys.fn_cdc_get_max_lsn())) = sys.fn_cdc_get_max_lsn() THEN 1 ELSE 0 END,
               sys.fn_cdc_map_time_to_lsn(N'smallest greater than', GETDATE()),
               sys.fn_cdc_map_lsn_to_time(0x00000000000000000001)";
    assert_eq!(bench.shown(map), "1 NULL NULL");
    let masks =
        "SELECT sys.fn_cdc_is_bit_set(9, 0x0104), sys.fn_cdc_is_bit_set(1, 0x0104), sys.fn_cdc_get_column_ordinal(N'dbo_t', N'note'),
                 sys.fn_cdc_has_column_changed(N'dbo_t', N'note', 0x04), sys.fn_cdc_has_column_changed(N'dbo_t', N'id', 0x04),
                 sys.fn_cdc_decrement_lsn(0x00000000000000010000)";
    assert_eq!(bench.shown(masks), "1 0 3 1 0 0x0000000000000000ffff");
    let columns = bench.shown("EXEC sys.sp_cdc_get_captured_columns N'dbo_t'");
    assert!(columns.contains("dbo t dbo_t note 3 3 nvarchar -1 NULL"), "{columns}");
    let help = bench.run("EXEC sys.sp_cdc_help_change_data_capture");
    assert_eq!((help.rows.len(), help.columns[0].len()), (1, 15));
    assert_eq!(cell(&help.rows[0][14]), "[id], [name], [note]");
    assert_eq!(bench.error("EXEC sys.sp_cdc_help_change_data_capture @source_schema = N'dbo'"), 22972);
    let jobs = "SELECT job_type, maxtrans, pollinginterval, retention, threshold FROM msdb.dbo.cdc_jobs WHERE database_id = DB_ID() ORDER BY job_type";
    assert_eq!(bench.shown(jobs), "capture 500 5 0 0\ncleanup 0 0 4320 5000");
    bench.run("EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 60");
    assert_eq!(bench.error("EXEC sys.sp_cdc_change_job @retention = 60"), 22995);
    assert_eq!(bench.error("EXEC sys.sp_cdc_change_job @job_type = N'capture', @pollinginterval = 86400"), 22990);
    assert!(bench.shown("EXEC sys.sp_cdc_help_jobs").contains("cdc.Halden_cleanup 0 0 0 0 60 5000"));
    assert_eq!(bench.shown("SELECT status_desc FROM sys.dm_server_services WHERE servicename LIKE N'SQL Server Agent (%'"), "Running");
    assert_eq!(
        bench.shown("SELECT tran_count, latency, failed_sessions_count FROM sys.dm_cdc_log_scan_sessions WHERE session_id = 0"),
        "1 0 0"
    );
}

#[test]
fn schema_changes_are_noted_when_capture_reads_them() {
    let mut bench = Bench::with_table();
    bench.run("ALTER TABLE dbo.t ADD extra int NULL");
    assert_eq!(bench.shown("SELECT COUNT(*) FROM cdc.ddl_history"), "0");
    bench.run("INSERT INTO dbo.t (id, extra) VALUES (1, 5)");
    bench.run("ALTER TABLE dbo.t ALTER COLUMN name nvarchar(40) NULL");
    bench.run("ALTER TABLE dbo.t DROP COLUMN note");
    bench.run("INSERT INTO dbo.t (id, name) VALUES (2, N'late')");
    bench.capture();
    let history = bench.shown("SELECT required_column_update, ddl_command FROM cdc.ddl_history ORDER BY ddl_lsn");
    let lines: Vec<_> = history.lines().collect();
    assert_eq!(lines.len(), 3, "{history}");
    assert!(lines[0].starts_with("0 ALTER TABLE dbo.t ADD extra") && lines[1].starts_with('1') && lines[2].starts_with('0'), "{history}");
    assert_eq!(bench.shown("SELECT id, name, note FROM cdc.dbo_t_CT ORDER BY __$start_lsn"), "1 NULL NULL\n2 late NULL");
    bench.run("DROP TABLE dbo.t");
    assert_eq!(bench.shown("SELECT COUNT(*) FROM cdc.change_tables"), "0");
}

#[test]
fn the_job_captures_by_itself_until_it_fails() {
    let mut bench = Bench::with_table();
    bench.cdc.start_capture(sample::DATABASE, IDLE).unwrap();
    bench.run("INSERT INTO dbo.t (id) VALUES (1)");
    assert!(bench.cdc.wait_captured(sample::DATABASE, Duration::from_secs(30)).unwrap());
    assert_eq!(bench.shown("SELECT COUNT(*) FROM cdc.dbo_t_CT"), "1");
    assert_eq!(bench.error("EXEC sys.sp_cdc_scan"), 22903);
    assert_eq!(bench.error("EXEC sys.sp_cdc_start_job"), 22022);
    bench.run("EXEC sys.sp_cdc_stop_job");
    bench.run("INSERT INTO dbo.t (id) VALUES (2)");
    assert!(!bench.cdc.wait_captured(sample::DATABASE, Duration::ZERO).unwrap());
    bench.cdc.fail_capture(sample::DATABASE, Some((22863, "Failed to insert rows into Change Data Capture change tables."))).unwrap();
    assert_eq!(bench.error("EXEC sys.sp_cdc_scan"), 22863);
    assert_eq!(bench.shown("SELECT error_number FROM sys.dm_cdc_errors"), "22863");
    assert_eq!(bench.shown("SELECT failed_sessions_count FROM sys.dm_cdc_log_scan_sessions WHERE session_id = 0"), "1");
    bench.cdc.fail_capture(sample::DATABASE, None).unwrap();
    bench.run("EXEC sys.sp_cdc_scan");
    assert_eq!(bench.shown("SELECT COUNT(*) FROM cdc.dbo_t_CT"), "2");
}

#[test]
fn a_case_only_change_of_a_key_is_a_pair() {
    let mut bench = Bench::new();
    bench.run("CREATE TABLE dbo.t (code nvarchar(20) NOT NULL PRIMARY KEY, n int NULL)");
    bench.run("EXEC sys.sp_cdc_enable_db");
    bench.run("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL");
    bench.run("INSERT INTO dbo.t VALUES (N'abc', 1)");
    bench.run("UPDATE dbo.t SET code = N'ABC' WHERE code = N'abc'");
    bench.run("UPDATE dbo.t SET code = N'xyz' WHERE code = N'abc'");
    bench.capture();
    let shown = bench.shown("SELECT __$operation, code FROM cdc.dbo_t_CT ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation");
    assert_eq!(shown, "2 abc\n3 abc\n4 ABC\n1 ABC\n2 xyz", "the clustered key moves only when it changes for the collation");
    let net = "SELECT __$operation, code FROM cdc.fn_cdc_get_net_changes_dbo_t(sys.fn_cdc_get_min_lsn(N'dbo_t'), sys.fn_cdc_get_max_lsn(), N'all')";
    assert_eq!(bench.shown(net), "2 xyz");
}

/// Rebuilds a table from its change table alone: each statement takes its rows out, then puts
/// them in. Values that an update left alone come from its before-image's row.
fn replay(bench: &mut Bench, table: &sample::SampleTable) -> BTreeMap<String, Vec<String>> {
    let sql = format!(
        "SELECT * FROM cdc.[{}_{}_CT] ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation",
        table.schema,
        table.name.replace(']', "]]")
    );
    let sink = bench.run(&sql);
    let names: Vec<String> = sink.columns[0].iter().map(|c| c.name.clone()).collect();
    assert_eq!(names.last().map(String::as_str), Some("__$command_id"));
    let at = |name: &str| names.iter().position(|n| n == name).unwrap();
    let captured = at("__$update_mask") + 1..names.len() - 1;
    let key_of = |row: &[Datum]| format!("{:?}", table.key.iter().map(|name| &row[at(name)]).collect::<Vec<_>>());
    let (lsn, seq, operation, mask, command) =
        (at("__$start_lsn"), at("__$seqval"), at("__$operation"), at("__$update_mask"), at("__$command_id"));
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for statement in sink.rows.chunk_by(|a, b| a[lsn] == b[lsn] && a[command] == b[command]) {
        let mut before: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in statement.iter().filter(|row| matches!(row[operation], Datum::Int(1 | 3))) {
            let old = rows.remove(&key_of(row)).unwrap_or_else(|| panic!("{}: the before-image of no row: {row:?}", table.name));
            before.insert(format!("{:?}", row[seq]), old);
        }
        for row in statement.iter().filter(|row| matches!(row[operation], Datum::Int(2 | 4))) {
            let Datum::Bytes(bits) = &row[mask] else { panic!("no mask") };
            let old = before.get(&format!("{:?}", row[seq]));
            let values = captured.clone().enumerate().map(|(ordinal, column)| {
                let touched = bits[bits.len() - 1 - ordinal / 8] >> (ordinal % 8) & 1 == 1;
                let large = matches!(
                    sink.columns[0][column].data_type,
                    DataType::VarChar(None) | DataType::NVarChar(None) | DataType::VarBinary(None)
                );
                match old {
                    Some(old) if large && !touched => old[ordinal].clone(),
                    _ => format!("{:?}", row[column]),
                }
            });
            let values = values.collect();
            assert!(rows.insert(key_of(row), values).is_none(), "{}: a row is put where one stands", table.name);
        }
    }
    rows
}

#[test]
fn the_changes_of_the_sample_company_rebuild_its_tables() {
    let mut bench = Bench::new();
    for batch in sample::schema_batches().iter().chain(&sample::seed_batches(11)) {
        bench.run(batch);
    }
    for (turn, batch) in Workload::new(11).take(400).enumerate() {
        bench.run(&batch);
        if turn % 37 == 0 {
            bench.capture();
        }
    }
    bench.capture();
    for table in TABLES {
        let rebuilt = replay(&mut bench, table);
        let name = format!("[{}].[{}]", table.schema, table.name.replace(']', "]]"));
        let sink = bench.run(&format!("SELECT * FROM {name}"));
        let at = |name: &str| sink.columns[0].iter().position(|c| c.name == name).unwrap();
        let key_of = |row: &[Datum]| format!("{:?}", table.key.iter().map(|name| &row[at(name)]).collect::<Vec<_>>());
        let source: BTreeMap<String, Vec<String>> =
            sink.rows.iter().map(|row| (key_of(row), row.iter().map(|value| format!("{value:?}")).collect())).collect();
        assert!(!source.is_empty(), "{name} has rows");
        assert_eq!(rebuilt.keys().collect::<Vec<_>>(), source.keys().collect::<Vec<_>>(), "keys of {name}");
        assert!(rebuilt == source, "values of {name}");
    }
}
