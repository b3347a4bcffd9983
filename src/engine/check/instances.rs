//! What the capture instances of a table leave out, and which of them is read.

use super::{Findings, Found};
use crate::engine::Engine;
use crate::engine::operate::{came_later, end_instance};
use crate::source::{CaptureInstance, Source, TableFacts};
use crate::store::ChangeStore;
use crate::target::Target;

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// `newest` is the instance that the next epoch would read.
    pub(super) async fn check_instances(&self, table: &TableFacts, newest: &CaptureInstance, found: &mut Findings) {
        let name = table.name.to_string();
        if !newest.computed.is_empty() {
            found.warn(&name, "columns", format!("computed, so left out: {}", newest.computed.join(", ")));
        }
        let later = match self.later_columns(newest).await {
            Ok(later) => later,
            Err(fault) => return found.add(&name, "columns", Found::Fault(fault)),
        };
        let chosen: Vec<&str> =
            newest.uncaptured.iter().map(|column| column.name.as_str()).filter(|name| later.iter().all(|later| later != name)).collect();
        if !chosen.is_empty() {
            found.good(&name, "columns", format!("left out when {} was made: {}", newest.identity.instance, chosen.join(", ")));
        }
        if let Some(text) = came_later(&table.name, newest, &later) {
            found.warn(&name, "columns", text);
        }
        // Two are the most that a table has.
        if table.instances.len() < 2 {
            return;
        }
        let newer = &newest.identity.instance;
        match self.capture_of(&table.name).await {
            Ok(Some(read)) if read != newest.identity => found.warn(
                &name,
                "instances",
                format!(
                    "the open epoch reads {}; {newer} is newer: db-to-redshift prepare --new-epoch --table {:#} goes over to it",
                    read.instance, table.name
                ),
            ),
            Ok(Some(_)) => {
                for old in table.instances.iter().filter(|instance| instance.identity != newest.identity) {
                    let old = &old.identity.instance;
                    let end = end_instance(&table.name, old);
                    found.warn(
                        &name,
                        "instances",
                        format!("{old} is not read by this pipeline any more; if nothing else reads it, in SQL Server: {end}"),
                    );
                }
            }
            // Without an epoch the next one takes the newest; a store that does not answer has a line of its own.
            Ok(None) | Err(_) => found.good(&name, "instances", format!("two; the next epoch reads {newer}")),
        }
    }
}
