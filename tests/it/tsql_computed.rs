//! Computed columns in the lab's T-SQL: what they are worth, what the catalogue says of them, what
//! is refused, and what change data capture makes of them.

use crate::support::tsql::{Lab, expect, shown};
use db_to_redshift::lab::sqlserver::cdc::Cdc;

const LINE: &str = "CREATE TABLE dbo.line (
    id int NOT NULL PRIMARY KEY, sku nvarchar(10) COLLATE Latin1_General_100_CS_AS NOT NULL, colour nvarchar(6) NULL,
    qty int NOT NULL, price decimal(9,2) NULL,
    label AS (sku + N'/' + colour), total AS qty * price PERSISTED, twice AS (qty * 2) PERSISTED NOT NULL,
    shade AS (ISNULL(colour, N'none')), note nvarchar(20) NULL)";

#[test]
fn a_query_computes_them_and_a_write_leaves_them_out() {
    let lab = Lab::new();
    let mut s = lab.session();
    expect(
        &mut s,
        &[
            (LINE, ""),
            ("INSERT dbo.line VALUES (1, N'Tin', N'red', 3, 2.50, N'first'), (2, N'tin', NULL, 4, NULL, NULL)", ""),
            ("INSERT dbo.line VALUES (3, N'x', N'y', 1, 1, N'z', N'label', 1, 2, N'shade')", "!213"),
            ("SELECT * FROM dbo.line", "1 Tin red 3 250e-2 Tin/red 750e-2 6 red first\n2 tin NULL 4 NULL NULL NULL 8 none NULL"),
            ("SELECT l.twice + 1 FROM dbo.line AS l WHERE l.total > 7 AND label LIKE N'T%'", "7"),
            ("SELECT shade, COUNT(*) FROM dbo.line GROUP BY shade ORDER BY shade DESC", "red 1\nnone 1"),
            (
                "UPDATE dbo.line SET qty = 5, note = label WHERE twice = 6; SELECT total, twice, note FROM dbo.line WHERE id = 1",
                "1250e-2 10 Tin/red",
            ),
            ("DELETE dbo.line WHERE shade = N'none'; SELECT id FROM dbo.line", "1"),
            ("INSERT dbo.line (id, sku, qty, twice) VALUES (4, N'a', 1, 2)", "!271"),
            ("UPDATE dbo.line SET label = N'x'", "!271"),
            ("UPDATE dbo.line SET id = id + 1; SELECT id, total FROM dbo.line", "2 1250e-2"),
            // A row that an outer join made up has nothing, though the expression is never NULL.
            ("SELECT k.n, l.shade FROM (VALUES (2), (7)) AS k (n) LEFT JOIN dbo.line AS l ON l.id = k.n ORDER BY k.n", "2 red\n7 NULL"),
            ("CREATE TABLE dbo.age (born date NOT NULL, days AS DATEDIFF(day, born, GETDATE()))", ""),
            (
                "INSERT dbo.age VALUES ('2020-01-01'); SELECT born FROM dbo.age WHERE born < GETDATE(); SELECT IIF(days > 2000, 'old', 'young') FROM dbo.age",
                "Date(737424)\nold",
            ),
        ],
    );
}

