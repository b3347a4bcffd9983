//! Orders and their ends: what a retry may do at once, what counts as well, how rows are counted.

use db_to_redshift::console::msg::{Effect, Msg};
use db_to_redshift::console::order::{Danger, Order};
use db_to_redshift::console::page::{Block, Tone};
use db_to_redshift::console::seam::{Ask, EndKind, Id, Look, Reply, TableEnd};
use db_to_redshift::console::state::Options;
use db_to_redshift::console::state::overlay::Overlay;
use db_to_redshift::console::state::prepares::Prepares;
use db_to_redshift::engine::event::{Event, Job, Progress};
use db_to_redshift::model::TableName;
use db_to_redshift::model::control::RunTable;
use db_to_redshift::model::order::{PrepareOptions, Repeat};

use super::answers::World;
use super::driver::Console;
use super::world;

const WIDE: (u16, u16) = (160, 50);

fn console(world: World) -> Console {
    Console::with(world, Options { profile: "stage".into(), ..Options::default() }, WIDE.0, WIDE.1)
}

fn danger(console: &Console) -> Option<Danger> {
    match &console.state.overlay {
        Some(Overlay::Sheet(sheet)) => Some(sheet.danger),
        _ => None,
    }
}

fn ran(console: &Console) -> Vec<Order> {
    let order = |ask: &&Ask| if let Ask::Run { order, .. } = ask { Some(order.clone()) } else { None };
    console.runs().iter().filter_map(order).collect()
}

#[test]
fn a_failed_load_is_retried_at_once_and_nothing_but_loads_and_extracts() {
    let mut console = console(World::default());
    console.go("dbo.Letter").press("R");
    assert_eq!(ran(&console), [Order::Retry { repeat: Repeat::Steps }]);
}

#[test]
fn a_failed_prepare_is_not_retried_at_once() {
    let anew = PrepareOptions { new_epoch: true, ..PrepareOptions::default() };
    for (options, expected, repeat) in
        [(PrepareOptions::default(), Danger::Sheet, Repeat::Prepare), (anew, Danger::Typed, Repeat::NewEpoch)]
    {
        let mut console = console(World { failed_prepare: Some(options), ..World::default() });
        console.go("stock.Pallet").press("R");
        assert_eq!((danger(&console), ran(&console)), (Some(expected), vec![]), "{}", console.text());
        let asked = console.effects.iter().any(|effect| {
            matches!(effect, Effect::Ask(_, Ask::Look(Look::Plan { order: Order::Retry { repeat: which }, .. })) if *which == repeat)
        });
        assert!(asked, "the sheet says which steps would run");
        // Neither with another one that failed in its load.
        console.press("esc").go("stock.Pallet").press("space").go("dbo.Letter").press("space R");
        assert_eq!((danger(&console), ran(&console)), (Some(expected), vec![]));
        if expected == Danger::Typed {
            console.press("y enter");
            assert_eq!(ran(&console), [], "y alone does not replace production");
            console.press("backspace").write("2 tables").press("enter");
        } else {
            console.press("y");
        }
        assert_eq!(ran(&console), [Order::Retry { repeat }]);
    }
}

/// A job of ours failed in a prepare, and the runs were not read since.
#[test]
fn a_prepare_that_has_just_failed_takes_the_worst_for_granted() {
    let mut console = console(World::default());
    console.go("crm.Campaign");
    let job = ordered(&mut console, "L");
    console.world.silent = true;
    let table = world::table("crm.Campaign");
    console.send(Msg::Reply(Box::new(Reply::Ended { job, tables: vec![TableEnd::of_fault(table, "prepare", world::too_long())] })));
    // What the runs say, which is asked at once, is of no other table's concern here.
    console.state.prepares = Prepares::default();
    let failed = console.state.fleet.failed.contains_key(&world::table("crm.Campaign"));
    assert!(failed);
    console.go("crm.Campaign").press("R");
    assert_eq!(danger(&console), Some(Danger::Typed));
}

/// Gives an order by its key; its id.
fn ordered(console: &mut Console, key: &str) -> Id {
    console.press(key).press("y");
    console.state.jobs.running().next().expect("it runs").id
}

