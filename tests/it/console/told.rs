//! What the screen says holds: nothing that counts is pushed out, cut, or told for sure when it is not.

use db_to_redshift::console::action::Action;
use db_to_redshift::console::msg::{Hit, Msg};
use db_to_redshift::console::page::Tone;
use db_to_redshift::console::seam::{Answer, EndKind, Reply, TableEnd};
use db_to_redshift::console::state::fleet::Sort;
use db_to_redshift::console::state::overlay::Overlay;
use db_to_redshift::console::state::{Options, Purpose, View};
use db_to_redshift::console::update::begin;
use db_to_redshift::engine::event::{Job, Progress};
use db_to_redshift::engine::operate::Runs;
use db_to_redshift::model::Lsn;
use db_to_redshift::model::state::StagedRange;
use db_to_redshift::model::status::{StatusReport, TableStatus, Verdict};
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::answers::World;
use super::driver::Console;
use super::world;

fn take(console: &mut Console, report: StatusReport) {
    let id = console.state.id();
    let now = console.state.now;
    console.state.waiting.insert(id, Purpose::Fleet { target: true, asked: now });
    console.reply(id, Answer::Fleet { report: Box::new(report), target_at: Some(now) });
}

fn status<'a>(report: &'a mut StatusReport, table: &str) -> &'a mut TableStatus {
    report.tables.iter_mut().find(|status| status.table == world::table(table)).unwrap()
}

fn line(console: &Console, of: &str) -> String {
    let text = console.text();
    text.lines().find(|line| line.contains(of)).unwrap_or_else(|| panic!("no line has {of}:\n{text}")).to_owned()
}

/// Colour of a text in the first line that has it.
fn colour(console: &Console, line: &str, of: &str) -> Color {
    let (buffer, text): (Buffer, String) = (console.draw(), console.text());
    let (y, line) =
        text.lines().enumerate().find(|(_, text)| text.contains(line) && text.contains(of)).unwrap_or_else(|| panic!("{of}\n{text}"));
    let x = line[..line.find(of).unwrap()].chars().count();
    buffer[(u16::try_from(x).unwrap(), u16::try_from(y).unwrap())].fg
}

#[test]
fn capture_that_is_down_does_not_push_out_how_many_tables_failed() {
    const WHY: &str = "nothing was captured for 17 minutes, not even the dummy row of an idle log";
    for (width, height) in [(200, 50), (160, 50), (120, 40), (100, 30), (80, 24), (60, 15)] {
        for lost in [false, true] {
            let mut console = Console::new(width, height);
            console.world.target_lost = lost;
            console.wait(65).press("1");
            let mut report = world::report();
            report.systems.source.capture.down = Some(WHY.into());
            report.systems.target.fault = lost.then(world::cluster_down);
            take(&mut console, report.clone());
            let text = console.text();
            let health = text.lines().nth(1).unwrap();
            assert!(health.contains("capture DOWN"), "{width}: {health}");
            assert!(["FAILED", "✗3 ", " bad"].iter().any(|tally| health.contains(tally)), "{width}: {health}");
            assert!(!health.contains('…'), "{width}: {health}");
            assert!(text.contains(&WHY[..50]), "{width}: the reason stands in the line of messages\n{text}");
            // It is told in whole, and once, however the minutes go on.
            report.systems.source.capture.down = Some(WHY.replace("17", "18"));
            take(&mut console, report);
            console.press("5");
            let told = console.state.log.iter().filter(|line| line.text.contains("capture is down")).count();
            assert_eq!(told, 1);
        }
    }
}

