//! `console`: the screen, with the engine behind it.

mod access;
mod background;
mod jobs;
mod looks;
mod place;
mod plain;
mod plan;
mod setup;
mod worker;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::CommandFactory as _;
use futures::StreamExt as _;

use self::worker::Worker;
pub use self::worker::guarded;
use super::args::{Cli, Command, Console, Global};
use super::{exit, output, signals};
use crate::config::{self, ConsoleSettings};
use crate::console::keymap::Keymap;
use crate::console::run::{Input, run as run_console};
use crate::console::seam::Backend as _;
use crate::console::state::Options;
use crate::console::terminal::{Keys, Shell, Taken, input};
use crate::console::theme::{Look, ThemeName};
use crate::model::Fault;
use crate::model::fault::cfg;

/// What a bare `db-to-redshift` means: the console, where there is a terminal.
#[must_use]
pub fn by_default() -> Option<Command> {
    on_terminal().then(|| Command::Console(Console::default()))
}

/// A bare `db-to-redshift` without a terminal.
#[must_use]
pub fn no_command() -> u8 {
    output::talk(Cli::command().render_help());
    exit::CONFIG
}

/// Both ends are a terminal.
#[must_use]
pub fn on_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

pub async fn run(global: &Global, console: &Console) -> Result<u8, Fault> {
    if console.plain {
        return plain::run(global).await;
    }
    if !on_terminal() {
        return Err(Fault::new(&cfg::NO_TERMINAL, "the console cannot be opened: standard input or output is no terminal"));
    }
    // A configuration that is missing or wrong is shown by the console itself.
    let settings = config::load(global.config.as_deref(), global.profile.as_deref()).ok().map(|settings| settings.console);
    show(global, console, settings).await
}

async fn show(global: &Global, console: &Console, settings: Option<ConsoleSettings>) -> Result<u8, Fault> {
    let keys = settings.as_ref().map(|settings| settings.keys.iter().cloned().collect()).unwrap_or_default();
    let (keymap, warnings) = Keymap::with(&keys);
    let mouse = !console.no_mouse && settings.as_ref().is_none_or(|settings| settings.mouse);
    let (look, early) = look(console, settings.as_ref());
    let profile = global.profile.clone().unwrap_or_else(|| "default".to_owned());
    let options = Options { profile, keymap, look, warnings };
    let mut worker = Worker::new(global.config.clone(), global.read_only);
    let reader = Keys::default();
    let mut shell = Shell { mouse, keys: reader.clone(), sessions: sessions() };
    let broken = |error: std::io::Error| {
        Fault::new(&cfg::NO_TERMINAL, "the terminal cannot be used").evidence("error", error.kind()).caused_by(error)
    };
    // What was typed before the screen was there comes first.
    let keys = futures::stream::iter(early).chain(input(&reader).map_err(broken)?);
    let mut taken = Taken::take(mouse).map_err(broken)?;
    let owned = signals::own();
    let ended = run_console(options, &mut taken.terminal, keys, &mut worker, &mut shell).await;
    // The terminal first: what still runs may take a while.
    drop((taken, owned));
    if worker.is_busy() {
        output::talk("jobs are stopping at their next safe point; once more Ctrl-C ends at once");
    }
    tokio::select! {
        () = worker.finish() => {}
        code = signals::after(1) => return Ok(code),
    }
    ended.map_err(broken)?;
    Ok(exit::DONE)
}

/// How the console looks, and the keys that came while the terminal was asked for its colours.
fn look(console: &Console, settings: Option<&ConsoleSettings>) -> (Look, Vec<Input>) {
    let asked = console.theme.as_deref();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let configured = settings.map_or("auto", |settings| settings.theme);
    let (name, fixed) = match (asked, no_color) {
        (Some(name), _) if name != "auto" => (name, true),
        (_, true) => ("mono", true),
        _ => (configured, configured != "auto"),
    };
    let (theme, early) = ThemeName::named(name).map_or_else(background::theme, |theme| (theme, Vec::new()));
    let look = Look {
        theme,
        theme_is_fixed: fixed,
        ascii: console.ascii || settings.is_some_and(|settings| settings.ascii),
        motion: !console.no_motion && settings.is_none_or(|settings| settings.motion),
    };
    (look, early)
}

/// Where views are remembered.
fn sessions() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(state.join("db-to-redshift").join("console.toml"))
}
