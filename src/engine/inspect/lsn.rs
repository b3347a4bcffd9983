//! LSNs and commit times, each from the other.

use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::model::{Fault, Lsn};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// An LSN and its commit time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LsnReport {
    /// The LSN that was asked for, or the newest one at the time that was; null when nothing was
    /// committed by then.
    pub lsn: Option<Lsn>,
    /// Commit time of exactly this LSN, in the server's local zone; null when the server
    /// knows no such commit.
    pub time: Option<DateTime>,
    /// The newest commit at or before the LSN that the mapping holds: LSN, and time in the server's
    /// local zone.
    pub newest_before: Option<(Lsn, DateTime)>,
    /// The oldest LSN of the mapping: before it nothing can be converted.
    pub oldest: Option<Lsn>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// When an LSN was committed.
    pub async fn time_of_lsn(&self, lsn: Lsn) -> Result<LsnReport, Fault> {
        let mapping = self.source.mapping(lsn).await?;
        let time = mapping.time_of(lsn);
        let newest_before = mapping.newest.map(|row| (row.lsn, row.end_time));
        Ok(LsnReport { lsn: Some(lsn), time, newest_before, oldest: mapping.oldest })
    }

    /// The newest LSN that was committed at a server-local time or before.
    pub async fn lsn_at_time(&self, time: DateTime) -> Result<LsnReport, Fault> {
        let lsn = self.source.lsn_at(time).await?;
        let mapping = self.source.mapping(lsn.unwrap_or_default()).await?;
        let time = lsn.and_then(|lsn| mapping.time_of(lsn));
        let newest_before = mapping.newest.map(|row| (row.lsn, row.end_time));
        Ok(LsnReport { lsn, time, newest_before, oldest: mapping.oldest })
    }
}
