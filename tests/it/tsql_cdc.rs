//! Change data capture through T-SQL: what is written in sessions is read from the change tables.

use crate::support::tsql::{Lab, expect, shown};
use db_to_redshift::lab::sqlserver::cdc::Cdc;

const OPS: &str = "SELECT __$operation, id, name FROM cdc.dbo_t_CT ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation";

#[test]
fn changes_reach_the_change_table() {
    let lab = Lab::new();
    let cdc = Cdc::attach(&lab.server).unwrap();
    let mut s = lab.session();
    expect(
        &mut s,
        &[
            ("SELECT sys.fn_cdc_get_max_lsn()", "NULL"),
            ("EXEC sys.sp_cdc_enable_db; SELECT is_cdc_enabled FROM sys.databases WHERE database_id = DB_ID()", "1"),
            ("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name nvarchar(10) NULL)", ""),
            ("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't', @role_name = NULL, @supports_net_changes = 0", ""),
            ("SELECT t.is_tracked_by_cdc FROM sys.tables t WHERE t.name = 't'", "1"),
            (
                "SELECT ct.capture_instance, s.name, t.name FROM cdc.change_tables ct JOIN sys.tables t ON t.object_id = ct.source_object_id JOIN sys.schemas s ON s.schema_id = t.schema_id",
                "dbo_t dbo t",
            ),
            (
                "SELECT column_name, column_type FROM cdc.captured_columns WHERE object_id = OBJECT_ID(N'cdc.dbo_t_CT') ORDER BY column_ordinal",
                "id int\nname nvarchar",
            ),
            ("TRUNCATE TABLE dbo.t", "!4711"),
            ("BEGIN TRAN; INSERT dbo.t VALUES (1, 'a'), (2, 'b'); UPDATE dbo.t SET name = 'c' WHERE id = 1; COMMIT", ""),
            ("BEGIN TRAN; INSERT dbo.t VALUES (9, 'never'); ROLLBACK", ""),
            ("DELETE dbo.t WHERE id = 2", ""),
        ],
    );
    assert_eq!(shown(&mut s, OPS), "", "committed is not yet captured");
    cdc.capture_now("shop").unwrap();
    assert_eq!(shown(&mut s, OPS), "2 1 a\n2 2 b\n3 1 a\n4 1 c\n1 2 b");
    let range = "DECLARE @from binary(10) = sys.fn_cdc_get_min_lsn(N'dbo_t'), @to binary(10) = sys.fn_cdc_get_max_lsn();";
    expect(
        &mut s,
        &[
            (
                &format!(
                    "{range} SELECT __$operation, id FROM cdc.fn_cdc_get_all_changes_dbo_t(@from, @to, N'all') ORDER BY __$start_lsn, __$seqval"
                ),
                "2 1\n2 2\n4 1\n1 2",
            ),
            (&format!("{range} SELECT * FROM cdc.fn_cdc_get_all_changes_dbo_t(@to, 0x00, N'all')"), "!313"),
            ("SELECT * FROM cdc.fn_cdc_get_all_changes_none(0x01, 0x02, N'all')", "!208"),
            (
                "SELECT COUNT(*) AS n, IIF(MAX(w.start_lsn) <= sys.fn_cdc_get_max_lsn(), 'within', 'above') FROM (SELECT TOP (2) m.start_lsn FROM cdc.lsn_time_mapping AS m WHERE m.start_lsn >= 0x00 AND m.tran_id <> 0x00 ORDER BY m.start_lsn) AS w",
                "2 within",
            ),
            (
                "SELECT t.name, CASE WHEN EXISTS (SELECT 1 FROM sys.indexes AS i WHERE i.object_id = t.object_id AND i.is_primary_key = 1) THEN 1 ELSE 0 END AS has_key FROM sys.tables AS t INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE t.is_ms_shipped = 0 AND s.name <> N'cdc'",
                "t 1",
            ),
            ("SELECT j.retention FROM msdb.dbo.cdc_jobs AS j WHERE j.database_id = DB_ID() AND j.job_type = N'cleanup'", "4320"),
            ("SELECT s.status FROM sys.dm_server_services AS s WHERE s.servicename LIKE N'SQL Server Agent (%'", "4"),
            ("SELECT t.id, t.name FROM dbo.t AS t JOIN (VALUES (1)) AS k (id) ON k.id = t.id", "1 c"),
            ("SELECT sys.fn_cdc_get_min_lsn(N'none')", "0x00000000000000000000"),
        ],
    );
}

#[test]
fn a_clustered_key_update_is_deletes_and_inserts() {
    let lab = Lab::new();
    let cdc = Cdc::attach(&lab.server).unwrap();
    let mut s = lab.session();
    let enable = "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't', @role_name = NULL, @supports_net_changes = 0";
    expect(
        &mut s,
        &[
            (
                "EXEC sys.sp_cdc_enable_db; CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name nvarchar(10) NULL); INSERT dbo.t VALUES (1, 'a'), (2, 'b')",
                "",
            ),
            (enable, ""),
            ("UPDATE dbo.t SET id = id + 1", ""),
        ],
    );
    cdc.capture_now("shop").unwrap();
    let got = shown(&mut s, "SELECT __$operation, id, name FROM cdc.dbo_t_CT ORDER BY __$operation, id");
    assert_eq!(got, "1 1 a\n1 2 b\n2 2 a\n2 3 b");
}

#[test]
fn a_nonclustered_key_update_is_pairs() {
    let lab = Lab::new();
    let cdc = Cdc::attach(&lab.server).unwrap();
    let mut s = lab.session();
    let enable = "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't', @role_name = NULL, @supports_net_changes = 0";
    expect(
        &mut s,
        &[
            (
                "EXEC sys.sp_cdc_enable_db; CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY NONCLUSTERED, name nvarchar(10) NULL); INSERT dbo.t VALUES (1, 'a'), (2, 'b')",
                "",
            ),
            (enable, ""),
            ("UPDATE dbo.t SET id = 3 - id", ""),
        ],
    );
    cdc.capture_now("shop").unwrap();
    let got = shown(&mut s, "SELECT __$operation, id, name FROM cdc.dbo_t_CT ORDER BY name, __$operation");
    assert_eq!(got, "3 1 a\n4 2 a\n3 2 b\n4 1 b");
}
