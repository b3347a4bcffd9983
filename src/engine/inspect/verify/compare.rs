//! The second pass: rows of differing buckets, key by key.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::civil::DateTime;

use super::report::Wrong;
use crate::engine::Engine;
use crate::engine::inspect::{Subject, digest};
use crate::model::{Fault, Lsn};
use crate::source::{CaptureInstance, Pages, ScanIsolation, Source};
use crate::store::ChangeStore;
use crate::target::{Held, HeldRows, Target};

/// A row of the source in a bucket that differs.
struct SourceRow {
    key: Vec<Held>,
    cells: Box<[u64]>,
    /// Rows of this key that production showed.
    seen: u32,
}

/// A key that differs.
pub(super) struct Difference {
    hash: u128,
    pub what: Wrong,
    pub key: Vec<Held>,
    /// Positions of the columns whose values differ.
    pub columns: Vec<usize>,
}

/// What the second passes found.
#[derive(Default)]
pub(super) struct Findings {
    pub differences: Vec<Difference>,
    /// Keys in flight.
    pub left_out: HashSet<u128>,
    /// Capture passed the time of every scan.
    pub settled: bool,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Compares the rows of some buckets key by key.
    #[expect(clippy::too_many_arguments, reason = "all of it is the state of one pass")]
    pub(super) async fn examine(
        &self,
        subject: &Subject,
        instance: &CaptureInstance,
        isolation: ScanIsolation,
        group: &HashSet<usize>,
        (settle, most_in_flight): (Duration, usize),
        in_flight: &mut HashSet<u128>,
        findings: &mut Findings,
    ) -> Result<(), Fault> {
        let (mut rows, doubled, pinned) = self.source_rows(subject, isolation, group).await?;
        let mut differences = self.compare(subject, group, &mut rows).await?;
        differences.extend(doubled);
        let missing = rows.into_iter().filter(|(_, row)| row.seen == 0);
        differences.extend(missing.map(|(hash, row)| Difference { hash, what: Wrong::Missing, key: row.key, columns: Vec::new() }));
        self.add_in_flight(subject, instance, most_in_flight, in_flight).await?;
        leave_out(&mut differences, in_flight, &mut findings.left_out);
        if !differences.is_empty() {
            let settled = self.wait_for_capture(subject, pinned, settle).await?;
            self.add_in_flight(subject, instance, most_in_flight, in_flight).await?;
            leave_out(&mut differences, in_flight, &mut findings.left_out);
            findings.settled &= settled || differences.is_empty();
        }
        findings.differences.append(&mut differences);
        Ok(())
    }

    /// The source's rows in these buckets by key, those that share one, and a time by which all that the scan saw was committed,
    /// with the newest LSN that was captured by then.
    async fn source_rows(
        &self,
        subject: &Subject,
        isolation: ScanIsolation,
        group: &HashSet<usize>,
    ) -> Result<(HashMap<u128, SourceRow>, Vec<Difference>, (DateTime, Option<Lsn>)), Fault> {
        let (mut rows, mut doubled, key_len) = (HashMap::new(), Vec::new(), subject.shape().key_len());
        let mut scan = self.source.scan(&subject.table, subject.shape(), isolation).await?;
        while let Some(page) = scan.next_page().await? {
            for values in page {
                let mut cells = self.hold_row(subject, &values);
                let digest = digest::of_row(&cells, key_len);
                if group.contains(&digest::bucket(digest.key)) {
                    let hashes = cells.iter().map(digest::of_cell).collect();
                    cells.truncate(key_len);
                    let row = SourceRow { key: cells, cells: hashes, seen: 0 };
                    // The target holds one row where the source tells two keys apart.
                    if let Some(SourceRow { key, .. }) = rows.insert(digest.key, row) {
                        doubled.push(Difference { hash: digest.key, what: Wrong::Duplicate, key, columns: Vec::new() });
                    }
                }
            }
            self.safe_point(&subject.table)?;
        }
        let max = self.source.watermarks(&[]).await?.max;
        Ok((rows, doubled, (self.source.clock().await?, max)))
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
