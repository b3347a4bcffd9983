//! Pause and resume: an order in the control object, which every job reads when it begins and
//! between two batches (rules E1 and L1).

use futures::StreamExt;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{AT_ONCE, Report, reason};
use crate::engine::{Engine, control};
use crate::model::control::Paused;
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// How a pause ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct PauseChange {
    /// `false`: the table was paused already, and that order stands.
    pub changed: bool,
    /// The order that stands.
    pub paused: Paused,
}

/// How a resume ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Resumed {
    /// The order that was taken back; null: the table was not paused.
    pub was: Option<Paused>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Pauses tables: nothing is extracted or loaded until they are resumed. Jobs that run stop
    /// after the batch that they are at; a quiet table still gets its empty records, which keep it
    /// clear of clean-up.
    pub async fn pause(&self, tables: &[TableName], why: &str) -> Vec<Report<PauseChange>> {
        futures::stream::iter(tables.iter().cloned())
            .map(|table| async move {
                let outcome = self.pause_table(&table, why).await;
                Report::new(table, outcome)
            })
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn pause_table(&self, table: &TableName, why: &str) -> Result<PauseChange, Fault> {
        let holder = &self.run.holder;
        let order = Paused { by: format!("{}@{}", holder.user, holder.host), why: reason(why)?, since: Timestamp::now() };
        control::change(&*self.store, table, |control| {
            let changed = control.paused.is_none();
            Ok(PauseChange { changed, paused: control.paused.get_or_insert_with(|| order.clone()).clone() })
        })
        .await
    }

    /// Takes a pause back.
    pub async fn resume(&self, tables: &[TableName]) -> Vec<Report<Resumed>> {
        futures::stream::iter(tables.iter().cloned())
            .map(|table| async move {
                let outcome = control::change(&*self.store, &table, |control| Ok(Resumed { was: control.paused.take() })).await;
                Report::new(table, outcome)
            })
            .buffered(AT_ONCE)
            .collect()
            .await
    }
}
