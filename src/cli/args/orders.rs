//! What an operator orders, and what each order must be told.

use clap::{Args, Subcommand};

use crate::engine::inspect::widen::MOST_BYTES;

/// A reason that the next person can read.
fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("a reason has words".to_owned()) } else { Ok(text.to_owned()) }
}

#[derive(Args, Debug, Clone)]
pub struct Pause {
    /// Why: the next person reads it in `status`.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
}

#[derive(Args, Debug, Clone)]
pub struct Lease {
    /// Release leases of your own: those of your processes on this machine that have ended.
    #[arg(long, conflicts_with = "take_over")]
    pub release: bool,
    /// Free leases of others: watches each for 60 s, and leaves one that is renewed (exit code 3).
    #[arg(long)]
    pub take_over: bool,
    /// With --take-over: yes, free what nobody renews.
    #[arg(long, requires = "take_over")]
    pub confirm: bool,
    /// With --take-over: free it even from a job at work; type the table's name, as in dbo.Orders.
    /// The job stops at its next safe point, and can do no harm until then.
    #[arg(long, requires = "take_over", value_name = "TABLE")]
    pub force: Option<String>,
}

#[derive(Args, Debug, Clone)]
pub struct Skip {
    /// Number of the batch to leave out; must be the one that comes next.
    #[arg(long, value_name = "SEQ", requires = "confirm", requires = "reason")]
    pub batch: Option<u64>,
    /// The table's name once more, as in dbo.Orders.
    #[arg(long, value_name = "TABLE")]
    pub confirm: Option<String>,
    /// Why: it stands in the state and in status until the table is replaced.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
}

#[derive(Args, Debug, Clone)]
pub struct Adopt {
    /// Yes, take the new identity over.
    #[arg(long)]
    pub confirm: bool,
    /// The pipeline itself was renamed, and nobody runs the old name any more.
    #[arg(long)]
    pub pipeline: bool,
}

#[derive(Args, Debug, Clone)]
pub struct AcceptSchema {
    /// Yes, go on with the columns as they are now.
    #[arg(long)]
    pub confirm: bool,
}

#[derive(Args, Debug, Clone)]
pub struct Recapture {
    /// New column that the new instance is to leave out, too (repeatable).
    #[arg(long, value_name = "NAME")]
    pub without: Vec<String>,
    /// Yes, make the capture instance.
    #[arg(long)]
    pub confirm: bool,
}

#[derive(Args, Debug, Clone)]
pub struct Enable {
    /// Gating role: only its members read the changes. Made when it is missing.
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
}

#[derive(Args, Debug, Clone)]
pub struct Widen {
    /// Name of the column [default: the first whose pending value is too long].
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,
    /// Width in bytes, 65535 at the most [default: what the source's type needs].
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_BYTES)))]
    pub to: Option<u32>,
    /// Run the statements. Staging is emptied first; what stood there is loaded again from S3.
    #[arg(long)]
    pub confirm: bool,
}

#[derive(Subcommand, Debug, Clone)]
pub enum Maintain {
    /// Refresh the planner's statistics of production (ANALYZE), table by table.
    Analyze,
    /// Free the room of deleted rows and sort production (VACUUM), table by table.
    Vacuum,
    /// Empty staging for good; refused while rows in it wait to be applied.
    TruncateStaging,
    /// Empty production of one table. The stream is broken then: take a new snapshot next.
    TruncateProduction {
        /// The table's name once more, as schema.table.
        #[arg(long, value_name = "SCHEMA.TABLE", default_value = "")]
        confirm: String,
    },
}
