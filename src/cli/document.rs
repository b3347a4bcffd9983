//! The JSON documents that commands print, and the registry of their schemas.
//!
//! A command that prints JSON has a struct with a comment on every field, says its name and
//! version by [`Document`], prints it by `output::document`, and stands in [`KINDS`]; a test then
//! writes its schema to `assets/schemas`. A version goes up when a field goes away or changes its
//! meaning or type; a field that is only added leaves it as it is, so readers ignore what they do
//! not know.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Value, json};

use super::reports::Orders;
use super::{buckets, bundle, check, enable, explain, jobs, keys, lease, load_errors, retry, runs, schema, tables};
#[cfg(feature = "lab")]
use super::{demo, lab};
use crate::config::Settings;
use crate::console::export::Exported;
use crate::engine::bundle::{MetFaults, Versions};
use crate::engine::event::Event;
use crate::engine::inspect::batch_log::BatchLog;
use crate::engine::inspect::columns::ColumnMap;
use crate::engine::inspect::dry_run::DryRunReport;
use crate::engine::inspect::files::TableFiles;
use crate::engine::inspect::load_sql::LoadSql;
use crate::engine::inspect::lsn::LsnReport;
use crate::engine::inspect::preview::Preview;
use crate::engine::inspect::staging::StagingRows;
use crate::engine::inspect::trace::TraceReport;
use crate::engine::inspect::upkeep::UpkeepReport;
use crate::engine::inspect::verify::VerifyReport;
use crate::engine::inspect::widen::WidenReport;
use crate::engine::operate::{Accepted, Adopted, Freed, PauseChange, Recaptured, Recovered, Resumed, Skipped};
pub use crate::model::document::Document;
pub(super) use crate::model::document::Named;
use crate::model::document::id;
use crate::model::status::StatusReport;
use crate::model::{Fault, TableName};

/// A line of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub name: &'static str,
    pub version: u32,
    /// Commands that print it with `--json`, or write it into a file; `*` stands for every command.
    pub by: &'static [&'static str],
    schema: fn() -> Schema,
}

/// Every document, in the order in which a person would look.
pub const KINDS: &[Kind] = &[
    Kind::of::<Ended<'static>>(&["*"]),
    // By --events.
    Kind::of::<Event>(&[
        "prepare",
        "extract",
        "load",
        "sync",
        "verify",
        "skip",
        "adopt",
        "accept-schema",
        "recapture",
        "retry",
        "recover",
        "demo",
    ]),
    Kind::of::<check::Checked>(&["check"]),
    Kind::of::<jobs::JobsDone<'static>>(&["prepare", "extract", "load", "sync"]),
    Kind::of::<StatusReport>(&["status"]),
    Kind::of::<Reports<'static, VerifyReport>>(&["verify"]),
    Kind::of::<TraceReport>(&["trace"]),
    Kind::of::<Reports<'static, DryRunReport>>(&["dry-run"]),
    Kind::of::<WidenReport>(&["widen"]),
    Kind::of::<load_errors::LoadErrorList>(&["load-errors"]),
    Kind::of::<TableFiles>(&["files"]),
    Kind::of::<Preview>(&["preview"]),
    Kind::of::<StagingRows>(&["staging"]),
    Kind::of::<BatchLog>(&["log"]),
    Kind::of::<ColumnMap>(&["columns"]),
    Kind::of::<LoadSql>(&["load-sql"]),
    Kind::of::<Reports<'static, UpkeepReport>>(&["maintain"]),
    Kind::of::<LsnReport>(&["lsn"]),
    Kind::of::<buckets::BucketList>(&["buckets"]),
    Kind::of::<tables::TableList>(&["tables"]),
    Kind::of::<runs::RunList>(&["runs"]),
    Kind::of::<enable::Enabled>(&["enable"]),
    Kind::of::<bundle::Bundled>(&["bundle"]),
    // In its archive, beside documents of other commands.
    Kind::of::<Versions>(&["bundle"]),
    Kind::of::<Settings>(&["bundle"]),
    Kind::of::<MetFaults>(&["bundle"]),
    Kind::of::<keys::KeyList>(&["keys"]),
    // By its key w, into a file.
    Kind::of::<Exported<'static>>(&["console"]),
    Kind::of::<Orders<'static, PauseChange>>(&["pause"]),
    Kind::of::<Orders<'static, Resumed>>(&["resume"]),
    Kind::of::<Orders<'static, Option<Skipped>>>(&["skip"]),
    Kind::of::<Orders<'static, Adopted>>(&["adopt"]),
    Kind::of::<Orders<'static, Accepted>>(&["accept-schema"]),
    Kind::of::<Orders<'static, Recaptured>>(&["recapture"]),
    Kind::of::<lease::LeaseList<'static>>(&["lease"]),
    Kind::of::<Orders<'static, Freed>>(&["lease"]),
    Kind::of::<retry::TriedAgain<'static>>(&["retry"]),
    Kind::of::<Orders<'static, Recovered>>(&["recover"]),
    Kind::of::<explain::PageDocument>(&["explain"]),
    Kind::of::<explain::PageList>(&["explain"]),
    Kind::of::<schema::SchemaList>(&["schema"]),
    #[cfg(feature = "lab")]
    Kind::of::<demo::DemoReport>(&["demo"]),
    #[cfg(feature = "lab")]
    Kind::of::<lab::LabUp>(&["lab"]),
];