fn end(console: &mut Console, job: Id, tables: Vec<TableEnd>) -> (Tone, String) {
    console.send(Msg::Reply(Box::new(Reply::Ended { job, tables })));
    let message = console.state.message.clone().expect("the end is told");
    (message.tone, message.text)
}

fn letter() -> TableName {
    world::table("dbo.Letter")
}

fn strange(outcome: &str) -> TableEnd {
    TableEnd::new(letter(), None, EndKind::Attention, outcome)
}

#[test]
fn an_end_that_is_not_well_is_not_told_as_one() {
    let well = |job| TableEnd::new(letter(), Some(job), EndKind::Well, "done").moved(1, 1_000);
    let idle = |job| TableEnd::new(letter(), Some(job), EndKind::Nothing, "nothing to do");
    let left = TableEnd { left: vec!["a snapshot of epoch 2 is under way".into()], ..strange("not all is in order") };
    let cases = [
        (vec![strange("DIFFERENT: 5 missing, 0 extra, 0 different")], Tone::Warn, "DIFFERENT: 5 missing"),
        (vec![idle(Job::Load), strange("capture is down"), idle(Job::Load)], Tone::Warn, "capture is down (1 of 3 steps)"),
        (vec![strange("paused"), strange("capture is down")], Tone::Warn, "look at it (2 of 2 steps)"),
        (vec![left], Tone::Warn, "not all is in order, a snapshot of epoch 2 is under way"),
        (vec![idle(Job::Load)], Tone::Plain, "nothing to do"),
        (vec![idle(Job::Load), idle(Job::Extract)], Tone::Plain, "nothing to do"),
        (vec![], Tone::Plain, "nothing was done"),
        (vec![well(Job::Load)], Tone::Good, "done, 1,000 loaded"),
        (vec![idle(Job::Load), well(Job::Extract), well(Job::Load)], Tone::Good, "3 steps ended well, 1,000 extracted, 1,000 loaded"),
    ];
    for (ends, tone, text) in cases {
        let mut console = console(World::default());
        console.go("dbo.Letter");
        let job = ordered(&mut console, "B");
        let (told, message) = end(&mut console, job, ends.clone());
        assert_eq!(told, tone, "{message}");
        assert!(message.contains(text), "{message:?} does not tell {text:?}");
        // The line of the job and the history say the same.
        let job = console.state.jobs.iter().next().unwrap();
        assert_eq!(job.outcome().0, tone);
        let line = console.text().lines().find(|line| line.contains("Extract and load  dbo.Letter")).unwrap().to_owned();
        assert_eq!(line.ends_with("  done"), tone == Tone::Good, "{line}");
        console.press(":").write("history").press("enter");
        assert_eq!(console.text().contains("  done"), tone == Tone::Good, "{}", console.text());
    }
}

/// CDC of the database alone has no table.
#[test]
fn enabling_cdc_without_tables_is_done() {
    let mut console = console(World::default());
    console.press("6 j j j enter y");
    let job = console.state.jobs.running().next().expect("it runs").id;
    let (tone, text) = end(&mut console, job, vec![]);
    assert_eq!((tone, text.as_str()), (Tone::Good, "Enable CDC: done"));
}

