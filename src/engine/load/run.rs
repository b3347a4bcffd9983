//! The loop of a load job on one table.

use std::sync::Arc;
use std::time::Instant;

use crate::engine::event::{Event, Job, Outcome, Progress};
use crate::engine::extract::stream::read_record;
use crate::engine::retry::Retries;
use crate::engine::{Engine, control, lease};
use crate::model::fault::{Class, rs, sync};
use crate::model::state::StreamIdentity;
use crate::model::typed::shell;
use crate::model::{CommitRecord, Fault, PartFile, RecordKind, TableName, TargetState};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{Applied, ApplyOutcome, LoadRange, Loader, LogLine, STAGED_EVENT, Target};

use super::Loaded;
use super::plan::{self, Limits, Step};

/// A load job under way.
pub(crate) struct Loading<'a, S, C, T: Target> {
    pub(super) engine: &'a Engine<S, C, T>,
    lease: &'a lease::Held,
    pub(super) table: TableName,
    opening: CommitRecord,
    identity: StreamIdentity,
    loader: Option<T::Loader>,
    /// Ours since L1.
    pub(super) fence: i64,
    /// Of whole transactions, since the last success.
    retries: Retries<'a>,
    /// Staging was emptied once for a wrong count (rule L4).
    restaged: bool,
    /// Why production differed when state was read last: what the log says of it.
    pub(super) diverged: Option<String>,
    /// Lines that the batch log did not take yet: written in order, before any later one.
    pub(super) unlogged: Vec<LogLine>,
    outcome: Outcome,
}

impl<'a, S: Source, C: ChangeStore, T: Target> Loading<'a, S, C, T> {
    pub fn new(engine: &'a Engine<S, C, T>, lease: &'a lease::Held, retries: Retries<'a>, opening: CommitRecord) -> Result<Self, Fault> {
        if opening.pipeline != engine.settings.pipeline {
            return Err(Fault::new(&sync::BROKEN_CHAIN, format!("record 0 of {} is of another pipeline", opening.table))
                .evidence("pipeline", &opening.pipeline));
        }
        let identity = engine.identity(&opening.source);
        let table = opening.table.clone();
        Ok(Self {
            engine,
            lease,
            table,
            opening,
            identity,
            loader: None,
            fence: 0,
            retries,
            restaged: false,
            diverged: None,
            unlogged: Vec::new(),
            outcome: Outcome::default(),
        })
    }

    pub async fn run(mut self) -> Result<Loaded, Fault> {
        let loaded = Box::pin(self.work()).await;
        if loaded.as_ref().is_err_and(|fault| fault.is(&sync::DIVERGED)) {
            self.log_mark().await;
        }
        loaded
    }

    async fn work(&mut self) -> Result<Loaded, Fault> {
        let mut state = self.begin().await?;
        let mut relogged = self.log_missing(&state).await;
        let limits = Limits { batches: self.engine.settings.load.coalesce_batches, rows: self.engine.settings.load.coalesce_rows };
        for round in 0_u64.. {
            self.engine.safe_point(&self.table)?;
            self.lease.check(&self.table)?;
            self.diverged = state.diverged.as_ref().map(|diverged| diverged.why.clone());
            let step = loop {
                match self.next_step(&state, limits).await {
                    Ok(step) => break step,
                    Err(fault) => self.retry(fault).await?,
                }
            };
            if matches!(step, Step::Done) {
                break;
            }
            // A pause that was ordered meanwhile; what is staged stays for the next load.
            if round > 0 && control::is_paused(&*self.engine.store, &self.table).await? {
                self.outcome.paused = true;
                return Ok(Loaded { outcome: self.outcome, relogged, ..Loaded::default() });
            }
            let unknown = match self.step(step).await {
                Ok(()) => {
                    self.retries.reset();
                    false
                }
                Err(fault) => {
                    let unknown = fault.is(&rs::COMMIT_UNKNOWN);
                    self.retry(fault).await?;
                    unknown
                }
            };
            state = self.read_again().await?;
            // What was committed without an answer has no line yet, and the next line would hide that.
            if unknown {
                relogged = self.log_missing(&state).await.or(relogged);
            }
        }
        let swept = self.engine.sweep(&self.table, &self.opening, &state).await;
        Ok(Loaded { outcome: self.outcome, relogged, swept })
    }

    /// L1: the fence is ours, and this is the state.
    pub async fn begin(&mut self) -> Result<TargetState, Fault> {
        loop {
            match self.raise_fence().await {
                Ok(state) => return Ok(state),
                // A lost answer here: never infer, raise again.
                Err(fault) => self.retry(fault).await?,
            }
        }
    }

    /// What the last transaction left, by as many looks as it takes.
    pub async fn read_again(&mut self) -> Result<TargetState, Fault> {
        loop {
            match self.locked_state().await {
                Ok(state) => return Ok(state),
                Err(fault) => self.retry(fault).await?,
            }
        }
    }

