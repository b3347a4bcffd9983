//! The state of the console. It changes in `update` alone, and `view` only reads it.

pub mod filter;
pub mod fleet;
pub mod jobs;
pub mod links;
pub mod log;
pub mod overlay;
pub mod prepares;
pub mod screen;
pub mod session;
pub mod trouble;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tui_input::Input;

use self::fleet::{Fleet, Row};
use self::jobs::Jobs;
use self::links::Links;
use self::log::Log;
use self::overlay::Overlay;
use self::prepares::Prepares;
use self::screen::{Loaded, Screen};
use super::keymap::Keymap;
use super::page::Tone;
use super::seam::{Access, Id, Place, Tab};
use super::setup::Checklist;
use super::theme::Look;
use crate::model::TableName;
use crate::model::control::RunRecord;
use crate::model::fault::FaultDocument;

/// The six views.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum View {
    #[default]
    Tables,
    Files,
    Redshift,
    Runs,
    Log,
    Setup,
}

impl View {
    pub const ALL: [Self; 6] = [Self::Tables, Self::Files, Self::Redshift, Self::Runs, Self::Log, Self::Setup];

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Tables => "Tables",
            Self::Files => "S3 files",
            Self::Redshift => "Redshift",
            Self::Runs => "Runs",
            Self::Log => "Log",
            Self::Setup => "Setup",
        }
    }

    /// Lists tables: cursor, marks, filter and sort are one for all three.
    #[must_use]
    pub fn lists_tables(self) -> bool {
        matches!(self, Self::Tables | Self::Files | Self::Redshift)
    }

    /// The side of a table that Enter opens here.
    #[must_use]
    pub fn tab(self) -> Tab {
        match self {
            Self::Files => Tab::Files,
            Self::Redshift => Tab::Staging,
            _ => Tab::Overview,
        }
    }
}

/// A cursor in a list, and the first line that is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    pub at: usize,
    pub top: usize,
}

impl Cursor {
    /// Moves by so many lines within `len`.
    pub fn step(&mut self, by: isize, len: usize) {
        self.at = self.at.saturating_add_signed(by).min(len.saturating_sub(1));
    }

    /// Keeps the cursor among `height` visible lines.
    pub fn reveal(&mut self, len: usize, height: usize) {
        self.at = self.at.min(len.saturating_sub(1));
        self.top = self.top.min(self.at).min(len.saturating_sub(height));
        if height > 0 && self.at >= self.top + height {
            self.top = self.at + 1 - height;
        }
    }
}

/// Why an answer is waited for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Purpose {
    Connect,
    Fleet {
        target: bool,
        asked: Timestamp,
    },
    Runs,
    Setup,
    /// The page on top of the stack, or a side of it.
    Page,
    Plan,
    Bundle,
    Access,
}

/// One line for the operator, until the next key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub tone: Tone,
    pub text: String,
}

/// When what is asked next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Polls {
    pub fleet: Option<Timestamp>,
    pub target: Option<Timestamp>,
    pub runs: Option<Timestamp>,
}

/// What the console was started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub profile: String,
    pub keymap: Keymap,
    pub look: Look,
    /// Problems of the configuration that the operator should see.
    pub warnings: Vec<String>,
}

/// Everything.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Clone, Debug)]
pub struct State {
    /// The time of the last tick: no other clock is read.
    pub now: Timestamp,
    /// Columns and lines.
    pub size: (u16, u16),
    pub place: Place,
    pub connected: bool,
    pub access: Access,
    pub look: Look,
    pub keymap: Keymap,
    pub fleet: Fleet,
    pub links: Links,
    pub runs: Vec<RunRecord>,
    pub prepares: Prepares,
    /// Why the runs could not be read last: what failed may be more than is known.
    pub unread: Option<Box<FaultDocument>>,
    pub setup: Loaded<Checklist>,
    pub view: View,
    pub cursors: BTreeMap<View, Cursor>,
    /// The table under the cursor: rows move beneath it.
    pub table: Option<TableName>,
    pub stack: Vec<Screen>,
    pub overlay: Option<Overlay>,
    /// The filter is being typed.
    pub typing: Option<Input>,
    pub marks: BTreeSet<TableName>,
    /// Where a range of marks begins.
    pub range: Option<TableName>,
    pub jobs: Jobs,
    pub log: Log,
    pub message: Option<Message>,
    pub frozen: bool,
    pub full_screen: bool,
    /// Leaving: no new job is begun.
    pub leaving: bool,
    pub waiting: BTreeMap<Id, Purpose>,
    pub polls: Polls,
    /// Something visible changed since the last frame.
    pub dirty: bool,
    pub next_id: Id,
    /// A first Ctrl-C was pressed.
    pub interrupted: bool,
    /// The runs were read: what failed is known.
    pub judged: bool,
    /// The operator has moved the cursor of the list, or opened what it is on.
    pub moved: bool,
}

