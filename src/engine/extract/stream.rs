//! One table's stream of records, opened for extraction (rule E1).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::lease::Ended;
use crate::engine::{Engine, control, lease};
use crate::model::control::LeaseKind;
use crate::model::fault::sync;
use crate::model::{CommitRecord, Epoch, Fault, Lsn, RecordKind, Seq, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// A head that is older is read again before a record is put (rule R4).
const HEAD_AGE: Duration = Duration::from_hours(1);

/// The stream with its lease.
#[derive(Debug)]
pub struct Stream {
    pub table: TableName,
    pub epoch: Epoch,
    /// Kind of record 0.
    pub opened_by: RecordKind,
    /// The newest record.
    pub head: CommitRecord,
    pub paused: bool,
    pub lease: lease::Held,
    head_read: Instant,
}

impl Stream {
    /// Lease, control, epoch, head. `wait`: for the end of a job that holds the lease.
    pub async fn open<S: Source, C: ChangeStore, T: Target>(
        engine: &Arc<Engine<S, C, T>>,
        table: &TableName,
        wait: bool,
    ) -> Result<Self, Fault> {
        let run = &engine.run;
        let lease = lease::take(&engine.store, table, LeaseKind::Extract, &run.holder, wait, &engine.cancel).await?;
        match Self::read(engine, table).await {
            Ok((epoch, opened_by, head, paused)) => {
                Ok(Self { table: table.clone(), epoch, opened_by, head, paused, lease, head_read: Instant::now() })
            }
            Err(fault) => {
                lease.release_after(Ended::by(&fault)).await;
                Err(fault)
            }
        }
    }

    /// The newest record, read without the lease: another job may be at work.
    pub async fn head_of<S: Source, C: ChangeStore, T: Target>(engine: &Engine<S, C, T>, table: &TableName) -> Result<CommitRecord, Fault> {
        Ok(Self::read(engine, table).await?.2)
    }

    async fn read<S: Source, C: ChangeStore, T: Target>(
        engine: &Engine<S, C, T>,
        table: &TableName,
    ) -> Result<(Epoch, RecordKind, CommitRecord, bool), Fault> {
        let paused = control::is_paused(&*engine.store, table).await?;
        let not_prepared = || {
            Fault::new(&sync::NOT_PREPARED, format!("{table} has no open epoch")).next(format!("db-to-redshift prepare --table {table:#}"))
        };
        let epoch = engine.store.current_epoch(table).await?.ok_or_else(not_prepared)?;
        let opening = engine.store.record(table, epoch, 0).await?.ok_or_else(not_prepared)?;
        let opened_by = opening.kind;
        let head = engine.store.head(table, epoch, 0).await?;
        let head = if head == 0 { opening } else { read_record(&*engine.store, table, epoch, head).await? };
        Ok((epoch, opened_by, head, paused))
    }

    #[must_use]
    pub fn lsn_from(&self) -> Lsn {
        self.head.lsn_to.next()
    }

    #[must_use]
    pub fn next_seq(&self) -> Seq {
        self.head.seq + 1
    }

    /// Untouched large values are read again: in overlap batches and in every batch of a `start`
    /// epoch (rules E7 and R6).
    #[must_use]
    pub fn rereads_kept(&self) -> bool {
        self.opened_by == RecordKind::Start || self.in_overlap()
    }

    /// The next batch may hold changes that the scan has seen already. Ends once a record's end
    /// maps above `overlap_until`, by the commit time of a mapping row that exists (rule R6).
    #[must_use]
    pub fn in_overlap(&self) -> bool {
        self.head.overlap_until.is_some_and(|until| self.head.mapping.as_ref().is_none_or(|row| row.end_time <= until))
    }

    /// Reads an old head again; a head that moved on means another extractor (rule R4).
    pub async fn refresh_head<C: ChangeStore>(&mut self, store: &C) -> Result<(), Fault> {
        if self.head_read.elapsed() < HEAD_AGE {
            return Ok(());
        }
        let head = store.head(&self.table, self.epoch, self.head.seq).await?;
        if head != self.head.seq || store.current_epoch(&self.table).await? != Some(self.epoch) {
            return Err(Fault::new(&sync::LEASE_LOST, format!("{} was extracted by another job meanwhile", self.table))
                .evidence("our head", self.head.seq)
                .evidence("head", head));
        }
        self.head_read = Instant::now();
        Ok(())
    }

    /// Reads again whether an operator has paused the table: asked between two batches.
    pub async fn notice_pause<C: ChangeStore>(&mut self, store: &C) -> Result<(), Fault> {
        self.paused = control::is_paused(store, &self.table).await?;
        Ok(())
    }

    /// The record that was just written, or found in its place, is the new head.
    pub fn advance(&mut self, record: CommitRecord) {
        self.head = record;
        self.head_read = Instant::now();
    }

    pub async fn close(self, ended: Ended) {
        self.lease.release_after(ended).await;
    }
}

/// A record that a listing named.
pub async fn read_record<C: ChangeStore>(store: &C, table: &TableName, epoch: Epoch, seq: Seq) -> Result<CommitRecord, Fault> {
    store.record(table, epoch, seq).await?.ok_or_else(|| {
        Fault::new(&sync::RECORDS_GONE, format!("a record of {table} was listed but is gone")).evidence("epoch", epoch).evidence("seq", seq)
    })
}
