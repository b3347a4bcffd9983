//! `schema`: the JSON Schemas of the documents that this program prints.

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Global, Schema};
use super::document::{Document, KINDS, Kind};
use super::{exit, output};
use crate::model::Fault;
use crate::model::fault::cfg;

/// Every document of this version.
#[derive(Serialize, JsonSchema)]
pub struct SchemaList {
    /// In the order in which a person would look.
    documents: Vec<SchemaLine>,
}

/// One document.
#[derive(Serialize, JsonSchema)]
struct SchemaLine {
    /// As `schema` takes it.
    name: &'static str,
    /// Goes up when a field goes away or changes its meaning or type.
    version: u32,
    /// Commands that print it; `*` stands for every command.
    by: &'static [&'static str],
}

impl Document for SchemaList {
    const NAME: &'static str = "schema-list";
    const VERSION: u32 = 1;
}

pub fn run(global: &Global, schema: &Schema) -> Result<u8, Fault> {
    match &schema.name {
        Some(name) => {
            let kind = find(name).ok_or_else(|| unknown(name))?;
            // A schema is JSON with --json and without.
            output::line(format_args!("{:#}", kind.schema()));
        }
        None if global.json => {
            let line = |kind: &Kind| SchemaLine { name: kind.name, version: kind.version, by: kind.by };
            output::document(&SchemaList { documents: KINDS.iter().map(line).collect() });
        }
        None => {
            let mut rows = vec![["DOCUMENT", "PRINTED BY"].map(str::to_owned).to_vec()];
            rows.extend(KINDS.iter().map(|kind| vec![format!("{}/{}", kind.name, kind.version), by(kind)]));
            output::text(output::table(&rows));
        }
    }
    Ok(exit::DONE)
}

fn by(kind: &Kind) -> String {
    match kind.by {
        ["*"] => "every command, when a fault ended it".to_owned(),
        commands if kind.name == "event" => format!("{} with --events, one a line", commands.join(", ")),
        commands => commands.join(", "),
    }
}

/// By name, with or without the version as documents carry it.
fn find(name: &str) -> Option<&'static Kind> {
    let wanted = name.to_ascii_lowercase();
    KINDS.iter().find(|kind| wanted == kind.name || wanted == format!("{}/{}", kind.name, kind.version))
}

/// Names the document of a command, or the nearest name.
fn unknown(name: &str) -> Fault {
    let wanted = name.to_ascii_lowercase();
    let wanted = wanted.split('/').next().unwrap_or_default();
    let of_command = KINDS.iter().rev().find(|kind| kind.by.contains(&wanted) && kind.name != "event");
    let nearest = of_command.or_else(|| KINDS.iter().min_by_key(|kind| strsim::damerau_levenshtein(wanted, kind.name)));
    let fault = Fault::new(&cfg::NO_SUCH_DOCUMENT, format!("there is no document {name}"));
    match nearest {
        Some(kind) => {
            fault.evidence("nearest", format!("{}/{}", kind.name, kind.version)).next(format!("db-to-redshift schema {}", kind.name))
        }
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_with_and_without_its_version() {
        for name in ["status", "STATUS", "status/2"] {
            assert!(find(name).is_some_and(|kind| kind.name == "status"), "{name}");
        }
        assert!(find("status/999").is_none());
    }

    #[test]
    fn a_typo_names_the_nearest_document() {
        for (typo, meant) in [("statsu", "status/"), ("status/999", "status/"), ("sync", "jobs/"), ("loaderrors", "load-errors/")] {
            let fault = unknown(typo);
            assert!(fault.is(&cfg::NO_SUCH_DOCUMENT) && fault.facts()[0].1.starts_with(meant), "{fault}");
        }
    }
}
