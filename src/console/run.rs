//! The loop: input, replies and time in, frames and effects out.

use std::time::Duration;

use crossterm::event::{Event, KeyEventKind, MouseEventKind};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::Backend as Screen;
use ratatui::layout::Rect;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::msg::{Effect, Msg};
use super::seam::{Ask, Backend, Reply};
use super::state::{Options, State};
use super::update::{begin, restore, update};
use super::view::{Hits, view};

/// Between two frames at the least.
const FRAME: Duration = Duration::from_millis(33);
/// While a job runs its spinner turns.
const TURN: Duration = Duration::from_millis(200);
/// Ages count in seconds.
const SECOND: Duration = Duration::from_secs(1);

/// What the outside may send beside keys.
#[derive(Clone, Debug)]
pub enum Input {
    Event(Event),
    /// SIGTERM or SIGHUP.
    Terminate,
}

/// Whoever does what only the outside can: clipboard, files, pager, the shell. Replaced in tests.
pub trait Outside {
    /// Does it and says in words how it went; `None`: nothing to say. Must not take long: jobs wait
    /// for whoever hears what they tell.
    fn perform(&mut self, effect: Effect) -> Option<Msg>;

    /// Gives screen and keys to a pager until it is left, or told to `stop`.
    fn page(&self, text: String, stop: CancellationToken) -> impl Future<Output = Msg>;

    /// What was kept for a profile.
    fn recall(&mut self, profile: &str) -> super::state::session::Session;

    /// The time.
    fn now(&self) -> Timestamp;
}

/// What a run has cost, for tests and the bench.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    pub frames: u64,
    pub messages: u64,
}

/// Runs the console until it is left. Jobs that were asked to stop are waited for by the caller,
/// when the terminal is its own again.
///
/// # Errors
/// When the screen cannot be written to. Every job was asked to stop then, too.
pub async fn run<S, I, B, O>(
    options: Options,
    terminal: &mut Terminal<S>,
    mut input: I,
    backend: &mut B,
    outside: &mut O,
) -> Result<Spent, S::Error>
where
    S: Screen,
    I: Stream<Item = Input> + Unpin,
    B: Backend,
    O: Outside,
{
    let size = terminal.size()?;
    let (sender, mut replies) = mpsc::channel::<Reply>(1024);
    let mut state = State::new(options, outside.now(), (size.width, size.height));
    let ended = go(&mut state, terminal, &mut input, backend, outside, &sender, &mut replies).await;
    if ended.is_err() {
        let jobs: Vec<_> = state.jobs.running().map(|job| job.id).collect();
        for job in jobs {
            backend.ask(state.id(), Ask::Cancel { job }, &sender);
        }
    }
    ended
}

async fn go<S, I, B, O>(
    state: &mut State,
    terminal: &mut Terminal<S>,
    input: &mut I,
    backend: &mut B,
    outside: &mut O,
    sender: &mpsc::Sender<Reply>,
    replies: &mut mpsc::Receiver<Reply>,
) -> Result<Spent, S::Error>
where
    S: Screen,
    I: Stream<Item = Input> + Unpin,
    B: Backend,
    O: Outside,
{
    let mut spent = Spent::default();
    let mut queue: Vec<Effect> = begin(state);
    // The first paint waits for nobody.
    let mut hits = draw(state, terminal, &mut spent)?;
    let mut drawn = Instant::now();
    let mut tick = Instant::now();
    // Since when something waits to be shown.
    let mut dirty: Option<Instant> = None;
    loop {
        for effect in std::mem::take(&mut queue) {
            match effect {
                Effect::Quit => return Ok(spent),
                Effect::Ask(id, ask) => backend.ask(id, ask, sender),
                Effect::Discard(report) => drop(tokio::task::spawn_blocking(move || drop(report))),
                Effect::Recall { profile } => {
                    let session = outside.recall(&profile);
                    restore(state, &session);
                }
                Effect::Pager(text) => {
                    queue.extend(paged(state, text, input, outside, replies).await);
                    queue.extend(repaint(state, terminal)?);
                }
                other => {
                    let suspends = other == Effect::Suspend;
                    if let Some(msg) = outside.perform(other) {
                        queue.extend(update(state, msg));
                    }
                    if suspends {
                        queue.extend(repaint(state, terminal)?);
                    }
                }
            }
        }
        if !queue.is_empty() {
            continue;
        }
        // However fast keys and replies come, what they did is shown.
        dirty = if state.dirty { dirty.or_else(|| Some(Instant::now())) } else { None };
        if dirty.is_some_and(|since| since.elapsed() > FRAME) && drawn.elapsed() > FRAME {
            hits = draw(state, terminal, &mut spent)?;
            (drawn, dirty) = (Instant::now(), None);
        }
        let pause = if state.jobs.is_idle() || !state.look.motion { SECOND } else { TURN };
        let frame_due = state.dirty.then_some(drawn + FRAME);
        let message = tokio::select! {
            biased;
            event = input.next() => match event {
                Some(event) => from_input(event, &hits),
                // The terminal is gone.
                None => Some(Msg::Terminate),
            },
            Some(reply) = replies.recv() => Some(Msg::Reply(Box::new(reply))),
            () = at(frame_due) => {
                hits = draw(state, terminal, &mut spent)?;
                (drawn, dirty) = (Instant::now(), None);
                None
            }
            () = tokio::time::sleep_until(tick + pause) => {
                tick = Instant::now();
                Some(Msg::Tick(outside.now()))
            }
        };
        let Some(message) = message else { continue };
        if let Msg::Resize(width, height) = message {
            terminal.resize(Rect::new(0, 0, width, height))?;
        }
        spent.messages += 1;
        queue.extend(update(state, message));
        // What else has come meanwhile belongs into the same frame.
        while let Ok(reply) = replies.try_recv() {
            spent.messages += 1;
            queue.extend(update(state, Msg::Reply(Box::new(reply))));
        }
    }
}

