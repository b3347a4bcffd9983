//! Extract (section 3 of the protocol): from the change tables into records.
//!
//! Works in rounds. A round looks at all tables together, so that bounds and probe cost one round
//! trip whatever the number of tables (rule E3), and then writes at most one batch for each table
//! that has changes, several tables at once. A table leaves when it has reached the max LSN that
//! the first round saw.

pub mod capture;
pub mod guards;
pub mod parts;
pub mod stream;
pub mod window;
pub mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;

use crate::engine::Engine;
use crate::engine::abreast::abreast;
use crate::engine::event::{Event, Job, Outcome, TableReport};
use crate::engine::lease::Ended;
use crate::model::fault::{FaultDocument, sync};
use crate::model::{Fault, Lsn, TableName};
use crate::source::{ProbeRange, Source};
use crate::store::ChangeStore;
use crate::target::Target;

use self::stream::Stream;

/// Streams that are opened at once: a few small requests each.
const OPENED_AT_ONCE: usize = 16;

/// A table on its way through the rounds.
struct Work {
    stream: Stream,
    outcome: Outcome,
    /// The max LSN of the first round: enough is enough, even on a busy source.
    goal: Option<Lsn>,
    done: bool,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Extracts the given tables up to the max LSN of now. One report a table, in their order.
    pub async fn extract(self: &Arc<Self>, tables: &[TableName]) -> Vec<TableReport> {
        let started = Instant::now();
        let mut reports: BTreeMap<TableName, Result<Outcome, Fault>> = BTreeMap::new();
        for table in tables {
            self.events.send(Event::Started { job: Job::Extract, table: table.clone() }).await;
        }
        let mut left = self.extract_free(tables, false, &mut reports).await;
        // Only who holds no lease waits for one: two jobs that wait for each other's would wait for ever.
        while self.run.wait && !left.is_empty() {
            left = self.extract_free(&left, true, &mut reports).await;
        }
        let mut ordered = Vec::with_capacity(tables.len());
        for table in tables {
            let Some(outcome) = reports.remove(table) else { continue };
            self.finished(Job::Extract, table, &outcome, started).await;
            ordered.push(TableReport::new(Job::Extract, table.clone(), outcome, None));
        }
        ordered
    }

    /// Extracts the tables whose lease is free; with `wait` the first one's is waited for. Returns those
    /// that others hold.
    async fn extract_free(
        self: &Arc<Self>,
        tables: &[TableName],
        wait: bool,
        reports: &mut BTreeMap<TableName, Result<Outcome, Fault>>,
    ) -> Vec<TableName> {
        let mut work = Vec::new();
        let (first, rest) = tables.split_at(usize::from(wait).min(tables.len()));
        for (tables, wait) in [(first, wait), (rest, false)] {
            work.extend(self.open_streams(tables, wait, reports).await);
        }
        let look = capture::Look::default();
        while work.iter().any(|work| !work.done) {
            work = self.round(work, &look, reports).await;
        }
        self.look_at_capture(&mut work, &look).await;
        for Work { stream, outcome, .. } in work {
            let ended = if outcome.paused { Ended::Unsaid } else { Ended::Well };
            reports.insert(stream.table.clone(), Ok(outcome));
            stream.close(ended).await;
        }
        let busy = |table: &&TableName| matches!(reports.get(*table), Some(Err(fault)) if fault.is(&sync::BUSY));
        tables.iter().filter(busy).cloned().collect()
    }

    /// No rows must not pass for no changes while nothing is captured (rule E2).
    async fn look_at_capture(&self, work: &mut [Work], look: &capture::Look) {
        if work.iter().all(|work| work.outcome.batches > 0) {
            return;
        }
        let newest = work.iter().find_map(|work| work.goal);
        match look.seen(&*self.source, newest).await.map(capture::Seen::why_down) {
            Ok(Some(why)) => {
                for work in work.iter_mut().filter(|work| work.outcome.batches == 0 && !work.outcome.paused) {
                    work.outcome.capture_down = true;
                    self.events.warn(Job::Extract, &work.stream.table, format!("capture is down: {why}")).await;
                }
            }
            Ok(None) => {}
            Err(fault) => tracing::warn!(%fault, "the state of capture could not be read"),
        }
    }

    async fn open_streams(
        self: &Arc<Self>,
        tables: &[TableName],
        wait: bool,
        reports: &mut BTreeMap<TableName, Result<Outcome, Fault>>,
    ) -> Vec<Work> {
        let opened = abreast(tables.iter().cloned(), OPENED_AT_ONCE, |table| async move {
            let stream = self.open_stream(&table, wait).await;
            (table, stream)
        })
        .await;
        let mut work = Vec::new();
        for (table, stream) in opened {
            match stream {
                Ok(stream) => {
                    let outcome = Outcome { paused: stream.paused, ..Outcome::default() };
                    work.push(Work { stream, outcome, goal: None, done: false });
                }
                Err(fault) => drop(reports.insert(table, Err(fault))),
            }
        }
        work
    }

    async fn open_stream(self: &Arc<Self>, table: &TableName, wait: bool) -> Result<Stream, Fault> {
        let mut retries = self.retries(Job::Extract, table);
        loop {
            self.safe_point(table)?;
            match Stream::open(self, table, wait).await {
                Ok(stream) => return Ok(stream),
                Err(fault) => retries.again(fault).await?,
            }
        }
    }

