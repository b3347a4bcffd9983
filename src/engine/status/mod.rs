//! Status: every table as the three systems see it. Reads only.
//!
//! Two reports of one form: [`crate::engine::Engine::fleet`] for any number of tables, at a cost that hardly
//! grows with them, and [`crate::engine::Engine::status`] for a few, from the objects and rows themselves.

mod detail;
mod fleet;
mod judge;

pub use fleet::TargetSaid;
pub use judge::verdict_by;

use crate::engine::extract::capture::why_down;
use crate::model::Lsn;
use crate::model::status::{CaptureStatus, SourceSystem};
use crate::source::FleetFacts;

/// The source as a whole.
fn source_system(facts: &FleetFacts) -> SourceSystem {
    let health = &facts.health;
    let newest_commit = facts.newest.as_ref().map(|row| row.end_time);
    let down = why_down(health, newest_commit, facts.clock);
    SourceSystem {
        fault: None,
        cdc_enabled: Some(facts.cdc_enabled),
        max_lsn: facts.newest.as_ref().map(|row| row.lsn),
        newest_commit,
        oldest_commit: facts.oldest.as_ref().map(|row| row.end_time),
        clock: Some(facts.clock),
        capture: CaptureStatus {
            agent_running: health.agent_running,
            latency_seconds: health.latency_seconds,
            last_commit_cdc_time: health.last_commit_cdc_time,
            failed_sessions: health.failed_sessions,
            retention_seconds: health.retention.and_then(|retention| i64::try_from(retention.as_secs()).ok()),
            last_error: health.last_error.clone(),
            down,
        },
    }
}

/// The instance that a stream reads, by its name, else the newest; with its low-water mark.
fn instance<'a>(table: &'a crate::source::FleetTable, own: Option<&str>) -> Option<(&'a str, Option<Lsn>)> {
    let known = own.and_then(|own| table.instances.iter().find(|instance| instance.identity.instance == own));
    let found = known.or_else(|| table.instances.first())?;
    Some((&found.identity.instance, found.start_lsn))
}
