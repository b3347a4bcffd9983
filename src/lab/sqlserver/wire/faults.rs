//! Faults on order: connections cut at a chosen moment, listed and killed; deadlocks lost;
//! statements that fall silent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// When a connection is cut, falls silent, or loses a transaction in a deadlock. Each order is for
/// one fault and counts from when it is given, over all connections of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cut {
    /// When the n-th request from now arrives (1 is the next one), before it runs.
    AtRequest(u64),
    /// When the n-th request from now has run, before a byte of its answer is sent: a lost reply.
    AfterRequest(u64),
    /// When n more packets have been sent.
    AfterPackets(u64),
    /// When a statement whose text contains this arrives, before it runs.
    BeforeStatement(String),
    /// After such a statement has run, before a byte of its answer is sent: a lost reply.
    AfterStatement(String),
    /// The n-th request from now is the victim of a deadlock before it runs: error 1205, its
    /// transaction is rolled back, the connection goes on.
    VictimAtRequest(u64),
    /// The statement that sends the n-th row from now is the victim instead.
    VictimAtRow(u64),
    /// The n-th request from now is taken and not run, and nothing is sent, until the silences are
    /// ended ([`ConnectionFaults::end_silences`]) or the client is gone.
    SilentAtRequest(u64),
    /// The statement that sends the n-th row from now stops before it in the same way.
    SilentAtRow(u64),
}

/// An order that was given; tells when it was carried out.
#[derive(Clone, Debug)]
pub struct Ordered(watch::Receiver<bool>);

impl Ordered {
    #[must_use]
    pub fn happened(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the connection was cut. Returns `false` if the order was withdrawn.
    pub async fn wait(&mut self) -> bool {
        self.0.wait_for(|happened| *happened).await.is_ok()
    }
}

/// A connection that has logged in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionInfo {
    /// `@@SPID`.
    pub id: u16,
    pub user: String,
    pub application: String,
    /// The database of the login.
    pub database: String,
    /// Requests so far.
    pub requests: u64,
}

/// What to do with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Run,
    Cut,
    RunAndCut,
    Victim,
    Silent,
}

/// What to do with a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RowVerdict {
    Send,
    Victim,
    Silent,
}

struct Open {
    info: ConnectionInfo,
    kill: CancellationToken,
}

struct Order {
    cut: Cut,
    happened: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    refusing: bool,
    requests: u64,
    orders: Vec<Order>,
    open: BTreeMap<u16, Open>,
    next: u16,
}

/// Shared between a server and the test that gives the orders.
#[derive(Default)]
pub struct ConnectionFaults {
    state: Mutex<State>,
    /// An order counts rows: nobody takes the lock for a row otherwise.
    rows_count: AtomicBool,
    /// Times that the silences were ended.
    ended: Mutex<u64>,
    silence_ends: Condvar,
}

/// How often a silent session looks whether its client is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Session ids below belong to the server itself.
const FIRST_ID: u16 = 51;

impl ConnectionFaults {
    /// Orders a cut.
    pub fn order(&self, cut: Cut) -> Ordered {
        let (happened, watch) = watch::channel(false);
        let mut state = self.lock();
        // Under the lock: a row that is counted just now must not switch the counting off again.
        self.rows_count.fetch_or(counts_rows(&cut), Ordering::SeqCst);
        state.orders.push(Order { cut, happened });
        drop(state);
        Ordered(watch)
    }

    /// Withdraws every order that has not been carried out, and ends the silences.
    pub fn clear(&self) {
        self.lock().orders.clear();
        self.end_silences();
    }

    /// Statements that fell silent go on.
    pub fn end_silences(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.silence_ends.notify_all();
    }

