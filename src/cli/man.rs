//! `man`: manual pages, made from the same argument tree that the program reads.

use std::fs;
use std::path::Path;

use clap::CommandFactory;

use super::args::{Cli, Man};
use super::{exit, output};
use crate::model::Fault;
use crate::model::fault::cfg;

pub fn run(man: &Man) -> Result<u8, Fault> {
    match &man.out {
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
            rendered.map_err(|error| Fault::new(&cfg::NOT_WRITTEN, "the manual page could not be made").caused_by(error))?;
            output::text(String::from_utf8_lossy(&page));
        }
        Some(folder) => {
            write(folder)?;
            output::line(format_args!("wrote the manual pages to {}", folder.display()));
        }
    }
    Ok(exit::DONE)
}

fn write(folder: &Path) -> Result<(), Fault> {
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| {
        Fault::new(&cfg::NOT_WRITTEN, format!("the manual pages were not written to {}", folder.display()))
            .evidence("error", error.kind())
            .caused_by(error)
    })
}
