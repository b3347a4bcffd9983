//! Inspection and repair: is production right, what became of a key, what would a load do, and
//! the changes that an operator orders.
//!
//! Each answer is a report that can be serialised. Cell values stand in none unless they were
//! asked for.

pub mod batch_log;
pub mod columns;
mod digest;
pub mod dry_run;
pub mod files;
mod in_flight;
pub mod key;
pub mod load_errors;
pub mod load_sql;
pub mod lsn;
mod offender;
mod parts;
pub mod preview;
mod room;
pub mod rows;
pub mod staging;
pub mod trace;
pub mod upkeep;
pub mod verify;
pub mod waiting;
pub mod widen;

use crate::engine::Engine;
use crate::engine::extract::guards;
use crate::engine::load::plan;
use crate::model::fault::sync;
use crate::model::state::StreamIdentity;
use crate::model::{CommitRecord, Epoch, Fault, Lsn, Seq, TableName, TableShape, TargetState};
use crate::source::{CaptureInstance, Source};
use crate::store::ChangeStore;
use crate::target::Target;

/// A loaded table as inspection finds it.
struct Subject {
    table: TableName,
    state: TargetState,
    epoch: Epoch,
    applied_seq: Seq,
    applied_lsn: Lsn,
    /// The record that production stands at.
    applied: CommitRecord,
    identity: StreamIdentity,
}

impl Subject {
    fn shape(&self) -> &TableShape {
        &self.applied.columns
    }
}

fn not_loaded(table: &TableName) -> Fault {
    Fault::new(&sync::NOT_PREPARED, format!("{table} was never loaded"))
        .next(format!("db-to-redshift prepare --table {table:#}"))
        .next(format!("db-to-redshift load --table {table:#}"))
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    async fn subject(&self, table: &TableName) -> Result<Subject, Fault> {
        let state = self.target.state(table).await?.ok_or_else(|| not_loaded(table))?;
        let (Some(applied_seq), Some(applied_lsn)) = (state.applied_seq, state.applied_lsn) else { return Err(not_loaded(table)) };
        let epoch = state.epoch;
        let applied = self.store.record(table, epoch, applied_seq).await?.ok_or_else(|| {
            Fault::new(&sync::RECORDS_GONE, format!("the record that production of {table} stands at is gone"))
                .evidence("epoch", epoch)
                .evidence("applied seq", applied_seq)
        })?;
        let identity = self.identity(&applied.source);
        if !state.identity.agrees_with(&identity) {
            return Err(Fault::new(&sync::OTHER_STREAM, format!("the state of {table} belongs to another stream"))
                .evidence("pipeline in state", &state.identity.pipeline)
                .evidence("root in state", &state.identity.root));
        }
        plan::require_applied(&applied, applied_lsn)?;
        Ok(Subject { table: table.clone(), state, epoch, applied_seq, applied_lsn, applied, identity })
    }

    /// The capture instance of the stream, if it still is what the records were made from, and if the
    /// source shows all of the table.
    async fn instance_of(&self, subject: &Subject) -> Result<CaptureInstance, Fault> {
        let server = self.source.start_up().await?;
        let table = &subject.table;
        if !subject.applied.source.agrees_with(&server.identity) {
            return Err(Fault::new(&sync::OTHER_SOURCE, format!("{table} was carried from another source"))
                .evidence("server then", &subject.applied.source.server)
                .evidence("server here", &server.identity.server)
                .evidence("database then", &subject.applied.source.database)
                .evidence("database here", &server.identity.database));
        }
        let described = self.describe(std::slice::from_ref(table)).await?;
        let left = || Fault::new(&sync::NOT_TRACKED, format!("{table} left the source"));
        let facts = described.into_iter().next().unwrap_or_else(|| Err(left()))?;
        let instance = guards::tracked_instance(&facts, server.cdc_enabled, &subject.applied.capture)?;
        guards::nothing_withheld(&facts)?;
        if instance.shape.hash() != subject.applied.column_hash || !instance.missing.is_empty() {
            return Err(Fault::new(&sync::DRIFT, format!("the columns of {table} are not those that production was loaded with")));
        }
        Ok(instance.clone())
    }
}
