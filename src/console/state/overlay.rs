//! What lies over the screen and takes the keys: sheets, lists to pick from, prompts, help.

use tui_input::Input;

use super::screen::Loaded;
use crate::console::action::Action;
use crate::console::order::{Danger, Order};
use crate::console::seam::{Id, Plan};
use crate::model::TableName;

/// One of them at a time.
#[derive(Clone, Debug)]
pub enum Overlay {
    Sheet(Box<Sheet>),
    Pick(Pick),
    Prompt(Prompt),
    Help {
        scroll: usize,
    },
    /// Jobs run, and the operator wants to leave.
    Leaving,
    /// Whether the job with this id should stop.
    Stopping(Id),
}

/// Says what will happen before anything that writes.
#[derive(Clone, Debug)]
pub struct Sheet {
    pub order: Order,
    pub tables: Vec<TableName>,
    pub danger: Danger,
    pub plan: Loaded<Plan>,
    /// The reason, where the order wants one.
    pub reason: Option<Input>,
    /// What must be typed, and what was typed.
    pub typed: Option<(String, Input)>,
    /// Which of the two inputs has the keys.
    pub field: Field,
    /// First line that is shown.
    pub scroll: usize,
}

/// Where keys go in a sheet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    Reason,
    Typed,
    /// No input: `y` runs, `n` cancels.
    Keys,
}

impl Sheet {
    /// What is missing before it may run; `None`: nothing.
    #[must_use]
    pub fn missing(&self) -> Option<&'static str> {
        if self.reason.as_ref().is_some_and(|reason| reason.value().trim().is_empty()) {
            return Some("a reason");
        }
        if self.typed.as_ref().is_some_and(|(wanted, typed)| typed.value() != wanted) {
            return Some("the typed name");
        }
        match self.plan {
            Loaded::Waiting(..) => Some("the plan"),
            Loaded::Failed(..) => Some("a plan that can be carried out"),
            _ => None,
        }
    }
}

/// A list to pick from, with or without something to type.
#[derive(Clone, Debug)]
pub struct Pick {
    pub kind: PickKind,
    pub title: &'static str,
    pub lines: Vec<PickLine>,
    pub cursor: usize,
    /// Narrows the lines.
    pub input: Option<Input>,
}

/// What is picked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PickKind {
    Menu,
    Palette,
    Copy,
    Export,
    Profile,
}

/// A line of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct PickLine {
    pub text: String,
    /// Beside it: a key, or why it cannot be done.
    pub note: String,
    pub enabled: bool,
    pub pick: Picked,
}

/// What a line stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Picked {
    Action(Action),
    Table(TableName),
    Copy(String),
    /// As CSV, or as JSON.
    Export {
        json: bool,
    },
    Profile(String),
}

/// Something to type.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub kind: PromptKind,
    pub title: String,
    /// What is wanted, in a sentence.
    pub help: String,
    pub input: Input,
}

/// What is typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PromptKind {
    /// A key, its columns separated by blanks or quoted.
    Trace(TableName),
    /// The profile's name.
    Unlock,
}
