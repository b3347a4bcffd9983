//! Statements in the lab's Redshift.

use crate::support::redshift::{error, lab, one, rows, run};

#[tokio::test]
async fn truncate_commits_what_came_before() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE TABLE a (id INT); CREATE TABLE b (id INT); INSERT INTO b VALUES (1)").await;
    run(&client, "BEGIN").await;
    run(&client, "INSERT INTO a VALUES (1)").await;
    run(&client, "TRUNCATE b").await;
    run(&client, "ROLLBACK").await;
    assert_eq!(one(&client, "SELECT count(*) FROM a").await, "1");
    assert_eq!(one(&client, "SELECT count(*) FROM b").await, "0");
}

#[tokio::test]
async fn strings_count_bytes_and_backslash_escapes() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE TABLE t (v VARCHAR(4), n VARCHAR(MAX))").await;
    run(&client, r"INSERT INTO t VALUES ('\\\'é', 'tab\there')").await;
    assert_eq!(one(&client, "SELECT v FROM t").await, "\\'\u{e9}");
    assert_eq!(one(&client, "SELECT n FROM t").await, "tab\there");
    let too_long = ("22001".to_owned(), "value too long for type character varying(4)".to_owned());
    assert_eq!(error(&client, "INSERT INTO t (v) VALUES ('ééé')").await, too_long);
    assert_eq!(error(&client, "INSERT INTO t (v) VALUES ('abcde')").await, too_long);
    run(&client, "ALTER TABLE t ALTER COLUMN v TYPE VARCHAR(6)").await;
    run(&client, "INSERT INTO t (v) VALUES ('ééé')").await;
    assert_eq!(error(&client, "BEGIN; ALTER TABLE t ALTER COLUMN v TYPE VARCHAR(8)").await.0, "25001");
    run(&client, "ROLLBACK; CREATE TABLE k (v VARCHAR(4) PRIMARY KEY)").await;
    assert!(error(&client, "ALTER TABLE k ALTER COLUMN v TYPE VARCHAR(8)").await.1.contains("declared key"));
}

#[tokio::test]
async fn what_redshift_refuses_is_refused() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(4))").await;
    run(&client, "INSERT INTO t VALUES (1, 'a'), (1, 'b')").await; // declared, not enforced
    for (sql, code, said) in [
        ("INSERT INTO t VALUES (1, 'a') ON CONFLICT DO NOTHING", "42601", "ON"),
        ("INSERT INTO t VALUES (1, 'a') RETURNING id", "42601", "RETURNING"),
        ("DELETE FROM t RETURNING id", "42601", "RETURNING"),
        ("DELETE FROM t AS x USING t y WHERE x.id = y.id", "42601", "AS"),
        ("CREATE INDEX i ON t (id)", "0A000", "not supported"),
        ("SELECT E'a'", "42704", "\"e\""),
        ("SELECT pg_try_advisory_lock(1)", "42883", "pg_try_advisory_lock"),
        ("SELECT * FROM pg_catalog.pg_range", "42P01", "pg_range"),
        ("LOCK TABLE t", "25P01", "transaction block"),
        ("BEGIN; VACUUM t", "25001", "VACUUM"),
        ("SAVEPOINT s", "0A000", "SAVEPOINT"),
        ("SET standard_conforming_strings = on", "42704", "unrecognized"),
        ("CREATE TABLE u (id UUID)", "0A000", "unsupported type"),
        ("CREATE TABLE u (id TINYINT)", "42704", "tinyint"),
        ("CREATE TABLE u (d DECIMAL(38,38))", "22023", "scale"),
        ("CREATE TABLE u (v VARCHAR(65536))", "22023", "65535"),
        ("INSERT INTO t (v) VALUES ('a')", "23502", "NULL"),
        ("UNLOAD ('SELECT 1') TO 's3://x/y'", "0A000", "UNLOAD"),
        ("FROBNICATE t", "42601", "FROBNICATE"),
    ] {
        let (found, message) = error(&client, sql).await;
        assert!(found == code && message.contains(said), "{sql}: {found} {message}");
        run(&client, "ROLLBACK").await;
    }
}

#[tokio::test]
async fn the_snapshot_is_taken_after_the_lock() {
    let lab = lab(false).await;
    let (first, second) = (lab.connect().await, lab.connect().await);
    run(&first, "CREATE TABLE state (fence INT NOT NULL); INSERT INTO state VALUES (1)").await;
    run(&first, "BEGIN").await;
    run(&first, "LOCK state").await;
    run(&second, "BEGIN").await;
    let waiting = async {
        run(&second, "LOCK state").await;
        one(&second, "SELECT fence FROM state").await
    };
    let working = async {
        // The waiting lock is seen before the first transaction goes on.
        let observer = lab.connect().await;
        while one(&observer, "SELECT count(*) FROM svv_transactions WHERE NOT granted").await == "0" {}
        run(&first, "UPDATE state SET fence = 2").await;
        run(&first, "COMMIT").await;
    };
    assert_eq!(tokio::join!(waiting, working).0, "2");

    // Without a lock, the later of two writers is refused.
    run(&second, "COMMIT; BEGIN").await;
    one(&second, "SELECT fence FROM state").await;
    run(&first, "UPDATE state SET fence = 3").await;
    let (code, message) = error(&second, "UPDATE state SET fence = 4").await;
    assert!(code == "XX000" && message.contains("conflict with concurrent transaction"), "{message}");
}