/// The pager has the screen. What jobs tell is taken over all the same: a job that nobody hears
/// would wait, perhaps with a transaction open. What that asks for is done afterwards.
async fn paged<I, O>(state: &mut State, text: String, input: &mut I, outside: &O, replies: &mut mpsc::Receiver<Reply>) -> Vec<Effect>
where
    I: Stream<Item = Input> + Unpin,
    O: Outside,
{
    let (stop, mut effects) = (CancellationToken::new(), Vec::new());
    let mut paging = std::pin::pin!(outside.page(text, stop.clone()));
    let done = loop {
        tokio::select! {
            biased;
            done = &mut paging => break done,
            event = input.next(), if !stop.is_cancelled() => {
                if matches!(event, None | Some(Input::Terminate)) {
                    stop.cancel();
                }
            }
            Some(reply) = replies.recv() => {
                effects.extend(update(state, Msg::Tick(outside.now())));
                effects.extend(update(state, Msg::Reply(Box::new(reply))));
            }
        }
    };
    effects.extend(update(state, done));
    if stop.is_cancelled() {
        effects.extend(update(state, Msg::Terminate));
    }
    effects
}

/// Somebody else has written on the screen.
fn repaint<S: Screen>(state: &mut State, terminal: &mut Terminal<S>) -> Result<Vec<Effect>, S::Error> {
    let size = terminal.size()?;
    terminal.resize(Rect::new(0, 0, size.width, size.height))?;
    Ok(update(state, Msg::Resize(size.width, size.height)))
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn draw<S: Screen>(state: &mut State, terminal: &mut Terminal<S>, spent: &mut Spent) -> Result<Hits, S::Error> {
    let mut hits = Hits::default();
    terminal.draw(|frame| {
        let area = frame.area();
        // A resize that is not in the queue yet.
        state.size = (area.width, area.height);
        hits = view(state, frame.buffer_mut());
    })?;
    state.dirty = false;
    spent.frames += 1;
    Ok(hits)
}

fn from_input(input: Input, hits: &Hits) -> Option<Msg> {
    match input {
        Input::Terminate => Some(Msg::Terminate),
        Input::Event(Event::Key(key)) if key.kind != KeyEventKind::Release => {
            crate::panic_point!("console.key");
            Some(Msg::Key(key))
        }
        Input::Event(Event::Paste(text)) => Some(Msg::Paste(text)),
        Input::Event(Event::Resize(width, height)) => Some(Msg::Resize(width, height)),
        Input::Event(Event::Mouse(mouse)) => match mouse.kind {
            MouseEventKind::Down(crossterm::event::MouseButton::Left) => hits.at(mouse.column, mouse.row).map(Msg::Click),
            MouseEventKind::ScrollDown => Some(Msg::Wheel(3)),
            MouseEventKind::ScrollUp => Some(Msg::Wheel(-3)),
            _ => None,
        },
        Input::Event(_) => None,
    }
}
