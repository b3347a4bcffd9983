//! What comes in and what goes out of `update`.

use std::path::PathBuf;

use crossterm::event::KeyEvent;
use jiff::Timestamp;

use super::seam::{Ask, Id, Reply, Tab};
use super::state::View;
use super::state::fleet::Sort;
use super::state::session::Session;
use crate::model::status::StatusReport;

/// Everything that can happen to the console.
#[derive(Clone, PartialEq, Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse was clicked on something that `view` had drawn.
    Click(Hit),
    /// The wheel was turned by so many lines.
    Wheel(isize),
    Resize(u16, u16),
    /// Time passed: the only clock of the console.
    Tick(Timestamp),
    Reply(Box<Reply>),
    /// SIGTERM or SIGHUP: leave in good order.
    Terminate,
    /// Back from the shell.
    Resumed,
    /// What the outside did with an effect, in words; `Err`: it could not.
    Done(Result<String, String>),
}

/// Something on the screen that the mouse can hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hit {
    /// A line of the list, by its place.
    Row(usize),
    /// A column header of the list.
    Header(Sort),
    View(View),
    Tab(Tab),
    /// A row or choice of the page.
    Stop(usize),
    /// A line of the list to pick from.
    Pick(usize),
}

/// What the outside is asked to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    Ask(Id, Ask),
    /// To the clipboard.
    Copy(String),
    /// Into a file of the working folder.
    Write {
        path: PathBuf,
        text: String,
    },
    /// Show a text in $PAGER.
    Pager(String),
    Suspend,
    /// Keep this for the next visit of the profile.
    Remember {
        profile: String,
        session: Session,
    },
    /// Read what was kept for a profile.
    Recall {
        profile: String,
    },
    /// Free a report that another has replaced: that of ten thousand tables takes longer than a frame.
    Discard(Box<StatusReport>),
    /// Leave. Jobs that still run are waited for outside.
    Quit,
}
