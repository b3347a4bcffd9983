//! Which LSN range the next batch covers (rules E3 and E4).

use std::time::Duration;

use jiff::civil::DateTime;

use crate::config::Changes;
use crate::engine::Engine;
use crate::model::{Fault, Lsn};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

use super::capture::Look;
use super::guards::{self, Bounds};
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

/// Whether a quiet table lags by a quarter of the retention: then an empty record keeps it clear
/// of clean-up. Without a commit time to begin with it surely does.
async fn patience_is_over<S: Source>(source: &S, stream: &Stream, max: Lsn, look: &Look) -> Result<bool, Fault> {
    let seen = look.seen(source, Some(max)).await?;
    let retention = seen.health.retention.unwrap_or(RETENTION);
    let begin = stream.head.mapping.as_ref().map(|row| row.end_time);
    Ok(begin.zip(seen.newest).is_none_or(|(begin, end)| is_behind(begin, end, retention / 4)))
}

/// The next window, or `None` when there is nothing to write.
///
/// `first` is the first change row in `[lsn_from, max]` by a probe that began after max was read.
pub async fn choose<S: Source, C: ChangeStore, T: Target>(
    engine: &Engine<S, C, T>,
    stream: &Stream,
    bounds: &Bounds,
    first: Option<Lsn>,
    look: &Look,
) -> Result<Option<Window>, Fault> {
    let from = stream.lsn_from();
    if bounds.max <= stream.head.lsn_to {
        return Ok(None);
    }
    let Some(first) = first else {
        let due = patience_is_over(&*engine.source, stream, bounds.max, look).await?;
        return Ok(due.then_some(Window { from, to: bounds.max, empty: true }));
    };
    if stream.paused {
        return Ok(None);
    }
    if engine.settings.changes_of(&stream.table) == Changes::Net {
        guards::allow_net(&stream.table, bounds.net_refusal.as_ref())?;
    }
    // The count begins at the first change row: a quiet table in a busy database moves on.
    let to = engine.source.window_end(first, bounds.max, engine.settings.extract.max_transactions).await?;
    Ok(Some(Window { from, to: to.max(first), empty: false }))
}

fn is_behind(begin: DateTime, end: DateTime, limit: Duration) -> bool {
    jiff::SignedDuration::try_from(limit).is_ok_and(|limit| end.duration_since(begin) >= limit)
}
