//! Trouble on request: lost connections, lost answers, conflicts, stalls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// What happens to a statement that a plan waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The client's connection is cut before the statement runs; its transaction rolls back.
    CutBefore,
    /// The statement runs and takes effect; the connection is cut instead of an answer. On
    /// `COMMIT` this is the lost answer of rule L7.
    CutAfter,
    /// Error 1023, `Serializable isolation violation on table`; the transaction fails.
    Conflict,
    /// This SQLSTATE and message instead of the statement; the transaction fails.
    Refuse(&'static str, &'static str),
    /// A COPY refuses this column of its first record with this load error code: for codes that no
    /// field of a CSV file leads to. The load views tell it like any other.
    RefuseValue(&'static str, i32),
    /// The statement waits, not yet run, until [`Planted::release`].
    Hold,
}

/// Where a plan stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting,
    Hit,
    Released,
}

/// The handle of one plan.
#[derive(Clone, Debug)]
pub struct Planted(Arc<watch::Sender<Stage>>);

impl Planted {
    /// Waits until the statement has arrived and the action is under way.
    pub async fn hit(&self) {
        // The sender lives in self, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|stage| *stage != Stage::Waiting).await;
    }

    #[must_use]
    pub fn was_hit(&self) -> bool {
        *self.0.borrow() != Stage::Waiting
    }

    /// Lets a held statement go on.
    pub fn release(&self) {
        self.0.send_replace(Stage::Released);
    }

    pub(super) async fn released(&self) {
        let _ = self.0.subscribe().wait_for(|stage| *stage == Stage::Released).await;
    }
}

struct Plan {
    contains: String,
    /// Matching statements still to let pass.
    before: u32,
    action: Action,
    planted: Planted,
}

/// The fault hook of one lab.
#[derive(Clone, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Default)]
struct Inner {
    plans: Mutex<Vec<Plan>>,
    paused: AtomicBool,
}

impl Faults {
    /// Plans `action` for the `nth` statement from now, counted from 1 over all sessions, whose
    /// text contains `contains` in any case. It happens once. Queries that return rows or take
    /// parameters through the extended protocol are not looked at.
    #[must_use]
    pub fn on(&self, contains: &str, nth: u32, action: Action) -> Planted {
        let planted = Planted(Arc::new(watch::channel(Stage::Waiting).0));
        let plan = Plan { contains: contains.to_lowercase(), before: nth.saturating_sub(1), action, planted: planted.clone() };
        self.plans().push(plan);
        planted
    }

    /// Forgets all plans and releases what is held.
    pub fn clear(&self) {
        for plan in self.plans().drain(..) {
            plan.planted.release();
        }
    }

    /// New connections are closed at once, as by a cluster that is paused.
    pub fn pause(&self, paused: bool) {
        self.0.paused.store(paused, Ordering::SeqCst);
    }

    #[must_use]
    pub fn paused(&self) -> bool {
        self.0.paused.load(Ordering::SeqCst)
    }

    fn plans(&self) -> std::sync::MutexGuard<'_, Vec<Plan>> {
        self.0.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is planned.
    pub(super) fn any(&self) -> bool {
        !self.plans().is_empty()
    }

    /// Asked with every statement. A plan that is due is taken out and marked as hit.
    pub(super) fn due(&self, statement: &str) -> Option<(Action, Planted)> {
        let statement = statement.to_lowercase();
        let mut plans = self.plans();
        let mut due = None;
        let mut at = 0;
        while at < plans.len() {
            if !statement.contains(&plans[at].contains) {
                at += 1;
            } else if plans[at].before > 0 {
                plans[at].before -= 1;
                at += 1;
            } else if due.is_none() {
                let plan = plans.remove(at);
                plan.planted.0.send_replace(Stage::Hit);
                due = Some((plan.action, plan.planted));
            } else {
                at += 1;
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_matching_statement_once() {
        let faults = Faults::default();
        let planted = faults.on("COMMIT", 2, Action::CutAfter);
        assert!(faults.due("commit").is_none() && !planted.was_hit());
        assert!(faults.due("SELECT 1").is_none());
        assert_eq!(faults.due("Commit").unwrap().0, Action::CutAfter);
        assert!(planted.was_hit());
        assert!(faults.due("commit").is_none());
    }
}
