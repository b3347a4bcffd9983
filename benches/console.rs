//! What the console costs with 10,000 tables at 200x60: a key, a filter, a new report, a second in
//! which nothing happens.
//!
//! `cargo bench --bench console` prints median and 99th percentile of update and draw together, in
//! milliseconds, and the bytes that a frame sends to the terminal. The budget of a key is 2 ms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench fails by panicking")]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/console/answers.rs"]
mod answers;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/console/driver.rs"]
mod driver;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/console/rig.rs"]
mod rig;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/console/world.rs"]
mod world;

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use db_to_redshift::console::msg::Msg;
use db_to_redshift::console::seam::{Answer, Reply};
use db_to_redshift::console::state::{Options, Purpose};
use db_to_redshift::console::view::view;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use self::answers::World;
use self::driver::{Console, key};

const TABLES: usize = 10_000;
const SIZE: (u16, u16) = (200, 60);
const ROUNDS: usize = 300;

/// Counts what a terminal would get.
struct Counted(Rc<Cell<usize>>);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

type Screen = Terminal<CrosstermBackend<Counted>>;

struct Bench {
    console: Console,
    screen: Screen,
    bytes: Rc<Cell<usize>>,
}

impl Bench {
    fn new() -> Self {
        let bytes = Rc::new(Cell::new(0));
        let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, SIZE.0, SIZE.1)) };
        let screen = Terminal::with_options(CrosstermBackend::new(Counted(bytes.clone())), options).unwrap();
        let mut bench = Self { console: Console::new(SIZE.0, SIZE.1), screen, bytes };
        let report = bench.report();
        bench.console.send(report);
        bench.draw();
        bench
    }

    /// A new report as an answer that is waited for; made outside of what is measured.
    fn report(&mut self) -> Msg {
        let state = &mut self.console.state;
        let id = state.id();
        state.waiting.insert(id, Purpose::Fleet { target: true, asked: state.now });
        let answer = Answer::Fleet { report: Box::new(world::large(TABLES)), target_at: Some(state.now) };
        Msg::Reply(Box::new(Reply::Answer { id, answer }))
    }

    fn draw(&mut self) {
        let state = &self.console.state;
        self.screen.draw(|frame| drop(view(state, frame.buffer_mut()))).unwrap();
    }

    /// Updates and draws by each message in turn, and says what that took.
    fn measure(&mut self, name: &str, rounds: usize, mut message: impl FnMut(&mut Self, usize) -> Msg) {
        let mut times = Vec::with_capacity(rounds);
        self.bytes.set(0);
        for round in 0..rounds {
            let msg = message(self, round);
            let start = Instant::now();
            self.console.send(msg);
            self.draw();
            times.push(start.elapsed());
        }
        times.sort();
        let at = |part: usize| times[(times.len() - 1) * part / 100];
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        println!("{name:16} median {:7.3} ms   p99 {:7.3} ms   {:6} bytes a frame", ms(at(50)), ms(at(99)), self.bytes.get() / rounds);
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    println!("{TABLES} tables at {}x{}", SIZE.0, SIZE.1);
    let mut bench = Bench::new();
    bench.measure("key down", ROUNDS, |_, _| Msg::Key(key("j")));
    bench.measure("page down", ROUNDS, |_, _| Msg::Key(key("pagedown")));
    bench.console.press("g /");
    let typed = ["o", "r", "d", "e", "r", "l", "backspace", "backspace", "backspace", "backspace", "backspace", "backspace"];
    bench.measure("filter", ROUNDS, |_, round| Msg::Key(key(typed[round % typed.len()])));
    bench.console.press("esc");
    bench.measure("new report", ROUNDS / 6, |bench, _| bench.report());
    bench.measure("sort", ROUNDS / 3, |_, _| Msg::Key(key("s")));
    bench.measure("resize", ROUNDS, |_, round| Msg::Resize(if round % 2 == 0 { 120 } else { SIZE.0 }, SIZE.1));

    let minute = rig::with(World::default(), Options { profile: "stage".into(), ..Options::default() }, SIZE, async |hand| {
        hand.seconds(60).await;
    })
    .await;
    #[expect(clippy::cast_precision_loss, reason = "a rate for a person")]
    let rate = minute.frames as f64 / 60.0;
    println!("idle             {rate:.2} frames a second");
}
