//! Recover: lost log lines, left-over manifests, intents of dead snapshots.

use std::time::Duration;

use db_to_redshift::config::Settings;
use db_to_redshift::engine::Run;
use db_to_redshift::model::control::{Control, Holder, Intent, Lease, LeaseKind, RunRecord};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::Target;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{log, one, outcome, record, recorded};
use crate::support::pipeline::Pipeline;
use crate::support::rig::Rig;

/// A process dies between the COMMIT of an apply and its line in the batch log (L6).
#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_between_apply_and_log_recover_completes_the_log() {
    let (mut pipeline, mut workload) = Pipeline::sample(11).await;
    let tables = pipeline.prepared().await;
    pipeline.work(&mut workload, 30);
    assert!(pipeline.killed_at("apply.commit.after", &["sync"]).await);
    let output = pipeline.program(&["recover", "--json"]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let did: Vec<&str> = said["tables"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|table| table["result"]["did"].as_array().unwrap())
        .map(|did| did.as_str().unwrap())
        .collect();
    assert!(did.iter().any(|did| did.starts_with("completed the batch log")), "{said}");

    let engine = pipeline.engine().await;
    let lines = engine.target.log(&engine.settings.pipeline, None, 1_000).await.unwrap();
    for table in &tables {
        let state = engine.target.state(table).await.unwrap().unwrap();
        let told = lines.iter().filter(|line| line.table == *table && line.event != "staged").map(|line| line.to).max();
        assert_eq!(told, state.applied_seq, "{table}");
        assert_eq!(engine.store.manifests(table).await.unwrap(), [], "{table}");
    }
    // A second recover finds nothing.
    let output = pipeline.program(&["recover"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.lines().all(|line| line.ends_with("nothing to put in order")), "{said}");
    assert!(pipeline.program(&["sync"]).output().await.unwrap().status.success());
    pipeline.assert_equal(&tables).await;
}

/// The same hole is closed by the next plain load, before a later line could hide it.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_load_writes_the_line_that_a_crash_has_lost() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 2).await;
    rig.load(&table).await;
    assert_eq!(log(&rig).await, ["snapshot 0-0 0", "applied 1-2 2"]);
    rig.query("DELETE FROM d2r_control.batch_log WHERE event = 'applied'").await;
    record(&rig, &table, [3]).await;
    rig.load(&table).await;
    assert_eq!(log(&rig).await, ["snapshot 0-0 0", "recovered 1-2 2", "applied 3-3 1"]);
    rig.load(&table).await;
    assert_eq!(log(&rig).await.len(), 3, "nothing is missing any more");
}

/// A log that does not take a line is a warning; the line follows with the next one, in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_the_log_refused_comes_before_the_next_one() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 2).await;
    // The first line says what is staged.
    let refused = rig.redshift.faults().on("INSERT INTO \"d2r_control\".\"batch_log\"", 2, db_to_redshift::lab::redshift::Action::Conflict);
    let engine = rig.engine_with(|settings| settings.load.coalesce_batches = 1);
    crate::support::rig::done(engine.load(one(&table)).await);
    assert!(refused.was_hit());
    assert_eq!(log(&rig).await, ["snapshot 0-0 0", "applied 1-1 1", "applied 2-2 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_go_once_their_range_is_loaded() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    assert_eq!(rig.s3.store.manifests(&table).await.unwrap(), []);
    // Left by a load that died: one of this range, one of an older epoch's, one of what is to come.
    let parts = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap().parts;
    rig.s3.store.put_manifest(&table, 0, 5, 9, &parts).await.unwrap();
    rig.s3.store.put_manifest(&table, 1, 1, 1, &parts).await.unwrap();
    rig.s3.store.put_manifest(&table, 1, 1, 2, &parts).await.unwrap();
    rig.load(&table).await;
    let left: Vec<(u64, u64)> = rig.s3.store.manifests(&table).await.unwrap().iter().map(|left| (left.from, left.to)).collect();
    assert_eq!(left, [(1, 2)]);
    record(&rig, &table, [2]).await;
    rig.load(&table).await;
    assert_eq!(rig.s3.store.manifests(&table).await.unwrap(), []);
}

/// Runs past `store.keep_runs` go with a load that moves something, and with no other.
#[tokio::test(flavor = "multi_thread")]
async fn old_runs_go_by_the_day() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let now = Timestamp::now();
    let mut runs = Vec::new();
    // The second is kept on whichever side of a midnight the sweep comes.
    for hours in [0, 20, 72, 960] {
        let since = now - SignedDuration::from_hours(hours);
        let by = Holder { run: Uuid::new_v4(), host: "h".into(), user: "u".into(), pid: 1, machine: None, since };
        let run = RunRecord { run: by.run, command: "sync".into(), by, finished: Some(since), tables: Vec::new() };
        rig.s3.store.put_run(&run).await.unwrap();
        runs.push(run.run);
    }
    let left = async || rig.s3.store.runs(10, &[]).await.unwrap().into_iter().map(|run| run.run).collect::<Vec<_>>();
    let keeping = |settings: &mut Settings| settings.store.keep_runs = Duration::from_hours(24 * 7);
    rig.load(&table).await;
    assert_eq!(left().await, runs[..2], "whole days before yesterday");

    let old = RunRecord { run: runs[3], ..rig.s3.store.runs(1, &[]).await.unwrap().remove(0) };
    let by = Holder { since: now - SignedDuration::from_hours(24 * 40), ..old.by.clone() };
    rig.s3.store.put_run(&RunRecord { by, ..old }).await.unwrap();
    rig.load(&table).await;
    assert_eq!(left().await.len(), 3, "nothing was moved: nobody asked");
    record(&rig, &table, [2]).await;
    crate::support::rig::done(rig.engine_with(keeping).load(one(&table)).await);
    assert_eq!(left().await, runs[..2]);
}

