//! What the jobs take: prepare, sync.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config;

#[derive(Args, Debug, Clone)]
pub struct Prepare {
    /// How the epoch begins.
    #[arg(long, value_enum, default_value_t = Mode::Snapshot)]
    pub mode: Mode,
    /// Open another epoch although one is open: production is replaced by a new snapshot.
    #[arg(long)]
    pub new_epoch: bool,
    /// Let the first snapshot replace rows in production that this program did not load.
    #[arg(long)]
    pub replace: bool,
    /// With `--mode start`: keep the rows in production; the table counts as diverged until verified.
    #[arg(long)]
    pub trusted: bool,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Copy the table as it is, then its changes.
    Snapshot,
    /// Carry changes only, into an empty table: rows that stand in the source already never come.
    Start,
}

#[derive(Args, Debug, Clone)]
pub struct Sync {
    /// Begin again so long after a round began, until Ctrl-C or SIGTERM: as in 30s, 5m, 1h.
    #[arg(long, value_name = "TIME", value_parser = config::interval)]
    pub every: Option<Duration>,
}
