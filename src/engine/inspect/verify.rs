//! Verify: is production equal to the source (rules L1, L9, R2)?
//!
//! Both sides are streamed into bucket sums ([`super::digest`]). Where buckets differ, a second
//! pass collects their rows by key and compares them cell by cell. Production is as of the applied
//! LSN and the scan is newer, so keys with change rows above that LSN are left out. A scan also
//! sees commits that capture has not moved yet: before anything is called a difference, capture
//! must have passed the time of the scan.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::digest::{self, Sums};
use super::{Subject, key};
use crate::engine::event::{Job, Progress};
use crate::engine::{Engine, lease};
use crate::model::control::LeaseKind;
use crate::model::fault::sync;
use crate::model::state::Diverged;
use crate::model::{Epoch, Fault, Lsn, Seq, TableName, Value};
use crate::source::{CaptureInstance, Pages, ScanIsolation, Source};
use crate::store::ChangeStore;
use crate::target::{Held, HeldRows, Loader, Target, Verified};

/// Rows of both sides that one second pass looks at: a few hundred MB at the worst.
const GROUP_ROWS: u64 = 1_000_000;
/// Second passes at the most. What is left then is counted, not examined.
const GROUPS: usize = 16;

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
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { show_keys: false, show_values: false, most: 20, settle: Duration::from_secs(330) }
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

/// A row of the source in a bucket that differs.
struct SourceRow {
    key: Vec<Held>,
    cells: Box<[u64]>,
    /// Rows of this key that production showed.
    seen: u32,
}

struct Difference {
    hash: u128,
    what: Wrong,
    key: Vec<Held>,
    columns: Vec<usize>,
}

/// What the second passes found.
#[derive(Default)]
struct Findings {
    differences: Vec<Difference>,
    left_out: HashSet<u128>,
    settled: bool,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Compares production with the source under the load lease, so that production stands still.
    /// Notes in state what was found: equal clears the mark "diverged", a difference sets it.
    pub async fn verify(&self, table: &TableName, options: &VerifyOptions) -> Result<VerifyReport, Fault> {
        let lease = lease::take(&self.store, table, LeaseKind::Load, &self.run.holder, self.run.wait, &self.cancel).await?;
        let verified = self.verify_under_lease(table, options, &lease).await;
        lease.release().await;
        self.events.idle(table);
        verified
    }

