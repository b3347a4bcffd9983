//! From nothing: a database without CDC, and a store without its bucket.

use db_to_redshift::lab::{LabOptions, sample};
use serde_json::{Value, json};

use crate::support::pipeline::Pipeline;

/// Exit code and the JSON document of one call.
async fn call(pipeline: &Pipeline, arguments: &[&str]) -> (i32, Value) {
    let output = pipeline.program(&[arguments, &["--json"]].concat()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let document = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"));
    (output.status.code().unwrap(), document)
}

async fn done(pipeline: &Pipeline, arguments: &[&str]) -> Value {
    let (code, document) = call(pipeline, arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {document:#}");
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn cdc_is_switched_on_the_bucket_is_made_and_rows_arrive() {
    let options = LabOptions { source_database: sample::DATABASE.to_owned(), bucket: None, ..LabOptions::default() };
    let isolation = format!("ALTER DATABASE [{}] SET ALLOW_SNAPSHOT_ISOLATION ON", sample::DATABASE);
    let tables = [
        &*isolation,
        "CREATE TABLE dbo.Port (id int NOT NULL PRIMARY KEY, name nvarchar(20) NULL)",
        "INSERT dbo.Port VALUES (1, N'Kilwa')",
    ];
    let mut pipeline = Pipeline::uncaptured(options, tables).await;
    let bucket = "lab-changes";
    done(&pipeline, &["enable", "--table", "dbo.Port"]).await;
    pipeline.capture();

    // Missing, and said so, with the command that makes it.
    let none = done(&pipeline, &["buckets"]).await;
    assert_eq!((&none["buckets"], &none["configured"], &none["exists"]), (&json!([]), &json!(bucket), &json!(false)));
    let said = pipeline.program(&["buckets"]).output().await.unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains(&format!("{bucket} does not exist: db-to-redshift prepare creates it")), "{said}");
    let (code, checked) = call(&pipeline, &["check"]).await;
    let line = checked["findings"].as_array().unwrap().iter().find(|line| line["fault"]["code"] == "S3-005");
    let line = line.unwrap_or_else(|| panic!("nothing is said of the bucket: {checked:#}"));
    assert_eq!((code, &line["fault"]["next"][0]), (1, &json!("db-to-redshift prepare")));
    // A job that needs it does not make it.
    let (code, document) = call(&pipeline, &["sync"]).await;
    assert!(code != 0 && document.to_string().contains("S3-005"), "{document:#}");
    assert_eq!(done(&pipeline, &["buckets"]).await["exists"], false);

    done(&pipeline, &["prepare"]).await;
    assert_eq!(done(&pipeline, &["buckets"]).await["buckets"], json!([bucket]));
    done(&pipeline, &["load"]).await;
    let (_, checked) = call(&pipeline, &["check"]).await;
    assert!(!checked.to_string().contains("S3-005"), "{checked:#}");
    pipeline.sql.run("INSERT dbo.Port VALUES (2, N'Sofala')").unwrap();
    pipeline.capture();
    done(&pipeline, &["sync"]).await;
    pipeline.assert_equal(&pipeline.tables().await).await;

    // Those of others are listed beside it, and left alone by another prepare.
    for other in ["harbour-logs", "tide-tables"] {
        pipeline.lab.s3.create_bucket(other);
    }
    done(&pipeline, &["prepare"]).await;
    let three = done(&pipeline, &["buckets"]).await;
    assert_eq!((&three["buckets"], &three["exists"]), (&json!(["harbour-logs", bucket, "tide-tables"]), &json!(true)));
    let said = pipeline.program(&["buckets"]).output().await.unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let marked: Vec<_> = said.lines().filter(|line| line.contains("s3.bucket")).collect();
    assert!(marked.len() == 1 && marked[0].contains(bucket), "{said}");
}
