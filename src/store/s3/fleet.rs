//! All tables by listings alone.
//!
//! Four listings cover every table: the folders of records, part files, control and leases. Part
//! files that production holds already (kept for `store.keep`) are stepped over: a page that ends
//! among them is followed by one that begins behind the applied seq. A table with attempts behind
//! production costs one listing more, which says which of them have a record: an attempt without
//! one is being written. Records themselves, up to a thousand a table, are never listed whole.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::S3Store;
use super::keys::Place;
use super::objects::Listed;
use super::sizes;
use crate::model::control::LeaseKind;
use crate::model::{Epoch, Fault, Lsn, Seq, TableName};
use crate::store::{AppliedSeqs, Files, JobFailed, StoredTable};

/// Requests under way at once.
const PARALLEL: usize = 32;
/// Tables in one stretch of keys that is listed by itself.
const STRETCH: usize = 500;

/// An attempt behind production, its files added up.
#[derive(Clone, Debug)]
struct Seen {
    lsn_to: Lsn,
    files: Files,
}

/// What the listings brought of one table. An epoch and seq has several attempts after a race.
#[derive(Default)]
struct Found {
    table: StoredTable,
    recorded: bool,
    attempts: BTreeMap<(Epoch, Seq), Vec<Seen>>,
}

impl S3Store {
    pub(super) async fn list_fleet(&self, applied: &AppliedSeqs) -> Result<BTreeMap<TableName, StoredTable>, Fault> {
        let folders = self.list_folders(&self.keys.record_folders()).await?;
        let mut fleet: BTreeMap<TableName, Found> = BTreeMap::new();
        for name in folders.iter().filter_map(|folder| self.keys.table_of(folder)) {
            fleet.entry(name).or_default().recorded = true;
        }
        let bounds = self.bounds(&folders);
        let none = AppliedSeqs::new();
        let [data, control, leases] = [self.keys.data(), self.keys.controls(), self.keys.leases()];
        let (data, control, leases) = futures::try_join!(
            self.list_stretches(&data, &bounds, applied),
            self.list_stretches(&control, &bounds, &none),
            self.list_stretches(&leases, &bounds, &none),
        )?;
        for object in data.into_iter().chain(control).chain(leases) {
            // Another key is not of this program's making, and says nothing of a table.
            if let Some(place) = self.keys.place(&object.key) {
                note(&mut fleet, place, &object, applied);
            }
        }
        futures::stream::iter(fleet)
            .map(|(name, found)| async move {
                let stored = self.settle(&name, found, applied.get(&name).copied()).await?;
                Ok::<_, Fault>((name, stored))
            })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await
    }

    /// Names of the tables at which a stretch of keys ends, as they stand in keys.
    fn bounds(&self, folders: &[String]) -> Vec<String> {
        let prefix = self.keys.record_folders();
        let names = folders.iter().filter_map(|folder| folder.strip_prefix(&prefix));
        names.skip(STRETCH).step_by(STRETCH).map(str::to_owned).collect()
    }

    /// Everything under a prefix, in stretches that are listed side by side.
    async fn list_stretches(&self, prefix: &str, bounds: &[String], applied: &AppliedSeqs) -> Result<Vec<Listed>, Fault> {
        let bound = |at: usize| bounds.get(at).map(|name| format!("{prefix}{name}"));
        let stretches = (0..=bounds.len()).map(|at| (at.checked_sub(1).and_then(bound), bound(at)));
        let listed: Vec<Vec<Listed>> = futures::stream::iter(stretches)
            .map(|(after, until)| self.list_stretch(prefix, after, until, applied))
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        Ok(listed.into_iter().flatten().collect())
    }

    /// Keys behind `after` up to `until`, without those at or below the applied seq of their table.
    async fn list_stretch(
        &self,
        prefix: &str,
        mut after: Option<String>,
        until: Option<String>,
        applied: &AppliedSeqs,
    ) -> Result<Vec<Listed>, Fault> {
        let mut found = Vec::new();
        loop {
            let (page, more) = self.list_page(prefix, after.clone()).await?;
            let Some(last) = page.last().map(|object| object.key.clone()) else { return Ok(found) };
            let ends = until.as_ref().is_some_and(|until| last > *until);
            found.extend(
                page.into_iter().filter(|object| {
                    until.as_ref().is_none_or(|until| object.key <= *until) && self.behind(&object.key, applied).is_none()
                }),
            );
            if ends || !more {
                return Ok(found);
            }
            after = Some(self.behind(&last, applied).filter(|jump| *jump > last).unwrap_or(last));
        }
    }