#[test]
fn a_sort_is_by_what_its_column_shows() {
    let mut console = Console::new(160, 50);
    let mut lags = |view: &str, sort, load: bool| {
        console.press(view);
        console.send(Msg::Click(Hit::Header(sort)));
        let lag = |status: &TableStatus| {
            let hop = if load { &status.hops.load } else { &status.hops.extract };
            hop.lag_seconds.max(hop.waiting_seconds)
        };
        console.state.fleet.rows().map(|row| lag(console.state.fleet.status_of(row).unwrap())).collect::<Vec<_>>()
    };
    for (view, sort, load) in [("1", Sort::Extract, false), ("3", Sort::Load, true)] {
        let lags = lags(view, sort, load);
        assert!(lags[0] > Some(60) && lags.windows(2).all(|pair| pair[0] >= pair[1]), "{view}: {lags:?}");
    }
    assert!(console.text().contains("LAG↓"), "{}", console.text());
    console.press("1");
    assert!(console.text().contains("TO RS↓"), "{}", console.text());
    // `s` goes on to what is a column of the view.
    console.press("2");
    for _ in 0..6 {
        console.press("s");
        let head = console.text().lines().nth(3).unwrap().to_owned();
        assert!(head.contains('↓'), "{head}");
    }
}

#[test]
fn no_number_of_the_list_is_cut() {
    let mut console = Console::new(200, 50);
    let mut report = world::report();
    let branch = status(&mut report, "dbo.Branch");
    let store = branch.store.as_mut().unwrap();
    (store.pending, store.pending_files, store.pending_bytes) = (Some(100_000), Some(1_234_567), Some(u64::MAX));
    (store.head, store.epoch, store.pending_since) = (Some(12_345_678), Some(u32::MAX), Some(world::before(86_400 * 400)));
    let target = branch.target.as_mut().unwrap();
    target.applied_seq = Some(12_345_678);
    target.staged = Some(StagedRange { epoch: 1, from: 12_345, to: 12_400, rows: 1_234_567, lsn_to: Lsn::from_bytes([0xff; 10]) });
    branch.hops.extract.lag_seconds = Some(86_400 * 400);
    take(&mut console, report);
    console.press("f");
    for (view, wanted) in [
        ("1", &["100.0k", "400d"][..]),
        ("2", &["12.3M", "100.0k", "1.2M", "18.4 EB", "400d ago", "4.3G"]),
        ("3", &["12345678", "12345-12400: 1.2M"]),
    ] {
        console.press(view);
        let row = line(&console, "dbo.Branch");
        assert!(!row.contains('…'), "{row}");
        assert!(wanted.iter().all(|number| row.contains(number)), "{wanted:?} in {row}");
    }
    // Exports have them whole.
    console.press("2");
    assert!(db_to_redshift::console::export::file(&console.state, false).1.contains("\"12,345,678\",\"100,000\",\"1,234,567\""));
    // And what a job does now.
    console.press("1").go("dbo.Branch").press("L y");
    let (job, table) = (console.state.jobs.running().next().unwrap().id, world::table("dbo.Branch"));
    let progress = Progress { job: Job::Extract, phase: "snapshot", rows: 123_456_789, bytes: 7 };
    console.send(Msg::Reply(Box::new(Reply::Progress { job, progress: [(table, progress)].into() })));
    console.wait(1);
    assert!(line(&console, "dbo.Branch").contains("snapsh… 123.5M"), "{}", console.text());
}

#[test]
fn where_one_is_is_not_told_before_it_is_known() {
    let options = || Options { profile: "prod".into(), ..Options::default() };
    let mut console = Console::unconnected(World::default(), options(), 120, 40);
    drop(begin(&mut console.state));
    let first = |console: &Console| console.text().lines().next().unwrap().to_owned();
    assert!(first(&console).starts_with(" ?  prod connecting"), "{}", first(&console));
    let id = *console.state.waiting.keys().next().unwrap();
    console.reply(id, Answer::Failed(Box::new(world::server_down())));
    console.press("esc");
    assert!(first(&console).starts_with(" ?  prod not connected"), "{}", first(&console));
    assert!(console.text().contains("not connected; ctrl-r tries again"), "{}", console.text());
    // Frozen is no answer to whether one may write: orders work meanwhile.
    let mut console = Console::new(120, 40);
    console.press("z");
    assert!(first(&console).ends_with("FROZEN WRITE"), "{}", first(&console));
}

