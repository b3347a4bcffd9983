//! The real terminal: taking it over, giving it back whatever happens, and what only it can do.

use std::io::{self, Stdout, Write as _, stdout};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event, EventStream};
use crossterm::execute;
use crossterm::style::force_color_output;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use ratatui::Terminal;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::frames::Frames;
use super::msg::{Effect, Msg};
use super::run::{Input, Outside};
use super::state::session::{Session, Sessions};
use crate::config::new_file::{Readers, write_new};

/// The panic hook is set once, whatever is taken how often.
static HOOK: Once = Once::new();
/// The terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Panics of tasks while it was.
static LATER: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A terminal that is ours until it is dropped.
pub struct Taken {
    pub terminal: Terminal<Frames<Stdout>>,
}

impl Taken {
    /// Takes the terminal over. A panic gives it back before its message is printed.
    ///
    /// # Errors
    /// When standard output is no terminal, or cannot be written to.
    pub fn take(mouse: bool) -> io::Result<Self> {
        // With NO_COLOR crossterm writes a bare reset that undoes REVERSED, too: our own colourless
        // theme is what keeps colours out.
        force_color_output(true);
        HOOK.call_once(|| {
            let (before, own) = (std::panic::take_hook(), std::thread::current().id());
            std::panic::set_hook(Box::new(move |panic| {
                if std::thread::current().id() == own {
                    let _ = give_back();
                    before(panic);
                } else if TAKEN.load(Ordering::SeqCst) {
                    // The console goes on: what would spoil its screen is told when it is left.
                    LATER.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
                } else {
                    before(panic);
                }
            }));
        });
        enter(mouse)?;
        Ok(Self { terminal: Terminal::new(Frames::new(stdout()))? })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let _ = give_back();
        let panics = std::mem::take(&mut *LATER.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = panics.iter().try_for_each(|panic| writeln!(io::stderr(), "{panic}"));
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
    if mouse {
        execute!(stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// Undoes everything that [`enter`] does; harmless when it was undone before.
fn give_back() -> io::Result<()> {
    TAKEN.store(false, Ordering::SeqCst);
    execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, crossterm::cursor::Show)?;
    disable_raw_mode()
}

/// The keyboard's reader. It reads ahead on a thread of its own: whoever else is to get the keys
/// needs it out of the way.
#[derive(Clone)]
pub struct Keys(Arc<Mutex<Option<EventStream>>>);

impl Default for Keys {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(EventStream::new()))))
    }
}

impl Keys {
    fn slot(&self) -> MutexGuard<'_, Option<EventStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<io::Result<Event>>> {
        self.slot().as_mut().map_or(Poll::Pending, |reader| reader.poll_next_unpin(context))
    }
}

/// Keys, mouse, resizes, and the signals that end a program.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn input(keys: &Keys) -> io::Result<impl Stream<Item = Input> + Unpin + use<>> {
    let keys = keys.clone();
    let keys = futures::stream::poll_fn(move |context| keys.poll(context));
    let keys = keys.filter_map(|event| std::future::ready(event.ok().map(Input::Event)));
    let ended = |kind| -> io::Result<_> {
        let mut signals = signal(kind)?;
        Ok(Box::pin(futures::stream::poll_fn(move |context| signals.poll_recv(context)).map(|()| Input::Terminate)))
    };
    let signals = futures::stream::select(ended(SignalKind::terminate())?, ended(SignalKind::hangup())?);
    Ok(futures::stream::select(keys, signals))
}

/// What only the outside can do.
pub struct Shell {
    pub mouse: bool,
    pub keys: Keys,
    /// Where sessions are kept; `None`: nowhere.
    pub sessions: Option<PathBuf>,
}

impl Shell {
    fn recalled(&self) -> Sessions {
        let text = self.sessions.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        text.and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
    }

