//! Prepares that failed: what a retry must not give again without a person.

use std::collections::BTreeMap;

use crate::engine::event::Job;
use crate::engine::operate::Failure;
use crate::model::TableName;
use crate::model::order::Repeat;

/// By table, as the newest runs tell; what was cancelled counts, since a retry goes on with it.
#[derive(Clone, Debug, Default)]
pub struct Prepares(BTreeMap<TableName, Repeat>);

impl Prepares {
    #[must_use]
    pub fn of(failed: &[Failure]) -> Self {
        let of = |failure: &Failure| {
            // An order that is not known is given by nobody.
            let anew = failure.order.is_some_and(|order| order.new_epoch);
            (failure.table.clone(), if anew { Repeat::NewEpoch } else { Repeat::Prepare })
        };
        Self(failed.iter().filter(|failure| failure.job == Job::Prepare).map(of).collect())
    }

    /// What a retry of a table gives again.
    #[must_use]
    pub fn repeat(&self, table: &TableName) -> Option<Repeat> {
        self.0.get(table).copied()
    }
}
