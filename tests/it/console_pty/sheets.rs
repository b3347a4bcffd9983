//! What sheets tell of the real systems before anything is confirmed.

use db_to_redshift::model::Fault;
use db_to_redshift::model::control::RunTable;
use db_to_redshift::model::fault::{FaultDocument, s3};
use db_to_redshift::model::order::PrepareOptions;
use db_to_redshift::store::ChangeStore;
use jiff::Timestamp;
use termlens::Key;

use super::Place;
use super::place::{Console, table};

fn on_tea(console: &mut Console) {
    console.press(Key::Char('/')).type_in("tea");
    console.see("1/3");
    console.press(Key::Enter);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_replaces_production_says_so() {
    let place = Place::loaded().await;
    place.program(&["prepare", "--new-epoch", "--table", "dbo.Tea"]).await;
    let mut console = place.open(&[]);
    on_tea(&mut console);
    console.line(&["pending", "dbo.Tea"]);
    console.press(Key::Char('L'));
    console.see_all(&["batches 0 to 0 of epoch 2: 2 rows", "every row of production is deleted"]);
    console.press(Key::Esc).gone("every row of production is deleted");
    // Of several tables those are named.
    console.press(Key::Esc).gone("/tea");
    console.press(Key::Char('*')).see("3 marked");
    console.press(Key::Char('B'));
    console.see("dbo.Tea: a snapshot waits: every row of production is replaced.");
    console.press(Key::Esc).gone("a snapshot waits");
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_says_that_it_does_not_know_what_waits() {
    let mut place = Place::loaded().await;
    place.change("INSERT INTO dbo.Tea VALUES (3, N'Gyokuro')");
    place.program(&["extract", "--table", "dbo.Tea"]).await;
    let mut console = place.open(&[]);
    on_tea(&mut console);
    console.line(&["pending", "dbo.Tea"]);
    let redshift = &place.pipeline.lab.redshift;
    redshift.faults().pause(true);
    for session in redshift.sessions() {
        let _ = redshift.kill(session.pid);
    }
    console.press(Key::Ctrl('r'));
    console.until("lost", |screen| screen.row_text(1).contains("lost, data"));
    console.press(Key::Char('L'));
    let sheet = console.see_all(&["not known", "RS-0"]);
    assert!(!sheet.contains("nothing waits"), "{sheet}");
    redshift.faults().pause(false);
    console.press(Key::Esc).gone("not known");
    console.quit();
}

/// What the fault of a column that cannot be widened advises.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_that_is_gone_is_made_anew_by_a_new_snapshot() {
    let mut place = Place::loaded().await;
    place.redshift("DROP TABLE public.tea").await;
    let mut console = place.open(&[]);
    on_tea(&mut console);
    console.command("new-snapshot");
    console.see_all(&["does not exist: it is made anew", "type dbo.Tea to go on"]);
    console.type_in("dbo.Tea");
    console.see("> dbo.Tea");
    console.press(Key::Enter);
    console.line(&["Replace by a new snapshot", "done"]);
    console.press(Key::Char('L')).see("y runs it");
    console.press(Key::Char('y'));
    console.line(&["Load", "dbo.Tea", "done"]);
    place.equal(&["Tea"]).await;
    console.quit();
}

/// A prepare --new-epoch failed some time ago, and a load: `R` names both, and wants the name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_names_its_steps_and_replaces_nothing_at_a_key() {
    let place = Place::loaded().await;
    let engine = place.pipeline.engine().await;
    let fault = Fault::new(s3::PAGES[0], "S3 did not answer in time");
    let order = Some(PrepareOptions { new_epoch: true, ..PrepareOptions::default() });
    let line = |step: &str, order| RunTable {
        table: table("Tea"),
        outcome: format!("{step} {}", fault.code()),
        fault: Some(FaultDocument::from(&fault)),
        batches: 0,
        rows: 0,
        order,
    };
    engine.note_run(vec![line("prepare", order), line("load", None)], Some(Timestamp::now())).await;
    let epoch = async || engine.store.current_epoch(&table("Tea")).await.unwrap();
    let mut console = place.open(&[]);
    console.line(&["FAILED", "dbo.Tea"]);
    console.press(Key::Char('R'));
    let code = fault.code();
    console.see_all(&[
        &format!("db-to-redshift prepare --new-epoch --table 'dbo.Tea', which failed with {code}"),
        &format!("dbo.Tea, which failed with {code}"),
        "replaces every row of production",
        "type dbo.Tea to go on",
    ]);
    console.press(Key::Char('y')).see("> y");
    assert_eq!(epoch().await, Some(1), "nothing was run");
    console.press(Key::Backspace).type_in("dbo.Tea");
    console.see("> dbo.Tea");
    console.press(Key::Enter);
    console.line(&["Retry the failed step", "dbo.Tea"]);
    console.line(&["ok", "dbo.Tea"]);
    assert_eq!(epoch().await, Some(2));
    console.quit();
}

/// In a later epoch the same batch and file are others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_row_that_a_fault_names_is_no_other_row() {
    let mut place = Place::failed().await;
    // Before, since the failed sync must stay the newest run.
    place.redshift("ALTER TABLE public.buyer ALTER COLUMN phone TYPE VARCHAR(160)").await;
    let engine = place.pipeline.engine().await;
    let anew = PrepareOptions { new_epoch: true, ..PrepareOptions::default() };
    let done = engine.prepare(&[table("Buyer")], anew).await;
    assert!(done[0].outcome.is_ok(), "{done:?}");
    place.change("INSERT INTO dbo.Buyer VALUES (9, N'Another', '030 99')");
    let done = engine.extract(&[table("Buyer")]).await;
    assert!(done[0].outcome.as_ref().is_ok_and(|outcome| outcome.batches == 1), "{done:?}");
    assert!(engine.store.record(&table("Buyer"), 2, 1).await.unwrap().is_some());
    let mut console = place.open(&[]);
    console.line(&["FAILED", "dbo.Buyer"]);
    console.hinted(Key::Char('e'), "e fault");
    console.see("THE ROW");
    for _ in 0..8 {
        console.press(Key::Char('j'));
    }
    console.press(Key::Enter);
    let page = console.see("of an earlier epoch");
    assert!(!page.contains("Another"), "{page}");
    console.quit();
}
