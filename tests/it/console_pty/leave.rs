//! Ways out: quit with a job, Ctrl-C, signals, a panic, the shell. The terminal is whole each time.

use db_to_redshift::lab::redshift::{Action, Planted};
use termlens::{Key, Signal};

use super::Place;
use super::place::{Console, line_with};

/// A load of dbo.Tea that stands before its COPY, and the console in front of it.
async fn at_work() -> (Place, Console, Planted) {
    let mut place = Box::pin(Place::loaded()).await;
    place.change("INSERT INTO dbo.Tea VALUES (3, N'Gyokuro')");
    place.program(&["extract", "--table", "dbo.Tea"]).await;
    let held = place.pipeline.lab.redshift.faults().on("copy ", 1, Action::Hold);
    let mut console = place.open(&[]);
    console.line(&["pending", "dbo.Tea"]);
    console.hinted(Key::Char('L'), "L load");
    console.see("y runs it");
    console.press(Key::Char('y'));
    held.hit().await;
    console.line(&["Load", "dbo.Tea", "stage"]);
    (place, console, held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_cancelled_at_a_safe_point() {
    let (mut place, mut console, held) = at_work().await;
    console.hinted(Key::Char('X'), "X cancel");
    console.see("y stops it");
    console.hinted(Key::Char('n'), "n let it go on");
    console.gone("y stops it");
    console.press(Key::Char('X')).see("y stops it");
    console.hinted(Key::Char('y'), "y stop it");
    console.see("stops at the next safe point");
    held.release();
    // That is no failure.
    console.line(&["Load", "dbo.Tea", "cancelled"]);
    console.until("what waits still", |screen| {
        line_with(screen, &["pending", "dbo.Tea"]).or(line_with(screen, &["staged", "dbo.Tea"])).is_some()
    });
    assert!(place.redshift("SELECT count(*) FROM public.tea").await[0].parse::<u32>().unwrap() >= 2);
    // Nothing is lost by it: the next run goes on where it stopped.
    console.press(Key::Char('B')).see("y runs it");
    console.press(Key::Char('y'));
    console.line(&["Extract and load", "dbo.Tea", "done"]);
    place.equal(&["Tea"]).await;
    console.line(&["ok", "dbo.Tea"]);
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quit_asks_while_a_job_runs() {
    let (mut place, mut console, held) = at_work().await;
    console.hinted(Key::Char('q'), "q quit");
    console.see("Jobs are running");
    console.hinted(Key::Char('s'), "s stay");
    console.gone("Jobs are running");
    console.press(Key::Char('q')).see("Jobs are running");
    console.hinted(Key::Char('w'), "w wait for the jobs");
    console.see("leaves when the jobs are done");
    held.release();
    console.left();
    place.equal(&["Tea"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quit_can_stop_the_jobs() {
    let (mut place, mut console, held) = at_work().await;
    console.press(Key::Char('q')).see("Jobs are running");
    console.hinted(Key::Char('c'), "c stop them and leave");
    // The terminal is given back first, then the job is waited for.
    console.see("jobs are stopping at their next safe point");
    console.restored();
    held.release();
    console.left();
    let ran = place.program(&["sync", "--table", "dbo.Tea"]).await;
    assert!(ran["tables"][0]["fault"].is_null(), "{ran}");
    place.equal(&["Tea"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_twice_leaves_and_once_more_ends_at_once() {
    let (_place, mut console, _held) = at_work().await;
    console.press(Key::Ctrl('c'));
    console.see("Ctrl-C once more leaves now");
    console.press(Key::Ctrl('c'));
    console.see("jobs are stopping at their next safe point");
    console.restored();
    // The terminal is cooked again: this one is a signal.
    console.press(Key::Ctrl('c'));
    let status = console.0.wait_exit().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(status.code(), Some(130), "{status:?}");
    console.restored();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_gives_the_terminal_back_and_can_be_read() {
    let place = Place::loaded().await;
    let mut console = place.open_in(place.terminal().env("D2R_PANIC", "console.key"), &[]);
    console.line(&["ok", "dbo.Tea"]);
    console.press(Key::Char('j'));
    console.see("panic point console.key");
    let status = console.0.wait_exit().unwrap_or_else(|error| panic!("{error}"));
    assert!(!status.success());
    console.restored();
    // Not cut, not in steps.
    console.line(&["panic point console.key"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_behind_the_screen_is_a_fault_on_it() {
    let place = Place::loaded().await;
    let mut console = place.open_in(place.terminal().env("D2R_PANIC", "console.look"), &[]);
    console.press(Key::Char('5'));
    console.see("CFG-022");
    assert!(console.0.screen().alternate_screen(), "the console goes on");
    console.press(Key::Char('q'));
    console.left();
    console.see("panic point console.look");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_end_it_in_good_order() {
    let place = Place::loaded().await;
    for signal in [Signal::Term, Signal::Hup] {
        let mut console = place.open(&[]);
        console.line(&["ok", "dbo.Tea"]);
        // The terminal is there still: what was typed must not be lost either.
        console.press(Key::Char('/')).type_in("tea");
        console.see("1/3");
        console.0.signal(signal).unwrap_or_else(|error| panic!("{error}"));
        console.left();
        let kept = std::fs::read_to_string(place.state().join("db-to-redshift/console.toml")).unwrap();
        assert!(kept.contains("filter = \"tea\""), "{kept}");
        std::fs::remove_dir_all(place.state()).unwrap();
    }
}

/// An interactive shell with job control, and the console as its child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_suspended_and_the_shell_is_whole() {
    let place = Place::loaded().await;
    let shell = place.terminal().env("PS1", "ready> ").args(["--norc", "--noprofile", "--noediting", "-i"]).spawn("bash");
    let mut shell = Console(shell.unwrap_or_else(|error| panic!("{error}")));
    shell.see("ready>");
    let line = format!("{} --config {}", env!("CARGO_BIN_EXE_db-to-redshift"), place.pipeline.config.display());
    shell.type_in(&line).press(Key::Enter);
    shell.line(&["ok", "dbo.Tea"]);
    shell.press(Key::Ctrl('z'));
    shell.see("Stopped");
    shell.restored();
    // Echo is on again: the line is seen as typed, and what it prints.
    shell.type_in("echo back-$((40+2))").press(Key::Enter);
    shell.see_all(&["echo back-$((40+2))", "back-42"]);
    shell.type_in("fg").press(Key::Enter);
    shell.until("the console again", |screen| screen.alternate_screen() && screen.contains("dbo.Tea") && screen.contains("1 Tables"));
    assert!(!shell.0.screen().mouse_modes().is_empty(), "the mouse is ours again");
    shell.press(Key::Char('5')).see("WHAT HAPPENED HERE");
    shell.press(Key::Char('q'));
    shell.until("the shell again", |screen| {
        !screen.alternate_screen() && (0..screen.rows()).any(|row| screen.row_text(row).trim() == "ready>")
    });
    shell.restored();
    shell.type_in("echo gone-$((4*2))").press(Key::Enter);
    shell.see_all(&["echo gone-$((4*2))", "gone-8"]);
    shell.type_in("exit").press(Key::Enter);
    shell.0.wait_exit().unwrap_or_else(|error| panic!("{error}"));
}