#[test]
fn what_a_lost_system_would_say_is_not_told_for_sure() {
    let mut console = Console::new(160, 50);
    assert_eq!(colour(&console, "dbo.Branch", "✓ ok"), Color::Green);
    console.world.target_lost = true;
    console.wait(65);
    assert!(console.text().contains("✗ Redshift"), "{}", console.text());
    assert_eq!(colour(&console, "dbo.Branch", "✓ ok"), Color::DarkGray, "that all is well is not known");
    assert_ne!(colour(&console, "dbo.Letter", "✗ FAILED"), Color::DarkGray, "a problem stays one");
    // What the others say counts, where it is worse.
    let lost = |change: &dyn Fn(&mut TableStatus)| {
        let mut report = world::report();
        report.systems.target.fault = Some(world::cluster_down());
        for status in &mut report.tables {
            (status.target, status.verdict) = (None, Verdict::Unknown);
        }
        change(status(&mut report, "dbo.Branch"));
        report
    };
    take(&mut console, lost(&|branch| branch.retention.as_mut().unwrap().warn = true));
    assert!(line(&console, "dbo.Branch").contains("LAGGING"), "{}", console.text());
    take(&mut console, lost(&|branch| branch.source.as_mut().unwrap().min_lsn = Some(Lsn::from_bytes([0xff; 10]))));
    assert!(line(&console, "dbo.Branch").contains("GAP"), "{}", console.text());
    // A gap is not forgotten because a later look knows less.
    take(&mut console, lost(&|branch| branch.source = None));
    assert!(line(&console, "dbo.Branch").contains("GAP"), "{}", console.text());
    assert!(line(&console, "sales.Order ").contains("STUCK"), "{}", console.text());
}

#[test]
fn a_filter_does_not_hide_what_is_asked_for() {
    let mut console = Console::new(120, 40);
    console.press("/").write("state:failed").press("enter :").write("branch");
    assert!(line(&console, "dbo.Branch").contains("ok"), "the palette knows every table: {}", console.text());
    console.press("enter");
    assert!(console.text().contains("dbo.Branch"), "{}", console.text());
    console.press("esc esc /").write("branch").press("enter n");
    let message = console.state.message.clone().unwrap();
    assert_eq!(message.tone, Tone::Warn, "{}", message.text);
    assert!(message.text.starts_with("among the shown ones no other has a problem, but "), "{}", message.text);
    console.press("esc /").write("state:paused").press("enter esc");
    assert!(console.state.fleet.filter.is_empty());
}

#[test]
fn a_filter_that_is_not_understood_does_not_look_as_if_it_held() {
    let mut console = Console::new(120, 40);
    console.press("/").write("stat:failed").press("enter j");
    let text = console.text();
    assert!(text.contains("/stat:failed (not understood)  40/40") && text.contains("`stat:failed`: only state: schema:"), "{text}");
    assert_eq!(colour(&console, "only state:", "`stat:failed`"), Color::Yellow);
    console.press("*");
    assert!(console.state.marks.is_empty(), "what is marked is what was meant");
    assert!(console.state.message.as_ref().unwrap().text.contains("nothing is marked"));
    // The next visit says so, too.
    let session = console.state.session();
    let mut next = Console::new(120, 40);
    db_to_redshift::console::update::restore(&mut next.state, &session);
    assert!(next.text().contains("(not understood)"), "{}", next.text());
    console.press("esc").write("*");
    assert_eq!(console.state.marks.len(), 40);
}

#[test]
fn the_cursor_stays_on_its_line_of_the_log() {
    let mut console = Console::new(120, 20);
    let now = console.state.now;
    (0..40).for_each(|at| console.state.log.push(now, Tone::Plain, format!("line {at}")));
    console.press("5 j j j");
    assert_eq!(console.state.cursor().at, 3);
    let shown = console.text().lines().position(|line| line.contains("line 36")).unwrap();
    console.world.target_lost = true;
    console.wait(65);
    assert_eq!(console.state.log.iter().next().unwrap().text[..8], *"Redshift");
    assert_eq!(console.text().lines().position(|line| line.contains("line 36")), Some(shown), "nothing slides");
    console.press("enter");
    assert!(console.text().contains("line 36"), "{}", console.text());
    // At the top it follows.
    console.press("esc g");
    console.world.target_lost = false;
    console.wait(65).press("enter");
    assert!(console.text().contains("Redshift answers again"), "{}", console.text());
}

