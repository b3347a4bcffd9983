//! Pages of what is on record: a run, a line of the log, the orders given from here.

use super::act;
use crate::console::page::{Block, Grid, GridColumn, GridRow, Open, Page, Tone};
use crate::console::state::jobs::Job;
use crate::console::state::{State, View};
use crate::model::control::RunRecord;

/// New runs come on top: the cursor stays on its own, where it stands on one that was chosen or is
/// looked at.
pub fn keep_run(state: &mut State, runs: &[RunRecord]) {
    let looked_at = state.view == View::Runs;
    let Some(cursor) = state.cursors.get_mut(&View::Runs).filter(|cursor| looked_at || cursor.at > 0) else { return };
    let Some(run) = state.runs.get(cursor.at) else { return };
    if let Some(at) = runs.iter().position(|known| known.run == run.run) {
        cursor.top = (cursor.top + at).saturating_sub(cursor.at);
        cursor.at = at;
    }
}

/// So many lines have come to the log, on top: the cursor stays on its own, unless it follows the
/// newest.
pub fn keep_line(state: &mut State, new: u64) {
    let new = usize::try_from(new).unwrap_or(usize::MAX);
    if let Some(cursor) = state.cursors.get_mut(&View::Log).filter(|cursor| cursor.at > 0) {
        cursor.at = cursor.at.saturating_add(new);
        cursor.top = cursor.top.saturating_add(new);
    }
}

/// The page of the run under the cursor.
pub fn run(state: &mut State) {
    let Some(run) = state.runs.get(state.cursor().at) else { return };
    let page = super::super::pages::run(run);
    act::push(state, page);
}

/// The whole line of the log under the cursor.
pub fn log_line(state: &mut State) {
    let at = state.cursor().at;
    let Some(line) = state.log.iter().nth(at) else { return };
    let blocks = vec![Block::Text(line.tone, line.text.clone())];
    let title = line.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    act::push(state, Page { title, blocks, ..Page::default() });
}

/// What was changed from here.
pub fn history(state: &mut State) {
    let row = |job: &Job| {
        let (tone, outcome) = if job.is_running() { (Tone::Busy, "running".to_owned()) } else { job.outcome() };
        let tables = match job.tables.as_slice() {
            [table] => table.to_string(),
            many => format!("{} tables", many.len()),
        };
        let tone = if tone == Tone::Good { Tone::Plain } else { tone };
        let profile = job.left.clone().unwrap_or_else(|| state.place.profile.clone());
        // A table of another profile is none of here.
        let fault = job.ends.iter().find_map(|end| Some((end.fault.clone()?, job.left.is_none().then(|| end.table.clone()))));
        GridRow {
            cells: vec![job.started.strftime("%H:%M:%SZ").to_string(), job.order.title().into(), tables, outcome, profile],
            tone,
            open: fault.map(|(fault, table)| Open::Fault { fault: Box::new(fault), table }),
        }
    };
    let grid = Grid {
        columns: ["WHEN", "ORDER", "TABLES", "OUTCOME", "PROFILE"].map(GridColumn::left).to_vec(),
        rows: state.jobs.iter().map(row).collect(),
        empty: "nothing was changed from here".into(),
    };
    act::push(state, Page { title: "Orders given from this console".into(), blocks: vec![Block::Grid(grid)], ..Page::default() });
}
