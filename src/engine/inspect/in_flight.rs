//! Keys that changed since production was loaded: they cannot be compared, and are left out.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use jiff::ToSpan;
use jiff::civil::DateTime;

use super::{Subject, digest};
use crate::engine::Engine;
use crate::engine::extract::guards;
use crate::model::fault::sync;
use crate::model::{Fault, Lsn, TableShape};
use crate::source::{CaptureInstance, ChangesMode, ChangesRequest, Pages, Source};
use crate::store::ChangeStore;
use crate::target::{Held, Target};

/// How often capture is looked at while it is waited for.
const LOOK: Duration = Duration::from_millis(250);
/// Commit times are stored in steps of 3.33 ms.
const CLOCK_STEP_MS: i64 = 10;

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Adds the keys of all change rows above the applied LSN, before-images included.
    pub(super) async fn add_in_flight(
        &self,
        subject: &Subject,
        instance: &CaptureInstance,
        most: usize,
        keys: &mut HashSet<u128>,
    ) -> Result<(), Fault> {
        let (table, from) = (&subject.table, subject.applied_lsn.next());
        let name = &instance.identity.instance;
        let marks = self.source.watermarks(std::slice::from_ref(name)).await?;
        let min = marks.min.first().copied().unwrap_or_default();
        let max = guards::readable(table, instance, min, marks.max)?;
        if min > from {
            return Err(Fault::new(&sync::GAP, format!("what changed in {table} since its last load was cleaned up"))
                .evidence("next LSN to read", from)
                .evidence("low-water mark", min));
        }
        if max < from {
            return Ok(());
        }
        let key = TableShape::new(subject.shape().key().to_vec());
        let (table, instance, mode) = (table.clone(), name.clone(), ChangesMode::All);
        let request = ChangesRequest { table, instance, shape: key.clone(), from, to: max, mode };
        let mut changes = self.source.changes(&request).await?;
        while let Some(page) = changes.next_page().await? {
            for row in page {
                let held: Vec<Held> =
                    key.columns().iter().zip(&row.values).map(|(column, value)| self.target.hold(column, value)).collect();
                keys.insert(digest::of_key(&held));
            }
            if keys.len() > most {
                return Err(Fault::new(&sync::IN_FLIGHT, format!("more than {most} keys of {} wait to be loaded", subject.table))
                    .evidence("applied LSN", subject.applied_lsn)
                    .evidence("newest LSN", max));
            }
            self.safe_point(&subject.table)?;
        }
        Ok(())
    }

    /// Waits until capture has moved everything that was committed before `pinned`: an idle log
    /// gets a row of its own every five minutes. The row must be newer than what was captured at
    /// that time, too: a clock that goes back an hour names times twice. `false`: it did not in
    /// time.
    pub(super) async fn wait_for_capture(
        &self,
        subject: &Subject,
        (pinned, captured): (DateTime, Option<Lsn>),
        most: Duration,
    ) -> Result<bool, Fault> {
        let started = Instant::now();
        let past = pinned.checked_add(CLOCK_STEP_MS.milliseconds()).unwrap_or(pinned);
        loop {
            let max = self.source.watermarks(&[]).await?.max;
            if let Some(max) = max.filter(|max| captured.is_none_or(|captured| *max > captured))
                && self.source.mapping(max).await?.newest.is_some_and(|row| row.end_time >= past)
            {
                return Ok(true);
            }
            if started.elapsed() >= most {
                return Ok(false);
            }
            self.safe_point(&subject.table)?;
            tokio::select! {
                () = self.cancel.cancelled() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}
