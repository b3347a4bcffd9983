//! Adopt: a stream whose source or S3 root has changed takes over the state of the old one
//! (section 1).
//!
//! What is safe after that: records name the source that they were read from, so the batches of
//! the old source can neither be loaded nor gone on from. Another source therefore means a new
//! epoch, and until that is loaded the table counts as diverged. Another root alone leaves
//! production as it is: its records must go on exactly where state stands, else the table counts
//! as diverged too.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::Report;
use crate::engine::abreast::abreast;
use crate::engine::event::Job;
use crate::engine::{Engine, lease};
use crate::model::control::LeaseKind;
use crate::model::fault::operate::CONFIRM;
use crate::model::fault::{rs, sync};
use crate::model::state::StreamIdentity;
use crate::model::{Fault, SourceIdentity, TableName, TargetState};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{Adopt, Loader, Target};

/// What the operator agreed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AdoptOrder {
    /// Both identities were looked at.
    pub confirm: bool,
    /// The pipeline was renamed: its name may differ as well.
    pub pipeline: bool,
}

/// How an adopt ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Adopted {
    /// The identity that was replaced; null: state and configuration agree already.
    pub was: Option<StreamIdentity>,
    /// The identity that the state has now.
    pub now: StreamIdentity,
    /// The table counts as diverged until a new epoch is loaded.
    pub diverged: bool,
    /// The command that comes next.
    pub next: String,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Compares the state of each table with the configured source and S3 root, and takes a changed
    /// identity over once confirmed.
    pub async fn adopt(self: &Arc<Self>, tables: &[TableName], order: AdoptOrder) -> Vec<Report<Adopted>> {
        let server = match self.source.start_up().await {
            Ok(server) => server.identity,
            Err(fault) => return tables.iter().map(|table| Report::new(table.clone(), Err(fault.clone()))).collect(),
        };
        let server = &server;
        let adopt = |table: TableName| async move {
            let outcome = self.adopt_table(&table, server, order).await;
            Report::new(table, outcome)
        };
        abreast(tables.iter().cloned(), self.settings.load.parallel, adopt).await
    }

    async fn adopt_table(&self, table: &TableName, server: &SourceIdentity, order: AdoptOrder) -> Result<Adopted, Fault> {
        let state = self.target.state(table).await?.ok_or_else(|| {
            Fault::new(&rs::NOT_PREPARED, format!("{table} has no state")).next(format!("db-to-redshift prepare --table {table:#}"))
        })?;
        let from = state.identity.clone();
        // A guid that cannot be read now does not wipe out the one that is known.
        let source = if from.source.agrees_with(server) { &from.source } else { server };
        let to = self.identity(source);
        if from == to {
            return Ok(Adopted { was: None, now: to, diverged: false, next: format!("db-to-redshift sync --table {table:#}") });
        }
        if from.pipeline != to.pipeline && !order.pipeline {
            return Err(show(Fault::new(&sync::OTHER_STREAM, format!("the state of {table} belongs to another pipeline")), &from, &to)
                .next(format!(
                    "if the pipeline was renamed and nobody runs the old name: db-to-redshift adopt --pipeline --table {table:#}"
                )));
        }
        let diverged = self.doubt(table, &state, &to).await?;
        if !order.confirm {
            return Err(ask(table, &from, &to, diverged.as_deref(), order));
        }
        let lease = lease::take(&self.store, table, LeaseKind::Load, &self.run.holder, self.run.wait, &self.cancel).await?;
        let adopted = self.adopt_under_lease(table, &Adopt { seen: state, to: to.clone(), diverged: diverged.clone() }).await;
        lease.release().await;
        adopted?;
        let next = if diverged.is_some() || from.source != to.source || from.pipeline != to.pipeline {
            format!("db-to-redshift prepare --new-epoch --table {table:#}")
        } else {
            format!("db-to-redshift sync --table {table:#}")
        };
        Ok(Adopted { was: Some(from), now: to, diverged: diverged.is_some(), next })
    }

    /// Why production may differ under the new identity; `None` where nothing was loaded yet, or
    /// where only the root changed and its records go on where state stands.
    async fn doubt(&self, table: &TableName, state: &TargetState, to: &StreamIdentity) -> Result<Option<String>, Fault> {
        let Some(applied) = state.applied_seq else { return Ok(None) };
        let from = &state.identity;
        let holder = &self.run.holder;
        let by = format!("adopted by {}@{}", holder.user, holder.host);
        if from.source != to.source {
            let (then, now) = (&from.source, &to.source);
            return Ok(Some(format!("{by}: loaded from {}/{}, now {}/{}", then.server, then.database, now.server, now.database)));
        }
        if from.pipeline != to.pipeline {
            return Ok(Some(format!("{by}: loaded by pipeline {}, now {}", from.pipeline, to.pipeline)));
        }
        let record = self.store.record(table, state.epoch, applied).await?;
        let fits = record.is_some_and(|record| {
            Some(record.lsn_to) == state.applied_lsn
                && Some(&record.capture) == state.capture.as_ref()
                && record.pipeline == to.pipeline
                && record.source.agrees_with(&to.source)
        });
        Ok((!fits).then(|| format!("{by}: the records under {} do not go on where production stands", to.root)))
    }

    async fn adopt_under_lease(&self, table: &TableName, adopt: &Adopt) -> Result<(), Fault> {
        let mut retries = self.retries(Job::Load, table);
        loop {
            let fault = match self.target.loader(table).await {
                Ok(mut loader) => match loader.adopt(adopt).await {
                    Ok(_) => break,
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            retries.again(fault.clone()).await?;
            // A lost answer to COMMIT: state itself says whether it was done (rule L7).
            let state = self.target.loader(table).await?.locked_state().await?;
            if state.identity == adopt.to {
                break;
            }
            // Whoever moved it meanwhile: what the operator saw no longer holds.
            if (state.epoch, state.applied_seq) != (adopt.seen.epoch, adopt.seen.applied_seq) || state.identity != adopt.seen.identity {
                return Err(fault);
            }
        }
        self.log_mark(Job::Load, table, "adopted").await;
        Ok(())
    }
}

fn show(fault: Fault, from: &StreamIdentity, to: &StreamIdentity) -> Fault {
    let guid = |guid: &Option<String>| guid.clone().unwrap_or_else(|| "not readable".to_owned());
    let pairs = [
        ("pipeline", from.pipeline.clone(), to.pipeline.clone()),
        ("server", from.source.server.clone(), to.source.server.clone()),
        ("database", from.source.database.clone(), to.source.database.clone()),
        ("database guid", guid(&from.source.database_guid), guid(&to.source.database_guid)),
        ("recovery fork", guid(&from.source.recovery_fork_guid), guid(&to.source.recovery_fork_guid)),
        ("root", from.root.clone(), to.root.clone()),
    ];
    pairs.into_iter().fold(fault, |fault, (name, then, now)| {
        if then == now {
            fault.evidence(name, then)
        } else {
            fault.evidence(format!("{name} in state"), then).evidence(format!("{name} here"), now)
        }
    })
}

fn ask(table: &TableName, from: &StreamIdentity, to: &StreamIdentity, diverged: Option<&str>, order: AdoptOrder) -> Fault {
    let after = match diverged {
        Some(_) => "the table then counts as diverged until a new epoch is loaded: db-to-redshift prepare --new-epoch",
        None => "production stays as it is",
    };
    let fault = Fault::new(&CONFIRM, format!("adopt would give the state of {table} the identity of this configuration"));
    let pipeline = if order.pipeline { " --pipeline" } else { "" };
    show(fault, from, to).evidence("afterwards", after).next(format!("db-to-redshift adopt{pipeline} --confirm --table {table:#}"))
}
