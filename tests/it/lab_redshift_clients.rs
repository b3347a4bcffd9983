//! The lab's Redshift through several clients: encryption, extended queries, cancel, psql, Python.

use std::process::Stdio;

use db_to_redshift::lab::redshift::{RedshiftOptions, S3Access};
use tokio::process::Command;
use tokio_postgres::NoTls;

use crate::support::redshift::{Lab, OPTIONS, PASSWORD, error, lab, one, run};

fn uri(lab: &Lab, more: &str) -> String {
    format!("postgresql://loader:{PASSWORD}@127.0.0.1:{}/dev?{more}", lab.redshift.addr().port())
}

#[tokio::test]
async fn psql_with_a_verified_certificate() {
    let lab = lab(true).await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("ca.pem");
    std::fs::write(&root, lab.redshift.ca_pem().unwrap()).unwrap();
    lab.bucket.put_zstd("f", "7\n8\n");
    let script = format!(
        "CREATE TABLE t (id INT); BEGIN; COPY t FROM 's3://lab/f' {OPTIONS}; COMMIT;\nSELECT sum(id), pg_last_copy_count() FROM t;\nTRUNCATE t;\nSELECT 'a\\\\b', count(*) FROM t;\n"
    );
    let output = Command::new("psql")
        .arg(uri(&lab, &format!("sslmode=verify-full&sslrootcert={}", root.display())))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c"])
        .arg("SHOW server_version")
        .args(script.lines().flat_map(|line| ["-c", line]))
        .output()
        .await
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    assert_eq!(out, "8.0.2\n15|2\na\\b|0\n");
    assert!(err.contains("INFO:  Load into table 't' completed, 2 record(s) loaded successfully."), "{err}");
}

