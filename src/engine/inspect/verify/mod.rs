//! Verify: is production equal to the source (rules L1, L9, R2)?
//!
//! Both sides are streamed into bucket sums (`inspect/digest`). Where buckets differ, a second
//! pass collects their rows by key and compares them cell by cell. Production is as of the applied
//! LSN and the scan is newer, so keys with change rows above that LSN are left out. A scan also
//! sees commits that capture has not moved yet: before anything is called a difference, capture
//! must have passed the time of the scan.

mod compare;
mod report;

use std::collections::HashSet;
use std::time::Instant;

use self::compare::{Difference, Findings};
use super::digest::{self, Sums};
use super::{Subject, key};
use crate::config::Changes;
use crate::engine::event::{Job, Progress};
use crate::engine::{Engine, lease};
use crate::model::control::LeaseKind;
use crate::model::fault::sync;
use crate::model::words::many;
use crate::model::{Fault, TableName, Value};
use crate::source::{CaptureInstance, Pages, ScanIsolation, Source};
use crate::store::ChangeStore;
use crate::target::{Finding, Held, HeldRows, Loader, Target, Verified};

pub use self::report::{Verdict, VerifyOptions, VerifyReport, Wrong, WrongKey};

/// Rows of both sides that one second pass looks at: a few hundred MB at the worst.
const GROUP_ROWS: u64 = 1_000_000;
/// Second passes at the most. What is left then is counted, not examined.
const GROUPS: usize = 16;

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
            let limits = (options.settle, options.most_in_flight);
            self.examine(&subject, &instance, isolation, &group, limits, &mut in_flight, &mut findings).await?;
            lease.check(table)?;
        }
        // What the source began to withhold meanwhile is no difference.
        self.instance_of(&subject).await?;
        let unexamined = suspects.iter().map(|(_, rows)| rows).sum();
        let mut report = VerifyReport::new(&subject, &here, &there, &findings);
        report.in_flight = in_flight.len() as u64;
        report.unexamined = unexamined;
        if let Some(code) = lease.failed_before().filter(|_| report.left_out > 0) {
            report.notes.push(format!(
                "{} keys differ and were left out, since changes of them wait to be loaded; but the last load ended with {code}: \
                 db-to-redshift retry --table {table:#}",
                report.left_out
            ));
        }
        report.verdict = match (findings.differences.is_empty(), findings.settled) {
            (true, true) if unexamined == 0 => Verdict::Equal,
            (false, true) => Verdict::Different,
            _ => Verdict::Unsettled,
        };
        if options.show_keys || options.show_values {
            report.keys = self.wrong_keys(&subject, &findings.differences, options).await?;
        }
        self.note(&subject, &instance, seen, &mut report).await?;
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    pub(super) fn hold_row(&self, subject: &Subject, values: &[Value]) -> Vec<Held> {
        subject.shape().columns().iter().zip(values).map(|(column, value)| self.target.hold(column, value)).collect()
    }

    fn tell(&self, table: &TableName, phase: &'static str, rows: u64) {
        self.events.progress(table, Progress { job: Job::Verify, phase, rows, bytes: 0 });
    }

    async fn source_sums(&self, subject: &Subject, isolation: ScanIsolation) -> Result<Sums, Fault> {
        let (mut sums, key_len) = (Sums::new(), subject.shape().key_len());
        let mut scan = self.source.scan(&subject.table, subject.shape(), isolation).await?;
        while let Some(page) = scan.next_page().await? {
            for values in &page {
                sums.add(digest::of_row(&self.hold_row(subject, values), key_len));
            }
            self.tell(&subject.table, "read source", sums.total);
            self.safe_point(&subject.table)?;
        }
        Ok(sums)
    }

    async fn production_sums(&self, subject: &Subject) -> Result<Sums, Fault> {
        let (mut sums, key_len) = (Sums::new(), subject.shape().key_len());
        let mut rows = self.target.production(&subject.table, subject.shape()).await?;
        while let Some(page) = rows.next_page().await? {
            for cells in &page {
                sums.add(digest::of_row(cells, key_len));
            }
            self.tell(&subject.table, "read production", sums.total);
            self.safe_point(&subject.table)?;
        }
        Ok(sums)
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
                    let found = self.source.present_row(&subject.table, shape, &values).await?;
                    source = found.map(|values| self.hold_row(subject, &values));
                }
            }
            keys.push(WrongKey { what: difference.what, key: difference.key.clone(), columns, source, production });
        }
        Ok(keys)
    }

    /// Writes the finding into state, if state stands where it stood.
    async fn note(&self, subject: &Subject, instance: &CaptureInstance, seen: Verified, report: &mut VerifyReport) -> Result<(), Fault> {
        // A change on its way replaces a whole row, but for large values that it leaves alone, and but for
        // net changes, of which an insert and its delete are none. How records were read they do not say.
        let may_not_mend = subject.shape().large_columns().next().is_some()
            || instance.supports_net_changes
            || self.settings.changes_of(&subject.table) == Changes::Net;
        let finding = match report.verdict {
            Verdict::Unsettled => {
                report.notes.push(
                    "nothing was noted in state: capture has not passed the time of the scan, or too much differs; run verify again".into(),
                );
                return Ok(());
            }
            Verdict::Different => Finding::Different(format!(
                "verify found {} missing, {} extra, {} duplicate and {} different rows",
                report.missing, report.extra, report.duplicate, report.different
            )),
            Verdict::Equal if report.left_out > 0 && may_not_mend => {
                Finding::EqualButFor(format!("verify found {} in flight", many(report.left_out, "different key")))
            }
            Verdict::Equal => Finding::Equal,
        };
        let mut loader = self.target.loader(&subject.table).await?;
        let diverged = loader.note_verified(&subject.identity, seen, &finding).await?;
        // Always: where the answer to an earlier COMMIT was lost, the log still tells of a mark that
        // state no longer has, and the fleet is read from the log.
        self.log_mark(Job::Verify, &subject.table, "verified").await;
        match finding {
            Finding::EqualButFor(_) if diverged => report.notes.push(format!(
                "{} in flight, and what is on the way may not mend that: the table stays marked; load, then verify again",
                many(report.left_out, "different key")
            )),
            _ if report.diverged && !diverged => report.notes.push("the mark \"diverged\" was cleared".into()),
            _ => {}
        }
        report.diverged = diverged;
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
