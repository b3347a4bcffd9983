//! `init`: a commented configuration file to start from.

use std::fs::OpenOptions;
use std::io::Write as _;

use super::args::Init;
use super::{exit, output};
use crate::model::Fault;
use crate::model::fault::cfg;

/// The example of the repository is the file that a newcomer gets.
const EXAMPLE: &str = include_str!("../../config.example.toml");

pub fn run(init: &Init) -> Result<u8, Fault> {
    let path = init.path.display();
    let fault = |error: std::io::Error| {
        Fault::new(&cfg::NOT_WRITTEN, format!("{path} was not written")).evidence("error", error.kind()).caused_by(error)
    };
    // Never over a file that somebody has filled in.
    let mut file = OpenOptions::new().write(true).create_new(true).open(&init.path).map_err(fault)?;
    file.write_all(EXAMPLE.as_bytes()).map_err(fault)?;
    output::line(format_args!("wrote {path}: fill in source, s3 and redshift, then run db-to-redshift check"));
    Ok(exit::DONE)
}
