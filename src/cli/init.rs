//! `init`: a commented configuration file to start from.

use super::args::{Global, Init};
use super::{exit, output};
use crate::config;
use crate::config::new_file::{Readers, write_new};
use crate::model::Fault;
use crate::model::fault::cfg;
use crate::model::typed::shell;

/// The example of the repository is the file that a newcomer gets.
const EXAMPLE: &str = include_str!("../../config.example.toml");

pub fn run(global: &Global, init: &Init) -> Result<u8, Fault> {
    let to = init.path.clone().unwrap_or_else(|| config::to_write(global.config.as_deref()));
    let path = to.display();
    let fault = |error: std::io::Error| {
        Fault::new(&cfg::NOT_WRITTEN, format!("{path} was not written")).evidence("error", error.kind()).caused_by(error)
    };
    // Never over a file that somebody has filled in.
    write_new(&to, EXAMPLE.as_bytes(), Readers::Everyone).map_err(fault)?;
    let check = match &init.path {
        Some(_) => format!("db-to-redshift --config {} check", shell(&path.to_string())),
        None => output::advice("db-to-redshift check"),
    };
    output::line(format_args!("wrote {path}: fill in source, s3 and redshift, then run {check}"));
    Ok(exit::DONE)
}
