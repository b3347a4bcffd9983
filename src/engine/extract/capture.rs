//! Whether SQL Server still captures at all.

use jiff::civil::DateTime;

use crate::model::status::SILENT_AFTER;
use crate::model::{Fault, Lsn};
use crate::source::Source;

/// Why capture counts as down, or `None`: what the server says of its agent, and how old the newest
/// captured commit is by the server's own clock. A clock that was set back, or an agent that the
/// login may not see, proves nothing.
#[must_use]
pub fn why_down(agent_running: Option<bool>, newest: Option<DateTime>, clock: DateTime) -> Option<String> {
    if agent_running == Some(false) {
        return Some("SQL Server Agent is stopped".to_owned());
    }
    let silence = clock.duration_since(newest?).as_secs();
    (silence > SILENT_AFTER).then(|| format!("nothing was captured for {} minutes, not even the dummy row of an idle log", silence / 60))
}

/// [`why_down`] of now; `max` is the newest LSN that was captured.
pub async fn is_down<S: Source>(source: &S, max: Option<Lsn>) -> Result<Option<String>, Fault> {
    let agent = source.health().await?.agent_running;
    let newest = match max {
        Some(max) => source.mapping(max).await?.newest.map(|row| row.end_time),
        None => None,
    };
    Ok(why_down(agent, newest, source.clock().await?))
}
