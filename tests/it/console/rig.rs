//! The loop with everything around it replaced: a script of input, a fake engine, a screen that can
//! be read meanwhile, and a clock that only a test moves.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossterm::event::Event;
use db_to_redshift::console::msg::{Effect, Msg};
use db_to_redshift::console::run::{Input, Outside, Spent, run};
use db_to_redshift::console::seam::{Ask, Backend, Id, Replies, Reply};
use db_to_redshift::console::state::Options;
use db_to_redshift::console::state::session::Session;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::{Backend as Screen, ClearType, TestBackend, WindowSize};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Size};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answers::World;
use super::driver::{key, text};
use super::world;

/// What happened, in its order.
#[derive(Clone, PartialEq, Debug)]
pub enum Note {
    Frame,
    Asked(Ask),
}

/// What test and fakes share.
pub struct Shared {
    pub world: World,
    /// Everything that was asked, with its second since the start.
    pub asked: Vec<(u64, Id, Ask)>,
    /// Questions wait for [`Hand::release`].
    pub hold: bool,
    held: Vec<(Id, Ask)>,
    replies: Option<Replies>,
    /// The screen can be written to no more.
    broken: bool,
    notes: Vec<Note>,
    start: Instant,
}

impl Shared {
    fn now(&self) -> Timestamp {
        world::start() + SignedDuration::try_from(self.start.elapsed()).unwrap()
    }
}

struct Fake(Arc<Mutex<Shared>>);

impl Backend for Fake {
    fn ask(&mut self, id: Id, ask: Ask, replies: &Replies) {
        let mut shared = self.0.lock().unwrap();
        let at = shared.start.elapsed().as_secs();
        shared.notes.push(Note::Asked(ask.clone()));
        shared.asked.push((at, id, ask.clone()));
        shared.replies = Some(replies.clone());
        if shared.hold {
            shared.held.push((id, ask));
        } else if let Some(answer) = shared.world.answer(&ask, shared.now()) {
            replies.try_send(Reply::Answer { id, answer }).unwrap();
        }
    }

    async fn finish(&mut self) {}
}

/// Sees every frame, and lets the test look at the last one.
struct Watched {
    inner: Rc<RefCell<TestBackend>>,
    shared: Arc<Mutex<Shared>>,
}

impl Screen for Watched {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let mut shared = self.shared.lock().unwrap();
        if shared.broken {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        shared.notes.push(Note::Frame);
        whole(self.inner.borrow_mut().draw(content))
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        whole(self.inner.borrow_mut().hide_cursor())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        whole(self.inner.borrow_mut().show_cursor())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        whole(self.inner.borrow_mut().get_cursor_position())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        whole(self.inner.borrow_mut().set_cursor_position(position))
    }

    fn clear(&mut self) -> io::Result<()> {
        whole(self.inner.borrow_mut().clear())
    }

    fn clear_region(&mut self, kind: ClearType) -> io::Result<()> {
        whole(self.inner.borrow_mut().clear_region(kind))
    }

    fn size(&self) -> io::Result<Size> {
        whole(self.inner.borrow().size())
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        whole(self.inner.borrow_mut().window_size())
    }

    fn flush(&mut self) -> io::Result<()> {
        whole(self.inner.borrow_mut().flush())
    }
}

/// The inner screen cannot fail.
fn whole<T>(done: Result<T, std::convert::Infallible>) -> io::Result<T> {
    done.map_err(|never| match never {})
}

struct Desk {
    shared: Arc<Mutex<Shared>>,
    performed: Rc<RefCell<Vec<Effect>>>,
    pager: Rc<Notify>,
}

impl Outside for Desk {
    fn perform(&mut self, effect: Effect) -> Option<Msg> {
        self.performed.borrow_mut().push(effect);
        None
    }

    async fn page(&self, text: String, stop: CancellationToken) -> Msg {
        self.performed.borrow_mut().push(Effect::Pager(text));
        tokio::select! {
            () = self.pager.notified() => Msg::Done(Ok(String::new())),
            () = stop.cancelled() => Msg::Done(Ok(String::new())),
        }
    }

    fn recall(&mut self, _profile: &str) -> Session {
        Session::default()
    }

    fn now(&self) -> Timestamp {
        self.shared.lock().unwrap().now()
    }
}

/// What a test holds while the console runs.
pub struct Hand {
    pub shared: Arc<Mutex<Shared>>,
    pub performed: Rc<RefCell<Vec<Effect>>>,
    /// Notified, the pager is left.
    pub pager: Rc<Notify>,
    input: mpsc::UnboundedSender<Input>,
    screen: Rc<RefCell<TestBackend>>,
}

