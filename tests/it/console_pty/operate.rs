//! What an operator orders: pause and resume, skip and its healing, leases, the CDC walkthrough.

use db_to_redshift::engine::Run;
use db_to_redshift::model::control::{Holder, Lease, LeaseKind};
use db_to_redshift::store::{ChangeStore, Written};
use jiff::Timestamp;
use termlens::Key;

use super::Place;
use super::place::table;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pause_and_resume_are_seen_by_others() {
    let place = Place::loaded().await;
    let mut console = place.open(&[]);
    console.line(&["ok", "dbo.Tea"]);
    console.press(Key::Char('G'));
    console.hinted(Key::Char('P'), "P pause");
    console.see("why, for the next person");
    // Without a reason nothing goes on.
    console.press(Key::Enter).press(Key::Char('y'));
    console.see("a reason is missing");
    console.press(Key::Tab);
    console.type_in("stocktaking").press(Key::Enter);
    console.see("y runs it");
    console.press(Key::Char('y'));
    console.line(&["paused", "dbo.Tea"]);
    let status = place.program(&["status", "--table", "dbo.Tea"]).await;
    let paused = status.to_string();
    assert!(status["tables"][0]["verdict"] == "paused" && paused.contains("stocktaking"), "{status}");
    console.press(Key::Char('P'));
    console.see_all(&["Resume", "y runs it"]);
    console.press(Key::Char('y'));
    console.line(&["ok", "dbo.Tea"]);
    let status = place.program(&["status", "--table", "dbo.Tea"]).await;
    assert_eq!(status["tables"][0]["verdict"], "current", "{status}");
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_skipped_and_the_table_healed() {
    let mut place = Place::loaded().await;
    place.change("INSERT INTO dbo.Tea VALUES (3, N'Gyokuro')");
    place.program(&["extract", "--table", "dbo.Tea"]).await;
    let mut console = place.open(&[]);
    console.line(&["pending", "dbo.Tea"]);
    console.command("skip");
    // With the plan, which comes last.
    console.see_all(&["Skip a batch", "counts as diverged", "type dbo.Tea to go on", "deletes would be missing"]);
    console.type_in("spilled").press(Key::Enter);
    // The pasted name does not count, a wrong one neither.
    console.0.paste("dbo.Tea").unwrap();
    console.see("typed, not pasted");
    console.press(Key::Enter);
    console.see("the typed name is missing");
    console.type_in("dbo.Tea");
    console.see("> dbo.Tea");
    console.press(Key::Enter);
    console.line(&["DIVERGED", "dbo.Tea"]);
    assert_eq!(place.redshift("SELECT count(*) FROM public.tea").await, ["2"], "the row was left out");

    // Verify tells the difference.
    console.command("verify");
    console.see("y runs it");
    console.press(Key::Char('y'));
    console.until("the difference", |screen| {
        // Verify waits until what was committed before it is captured.
        place.pipeline.capture();
        screen.contains("DIFFERENT: 1 missing")
    });
    // A new snapshot heals it.
    console.command("new-snapshot");
    console.see("type dbo.Tea to go on");
    console.until("the plan", |screen| !screen.contains("looking at what it would do"));
    console.type_in("dbo.Tea");
    console.see("> dbo.Tea");
    console.press(Key::Enter);
    console.line(&["Replace by a new snapshot", "done"]);
    console.press(Key::Char('B')).see("y runs it");
    console.press(Key::Char('y'));
    console.line(&["ok", "dbo.Tea"]);
    place.equal(&["Tea"]).await;
    console.quit();
}

/// Above the largest pid of Linux.
const NOBODY: u32 = 1 << 23;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_released_and_taken_over() {
    let place = Place::loaded().await;
    let engine = place.pipeline.engine().await;
    let put = async |holder: Holder| {
        let present = engine.store.lease(&table("Tea"), LeaseKind::Load).await.unwrap();
        let lease = Lease { holder: Some(holder), beat: 1, at: Timestamp::now(), failed: None };
        let written = engine.store.put_lease(&table("Tea"), LeaseKind::Load, &lease, present.as_ref().map(|(_, etag)| etag)).await;
        assert!(matches!(written.unwrap(), Written::Done(_)));
    };
    let held = async || engine.store.lease(&table("Tea"), LeaseKind::Load).await.unwrap().unwrap().0.holder;
    let mut console = place.open(&[]);
    console.line(&["ok", "dbo.Tea"]);
    console.press(Key::Char('G'));

    // Our own, of a process that has ended.
    put(Holder { pid: NOBODY, ..Run::new("load", false).holder }).await;
    console.command("release");
    console.see_all(&["load by", "its process has ended", "y runs it"]);
    console.press(Key::Char('y'));
    console.see("Release own leases: done");
    assert_eq!(held().await, None);

    // Somebody else's: not ours to release, but to take over when nobody renews it.
    put(Holder { pid: NOBODY, user: "airflow".into(), ..Run::new("load", false).holder }).await;
    console.command("release");
    console.see_all(&["airflow@", "y runs it"]);
    console.press(Key::Char('y'));
    console.see("Release own leases failed");
    console.command("take-over");
    console.see_all(&["airflow@", "y runs it"]);
    console.press(Key::Char('y'));
    console.see("Take over the lease: done");
    assert_eq!(held().await, None);
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walkthrough_leads_from_a_bare_database_to_ok() {
    let mut place = Place::untouched().await;
    let mut console = place.open(&[]);
    console.press(Key::Char('6'));
    console.line(&["Enable CDC for the database", "to do"]);
    console.line(&["Enable CDC for tables", "waits"]);
    console.press(Key::Char('j')).press(Key::Char('j'));
    console.see_all(&["sys.databases.is_cdc_enabled is 0", "needs: sysadmin"]);
    console.press(Key::Enter);
    console.see_all(&["EXEC sys.sp_cdc_enable_db", "y runs it"]);
    console.press(Key::Char('y'));
    console.line(&["Enable CDC for the database", "done"]);
    // A table of the list below.
    console.line(&["Enable CDC for tables", "to do"]);
    console.see("dbo.Tea");
    console.press(Key::Char('G'));
    console.press(Key::Enter);
    console.see_all(&["sp_cdc_enable_table", "N'Tea'", "y runs it"]);
    console.press(Key::Char('y'));
    console.line(&["Enable CDC for tables", "done"]);
    place.pipeline.capture();
    console.press(Key::Ctrl('r'));
    console.line(&["Take the first snapshots", "to do"]);
    console.press(Key::Char('g'));
    for _ in 0..5 {
        console.press(Key::Char('j'));
    }
    console.see("1 captured tables have no snapshot yet");
    console.press(Key::Enter);
    console.see_all(&["Prepare", "dbo.Tea", "y runs it"]);
    console.press(Key::Char('y'));
    console.line(&["Take the first snapshots", "done"]);
    // B then loads.
    console.press(Key::Char('1'));
    console.line(&["pending", "dbo.Tea"]);
    console.press(Key::Char('g'));
    console.until("the cursor on dbo.Tea", |screen| screen.contains("CDC: instance dbo_Tea"));
    console.press(Key::Char('B')).see("y runs it");
    console.press(Key::Char('y'));
    console.line(&["ok", "dbo.Tea"]);
    place.equal(&["Tea"]).await;
    console.quit();
}