#[test]
fn the_cursor_stays_on_its_run() {
    let mut console = Console::new(120, 40);
    console.press("4 j");
    let chosen = console.state.runs[1].run;
    let newer = |console: &mut Console, number: u128| {
        let mut runs = world::runs();
        for at in 1..=number {
            let mut run = runs[0].clone();
            run.run = uuid::Uuid::from_u128(0x100 + at);
            runs.insert(0, run);
        }
        let id = console.state.id();
        console.state.waiting.insert(id, Purpose::Runs);
        console.reply(id, Answer::Runs(Box::new(Runs::of(runs))));
    };
    newer(&mut console, 2);
    assert_eq!(console.state.runs[console.state.cursor().at].run, chosen);
    // One that was not looked at begins with the newest.
    let mut console = Console::new(120, 40);
    newer(&mut console, 2);
    console.press("4");
    assert_eq!((console.state.view, console.state.cursor().at), (View::Runs, 0));
}

#[test]
fn a_job_that_runs_is_not_hidden_by_those_that_ended() {
    let mut console = Console::new(120, 40);
    let begin = |console: &mut Console, table: &str| {
        console.go(table).press("E y");
        console.state.jobs.running().next().unwrap().id
    };
    begin(&mut console, "dbo.Account");
    for table in ["dbo.Branch", "dbo.Country", "dbo.Currency", "dbo.ExchangeRate"] {
        let job = begin(&mut console, table);
        let end = TableEnd::new(world::table(table), Some(Job::Extract), EndKind::Well, "done").moved(1, 2);
        console.send(Msg::Reply(Box::new(Reply::Ended { job, tables: vec![end] })));
    }
    let text = console.text();
    let area: Vec<&str> = text.lines().rev().skip(2).take(4).collect();
    assert!(area[3].contains("Extract  dbo.Account") && area[0].contains("+2 more, ended"), "{text}");
}

#[test]
fn keys_that_hidden_columns_want_are_in_the_keymap() {
    let keymap = db_to_redshift::console::keymap::Keymap::default();
    assert_eq!(
        (keymap.keys(Action::Right), keymap.keys(Action::Left)),
        (vec!["right".into(), "l".into()], vec!["left".into(), "h".into()])
    );
}

/// Whatever a sheet is for, every table that it would work on can be read in it.
#[test]
fn a_sheet_names_every_table() {
    for (width, height) in [(160, 50), (80, 24), (60, 15)] {
        let mut console = Console::new(width, height);
        console.press("* E");
        let Some(Overlay::Sheet(sheet)) = &console.state.overlay else { panic!("no sheet") };
        let tables = sheet.tables.clone();
        assert_eq!(tables.len(), 40);
        let mut seen = String::new();
        for _ in 0..120 {
            seen += &console.text();
            console.press("down");
        }
        // A name that is wider than the smallest screen is broken.
        let parts =
            |name: String| if width == 60 && name.len() > 43 { vec![name[..43].to_owned(), name[43..].to_owned()] } else { vec![name] };
        let missing: Vec<_> = tables.iter().map(ToString::to_string).flat_map(parts).filter(|name| !seen.contains(name.as_str())).collect();
        assert!(missing.is_empty(), "{width}x{height}: {missing:?}\n{seen}");
    }
}

#[test]
fn a_sheet_says_how_many_of_its_tables_are_hidden() {
    let mut console = Console::new(120, 40);
    console.go("dbo.Account").press("space").go("dbo.Branch").press("space").go("dbo.Letter").press("space E");
    assert!(!console.text().contains("hidden"), "{}", console.text());
    console.press("esc !").press("E");
    assert!(console.text().contains("2 of 3 marked are hidden by !"), "{}", console.text());
    console.press("esc ! /").write("branch").press("enter E");
    assert!(console.text().contains("2 of 3 marked are hidden by the filter /branch"), "{}", console.text());
    assert_eq!(colour(&console, "marked are hidden", "2 of 3"), Color::Yellow);
}
