//! `sync --every` and the signals that end it.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::pipeline::Pipeline;

pub async fn terminate(child: &Child) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
}

/// Rounds go on, each carrying what came since, until SIGTERM ends them with exit code 0.
#[tokio::test(flavor = "multi_thread")]
async fn rounds_of_sync_carry_new_changes_until_sigterm() {
    let (mut pipeline, mut workload) = Pipeline::sample(5).await;
    let tables = pipeline.prepared().await;
    let mut child = pipeline.program(&["sync", "--every", "1s", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    pipeline.work(&mut workload, 5);
    // Two rounds later everything of before has been seen.
    for _ in 0..3 {
        let document: Value = serde_json::from_str(&lines.next_line().await.unwrap().expect("a document a round")).unwrap();
        assert_eq!(document["command"], "sync");
    }
    terminate(&child).await;
    assert!(child.wait().await.unwrap().success());
    pipeline.assert_equal(&tables).await;
}

/// A round that cannot reach a system is told and the next one tries again; a configuration with
/// errors ends the program at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_fails_is_told_and_a_bad_file_ends() {
    let (pipeline, _) = Pipeline::sample(6).await;
    let text = std::fs::read_to_string(&pipeline.config).unwrap();
    let port = pipeline.lab.sqlserver.address().port();
    // Nothing listens on the port of the discard service.
    std::fs::write(&pipeline.config, text.replace(&format!("port = {port}"), "port = 9")).unwrap();
    let mut child = pipeline.program(&["sync", "--every", "1s", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let document: Value = serde_json::from_str(&lines.next_line().await.unwrap().expect("a document a round")).unwrap();
        assert_eq!(document["fault"]["code"], "SRC-001");
    }
    terminate(&child).await;
    assert!(child.wait().await.unwrap().success());

    std::fs::write(&pipeline.config, "pipelin = 1").unwrap();
    let output = pipeline.program(&["sync", "--every", "1s"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn an_interval_must_be_a_duration_within_bounds() {
    for wrong in ["5", "0s", "2d", "1.5s", "soon"] {
        let output = Command::new(env!("CARGO_BIN_EXE_db-to-redshift")).args(["sync", "--every", wrong]).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}
