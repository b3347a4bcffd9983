//! The view as a file or as text: CSV, JSON, or what a person reads.

use std::path::PathBuf;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::page::{Block, Page};
use super::state::screen::Screen;
use super::state::{State, View};
use super::view::list;
use crate::model::document::{Document, Named};

/// A view as rows under a header.
#[derive(Serialize, JsonSchema)]
struct Rows {
    /// The header. Two columns may have one name, as those of a table may.
    columns: Vec<String>,
    /// The cells of each row, in the order of the columns, as the screen shows them; empty: nothing
    /// to show.
    rows: Vec<Vec<String>>,
}

/// A view of the console.
#[derive(Serialize, JsonSchema)]
pub struct Exported<'a> {
    /// The pipeline of the configuration.
    pipeline: &'a str,
    /// The profile that the console was opened with.
    profile: &'a str,
    /// When it was written.
    at: Timestamp,
    /// The view that was open, as its tab names it.
    view: &'static str,
    /// The title of the page that stood before it, whose rows these are; null: those of the view.
    page: Option<&'a str>,
    #[serde(flatten)]
    rows: &'a Rows,
}

impl Document for Exported<'_> {
    const NAME: &'static str = "export";
    const VERSION: u32 = 1;
}

/// Name of the file that an export is written to, in the working folder.
#[must_use]
pub fn name(state: &State, json: bool) -> PathBuf {
    let what = match state.stack.last() {
        Some(screen) => screen.table().map_or_else(|| "page".to_owned(), ToString::to_string),
        None => state.view.title().to_owned(),
    };
    let what: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(60).collect();
    let time = state.now.strftime("%Y%m%dT%H%M%SZ");
    PathBuf::from(format!("db-to-redshift-{what}-{time}.{}", if json { "json" } else { "csv" }))
}

/// The file and its content.
#[must_use]
pub fn file(state: &State, json: bool) -> (PathBuf, String) {
    let rows = rows(state);
    let text = if json { as_json(state, &rows) } else { as_csv(&rows) };
    (name(state, json), text)
}

/// What a person reads: columns in lines.
#[must_use]
pub fn text(state: &State) -> String {
    if let Some(page) = shown_page(state) {
        // Whole: whatever it goes to has its own way to the right.
        let layout = super::view::page::layout_of(page, usize::MAX, 0);
        let lines = layout.lines.iter().map(|line| line.parts.iter().map(|(text, _)| text.as_str()).collect::<String>());
        return format!("{}\n\n{}\n", page.title, lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n"));
    }
    let Rows { columns, rows } = rows(state);
    let all: Vec<&Vec<String>> = std::iter::once(&columns).chain(&rows).collect();
    let width = |at: usize| all.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &&Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

fn shown_page(state: &State) -> Option<&Page> {
    state.stack.last().and_then(Screen::page).and_then(|screen| screen.page.shown())
}

fn rows(state: &State) -> Rows {
    if let Some(page) = shown_page(state) {
        return of_page(page);
    }
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match state.view {
        View::Runs => Rows {
            columns: owned(&["run", "command", "by", "began", "finished", "table", "outcome", "batches", "rows"]),
            rows: state
                .runs
                .iter()
                .flat_map(|run| {
                    let head = [
                        run.run.to_string(),
                        run.command.clone(),
                        format!("{}@{}", run.by.user, run.by.host),
                        run.by.since.to_string(),
                        run.finished.map(|end| end.to_string()).unwrap_or_default(),
                    ];
                    let lines: Vec<Vec<String>> = run
                        .tables
                        .iter()
                        .map(|line| {
                            let own = [line.table.to_string(), line.outcome.clone(), line.batches.to_string(), line.rows.to_string()];
                            head.iter().cloned().chain(own).collect()
                        })
                        .collect();
                    if lines.is_empty() { vec![head.iter().cloned().chain(std::iter::repeat_n(String::new(), 4)).collect()] } else { lines }
                })
                .collect(),
        },
        View::Log => Rows {
            columns: owned(&["at", "text"]),
            rows: state.log.iter().map(|line| vec![line.at.to_string(), line.text.clone()]).collect(),
        },
        View::Setup => Rows {
            columns: owned(&["step", "state", "found"]),
            rows: state
                .setup
                .shown()
                .map(|list| {
                    list.steps
                        .iter()
                        .map(|step| vec![step.title.clone(), format!("{:?}", step.state).to_lowercase(), step.found.clone()])
                        .collect()
                })
                .unwrap_or_default(),
        },
        View::Tables | View::Files | View::Redshift => Rows {
            columns: list::columns(state.view).iter().map(|column| column.title.to_lowercase()).collect(),
            rows: state.fleet.rows().map(|row| list::texts(state, row)).collect(),
        },
    }
}

/// The first grid of a page, or its facts.
fn of_page(page: &Page) -> Rows {
    let grid = page.blocks.iter().find_map(|block| match block {
        Block::Grid(grid) => Some(grid),
        _ => None,
    });
    if let Some(grid) = grid {
        return Rows {
            columns: grid.columns.iter().map(|column| column.name.to_lowercase()).collect(),
            rows: grid.rows.iter().map(|row| row.cells.clone()).collect(),
        };
    }
    let rows = page.blocks.iter().flat_map(|block| match block {
        Block::Facts(facts) => facts.iter().map(|fact| vec![fact.name.clone(), fact.value.clone()]).collect::<Vec<_>>(),
        Block::Text(_, text) | Block::Code(text) | Block::Heading(text) => vec![vec![String::new(), text.clone()]],
        Block::Choices(choices) => choices.iter().map(|choice| vec!["next".into(), choice.text.clone()]).collect(),
        Block::Grid(_) => Vec::new(),
    });
    Rows { columns: vec!["name".into(), "value".into()], rows: rows.collect() }
}

/// RFC 4180, with a quote before what a spreadsheet would take for a formula.
fn as_csv(rows: &Rows) -> String {
    let field = |text: &String| {
        let guarded = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.len() > 1 { format!("'{text}") } else { text.clone() };
        if guarded.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
    };
    let line = |row: &Vec<String>| row.iter().map(field).collect::<Vec<_>>().join(",") + "\r\n";
    std::iter::once(&rows.columns).chain(&rows.rows).map(line).collect()
}

fn as_json(state: &State, rows: &Rows) -> String {
    let page = shown_page(state).map(|page| page.title.as_str());
    let (pipeline, profile) = (state.place.pipeline.as_str(), state.place.profile.as_str());
    let document = Exported { pipeline, profile, at: state.now, view: state.view.title(), page, rows };
    serde_json::to_string_pretty(&Named::new(&document)).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_and_defuses_formulas() {
        let rows = Rows {
            columns: vec!["a".into(), "b".into()],
            rows: vec![vec!["=SUM(A1)".into(), "x,\"y\"".into()], vec!["-".into(), String::new()]],
        };
        assert_eq!(as_csv(&rows), "a,b\r\n'=SUM(A1),\"x,\"\"y\"\"\"\r\n-,\r\n");
    }
}
