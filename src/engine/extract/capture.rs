//! Whether SQL Server still captures at all.

use jiff::SignedDuration;

use crate::model::{Fault, Lsn};
use crate::source::Source;

/// An idle log gets a dummy row in the time mapping every few minutes, so an older newest row says
/// that capture stands still.
const SILENCE: SignedDuration = SignedDuration::from_mins(10);

/// Why capture counts as down, or `None`. `max` is the newest LSN that was captured. A clock that
/// was set back, or an agent that the login may not see, proves nothing.
pub async fn is_down<S: Source>(source: &S, max: Option<Lsn>) -> Result<Option<String>, Fault> {
    if source.health().await?.agent_running == Some(false) {
        return Ok(Some("SQL Server Agent is stopped".to_owned()));
    }
    let Some(max) = max else { return Ok(None) };
    let Some(newest) = source.mapping(max).await?.newest else { return Ok(None) };
    let now = source.clock().await?;
    let silent = now.duration_since(newest.end_time) > SILENCE;
    Ok(silent.then(|| format!("the newest captured commit is of {}, and it is {now}", newest.end_time)))
}