impl Kind {
    const fn of<D: Document>(by: &'static [&'static str]) -> Self {
        Self { name: D::NAME, version: D::VERSION, by, schema: schema_of::<D> }
    }

    /// Its JSON Schema, draft 2020-12.
    #[must_use]
    pub fn schema(&self) -> Value {
        (self.schema)().to_value()
    }
}

fn schema_of<D: Document>() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<D>();
    schema.insert("title".to_owned(), id::<D>().into());
    let own = json!({ "const": id::<D>(), "description": "Name and version of this schema." });
    let properties = schema.ensure_object().entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        properties.insert("schema".to_owned(), own);
    }
    let required = schema.ensure_object().entry("required").or_insert_with(|| json!([]));
    if let Value::Array(required) = required {
        required.insert(0, "schema".into());
    }
    schema
}

/// The fault that ended a command before it had an answer.
#[derive(Serialize, JsonSchema)]
pub struct Ended<'a> {
    pub fault: &'a Fault,
}

impl Document for Ended<'_> {
    const NAME: &'static str = "fault";
    const VERSION: u32 = 1;
}

/// What a command found or did, table by table.
#[derive(Serialize, JsonSchema)]
pub struct Reports<'a, R> {
    /// As the user typed it.
    command: &'static str,
    /// In the order in which the tables were worked on.
    tables: Vec<TableLine<'a, R>>,
}

/// One table: a report, or the fault that came instead.
#[derive(Serialize, JsonSchema)]
struct TableLine<'a, R> {
    table: TableName,
    /// Absent after a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a R>,
    /// Absent where there is a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a Fault>,
}

impl<'a, R> Reports<'a, R> {
    #[must_use]
    pub fn new(command: &'static str, reports: &'a [(TableName, Result<R, Fault>)]) -> Self {
        let line = |(table, report): &'a (TableName, Result<R, Fault>)| TableLine {
            table: table.clone(),
            report: report.as_ref().ok(),
            fault: report.as_ref().err(),
        };
        Self { command, tables: reports.iter().map(line).collect() }
    }
}

/// `name` and version of documents whose types belong to other modules.
macro_rules! documents {
    ($($name:literal / $version:literal => $type:ty),* $(,)?) => {
        $(impl Document for $type {
            const NAME: &'static str = $name;
            const VERSION: u32 = $version;
        })*
    };
}

