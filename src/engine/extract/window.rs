//! Which LSN range the next batch covers (rules E3 and E4).

use std::time::Duration;

use jiff::civil::DateTime;

use crate::engine::Engine;
use crate::model::{Fault, Lsn};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

use super::guards::Bounds;
use super::stream::Stream;

/// Retention of the clean-up job where it cannot be read: SQL Server's default.
const RETENTION: Duration = Duration::from_hours(72);

/// A closed range of whole transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    pub from: Lsn,
    pub to: Lsn,
    /// No change row lies in it.
    pub empty: bool,
}

/// The next window, or `None` when there is nothing to write.
///
/// `first` is the first change row in `[lsn_from, max]` by a probe that began after max was read.
pub async fn choose<S: Source, C: ChangeStore, T: Target>(
    engine: &Engine<S, C, T>,
    stream: &Stream,
    bounds: &Bounds,
    first: Option<Lsn>,
) -> Result<Option<Window>, Fault> {
    let from = stream.lsn_from();
    if bounds.max <= stream.head.lsn_to {
        return Ok(None);
    }
    let Some(first) = first else {
        let due = lags(engine, from, bounds.max).await?;
        return Ok(due.then_some(Window { from, to: bounds.max, empty: true }));
    };
    if stream.paused {
        return Ok(None);
    }
    // The count begins at the first change row: a quiet table in a busy database moves on.
    let to = engine.source.window_end(first, bounds.max, engine.settings.extract.max_transactions).await?;
    Ok(Some(Window { from, to: to.max(first), empty: false }))
}

/// Whether a quiet table lags by a quarter of the retention: then an empty record keeps it clear
/// of clean-up.
async fn lags<S: Source, C: ChangeStore, T: Target>(engine: &Engine<S, C, T>, from: Lsn, max: Lsn) -> Result<bool, Fault> {
    let time = |facts: crate::source::MappingFacts| facts.newest.map(|row| row.end_time);
    let (begin, end) = (time(engine.source.mapping(from).await?), time(engine.source.mapping(max).await?));
    let retention = engine.source.health().await?.retention.unwrap_or(RETENTION);
    // A position that is older than the whole mapping surely lags.
    Ok(begin.zip(end).is_none_or(|(begin, end)| is_behind(begin, end, retention / 4)))
}

fn is_behind(begin: DateTime, end: DateTime, limit: Duration) -> bool {
    jiff::SignedDuration::try_from(limit).is_ok_and(|limit| end.duration_since(begin) >= limit)
}
