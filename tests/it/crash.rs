//! A process that dies at the worst moment: a plain run afterwards must end with production equal
//! to the source.

use crate::support::pipeline::Pipeline;

/// Every point at which a sync can be killed.
const POINTS: &[&str] = &[
    "part.upload.before",
    "part.upload.after",
    "record.put.before",
    "record.put.after",
    "copy.before",
    "copy.after",
    "stage.commit.before",
    "stage.commit.after",
    "apply.delete.before",
    "apply.delete.after",
    "apply.commit.before",
    "apply.commit.after",
    "truncate.before",
    "truncate.after",
    "parts.delete.before",
    "parts.delete.after",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_run_after_a_kill_at_any_point_ends_equal() {
    let (mut pipeline, mut workload) = Pipeline::sample(7).await;
    let tables = pipeline.prepared().await;
    for point in POINTS {
        pipeline.work(&mut workload, 12);
        assert!(pipeline.killed_at(point, &["sync"]).await, "{point} was never passed");
        pipeline.work(&mut workload, 3);
        let output = pipeline.program(&["sync"]).output().await.unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "after {point}: {said}");
        pipeline.assert_equal(&tables).await;
    }
}

/// The same for the points of a first snapshot and its load.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_killed_is_taken_again() {
    for point in ["part.upload.after", "record.put.before", "record.put.after"] {
        let (pipeline, _) = Pipeline::sample(3).await;
        assert!(pipeline.killed_at(point, &["prepare"]).await, "{point} was never passed");
        for command in ["prepare", "sync"] {
            let output = pipeline.program(&[command]).output().await.unwrap();
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{command} after {point}: {said}");
        }
        pipeline.assert_equal(&pipeline.tables().await).await;
    }
}