documents! {
    "event" / 1 => Event,
    "versions" / 1 => Versions,
    "settings" / 1 => Settings,
    "faults" / 1 => MetFaults,
    "status" / 2 => StatusReport,
    "verify" / 1 => Reports<'_, VerifyReport>,
    "trace" / 1 => TraceReport,
    "dry-run" / 2 => Reports<'_, DryRunReport>,
    "widen" / 1 => WidenReport,
    "maintain" / 1 => Reports<'_, UpkeepReport>,
    "lsn" / 1 => LsnReport,
    "files" / 1 => TableFiles,
    "preview" / 1 => Preview,
    "staging" / 1 => StagingRows,
    "log" / 1 => BatchLog,
    "columns" / 1 => ColumnMap,
    "load-sql" / 1 => LoadSql,
    "pause" / 1 => Orders<'_, PauseChange>,
    "resume" / 1 => Orders<'_, Resumed>,
    "skip" / 1 => Orders<'_, Option<Skipped>>,
    "adopt" / 1 => Orders<'_, Adopted>,
    "accept-schema" / 1 => Orders<'_, Accepted>,
    "recapture" / 1 => Orders<'_, Recaptured>,
    "lease" / 1 => Orders<'_, Freed>,
    "recover" / 1 => Orders<'_, Recovered>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Cli;
    use crate::model::fault::sync;

    /// Commands whose output is no document: text for a shell, a pager or a file.
    const TEXT_ONLY: [&str; 3] = ["completions", "man", "init"];

    #[test]
    fn every_command_that_prints_json_has_a_document() {
        let registered: BTreeSet<&str> = KINDS.iter().flat_map(|kind| kind.by).copied().filter(|by| *by != "*").collect();
        let command = Cli::command();
        let commands: BTreeSet<&str> =
            command.get_subcommands().map(clap::Command::get_name).filter(|name| !TEXT_ONLY.contains(name)).collect();
        assert_eq!(registered, commands, "each command of args stands in KINDS, and each command of KINDS in args");
        let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len(), "a name stands twice");
    }

    /// Every property whose meaning neither its own description nor that of its type tells.
    fn undescribed(at: &str, value: &Value, definitions: &Value, found: &mut Vec<String>) {
        let told = |property: &Value| {
            let whole = |schema: &Value| schema["description"].as_str().is_some_and(|text| !text.is_empty() && !text.contains("[`"));
            let named = |reference: &Value| {
                let name = reference["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
                name.is_some_and(|name| whole(&definitions[name]))
            };
            whole(property)
                || named(property)
                || property["anyOf"].as_array().is_some_and(|any| any.iter().any(named))
                || property["const"].is_string()
        };
        match value {
            Value::Object(map) => {
                for (name, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    if !told(property) {
                        found.push(format!("{at}.{name}"));
                    }
                }
                map.iter().for_each(|(name, value)| undescribed(&format!("{at}.{name}"), value, definitions, found));
            }
            Value::Array(list) => list.iter().for_each(|value| undescribed(at, value, definitions, found)),
            _ => {}
        }
    }

    #[test]
    fn every_field_and_variant_is_described() {
        let mut found = Vec::new();
        for kind in KINDS {
            let schema = kind.schema();
            assert_eq!(schema["properties"]["schema"]["const"], format!("{}/{}", kind.name, kind.version));
            assert!(schema["description"].is_string(), "{} says not what it is", kind.name);
            undescribed(kind.name, &schema, &schema["$defs"], &mut found);
            for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
                // Variants without comments are listed together.
                if definition["enum"].is_array()
                    || definition["oneOf"].as_array().into_iter().flatten().any(|one| !one["description"].is_string())
                {
                    found.push(format!("a variant of {name}"));
                }
            }
        }
        assert!(found.is_empty(), "no comment, or a link that only rustdoc follows, in\n{}", found.join("\n"));
        undescribed("x", &json!({ "properties": { "bare": { "type": "string" } } }), &json!({}), &mut found);
        assert_eq!(found, ["x.bare"]);
    }

    #[test]
    fn a_document_begins_with_its_schema() {
        let fault = Fault::new(&sync::GAP, "changes are gone");
        let text = serde_json::to_string(&Named::new(&Ended { fault: &fault })).unwrap();
        assert!(text.starts_with(r#"{"schema":"fault/1","fault":{"code":"SYNC-002""#), "{text}");
    }
}
