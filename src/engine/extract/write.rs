//! One batch: change rows to part files, then the record that makes them count.

use std::time::Instant;

use jiff::Timestamp;
use uuid::Uuid;

use crate::config::Changes;
use crate::engine::event::{Event, Job};
use crate::engine::fold::{Folded, Folder};
use crate::engine::{Engine, TOOL};
use crate::model::fault::sync;
use crate::model::record::{Layout, RECORD_VERSION, RowCounts};
use crate::model::{CommitRecord, Fault, PartFile, RecordKind, TableShape};
use crate::source::{ChangesMode, ChangesRequest, MappingFacts, Pages, Source};
use crate::store::{Attempt, ChangeStore, RecordPut};
use crate::target::Target;

use super::guards;
use super::parts::PartSink;
use super::stream::Stream;
use super::window::Window;

/// What the rows of a batch became.
struct Written {
    parts: Vec<PartFile>,
    counts: RowCounts,
    /// Rows were read again: the overlap is prolonged (rule E6).
    reread: bool,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Writes the batch of a window and moves the stream's head. Returns its rows, or `None` when
    /// the table has to stop here.
    pub(crate) async fn write_batch(&self, stream: &mut Stream, window: Window) -> Result<Option<u64>, Fault> {
        let started = Instant::now();
        let table = stream.table.clone();
        let mut retries = self.retries(Job::Extract, &table);
        // No PUT of a record is sent in here, so every try is a new attempt.
        let (record, written) = loop {
            match self.write_attempt(stream, window).await {
                Ok(written) => break written,
                Err(fault) => retries.again(fault).await?,
            }
        };
        match self.store.put_record(&record).await? {
            RecordPut::Written => {
                let (rows, bytes) = (record.counts.rows(), record.parts.iter().map(|part| part.bytes).sum());
                let seconds = started.elapsed().as_secs_f64();
                // Before it is told: what is recorded must not count as under way, too.
                self.events.idle(&record.table);
                self.events
                    .send(Event::Recorded { table: record.table.clone(), epoch: record.epoch, seq: record.seq, rows, bytes, seconds })
                    .await;
                self.warn_of_changed_values(Job::Extract, &record).await;
                stream.advance(record);
                self.clean_up_after_extract(stream).await;
                Ok(Some(rows))
            }
            RecordPut::Lost(winner) => {
                self.discard(&written.parts).await;
                follows(&winner, stream, window)?;
                self.events.note(Job::Extract, &stream.table, format!("batch {} was recorded by another job meanwhile", winner.seq)).await;
                stream.advance(*winner);
                Ok(Some(0))
            }
        }
    }

    /// The part files of one attempt, and the record that would name them.
    async fn write_attempt(&self, stream: &mut Stream, window: Window) -> Result<(CommitRecord, Written), Fault> {
        self.safe_point(&stream.table)?;
        stream.lease.check(&stream.table)?;
        let (epoch, seq, lsn_to) = (stream.epoch, stream.next_seq(), window.to);
        let attempt = Attempt { table: stream.table.clone(), epoch, seq, lsn_to, id: Uuid::new_v4() };
        let shape = self.policed(&stream.head)?;
        // The source may go back while the window waits for its turn, or while it is read.
        let end = self.source.mapping(window.to).await?;
        let written = if window.empty {
            Written { parts: Vec::new(), counts: RowCounts::default(), reread: false }
        } else {
            self.write_parts(stream, &shape, window, &attempt).await?
        };
        match self.record_of(stream, shape, (window, &end), &attempt, &written).await {
            Ok(record) => Ok((record, written)),
            Err(fault) => {
                // No PUT of a record was sent, so nobody can ever name these parts.
                self.discard(&written.parts).await;
                Err(fault)
            }
        }
    }

