//! Pages of what the engine knows, as data for the screen. Pure: from an answer to a page.

mod inspect;
mod rows;
mod shape;
mod table;
mod words;

pub use inspect::{dry_run, load_errors, trace};
pub use rows::{preview, staging};
pub use shape::{columns, sql};
pub use table::{files, log, overview};

use super::page::{Block, Choice, Fact, Grid, GridColumn, GridRow, Open, Page, Tone};
use super::seam::is_cancel;
use crate::model::control::RunRecord;
use crate::model::status::{TableStatus, TargetStatus};

/// What the word of a table means, and what helps.
#[must_use]
pub fn verdict(status: &TableStatus) -> Page {
    let mut blocks = vec![Block::Text(Tone::Plain, meaning(status))];
    if let Some(stuck) = &status.hops.stuck {
        blocks.push(Block::Text(Tone::Warn, format!("Stuck since {}: {}", stuck.since.strftime("%Y-%m-%d %H:%M:%SZ"), stuck.why)));
    }
    let differences = status.target.iter().flat_map(TargetStatus::differences);
    blocks.extend(differences.map(|why| Block::Text(Tone::Bad, why.replacen('d', "D", 1))));
    blocks.extend(advised(&status.next));
    Page {
        title: format!("{}: {}", status.table, status.verdict.as_str()),
        table: Some(status.table.clone()),
        blocks,
        fault: false,
        reveal: false,
    }
}

/// What to do, as choices; nothing when there is nothing.
fn advised(next: &[String]) -> Vec<Block> {
    if next.is_empty() {
        return Vec::new();
    }
    let choices = next.iter().map(|text| Choice { text: text.clone(), order: super::advice::order(text) });
    vec![Block::Heading("What to do".into()), Block::Choices(choices.collect())]
}

fn meaning(status: &TableStatus) -> String {
    use crate::model::status::Verdict;
    match status.verdict {
        Verdict::Unknown => "A system did not answer: nothing is known for sure of this table.",
        Verdict::Diverged => "Production may differ from the source, until a verify finds it equal or a new snapshot replaces it.",
        Verdict::Gap => "Clean-up has removed changes that were not extracted: only a new snapshot heals that.",
        Verdict::Lagging => {
            "More than half of the retention is used: if extract stays behind, clean-up removes changes that were not read."
        }
        Verdict::Paused => "An operator paused the table: nobody prepares, extracts or loads it.",
        Verdict::NotTracked => "CDC is not enabled for this table: its changes are not recorded.",
        Verdict::NotPrepared => {
            "CDC records its changes, but no epoch was opened, or the target has no state of it: prepare says what to do."
        }
        Verdict::Stuck => "The last extract or load failed, or changes have waited for more than an hour; and nobody is at work.",
        Verdict::Staged => "Rows stand in staging and wait to be applied.",
        Verdict::Pending => "Change files stand in S3 and wait to be loaded.",
        Verdict::Behind => "Changes stand in the change table and wait to be extracted.",
        Verdict::Current => "Production holds everything that was captured.",
    }
    .to_owned()
}

/// A run with how each job ended.
#[must_use]
pub fn run(run: &RunRecord) -> Page {
    let facts = vec![
        Fact::new("command", &run.command),
        Fact::new("by", format!("{} on {}, process {}", run.by.user, run.by.host, run.by.pid)),
        Fact::new("began", run.by.since.to_string()),
        Fact::new("finished", run.finished.map_or_else(|| "not yet, or it died".to_owned(), |end| end.to_string())),
        Fact::new("run", run.run.to_string()),
    ];
    let rows = run.tables.iter().map(|line| GridRow {
        cells: vec![line.table.to_string(), line.outcome.clone(), line.batches.to_string(), line.rows.to_string()],
        tone: match &line.fault {
            Some(fault) if is_cancel(fault) => Tone::Warn,
            Some(_) => Tone::Bad,
            None => Tone::Plain,
        },
        open: line.fault.as_ref().map(|fault| Open::Fault { fault: Box::new(fault.clone()), table: Some(line.table.clone()) }),
    });
    let grid = Grid {
        columns: vec![GridColumn::left("TABLE"), GridColumn::left("OUTCOME"), GridColumn::right("BATCHES"), GridColumn::right("ROWS")],
        rows: rows.collect(),
        empty: "no step ended yet".into(),
    };
    Page {
        title: format!("Run of {}", run.command),
        table: None,
        blocks: vec![Block::Facts(facts), Block::Grid(grid)],
        fault: false,
        reveal: false,
    }
}
