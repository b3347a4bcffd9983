//! Trouble on request in the lab's Redshift.

use std::process::Stdio;

use db_to_redshift::lab::redshift::Action;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio_postgres::NoTls;

use crate::support::redshift::{PASSWORD, error, lab, one, run};

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

async fn output(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(arguments).output().await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The process that [`nothing_outlives_a_killed_process`] kills.
#[tokio::test]
#[ignore = "waits for its own death"]
async fn a_lab_to_be_killed() {
    let lab = lab(false).await;
    let client = lab.connect().await;
    println!("server process {}", one(&client, "SELECT pg_backend_pid()").await);
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_outlives_a_killed_process() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lab_redshift_faults::a_lab_to_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let backend = loop {
        let line = lines.next_line().await.unwrap().expect("the child starts a lab");
        if let Some((_, pid)) = line.split_once("server process ") {
            break pid.to_owned();
        }
    };
    let (_, postmaster) = output("ps", &["-o", "ppid=", "-p", &backend]).await;
    let (_, command) = output("ps", &["-o", "args=", "-p", &postmaster]).await;
    let home = command.rsplit(" -k ").next().unwrap().to_owned();
    assert!(std::path::Path::new(&home).join("data").exists(), "{command}");
    child.kill().await.unwrap();
    while output("ps", &["-p", &postmaster]).await.0 || std::path::Path::new(&home).exists() {}
}
