//! The lab's Redshift as its clients see it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use db_to_redshift::lab::redshift::{self, Action, Object, ObjectBody, ObjectSource, Redshift, RedshiftOptions, S3Access};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

pub const PASSWORD: &str = "Not-a-secret-1";

/// A bucket in memory, named `lab`.
#[derive(Default)]
pub struct Bucket(Mutex<BTreeMap<String, Bytes>>);

impl Bucket {
    pub fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        self.0.lock().unwrap().insert(key.to_owned(), Bytes::from(body.into()));
    }

    pub fn put_zstd(&self, key: &str, body: &str) {
        self.put(key, zstd::encode_all(body.as_bytes(), 1).unwrap());
    }

    /// A manifest over these keys, with their true lengths.
    pub fn put_manifest(&self, key: &str, keys: &[&str]) {
        let entries: Vec<_> = keys
            .iter()
            .map(|key| {
                let length = self.0.lock().unwrap().get(*key).map_or(0, Bytes::len);
                serde_json::json!({"url": format!("s3://lab/{key}"), "mandatory": true, "meta": {"content_length": length}})
            })
            .collect();
        self.put(key, serde_json::json!({ "entries": entries }).to_string());
    }
}

#[async_trait]
impl ObjectSource for Bucket {
    async fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<String>> {
        assert_eq!(bucket, "lab");
        Ok(self.0.lock().unwrap().keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    async fn get(&self, bucket: &str, key: &str) -> io::Result<Option<Object>> {
        assert_eq!(bucket, "lab");
        let found = self.0.lock().unwrap().get(key).cloned();
        Ok(found.map(|body| Object { length: body.len() as u64, body: Box::new(Pieces(body)) }))
    }
}

/// Gives a body out in small pieces.
struct Pieces(Bytes);

#[async_trait]
impl ObjectBody for Pieces {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let length = self.0.len().min(1000);
        Ok((length > 0).then(|| self.0.split_to(length)))
    }
}

pub struct Lab {
    pub redshift: Redshift,
    pub bucket: Arc<Bucket>,
}

pub async fn lab(tls: bool) -> Lab {
    let bucket = Arc::new(Bucket::default());
    let s3 = S3Access {
        endpoint: "http://127.0.0.1:1".to_owned(),
        access_key: "a".to_owned(),
        secret_key: "s".to_owned(),
        region: "eu-west-1".to_owned(),
    };
    let options = RedshiftOptions {
        s3,
        source: Some(bucket.clone()),
        database: "dev".to_owned(),
        user: "loader".to_owned(),
        password: PASSWORD.to_owned(),
        tls,
    };
    Lab { redshift: redshift::start(options).await.unwrap(), bucket }
}

impl Lab {
    pub async fn connect(&self) -> Client {
        let address = self.redshift.addr();
        let text = format!("host=127.0.0.1 port={} user=loader password={PASSWORD} dbname=dev sslmode=disable", address.port());
        let (client, connection) = tokio_postgres::connect(&text, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// Rows of the last statement, values as text.
pub async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

/// The one value of a query.
pub async fn one(client: &Client, sql: &str) -> String {
    let rows = rows(client, sql).await;
    assert_eq!(rows.len(), 1, "{sql}");
    rows[0][0].clone().unwrap_or_else(|| "NULL".to_owned())
}

/// The error of a statement: its SQLSTATE and message.
pub async fn error(client: &Client, sql: &str) -> (String, String) {
    let error = client.simple_query(sql).await.err().unwrap_or_else(|| panic!("{sql} succeeded"));
    let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

pub async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

const OPTIONS: &str = "IAM_ROLE 'arn:aws:iam::123456789012:role/lab' FORMAT AS CSV QUOTE AS '\"' DELIMITER ',' NULL AS '@null' ZSTD \
                       DATEFORMAT 'auto' TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF MAXERROR 0";

#[tokio::test]
async fn a_copy_by_manifest_inside_a_transaction() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    assert!(one(&client, "SELECT version()").await.starts_with("PostgreSQL 8.0.2"));
    assert_eq!(one(&client, "SELECT pg_last_copy_id()").await, "-1");
    run(
        &client,
        "CREATE TABLE \"Stage\" (\"Id\" BIGINT NOT NULL, name VARCHAR(20), price DECIMAL(10,2), at TIMESTAMPTZ, ok BOOLEAN, raw VARBYTE(4), PRIMARY KEY (\"Id\"))
         DISTKEY(\"Id\") SORTKEY(\"Id\")",
    )
    .await;
    lab.bucket.put_zstd("p/1", "1,\"a \"\"b\"\",\nc\",1.999,2024-02-03T04:05:06.123456+01:00,t,00ff\n2,\"\",@null,@null,@null,@null\n");
    lab.bucket.put_zstd("p/2", "3,\"@null\",-0.5,\"2024-02-03 04:05:06\",0,\n");
    lab.bucket.put_manifest("p/m", &["p/1", "p/2"]);
    let copy = format!(
        "COPY \"stage\" (\"id\",\"name\",\"price\",\"at\",\"ok\",\"raw\") FROM 's3://lab/p/m' MANIFEST REGION 'eu-west-1' {OPTIONS}"
    );

    run(&client, "BEGIN").await;
    run(&client, &copy).await;
    assert_eq!(one(&client, "SELECT pg_last_copy_count()").await, "3");
    let found = rows(&client, "SELECT id, name, price, at AT TIME ZONE 'UTC', ok, raw FROM stage ORDER BY id").await;
    let expected = [
        ["1", "a \"b\",\nc", "1.99", "2024-02-03 03:05:06.123456", "t", "00ff"],
        ["2", "", "NULL", "NULL", "NULL", "NULL"],
        ["3", "NULL", "-0.50", "2024-02-03 04:05:06", "f", "NULL"],
    ];
    let found: Vec<Vec<String>> =
        found.into_iter().map(|row| row.into_iter().map(|value| value.unwrap_or_else(|| "NULL".to_owned())).collect()).collect();
    assert_eq!(found, expected);
    run(&client, "ROLLBACK").await;
    assert_eq!(one(&client, "SELECT count(*) FROM stage").await, "0");
    assert_eq!(one(&client, "SELECT pg_last_copy_count()").await, "3", "the figure outlives the transaction");

    run(&client, &copy).await;
    assert_eq!(one(&client, "SELECT count(*) FROM stage").await, "3");
    lab.redshift.stop().await.unwrap();
}

#[tokio::test]
async fn a_refused_value_aborts_and_is_told_in_the_error_tables() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE TABLE t (id INT NOT NULL, name VARCHAR(3))").await;
    lab.bucket.put_zstd("bad", "1,abc\n2,\"x\ny\"\n3,\u{e9}\u{e9}\n");
    run(&client, "BEGIN; INSERT INTO t VALUES (9, 'i')").await;
    let (code, message) = error(&client, &format!("COPY t FROM 's3://lab/bad' {OPTIONS}")).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("XX000", "Load into table 't' failed.  Check 'sys_load_error_detail' system table for details.")
    );
    assert_eq!(error(&client, "SELECT 1").await.0, "25P02");
    run(&client, "ROLLBACK").await;
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "0");
    assert_eq!(one(&client, "SELECT pg_last_copy_count()").await, "0");
    let detail =
        "SELECT trim(file_name), line_number, trim(column_name), trim(column_type), trim(column_length), error_code, trim(error_message)
                    FROM sys_load_error_detail WHERE query_id = pg_last_copy_id()";
    let found: Vec<_> = rows(&client, detail).await[0].iter().map(|value| value.clone().unwrap()).collect();
    assert_eq!(found, ["s3://lab/bad", "4", "name", "varchar", "3", "1204", "String length exceeds DDL length"]);
    let raw = rows(&client, "SELECT trim(raw_line), trim(raw_field_value), err_code FROM stl_load_errors").await;
    assert_eq!(raw[0].iter().map(|value| value.clone().unwrap()).collect::<Vec<_>>(), ["3,\u{e9}\u{e9}", "\u{e9}\u{e9}", "1204"]);
}

#[tokio::test]
async fn each_load_error_has_its_code() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE TABLE t (i INT NOT NULL, d DATE, c CHAR(2))").await;
    for (line, code) in [
        ("1,2024-01-01,a,x", "1202"),
        ("1,2024-01-01", "1203"),
        ("", "1211"),
        ("1,2024-13-01,a", "1205"),
        ("x,2024-01-01,a", "1207"),
        ("2147483648,2024-01-01,a", "1222"),
        (",2024-01-01,a", "1213"),
        ("1,2024-01-01,\u{e9}", "1215"),
        ("1,2024-01-01,\"a\"b", "1216"),
    ] {
        lab.bucket.put_zstd("one", &format!("{line}\n"));
        error(&client, &format!("COPY t FROM 's3://lab/one' {OPTIONS}")).await;
        assert_eq!(one(&client, "SELECT error_code FROM sys_load_error_detail WHERE query_id = pg_last_copy_id()").await, code, "{line}");
    }
}

#[tokio::test]
async fn a_copy_that_never_began_leaves_the_figures_alone() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE TABLE t (id INT)").await;
    lab.bucket.put_zstd("good", "1\n2\n");
    run(&client, &format!("COPY t FROM 's3://lab/good' {OPTIONS}")).await;
    let id = one(&client, "SELECT pg_last_copy_id()").await;
    for wrong in [
        format!("COPY nowhere FROM 's3://lab/good' {OPTIONS}"),
        format!("COPY t FROM 's3://lab/missing' {OPTIONS}"),
        format!("COPY t FROM 's3://lab/missing' MANIFEST {OPTIONS}"),
        format!("COPY t FROM 's3://lab/good' FASTER {OPTIONS}"),
        format!("COPY t FROM 's3://lab/good' GZIP {OPTIONS}"),
        "COPY t FROM 's3://lab/good' CSV".to_owned(),
        "COPY t FROM STDIN".to_owned(),
    ] {
        error(&client, &wrong).await;
        assert_eq!(one(&client, "SELECT pg_last_copy_count()").await, "2", "{wrong}");
        assert_eq!(one(&client, "SELECT pg_last_copy_id()").await, id, "{wrong}");
    }
}

