//! The command line: one file a command.

pub mod args;
mod buckets;
mod check;
pub mod connect;
#[cfg(feature = "lab")]
mod demo;
mod dry_run;
mod enable;
mod exit;
mod explain;
mod init;
mod jobs;
#[cfg(feature = "lab")]
mod lab;
mod load_errors;
mod lsn;
mod maintain;
mod output;
mod runs;
mod select;
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

use self::args::{Cli, Command, Global};
use self::connect::LiveEngine;

/// Runs a command and returns the exit code of the process.
pub async fn run(cli: Cli) -> u8 {
    let json = cli.global.json;
    match Box::pin(dispatch(cli)).await {
        Ok(code) => code,
        Err(fault) => {
            if json {
                println!("{}", serde_json::json!({ "fault": output::fault_json(&fault) }));
            } else {
                eprint!("{}", output::fault_text(&fault));
            }
            exit::of(&fault)
        }
    }
}

async fn dispatch(Cli { global, command }: Cli) -> Result<u8, Fault> {
    if global.read_only && command.writes() {
        return Err(Fault::new(&cfg::READ_ONLY, format!("{} writes, and --read-only forbids it", command.name())));
    }
    match &command {
        Command::Explain(explain) => explain::run(&global, explain),
        Command::Init(init) => init::run(init),
        #[cfg(feature = "lab")]
        Command::Demo(demo) => Box::pin(demo::run(&global, demo)).await,
        #[cfg(feature = "lab")]
        Command::Lab(lab) => lab::run(&global, lab).await,
        Command::Check => check::run(&global, connected(&global, &command).await?).await,
        Command::Status => status::run(&global, connected(&global, &command).await?).await,
        Command::Verify(verify) => verify::run(&global, verify, connected(&global, &command).await?).await,
        Command::Trace(trace) => trace::run(&global, trace, connected(&global, &command).await?).await,
        Command::DryRun => dry_run::run(&global, connected(&global, &command).await?).await,
        Command::Widen(widen) => widen::run(&global, widen, connected(&global, &command).await?).await,
        Command::LoadErrors(errors) => load_errors::run(&global, errors, connected(&global, &command).await?).await,
        Command::Maintain(what) => maintain::run(&global, what, connected(&global, &command).await?).await,
        Command::Lsn(lsn) => lsn::run(&global, lsn, connected(&global, &command).await?).await,
        Command::Buckets => buckets::run(&global, connected(&global, &command).await?).await,
        Command::Tables => tables::run(&global, connected(&global, &command).await?).await,
        Command::Runs(most) => runs::run(&global, most.most, connected(&global, &command).await?).await,
        Command::Enable(enable) => enable::run(&global, enable, connected(&global, &command).await?).await,
        Command::Prepare(_) | Command::Extract | Command::Load | Command::Sync => {
            jobs::run(&global, &command, connected(&global, &command).await?).await
        }
    }
}

/// An engine over the configuration, which the first Ctrl-C or SIGTERM stops at a safe point.
async fn connected(global: &Global, command: &Command) -> Result<(Arc<LiveEngine>, EventReceiver), Fault> {
    let settings = config::load(global.config.as_deref(), global.profile.as_deref())?;
    let cancel = CancellationToken::new();
    stop_on_signals(cancel.clone());
    connect::engine(settings, Run::new(command.name(), global.wait), cancel).await
}

fn stop_on_signals(cancel: CancellationToken) {
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else { return };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("stopping at the next safe point");
        cancel.cancel();
    });
}