    pub fn table(&self) -> &TableName {
        &self.table
    }

    pub fn store(&self) -> Arc<C> {
        Arc::clone(&self.engine.store)
    }

    pub fn opening(&self) -> &CommitRecord {
        &self.opening
    }

    pub fn run_id(&self) -> uuid::Uuid {
        self.engine.run.id
    }

    /// The range that the target works on, for this fence.
    pub fn range(&self, records: &[CommitRecord], manifest_url: Option<String>) -> Option<LoadRange> {
        plan::range(records, &self.identity, self.fence, manifest_url)
    }

    /// The next call opens another connection.
    pub fn forget_loader(&mut self) {
        self.loader = None;
    }

    // By `&mut`: a loader need not be shared between threads.
    pub async fn warn(&mut self, text: String) {
        self.engine.events.warn(Job::Load, &self.table, text).await;
    }

    pub async fn note(&mut self, text: String) {
        self.engine.events.note(Job::Load, &self.table, text).await;
    }

    /// A newer epoch ends the work on this one: nothing of it is applied any more (rule L2).
    async fn follow_epoch(&mut self) -> Result<(), Fault> {
        let store = &self.engine.store;
        let Some(epoch) = store.current_epoch(&self.table).await?.filter(|epoch| *epoch > self.opening.epoch) else { return Ok(()) };
        self.opening = read_record(&**store, &self.table, epoch, 0).await?;
        self.identity = self.engine.identity(&self.opening.source);
        self.engine.events.note(Job::Load, &self.table, format!("epoch {epoch} was opened meanwhile")).await;
        Ok(())
    }

    async fn next_step(&mut self, state: &TargetState, limits: Limits) -> Result<Step, Fault> {
        self.follow_epoch().await?;
        plan::next(&*self.engine.store, state, &self.opening, limits).await
    }

    async fn raise_fence(&mut self) -> Result<TargetState, Fault> {
        let identity = self.identity.clone();
        let state = self.loader().await?.raise_fence(&identity).await?;
        self.fence = state.fence;
        Ok(state)
    }

    /// What the last transaction left (rule L7). Another fence: another job took over.
    pub(super) async fn locked_state(&mut self) -> Result<TargetState, Fault> {
        let state = self.loader().await?.locked_state().await?;
        if state.fence != self.fence {
            return Err(Fault::new(&sync::STALE_FENCE, format!("another load job took {} over", self.table))
                .evidence("our fence", self.fence)
                .evidence("fence in state", state.fence));
        }
        Ok(state)
    }

    pub async fn loader(&mut self) -> Result<&mut T::Loader, Fault> {
        let loader = match self.loader.take() {
            Some(loader) => loader,
            None => self.engine.target.loader(&self.table).await?,
        };
        Ok(self.loader.insert(loader))
    }

