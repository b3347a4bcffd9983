//! The commands themselves, on SQL Server, S3 and Redshift of the lab.

use std::process::Output;

use db_to_redshift::source::Source;
use db_to_redshift::store::ChangeStore;
use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;

use crate::support::pipeline::Pipeline;

pub(super) async fn run(pipeline: &Pipeline, arguments: &[&str]) -> (i32, String) {
    let Output { status, stdout, .. } = pipeline.program(arguments).output().await.unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}

pub(super) async fn json(pipeline: &Pipeline, arguments: &[&str]) -> (i32, Value) {
    let (code, text) = run(pipeline, &[arguments, &["--json"]].concat()).await;
    (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// Every type of the sample company through the real source, and a difference by hand.
#[tokio::test(flavor = "multi_thread")]
async fn verify_proves_the_sample_company() {
    let (mut pipeline, mut workload) = Pipeline::sample(11).await;
    let tables = pipeline.prepared().await;
    pipeline.work(&mut workload, 40);
    crate::support::rig::done(pipeline.engine().await.sync(&tables).await);
    let (code, report) = json(&pipeline, &["verify", "--settle", "0"]).await;
    assert_eq!(code, 0, "{report:#}");
    let reports = report["tables"].as_array().unwrap();
    assert!(reports.len() >= 8 && reports.iter().all(|line| line["report"]["verdict"] == "equal"), "{report:#}");
    assert!(reports.iter().any(|line| line["report"]["source_rows"].as_u64().unwrap() > 5));

    // Work that is captured but not loaded is left out.
    pipeline.work(&mut workload, 20);
    let (code, report) = json(&pipeline, &["verify", "--settle", "0"]).await;
    assert_eq!(code, 0, "{report:#}");
    let left_out: u64 = report["tables"].as_array().unwrap().iter().map(|line| line["report"]["left_out"].as_u64().unwrap()).sum();
    assert!(left_out > 0);

    let client = crate::support::lab::redshift(&pipeline.lab).await;
    client.batch_execute("DELETE FROM public.country WHERE code = (SELECT MIN(code) FROM public.country)").await.unwrap();
    // The capture job's sign of life comes while verify waits for it.
    let checked = json(&pipeline, &["verify", "--table", "dbo.Country", "--show-keys", "--settle", "60"]);
    tokio::pin!(checked);
    let (code, report) = loop {
        tokio::select! {
            checked = &mut checked => break checked,
            () = tokio::time::sleep(std::time::Duration::from_millis(200)) => pipeline.capture(),
        }
    };
    assert_eq!(code, 4, "{report:#}");
    let found = &report["tables"][0]["report"];
    assert_eq!((found["verdict"].as_str(), found["missing"].as_u64()), (Some("different"), Some(1)));
    assert!(found["keys"][0]["key"][0].is_string());
    let (code, text) = run(&pipeline, &["status", "--table", "dbo.Country"]).await;
    assert!(code == 4 && text.contains("DIVERGED"), "{text}");
    let (code, _) = run(&pipeline, &["--read-only", "verify"]).await;
    assert_eq!(code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_small_commands_answer() {
    let (pipeline, _) = Pipeline::sample(12).await;
    pipeline.prepared().await;
    let engine = pipeline.engine().await;
    let max = engine.source.watermarks(&[]).await.unwrap().max.unwrap();
    let (code, converted) = json(&pipeline, &["lsn", &max.to_string()]).await;
    let time = converted["time"].as_str().unwrap().to_owned();
    assert_eq!((code, converted["lsn"].as_str()), (0, Some(max.to_string().as_str())));
    let (_, back) = json(&pipeline, &["lsn", &time]).await;
    assert_eq!((back["lsn"].as_str(), back["time"].as_str()), (Some(max.to_string().as_str()), Some(time.as_str())));
    let (_, none) = json(&pipeline, &["lsn", "1999-01-01 00:00:00"]).await;
    assert!(none["lsn"].is_null());
    assert_eq!(json(&pipeline, &["lsn", "soon"]).await.0, 2);
    let buckets = engine.store.buckets().await.unwrap();
    let (code, listed) = json(&pipeline, &["buckets"]).await;
    assert_eq!(code, 0);
    assert!(buckets.contains(&listed["configured"].as_str().unwrap().to_owned()) && listed["exists"] == true);

    let client = crate::support::lab::redshift(&pipeline.lab).await;
    for (table, production, key) in [
        ("dbo.Country", "country", "code"),
        ("lab.Measurement", "measurement", "sampleno"),
        ("dbo.[Order Line]", "\"order line\"", "orderid, \"line no\""),
    ] {
        let rows = client.simple_query(&format!("SELECT {key} FROM public.{production} ORDER BY 1 LIMIT 1")).await.unwrap();
        let row = rows.iter().find_map(|row| if let SimpleQueryMessage::Row(row) = row { Some(row) } else { None }).unwrap();
        let mut arguments = vec!["trace", "--table", table];
        (0..row.len()).for_each(|at| arguments.extend(["--key", row.get(at).unwrap()]));
        let (code, traced) = json(&pipeline, &arguments).await;
        assert_eq!((code, traced["equal"].as_bool(), traced["in_source"].as_bool()), (0, Some(true), Some(true)), "{traced:#}");
        assert!(traced["changes"][0]["lsn"].is_string(), "{table}: {traced:#}");
    }
    // The collation of the source takes more spellings for the same; a trace does not.
    let (code, traced) = json(&pipeline, &["trace", "--table", "dbo.Country", "--key", "tr"]).await;
    assert_eq!((code, traced["in_source"].as_bool(), traced["production_rows"].as_u64()), (0, Some(false), Some(0)), "{traced:#}");
    assert!(traced["notes"].to_string().contains("letter by letter"), "{traced:#}");
    let (code, text) = run(&pipeline, &["files", "--table", "dbo.Country"]).await;
    assert!(code == 0 && text.contains("snapshot") && text.contains("applied") && text.contains("deleted"), "{text}");
    let (code, text) = run(&pipeline, &["staging", "--table", "dbo.Country"]).await;
    assert!(code == 0 && text.contains("0 rows in ") && text.contains("nothing waits"), "{text}");
    let (code, text) = run(&pipeline, &["log"]).await;
    assert!(code == 0 && text.contains("dbo.Country") && text.contains("snapshot"), "{text}");
    let (code, text) = run(&pipeline, &["columns", "--table", "dbo.Country"]).await;
    assert!(code == 0 && text.contains("VARCHAR(") && !text.contains("TROUBLE"), "{text}");
    let (code, text) = run(&pipeline, &["load-sql", "--table", "dbo.Country"]).await;
    assert!(code == 0 && text.contains("nothing to load"), "{text}");
    let (code, fault) = json(&pipeline, &["preview", "--table", "dbo.Country", "--batch", "77"]).await;
    assert_eq!((code, fault["fault"]["code"].as_str()), (2, Some("SYNC-039")), "{fault}");
    assert_eq!(json(&pipeline, &["files"]).await.0, 2, "one table only");
    let (code, text) = run(&pipeline, &["dry-run"]).await;
    assert!(code == 0 && text.contains("nothing to load"), "{text}");
    let (code, text) = run(&pipeline, &["maintain", "analyze", "--table", "dbo.Country"]).await;
    assert!(code == 0 && text.contains("analyzed"), "{text}");
    let (code, text) = run(&pipeline, &["maintain", "truncate-production", "--table", "dbo.Country"]).await;
    assert!(code == 2 && text.contains("--confirm 'dbo.Country'"), "{text}");
    let (code, text) = run(&pipeline, &["load-errors"]).await;
    assert!(code == 0 && text.contains("no load error"), "{text}");
    let (code, report) = json(&pipeline, &["widen", "--table", "dbo.Country", "--column", "Name", "--to", "600"]).await;
    assert!(code == 0 && report["statements"][0].as_str().unwrap().contains("VARCHAR(600)") && report["done"] == false, "{report}");
    let (code, text) = run(&pipeline, &["widen", "--table", "dbo.Country"]).await;
    assert!(code == 0 && text.starts_with("dbo.Country: nothing is to be widened"), "{text}");
    assert_eq!(json(&pipeline, &["widen", "--column", "Name"]).await.0, 2, "one table only");
}
