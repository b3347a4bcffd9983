//! `lab`: keeps the three stand-in servers up.

use std::error::Error;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::args::{Global, Lab as LabArguments};
use super::document::Document;
use super::{exit, output, signals};
use crate::lab::direct::{Direct, batches};
use crate::lab::sample;
use crate::lab::{Lab, LabOptions};
use crate::model::Fault;
use crate::model::fault::cfg;

/// A dummy row enters the time mapping after so long without a commit.
const IDLE: Duration = Duration::from_secs(5);

/// The lab, ready to be used.
#[derive(Serialize, JsonSchema)]
pub struct LabUp {
    /// Configuration file of this program for the lab.
    config: String,
    /// How to connect with other programs.
    clients: Vec<ClientLine>,
}

/// How to connect with one program.
#[derive(Serialize, JsonSchema)]
struct ClientLine {
    /// The program, as `psql`.
    program: &'static str,
    /// A line for a shell, with the credentials of the lab.
    line: String,
}

impl Document for LabUp {
    const NAME: &'static str = "lab";
    const VERSION: u32 = 1;
}

pub async fn run(global: &Global, arguments: &LabArguments) -> Result<u8, Fault> {
    let cancel = CancellationToken::new();
    signals::stop_at_first(cancel.clone());
    let script = match &arguments.script {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Some(text.map_err(|error| {
                Fault::new(&cfg::UNREADABLE, "the script cannot be read").evidence("file", path.display()).caused_by(error)
            })?)
        }
    };
    let database = if script.is_some() { "shop" } else { sample::DATABASE };
    let options = LabOptions { source_database: database.to_owned(), capture_every: Some(IDLE), ..LabOptions::default() };
    let lab = Lab::start(options).await.map_err(|error| failed("the lab could not be started", error))?;
    let batches = script.map_or_else(|| [sample::schema_batches(), sample::seed_batches(1)].concat(), |script| batches(&script));
    source(&lab)?.run_all(batches.iter().map(String::as_str)).map_err(|error| failed("the script met an error", error))?;
    let config = lab.write_config().map_err(|error| failed("the lab's configuration could not be written", error))?;
    if global.json {
        let clients = lab.clients().into_iter().map(|client| ClientLine { program: client.program, line: client.line }).collect();
        output::document(&LabUp { config: config.display().to_string(), clients });
    } else {
        output::line("The lab is up, on loopback only, until Ctrl-C. Connect with:\n");
        for client in lab.clients() {
            output::line(format_args!("  {}", client.line));
        }
        output::line(format_args!("\nWith this program:\n\n  db-to-redshift --config {} check", config.display()));
    }
    cancel.cancelled().await;
    lab.stop().await.map_err(|error| failed("the lab could not be stopped", error))?;
    Ok(exit::DONE)
}

/// A session on the lab's SQL Server.
pub fn source(lab: &Lab) -> Result<Direct, Fault> {
    let options = lab.options();
    Direct::login(&*lab.sqlserver.sessions, &options.source_user, &options.source_password, &options.source_database)
        .map_err(|error| failed("the lab's SQL Server refused the login", error))
}

/// A failure of the lab itself.
pub fn failed(what: &str, error: impl Error + Send + Sync + 'static) -> Fault {
    Fault::new(&cfg::LAB, what).evidence("error", &error).caused_by(error)
}