    /// For a part file that production holds: the last possible key of all such of its table.
    fn behind(&self, key: &str, applied: &AppliedSeqs) -> Option<String> {
        if applied.is_empty() {
            return None;
        }
        let Some(Place::Part { table, attempt, .. }) = self.keys.place(key) else { return None };
        let (epoch, seq) = applied.get(&table).copied()?;
        ((attempt.epoch, attempt.seq) <= (epoch, seq)).then(|| self.keys.table(&table).ok().map(|keys| keys.behind(epoch, seq)))?
    }

    /// Finds out which attempts have a record.
    async fn settle(&self, name: &TableName, found: Found, applied: Option<(Epoch, Seq)>) -> Result<StoredTable, Fault> {
        let Found { mut table, recorded, attempts } = found;
        if !recorded {
            attempts.values().flatten().for_each(|seen| table.writing.add(seen.files));
            return Ok(table);
        }
        (table.epoch, table.head) = (applied.map(|(epoch, _)| epoch), applied.map(|(_, seq)| seq));
        let mut candidates: BTreeSet<Epoch> = attempts.keys().map(|(epoch, _)| *epoch).collect();
        if applied.is_none() {
            candidates.extend(self.list_epochs(name).await?);
        }
        let mut records = Vec::new();
        while let Some(epoch) = candidates.pop_last() {
            let after = applied.filter(|(current, _)| *current == epoch).map(|(_, seq)| seq);
            records = self.list_seqs(name, epoch, after).await?;
            // A newer epoch is one once its record 0 is there.
            if after.is_some() || records.first() == Some(&0) {
                (table.epoch, table.head) = (Some(epoch), records.last().copied().or(after));
                break;
            }
            records.clear();
        }
        table.pending = records.len() as u64;
        let head = table.epoch.zip(table.head);
        for (at, seen) in attempts {
            let recorded = Some(at.0) == table.epoch && records.binary_search(&at.1).is_ok();
            let files = if recorded {
                &mut table.waiting
            } else if Some(at) > head {
                &mut table.writing
            } else {
                continue;
            };
            for seen in &seen {
                files.add(seen.files);
            }
            if recorded && Some(at) == head {
                // The lower one of rivals: lag is rather overstated.
                table.head_lsn = seen.iter().map(|seen| seen.lsn_to).min();
            }
        }
        Ok(table)
    }
}

fn note(fleet: &mut BTreeMap<TableName, Found>, place: Place, object: &Listed, applied: &AppliedSeqs) {
    let modified = object.modified.as_ref().and_then(|time| Timestamp::new(time.secs(), 0).ok());
    match place {
        Place::Part { table, attempt, marker } => {
            if applied.get(&table).is_some_and(|at| (attempt.epoch, attempt.seq) <= *at) {
                return;
            }
            let files = Files { count: u64::from(!marker), bytes: object.bytes, since: modified };
            let found = fleet.entry(table).or_default().attempts.entry((attempt.epoch, attempt.seq)).or_default();
            match found.iter_mut().find(|seen| seen.lsn_to == attempt.lsn_to) {
                Some(seen) => seen.files.add(files),
                None => found.push(Seen { lsn_to: attempt.lsn_to, files }),
            }
        }
        Place::Control { table } => {
            let (paused, intent) = sizes::control_flags(object.bytes);
            let stored = &mut fleet.entry(table).or_default().table;
            (stored.paused, stored.intent) = (paused, intent);
        }
        Place::Lease { table, kind } => {
            let stored = &mut fleet.entry(table).or_default().table;
            let held = modified.filter(|_| sizes::is_held(object.bytes));
            let failed = modified.zip(sizes::failure(object.bytes)).map(|(at, human)| JobFailed { at, human });
            match kind {
                LeaseKind::Extract => (stored.extracting, stored.extract_failed) = (held, failed),
                LeaseKind::Load => (stored.loading, stored.load_failed) = (held, failed),
            }
        }
    }
}
