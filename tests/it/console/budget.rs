//! What a key, a filter and a new report may cost with 10,000 tables. The bench `console` has the
//! figures of a release; here ten times too slow is caught, also without optimisation.

use std::time::{Duration, Instant};

use db_to_redshift::console::msg::Msg;
use db_to_redshift::console::seam::{Answer, Reply};
use db_to_redshift::console::state::Purpose;

use super::driver::{Console, draw, key};
use super::world;

/// The best of many: what the machine does beside does not count.
fn best(times: usize, mut work: impl FnMut()) -> Duration {
    (0..times)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap()
}

fn large() -> Console {
    let mut console = Console::new(200, 60);
    let first = report(&mut console);
    console.send(first);
    assert_eq!(console.state.fleet.counts(), (10_000, 10_000));
    console
}

/// A new report, as an answer to a poll.
fn report(console: &mut Console) -> Msg {
    let id = console.state.id();
    console.state.waiting.insert(id, Purpose::Fleet { target: true, asked: console.state.now });
    let report = Box::new(world::large(10_000));
    Msg::Reply(Box::new(Reply::Answer { id, answer: Answer::Fleet { report, target_at: Some(console.state.now) } }))
}

#[test]
fn ten_thousand_tables_stay_quick() {
    let mut console = large();
    let mut down = true;
    let move_ = best(40, || {
        console.send(Msg::Key(key(if down { "j" } else { "k" })));
        down = !down;
        drop(draw(&console.state));
    });
    console.press("/");
    let filter = best(8, || {
        console.write("o");
        drop(draw(&console.state));
        console.press("backspace");
    });
    console.press("esc");
    let tick = best(20, || {
        console.wait(1);
        drop(draw(&console.state));
    });
    let taken = (0..6)
        .map(|_| {
            let mut next = Some(report(&mut console));
            best(1, || {
                console.send(next.take().unwrap());
                drop(draw(&console.state));
            })
        })
        .min()
        .unwrap();
    println!("debug: report {taken:?}, move {move_:?}, filter {filter:?}, tick {tick:?}");
    assert!(move_ < Duration::from_millis(20), "a move took {move_:?}");
    assert!(filter < Duration::from_millis(400), "two keys of a filter took {filter:?}");
    assert!(taken < Duration::from_millis(1200), "a new report took {taken:?}");
    assert!(tick < Duration::from_millis(20), "a tick took {tick:?}");
}

/// However many tables there are, only the visible ones are drawn: no work grows with them there.
#[test]
fn drawing_does_not_grow_with_the_tables() {
    let (few, many) = (Console::new(200, 60), large());
    let small = best(30, || drop(draw(&few.state)));
    let large = best(30, || drop(draw(&many.state)));
    assert!(large < small * 4 + Duration::from_millis(5), "40 tables {small:?}, 10,000 tables {large:?}");
}
