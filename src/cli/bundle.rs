//! `bundle`: the incident bundle as a file.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Bundle, Global};
use super::check::Checked;
use super::connect::LiveEngine;
use super::document::{Document, Ended, Named};
use super::runs::RunList;
use super::{exit, output, select};
use crate::config::Settings;
use crate::config::new_file::{Readers, write_new};
use crate::engine::bundle::Gathered;
use crate::engine::bundle::archive::{self, Member};
use crate::engine::event::EventReceiver;
use crate::model::fault::{cfg, sync};
use crate::model::{Fault, TableName};

/// The bundle that was written.
#[derive(Serialize, JsonSchema)]
pub struct Bundled {
    /// The archive, as the user named it or in this folder.
    path: String,
    /// Its size in bytes.
    bytes: usize,
    /// Names of the files in it.
    members: Vec<&'static str>,
}

impl Document for Bundled {
    const NAME: &'static str = "bundle";
    const VERSION: u32 = 1;
}

pub async fn run(global: &Global, bundle: &Bundle, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    // The bundle is for bad days: a source that cannot be reached is one of its facts.
    let tables = match select::tables(&engine, &global.tables, select::From::Source).await {
        Err(fault) if fault.is(&sync::NO_TABLE) => return Err(fault),
        Err(_) => select::tables(&engine, &global.tables, select::From::Store).await.unwrap_or_default(),
        Ok(tables) => tables,
    };
    let Written { path, bytes, members: names } = write(&engine, &tables, bundle.out.clone()).await?;
    if global.json {
        output::document(&Bundled { path: path.display().to_string(), bytes, members: names });
    } else {
        output::line(format_args!("wrote {} ({}): {}", path.display(), output::bytes(bytes as u64), names.join(", ")));
    }
    Ok(exit::DONE)
}

/// The files of the archive, each a document of the registry but the first.
fn members(settings: &Settings, gathered: Gathered) -> Vec<Member> {
    fn document(name: &'static str, document: &impl Document) -> Member {
        Member::json(name, &Named::new(document))
    }
    fn part<D: Document>(name: &'static str, read: Result<D, Fault>) -> Member {
        match read {
            Ok(read) => document(name, &read),
            Err(fault) => document(name, &Ended { fault: &fault }),
        }
    }
    vec![
        Member::text("README.txt", gathered.readme),
        document("versions.json", &gathered.versions),
        document("config.json", settings),
        document("check.json", &Checked::new(&gathered.findings)),
        document("status.json", &gathered.status),
        document("faults.json", &gathered.faults),
        part("runs.json", gathered.runs.map(|runs| RunList { runs })),
        part("batch_log.json", gathered.log),
    ]
}

/// A bundle that was written.
pub struct Written {
    pub path: PathBuf,
    pub bytes: usize,
    pub members: Vec<&'static str>,
}

/// Gathers a bundle and writes it as a new file that only this user may read.
pub async fn write(engine: &Arc<LiveEngine>, tables: &[TableName], out: Option<PathBuf>) -> Result<Written, Fault> {
    let now = Timestamp::now();
    let folder = format!("db-to-redshift-{}-{}", engine.settings.pipeline, now.strftime("%Y%m%dT%H%M%SZ"));
    let path = out.unwrap_or_else(|| PathBuf::from(format!("{folder}.tar.gz")));
    let members = members(&engine.settings, engine.bundle(tables).await);
    let fault = |error: std::io::Error| {
        Fault::new(&cfg::NOT_WRITTEN, format!("{} was not written", path.display())).evidence("error", error.kind()).caused_by(error)
    };
    let bytes = archive::pack(&folder, u64::try_from(now.as_second()).unwrap_or(0), &members).map_err(fault)?;
    write_new(&path, &bytes, Readers::Owner).map_err(fault)?;
    let names = members.iter().map(|member| member.name).collect();
    Ok(Written { path, bytes: bytes.len(), members: names })
}