#[test]
fn a_row_counts_once_on_each_hop() {
    let mut console = console(World::default());
    console.go("dbo.Letter");
    let id = ordered(&mut console, "B");
    let table = letter();
    let event = |console: &mut Console, event| console.send(Msg::Reply(Box::new(Reply::Event { job: id, event })));
    let progress = |console: &mut Console, job, rows| {
        let progress = Progress { job, phase: "changes", rows, bytes: 10 };
        console.send(Msg::Reply(Box::new(Reply::Progress { job: id, progress: [(letter(), progress)].into() })));
    };
    let moved = |console: &Console| console.state.jobs.iter().next().unwrap().volume().0.words();
    progress(&mut console, Job::Extract, 1_000);
    assert_eq!(moved(&console), "1,000 extracted");
    event(&mut console, Event::Recorded { table: table.clone(), epoch: 2, seq: 7, rows: 1_000, bytes: 10, seconds: 1.0 });
    assert_eq!(moved(&console), "1,000 extracted", "what is recorded is under way no more");
    progress(&mut console, Job::Load, 1_000);
    event(&mut console, Event::Staged { table: table.clone(), epoch: 2, from: 7, to: 7, rows: 1_000, seconds: 1.0 });
    // A thousand updates.
    event(&mut console, Event::Applied { table: table.clone(), epoch: 2, from: 7, to: 7, deleted: 1_000, inserted: 1_000, seconds: 1.0 });
    assert_eq!(moved(&console), "1,000 extracted, 1,000 loaded");
    // A snapshot is not staged, and empties production.
    event(&mut console, Event::Applied { table, epoch: 3, from: 0, to: 0, deleted: 9_000, inserted: 500, seconds: 1.0 });
    assert_eq!(moved(&console), "1,000 extracted, 1,500 loaded");
    let ends = vec![TableEnd::new(letter(), Some(Job::Load), EndKind::Well, "done").moved(1, 1_500)];
    end(&mut console, id, ends);
    progress(&mut console, Job::Load, 77);
    assert_eq!(moved(&console), "1,000 extracted, 1,500 loaded", "what has ended goes on no more");
}

#[test]
fn a_cancelled_order_neither_failed_nor_is_solved() {
    let cancelled = world::fault("SYNC-023", "stopped as it was asked to", &[], &[]);
    let mut console = console(World::default());
    console.go("crm.Campaign");
    let job = ordered(&mut console, "L");
    let table = world::table("crm.Campaign");
    end(&mut console, job, vec![TableEnd::of_fault(table.clone(), "load", cancelled)]);
    console.press(":").write("history").press("enter").press("enter");
    assert!(console.text().contains("SYNC-023") && !console.text().contains("solved"), "{}", console.text());
    console.press("esc esc 1").go("crm.Campaign");
    let job = ordered(&mut console, "L");
    console.wait(10);
    end(&mut console, job, vec![TableEnd::new(table, Some(Job::Load), EndKind::Well, "done").moved(1, 1)]);
    console.press(":").write("history").press("enter").press("j enter");
    assert!(console.text().contains("SYNC-023"), "{}", console.text());
    assert!(console.text().contains("solved"), "now a later one went well\n{}", console.text());
}

#[test]
fn a_process_with_jobs_is_not_suspended() {
    let mut console = console(World::default());
    console.go("dbo.Letter");
    let job = ordered(&mut console, "L");
    console.press("ctrl-z");
    assert!(!console.effects.contains(&Effect::Suspend) && console.text().contains("a job is at work"), "{}", console.text());
    end(&mut console, job, vec![]);
    console.press("ctrl-z");
    assert!(console.effects.contains(&Effect::Suspend));
}

#[test]
fn a_cancelled_run_is_no_failed_one() {
    let mut console = console(World::default());
    let mut run = world::failed_prepare(PrepareOptions::default());
    run.tables[0].outcome = "load SYNC-023".into();
    run.tables[0].fault = Some(world::fault("SYNC-023", "stopped as it was asked to", &[], &[]));
    console.state.runs.insert(0, run.clone());
    console.press("4");
    let line = console.text().lines().find(|line| line.contains("prepare") && line.contains("rmeier")).unwrap().to_owned();
    assert!(line.contains("cancelled") && !line.contains("failed"), "{line}");
    let page = db_to_redshift::console::pages::run(&run);
    let Some(Block::Grid(grid)) = page.blocks.get(1) else { panic!("{page:?}") };
    assert_eq!(grid.rows[0].tone, Tone::Warn);
    // Rows of a run are told by hop, too.
    run.tables[0].fault = None;
    run.tables = [("load done", 1_000), ("extract done", 1_000)]
        .map(|(outcome, rows)| RunTable { outcome: outcome.into(), rows, ..run.tables[0].clone() })
        .to_vec();
    console.state.runs[0] = run;
    assert!(console.text().contains("2 steps, 1,000 extracted, 1,000 loaded"), "{}", console.text());
}
