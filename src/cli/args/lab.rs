//! The stand-in servers.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug, Clone)]
pub struct Demo {
    /// Print a report instead of opening a screen.
    #[arg(long)]
    pub headless: bool,
    /// Seed of the workload: the same seed makes the same changes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Rounds of changes and sync.
    #[arg(long, default_value_t = 5)]
    pub rounds: u32,
    /// Transactions in each round.
    #[arg(long, default_value_t = 60)]
    pub transactions: usize,
}

#[derive(Args, Debug, Clone)]
pub struct Lab {
    /// Load this T-SQL script (batches end at GO) instead of the sample company.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
}
