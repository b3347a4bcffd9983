//! Unfinished work, and productions that a load would not fit into.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Findings, Found};
use crate::engine::Engine;
use crate::model::fault::sync;
use crate::model::status::{TableStatus, Verdict};
use crate::model::{Fault, TableName, TableShape};
use crate::source::{Source, TableFacts};
use crate::store::ChangeStore;
use crate::target::Target;

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Unfinished work: what status would call attention to.
    pub(super) async fn check_work(self: &Arc<Self>, tables: &[TableName], facts: &[TableFacts], found: &mut Findings) {
        for table in tables {
            if let Err(fault) = self.store.check_table(table) {
                found.add(table.to_string(), "keys in S3", Found::Fault(fault));
            }
        }
        let report = self.status(tables).await;
        for met in &report.faults {
            found.warn("status", "systems", met.fault.to_string());
        }
        self.check_production(&report.tables, facts, found).await;
        for status in report.tables {
            let name = status.table.to_string();
            let pending = status.store.as_ref().and_then(|store| store.pending).unwrap_or(0);
            match status.verdict {
                Verdict::Current => found.good(&name, "work", "nothing unfinished"),
                Verdict::Behind => found.good(&name, "work", "changes wait to be extracted: db-to-redshift sync"),
                Verdict::Pending => found.warn(&name, "work", format!("{pending} batches wait to be loaded: db-to-redshift load")),
                Verdict::Lagging => found.warn(&name, "work", "more than half of the retention is used: db-to-redshift sync"),
                Verdict::Stuck => {
                    let why = status.hops.stuck.map_or_else(String::new, |stuck| stuck.why);
                    found.warn(&name, "work", format!("{why}: {}", status.next.join(", then ")));
                }
                Verdict::Staged => found.warn(&name, "work", "a batch stands in staging: db-to-redshift load applies it"),
                Verdict::NotPrepared => found.warn(&name, "work", "not prepared yet: db-to-redshift prepare"),
                Verdict::Paused => found.warn(&name, "work", "paused by an operator"),
                Verdict::NotTracked | Verdict::Unknown => {}
                Verdict::Gap => found.add(
                    &name,
                    "work",
                    Found::Fault(Fault::new(&sync::GAP, format!("changes of {name} were cleaned up before they were extracted"))),
                ),
                Verdict::Diverged => {
                    let target = status.target.unwrap_or_default();
                    let why: Vec<String> = target.diverged.map(|diverged| diverged.why).into_iter().chain(target.doubts).collect();
                    found.add(
                        &name,
                        "work",
                        Found::Fault(
                            Fault::new(&sync::DIVERGED, format!("{name} may differ from the source")).evidence("why", why.join("; ")),
                        ),
                    );
                }
            }
        }
    }

    /// What somebody altered in production is told before a load meets it. A production without a
    /// state is the business of prepare.
    async fn check_production(&self, tables: &[TableStatus], facts: &[TableFacts], found: &mut Findings) {
        let loaded: BTreeSet<&TableName> = tables.iter().filter(|status| status.target.is_some()).map(|status| &status.table).collect();
        let mut shapes = Vec::new();
        for facts in facts {
            if loaded.contains(&facts.name)
                && let Some(shape) = self.shape_of_epoch(facts).await
            {
                shapes.push((facts.name.clone(), shape));
            }
        }
        match self.target.check_production(&shapes).await {
            Ok(refused) => refused.into_iter().for_each(|(table, fault)| found.add(table.to_string(), "production", Found::Fault(fault))),
            Err(fault) => found.warn("target", "production", format!("its columns cannot be read: {fault}")),
        }
    }

    /// Columns of the instance that the open epoch reads; `None` where it is not known.
    async fn shape_of_epoch(&self, facts: &TableFacts) -> Option<TableShape> {
        let instance = match facts.instances.as_slice() {
            [only] => only,
            // Two are the most that a table has.
            several => {
                let read = self.capture_of(&facts.name).await.ok()??;
                several.iter().find(|instance| instance.identity == read)?
            }
        };
        Some(instance.shape.clone())
    }
}