    /// Holds a session's thread until the silences are ended or its client is gone.
    pub(super) fn be_silent(&self, gone: impl Fn() -> bool) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *ended;
        while *ended == before && !gone() {
            ended = self.silence_ends.wait_timeout(ended, LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The open connections in the order of their ids.
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.lock().open.values().map(|open| open.info.clone()).collect()
    }

    /// Requests that have arrived on all connections, those of closed ones too: round trips of
    /// clients, without their logins.
    pub fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// Cuts a connection now, even amid a statement. `false` when there is none of this id.
    pub fn kill(&self, id: u16) -> bool {
        self.lock().open.get(&id).inspect(|open| open.kill.cancel()).is_some()
    }

    /// New connections are closed at once, as by a server that is shutting down.
    pub fn refuse(&self, refusing: bool) {
        self.lock().refusing = refusing;
    }

    pub(super) fn refuses(&self) -> bool {
        self.lock().refusing
    }

    /// Cuts every open connection; returns how many.
    pub fn kill_all(&self) -> usize {
        let state = self.lock();
        state.open.values().for_each(|open| open.kill.cancel());
        state.open.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_id(&self) -> u16 {
        let mut state = self.lock();
        loop {
            let id = FIRST_ID.max(state.next);
            state.next = id.wrapping_add(1);
            if !state.open.contains_key(&id) {
                break id;
            }
        }
    }

    pub(super) fn opened(&self, info: ConnectionInfo, kill: CancellationToken) {
        self.lock().open.insert(info.id, Open { info, kill });
    }

    pub(super) fn closed(&self, id: u16) {
        self.lock().open.remove(&id);
    }

    /// A request has arrived. `text` is asked for only when an order needs it.
    pub(super) fn on_request(&self, id: u16, text: impl FnOnce() -> String) -> Verdict {
        let mut state = self.lock();
        state.requests += 1;
        if let Some(open) = state.open.get_mut(&id) {
            open.info.requests += 1;
        }
        if state.orders.is_empty() {
            return Verdict::Run;
        }
        let text = text();
        for order in &mut state.orders {
            if let Cut::AtRequest(left) | Cut::AfterRequest(left) | Cut::VictimAtRequest(left) | Cut::SilentAtRequest(left) = &mut order.cut
            {
                *left = left.saturating_sub(1);
            }
        }
        let hit = state.orders.iter().position(|order| match &order.cut {
            Cut::AtRequest(left) | Cut::AfterRequest(left) | Cut::VictimAtRequest(left) | Cut::SilentAtRequest(left) => *left == 0,
            Cut::BeforeStatement(part) | Cut::AfterStatement(part) => text.contains(part.as_str()),
            Cut::AfterPackets(_) | Cut::VictimAtRow(_) | Cut::SilentAtRow(_) => false,
        });
        let Some(at) = hit else { return Verdict::Run };
        let order = state.orders.remove(at);
        order.happened.send_replace(true);
        match order.cut {
            Cut::AfterRequest(_) | Cut::AfterStatement(_) => Verdict::RunAndCut,
            Cut::VictimAtRequest(_) => Verdict::Victim,
            Cut::SilentAtRequest(_) => Verdict::Silent,
            _ => Verdict::Cut,
        }
    }

    /// A row is about to be sent.
    pub(super) fn on_row(&self) -> RowVerdict {
        if !self.rows_count.load(Ordering::SeqCst) {
            return RowVerdict::Send;
        }
        let mut state = self.lock();
        let mut verdict = RowVerdict::Send;
        state.orders.retain_mut(|order| {
            let (left, due) = match &mut order.cut {
                Cut::VictimAtRow(left) => (left, RowVerdict::Victim),
                Cut::SilentAtRow(left) => (left, RowVerdict::Silent),
                _ => return true,
            };
            *left = left.saturating_sub(1);
            if *left > 0 || verdict != RowVerdict::Send {
                return true;
            }
            verdict = due;
            order.happened.send_replace(true);
            false
        });
        let counts = state.orders.iter().any(|order| counts_rows(&order.cut));
        self.rows_count.store(counts, Ordering::SeqCst);
        verdict
    }

    /// `count` packets are about to be sent. Returns how many of them may go before the cut.
    pub(super) fn on_packets(&self, count: u64) -> Option<u64> {
        let mut state = self.lock();
        let mut allowed = None;
        state.orders.retain_mut(|order| {
            let Cut::AfterPackets(left) = &mut order.cut else { return true };
            if *left > count {
                *left -= count;
                return true;
            }
            allowed = Some(allowed.map_or(*left, |other: u64| other.min(*left)));
            order.happened.send_replace(true);
            false
        });
        allowed
    }
}

fn counts_rows(cut: &Cut) -> bool {
    matches!(cut, Cut::VictimAtRow(_) | Cut::SilentAtRow(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_from_the_order() {
        let faults = ConnectionFaults::default();
        let ordered = faults.order(Cut::AtRequest(2));
        assert_eq!(faults.on_request(51, String::new), Verdict::Run);
        assert!(!ordered.happened());
        assert_eq!(faults.on_request(51, String::new), Verdict::Cut);
        assert!(ordered.happened());
        assert_eq!(faults.on_request(51, String::new), Verdict::Run);
    }

    #[test]
    fn statements_are_found_by_a_part_of_their_text() {
        let faults = ConnectionFaults::default();
        faults.order(Cut::AfterStatement("cleanup".into()));
        assert_eq!(faults.on_request(51, || "select 1".into()), Verdict::Run);
        assert_eq!(faults.on_request(51, || "exec sys.sp_cdc_cleanup".into()), Verdict::RunAndCut);
        assert_eq!(faults.on_request(51, || "exec sys.sp_cdc_cleanup".into()), Verdict::Run);
    }

    #[test]
    fn packets_are_cut_in_the_middle_of_a_run() {
        let faults = ConnectionFaults::default();
        let ordered = faults.order(Cut::AfterPackets(5));
        assert_eq!(faults.on_packets(3), None);
        assert_eq!(faults.on_packets(3), Some(2));
        assert!(ordered.happened());
        assert_eq!(faults.on_packets(9), None);
    }

    #[test]
    fn rows_are_counted_from_the_order() {
        let faults = ConnectionFaults::default();
        assert_eq!(faults.on_row(), RowVerdict::Send);
        let (victim, silent) = (faults.order(Cut::VictimAtRow(2)), faults.order(Cut::SilentAtRow(3)));
        assert_eq!(faults.on_row(), RowVerdict::Send);
        assert!(!victim.happened() && !silent.happened());
        assert_eq!(faults.on_request(51, String::new), Verdict::Run);
        assert_eq!((faults.on_row(), victim.happened()), (RowVerdict::Victim, true));
        assert_eq!((faults.on_row(), silent.happened()), (RowVerdict::Silent, true));
        assert_eq!(faults.on_row(), RowVerdict::Send);
    }

    #[tokio::test]
    async fn a_withdrawn_order_ends_the_wait() {
        let faults = ConnectionFaults::default();
        let mut ordered = faults.order(Cut::AtRequest(1));
        faults.clear();
        assert!(!ordered.wait().await);
    }
}
