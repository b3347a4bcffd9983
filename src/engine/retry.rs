//! Trying again what may go away by itself: by class, bounded, with jitter, told as warnings.
//!
//! Only a fault of the class [`Class::Transient`] is worth another try. A conditional PUT is
//! never repeated here: the store sends the same bytes again itself (rule R3), and when that did
//! not help, nobody can say whether the object stands there.

use std::time::Duration;

use crate::engine::Engine;
use crate::engine::event::{Events, Job};
use crate::model::fault::{Class, s3, sync};
use crate::model::{Fault, TableName};
use tokio_util::sync::CancellationToken;

/// First pause; doubles with each try, with jitter.
const BACK_OFF: Duration = Duration::from_millis(200);
const BACK_OFF_MOST: Duration = Duration::from_secs(20);

/// The tries of one step of a job on one table.
pub struct Retries<'a> {
    events: &'a Events,
    cancel: &'a CancellationToken,
    job: Job,
    table: &'a TableName,
    most: u32,
    tries: u32,
    /// First pause.
    back_off: Duration,
}

impl<S, C, T> Engine<S, C, T> {
    /// As many tries as the configuration gives this kind of job. With many tables the warnings
    /// name the given one.
    pub(crate) fn retries<'a>(&'a self, job: Job, table: &'a TableName) -> Retries<'a> {
        let most = if job == Job::Load { self.settings.load.retries } else { self.settings.extract.retries };
        Retries { events: &self.events, cancel: &self.cancel, job, table, most, tries: 0, back_off: BACK_OFF }
    }
}

impl Retries<'_> {
    /// The step came through: the next trouble is a new one.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// Waits before the next try. Gives the fault back when it will not go away, when the tries
    /// are used up, and the fault [`sync::CANCELLED`] when the run is cancelled meanwhile.
    pub async fn again(&mut self, fault: Fault) -> Result<(), Fault> {
        if !is_worth_it(&fault) {
            return Err(fault);
        }
        if self.tries >= self.most {
            return Err(fault.evidence("tries", self.tries + 1));
        }
        self.tries += 1;
        self.events.warn(self.job, self.table, format!("try {} of {}: {fault}", self.tries, self.most + 1)).await;
        tokio::select! {
            () = self.cancel.cancelled() => {
                Err(Fault::new(&sync::CANCELLED, format!("stopped before another try of {}", self.table)).caused_by(fault))
            }
            () = tokio::time::sleep(jittered(pause(self.back_off, self.tries))) => Ok(()),
        }
    }
}

/// A capture job that has not begun takes minutes: prepare waits for it by itself.
fn is_worth_it(fault: &Fault) -> bool {
    fault.class() == Class::Transient && !fault.is(&s3::WRITE_UNKNOWN) && !fault.is(&sync::WARMING_UP)
}

fn pause(first: Duration, tries: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(tries - 1)).min(BACK_OFF_MOST)
}

/// Between half and all of a pause, so that workers that met do not meet again.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_bytes()[0];
    pause.mul_f64(0.5 + f64::from(random) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::Event;
    use crate::model::fault::{Page, dictionary, src};

    fn retries<'a>(events: &'a Events, cancel: &'a CancellationToken, table: &'a TableName, most: u32) -> Retries<'a> {
        Retries { events, cancel, job: Job::Extract, table, most, tries: 0, back_off: Duration::from_micros(1) }
    }

    async fn one(page: &'static Page, most: u32) -> (Result<(), Fault>, Option<Event>) {
        let (events, mut receiver) = Events::new();
        let (cancel, table) = (CancellationToken::new(), TableName::new("dbo", "t"));
        let mut retries = retries(&events, &cancel, &table, most);
        let answer = retries.again(Fault::new(page, "it failed")).await;
        (answer, receiver.events.try_recv().ok())
    }

    #[tokio::test]
    async fn only_what_may_go_away_is_tried_again() {
        for page in dictionary() {
            let (answer, event) = one(page, 1).await;
            let worth = page.class == Class::Transient && ![s3::WRITE_UNKNOWN.code, sync::WARMING_UP.code].contains(&page.code);
            assert_eq!(answer.is_ok(), worth, "{}", page.code);
            assert_eq!(event.is_some(), worth, "{}: each try is told", page.code);
        }
    }

    #[tokio::test]
    async fn tries_are_bounded_and_counted() {
        let (events, receiver) = Events::new();
        let (cancel, table) = (CancellationToken::new(), TableName::new("dbo", "t"));
        let mut retries = retries(&events, &cancel, &table, 3);
        for _ in 0..3 {
            retries.again(Fault::new(&src::INTERRUPTED, "deadlock")).await.unwrap();
        }
        let fault = retries.again(Fault::new(&src::INTERRUPTED, "deadlock")).await.unwrap_err();
        assert!(fault.is(&src::INTERRUPTED) && fault.facts().contains(&("tries".into(), "4".into())), "{fault:?}");
        assert_eq!(receiver.events.len(), 3);
        retries.reset();
        retries.again(Fault::new(&src::INTERRUPTED, "deadlock")).await.unwrap();
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        assert_eq!(pause(BACK_OFF, 1), Duration::from_millis(200));
        assert_eq!(pause(BACK_OFF, 3), Duration::from_millis(800));
        assert_eq!(pause(BACK_OFF, 100), BACK_OFF_MOST);
        let pauses: std::collections::BTreeSet<_> = (0..100).map(|_| jittered(BACK_OFF)).collect();
        assert!(pauses.iter().all(|pause| (BACK_OFF / 2..=BACK_OFF).contains(pause)), "{pauses:?}");
        assert!(pauses.len() > 10, "workers that met would meet again: {pauses:?}");
    }

    #[tokio::test]
    async fn a_cancelled_run_does_not_wait() {
        let (events, _receiver) = Events::new();
        let (cancel, table) = (CancellationToken::new(), TableName::new("dbo", "t"));
        cancel.cancel();
        let mut retries = retries(&events, &cancel, &table, 3);
        let fault = retries.again(Fault::new(&src::CONNECT, "gone")).await.unwrap_err();
        assert!(fault.is(&sync::CANCELLED), "{fault:?}");
    }
}