    async fn verify_under_lease(&self, table: &TableName, options: &VerifyOptions, lease: &lease::Held) -> Result<VerifyReport, Fault> {
        let started = Instant::now();
        let subject = self.subject(table).await?;
        let instance = self.instance_of(&subject).await?;
        let missing = || Fault::new(&sync::DIVERGED, format!("production of {table} does not exist"));
        let seen = Verified {
            epoch: subject.epoch,
            applied_seq: subject.applied_seq,
            fence: subject.state.fence,
            production_oid: self.target.oids(table).await?.0.ok_or_else(missing)?,
        };
        let isolation =
            if self.source.start_up().await?.snapshot_isolation { ScanIsolation::Snapshot } else { ScanIsolation::ReadCommitted };
        let here = self.source_sums(&subject, isolation).await?;
        let there = self.production_sums(&subject).await?;
        lease.check(table)?;
        let mut suspects = here.differing(&there);
        let mut in_flight = HashSet::new();
        let mut findings = Findings { settled: true, ..Findings::default() };
        for _ in 0..GROUPS {
            let group = take_group(&mut suspects);
            if group.is_empty() {
                break;
            }
            self.examine(&subject, &instance, isolation, &group, options.settle, &mut in_flight, &mut findings).await?;
            lease.check(table)?;
        }
        let unexamined = suspects.iter().map(|(_, rows)| rows).sum();
        let mut report = self.report(&subject, &here, &there, &findings);
        report.in_flight = in_flight.len() as u64;
        report.unexamined = unexamined;
        report.verdict = match (findings.differences.is_empty(), findings.settled) {
            (true, true) if unexamined == 0 => Verdict::Equal,
            (false, true) => Verdict::Different,
            _ => Verdict::Unsettled,
        };
        if options.show_keys || options.show_values {
            report.keys = self.wrong_keys(&subject, &findings.differences, options).await?;
        }
        self.note(&subject, seen, &mut report).await?;
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    fn hold_row(&self, subject: &Subject, values: &[Value]) -> Vec<Held> {
        subject.shape().columns().iter().zip(values).map(|(column, value)| self.target.hold(column, value)).collect()
    }

    fn tell(&self, table: &TableName, phase: &'static str, rows: u64) {
        self.events.progress(table, Progress { job: Job::Verify, phase, rows, bytes: 0 });
    }

    async fn source_sums(&self, subject: &Subject, isolation: ScanIsolation) -> Result<Sums, Fault> {
        let (mut sums, key_len) = (Sums::new(), subject.shape().key_len());
        let mut scan = self.source.scan(&subject.table, subject.shape(), isolation).await?;
        while let Some(page) = scan.next_page().await? {
            page.iter().for_each(|values| sums.add(digest::of_row(&self.hold_row(subject, values), key_len)));
            self.tell(&subject.table, "read source", sums.total);
            self.safe_point(&subject.table)?;
        }
        Ok(sums)
    }

    async fn production_sums(&self, subject: &Subject) -> Result<Sums, Fault> {
        let (mut sums, key_len) = (Sums::new(), subject.shape().key_len());
        let mut rows = self.target.production(&subject.table, subject.shape()).await?;
        while let Some(page) = rows.next_page().await? {
            page.iter().for_each(|cells| sums.add(digest::of_row(cells, key_len)));
            self.tell(&subject.table, "read production", sums.total);
            self.safe_point(&subject.table)?;
        }
        Ok(sums)
    }

    /// Compares the rows of some buckets key by key.
    #[expect(clippy::too_many_arguments, reason = "all of it is the state of one pass")]
    async fn examine(
        &self,
        subject: &Subject,
        instance: &CaptureInstance,
        isolation: ScanIsolation,
        group: &HashSet<usize>,
        settle: Duration,
        in_flight: &mut HashSet<u128>,
        findings: &mut Findings,
    ) -> Result<(), Fault> {
        let (mut rows, pinned) = self.source_rows(subject, isolation, group).await?;
        let mut differences = self.compare(subject, group, &mut rows).await?;
        let missing = rows.into_iter().filter(|(_, row)| row.seen == 0);
        differences.extend(missing.map(|(hash, row)| Difference { hash, what: Wrong::Missing, key: row.key, columns: Vec::new() }));
        self.add_in_flight(subject, instance, in_flight).await?;
        leave_out(&mut differences, in_flight, &mut findings.left_out);
        if !differences.is_empty() {
            let settled = self.wait_for_capture(subject, pinned, settle).await?;
            self.add_in_flight(subject, instance, in_flight).await?;
            leave_out(&mut differences, in_flight, &mut findings.left_out);
            findings.settled &= settled || differences.is_empty();
        }
        findings.differences.append(&mut differences);
        Ok(())
    }

    /// The source's rows in these buckets, and a time by which all that the scan saw was committed.
    async fn source_rows(
        &self,
        subject: &Subject,
        isolation: ScanIsolation,
        group: &HashSet<usize>,
    ) -> Result<(HashMap<u128, SourceRow>, DateTime), Fault> {
        let (mut rows, key_len) = (HashMap::new(), subject.shape().key_len());
        let mut scan = self.source.scan(&subject.table, subject.shape(), isolation).await?;
        while let Some(page) = scan.next_page().await? {
            for values in page {
                let mut cells = self.hold_row(subject, &values);
                let digest = digest::of_row(&cells, key_len);
                if group.contains(&digest::bucket(digest.key)) {
                    let hashes = cells.iter().map(digest::of_cell).collect();
                    cells.truncate(key_len);
                    rows.insert(digest.key, SourceRow { key: cells, cells: hashes, seen: 0 });
                }
            }
            self.safe_point(&subject.table)?;
        }
        Ok((rows, self.source.clock().await?))
    }

    async fn compare(
        &self,
        subject: &Subject,
        group: &HashSet<usize>,
        rows: &mut HashMap<u128, SourceRow>,
    ) -> Result<Vec<Difference>, Fault> {
        let key_len = subject.shape().key_len();
        let mut differences = Vec::new();
        let mut production = self.target.production(&subject.table, subject.shape()).await?;
        while let Some(page) = production.next_page().await? {
            for mut cells in page {
                let hash = digest::of_row(&cells, key_len).key;
                if !group.contains(&digest::bucket(hash)) {
                    continue;
                }
                let (what, columns) = match rows.get_mut(&hash) {
                    None => (Wrong::Extra, Vec::new()),
                    Some(row) => {
                        row.seen += 1;
                        let differ = |(at, cell): (usize, &Held)| (row.cells.get(at) != Some(&digest::of_cell(cell))).then_some(at);
                        let columns: Vec<usize> = cells.iter().enumerate().filter_map(differ).collect();
                        match (row.seen, columns.is_empty()) {
                            (1, true) => continue,
                            (1, false) => (Wrong::Different, columns),
                            _ => (Wrong::Duplicate, columns),
                        }
                    }
                };
                cells.truncate(key_len);
                differences.push(Difference { hash, what, key: cells, columns });
            }
            self.safe_point(&subject.table)?;
        }
        Ok(differences)
    }

    fn report(&self, subject: &Subject, here: &Sums, there: &Sums, findings: &Findings) -> VerifyReport {
        let names: Vec<String> = subject.shape().columns().iter().map(|column| column.name.clone()).collect();
        let mut columns: BTreeMap<String, u64> = BTreeMap::new();
        for at in findings.differences.iter().flat_map(|difference| &difference.columns) {
            *columns.entry(names[*at].clone()).or_default() += 1;
        }
        let count = |what| findings.differences.iter().filter(|difference| difference.what == what).count() as u64;
        VerifyReport {
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

    async fn wrong_keys(&self, subject: &Subject, differences: &[Difference], options: &VerifyOptions) -> Result<Vec<WrongKey>, Fault> {
        let shape = subject.shape();
        let mut keys = Vec::new();
        for difference in differences.iter().take(options.most) {
            let columns = difference.columns.iter().map(|at| shape.columns()[*at].name.clone()).collect();
            let (mut source, mut production) = (None, None);
            if options.show_values {
                production = self.target.rows_of_key(&subject.table, shape, &difference.key).await?.production.into_iter().next();
                if let Ok(values) = key::of_held(shape, &difference.key) {
                    let found = self.source.reread(&subject.table, shape, &[values]).await?;
                    source = found.first().map(|values| self.hold_row(subject, values));
                }
            }
            keys.push(WrongKey { what: difference.what, key: difference.key.clone(), columns, source, production });
        }
        Ok(keys)
    }

    /// Writes the finding into state, if state stands where it stood.
    async fn note(&self, subject: &Subject, seen: Verified, report: &mut VerifyReport) -> Result<(), Fault> {
        let why = format!(
            "verify found {} missing, {} extra, {} duplicate and {} different rows",
            report.missing, report.extra, report.duplicate, report.different
        );
        let diverged = match report.verdict {
            Verdict::Unsettled => {
                report.notes.push(
                    "nothing was noted in state: capture has not passed the time of the scan, or too much differs; run verify again".into(),
                );
                return Ok(());
            }
            Verdict::Different => Some(why.as_str()),
            // A change on its way replaces a whole row, but for large values that it leaves alone.
            Verdict::Equal if report.diverged && report.left_out > 0 && subject.shape().large_columns().next().is_some() => {
                report.notes.push(format!(
                    "{} keys in flight differ and may keep large values of production: the mark stays; load, then verify again",
                    report.left_out
                ));
                return Ok(());
            }
            Verdict::Equal => None,
        };
        let mut loader = self.target.loader(&subject.table).await?;
        loader.note_verified(&subject.identity, seen, diverged).await?;
        if report.diverged && diverged.is_none() {
            report.notes.push("the mark \"diverged\" was cleared".into());
        }
        report.diverged = diverged.is_some();
        Ok(())
    }
}

/// As many of the differing buckets as one pass takes, at least one.
fn take_group(suspects: &mut Vec<(usize, u64)>) -> HashSet<usize> {
    let mut group = HashSet::new();
    let mut rows = 0;
    while let Some((bucket, more)) = suspects.pop() {
        if !group.is_empty() && rows + more > GROUP_ROWS {
            suspects.push((bucket, more));
            break;
        }
        rows += more;
        group.insert(bucket);
    }
    group
}

fn leave_out(differences: &mut Vec<Difference>, in_flight: &HashSet<u128>, left_out: &mut HashSet<u128>) {
    differences.retain(|difference| {
        let out = in_flight.contains(&difference.hash);
        if out {
            left_out.insert(difference.hash);
        }
        !out
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_bounded_and_nothing_is_lost() {
        let mut suspects = vec![(1, 400_000), (2, 700_000), (3, 3_000_000), (4, 1)];
        let groups: Vec<Vec<usize>> = std::iter::from_fn(|| {
            let group = take_group(&mut suspects);
            let mut group: Vec<usize> = group.into_iter().collect();
            group.sort_unstable();
            (!group.is_empty()).then_some(group)
        })
        .collect();
        assert_eq!(groups, [vec![4], vec![3], vec![2], vec![1]]);
    }
}
