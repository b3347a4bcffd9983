//! The loop: what is asked when, how often is drawn, what an old answer changes, how one leaves.

use std::time::Duration;

use db_to_redshift::console::msg::Effect;
use db_to_redshift::console::run::{Input, Spent};
use db_to_redshift::console::seam::{Ask, EndKind, Id, Look, Reply, TableEnd};
use db_to_redshift::console::state::Options;
use db_to_redshift::engine::event::{Event, Job, Progress};
use ratatui::style::Color;

use super::answers::World;
use super::rig::{Hand, Note, until, with};
use super::world;

async fn console(script: impl AsyncFnOnce(&Hand)) -> Spent {
    with(World::default(), Options { profile: "stage".into(), ..Options::default() }, (120, 40), script).await
}

/// Nothing is answered before the script releases it.
async fn silent(script: impl AsyncFnOnce(&Hand)) -> Spent {
    let world = World { silent: true, ..World::default() };
    with(world, Options { profile: "stage".into(), ..Options::default() }, (120, 40), script).await
}

fn is_fleet(ask: &Ask) -> bool {
    matches!(ask, Ask::Look(Look::Fleet { .. }))
}

fn asks_target(ask: &Ask) -> bool {
    *ask == Ask::Look(Look::Fleet { target: true })
}

fn ended(job: Id, table: &str) -> Reply {
    let end = TableEnd::new(world::table(table), Some(Job::Load), EndKind::Well, "done").moved(3, 6_612);
    Reply::Ended { job, tables: vec![end] }
}