    /// Guards again (rule E9), then the record.
    async fn record_of(
        &self,
        stream: &mut Stream,
        shape: TableShape,
        (window, end): (Window, &MappingFacts),
        attempt: &Attempt,
        written: &Written,
    ) -> Result<CommitRecord, Fault> {
        let bounds = guards::look(self, &[stream]).await?.pop().transpose()?;
        let Some(bounds) = bounds else {
            return Err(Fault::new(&sync::NOT_TRACKED, format!("{} left the source", stream.table)));
        };
        stream.refresh_head(&*self.store).await?;
        stream.lease.check(&stream.table)?;
        let mapping = self.source.mapping(window.to).await?;
        guards::still_stands(&stream.table, (window.to, end), bounds.max, &mapping)?;
        let mapping = mapping.newest;
        let mut overlap_until = stream.head.overlap_until;
        // What was read again may be of later than this batch: the next ones may hold changes that
        // are in it already, just as after a scan (rules E6 and R6).
        if written.reread {
            overlap_until = overlap_until.max(Some(self.overlap_end().await?));
        }
        let head = &stream.head;
        let seen = if written.reread { self.source.mapping(bounds.max).await?.newest } else { head.seen.clone() };
        Ok(CommitRecord {
            version: RECORD_VERSION,
            kind: RecordKind::Changes,
            pipeline: head.pipeline.clone(),
            table: stream.table.clone(),
            epoch: stream.epoch,
            seq: attempt.seq,
            attempt: attempt.id,
            run: self.run.id,
            source: head.source.clone(),
            capture: head.capture.clone(),
            columns: shape,
            column_hash: head.column_hash.clone(),
            ddl_lsn: bounds.ddl_lsn,
            altered: head.altered,
            lsn_from: Some(window.from),
            lsn_to: window.to,
            mapping,
            l0: None,
            seen: seen.filter(|seen| seen.lsn > window.to),
            overlap_until,
            null_marker: head.null_marker.clone(),
            layout: Layout::Changes,
            parts: written.parts.clone(),
            counts: written.counts.clone(),
            trusted: false,
            created_at: Timestamp::now(),
            tool: TOOL.into(),
        })
    }

    async fn write_parts(&self, stream: &Stream, shape: &TableShape, window: Window, attempt: &Attempt) -> Result<Written, Fault> {
        let shape = shape.clone();
        let mode = self.changes_mode(stream, stream.in_overlap());
        let request = ChangesRequest {
            table: stream.table.clone(),
            instance: stream.head.capture.instance.clone(),
            shape: shape.clone(),
            from: window.from,
            to: window.to,
            mode,
        };
        let mut rows = self.source.changes(&request).await?;
        let mut folder = Folder::new(shape.clone(), stream.rereads_kept(), mode == ChangesMode::All);
        let mut sink = PartSink::new(self, Job::Extract, attempt, shape, Layout::Changes, &stream.head.null_marker)?;
        let mut out = Vec::new();
        while let Some(page) = rows.next_page().await? {
            for row in page {
                folder.push(row, &mut out)?;
            }
            self.sink_folded(&mut sink, &mut out).await?;
            stream.lease.check(&stream.table)?;
            self.safe_point(&stream.table)?;
        }
        folder.finish(&mut out)?;
        self.sink_folded(&mut sink, &mut out).await?;
        let reread = sink.reread;
        let (parts, counts) = sink.finish().await?;
        Ok(Written { parts, counts, reread })
    }

    async fn sink_folded(&self, sink: &mut PartSink<'_, S, C, T>, folded: &mut Vec<Folded>) -> Result<(), Fault> {
        for folded in folded.drain(..) {
            match folded {
                Folded::Ready(row) => sink.push(&row).await?,
                Folded::Reread { row, columns } => sink.push_reread(row, columns).await?,
                Folded::Ambiguous(keys) => sink.push_ambiguous(keys).await?,
            }
        }
        Ok(())
    }

    /// Net changes only where the operator asked for them and the batch is past the overlap
    /// (rule E5).
    fn changes_mode(&self, stream: &Stream, overlap: bool) -> ChangesMode {
        match self.settings.changes_of(&stream.table) {
            Changes::Net if !overlap => ChangesMode::Net,
            _ => ChangesMode::All,
        }
    }

    /// Deletes part files that no record can name. What stays is swept later (rule R5).
    pub(crate) async fn discard(&self, parts: &[PartFile]) {
        let keys: Vec<String> = parts.iter().map(|part| part.key.clone()).collect();
        if let Err(fault) = self.store.delete(&keys).await {
            tracing::warn!(%fault, "part files that no record names could not be deleted");
        }
    }
}

/// The record that was found in the place of ours must go on where the head ends (rule L2).
fn follows(winner: &CommitRecord, stream: &Stream, window: Window) -> Result<(), Fault> {
    let head = &stream.head;
    if winner.lsn_from == Some(window.from) && winner.capture == head.capture && winner.column_hash == head.column_hash {
        return Ok(());
    }
    Err(Fault::new(&sync::BROKEN_CHAIN, format!("batch {} of {} was recorded by another job and does not fit", winner.seq, winner.table))
        .evidence("expected lsn_from", window.from)
        .evidence("lsn_from", winner.lsn_from.unwrap_or_default())
        .evidence("run", winner.run))
}