#[tokio::test]
async fn names_longer_than_postgresql_allows() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    let (one_name, other) = (format!("{}1", "n".repeat(120)), format!("{}2", "N".repeat(120)));
    for name in [&one_name, &other] {
        run(&client, &format!("CREATE TABLE \"{name}\" (\"{name}_c\" INT)")).await;
    }
    run(&client, &format!("INSERT INTO {one_name} VALUES (1)")).await;
    assert_eq!(one(&client, &format!("SELECT count(*) FROM \"{other}\"")).await, "0");
    let lower = other.to_lowercase();
    let found = rows(&client, &format!("SELECT table_name, column_name FROM svv_columns WHERE table_name = '{lower}'")).await;
    assert_eq!(found, [[Some(lower.clone()), Some(format!("{lower}_c"))]]);
    assert_eq!(rows(&client, &format!("SELECT oid FROM pg_class WHERE relname = '{lower}'")).await.len(), 1);
    let (_, message) = error(&client, &format!("CREATE TABLE {other} (a INT)")).await;
    assert!(message.contains(&lower), "{message}");
    // Redshift cuts at 127 bytes, so that these two are one table.
    run(&client, &format!("CREATE TABLE {} (a INT)", "x".repeat(127))).await;
    assert_eq!(error(&client, &format!("CREATE TABLE {} (a INT)", "x".repeat(128))).await.0, "42P07");
}

#[tokio::test]
async fn the_case_of_quoted_names() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE TABLE \"Mixed\" (\"Id\" INT)").await;
    assert_eq!(one(&client, "SELECT count(*) FROM mixed WHERE \"ID\" IS NULL").await, "0");
    run(&client, "SET enable_case_sensitive_identifier TO true").await;
    assert_eq!(one(&client, "SHOW enable_case_sensitive_identifier").await, "true");
    assert_eq!(error(&client, "SELECT count(*) FROM \"Mixed\"").await.0, "42P01");
    run(&client, "RESET enable_case_sensitive_identifier").await;
    run(&client, "SELECT count(*) FROM \"Mixed\"").await;
}

#[tokio::test]
async fn catalogue_views() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE SCHEMA s").await;
    run(
        &client,
        "CREATE TABLE s.t (id BIGINT NOT NULL, v VARBYTE(8), d DECIMAL(20,4)) DISTSTYLE KEY DISTKEY (id) COMPOUND SORTKEY (id, d)",
    )
    .await;
    assert_eq!(rows(&client, "SELECT * FROM pg_table_def WHERE tablename = 't'").await.len(), 0, "s is not on the search path");
    run(&client, "SET search_path TO s, public").await;
    let found = rows(&client, "SELECT \"column\", type, distkey, sortkey, \"notnull\" FROM pg_table_def WHERE tablename = 't'").await;
    let found: Vec<Vec<_>> = found.iter().map(|row| row.iter().map(|value| value.as_deref().unwrap()).collect()).collect();
    assert_eq!(found, [["id", "bigint", "t", "1", "t"], ["v", "binary varying(8)", "f", "0", "f"], ["d", "numeric(20,4)", "f", "2", "f"]]);
    assert_eq!(one(&client, "SELECT count(*) FROM svv_table_info").await, "0", "empty tables are not listed");
    run(&client, "INSERT INTO t VALUES (1, 'abc', 1.00005)").await;
    // The figures follow a little later, as in Redshift.
    while rows(&client, "SELECT tbl_rows FROM svv_table_info WHERE \"schema\" = 's'").await.is_empty() {}
    assert_eq!(one(&client, "SELECT diststyle FROM svv_table_info WHERE \"table\" = 't'").await, "KEY(id)");
    assert_eq!(rows(&client, "SELECT v, d FROM t").await, [[Some("616263".to_owned()), Some("1.0001".to_owned())]]);
    assert_eq!(one(&client, "SELECT count(*) FROM stv_slices").await, "2");
}

#[tokio::test]
async fn statements_of_redshift_that_postgresql_lacks() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE TABLE a (id INT IDENTITY(1,1), at TIMESTAMP DEFAULT sysdate, v VARCHAR(10) DEFAULT 'x' ENCODE lzo)").await;
    run(&client, "CREATE TABLE b (LIKE a INCLUDING DEFAULTS)").await;
    run(&client, "INSERT INTO a (v) VALUES (DEFAULT), (NVL(NULL, 'y'))").await;
    assert_eq!(one(&client, "SELECT count(*) FROM a WHERE at <= GETDATE() + interval '1 minute' AND id IN (1, 2)").await, "2");
    for sql in ["VACUUM a", "VACUUM DELETE ONLY a TO 100 PERCENT", "ANALYZE a PREDICATE COLUMNS", "ANALYZE"] {
        run(&client, sql).await;
    }
    assert_eq!(error(&client, "BEGIN; ALTER TABLE b APPEND FROM a").await.0, "25001");
    run(&client, "ROLLBACK").await;
    run(&client, "ALTER TABLE b APPEND FROM a").await;
    assert_eq!(one(&client, "SELECT count(*) FROM b").await, "2");
    assert_eq!(one(&client, "SELECT count(*) FROM a").await, "0");
    assert_eq!(error(&client, "INSERT INTO b (id, v) VALUES (1, '12345678901')").await.0, "22001", "LIKE copies lengths");
    run(&client, "ALTER TABLE b ADD COLUMN n NVARCHAR(5)").await;
    assert_eq!(error(&client, "UPDATE b SET n = 'ééé'").await.0, "22001");
    run(&client, "DELETE FROM b USING a WHERE b.id = a.id").await;
    // In one message: one transaction.
    error(&client, "DELETE FROM b; SELECT 1 / 0").await;
    assert_eq!(one(&client, "SELECT count(*) FROM b").await, "2");
}