#[test]
fn the_catalogue_knows_type_and_definition() {
    let lab = Lab::new();
    let mut s = lab.session();
    expect(
        &mut s,
        &[
            (LINE, ""),
            (
                "SELECT c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable, c.collation_name FROM sys.columns AS c
                   JOIN sys.types AS t ON t.user_type_id = c.user_type_id
                  WHERE c.object_id = OBJECT_ID('dbo.line') AND c.is_computed = 1 ORDER BY c.column_id",
                "label nvarchar 34 0 0 1 Latin1_General_100_CS_AS\ntotal decimal 13 20 2 1 NULL\ntwice int 4 10 0 0 NULL\n\
                 shade nvarchar 12 0 0 0 SQL_Latin1_General_CP1_CI_AS",
            ),
            (
                "SELECT name, definition, is_persisted FROM sys.computed_columns WHERE object_id = OBJECT_ID('dbo.line') ORDER BY column_id",
                "label (sku + N'/' + colour) 0\ntotal (qty * price) 1\ntwice (qty * 2) 1\nshade (ISNULL(colour, N'none')) 0",
            ),
            (
                "SELECT DATA_TYPE, IS_NULLABLE, ORDINAL_POSITION FROM INFORMATION_SCHEMA.COLUMNS WHERE COLUMN_NAME = 'total'",
                "decimal YES 7",
            ),
            ("SELECT COUNT(*) FROM sys.columns WHERE object_id = OBJECT_ID('dbo.line') AND is_computed = 0", "6"),
        ],
    );
}

#[test]
fn what_a_definition_may_not_say_is_refused() {
    let lab = Lab::new();
    let mut s = lab.session();
    expect(
        &mut s,
        &[
            ("CREATE TABLE dbo.t (a int, b AS (a + 1), c AS (b + 1))", "!1759"),
            ("CREATE TABLE dbo.t (a int, b AS (b + 1))", "!1759"),
            ("CREATE TABLE dbo.t (a int, b AS (missing + 1))", "!207"),
            ("CREATE TABLE dbo.t (a int, b AS (a + 1) NOT NULL)", "!8183"),
            ("CREATE TABLE dbo.t (a int, b AS (DATEADD(day, a, GETDATE())) PERSISTED)", "!4936"),
            ("CREATE TABLE dbo.t (a int, b AS (NEWID()) PERSISTED)", "!4936"),
            ("CREATE TABLE dbo.t (a int, b AS ((SELECT MAX(a) FROM dbo.other)))", "!1046"),
            ("DECLARE @n int = 1; CREATE TABLE dbo.t (a int, b AS (a + @n))", "!112"),
            // Not in the lab.
            ("CREATE TABLE dbo.t (a int, b AS (MAX(a)))", "!40510"),
            ("CREATE TABLE dbo.t (a int, b AS (a + 1) PERSISTED UNIQUE)", "!40510"),
            ("CREATE TABLE dbo.t (a int, b AS (a + 1) PERSISTED NOT NULL, PRIMARY KEY (b))", "!40510"),
            ("CREATE TABLE dbo.t (v rowversion, a int, b AS (v))", "!40510"),
            ("SELECT COUNT(*) FROM sys.tables", "0"),
            ("CREATE TABLE dbo.t (a int NOT NULL, b int NULL, c AS (a / b) PERSISTED NOT NULL)", ""),
            ("CREATE INDEX i ON dbo.t (c)", "!40510"),
            // A persisted value is computed when the row is written.
            ("INSERT dbo.t VALUES (4, 2), (1, NULL)", "!515"),
            ("INSERT dbo.t VALUES (4, 2), (1, 0)", "!8134"),
            ("INSERT dbo.t VALUES (4, 2); UPDATE dbo.t SET b = NULL", "!515"),
            ("UPDATE dbo.t SET b = 0", "!8134"),
            ("SELECT a, b, c FROM dbo.t", "4 2 2"),
        ],
    );
}

