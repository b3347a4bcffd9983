//! Recapture: another capture instance of a table, with the columns that it got since.
//!
//! SQL Server fixes the columns of an instance when it is made, so a new column is carried in three
//! steps: another instance beside the present one (here), a new epoch that reads it, and, once
//! nobody reads the old instance any more, its end. The stream goes on with the old one until the
//! new epoch opens. Nothing less than a snapshot would do: rows that were there when the column
//! came hold its default, and no instance ever recorded that.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{AT_ONCE, Report};
use crate::engine::Engine;
use crate::engine::abreast::abreast;
use crate::model::fault::operate::{CONFIRM, TWO_INSTANCES};
use crate::model::fault::sync;
use crate::model::typed::{shell, tsql};
use crate::model::{CaptureIdentity, Fault, Lsn, TableName};
use crate::source::{CaptureInstance, Source, TableFacts};
use crate::store::ChangeStore;
use crate::target::Target;

/// What to capture.
#[derive(Clone, Default, Debug)]
pub struct RecaptureOrder {
    /// New columns that the new instance is to leave out, too.
    pub without: Vec<String>,
    /// Make it; otherwise [`CONFIRM`] says what would be made.
    pub confirm: bool,
}

/// How a recapture ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Recaptured {
    pub table: TableName,
    /// The capture instance that was made; null: the newest one has every column that it could.
    pub made: Option<String>,
    /// The one that was the newest before.
    pub newest: String,
    /// Columns that it does not capture, and a new one does.
    pub added: Vec<String>,
    /// Columns that it captured and that are no more, or no more what they were.
    pub changed: Vec<String>,
    /// Columns that neither captures.
    pub left_out: Vec<String>,
    /// The commands that come next.
    pub next: Vec<String>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Makes another capture instance of each table that has columns which the newest one does not
    /// capture, or that changed under it. [`TWO_INSTANCES`]: there is no room for another.
    pub async fn recapture(self: &Arc<Self>, tables: &[TableName], order: &RecaptureOrder) -> Vec<Report<Recaptured>> {
        let described = match self.describe(tables).await {
            Ok(described) => described,
            Err(fault) => tables.iter().map(|_| Err(fault.clone())).collect(),
        };
        abreast(tables.iter().cloned().zip(described), AT_ONCE, |(table, facts)| async move {
            let outcome = match facts {
                Ok(facts) => self.recapture_table(&facts, order).await,
                Err(fault) => Err(fault),
            };
            Report::new(table, outcome)
        })
        .await
    }

    /// The columns that came after the instance was made, as the DDL tells that capture has noted.
    pub(crate) async fn later_columns(&self, instance: &CaptureInstance) -> Result<Vec<String>, Fault> {
        if instance.beyond.is_empty() {
            return Ok(Vec::new());
        }
        let ddl = self.source.ddl_since(&instance.identity, Lsn::ZERO).await?;
        let named = |name: &&String| ddl.iter().any(|note| names(&note.command, name));
        Ok(instance.beyond.iter().filter(named).cloned().collect())
    }

    async fn recapture_table(&self, facts: &TableFacts, order: &RecaptureOrder) -> Result<Recaptured, Fault> {
        let table = &facts.name;
        let newest = facts.instances.first().ok_or_else(|| {
            Fault::new(&sync::NOT_TRACKED, format!("{table} has no capture instance"))
                .next(format!("db-to-redshift enable --table {table:#}"))
        })?;
        let later = self.later_columns(newest).await?;
        if let Some(unknown) = order.without.iter().find(|name| !later.contains(name)) {
            return Err(Fault::new(&sync::NO_COLUMN, format!("{table} has no new column {unknown}"))
                .evidence("new columns", later.join(", "))
                .next(format!("db-to-redshift columns --table {table:#}")));
        }
        let read = self.capture_of(table).await?;
        let recaptured = plan(table, newest, &later, order, read.as_ref());
        if recaptured.added.is_empty() && recaptured.changed.is_empty() {
            return Ok(recaptured);
        }
        if facts.instances.len() > 1 {
            return Err(no_room(facts, read.as_ref()));
        }
        if !order.confirm {
            return Err(ask(&recaptured, newest, order));
        }
        let left = |name: &&String| !recaptured.left_out.contains(name);
        let columns: Vec<String> = facts.columns.iter().filter(left).cloned().collect();
        let chosen = (!recaptured.left_out.is_empty()).then_some(columns.as_slice());
        let made = self.source.add_instance(table, &newest.identity, chosen).await?;
        Ok(Recaptured { made: Some(made), ..recaptured })
    }
}