impl State {
    #[must_use]
    pub fn new(options: Options, now: Timestamp, size: (u16, u16)) -> Self {
        let mut log = Log::default();
        for warning in options.warnings {
            log.push(now, Tone::Warn, warning);
        }
        Self {
            now,
            size,
            place: Place { profile: options.profile, ..Place::default() },
            connected: false,
            access: Access::Locked,
            look: options.look,
            keymap: options.keymap,
            fleet: Fleet::default(),
            links: Links::default(),
            runs: Vec::new(),
            prepares: Prepares::default(),
            unread: None,
            setup: Loaded::Empty,
            view: View::Tables,
            cursors: BTreeMap::new(),
            table: None,
            stack: Vec::new(),
            overlay: None,
            typing: None,
            marks: BTreeSet::new(),
            range: None,
            jobs: Jobs::default(),
            log,
            message: None,
            frozen: false,
            full_screen: false,
            leaving: false,
            waiting: BTreeMap::new(),
            polls: Polls::default(),
            dirty: true,
            next_id: 1,
            interrupted: false,
            judged: false,
            moved: false,
        }
    }

    /// A number that no question had before.
    pub fn id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }

    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.message = Some(Message { tone, text: text.into() });
        self.dirty = true;
    }

    /// Whether an answer of this kind is waited for.
    #[must_use]
    pub fn awaits(&self, is: impl Fn(&Purpose) -> bool) -> bool {
        self.waiting.values().any(is)
    }

    /// The row under the cursor of the list.
    #[must_use]
    pub fn row(&self) -> Option<&Row> {
        self.fleet.row(self.cursor().at)
    }

    /// The cursor of the view. The three lists of tables share one.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.cursors.get(&self.cursor_of()).copied().unwrap_or_default()
    }

    pub fn cursor_mut(&mut self) -> &mut Cursor {
        self.cursors.entry(self.cursor_of()).or_default()
    }

    fn cursor_of(&self) -> View {
        if self.view.lists_tables() { View::Tables } else { self.view }
    }

    /// What an order would be given for: the table of the page, else the marked ones, else the one
    /// under the cursor. A page that is about no table hides the list: then nothing.
    #[must_use]
    pub fn chosen(&self) -> Vec<TableName> {
        if self.marks.is_empty() || !self.stack.is_empty() || !self.view.lists_tables() {
            return self.focused().cloned().into_iter().collect();
        }
        self.marks.iter().cloned().collect()
    }

    /// What a look is for: the table of the page on top, else the one under the cursor, marked or
    /// not.
    #[must_use]
    pub fn focused(&self) -> Option<&TableName> {
        match self.stack.last() {
            Some(screen) => screen.table(),
            None => self.row().filter(|_| self.view.lists_tables()).map(|row| &row.table),
        }
    }

    /// How many of the marked tables that are chosen filter or `!` hide. They come by name.
    #[must_use]
    pub fn hidden(&self, chosen: &[TableName]) -> usize {
        let narrow = self.fleet.problems_only || !self.fleet.filter.is_empty();
        if !narrow || self.marks.is_empty() || !self.stack.is_empty() || !self.view.lists_tables() {
            return 0;
        }
        chosen.len() - self.fleet.rows().filter(|row| chosen.binary_search(&row.table).is_ok()).count().min(chosen.len())
    }

    #[must_use]
    pub fn may_write(&self) -> bool {
        self.access.may_write(self.now)
    }

    /// Every problem profile asks before a retry, too.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        !matches!(self.access, Access::Write)
    }
}
