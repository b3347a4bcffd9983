//! What a verify found.

use std::collections::BTreeMap;
use std::time::Duration;

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

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every row that could be compared is equal.
    Equal,
    Different,
    /// Rows differ, but capture did not pass the time of the scan: they may be changes on the way.
    Unsettled,
}

/// What is wrong with a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Only in the source.
    Missing,
    /// Only in production.
    Extra,
    /// More than once in production.
    Duplicate,
    /// The values differ.
    Different,
}

/// One key that differs; shown on request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WrongKey {
    pub what: Wrong,
    pub key: Vec<Held>,
    /// Columns whose values differ.
    pub columns: Vec<String>,
    /// The rows, in the order of [`VerifyReport::shape`]; only when values were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Vec<Held>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<Vec<Held>>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VerifyReport {
    pub table: TableName,
    pub verdict: Verdict,
    pub epoch: Epoch,
    pub applied_seq: Seq,
    /// Production is as of this LSN.
    pub applied_lsn: Lsn,
    pub source_rows: u64,
    pub production_rows: u64,
    pub missing: u64,
    pub extra: u64,
    pub duplicate: u64,
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
    pub keys: Vec<WrongKey>,
    pub was_diverged: Option<Diverged>,
    /// The table counts as diverged from now on.
    pub diverged: bool,
    pub notes: Vec<String>,
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
