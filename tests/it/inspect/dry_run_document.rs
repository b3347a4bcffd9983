//! `dry-run --json` of a batch in which everything is wrong that a file and production can have:
//! NULL in keys, a key that stands in production twice, a value that is too long.

use db_to_redshift::model::hex;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::commands::{json, run};
use crate::support::pipeline::Pipeline;

const BUCKET: &str = "lab-changes";

const BATCHES: &[&str] = &[
    "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
    "EXEC sys.sp_cdc_enable_db",
    "CREATE TABLE dbo.Shelf (Room int NOT NULL, Place nvarchar(20) NOT NULL, Label nvarchar(20) NULL, PRIMARY KEY (Room, Place))",
    "EXEC sys.sp_cdc_enable_table N'dbo', N'Shelf', NULL",
    "INSERT INTO dbo.Shelf VALUES (1, N'a', N'tea'), (1, N'b', N'rice'), (2, N'a', N'salt'), (2, N'b', N'oats')",
];

/// A changed row each: what a line is, is known by its number.
const WORK: &[&str] = &[
    "UPDATE dbo.Shelf SET Label = N'black tea' WHERE Room = 1 AND Place = N'a'",
    "UPDATE dbo.Shelf SET Label = N'brown rice' WHERE Room = 1 AND Place = N'b'",
    "UPDATE dbo.Shelf SET Label = N'brown rice, two bags' WHERE Room = 1 AND Place = N'b'",
    "DELETE FROM dbo.Shelf WHERE Room = 2 AND Place = N'a'",
    "INSERT INTO dbo.Shelf VALUES (3, N'a', N'plums')",
    "INSERT INTO dbo.Shelf VALUES (3, N'b', N'nuts')",
];

/// Writes a part file and its record anew, with the marker in a cell of each of these lines.
fn put_nulls(pipeline: &Pipeline, cells: &[(usize, usize)]) -> String {
    let lab = &pipeline.lab.s3;
    let keys = lab.keys(BUCKET, "");
    let one = |what: &str| keys.iter().find(|key| key.contains("/dbo.Shelf/") && key.contains(what)).unwrap();
    let object = |key: &str| serde_json::from_slice::<serde_json::Value>(&lab.object(BUCKET, key).unwrap()).unwrap();
    let marker = object(one("000000000000.json"))["null_marker"].as_str().unwrap().to_owned();
    let (part, record_key) = (one("000000000001-"), one("000000000001.json"));
    let plain = String::from_utf8(zstd::decode_all(&lab.object(BUCKET, part).unwrap()[..]).unwrap()).unwrap();
    let mut lines: Vec<Vec<&str>> = plain.lines().map(|line| line.split(',').collect()).collect();
    for (line, cell) in cells {
        lines[line - 1][*cell] = &marker;
    }
    let text: String = lines.iter().map(|cells| cells.join(",") + "\n").collect();
    let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let mut record = object(record_key);
    record["parts"][0]["bytes"] = packed.len().into();
    record["parts"][0]["sha256"] = hex(&Sha256::digest(&packed)).into();
    assert!(lab.overwrite(BUCKET, part, packed.into()));
    assert!(lab.overwrite(BUCKET, record_key, serde_json::to_vec(&record).unwrap().into()));
    format!("s3://{BUCKET}/{part}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_of_a_dry_run_is_what_files_and_production_hold() {
    let mut pipeline = Pipeline::start(BATCHES.iter().copied()).await;
    pipeline.prepared().await;
    for batch in WORK {
        pipeline.sql.run(batch).unwrap();
    }
    pipeline.capture();
    assert_eq!(run(&pipeline, &["extract"]).await.0, 0);

    let (code, report) = json(&pipeline, &["dry-run"]).await;
    let found = &report["tables"][0]["report"];
    assert_eq!((code, &found["null_keys"], &found["first_null_key"]), (0, &json!(0), &json!(null)), "{report:#}");
    // Three keys of production are touched, one of them twice; one goes for good, two are new.
    let numbers = ["from", "to", "rows", "keys", "repeated_keys", "deletes", "inserts", "production_rows"].map(|name| &found[name]);
    assert_eq!(numbers, [1, 1, 6, 5, 1, 3, 4, 4].map(|number| json!(number)).each_ref(), "{found:#}");

    // Behind operation, batch and order: the second key column of line 5, the first of line 6.
    let file = put_nulls(&pipeline, &[(5, 4), (6, 3)]);
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    for sql in [
        "INSERT INTO public.shelf SELECT * FROM public.shelf WHERE room = 1 AND place = 'a'",
        "ALTER TABLE public.shelf ALTER COLUMN label TYPE VARCHAR(12)",
    ] {
        client.batch_execute(sql).await.unwrap();
    }
    let (code, report) = json(&pipeline, &["dry-run"]).await;
    assert_eq!(code, 4, "{report:#}");
    let place = |line: u64| json!({ "seq": 1, "file": file, "line": line });
    let found = &report["tables"][0]["report"];
    assert_eq!(
        *found,
        json!({
            "table": "dbo.Shelf", "epoch": 1, "applied_seq": 0, "from": 1, "to": 1, "records": 1, "snapshot": false,
            "rows": 6, "keys": 5, "repeated_keys": 1, "inserts": 4,
            // The key that stands twice goes twice.
            "deletes": 4, "production_rows": 5, "duplicate_keys": 1,
            "null_keys": 2, "first_null_key": place(5), "lost_kept": 0, "fault": null, "complete": true,
            "columns": [
                {
                    "column": "Place", "production": "VARCHAR(60)", "staging": "VARCHAR(60)", "limit": 60,
                    "widest": 1, "widest_at": place(1), "too_long": 0, "first_too_long": null, "next": [],
                },
                {
                    "column": "Label", "production": "VARCHAR(12)", "staging": "VARCHAR(60)", "limit": 12,
                    "widest": 20, "widest_at": place(3), "too_long": 1, "first_too_long": place(3),
                    "next": ["db-to-redshift widen --table 'dbo.Shelf' --column 'Label' --to 60"],
                },
            ],
        })
    );
    let (code, text) = run(&pipeline, &["dry-run"]).await;
    for line in [
        "deletes 4 rows of 5 in production, inserts 4".to_owned(),
        "1 keys have several rows: the last one counts".into(),
        "TROUBLE  1 keys stand in production more than once".into(),
        format!("TROUBLE  2 rows have a NULL in their key, first: {file} line 5"),
    ] {
        assert!(code == 4 && text.contains(&line), "{line}\n{text}");
    }

    // And there the load stops.
    let (code, report) = json(&pipeline, &["load"]).await;
    let fault = &report["tables"][0]["fault"];
    assert_eq!((code, &fault["code"]), (4, &json!("RS-010")), "{report:#}");
    let fact = |name: &str| fault["evidence"].as_array().unwrap().iter().find(|fact| fact["name"] == name).unwrap()["value"].clone();
    assert_eq!(["code", "column", "file", "line"].map(fact), [json!("1213"), json!("place"), json!(file), json!("5")], "{fault:#}");
}
