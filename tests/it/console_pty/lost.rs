//! A system that does not answer: the console stays, tells the age of its data, and recovers.

use db_to_redshift::lab::s3::{Effect, Rule};
use termlens::Key;

use super::Place;
use super::place::Console;

/// It is lost, its last data stand, a fault can be opened; then it is back.
fn lost_and_back(console: &mut Console, name: &str, heal: impl FnOnce()) {
    console.press(Key::Ctrl('r'));
    let screen = console.until("lost", |screen| screen.row_text(1).contains("lost, data"));
    let health = screen.row_text(1);
    let at = health.find(name).unwrap_or_else(|| panic!("{health}"));
    assert!(health[at..].find("lost").is_some_and(|lost| lost < 20), "{name} is lost: {health}");
    for table in ["dbo.Buyer", "dbo.Sale", "dbo.Tea"] {
        assert!(screen.contains(table), "the last data are shown\n{screen}");
    }
    console.press(Key::Char('5'));
    console.line(&[name, "does not answer"]);
    heal();
    console.press(Key::Char('1'));
    console.press(Key::Ctrl('r'));
    console.until("back", |screen| !screen.row_text(1).contains("lost"));
    console.press(Key::Char('5'));
    console.line(&[name, "answers again"]);
    console.press(Key::Char('1'));
    for table in ["dbo.Buyer", "dbo.Sale", "dbo.Tea"] {
        console.line(&["ok", table]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_server_is_lost_and_comes_back() {
    let place = Place::loaded().await;
    let mut console = place.open(&[]);
    console.line(&["ok", "dbo.Tea"]);
    let faults = place.pipeline.lab.sqlserver.faults();
    faults.refuse(true);
    faults.kill_all();
    lost_and_back(&mut console, "SQL Server", || faults.refuse(false));
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_is_lost_and_comes_back() {
    let place = Place::loaded().await;
    let mut console = place.open(&[]);
    console.line(&["ok", "dbo.Tea"]);
    let faults = place.pipeline.lab.s3.faults();
    let _rule = faults.add(Rule::new(Effect::LoseRequest).times(u32::MAX));
    lost_and_back(&mut console, "S3", || faults.clear());
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redshift_is_lost_and_comes_back() {
    let place = Place::loaded().await;
    let mut console = place.open(&[]);
    console.line(&["ok", "dbo.Tea"]);
    let redshift = &place.pipeline.lab.redshift;
    redshift.faults().pause(true);
    for session in redshift.sessions() {
        let _ = redshift.kill(session.pid);
    }
    lost_and_back(&mut console, "Redshift", || redshift.faults().pause(false));
    console.quit();
}
