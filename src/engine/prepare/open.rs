//! Opening an epoch: intent, bounds, scan, record 0 (rule R2).

use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, ToSpan};
use uuid::Uuid;

use crate::engine::event::{Event, Job};
use crate::engine::extract::parts::PartSink;
use crate::engine::extract::{capture, guards};
use crate::engine::{Engine, TOOL, lease};
use crate::model::fault::operate::DDL_NOT_CAPTURED;
use crate::model::fault::sync;
use crate::model::record::{Layout, RECORD_VERSION, RowCounts};
use crate::model::{Column, CommitRecord, Epoch, Fault, Keep, Lsn, PartFile, RecordKind, SqlType, StagedOp, StagedRow};
use crate::source::{MappingFacts, Pages, ScanIsolation, Source, TableFacts};
use crate::store::{Attempt, ChangeStore, RecordPut};
use crate::target::Target;

use super::{OpenMode, Opening, intent};

/// How long a fresh capture instance may take to begin.
const WARM_UP: Duration = Duration::from_mins(1);
/// How long capture may take to pass a change of the table's definition: an idle database notes the
/// time every five minutes only.
const CATCH_UP: Duration = Duration::from_mins(6);
/// How often the bounds are read meanwhile.
const WARM_UP_LOOK: Duration = Duration::from_millis(500);

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Writes record 0 of `epoch`; returns the rows of its scan.
    pub(super) async fn open_epoch(&self, opening: &Opening<'_>, epoch: Epoch, lease: &lease::Held) -> Result<u64, Fault> {
        let started = Instant::now();
        let table = &opening.facts.name;
        intent::declare(&*self.store, table, self.run.id, epoch, opening.options).await?;
        let mut retries = self.retries(Job::Prepare, table);
        // Each try reads its bounds anew, beneath the intent that stands.
        let record = loop {
            match self.record_zero(opening, epoch, lease).await {
                Ok(record) => break Ok(record),
                Err(fault) => match retries.again(fault).await {
                    Ok(()) => {}
                    Err(fault) => break Err(fault),
                },
            }
        };
        let (record, put) = match record {
            Ok(record) => {
                let put = self.store.put_record(&record).await?;
                (record, put)
            }
            Err(fault) => {
                // The next snapshot may replace an intent that stays.
                if let Err(fault) = intent::remove(&*self.store, table, self.run.id).await {
                    tracing::warn!(%table, %fault, "the intent could not be removed");
                }
                return Err(fault);
            }
        };
        // An intent is void once its epoch has a record 0: one that stays is no failure.
        if let Err(fault) = intent::remove(&*self.store, table, self.run.id).await {
            self.events.warn(Job::Prepare, table, format!("the intent of the snapshot was not removed: {fault}")).await;
        }
        if let RecordPut::Lost(winner) = put {
            self.discard(&record.parts).await;
            return Err(
                Fault::new(&sync::INTENT_LOST, format!("epoch {epoch} of {table} was opened by another run")).evidence("run", winner.run)
            );
        }
        let rows = record.counts.rows();
        let bytes = record.parts.iter().map(|part| part.bytes).sum();
        let seconds = started.elapsed().as_secs_f64();
        self.events.idle(table);
        self.events.send(Event::Recorded { table: table.clone(), epoch, seq: 0, rows, bytes, seconds }).await;
        self.warn_of_changed_values(Job::Prepare, &record).await;
        Ok(rows)
    }

    async fn record_zero(&self, opening: &Opening<'_>, epoch: Epoch, lease: &lease::Held) -> Result<CommitRecord, Fault> {
        let (table, instance) = (&opening.facts.name, opening.instance);
        let (min, l0) = self.bounds(opening).await?;
        intent::note_bounds(&*self.store, table, self.run.id, min, l0).await?;
        let end = self.source.mapping(l0).await?;
        let lsn_to = l0.max(min.prev());
        let attempt = Attempt { table: table.clone(), epoch, seq: 0, lsn_to, id: Uuid::new_v4() };
        // A fresh UUID for each epoch: no value of the source can equal it.
        let null_marker = format!("null-{}", Uuid::new_v4());
        let (kind, layout) = match opening.options.mode {
            OpenMode::Start => (RecordKind::Start, Layout::Changes),
            OpenMode::Snapshot if opening.server.snapshot_isolation => (RecordKind::Snapshot, Layout::Production),
            OpenMode::Snapshot => return Err(no_snapshot_isolation(opening)),
        };
        let (parts, counts) = match kind {
            RecordKind::Snapshot => self.scan(opening, &attempt, layout, &null_marker, lease).await?,
            _ => (Vec::new(), RowCounts::default()),
        };
        let overlap_until = Some(self.overlap_end().await?);
        let Standing { ddl_lsn, max, altered } = match self.check_before_record(opening, lsn_to, (l0, &end)).await {
            Ok(found) => found,
            Err(fault) => {
                self.discard(&parts).await;
                return Err(fault);
            }
        };
        let mapping = self.source.mapping(lsn_to).await?.newest;
        let seen = if kind == RecordKind::Snapshot { self.source.mapping(max).await?.newest } else { None };
        Ok(CommitRecord {
            version: RECORD_VERSION,
            kind,
            pipeline: self.settings.pipeline.clone(),
            table: table.clone(),
            epoch,
            seq: 0,
            attempt: attempt.id,
            run: self.run.id,
            source: opening.server.identity.clone(),
            capture: instance.identity.clone(),
            columns: instance.shape.clone(),
            column_hash: instance.shape.hash(),
            ddl_lsn,
            altered,
            lsn_from: None,
            lsn_to,
            mapping,
            l0: Some(l0),
            seen,
            overlap_until,
            null_marker,
            layout,
            parts,
            counts,
            trusted: opening.options.trusted,
            created_at: Timestamp::now(),
            tool: TOOL.into(),
        })
    }

    /// min, then max, each read in a statement of its own, once both are there and capture has passed
    /// the last change of the definition.
    async fn bounds(&self, opening: &Opening<'_>) -> Result<(Lsn, Lsn), Fault> {
        let (table, instance) = (&opening.facts.name, opening.instance);
        let instances = [instance.identity.instance.clone()];
        let (started, mut told) = (Instant::now(), false);
        loop {
            self.safe_point(table)?;
            let min = self.source.watermarks(&instances).await?.min.first().copied().unwrap_or(Lsn::ZERO);
            let max = self.source.watermarks(&instances).await?.max;
            let readable = match guards::readable(table, instance, min, max) {
                Ok(max) => self.definition_captured(opening, max).await.map(|()| (min, max)),
                Err(fault) => Err(fault),
            };
            let patience = match &readable {
                Err(fault) if fault.is(&sync::WARMING_UP) => WARM_UP,
                Err(fault) if fault.is(&DDL_NOT_CAPTURED) => CATCH_UP,
                _ => return readable,
            };
            if started.elapsed() >= patience {
                return readable;
            }
            if patience == CATCH_UP && !std::mem::replace(&mut told, true) {
                // Nobody waits for a capture that does not come.
                if capture::Look::default().seen(&*self.source, max).await?.why_down().is_some() {
                    return readable;
                }
                let text = "waits until capture has passed the last change of the definition; in an idle database some five minutes";
                self.events.note(Job::Prepare, table, text).await;
            }
            tokio::time::sleep(WARM_UP_LOOK).await;
        }
    }

    /// Rows that were captured before the definition changed would be read by the new one: a NULL
    /// that stood for an untouched large value would count as a NULL once the column is no longer
    /// large. So the stream begins behind the change. Enabling capture is no such change.
    async fn definition_captured(&self, opening: &Opening<'_>, max: Lsn) -> Result<(), Fault> {
        let (facts, instance) = (opening.facts, opening.instance);
        let enabled = SignedDuration::from_secs(30);
        // A change of the type's name is missing from the captured columns, and refused.
        let was_large =
            |column: &Column| matches!(column.sql_type, SqlType::VarChar { .. } | SqlType::NVarChar { .. } | SqlType::VarBinary { .. });
        if !instance.shape.columns().iter().any(was_large) {
            return Ok(());
        }
        let Some(altered) = facts.altered.filter(|altered| altered.duration_since(instance.identity.create_date) > enabled) else {
            return Ok(());
        };
        let captured = self.source.mapping(max).await?.time();
        guards::captured_past(&facts.name, altered, captured)
            .map_err(|fault| fault.next(format!("{} # in a few minutes", opening.options.command(&facts.name))))
    }

    /// The server's clock plus two hours: enough for a clock that is set back by one (rule R6).
    pub(crate) async fn overlap_end(&self) -> Result<DateTime, Fault> {
        let now = self.source.clock().await?;
        now.checked_add(2.hours()).map_err(|error| {
            Fault::new(&sync::CLOCK, "the source's clock stands at the end of time").evidence("clock", now).caused_by(error)
        })
    }

    async fn scan(
        &self,
        opening: &Opening<'_>,
        attempt: &Attempt,
        layout: Layout,
        null_marker: &str,
        lease: &lease::Held,
    ) -> Result<(Vec<PartFile>, RowCounts), Fault> {
        let shape = &opening.instance.shape;
        let mut rows = self.source.scan(&attempt.table, shape, ScanIsolation::Snapshot).await?;
        let mut sink = PartSink::new(self, Job::Prepare, attempt, shape.clone(), layout, null_marker)?;
        let keep = vec![Keep::Value; shape.large_columns().count()];
        let mut order = 0;
        while let Some(page) = rows.next_page().await? {
            for values in page {
                sink.push(&StagedRow { op: StagedOp::Upsert, order, values, keep: keep.clone() }).await?;
                order += 1;
            }
            lease.check(&attempt.table)?;
            self.safe_point(&attempt.table)?;
        }
        sink.finish().await
    }

    /// Before the PUT of record 0: the intent stands, the source is the one that was scanned and
    /// withholds nothing, the instance and its columns are unchanged, and clean-up has not passed the
    /// bound.
    async fn check_before_record(&self, opening: &Opening<'_>, lsn_to: Lsn, l0: (Lsn, &MappingFacts)) -> Result<Standing, Fault> {
        let (table, then) = (&opening.facts.name, opening.instance);
        intent::check(&*self.store, table, self.run.id).await?;
        let clock = self.source.clock().await?;
        let facts = self.describe(std::slice::from_ref(table)).await?;
        let marks = self.source.watermarks(std::slice::from_ref(&then.identity.instance)).await?;
        let facts = facts.into_iter().next().unwrap_or_else(|| Err(Fault::new(&sync::NOT_TRACKED, format!("{table} left the source"))))?;
        let now = guards::tracked_instance(&facts, marks.cdc_enabled, &then.identity)?;
        guards::nothing_withheld(&facts)?;
        let min = marks.min.first().copied().unwrap_or(Lsn::ZERO);
        let max = guards::readable(table, now, min, marks.max)?;
        if min > lsn_to.next() {
            return Err(Fault::new(&sync::GAP, format!("clean-up passed the snapshot of {table} while it ran"))
                .evidence("low-water mark", min)
                .evidence("snapshot at", lsn_to));
        }
        let server = self.source.start_up().await?;
        if !opening.server.identity.agrees_with(&server.identity) {
            return Err(guards::other_source(table, &opening.server.identity, &server.identity));
        }
        guards::still_stands(table, l0, max, &self.source.mapping(l0.0).await?)?;
        let altered = unaltered_since(opening.facts, &facts, clock).filter(|_| now.uncaptured == then.uncaptured);
        if now.shape.hash() != then.shape.hash() || !now.missing.is_empty() || now.ddl_lsn != then.ddl_lsn && altered.is_none() {
            return Err(Fault::new(&sync::DRIFT, format!("the columns of {table} changed while its snapshot ran")));
        }
        Ok(Standing { ddl_lsn: now.ddl_lsn, max, altered })
    }
}

/// What stands in the source before the PUT of record 0.
struct Standing {
    /// The newest in the history.
    ddl_lsn: Option<Lsn>,
    /// The max LSN.
    max: Lsn,
    /// When the table was altered last, if that was before the first look at it. Capture may note
    /// that change later than this; it is no drift then, since the epoch has seen it (rule E2).
    altered: Option<DateTime>,
}

/// `clock` was read before `now`. A change of the last second proves nothing: another one might
/// bear the same time.
fn unaltered_since(then: &TableFacts, now: &TableFacts, clock: DateTime) -> Option<DateTime> {
    let settled = |altered: &DateTime| clock.duration_since(*altered) >= SignedDuration::from_secs(1);
    then.altered.filter(|altered| now.altered == Some(*altered)).filter(settled)
}

fn no_snapshot_isolation(opening: &Opening<'_>) -> Fault {
    let database = &opening.server.identity.database;
    Fault::new(&sync::NO_SNAPSHOT_ISOLATION, format!("database {database} does not allow snapshot isolation"))
        .next(format!("ALTER DATABASE [{}] SET ALLOW_SNAPSHOT_ISOLATION ON", database.replace(']', "]]")))
}
