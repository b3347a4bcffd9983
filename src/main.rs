//! The program: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use db_to_redshift::cli;
use rustix::process::{Resource, Rlimit};
use tracing_subscriber::EnvFilter;

fn main() -> color_eyre::Result<ExitCode> {
    color_eyre::install()?;
    // A core file would hold every password, and rows of the source.
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // Both TLS stacks share one provider; a second installation would only be refused.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Faults and progress are shown by the command itself; the log is for RUST_LOG.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    // This driver logs the server's messages, which may quote values; the AWS crates log the
    // access key id: with every request below `info`, and by `info` when they read a profile.
    let quiet = ["tiberius=off", "aws_=warn"].into_iter().filter_map(|directive| directive.parse().ok());
    let filter = quiet.fold(filter, EnvFilter::add_directive);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = cli::args::Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(ExitCode::from(runtime.block_on(cli::run(cli))))
}
