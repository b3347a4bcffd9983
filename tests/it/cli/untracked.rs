//! A table whose capture was switched off must not vanish from sight.

use serde_json::Value;

use crate::support::pipeline::Pipeline;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_lost_its_capture_stops_the_sync_and_shows_in_status() {
    let (mut pipeline, _) = Pipeline::sample(9).await;
    pipeline.prepared().await;
    let off = "EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = N'Country', @capture_instance = N'all'";
    pipeline.sql.run(off).unwrap();
    let output = pipeline.program(&["sync", "--json"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(4), "it needs a human: {}", String::from_utf8_lossy(&output.stdout));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let faults: Vec<_> = document["tables"].as_array().unwrap().iter().filter(|line| line["fault"].is_object()).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((&faults[0]["table"], &faults[0]["fault"]["code"]), (&"dbo.Country".into(), &"SYNC-011".into()));

    let output = pipeline.program(&["status", "--json"]).output().await.unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let line = document["tables"].as_array().unwrap().iter().find(|line| line["table"] == "dbo.Country").unwrap();
    assert_eq!(line["verdict"], "not_tracked");
}
