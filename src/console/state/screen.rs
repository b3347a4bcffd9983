//! Screens that lie over the list: the page of a table with its sides, and single pages.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::console::page::Page;
use crate::console::seam::{Id, Look, Tab};
use crate::model::TableName;
use crate::model::fault::FaultDocument;

/// Something that was asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Loaded<T> {
    /// Not asked for yet.
    #[default]
    Empty,
    /// Asked for, with what was there before.
    Waiting(Id, Option<Box<T>>),
    Ready(Box<T>),
    /// It failed, with what was there before.
    Failed(Box<FaultDocument>, Option<Box<T>>),
}

impl<T> Loaded<T> {
    /// What can be shown.
    #[must_use]
    pub fn shown(&self) -> Option<&T> {
        match self {
            Self::Empty => None,
            Self::Ready(value) => Some(value),
            Self::Waiting(_, before) | Self::Failed(_, before) => before.as_deref(),
        }
    }

    /// It is asked for.
    pub fn ask(&mut self, id: Id) {
        let before = match std::mem::take(self) {
            Self::Empty => None,
            Self::Ready(value) => Some(value),
            Self::Waiting(_, before) | Self::Failed(_, before) => before,
        };
        *self = Self::Waiting(id, before);
    }

    /// Takes an answer over, if it is the one that is waited for.
    pub fn take(&mut self, id: Id, answer: Result<T, Box<FaultDocument>>) -> bool {
        if !matches!(self, Self::Waiting(waited, _) if *waited == id) {
            return false;
        }
        *self = match (answer, std::mem::take(self)) {
            (Ok(value), _) => Self::Ready(Box::new(value)),
            (Err(fault), Self::Waiting(_, before)) => Self::Failed(fault, before),
            (Err(fault), _) => Self::Failed(fault, None),
        };
        true
    }
}

/// A page with what the operator did to it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PageScreen {
    /// How it is asked for again; `None`: it is as it is.
    pub ask: Option<Look>,
    pub page: Loaded<Page>,
    /// Among the rows and choices that can be opened.
    pub cursor: usize,
    /// First line that is shown.
    pub scroll: usize,
    /// Values are shown.
    pub revealed: bool,
    /// When it was read; `None`: it is as it is.
    pub read: Option<Timestamp>,
    /// Something has changed what it tells.
    pub stale: bool,
}

/// The page of a table.
#[derive(Clone, PartialEq, Debug)]
pub struct TableScreen {
    pub table: TableName,
    pub tab: Tab,
    pub tabs: BTreeMap<Tab, PageScreen>,
}

/// One screen of the stack.
#[derive(Clone, PartialEq, Debug)]
pub enum Screen {
    Table(TableScreen),
    Page(PageScreen),
}

impl Screen {
    /// The table that it is about.
    #[must_use]
    pub fn table(&self) -> Option<&TableName> {
        match self {
            Self::Table(screen) => Some(&screen.table),
            Self::Page(screen) => screen.page.shown().and_then(|page| page.table.as_ref()).or(match &screen.ask {
                Some(
                    Look::Preview { table, .. }
                    | Look::Row { table, .. }
                    | Look::Trace { table, .. }
                    | Look::LoadErrors { table, .. }
                    | Look::DryRun { table },
                ) => Some(table),
                _ => None,
            }),
        }
    }

    /// The page that is shown.
    #[must_use]
    pub fn page(&self) -> Option<&PageScreen> {
        match self {
            Self::Table(screen) => screen.tabs.get(&screen.tab),
            Self::Page(screen) => Some(screen),
        }
    }

    pub fn page_mut(&mut self) -> &mut PageScreen {
        match self {
            Self::Table(screen) => screen.tabs.entry(screen.tab).or_default(),
            Self::Page(screen) => screen,
        }
    }

    /// Every page of it: an answer may be for one that is not shown.
    pub fn pages_mut(&mut self) -> Box<dyn Iterator<Item = &mut PageScreen> + '_> {
        match self {
            Self::Table(screen) => Box::new(screen.tabs.values_mut()),
            Self::Page(screen) => Box::new(std::iter::once(screen)),
        }
    }
}
