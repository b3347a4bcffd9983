//! Whether SQL Server still captures at all, and how long it keeps what it captured.

use jiff::civil::DateTime;
use tokio::sync::OnceCell;

use crate::model::status::SILENT_AFTER;
use crate::model::{Fault, Lsn};
use crate::source::{CaptureHealth, MappingFacts, Source};

/// Why capture counts as down, or `None`: what the server says of its agent and of the newest scan
/// of its log, and how old the newest captured commit is by the server's own clock. A clock that was
/// set back, or an agent that the login may not see, proves nothing.
#[must_use]
pub fn why_down(health: &CaptureHealth, newest: Option<DateTime>, clock: DateTime) -> Option<String> {
    if health.agent_running == Some(false) {
        return Some("SQL Server Agent is stopped".to_owned());
    }
    if health.newest_errors.is_some_and(|errors| errors > 0) {
        let last = health.last_error.as_ref().map_or_else(String::new, |(number, message)| format!(": {number}, {message}"));
        return Some(format!("the newest scan of the log failed{last}"));
    }
    let silence = clock.duration_since(newest?).as_secs();
    (silence > SILENT_AFTER).then(|| format!("nothing was captured for {} minutes, not even the dummy row of an idle log", silence / 60))
}

/// What the source said of capture.
#[derive(Clone, Debug)]
pub struct Seen {
    /// All unknown where it could not be read.
    pub health: CaptureHealth,
    /// Commit time of the newest transaction that was captured.
    pub newest: Option<DateTime>,
    clock: DateTime,
}

impl Seen {
    /// [`why_down`] as of the look.
    #[must_use]
    pub fn why_down(&self) -> Option<String> {
        why_down(&self.health, self.newest, self.clock)
    }
}

/// One look at capture for a whole job, taken when the first quiet table asks: it says how late
/// quiet tables are, and at the end whether no rows mean no changes.
#[derive(Debug, Default)]
pub struct Look(OnceCell<Seen>);

impl Look {
    /// `max` is the newest LSN that was captured.
    pub async fn seen<S: Source>(&self, source: &S, max: Option<Lsn>) -> Result<&Seen, Fault> {
        let look = async || {
            let health = source.health().await.unwrap_or_else(|fault| {
                tracing::warn!(%fault, "the health of capture could not be read");
                CaptureHealth::default()
            });
            let newest = match max {
                Some(max) => MappingFacts::time(&source.mapping(max).await?),
                None => None,
            };
            Ok(Seen { health, newest, clock: source.clock().await? })
        };
        self.0.get_or_try_init(look).await
    }
}
