//! `completions`: scripts that let a shell complete commands and options.

use clap::CommandFactory;

use super::args::{Cli, Completions};
use super::{exit, output};
use crate::model::Fault;
use crate::model::fault::cfg;

pub fn run(completions: &Completions) -> Result<u8, Fault> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Cli::command(), "db-to-redshift", &mut script);
    let script =
        String::from_utf8(script).map_err(|error| Fault::new(&cfg::NOT_WRITTEN, "the completion script is not text").caused_by(error))?;
    output::text(script);
    Ok(exit::DONE)
}