    /// Writes beside and renames, so that a crash leaves the old or the new file.
    fn remember(&self, profile: String, mut session: Session) -> io::Result<()> {
        let Some(path) = &self.sessions else { return Ok(()) };
        let mut sessions = self.recalled();
        if let Some(before) = sessions.profiles.get(&profile)
            && session.theme.is_empty()
        {
            session.theme.clone_from(&before.theme);
        }
        sessions.profiles.insert(profile, session);
        let folder = path.parent().unwrap_or(std::path::Path::new("."));
        std::fs::create_dir_all(folder)?;
        let text = toml::to_string(&sessions).map_err(io::Error::other)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Gives the terminal to somebody else, and takes it back.
    fn aside<R>(&self, work: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.keys.slot().take();
        let given = give_back();
        let done = given.and_then(|()| work());
        *self.keys.slot() = Some(EventStream::new());
        enter(self.mouse)?;
        done
    }
}

impl Outside for Shell {
    fn perform(&mut self, effect: Effect) -> Option<Msg> {
        let said = |done: io::Result<String>| Some(Msg::Done(done.map_err(|error| error.to_string())));
        match effect {
            Effect::Copy(text) => {
                let size = text.len();
                said(execute!(stdout(), CopyToClipboard::to_clipboard_from(text)).map(|()| format!("copied {size} bytes to the clipboard")))
            }
            Effect::Write { path, text } => {
                said(write_new(&path, text.as_bytes(), Readers::Everyone).map(|()| format!("written: {}", path.display())))
            }
            Effect::Suspend => {
                let done = self.aside(|| {
                    let me = rustix::process::getpid();
                    rustix::process::kill_process(me, rustix::process::Signal::TSTP).map_err(io::Error::from)
                });
                if let Err(error) = done {
                    return Some(Msg::Done(Err(error.to_string())));
                }
                Some(Msg::Resumed)
            }
            Effect::Remember { profile, session } => match self.remember(profile, session) {
                Ok(()) => None,
                Err(error) => Some(Msg::Done(Err(format!("the view could not be remembered: {error}")))),
            },
            Effect::Ask(..) | Effect::Recall { .. } | Effect::Discard(_) | Effect::Pager(_) | Effect::Quit => None,
        }
    }

    async fn page(&self, text: String, stop: CancellationToken) -> Msg {
        self.keys.slot().take();
        let given = give_back();
        let done = if given.is_ok() { pager(&text, stop).await } else { given };
        *self.keys.slot() = Some(EventStream::new());
        let done = enter(self.mouse).and(done);
        Msg::Done(done.map(|()| String::new()).map_err(|error| error.to_string()))
    }

    fn recall(&mut self, profile: &str) -> Session {
        self.recalled().profiles.remove(profile).unwrap_or_default()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// How long a pager may take to give the terminal back when it is told to end.
const LEAVES: Duration = Duration::from_secs(2);

async fn pager(text: &str, stop: CancellationToken) -> io::Result<()> {
    // Ctrl-C goes to everybody who has the terminal: it means the pager, and we hear it for nothing.
    let _unheard = signal(SignalKind::interrupt())?;
    let program = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty()).unwrap_or_else(|| "less".into());
    let mut child = Command::new("sh").arg("-c").arg(&program).stdin(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut input = child.stdin.take();
    let feed = async {
        if let Some(mut input) = input.take() {
            // A pager that is left early closes its end.
            let _ = input.write_all(text.as_bytes()).await;
        }
    };
    let ended = tokio::select! {
        (status, ()) = async { tokio::join!(child.wait(), feed) } => Some(status?),
        () = stop.cancelled() => None,
    };
    let Some(status) = ended else {
        // Its own end leaves the terminal in order; only one that does not listen is killed.
        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        match tokio::time::timeout(LEAVES, child.wait()).await {
            Ok(status) => drop(status?),
            Err(_) => child.kill().await?,
        }
        return Ok(());
    };
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("the pager `{program}` ended with {status}"))) }
}
