//! What looks at the three systems and what the answer may show.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug, Clone)]
pub struct Verify {
    /// Name the first keys that differ. Keys are data: they are not shown unless you ask.
    #[arg(long)]
    pub show_keys: bool,
    /// Show the rows of these keys on both sides, too.
    #[arg(long)]
    pub show_values: bool,
    /// How many keys to show at the most.
    #[arg(long, default_value_t = 20)]
    pub most: usize,
    /// How long to wait for capture before a difference is believed. An idle database shows a sign
    /// of life every five minutes.
    #[arg(long, value_name = "SECONDS", default_value_t = 330)]
    pub settle: u64,
}

#[derive(Args, Debug, Clone)]
pub struct Trace {
    /// Value of the key, as text; once for each key column, in key order.
    #[arg(long = "key", value_name = "VALUE", required = true, allow_hyphen_values = true)]
    pub keys: Vec<String>,
    /// Show the values of the rows.
    #[arg(long)]
    pub show_values: bool,
}

#[derive(Args, Debug, Clone)]
pub struct LoadErrors {
    /// How many at the most.
    #[arg(long, default_value_t = 20)]
    pub most: usize,
    /// Show the refused fields, which are cell values.
    #[arg(long)]
    pub show_values: bool,
}

#[derive(Args, Debug, Clone)]
pub struct Preview {
    /// Number of the batch in the current epoch, as `files` lists it.
    #[arg(long, value_name = "SEQ")]
    pub batch: u64,
    /// Number of the part file in the batch [default: the first].
    #[arg(long, value_name = "NUMBER")]
    pub file: Option<u32>,
    /// Begin with the row on this line of the file, as a fault names it.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub line: u64,
    /// How many rows at the most.
    #[arg(long, default_value_t = 20)]
    pub most: usize,
    /// Show the values of the rows, which are hidden otherwise.
    #[arg(long)]
    pub show_values: bool,
}

#[derive(Args, Debug, Clone)]
pub struct Staging {
    /// How many rows at the most.
    #[arg(long, default_value_t = 20)]
    pub most: usize,
    /// Show the values of the rows, which are hidden otherwise.
    #[arg(long)]
    pub show_values: bool,
}

#[derive(Args, Debug, Clone)]
pub struct LsnOrTime {
    /// 20 hex digits, or a time of the database server's clock as in '2026-03-02 09:30:00'.
    #[arg(value_name = "LSN|TIME")]
    pub what: String,
}

#[derive(Args, Debug, Clone)]
pub struct Most {
    /// How many at the most.
    #[arg(long, default_value_t = 20)]
    pub most: usize,
}

#[derive(Args, Debug, Clone)]
pub struct Bundle {
    /// The archive [default: db-to-redshift-PIPELINE-TIME.tar.gz in this folder].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
