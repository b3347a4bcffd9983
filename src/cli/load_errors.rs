//! `load-errors`: what Redshift refused to load.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Global, LoadErrors};
use super::connect::LiveEngine;
use super::document::Document;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::model::Fault;
use crate::store::ChangeStore;
use crate::target::{LoadError, Target};

/// The values of this pipeline's files that Redshift refused to load.
#[derive(Serialize, JsonSchema)]
pub struct LoadErrorList {
    /// The newest first.
    load_errors: Vec<LoadError>,
}

impl Document for LoadErrorList {
    const NAME: &'static str = "load-errors";
    const VERSION: u32 = 1;
}

pub async fn run(global: &Global, options: &LoadErrors, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let errors = if global.tables.is_empty() {
        engine.target.load_errors(&engine.store.root(), options.most, options.show_values).await?
    } else {
        let tables = select::tables(&engine, &global.tables, select::From::Store).await?;
        Box::pin(engine.load_errors(&tables, options.most, options.show_values)).await?
    };
    if global.json {
        output::document(&LoadErrorList { load_errors: errors });
        return Ok(exit::DONE);
    }
    if errors.is_empty() {
        output::line(format_args!("Redshift has noted no load error of this pipeline's files"));
    }
    for error in &errors {
        output::line(format_args!(
            "{}  column {} ({} {}), code {}: {}",
            error.at, error.column, error.column_type, error.limit, error.code, error.reason
        ));
        if let Some(meaning) = &error.meaning {
            output::line(format_args!("    {meaning}"));
        }
        output::line(format_args!("    {} line {}", error.file, error.line));
        if options.show_values {
            output::line(format_args!("    {}", output::cell(error.raw_field.as_deref())));
        }
    }
    Ok(exit::DONE)
}