    /// Waits before the next try, on a new connection; gives up on faults that will not go away.
    pub async fn retry(&mut self, fault: Fault) -> Result<(), Fault> {
        self.loader = None;
        let gave_up = match self.retries.again(fault).await {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        if gave_up.class() != Class::Transient {
            return Err(gave_up);
        }
        Err(Fault::new(&sync::LOAD_STUCK, format!("{} was tried {} times", self.table, self.engine.settings.load.retries + 1))
            .evidence("last", gave_up.code())
            .evidence("last fault", gave_up.what())
            .caused_by(gave_up))
    }

    async fn step(&mut self, step: Step) -> Result<(), Fault> {
        match step {
            Step::Done => Ok(()),
            Step::Open => self.open().await,
            Step::Stage(records) => self.stage(&records).await,
            Step::Apply(records) => self.apply(&records).await,
            Step::Unstage => self.unstage().await,
            Step::Schema(record) => self.accept_schema(&record).await,
        }
    }

    async fn stage(&mut self, records: &[CommitRecord]) -> Result<(), Fault> {
        let started = Instant::now();
        let parts: Vec<PartFile> = records.iter().flat_map(|record| record.parts.iter().cloned()).collect();
        let manifest = self.manifest(records, &parts).await?;
        let Some(range) = self.range(records, manifest) else { return Ok(()) };
        self.tell("stage", range.rows(), &parts);
        if let Err(fault) = self.loader().await?.stage(&range).await {
            return Err(self.engine.explain(&self.table, records, fault).await);
        }
        let (rows, seconds) = (range.rows(), started.elapsed().as_secs_f64());
        let event = Event::Staged { table: self.table.clone(), epoch: range.epoch, from: range.from, to: range.to, rows, seconds };
        self.engine.events.send(event).await;
        // Status reads the log: without this line a range that is never applied would not show.
        let line = self.line(&range, records, STAGED_EVENT, Applied::default());
        if let Err(fault) = self.loader().await?.log(&line).await {
            self.loader = None;
            self.engine.events.warn(Job::Load, &self.table, format!("the staged range was not logged: {fault}")).await;
        }
        Ok(())
    }

    /// A COPY manifest for a range with rows.
    async fn manifest(&mut self, records: &[CommitRecord], parts: &[PartFile]) -> Result<Option<String>, Fault> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(None) };
        if parts.is_empty() {
            return Ok(None);
        }
        let store = &self.engine.store;
        let key = store.put_manifest(&self.table, first.epoch, first.seq, last.seq, parts).await?;
        Ok(Some(store.url(&key)))
    }

    async fn apply(&mut self, records: &[CommitRecord]) -> Result<(), Fault> {
        let started = Instant::now();
        let Some(range) = self.range(records, None) else { return Ok(()) };
        self.tell("apply", range.rows(), &[]);
        let applied = match self.loader().await?.apply(&range).await {
            Ok(applied) => applied,
            Err(fault) => return Err(self.engine.explain(&self.table, records, fault).await),
        };
        match applied {
            ApplyOutcome::Applied(applied) => {
                self.count(records, range.rows());
                self.after(&range, records, "applied", applied, started).await;
                Ok(())
            }
            ApplyOutcome::StagingEmptied if self.restaged => {
                Err(Fault::new(&sync::STAGE_COUNT, format!("staging of {} differs from the records again", self.table))
                    .evidence("from", range.from)
                    .evidence("to", range.to)
                    .evidence("rows of the records", range.rows()))
            }
            ApplyOutcome::StagingEmptied => {
                self.restaged = true;
                self.warn("staging did not hold the rows of the records: it was emptied and is filled again".into()).await;
                Ok(())
            }
        }
    }

    async fn unstage(&mut self) -> Result<(), Fault> {
        let (identity, fence, epoch) = (self.identity.clone(), self.fence, self.opening.epoch);
        self.loader().await?.unstage(&identity, fence, epoch).await?;
        self.warn("the records were made anew since they were staged: staging was emptied and is filled again".into()).await;
        Ok(())
    }

    /// After the target's own DDL (rule R7).
    async fn accept_schema(&mut self, record: &CommitRecord) -> Result<(), Fault> {
        self.require_width(record).await?;
        let records = std::slice::from_ref(record);
        let Some(range) = self.range(records, None) else { return Ok(()) };
        self.loader().await?.accept_schema(&range, &record.column_hash).await?;
        self.count(records, 0);
        self.after(&range, records, "schema", Applied::default(), Instant::now()).await;
        Ok(())
    }

    /// COPY and INSERT cut blanks at the end of a value that is too long without an error.
    async fn require_width(&mut self, record: &CommitRecord) -> Result<(), Fault> {
        let table = &self.table;
        let widths = self.engine.target.widths(table, &record.columns).await?;
        let narrow = widths.iter().filter(|width| {
            let needed = width.needed_bytes.unwrap_or_default();
            [width.production_bytes, width.staging_bytes].into_iter().flatten().any(|bytes| bytes < needed)
        });
        let fault = narrow.fold(None, |fault: Option<Fault>, width| {
            let fault = fault.unwrap_or_else(|| Fault::new(&rs::NOT_YET_WIDE, format!("{table} must be widened first")));
            let fault = fault.evidence(
                &width.column,
                format!("{} in production, {} in staging, {} needed", width.production, width.staging, width.needed),
            );
            Some(fault.next(format!("db-to-redshift widen --table {table:#} --column {} --confirm", shell(&width.column))))
        });
        fault.map_or(Ok(()), |fault| Err(fault.next(format!("db-to-redshift load --table {table:#}"))))
    }

    async fn open(&mut self) -> Result<(), Fault> {
        let started = Instant::now();
        let record = self.opening.clone();
        let records = std::slice::from_ref(&record);
        let manifest_url = self.manifest(records, &record.parts).await?;
        let open = plan::open(&record, &self.identity, self.fence, manifest_url);
        self.tell("snapshot", open.rows, &record.parts);
        let applied = match self.loader().await?.open_epoch(&open).await {
            Ok(applied) => applied,
            Err(fault) => return Err(self.engine.explain(&self.table, records, fault).await),
        };
        self.count(records, open.rows);
        if let Some(range) = self.range(records, None) {
            self.after(&range, records, if record.kind == RecordKind::Start { "start" } else { "snapshot" }, applied, started).await;
        }
        Ok(())
    }

    fn count(&mut self, records: &[CommitRecord], rows: u64) {
        self.outcome.batches += records.len() as u64;
        self.outcome.rows += rows;
    }

    fn tell(&self, phase: &'static str, rows: u64, parts: &[PartFile]) {
        let bytes = parts.iter().map(|part| part.bytes).sum();
        self.engine.events.progress(&self.table, Progress { job: Job::Load, phase, rows, bytes });
    }
}
