//! Leases (section 5 of the protocol): who is busy with a table.
//!
//! A lease saves double work and tells people who is busy. Safety rests on the conditional PUT
//! of records and on the fence in state alone, so a lease that is lost is no danger.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::control::{Holder, Lease, LeaseKind};
use crate::model::fault::sync;
use crate::model::{Fault, TableName};
use crate::store::{ChangeStore, ETag, Written};

/// How often a held lease is renewed.
const RENEW: Duration = Duration::from_secs(15);
/// An ETag seen unchanged for so long, on our own clock, marks a dead holder.
const EXPIRY: Duration = Duration::from_mins(1);
/// How often a lease that somebody else holds is looked at.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

/// A lease that is ours. Renewed in the background until [`Held::release`]; dropped without it,
/// the renewal stops and the lease expires by itself.
#[derive(Debug)]
pub struct Held {
    stop: CancellationToken,
    lost: CancellationToken,
    renewal: JoinHandle<()>,
    ended: Arc<OnceLock<Ended>>,
    failed: Option<String>,
}

/// How a job ended, for those who only see its lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    Well,
    /// With the fault of this code.
    Failed(String),
    /// It was stopped or never began, which says nothing of the table.
    Unsaid,
}

impl Ended {
    #[must_use]
    pub fn by(fault: &Fault) -> Self {
        let stopped = [&sync::CANCELLED, &sync::BUSY, &sync::LEASE_LOST, &sync::STALE_FENCE].iter().any(|page| fault.is(page));
        if stopped { Self::Unsaid } else { Self::Failed(fault.code().to_owned()) }
    }
}