    /// One round over the tables that are not done. Those that fail leave with their fault.
    async fn round(
        self: &Arc<Self>,
        work: Vec<Work>,
        look: &capture::Look,
        reports: &mut BTreeMap<TableName, Result<Outcome, Fault>>,
    ) -> Vec<Work> {
        let (finished, active): (Vec<_>, Vec<_>) = work.into_iter().partition(|work| work.done);
        let (ready, mut failed) = self.look_until_seen(active, look).await;
        let written = futures::stream::iter(ready)
            .map(|(mut work, window)| async move {
                let written = match window {
                    None => Ok(None),
                    Some(window) => self.write_and_look(&mut work, window).await,
                };
                (work, written)
            })
            .buffer_unordered(self.settings.extract.parallel.max(1))
            .collect::<Vec<_>>()
            .await;
        let mut kept = finished;
        for (mut work, written) in written {
            match written {
                Ok(None) => work.done = true,
                Ok(Some(rows)) => {
                    work.outcome.batches += 1;
                    work.outcome.rows += rows;
                    work.outcome.paused = work.stream.paused;
                    work.done = work.goal.is_none_or(|goal| work.stream.head.lsn_to >= goal);
                }
                Err(fault) => {
                    failed.push((work, fault));
                    continue;
                }
            }
            kept.push(work);
        }
        for (work, fault) in failed {
            let ended = Ended::by(&fault);
            reports.insert(work.stream.table.clone(), Err(fault));
            work.stream.close(ended).await;
        }
        kept
    }

    /// A look, again while its faults may go away.
    async fn look_until_seen(
        &self,
        mut active: Vec<Work>,
        capture: &capture::Look,
    ) -> (Vec<(Work, Option<window::Window>)>, Vec<(Work, Fault)>) {
        let Some(first) = active.first().map(|work| work.stream.table.clone()) else { return Default::default() };
        let mut retries = self.retries(Job::Extract, &first);
        loop {
            let (back, fault) = match self.look(active, capture).await {
                Ok(looked) => return looked,
                Err(failed) => failed,
            };
            active = back;
            if let Err(fault) = retries.again(fault).await {
                return (Vec::new(), active.into_iter().map(|work| (work, fault.clone())).collect());
            }
        }
    }

    /// Writes a batch; a pause that was ordered meanwhile ends the job before the next one.
    async fn write_and_look(&self, work: &mut Work, window: window::Window) -> Result<Option<u64>, Fault> {
        let written = self.write_batch(&mut work.stream, window).await?;
        if work.goal.is_some_and(|goal| work.stream.head.lsn_to < goal) {
            work.stream.notice_pause(&*self.store).await?;
        }
        Ok(written)
    }

    /// Guards, bounds and the one probe. Gives each table its window, or the faults.
    async fn look(
        &self,
        mut active: Vec<Work>,
        capture: &capture::Look,
    ) -> Result<(Vec<(Work, Option<window::Window>)>, Vec<(Work, Fault)>), (Vec<Work>, Fault)> {
        let streams: Vec<&Stream> = active.iter().map(|work| &work.stream).collect();
        // The bounds come from a statement that ends before the probe begins (rule E3).
        let looked = match guards::look(self, &streams).await {
            Ok(looked) => looked,
            Err(fault) => return Err((active, fault)),
        };
        let mut ranges = Vec::new();
        for (work, seen) in active.iter_mut().zip(&looked) {
            if let Ok(bounds) = seen {
                work.goal.get_or_insert(bounds.max);
                ranges.push(ProbeRange {
                    instance: work.stream.head.capture.instance.clone(),
                    from: work.stream.lsn_from(),
                    to: bounds.max,
                });
            }
        }
        ranges.retain(|range| range.from <= range.to);
        let firsts = match guards::probe(&*self.source, &ranges).await {
            Ok(firsts) => firsts,
            Err(fault) => return Err((active, fault)),
        };
        let mut firsts: BTreeMap<_, _> = ranges.into_iter().map(|range| range.instance).zip(firsts).collect();
        let (mut ready, mut failed) = (Vec::new(), Vec::new());
        for (work, seen) in active.into_iter().zip(looked) {
            let first = firsts.remove(&work.stream.head.capture.instance).unwrap_or(Ok(None));
            let window = match seen.and_then(|bounds| Ok((bounds, first?))) {
                Ok((bounds, first)) => self.choose_window(&work.stream, &bounds, first, capture).await,
                Err(fault) => Err(fault),
            };
            match window {
                Ok(window) => ready.push((work, window)),
                Err(fault) => failed.push((work, fault)),
            }
        }
        Ok((ready, failed))
    }

    async fn choose_window(
        &self,
        stream: &Stream,
        bounds: &guards::Bounds,
        first: Option<Lsn>,
        capture: &capture::Look,
    ) -> Result<Option<window::Window>, Fault> {
        let mut retries = self.retries(Job::Extract, &stream.table);
        loop {
            match window::choose(self, stream, bounds, first, capture).await {
                Ok(window) => return Ok(window),
                Err(fault) => retries.again(fault).await?,
            }
        }
    }

    /// Tells the end of a job on one table.
    pub(crate) async fn finished(&self, job: Job, table: &TableName, outcome: &Result<Outcome, Fault>, started: Instant) {
        self.events.idle(table);
        let (text, batches, rows) = match outcome {
            Ok(outcome) => (outcome.as_str().to_owned(), outcome.batches, outcome.rows),
            Err(fault) => {
                tracing::error!(job = job.as_str(), %table, %fault, "job failed");
                (fault.code().to_owned(), 0, 0)
            }
        };
        let seconds = started.elapsed().as_secs_f64();
        // As the report of the job has it: with the table's name in what it advises.
        let fault = outcome.as_ref().err().map(|fault| Box::new(FaultDocument::from(&fault.clone().about(table))));
        self.events.send(Event::Finished { job, table: table.clone(), outcome: text, batches, rows, seconds, fault }).await;
    }
}
