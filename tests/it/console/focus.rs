//! What a key is about, and what is told of the age of what is shown.

use db_to_redshift::console::msg::{Effect, Msg};
use db_to_redshift::console::seam::{Answer, Ask, EndKind, Look, Reply, Tab, TableEnd};
use db_to_redshift::console::state::screen::Screen;
use db_to_redshift::console::state::{Purpose, View};
use db_to_redshift::engine::event::Job;
use jiff::SignedDuration;

use super::driver::Console;
use super::world;

/// Answers every open question for which `is` holds with a fault.
fn refuse(console: &mut Console, is: impl Fn(&Purpose) -> bool, code: &str) {
    let open: Vec<_> = console.state.waiting.iter().filter(|(_, purpose)| is(purpose)).map(|(id, _)| *id).collect();
    assert!(!open.is_empty(), "nothing was asked: {:?}", console.state.waiting);
    for id in open {
        console.reply(id, Answer::Failed(Box::new(world::fault(code, "no access", &[], &[]))));
    }
}

fn asked(console: &Console) -> Vec<&Look> {
    console.effects.iter().filter_map(|effect| if let Effect::Ask(_, Ask::Look(look)) = effect { Some(look) } else { None }).collect()
}

/// Orders a retry of `dbo.Letter`, and gives its good end.
fn repaired(console: &mut Console) -> Msg {
    console.go("dbo.Letter").press("R");
    let run = console.effects.iter().find_map(|effect| if let Effect::Ask(id, Ask::Run { .. }) = effect { Some(*id) } else { None });
    let end = TableEnd::new(world::table("dbo.Letter"), Some(Job::Load), EndKind::Well, "done").moved(1, 5);
    Msg::Reply(Box::new(Reply::Ended { job: run.unwrap(), tables: vec![end] }))
}

#[test]
fn a_page_about_no_table_gives_no_order_for_the_one_that_it_covers() {
    let mut console = Console::new(120, 40);
    console.go("dbo.Letter").press("enter :").write("history").press("enter");
    assert!(console.text().contains("Orders given from this console"), "{}", console.text());
    console.press("R B L E");
    assert!(console.runs().is_empty() && console.state.overlay.is_none(), "{}", console.text());
    console.press("esc R");
    assert!(!console.runs().is_empty(), "on its own page it does");
}

#[test]
fn a_look_is_for_the_row_under_the_cursor_and_not_for_a_mark() {
    let mut console = Console::new(120, 40);
    console.go("crm.Contact").press("space").go("dbo.Letter").press("e");
    assert_eq!(console.state.stack[0].table(), Some(&world::table("dbo.Letter")));
    console.press("esc d");
    assert!(asked(&console).contains(&&Look::DryRun { table: world::table("dbo.Letter") }));
    console.press("esc t");
    assert!(console.text().contains("Trace a key of dbo.Letter"), "{}", console.text());
}

#[test]
fn a_retry_of_a_mark_that_is_hidden_asks() {
    let mut console = Console::new(120, 40);
    console.go("dbo.Letter").press("space /").write("zzzz");
    console.press("enter R");
    assert!(console.runs().is_empty(), "{}", console.text());
    assert!(console.text().contains("hidden"), "{}", console.text());
    console.press("esc esc R");
    assert!(!console.runs().is_empty(), "{}", console.text());
}

#[test]
fn hidden_values_are_gone_before_an_answer_comes() {
    let mut console = Console::new(120, 40);
    console.go("dbo.Letter").press("enter tab tab x");
    let shown = |console: &Console| console.state.stack[0].page().unwrap().page.shown().is_some();
    assert!(shown(&console));
    console.world.silent = true;
    console.press("x");
    assert!(!shown(&console), "{}", console.text());
    refuse(&mut console, |purpose| *purpose == Purpose::Page, "S3-001");
    assert!(!shown(&console), "nor after a fault: {}", console.text());
}

#[test]
fn a_machine_that_slept_is_not_taken_for_a_slow_answer() {
    let mut console = Console::new(120, 40);
    console.world.silent = true;
    console.wait(6);
    let (id, purpose) = console.state.waiting.iter().find(|(_, purpose)| matches!(purpose, Purpose::Fleet { .. })).unwrap();
    let (id, Purpose::Fleet { target, .. }) = (*id, purpose.clone()) else { unreachable!() };
    console.send(Msg::Tick(console.state.now + SignedDuration::from_hours(8)));
    let report = world::report();
    let target_at = target.then_some(console.state.now);
    console.reply(id, Answer::Fleet { report: Box::new(report), target_at });
    let next = console.state.polls.fleet.unwrap();
    assert!(next <= console.state.now + SignedDuration::from_mins(1), "{next}, now {}", console.state.now);
}

#[test]
fn what_a_job_changed_is_asked_again_when_its_page_comes_up() {
    let mut console = Console::new(120, 40);
    let end = repaired(&mut console);
    console.press("enter tab tab :").write("history").press("enter");
    console.effects.clear();
    console.press("esc");
    assert!(asked(&console).is_empty(), "nothing has changed");
    console.press(":").write("history").press("enter");
    console.send(end);
    console.effects.clear();
    console.press("esc");
    let tab = if let Screen::Table(screen) = &console.state.stack[0] { screen.tab } else { panic!("no table page") };
    assert_ne!(tab, Tab::Overview, "that one reads itself again");
    assert_eq!(asked(&console), [&Look::Tab { table: world::table("dbo.Letter"), tab, show_values: false }]);
}

#[test]
fn a_page_tells_its_age() {
    let mut console = Console::new(120, 40);
    console.go("dbo.Letter").press("enter tab").wait(30);
    assert!(!console.text().contains("reads it again"), "{}", console.text());
    console.wait(90);
    assert!(console.text().contains("reads it again"), "{}", console.text());
}

#[test]
fn runs_that_cannot_be_read_are_not_taken_for_none() {
    let mut console = Console::new(120, 40);
    console.world.silent = true;
    console.wait(31);
    refuse(&mut console, |purpose| *purpose == Purpose::Runs, "S3-001");
    assert_eq!(console.state.unread.as_ref().unwrap().code, "S3-001");
    console.press("esc");
    assert!(console.text().contains("more may have failed: the runs cannot be read: S3-001"), "{}", console.text());
    console.state.runs.clear();
    console.press("4");
    assert_eq!(console.state.view, View::Runs);
    assert!(console.text().contains("not known: S3-001"), "{}", console.text());
}

#[test]
fn there_is_a_way_back_from_a_profile_that_cannot_be_opened() {
    let mut console = Console::new(120, 40);
    let end = repaired(&mut console);
    console.send(end);
    console.world.silent = true;
    console.press("p j enter");
    refuse(&mut console, |purpose| *purpose == Purpose::Connect, "CFG-001");
    console.press("esc p");
    assert!(console.text().contains("stage"), "{}", console.text());
    console.press("esc :").write("history").press("enter");
    let text = console.text();
    assert!(text.contains("Retry") && text.contains("stage"), "what was ordered before is told, and where: {text}");
    assert!(console.state.jobs.of(&world::table("dbo.Letter")).is_none(), "it is no job of this profile");
    assert!(!console.state.log.is_empty());
}

#[test]
fn a_report_that_was_replaced_is_freed_outside() {
    let mut console = Console::new(120, 40);
    console.effects.clear();
    console.wait(6);
    assert!(console.effects.iter().any(|effect| matches!(effect, Effect::Discard(_))));
}