impl Held {
    /// Fires when somebody else took the lease over: stop at the next safe point.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Code of the fault with which the job before ended.
    #[must_use]
    pub fn failed_before(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    pub fn check(&self, table: &TableName) -> Result<(), Fault> {
        if self.is_lost() { Err(Fault::new(&sync::LEASE_LOST, format!("the lease on {table} was taken over"))) } else { Ok(()) }
    }

    /// [`Self::release`], with a word of how the job ended.
    pub async fn release_after(self, ended: Ended) {
        drop(self.ended.set(ended));
        self.release().await;
    }

    /// Writes "released". A lease that cannot be released expires by itself.
    pub async fn release(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.renewal).await {
            tracing::warn!(%error, "the renewal of a lease ended early");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What an observer has seen of a lease: its own monotonic clock decides, never the holder's.
#[derive(Debug, Default)]
pub(crate) struct Watch(Option<(ETag, Instant)>);

impl Watch {
    /// Whether this version has been seen unchanged for [`EXPIRY`] by now.
    pub fn has_expired(&mut self, etag: &ETag, now: Instant) -> bool {
        match &self.0 {
            Some((known, since)) if known == etag => now.duration_since(*since) >= EXPIRY,
            _ => {
                self.0 = Some((etag.clone(), now));
                false
            }
        }
    }

    /// Whether another version than this one was seen before: somebody renews the lease.
    pub fn has_changed(&self, etag: &ETag) -> bool {
        self.0.as_ref().is_some_and(|(known, _)| known != etag)
    }
}

/// Takes a lease. Held by a live job: the fault [`sync::BUSY`], or with `wait` waits for its end.
pub async fn take<C: ChangeStore>(
    store: &Arc<C>,
    table: &TableName,
    kind: LeaseKind,
    holder: &Holder,
    wait: bool,
    cancel: &CancellationToken,
) -> Result<Held, Fault> {
    let mut watch = Watch::default();
    loop {
        let present = store.lease(table, kind).await?;
        let free = match &present {
            None => true,
            Some((lease, etag)) => match &lease.holder {
                None => true,
                Some(other) => {
                    // Seen renewed on our own clock: alive, whatever its time stamp says.
                    let renewed = watch.has_changed(etag);
                    let free = watch.has_expired(etag, Instant::now()) || is_dead(other, holder);
                    // A lease that was renewed lately has a live holder. One that was not is looked
                    // at until our own clock proves it dead: its time stamp is only a hint.
                    if !free && !wait && (renewed || is_fresh(lease)) {
                        return Err(busy(table, kind, other));
                    }
                    free
                }
            },
        };
        if free {
            let failed = present.as_ref().and_then(|(lease, _)| lease.failed.clone());
            let lease = Lease { holder: Some(holder.clone()), beat: 0, at: Timestamp::now(), failed };
            let expected = present.as_ref().map(|(_, etag)| etag);
            if let Written::Done(etag) = store.put_lease(table, kind, &lease, expected).await? {
                return Ok(renew(Arc::clone(store), table.clone(), kind, lease, etag));
            }
            continue;
        }
        tokio::select! {
            () = cancel.cancelled() => return Err(Fault::new(&sync::CANCELLED, format!("stopped waiting for the {} lease of {table}", kind.as_str()))),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Renewed within the time after which it would count as expired, by the holder's clock.
fn is_fresh(lease: &Lease) -> bool {
    let age = Timestamp::now().duration_since(lease.at);
    jiff::SignedDuration::try_from(EXPIRY).is_ok_and(|expiry| age.abs() < expiry)
}

/// A process of this very machine that is gone holds nothing. The 60 s of observation are for
/// everybody else.
pub(crate) fn is_dead(other: &Holder, us: &Holder) -> bool {
    other.machine.is_some() && other.machine == us.machine && !std::path::Path::new(&format!("/proc/{}", other.pid)).exists()
}

pub(crate) fn busy(table: &TableName, kind: LeaseKind, holder: &Holder) -> Fault {
    Fault::new(&sync::BUSY, format!("another job holds the {} lease of {table}", kind.as_str()))
        .evidence("host", &holder.host)
        .evidence("user", &holder.user)
        .evidence("pid", holder.pid)
        .evidence("since", holder.since)
        .evidence("run", holder.run)
}

fn renew<C: ChangeStore>(store: Arc<C>, table: TableName, kind: LeaseKind, mut lease: Lease, mut etag: ETag) -> Held {
    let (stop, lost) = (CancellationToken::new(), CancellationToken::new());
    let (stopped, gone) = (stop.clone(), lost.clone());
    let ended = Arc::new(OnceLock::new());
    let failed = lease.failed.clone();
    let said = Arc::clone(&ended);
    let renewal = tokio::spawn(async move {
        loop {
            let ending = tokio::select! {
                () = stopped.cancelled() => true,
                () = tokio::time::sleep(RENEW) => false,
            };
            lease.beat += 1;
            lease.at = Timestamp::now();
            if ending {
                lease.holder = None;
                match said.get() {
                    Some(Ended::Well) => lease.failed = None,
                    Some(Ended::Failed(code)) => lease.failed = Some(code.clone()),
                    Some(Ended::Unsaid) | None => {}
                }
            }
            match store.put_lease(&table, kind, &lease, Some(&etag)).await {
                Ok(Written::Done(new)) => etag = new,
                Ok(Written::Lost) => {
                    gone.cancel();
                    return;
                }
                Err(fault) => tracing::warn!(%table, kind = kind.as_str(), %fault, "a lease could not be renewed"),
            }
            if ending {
                return;
            }
        }
    });
    Held { stop, lost, renewal, ended, failed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_that_stands_for_a_minute_has_expired() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let (first, next) = (ETag("a".into()), ETag("b".into()));
        let mut watch = Watch::default();
        assert!(!watch.has_changed(&first));
        assert!(!watch.has_expired(&first, begin));
        assert!(!watch.has_expired(&first, begin + 59 * second));
        assert!(watch.has_changed(&next));
        assert!(!watch.has_expired(&next, begin + 60 * second), "a renewal begins the minute anew");
        assert!(!watch.has_expired(&next, begin + 119 * second));
        assert!(watch.has_expired(&next, begin + 120 * second));
    }
}
