//! `sync --every` and the signals that end it.

use std::process::Stdio;
use std::time::Duration;

use db_to_redshift::config::interval;
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::TableName;
use db_to_redshift::model::fault::sync;
use db_to_redshift::target::Target;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::pipeline::Pipeline;

pub async fn terminate(child: &Child) {
    send(child, "TERM").await;
}

async fn send(child: &Child, signal: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().await.unwrap().success());
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

/// A signal while a load is amid its transaction: the batch is loaded to its end or not at all, the
/// program ends with exit code 0, and nothing of it stands in the way of the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_amid_a_transaction_waits_for_its_end() {
    let (mut pipeline, mut workload) = Pipeline::sample(12).await;
    let tables = pipeline.prepared().await;
    // Into staging, and out of it: the two transactions of a load.
    for (signal, statement) in [("TERM", "COPY \"d2r_staging\""), ("INT", "COPY \"d2r_staging\""), ("TERM", "DELETE FROM \"public\"")] {
        pipeline.work(&mut workload, 20);
        let held = pipeline.lab.redshift.faults().on(statement, 1, Action::Hold);
        let arguments = ["sync", "--every", "1h", "--json"];
        let mut child = pipeline.program(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap()).lines();
        held.hit().await;
        send(&child, signal).await;
        while !talk.next_line().await.unwrap().expect("the signal is told").contains("stopping at the next safe point") {}
        assert!(child.try_wait().unwrap().is_none(), "it waits for the statement");
        held.release();
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{signal} at {statement}");
        let round: Value = serde_json::from_slice(&output.stdout).unwrap();
        // Tables that were at work or not begun say so; none failed in another way.
        let faults: Vec<_> = round["tables"].as_array().unwrap().iter().filter_map(|line| line["fault"]["code"].as_str()).collect();
        assert!(!faults.is_empty() && faults.iter().all(|code| *code == sync::CANCELLED.code), "{signal} at {statement}: {faults:?}");
        free(&pipeline, &tables).await;
        let leases = pipeline.program(&["lease", "--json"]).output().await.unwrap();
        let leases: Value = serde_json::from_slice(&leases.stdout).unwrap();
        assert_eq!(leases["leases"], Value::Array(Vec::new()), "{signal} at {statement}");
        assert!(pipeline.program(&["sync"]).output().await.unwrap().status.success());
        pipeline.assert_equal(&tables).await;
    }
}

/// Each transaction of the client has ended: nobody holds the state of a table, which all lock first.
async fn free(pipeline: &Pipeline, tables: &[TableName]) {
    let (client, engine) = (crate::support::lab::redshift(&pipeline.lab).await, pipeline.engine().await);
    client.batch_execute("SET statement_timeout TO 10000").await.unwrap();
    for table in tables {
        client.batch_execute("BEGIN").await.unwrap();
        client.batch_execute(&format!("LOCK {}", engine.target.names(table).state)).await.unwrap();
        client.batch_execute("COMMIT").await.unwrap();
    }
}

#[tokio::test]
async fn an_interval_must_be_a_duration_within_bounds() {
    for (text, seconds) in [("1s", 1), ("90s", 90), ("5m", 300), ("1h", 3_600), ("24h", 86_400), ("1d", 86_400)] {
        assert_eq!(interval(text), Ok(Duration::from_secs(seconds)), "{text}");
        // Taken by the command line: what is wrong is the file.
        let output = sync_every(text).await;
        assert!(output.contains("CFG-001"), "{text}: {output}");
    }
    for wrong in ["5", "", "-5m", "5 minutes", "5M", "1.5s", "soon", "m", "99999999999999999999h"] {
        let said = sync_every(wrong).await;
        assert!(said.contains("must be a duration, as in \"30s\", \"15m\""), "{wrong}: {said}");
    }
    for beyond in ["0s", "999ms", "2d", "25h"] {
        let said = sync_every(beyond).await;
        assert!(said.contains("must lie between 1s and 86400s"), "{beyond}: {said}");
    }
}

/// All that is said, by a program that finds no configuration.
async fn sync_every(interval: &str) -> String {
    let every = format!("--every={interval}");
    let arguments = ["--config", "there-is-none.toml", "sync", &every];
    let output = Command::new(env!("CARGO_BIN_EXE_db-to-redshift")).args(arguments).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{interval}");
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}
