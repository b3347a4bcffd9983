//! What a verify found.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::Findings;
use crate::engine::inspect::Subject;
use crate::engine::inspect::digest::Sums;
use crate::model::state::Diverged;
use crate::model::{Epoch, Lsn, Seq, TableName};
use crate::target::Held;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifyOptions {
    /// Name the first keys that differ.
    pub show_keys: bool,
    /// Show the rows of these keys on both sides.
    pub show_values: bool,
    /// How many keys.
    pub most: usize,
    /// How long capture is waited for before a difference is believed.
    pub settle: Duration,
    /// Keys in flight that are remembered, 16 bytes each. With more, nothing is compared.
    pub most_in_flight: usize,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { show_keys: false, show_values: false, most: 20, settle: Duration::from_secs(330), most_in_flight: 2_000_000 }
    }
}

/// Whether production equals the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every row that could be compared is equal.
    Equal,
    /// Production differs from the source.
    Different,
    /// Rows differ, but capture did not pass the time of the scan: they may be changes on the way.
    Unsettled,
}

/// What is wrong with a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Only in the source.
    Missing,
    /// Only in production.
    Extra,
    /// More than once in production; or two rows of the source have one key in the target.
    Duplicate,
    /// The values differ.
    Different,
}

/// One key that differs; shown on request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WrongKey {
    pub what: Wrong,
    /// Values of the key columns, in key order.
    pub key: Vec<Held>,
    /// Columns whose values differ.
    pub columns: Vec<String>,
    /// The source's row, in the order of `shape`; only when values were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Vec<Held>>,
    /// Production's row, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<Vec<Held>>,
}

/// What a verify of one table found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VerifyReport {
    pub table: TableName,
    pub verdict: Verdict,
    /// Epoch that production stands in.
    pub epoch: Epoch,
    /// Number of the batch that production stands at.
    pub applied_seq: Seq,
    /// Production is as of this LSN.
    pub applied_lsn: Lsn,
    /// Rows that were read from the source.
    pub source_rows: u64,
    /// Rows that were read from production.
    pub production_rows: u64,
    /// Keys that only the source holds.
    pub missing: u64,
    /// Keys that only production holds.
    pub extra: u64,
    /// Keys that stand in production more than once, or that two rows of the source have in the target.
    pub duplicate: u64,
    /// Keys whose rows differ.
    pub different: u64,
    /// Keys with changes that production does not have yet, as far as they were looked for.
    pub in_flight: u64,
    /// Keys that differ and were left out, since they are in flight.
    pub left_out: u64,
    /// Rows in differing buckets that were not looked at: too many differ.
    pub unexamined: u64,
    /// Names of the columns, in the order of rows.
    pub shape: Vec<String>,
    /// How many rows differ in each column.
    pub columns: BTreeMap<String, u64>,
    /// The first keys that differ; empty unless keys were asked for.
    pub keys: Vec<WrongKey>,
    /// The mark that stood before this verify.
    pub was_diverged: Option<Diverged>,
    /// The table counts as diverged from now on.
    pub diverged: bool,
    /// What else a person should know.
    pub notes: Vec<String>,
    /// How long the verify took.
    pub seconds: f64,
}

impl VerifyReport {
    pub(super) fn new(subject: &Subject, here: &Sums, there: &Sums, findings: &Findings) -> Self {
        let names: Vec<String> = subject.shape().columns().iter().map(|column| column.name.clone()).collect();
        let mut columns: BTreeMap<String, u64> = BTreeMap::new();
        for at in findings.differences.iter().flat_map(|difference| &difference.columns) {
            *columns.entry(names[*at].clone()).or_default() += 1;
        }
        let count = |what| findings.differences.iter().filter(|difference| difference.what == what).count() as u64;
        Self {
            table: subject.table.clone(),
            verdict: Verdict::Equal,
            epoch: subject.epoch,
            applied_seq: subject.applied_seq,
            applied_lsn: subject.applied_lsn,
            source_rows: here.total,
            production_rows: there.total,
            missing: count(Wrong::Missing),
            extra: count(Wrong::Extra),
            duplicate: count(Wrong::Duplicate),
            different: count(Wrong::Different),
            in_flight: 0,
            left_out: findings.left_out.len() as u64,
            unexamined: 0,
            shape: names,
            columns,
            keys: Vec::new(),
            was_diverged: subject.state.diverged.clone(),
            diverged: subject.state.diverged.is_some(),
            notes: Vec::new(),
            seconds: 0.0,
        }
    }
}
