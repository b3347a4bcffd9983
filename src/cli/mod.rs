//! The command line: one file a command. All output goes through `output`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod accept_schema;
mod adopt;
pub mod args;
mod buckets;
mod bundle;
mod check;
mod columns;
mod completions;
pub mod connect;
pub mod console;
#[cfg(feature = "lab")]
mod demo;
pub mod document;
mod dry_run;
mod enable;
mod every;
mod exit;
mod explain;
mod files;
mod init;
mod jobs;
mod keys;
#[cfg(feature = "lab")]
mod lab;
mod lease;
mod load_errors;
mod load_sql;
mod log;
mod lsn;
mod maintain;
mod man;
mod output;
mod pause;
mod preview;
mod recapture;
mod recover;
mod reports;
mod retry;
mod rows;
mod runs;
mod schema;
mod select;
mod signals;
mod skip;
mod staging;
mod status;
mod tables;
mod trace;
mod verify;
mod watch;
mod widen;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config;
use crate::engine::Run;
use crate::engine::event::EventReceiver;
use crate::model::Fault;
use crate::model::fault::cfg;

use self::args::{Cli, Command, Global, Sync};
use self::connect::LiveEngine;

/// Runs a command and returns the exit code of the process.
pub async fn run(cli: Cli) -> u8 {
    let global = cli.global.clone();
    output::called(&global);
    let Some(command) = cli.command.or_else(console::by_default) else { return console::no_command() };
    // A job stops at the first signal by itself; reading commands have nothing to put in order.
    let patience = if command.stops_by_itself() { 2 } else { 1 };
    let ended = tokio::select! {
        ended = Box::pin(dispatch(&global, command)) => ended,
        code = signals::after(patience) => return code,
    };
    let code = match ended {
        Ok(code) => code,
        Err(fault) => {
            output::show_fault(&global, &fault);
            exit::of(&fault)
        }
    };
    match output::failure() {
        None => code,
        Some(error) => {
            output::talk(format_args!("standard output could not be written: {error}"));
            exit::worst([code, exit::FAILED])
        }
    }
}

async fn dispatch(global: &Global, command: Command) -> Result<u8, Fault> {
    if global.read_only && command.writes() {
        return Err(Fault::new(&cfg::READ_ONLY, format!("{} writes, and --read-only forbids it", command.name())));
    }
    if !global.tables.is_empty() && !command.takes_tables() {
        let what = format!("{} is not about single tables", command.name());
        return Err(Fault::new(&cfg::BAD_ARGUMENT, what).next("leave --table out"));
    }
    match &command {
        Command::Console(options) => Box::pin(console::run(global, options)).await,
        Command::Keys => keys::run(global),
        Command::Explain(explain) => explain::run(global, explain),
        Command::Schema(schema) => schema::run(global, schema),
        Command::Completions(completions) => completions::run(completions),
        Command::Man(man) => man::run(man),
        Command::Init(init) => init::run(global, init),
        #[cfg(feature = "lab")]
        Command::Demo(demo) => Box::pin(demo::run(global, demo)).await,
        #[cfg(feature = "lab")]
        Command::Lab(lab) => lab::run(global, lab).await,
        Command::Bundle(bundle) => bundle::run(global, bundle, connected(global, &command).await?).await,
        Command::Check => check::run(global, connected(global, &command).await?).await,
        Command::Status => status::run(global, connected(global, &command).await?).await,
        Command::Verify(verify) => verify::run(global, verify, connected(global, &command).await?).await,
        Command::Trace(trace) => trace::run(global, trace, connected(global, &command).await?).await,
        Command::Files(most) => files::run(global, most.most, connected(global, &command).await?).await,
        Command::Preview(preview) => preview::run(global, preview, connected(global, &command).await?).await,
        Command::Staging(staging) => staging::run(global, staging, connected(global, &command).await?).await,
        Command::Log(most) => log::run(global, most.most, connected(global, &command).await?).await,
        Command::Columns => columns::run(global, connected(global, &command).await?).await,
        Command::LoadSql => load_sql::run(global, connected(global, &command).await?).await,
        Command::DryRun => dry_run::run(global, connected(global, &command).await?).await,
        Command::Widen(widen) => widen::run(global, widen, connected(global, &command).await?).await,
        Command::LoadErrors(errors) => load_errors::run(global, errors, connected(global, &command).await?).await,
        Command::Maintain(what) => maintain::run(global, what, connected(global, &command).await?).await,
        Command::Lsn(lsn) => lsn::run(global, lsn, connected(global, &command).await?).await,
        Command::Buckets => buckets::run(global, connected(global, &command).await?).await,
        Command::Pause(pause) => pause::pause(global, pause, connected(global, &command).await?).await,
        Command::Resume => pause::resume(global, connected(global, &command).await?).await,
        Command::Retry => retry::run(global, connected(global, &command).await?).await,
        Command::Recover => recover::run(global, connected(global, &command).await?).await,
        Command::Lease(lease) => lease::run(global, lease, connected(global, &command).await?).await,
        Command::Skip(skip) => skip::run(global, skip, connected(global, &command).await?).await,
        Command::Adopt(adopt) => adopt::run(global, adopt, connected(global, &command).await?).await,
        Command::AcceptSchema(accept) => accept_schema::run(global, accept, connected(global, &command).await?).await,
        Command::Recapture(recapture) => recapture::run(global, recapture, connected(global, &command).await?).await,
        Command::Tables => tables::run(global, connected(global, &command).await?).await,
        Command::Runs(most) => runs::run(global, most.most, connected(global, &command).await?).await,
        Command::Enable(enable) => enable::run(global, enable, connected(global, &command).await?).await,
        Command::Sync(Sync { every: Some(every) }) => every::run(global, &command, *every).await,
        Command::Prepare(_) | Command::Extract | Command::Load | Command::Sync(_) => {
            jobs::run(global, &command, connected(global, &command).await?).await
        }
    }
}

/// An engine over the configuration, which the first Ctrl-C or SIGTERM stops at a safe point.
async fn connected(global: &Global, command: &Command) -> Result<(Arc<LiveEngine>, EventReceiver), Fault> {
    let cancel = CancellationToken::new();
    signals::stop_at_first(cancel.clone());
    start(global, command, cancel).await
}

/// An engine over the configuration as it stands now.
async fn start(global: &Global, command: &Command, cancel: CancellationToken) -> Result<(Arc<LiveEngine>, EventReceiver), Fault> {
    let settings = config::load(global.config.as_deref(), global.profile.as_deref())?;
    connect::engine(settings, Run::new(command.name(), global.wait), cancel).await
}
