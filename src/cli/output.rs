//! Text and JSON for people and programs. Results go to standard output, talk to standard error.
//!
//! A reader may leave early, as `head` does. What a command does, and its exit code, do not hang
//! on who listens: the rest of its output is dropped. Any other failure to write a result is a
//! failure of the command, since the result is not there.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use serde::Serialize;

use super::args::Global;
use super::document::{Document, Ended, Named};
use crate::model::typed::shell;
use crate::model::{Fault, TableName};

pub use crate::model::words::{bytes, count};

/// The first failure of standard output; nothing is written after it.
static BROKEN: OnceLock<io::Error> = OnceLock::new();

/// The options with which the program found its configuration.
static CALLED: OnceLock<String> = OnceLock::new();

/// Remembers how the program was called, so that advice is for the same configuration and profile.
pub fn called(global: &Global) {
    let config = global.config.as_ref().map(|path| format!(" --config {}", shell(&path.display().to_string())));
    let profile = global.profile.as_ref().map(|profile| format!(" --profile {}", shell(profile)));
    // Set once, at the start.
    let _ = CALLED.set([config, profile].into_iter().flatten().collect());
}

/// Commands of an advice, for the configuration and the profile of this call.
#[must_use]
pub fn advice(action: &str) -> String {
    with_options(action, CALLED.get().map_or("", String::as_str))
}

fn with_options(action: &str, options: &str) -> String {
    if action.contains("db-to-redshift --config ") {
        return action.to_owned();
    }
    action.replace("db-to-redshift ", &format!("db-to-redshift{options} "))
}

/// A line of the result.
pub fn line(line: impl Display) {
    text(format_args!("{line}\n"));
}

/// A piece of the result that brings its own line ends.
pub fn text(text: impl Display) {
    if BROKEN.get().is_some() {
        return;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = write!(out, "{text}").and_then(|()| out.flush()) {
        // Only the first counts.
        let _ = BROKEN.set(error);
    }
}

/// Why results are missing, unless their reader left.
#[must_use]
pub fn failure() -> Option<&'static io::Error> {
    BROKEN.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// A document of the registry on a line of its own, which begins with the name of its schema.
pub fn document<D: Document>(document: &D) {
    json(&Named::new(document));
}

/// Any JSON on a line of its own. What cannot be written as JSON is a result that is not there.
fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(error) => drop(BROKEN.set(error.into())),
    }
}

/// A line of talk. When nobody can hear it, it is not needed.
pub fn talk(line: impl Display) {
    talk_text(format_args!("{line}\n"));
}

/// Talk that brings its own line ends.
pub fn talk_text(text: impl Display) {
    let _ = write!(io::stderr().lock(), "{text}");
}

/// Shows a fault that ended a command: a document on standard output, or text on standard error.
pub fn show_fault(global: &Global, fault: &Fault) {
    // What is about one table names it.
    let one = match global.tables.as_slice() {
        [table] => table.parse::<TableName>().ok(),
        _ => None,
    };
    let named = one.map(|table| fault.clone().about(&table));
    let fault = named.as_ref().unwrap_or(fault);
    if global.json {
        document(&Ended { fault });
    } else {
        talk_text(fault_text(fault));
    }
}

/// A fault for a person: what happened, the evidence, what it means, what to do.
#[must_use]
pub fn fault_text(fault: &Fault) -> String {
    let mut text = format!("{} {}\n  {}\n", fault.code(), fault.page().title, fault.what());
    let width = fault.facts().iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in fault.facts() {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "    {name:width$}  {value}");
    }
    let mut source = std::error::Error::source(fault);
    while let Some(error) = source {
        let _ = writeln!(text, "    caused by: {error}");
        source = error.source();
    }
    let _ = writeln!(text, "  Meaning: {}", fault.page().meaning);
    for action in fault.actions() {
        let _ = writeln!(text, "  Next: {}", advice(action));
    }
    text
}

/// Columns of text, the first row as heading; numbers are the caller's business.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A cell as people read it.
#[must_use]
pub fn cell(cell: Option<&str>) -> String {
    cell.map_or_else(|| "NULL".to_owned(), |text| format!("{text:?}"))
}

/// Cells of one row with their columns' names.
#[must_use]
pub fn row(names: &[String], cells: &[Option<String>]) -> String {
    names.iter().zip(cells).map(|(name, text)| format!("{name}={}", cell(text.as_deref()))).collect::<Vec<_>>().join(", ")
}

/// A time as people read it, UTC.
#[must_use]
pub fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::sync;

    #[test]
    fn a_fault_shows_everything_it_knows() {
        let fault = Fault::new(&sync::GAP, "changes are gone").evidence("low-water mark", 7).next("do this");
        let text = fault_text(&fault);
        for part in ["SYNC-002", "changes are gone", "low-water mark  7", "Meaning:", "Next: do this"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
    #[test]
    fn advice_is_for_the_same_configuration() {
        let action = "after adopt: db-to-redshift prepare --new-epoch # see db-to-redshift.toml";
        assert_eq!(with_options(action, ""), action);
        let other = "db-to-redshift --config <path> check";
        assert_eq!(with_options(other, " --config a.toml"), other, "no option twice");
        assert_eq!(
            with_options(action, " --profile 'prod'"),
            "after adopt: db-to-redshift --profile 'prod' prepare --new-epoch # see db-to-redshift.toml"
        );
    }
}
