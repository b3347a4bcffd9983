//! Pages: what is shown of one thing, as data. The console lays a page out, scrolls it, copies and
//! exports it; it does not know what it is about.

use super::order::Order;
use super::seam::Look;
use crate::model::TableName;
use crate::model::fault::{FaultDocument, rs};

/// What a text means, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Tone {
    #[default]
    Plain,
    /// Less important.
    Dim,
    /// Names, headings.
    Accent,
    Good,
    /// Something is at work.
    Busy,
    Warn,
    Bad,
}

/// A page.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Page {
    pub title: String,
    /// The table that it is about, where it is about one: orders given on the page are for it.
    pub table: Option<TableName>,
    pub blocks: Vec<Block>,
    /// It tells of a fault of the table: once a later job went well, the screen says so.
    pub fault: bool,
    /// It has values of rows, which can be shown or hidden.
    pub reveal: bool,
}

/// A part of a page.
#[derive(Clone, PartialEq, Debug)]
pub enum Block {
    /// Names and values, one a line; long values wrap.
    Facts(Vec<Fact>),
    /// A paragraph that wraps.
    Text(Tone, String),
    /// A heading.
    Heading(String),
    /// Lines that are not wrapped, as SQL.
    Code(String),
    Grid(Grid),
    /// Things that can be done, numbered.
    Choices(Vec<Choice>),
}

/// A line of [`Block::Facts`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    pub name: String,
    pub value: String,
    pub tone: Tone,
}

impl Fact {
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), tone: Tone::Plain }
    }

    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// Rows under a header.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Grid {
    pub columns: Vec<GridColumn>,
    pub rows: Vec<GridRow>,
    /// Said instead of rows when there are none.
    pub empty: String,
}

/// A column of a grid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GridColumn {
    pub name: String,
    pub right: bool,
}

impl GridColumn {
    pub fn left(name: impl Into<String>) -> Self {
        Self { name: name.into(), right: false }
    }

    pub fn right(name: impl Into<String>) -> Self {
        Self { name: name.into(), right: true }
    }
}

/// A row of a grid.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GridRow {
    pub cells: Vec<String>,
    pub tone: Tone,
    /// What Enter shows.
    pub open: Option<Open>,
}

/// What stands behind a row.
#[derive(Clone, PartialEq, Debug)]
pub enum Open {
    /// A question whose answer is a page.
    Look(Look),
    /// A fault's page.
    Fault { fault: Box<FaultDocument>, table: Option<TableName> },
}

/// Something that can be done about what the page tells.
#[derive(Clone, PartialEq, Debug)]
pub struct Choice {
    /// In words or as a command line.
    pub text: String,
    /// What the console can do of it by itself; `None`: it can only be copied.
    pub order: Option<Order>,
}

impl Page {
    /// Rows and choices that the cursor can stand on.
    #[must_use]
    pub fn stops(&self) -> usize {
        self.blocks
            .iter()
            .map(|block| match block {
                Block::Grid(grid) => grid.rows.iter().filter(|row| row.open.is_some()).count(),
                Block::Choices(choices) => choices.len(),
                _ => 0,
            })
            .sum()
    }

    /// All choices, in order: number 1 is the first.
    pub fn choices(&self) -> impl Iterator<Item = &Choice> {
        self.blocks.iter().flat_map(|block| match block {
            Block::Choices(choices) => choices.as_slice(),
            _ => &[],
        })
    }

    /// The page of a fault: what happened, what it means, what to do, then the raw evidence.
    #[must_use]
    pub fn of_fault(fault: &FaultDocument, table: Option<&TableName>) -> Self {
        let choices = choices(fault, table);
        let mut blocks = vec![
            Block::Text(Tone::Bad, fault.what.clone()),
            Block::Heading("What it means".into()),
            Block::Text(Tone::Plain, fault.meaning.clone()),
            Block::Heading("What to do".into()),
            Block::Choices(choices),
        ];
        if let Some((look, title, text)) = table.and_then(|table| row_behind(fault, table)) {
            let row = GridRow { cells: vec![text.into()], tone: Tone::Plain, open: Some(Open::Look(look)) };
            let columns = vec![GridColumn::left(title)];
            blocks.push(Block::Grid(Grid { columns, rows: vec![row], empty: String::new() }));
        }
        if !fault.evidence.is_empty() {
            let facts = fault.evidence.iter().map(|fact| Fact::new(&fact.name, &fact.value));
            blocks.extend([Block::Heading("Evidence".into()), Block::Facts(facts.collect())]);
        }
        Self { title: format!("{}: {}", fault.code, fault.title), table: table.cloned(), blocks, fault: true, reveal: false }
    }
}

/// The advice of a fault with the table's name in it. What the page of the dictionary says in
/// general is left out where the fault itself says it with names.
fn choices(fault: &FaultDocument, table: Option<&TableName>) -> Vec<Choice> {
    let mut choices: Vec<Choice> = Vec::new();
    for text in &fault.next {
        let general = text.contains('<');
        let text = match table {
            Some(table) => text.replace("<table>", &format!("{table:#}")),
            None => text.clone(),
        };
        let order = super::advice::order(&text);
        let said = |known: &Choice| match (&known.order, &order) {
            (Some(known), Some(order)) => known.command() == order.command(),
            _ => false,
        };
        if !(general && choices.iter().any(said)) {
            choices.push(Choice { text, order });
        }
    }
    choices
}

/// What shows the row that a fault names: Redshift's note, where a COPY refused it, else the row in
/// its file.
fn row_behind(fault: &FaultDocument, table: &TableName) -> Option<(Look, &'static str, &'static str)> {
    let fact = |name: &str| fault.evidence.iter().find(|fact| fact.name == name).map(|fact| fact.value.clone());
    let line = fact("line")?;
    let table = table.clone();
    if fault.code == rs::LOAD_FAILED.code {
        return Some((
            Look::LoadErrors { table, show_values: false },
            "WHAT REDSHIFT NOTED",
            "file, line, column, type, length, raw field",
        ));
    }
    let look = Look::Row { table, url: fact("file")?, line: line.parse().ok()?, show_values: false };
    Some((look, "THE ROW", "in its change file, with its values on request"))
}