#[tokio::test(start_paused = true)]
async fn the_first_paint_waits_for_nobody() {
    silent(async |hand| {
        hand.seconds(1).await;
        let notes = hand.notes();
        assert_eq!(notes[0], Note::Frame);
        assert_eq!(notes[1], Note::Asked(Ask::Connect { profile: "stage".into() }));
        assert!(hand.text().contains("connecting"), "{}", hand.text());
        // Nothing is asked of a profile that has not connected.
        assert_eq!(hand.asked().len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn with_nothing_changing_a_second_costs_one_frame_at_most() {
    console(async |hand| {
        hand.seconds(2).await;
        let before = hand.frames();
        hand.seconds(60).await;
        let frames = hand.frames() - before;
        assert!((50..=61).contains(&frames), "{frames} frames in a minute");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_screen_costs_nothing_and_asks_nothing() {
    let spent = console(async |hand| {
        hand.seconds(2).await;
        hand.press("z").await;
        assert!(hand.text().contains("FROZEN"));
        let (frames, asked) = (hand.frames(), hand.asked().len());
        hand.seconds(120).await;
        assert_eq!((hand.frames(), hand.asked().len()), (frames, asked));
        hand.press("z").await;
        hand.seconds(2).await;
        assert!(!hand.text().contains("FROZEN") && hand.asked().len() > asked, "it goes on");
    })
    .await;
    assert!(spent.frames < 12, "{spent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_replies_gives_a_frame_every_33_ms_at_most() {
    console(async |hand| {
        hand.seconds(2).await;
        hand.press("L").await;
        hand.press("y").await;
        let job = hand.job();
        let table = world::table("dbo.Letter");
        let before = hand.frames();
        for at in 0..1_000_u64 {
            let progress = Progress { job: Job::Load, phase: "copy", rows: at, bytes: at * 100 };
            hand.reply(Reply::Progress { job, progress: [(table.clone(), progress)].into() });
            hand.reply(Reply::Event { job, event: Event::Note { job: Job::Load, table: table.clone(), text: format!("note {at}") } });
            hand.wait(Duration::from_millis(1)).await;
        }
        let frames = hand.frames() - before;
        assert!((20..=31).contains(&frames), "{frames} frames in a second of flood: neither starved nor flooded");
        hand.press("5").await;
        assert!(hand.text().contains("note 999"), "{}", hand.text());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_at_one_moment_is_one_frame() {
    console(async |hand| {
        hand.seconds(2).await;
        hand.press("L").await;
        hand.press("y").await;
        let (job, table, before) = (hand.job(), world::table("dbo.Letter"), hand.frames());
        for at in 0..1_000_u64 {
            hand.reply(Reply::Event { job, event: Event::Note { job: Job::Load, table: table.clone(), text: format!("note {at}") } });
        }
        hand.wait(Duration::from_millis(40)).await;
        assert!(hand.frames() - before <= 2, "{}", hand.frames() - before);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_overtaken_answer_changes_nothing() {
    console(async |hand| {
        hand.seconds(2).await;
        hand.hold(true);
        // A page is asked for, left, and its answer comes late.
        hand.press("enter esc").await;
        let shown = hand.text();
        assert!(hand.release() > 0);
        hand.wait(Duration::from_millis(100)).await;
        assert_eq!(hand.text(), shown);
        // The fleet of a profile that was left must not be shown in the next.
        hand.hold(false);
        hand.seconds(1).await;
        hand.hold(true);
        hand.press("ctrl-r").await;
        hand.press("p j enter").await;
        hand.wait(Duration::from_millis(100)).await;
        assert!(hand.text().contains("connecting"), "{}", hand.text());
        let stale: Vec<(u64, Id, Ask)> = hand.asked().into_iter().filter(|(_, _, ask)| is_fleet(ask)).collect();
        let answer = World::default().answer(&Ask::Look(Look::Fleet { target: true }), world::start()).unwrap();
        for (_, id, _) in stale {
            hand.reply(Reply::Answer { id, answer: answer.clone() });
        }
        hand.wait(Duration::from_millis(100)).await;
        assert!(!hand.text().contains("Letter"), "{}", hand.text());
        hand.hold(false);
        hand.release();
        hand.seconds(2).await;
        assert!(hand.text().contains(" prod ") && hand.text().contains("Letter"), "{}", hand.text());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn quitting_with_a_job_waits_for_it() {
    console(async |hand| {
        hand.seconds(2).await;
        hand.press("L").await;
        hand.press("y q").await;
        assert!(hand.text().contains("Jobs are running"));
        hand.press("w").await;
        hand.seconds(5).await;
        hand.press("j").await;
        assert!(hand.performed.borrow().is_empty(), "it stays while the job runs");
        hand.reply(ended(hand.job(), "dbo.Letter"));
        hand.seconds(1).await;
        assert!(matches!(hand.performed.borrow().last(), Some(Effect::Remember { .. })), "and leaves with its last");
        assert!(hand.when(|ask| matches!(ask, Ask::Cancel { .. })).is_empty());
        // Whoever hung up before the console left would have cancelled the job.
        let asked = hand.asked().len();
        hand.press("j").await;
        hand.seconds(60).await;
        assert_eq!(hand.asked().len(), asked, "nobody is there any more");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_job_that_has_just_ended_leaves_at_once() {
    console(async |hand| {
        hand.seconds(2).await;
        hand.press("L").await;
        hand.press("y q").await;
        hand.reply(ended(hand.job(), "dbo.Letter"));
        hand.wait(Duration::from_millis(50)).await;
        hand.press("w").await;
        assert!(matches!(hand.performed.borrow().last(), Some(Effect::Remember { .. })));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn quitting_with_a_job_cancels_it() {
    console(async |hand| {
        hand.seconds(2).await;
        hand.press("L").await;
        hand.press("y q c").await;
        assert_eq!(hand.asked().last().unwrap().2, Ask::Cancel { job: hand.job() });
        assert!(matches!(hand.performed.borrow().last(), Some(Effect::Remember { .. })));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn staying_takes_leaving_back() {
    console(async |hand| {
        hand.seconds(2).await;
        hand.press("L").await;
        hand.press("y q s").await;
        assert!(!hand.text().contains("Jobs are running"));
        hand.press("q w q s").await;
        let asked = hand.when(is_fleet).len();
        hand.seconds(20).await;
        assert!(hand.when(is_fleet).len() > asked, "it goes on asking");
        hand.reply(ended(hand.job(), "dbo.Letter"));
        hand.seconds(2).await;
        assert!(hand.performed.borrow().is_empty() && hand.text().contains("Load: done, 6,612 loaded"), "{}", hand.text());
        hand.press("q").await;
        assert!(matches!(hand.performed.borrow().last(), Some(Effect::Remember { .. })), "with nothing running q asks nothing");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_twice_and_the_end_of_input_leave_in_good_order() {
    for signal in [false, true] {
        console(async |hand| {
            hand.seconds(2).await;
            hand.press("L").await;
            hand.press("y").await;
            if signal {
                hand.send(Input::Terminate);
                hand.wait(Duration::from_millis(50)).await;
            } else {
                hand.press("ctrl-c").await;
                assert!(hand.text().contains("Ctrl-C once more"));
                assert!(hand.performed.borrow().is_empty());
                hand.press("ctrl-c").await;
            }
            assert_eq!(hand.asked().last().unwrap().2, Ask::Cancel { job: hand.job() });
            assert!(matches!(hand.performed.borrow().last(), Some(Effect::Remember { .. })));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_keeps_the_last_data_and_comes_back() {
    console(async |hand| {
        hand.press("1 3").await;
        hand.seconds(2).await;
        let known = |text: &str| text.lines().filter(|line| line.contains("dbo.Branch")).map(str::to_owned).collect::<Vec<_>>();
        let good = hand.text();
        assert!(good.contains("● Redshift"), "{good}");
        hand.world(|world| world.target_lost = true);
        hand.seconds(65).await;
        let lost = hand.text();
        assert!(lost.contains("✗ Redshift lost, data 1m"), "{lost}");
        let (first, then) = (known(&good), known(&lost));
        assert_eq!(first, then, "the last good data stay");
        // And look old: no cell of the lost system is in the plain colour.
        let buffer = hand.buffer();
        let y = u16::try_from(lost.lines().position(|line| line.contains("dbo.Branch")).unwrap()).unwrap();
        let line: Vec<char> = lost.lines().nth(usize::from(y)).unwrap().chars().collect();
        let number = line.windows(3).position(|three| three.iter().all(char::is_ascii_digit)).unwrap();
        assert_eq!(buffer[(u16::try_from(number).unwrap(), y)].fg, Color::DarkGray, "{lost}");
        hand.world(|world| world.target_lost = false);
        hand.seconds(65).await;
        assert!(hand.text().contains("● Redshift"), "{}", hand.text());
        hand.press("5").await;
        assert!(hand.text().contains("Redshift answers again") && hand.text().contains("Redshift does not answer: RS-001"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn redshift_is_asked_once_a_minute_and_after_own_jobs() {
    console(async |hand| {
        hand.seconds(600).await;
        let (all, target) = (hand.when(is_fleet), hand.when(asks_target));
        assert!((10..=11).contains(&target.len()), "{target:?}");
        assert!(target.windows(2).all(|pair| pair[1] - pair[0] >= 60), "{target:?}");
        assert!((110..=121).contains(&all.len()), "the others every five seconds: {}", all.len());
        // In the middle of a minute a job of ours ends.
        hand.press("L").await;
        hand.press("y").await;
        hand.seconds(20).await;
        let before = hand.when(asks_target).len();
        hand.reply(ended(hand.job(), "dbo.Letter"));
        hand.seconds(2).await;
        assert_eq!(hand.when(asks_target).len(), before + 1);
        hand.seconds(50).await;
        assert_eq!(hand.when(asks_target).len(), before + 1);
    })
    .await;
}

/// The answer to a question of before says nothing of what a job has done since.
#[tokio::test(start_paused = true)]
async fn a_job_that_ends_while_redshift_is_asked_has_it_asked_again() {
    console(async |hand| {
        hand.seconds(2).await;
        hand.press("L").await;
        hand.press("y").await;
        hand.hold(true);
        hand.press("ctrl-r").await;
        let before = hand.when(asks_target).len();
        hand.reply(ended(hand.job(), "dbo.Letter"));
        hand.seconds(3).await;
        assert_eq!(hand.when(asks_target).len(), before, "one question of a kind at a time");
        hand.hold(false);
        hand.release();
        hand.seconds(2).await;
        assert_eq!(hand.when(asks_target).len(), before + 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_not_asked_for_twice() {
    silent(async |hand| {
        hand.seconds(1).await;
        hand.release();
        hand.seconds(90).await;
        assert_eq!((hand.when(is_fleet).len(), hand.when(|ask| *ask == Ask::Look(Look::Runs)).len()), (1, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_longer_a_system_is_silent_the_less_often_it_is_asked() {
    console(async |hand| {
        hand.world(|world| world.source_lost = true);
        hand.seconds(320).await;
        let asked = hand.when(is_fleet);
        let gaps: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(&gaps[..7], [5, 5, 10, 20, 40, 60, 60], "{asked:?}");
        hand.world(|world| world.source_lost = false);
        hand.press("ctrl-r").await;
        let before = hand.when(is_fleet).len();
        hand.seconds(60).await;
        assert!(hand.when(is_fleet).len() >= before + 10, "back to every five seconds");
    })
    .await;
}

/// Redshift's silence is its own: the others are looked at as before.
#[tokio::test(start_paused = true)]
async fn a_lost_redshift_does_not_slow_the_others_down() {
    console(async |hand| {
        hand.world(|world| world.target_lost = true);
        hand.seconds(300).await;
        assert!(hand.when(is_fleet).len() >= 55, "{:?}", hand.when(is_fleet));
        let target = hand.when(asks_target);
        let gaps: Vec<u64> = target.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps[..6], [60, 5, 10, 20, 40, 60], "{target:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn resizing_to_any_size_is_followed() {
    console(async |hand| {
        hand.seconds(2).await;
        for (width, height) in [(1, 1), (40, 10), (200, 60), (0, 0), (80, 24), (120, 40)] {
            hand.resize(width, height);
            hand.wait(Duration::from_millis(50)).await;
        }
        assert!(hand.text().contains("dbo.Letter"), "{}", hand.text());
    })
    .await;
}

/// A job whose events nobody hears would wait, perhaps with a transaction open in Redshift.
#[tokio::test(start_paused = true)]
async fn jobs_are_heard_while_the_pager_has_the_screen() {
    console(async |hand| {
        hand.seconds(2).await;
        hand.press("L").await;
        hand.press("y o").await;
        assert!(matches!(hand.performed.borrow().last(), Some(Effect::Pager(_))));
        let (job, table, frames) = (hand.job(), world::table("dbo.Letter"), hand.frames());
        // More than the channel holds.
        let told = async {
            for at in 0..3_000_u64 {
                let event = Event::Note { job: Job::Load, table: table.clone(), text: format!("note {at}") };
                hand.tell(Reply::Event { job, event }).await;
            }
            hand.tell(ended(job, "dbo.Letter")).await;
        };
        tokio::time::timeout(Duration::from_mins(10), told).await.expect("the job goes on");
        hand.seconds(1).await;
        assert_eq!(hand.frames(), frames, "the screen is the pager's");
        hand.pager.notify_one();
        hand.wait(Duration::from_millis(100)).await;
        hand.press("5").await;
        assert!(hand.text().contains("note 2999") && hand.text().contains("done, 6,612 loaded"), "{}", hand.text());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_the_pager_and_the_console() {
    console(async |hand| {
        hand.seconds(2).await;
        hand.press("L").await;
        hand.press("y o").await;
        hand.send(Input::Terminate);
        hand.wait(Duration::from_millis(100)).await;
        assert_eq!(hand.asked().last().unwrap().2, Ask::Cancel { job: hand.job() });
        assert!(matches!(hand.performed.borrow().last(), Some(Effect::Remember { .. })));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_screen_that_breaks_stops_the_jobs() {
    let options = Options { profile: "stage".into(), ..Options::default() };
    let ran = until(World::default(), options, (120, 40), async |hand| {
        hand.seconds(2).await;
        hand.press("L").await;
        hand.press("y").await;
        hand.break_screen();
        hand.press("j").await;
        assert_eq!(hand.asked().last().unwrap().2, Ask::Cancel { job: hand.job() });
    });
    assert_eq!(ran.await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}