fn plan(
    table: &TableName,
    newest: &CaptureInstance,
    later: &[String],
    order: &RecaptureOrder,
    read: Option<&CaptureIdentity>,
) -> Recaptured {
    let added: Vec<String> = later.iter().filter(|name| !order.without.contains(name)).cloned().collect();
    let uncaptured = newest.uncaptured.iter().map(|column| &column.name);
    let left_out = uncaptured.filter(|name| !added.contains(name)).cloned().collect();
    let goes_on = read == Some(&newest.identity) && added.is_empty() && newest.missing.is_empty();
    let next = if goes_on { "sync" } else { "prepare --new-epoch" };
    Recaptured {
        table: table.clone(),
        made: None,
        newest: newest.identity.instance.clone(),
        added,
        changed: newest.missing.clone(),
        left_out,
        next: vec![format!("db-to-redshift {next} --table {table:#}")],
    }
}

/// Whether a statement has a column's name in it, as a word or as it stands in brackets or quotes.
fn names(command: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@' | '#' | '$');
    let (command, name) = (command.to_lowercase(), name.to_lowercase());
    if name.chars().all(is_word) {
        return command.split(|c| !is_word(c)).any(|word| word == name);
    }
    command.contains(&format!("[{}]", name.replace(']', "]]"))) || command.contains(&format!("\"{}\"", name.replace('"', "\"\"")))
}

/// Says which columns the table got after the instance was made, and how they can be carried.
#[must_use]
pub fn came_later(table: &TableName, instance: &CaptureInstance, later: &[String]) -> Option<String> {
    (!later.is_empty()).then(|| {
        format!(
            "came after capture instance {} was made, so it does not carry them: {}; db-to-redshift recapture --table {table:#} makes one that does",
            instance.identity.instance,
            later.join(", ")
        )
    })
}

/// The statement that ends a capture instance, with the history it holds.
#[must_use]
pub fn end_instance(table: &TableName, instance: &str) -> String {
    format!(
        "EXEC sys.sp_cdc_disable_table @source_schema = {}, @source_name = {}, @capture_instance = {}",
        tsql(&table.schema),
        tsql(&table.name),
        tsql(instance)
    )
}

/// Two are all that SQL Server allows. Which one may go, the epoch says: not the one it reads.
fn no_room(facts: &TableFacts, read: Option<&CaptureIdentity>) -> Fault {
    let table = &facts.name;
    let mut fault = Fault::new(&TWO_INSTANCES, format!("{table} has two capture instances already"));
    for instance in &facts.instances {
        let reader = if read == Some(&instance.identity) { ", read by the open epoch" } else { "" };
        fault =
            fault.evidence(format!("instance {}", instance.identity.instance), format!("made {}{reader}", instance.identity.create_date));
    }
    let unread: Vec<_> = facts.instances.iter().filter(|instance| read.is_some() && read != Some(&instance.identity)).collect();
    match unread.as_slice() {
        [one] => fault.next(format!("if nothing else reads it, in SQL Server: {}", end_instance(table, &one.identity.instance))),
        _ => fault.next("find out who reads them, and end one in SQL Server with sys.sp_cdc_disable_table"),
    }
    .next(format!("db-to-redshift recapture --table {table:#}"))
}

fn ask(plan: &Recaptured, newest: &CaptureInstance, order: &RecaptureOrder) -> Fault {
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let table = &plan.table;
    let without = order.without.iter().fold(String::new(), |text, name| text + " --without " + &shell(name));
    Fault::new(&CONFIRM, format!("another capture instance of {table} would be made beside {}", plan.newest))
        .evidence("columns that it captures beyond", list(&plan.added))
        .evidence("columns that changed", list(&plan.changed))
        .evidence("columns that stay left out", list(&plan.left_out))
        .evidence("gating role", newest.role.as_deref().unwrap_or("none"))
        .evidence("cost", "capture writes each change twice until one instance ends")
        .next(format!("db-to-redshift recapture --table {table:#}{without} --confirm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_names_a_column_as_a_word() {
        let command = "ALTER TABLE dbo.t ADD [a,]]b] int, \"x \"\"y\" int, Paid decimal(9,2) NULL";
        for name in ["a,]b", "x \"y", "paid", "PAID"] {
            assert!(names(command, name), "{name}");
        }
        for name in ["pai", "paid_", "dec", "b]"] {
            assert!(!names(command, name), "{name}");
        }
    }
}