impl Hand {
    /// Lets time pass. The clock jumps there as soon as nobody has anything to do.
    pub async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub async fn seconds(&self, seconds: u64) {
        self.wait(Duration::from_secs(seconds)).await;
    }

    /// Presses keys, and waits until the frame of the last is drawn.
    pub async fn press(&self, keys: &str) {
        for name in keys.split_whitespace() {
            self.input.send(Input::Event(Event::Key(key(name)))).ok();
        }
        self.wait(Duration::from_millis(50)).await;
    }

    pub fn send(&self, input: Input) {
        self.input.send(input).ok();
    }

    pub fn resize(&self, width: u16, height: u16) {
        self.screen.borrow_mut().resize(width, height);
        self.send(Input::Event(Event::Resize(width, height)));
    }

    pub fn text(&self) -> String {
        text(self.screen.borrow().buffer())
    }

    pub fn buffer(&self) -> Buffer {
        self.screen.borrow().buffer().clone()
    }

    pub fn world(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.shared.lock().unwrap().world);
    }

    /// From now on nothing can be drawn.
    pub fn break_screen(&self) {
        self.shared.lock().unwrap().broken = true;
    }

    pub fn hold(&self, hold: bool) {
        self.shared.lock().unwrap().hold = hold;
    }

    /// Answers what was held back; gives how many these were.
    pub fn release(&self) -> usize {
        let mut shared = self.shared.lock().unwrap();
        let held = std::mem::take(&mut shared.held);
        let (now, replies) = (shared.now(), shared.replies.clone().unwrap());
        for (id, ask) in &held {
            if let Some(answer) = shared.world.answer(ask, now) {
                replies.try_send(Reply::Answer { id: *id, answer }).unwrap();
            }
        }
        held.len()
    }

    pub fn reply(&self, reply: Reply) {
        self.shared.lock().unwrap().replies.clone().unwrap().try_send(reply).unwrap();
    }

    /// As a job does it: waits while the console does not listen.
    pub async fn tell(&self, reply: Reply) {
        let replies = self.shared.lock().unwrap().replies.clone().unwrap();
        replies.send(reply).await.unwrap();
    }

    /// The id of the newest order.
    pub fn job(&self) -> Id {
        self.asked().into_iter().rev().find(|(_, _, ask)| ask.writes()).map(|(_, id, _)| id).unwrap()
    }

    pub fn asked(&self) -> Vec<(u64, Id, Ask)> {
        self.shared.lock().unwrap().asked.clone()
    }

    /// Seconds in which something was asked.
    pub fn when(&self, is: impl Fn(&Ask) -> bool) -> Vec<u64> {
        self.asked().into_iter().filter(|(_, _, ask)| is(ask)).map(|(at, ..)| at).collect()
    }

    pub fn frames(&self) -> usize {
        self.shared.lock().unwrap().notes.iter().filter(|note| **note == Note::Frame).count()
    }

    pub fn notes(&self) -> Vec<Note> {
        self.shared.lock().unwrap().notes.clone()
    }
}

/// Runs the console beside a script until both are over. The end of the script hangs up.
pub async fn with(world: World, options: Options, size: (u16, u16), script: impl AsyncFnOnce(&Hand)) -> Spent {
    until(world, options, size, script).await.unwrap()
}

/// The same; the console may also end because its screen breaks.
pub async fn until(world: World, options: Options, size: (u16, u16), script: impl AsyncFnOnce(&Hand)) -> io::Result<Spent> {
    let shared = Shared {
        hold: world.silent,
        world,
        asked: Vec::new(),
        held: Vec::new(),
        replies: None,
        broken: false,
        notes: Vec::new(),
        start: Instant::now(),
    };
    let shared = Arc::new(Mutex::new(shared));
    let screen = Rc::new(RefCell::new(TestBackend::new(size.0, size.1)));
    let (input, mut events) = mpsc::unbounded_channel();
    let performed = Rc::new(RefCell::new(Vec::new()));
    let pager = Rc::new(Notify::new());
    let mut desk = Desk { shared: shared.clone(), performed: performed.clone(), pager: pager.clone() };
    let mut backend = Fake(shared.clone());
    let mut terminal = Terminal::new(Watched { inner: screen.clone(), shared: shared.clone() }).unwrap();
    let stream = futures::stream::poll_fn(move |context| events.poll_recv(context)).boxed_local();
    let script = async {
        let hand = Hand { shared, performed, pager, input, screen };
        script(&hand).await;
    };
    let (spent, ()) = tokio::join!(run(options, &mut terminal, stream, &mut backend, &mut desk), script);
    spent
}