async fn intend(rig: &Rig, table: &db_to_redshift::model::TableName, epoch: u32) {
    let intent = Intent { run: Uuid::new_v4(), epoch, order: None, min_lsn: None, l0: None, since: Timestamp::now() };
    let present = rig.s3.store.control(table).await.unwrap();
    let control = Control { intent: Some(intent), ..Control::default() };
    rig.s3.store.put_control(table, &control, present.as_ref().map(|(_, etag)| etag)).await.unwrap();
}

async fn intent(rig: &Rig, table: &db_to_redshift::model::TableName) -> Option<Intent> {
    rig.s3.store.control(table).await.unwrap().and_then(|(control, _)| control.intent)
}

#[tokio::test(flavor = "multi_thread")]
async fn void_intents_and_those_of_dead_snapshots_go_and_that_of_a_live_one_stays() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 0).await;
    let live = Holder { host: "elsewhere".into(), machine: None, ..Run::new("prepare", false).holder };
    let present = rig.s3.store.lease(&table, LeaseKind::Extract).await.unwrap();
    let lease = Lease { holder: Some(live), beat: 1, at: Timestamp::now(), failed: None };
    rig.s3.store.put_lease(&table, LeaseKind::Extract, &lease, present.as_ref().map(|(_, etag)| etag)).await.unwrap();

    // Its epoch has its record 0: void, whoever is busy now.
    intend(&rig, &table, 1).await;
    let recovered = outcome(rig.engine().recover(one(&table)).await).unwrap();
    assert_eq!(recovered.did, ["removed the intent of a snapshot of epoch 1 that is over"]);
    assert_eq!(intent(&rig, &table).await, None);

    // A snapshot at work keeps its intent.
    intend(&rig, &table, 2).await;
    let recovered = outcome(rig.engine().recover(one(&table)).await).unwrap();
    assert!(recovered.did.is_empty() && recovered.left[0].starts_with("a snapshot of epoch 2 is under way"), "{recovered:?}");
    assert!(intent(&rig, &table).await.is_some());

    // Its lease is free: it died.
    let (_, etag) = rig.s3.store.lease(&table, LeaseKind::Extract).await.unwrap().unwrap();
    let free = Lease { holder: None, beat: 2, at: Timestamp::now(), failed: None };
    rig.s3.store.put_lease(&table, LeaseKind::Extract, &free, Some(&etag)).await.unwrap();
    let recovered = outcome(rig.engine().recover(one(&table)).await).unwrap();
    assert_eq!(recovered.did, ["removed the intent of a snapshot of epoch 2 that is over"]);
    assert_eq!(intent(&rig, &table).await, None);
}