#[tokio::test]
async fn manifests_are_held_to_their_word() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE TABLE t (id INT)").await;
    lab.bucket.put_zstd("good", "1\n");
    let copy = format!("COPY t FROM 's3://lab/m' MANIFEST {OPTIONS}");
    for (entries, said) in [
        (serde_json::json!([]), "has no entries"),
        (serde_json::json!([{"url": "s3://lab/gone", "mandatory": true}]), "Mandatory file"),
        (serde_json::json!([{"url": "s3://lab/good", "mandatory": true, "meta": {"content_length": 1}}]), "content_length"),
    ] {
        lab.bucket.put("m", serde_json::json!({ "entries": entries }).to_string());
        let (code, message) = error(&client, &copy).await;
        assert!(code == "XX000" && message.contains(said), "{message}");
    }
    let entries = serde_json::json!([{"url": "s3://lab/gone", "mandatory": false}, {"url": "s3://lab/good", "mandatory": true}]);
    lab.bucket.put("m", serde_json::json!({ "entries": entries }).to_string());
    run(&client, &copy).await;
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "1");
    // A file that is cut short is no end of data.
    let whole = zstd::encode_all(&b"1\n2\n"[..], 1).unwrap();
    lab.bucket.put("good", &whole[..whole.len() - 2]);
    assert!(error(&client, &copy).await.1.contains("ends inside a zstd frame"));
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "1");
}

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
async fn faults_on_request() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    run(&client, "CREATE TABLE t (id INT)").await;
    let faults = lab.redshift.faults();

    let lost = faults.on("commit", 1, Action::CutAfter);
    run(&client, "BEGIN").await;
    run(&client, "INSERT INTO t VALUES (1)").await;
    assert!(client.batch_execute("COMMIT").await.unwrap_err().is_closed());
    assert!(lost.was_hit());
    let client = lab.connect().await;
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "1", "the commit took effect");

    let _ = faults.on("COMMIT", 1, Action::CutBefore);
    run(&client, "BEGIN").await;
    run(&client, "INSERT INTO t VALUES (2)").await;
    assert!(client.batch_execute("COMMIT").await.is_err());
    let client = lab.connect().await;
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "1", "the commit never ran");

    let _ = faults.on("insert into t", 2, Action::Conflict);
    run(&client, "INSERT INTO t VALUES (3)").await;
    run(&client, "BEGIN").await;
    assert_eq!(error(&client, "INSERT INTO t VALUES (4)").await, ("XX000".to_owned(), "1023".to_owned()));
    assert_eq!(error(&client, "SELECT 1").await.0, "25P02");
    run(&client, "ROLLBACK").await;

    let held = faults.on("delete from t", 1, Action::Hold);
    let deleting = run(&client, "DELETE FROM t");
    let observer = lab.connect().await;
    let watching = async {
        held.hit().await;
        assert_eq!(one(&observer, "SELECT count(*) FROM t").await, "2");
        held.release();
    };
    tokio::join!(deleting, watching);
    assert_eq!(one(&observer, "SELECT count(*) FROM t").await, "0");

    let pid = one(&client, "SELECT pg_backend_pid()").await.parse().unwrap();
    assert!(lab.redshift.sessions().iter().any(|session| session.pid == pid));
    assert!(lab.redshift.kill(pid));
    assert!(client.batch_execute("SELECT 1").await.is_err());
    faults.pause(true);
    let text = format!("host=127.0.0.1 port={} user=loader password={PASSWORD} dbname=dev sslmode=disable", lab.redshift.addr().port());
    assert!(tokio_postgres::connect(&text, NoTls).await.is_err());
}
