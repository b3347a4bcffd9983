//! COPY in the lab's Redshift.

use crate::support::redshift::{OPTIONS, error, lab, one, rows, run};

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