#[test]
fn ddl_keeps_what_they_are_made_of() {
    let lab = Lab::new();
    let mut s = lab.session();
    expect(
        &mut s,
        &[
            ("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, a int NULL, b int NULL, c AS (a + 1)); INSERT dbo.t VALUES (1, 5, 6)", ""),
            ("ALTER TABLE dbo.t DROP COLUMN a", "!4922"),
            ("ALTER TABLE dbo.t ALTER COLUMN a bigint", "!4922"),
            ("ALTER TABLE dbo.t ALTER COLUMN c bigint", "!4928"),
            ("ALTER TABLE dbo.t ALTER COLUMN c ADD PERSISTED", "!40510"),
            (
                "ALTER TABLE dbo.t ALTER COLUMN b bigint; ALTER TABLE dbo.t ADD d AS (b - a) PERSISTED, e AS (N'no ' + CAST(b AS nvarchar(9)))",
                "",
            ),
            ("SELECT * FROM dbo.t", "1 5 6 6 1 no 6"),
            ("ALTER TABLE dbo.t ADD f AS (d * 2)", "!1759"),
            ("ALTER TABLE dbo.t ADD c AS (a)", "!2705"),
            ("INSERT dbo.t VALUES (2, NULL, NULL); ALTER TABLE dbo.t ADD f AS (a * 2) PERSISTED NOT NULL", "!515"),
            ("ALTER TABLE dbo.t DROP COLUMN c, d; ALTER TABLE dbo.t DROP COLUMN a", ""),
            ("SELECT * FROM dbo.t", "1 6 no 6\n2 NULL NULL"),
            ("SELECT name, column_id FROM sys.columns WHERE object_id = OBJECT_ID('dbo.t') ORDER BY column_id", "id 1\nb 3\ne 6"),
        ],
    );
}

#[test]
fn capture_has_the_columns_and_null_in_them() {
    let lab = Lab::new();
    let cdc = Cdc::attach(&lab.server).unwrap();
    let mut s = lab.session();
    expect(
        &mut s,
        &[
            ("EXEC sys.sp_cdc_enable_db", ""),
            (
                "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY NONCLUSTERED, a int NOT NULL, c AS (a + 1), b int NULL, d AS (CONCAT(N'n', b)) PERSISTED)",
                "",
            ),
            ("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL", ""),
            (
                "SELECT column_name, column_type, column_ordinal, is_computed FROM cdc.captured_columns ORDER BY column_ordinal",
                "id int 1 0\na int 2 0\nc int 3 1\nb int 4 0\nd nvarchar 5 1",
            ),
            ("INSERT dbo.t VALUES (1, 10, 100); UPDATE dbo.t SET a = 11 WHERE c = 11; UPDATE dbo.t SET id = 2, b = 101; DELETE dbo.t", ""),
        ],
    );
    cdc.capture_now("shop").unwrap();
    // Every bit of an insert or a delete; of an update those of the columns that it set.
    let rows = "2 1 10 NULL 100 NULL 0x1f\n3 1 10 NULL 100 NULL 0x02\n4 1 11 NULL 100 NULL 0x02\n\
                3 1 11 NULL 100 NULL 0x09\n4 2 11 NULL 101 NULL 0x09\n1 2 11 NULL 101 NULL 0x1f";
    let of = "SELECT __$operation, id, a, c, b, d, __$update_mask FROM";
    assert_eq!(shown(&mut s, &format!("{of} cdc.dbo_t_CT ORDER BY __$start_lsn, __$seqval, __$operation")), rows);
    let range = "DECLARE @from binary(10) = sys.fn_cdc_get_min_lsn(N'dbo_t'), @to binary(10) = sys.fn_cdc_get_max_lsn();";
    let call = "cdc.fn_cdc_get_all_changes_dbo_t(@from, @to, N'all update old') ORDER BY __$start_lsn, __$seqval, __$operation";
    assert_eq!(shown(&mut s, &format!("{range} {of} {call}")), rows);

    // A column that comes or goes is DDL; the instance keeps what it captured.
    expect(
        &mut s,
        &[
            ("ALTER TABLE dbo.t ADD e AS (a * 2); ALTER TABLE dbo.t DROP COLUMN c; INSERT dbo.t VALUES (3, 1, 2)", ""),
            ("SELECT e FROM dbo.t", "2"),
        ],
    );
    cdc.capture_now("shop").unwrap();
    assert_eq!(shown(&mut s, &format!("{of} cdc.dbo_t_CT WHERE id = 3")), "2 3 1 NULL 2 NULL 0x1f");
    assert_eq!(shown(&mut s, "SELECT COUNT(*) FROM cdc.ddl_history"), "2");
}