/// Python's psycopg2, when the machine has it: it decides by itself what to send.
#[tokio::test]
async fn a_python_client() {
    const SCRIPT: &str = "
import sys, psycopg2
c = psycopg2.connect(sys.argv[1])
k = c.cursor()
k.execute('CREATE TABLE t (id int, v varchar(20), b varbyte(4))')
k.execute('INSERT INTO t VALUES (%s, %s, %s)', (1, \"it's \\\\ é\", 'ab'))
k.execute('SELECT id, v, b FROM t')
print(k.fetchall())
c.rollback()
try:
    k.execute('SELECT * FROM t')
except psycopg2.Error as e:
    print(e.pgcode)
";
    let has = Command::new("python3").args(["-c", "import psycopg2"]).stderr(Stdio::null()).status().await;
    if !has.is_ok_and(|status| status.success()) {
        eprintln!("skipped: python3 with psycopg2 is not on this machine");
        return;
    }
    let lab = lab(false).await;
    let output = Command::new("python3").args(["-c", SCRIPT]).arg(uri(&lab, "")).output().await.unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "[(1, \"it's \\\\ é\", '6162')]\n42P01\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn wrong_passwords_and_foreign_parameters() {
    let lab = lab(false).await;
    let port = lab.redshift.addr().port();
    for (text, code) in [
        (format!("host=127.0.0.1 port={port} user=loader password=wrong dbname=dev"), "28000"),
        (format!("host=127.0.0.1 port={port} user=nobody password=x dbname=dev"), "28000"),
        (format!("host=127.0.0.1 port={port} user=rdsdb password=x dbname=dev"), "28000"),
        (format!("host=127.0.0.1 port={port} user=loader password={PASSWORD} dbname=gone"), "3D000"),
        (format!("host=127.0.0.1 port={port} user=loader password={PASSWORD} dbname=dev options='-c work_mem=1'"), "0A000"),
    ] {
        let error = tokio_postgres::connect(&text, NoTls).await.err().unwrap();
        assert_eq!(error.code().unwrap().code(), code, "{text}");
    }
    let client = lab.connect().await;
    run(&client, "CREATE USER reader PASSWORD 'Reader-1'").await;
    let text = format!("host=127.0.0.1 port={port} user=reader password=Reader-1 dbname=dev");
    let (reader, connection) = tokio_postgres::connect(&text, NoTls).await.unwrap();
    tokio::spawn(connection);
    run(&client, "CREATE TABLE t (id INT)").await;
    assert_eq!(error(&reader, "SELECT * FROM t").await.0, "42501");
    assert_eq!(error(&reader, &format!("COPY t FROM 's3://lab/x' {OPTIONS}")).await.0, "42501");
}

#[tokio::test]
async fn extended_queries() {
    let lab = lab(false).await;
    let mut client = lab.connect().await;
    lab.bucket.put_zstd("f", "1\n2\n3\n");
    client.execute("CREATE TABLE t (id INT NOT NULL PRIMARY KEY)", &[]).await.unwrap();
    let copy = format!("COPY t FROM 's3://lab/f' {OPTIONS}");
    let transaction = client.transaction().await.unwrap();
    transaction.execute(&copy, &[]).await.unwrap();
    let count: i64 = transaction.query_one("SELECT pg_last_copy_count()", &[]).await.unwrap().get(0);
    assert_eq!(count, 3);
    transaction.rollback().await.unwrap();
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "0");

    // Dropped statements send Close and Sync between what follows.
    for round in 1..=20_i32 {
        let statement = client.prepare("SELECT id FROM t WHERE id = $1").await.unwrap();
        assert!(client.query(&statement, &[&round]).await.unwrap().is_empty());
        drop(statement);
        if round % 5 == 0 {
            client.batch_execute(&copy).await.unwrap();
            client.execute("TRUNCATE t", &[]).await.unwrap();
        }
    }
    let failed = client.execute("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", &[]).await.unwrap_err();
    assert_eq!(failed.code().unwrap().code(), "42601");
    let failed = client.execute("COPY t FROM 's3://lab/gone' CSV IAM_ROLE 'x'", &[]).await.unwrap_err();
    assert_eq!(failed.code().unwrap().code(), "XX000");
    // Several at once on the wire.
    let (one_row, other, third) =
        tokio::join!(client.query_one("SELECT 1", &[]), client.execute(&copy, &[]), client.query_one("SELECT 2", &[]));
    assert_eq!((one_row.unwrap().get::<_, i32>(0), other.unwrap(), third.unwrap().get::<_, i32>(0)), (1, 0, 2));
    assert_eq!(one(&client, "SELECT count(*) FROM t").await, "3");
}

#[tokio::test]
async fn cancel_and_time_out() {
    let lab = lab(false).await;
    let (holder, waiter) = (lab.connect().await, lab.connect().await);
    run(&holder, "CREATE TABLE t (id INT); BEGIN; LOCK t").await;
    run(&waiter, "BEGIN").await;
    let token = waiter.cancel_token();
    let waiting = error(&waiter, "LOCK t");
    let cancelling = async {
        while one(&holder, "SELECT count(*) FROM svv_transactions WHERE NOT granted").await == "0" {}
        token.cancel_query(NoTls).await.unwrap();
    };
    assert_eq!(tokio::join!(waiting, cancelling).0.0, "57014");
    run(&waiter, "ROLLBACK; SET statement_timeout TO 50; BEGIN").await;
    assert_eq!(error(&waiter, "LOCK t").await.0, "57014");
    run(&waiter, "ROLLBACK").await;
    let pid = one(&holder, "SELECT pid FROM svv_transactions WHERE lock_mode = 'AccessExclusiveLock' AND granted LIMIT 1").await;
    assert_eq!(one(&waiter, &format!("SELECT pg_terminate_backend({pid})")).await, "t");
    run(&waiter, "BEGIN; LOCK t").await;
}

#[tokio::test]
async fn copy_from_the_labs_s3() {
    let s3 = db_to_redshift::lab::s3::start(db_to_redshift::lab::s3::S3Options::default()).await.unwrap();
    let client = crate::support::s3::client(&s3);
    client.create_bucket().bucket("lake").send().await.unwrap();
    let body = zstd::encode_all("1\n2\n".repeat(50_000).as_bytes(), 1).unwrap();
    let manifest =
        serde_json::json!({"entries": [{"url": "s3://lake/p/1.csv.zst", "mandatory": true, "meta": {"content_length": body.len()}}]});
    client.put_object().bucket("lake").key("p/1.csv.zst").body(body.into()).send().await.unwrap();
    client.put_object().bucket("lake").key("p/m").body(manifest.to_string().into_bytes().into()).send().await.unwrap();
    let login = s3.options();
    let access = S3Access {
        endpoint: s3.endpoint().clone(),
        access_key: login.access_key.clone(),
        secret_key: login.secret_key.clone(),
        region: login.region.clone(),
    };
    let options =
        RedshiftOptions { s3: access, source: None, database: "dev".into(), user: "loader".into(), password: PASSWORD.into(), tls: false };
    let redshift = db_to_redshift::lab::redshift::start(options).await.unwrap();
    let text = format!("host=127.0.0.1 port={} user=loader password={PASSWORD} dbname=dev", redshift.addr().port());
    let (sql, connection) = tokio_postgres::connect(&text, NoTls).await.unwrap();
    tokio::spawn(connection);
    run(&sql, "CREATE TABLE t (id INT)").await;
    run(&sql, &format!("COPY t FROM 's3://lake/p/m' MANIFEST {OPTIONS}")).await;
    assert_eq!(one(&sql, "SELECT pg_last_copy_count()").await, "100000");
    run(&sql, &format!("COPY t FROM 's3://lake/p/1' {OPTIONS}")).await;
    assert_eq!(one(&sql, "SELECT sum(id) FROM t").await, "300000");
    assert!(error(&sql, &format!("COPY t FROM 's3://lake/q' {OPTIONS}")).await.1.contains("does not exist"));
    let wrong = OPTIONS.replace("IAM_ROLE 'arn:aws:iam::123456789012:role/lab'", "ACCESS_KEY_ID 'nobody' SECRET_ACCESS_KEY 'wrong'");
    let (_, message) = error(&sql, &format!("COPY t FROM 's3://lake/p/m' MANIFEST {wrong}")).await;
    assert!(message.starts_with("S3ServiceException"), "{message}");
}
