//! What an operator orders: pause and resume, skip, adopt, accept, recapture, leases, retry, recover.
//!
//! Each is a function of the engine with a typed report for each table, for the command line and
//! for any screen. What can do harm says first what it would do, and acts only when the table's
//! name was typed: the engine checks that, not the screen.

mod accept;
mod adopt;
mod failures;
mod leases;
mod pause;
mod recapture;
mod recover;
mod reprepare;
mod retry;
mod skip;

pub use accept::Accepted;
pub use adopt::{AdoptOrder, Adopted};
pub use failures::{Failure, Runs};
pub use leases::{Freed, LeaseLine, TakeOver};
pub use pause::{PauseChange, Resumed};
pub use recapture::{RecaptureOrder, Recaptured, came_later, end_instance};
pub use recover::Recovered;
pub use retry::{FailedStep, Retried};
pub use skip::{SkipOrder, SkipPlan, Skipped};

use crate::model::fault::operate::CONFIRM;
use crate::model::{Fault, TableName};

/// Tables that are worked on at once where only small objects are touched.
const AT_ONCE: usize = 16;

/// Longest reason: state and batch log have room for it beside others.
const REASON_BYTES: usize = 1_000;

/// How an order on one table ended.
#[derive(Clone, Debug)]
pub struct Report<R> {
    pub table: TableName,
    pub outcome: Result<R, Fault>,
}

impl<R> Report<R> {
    /// What the fault advises names the table.
    #[must_use]
    pub fn new(table: TableName, outcome: Result<R, Fault>) -> Self {
        Self { outcome: outcome.map_err(|fault| fault.about(&table)), table }
    }
}

/// A reason must say something: it is what the next person reads.
fn reason(text: &str) -> Result<String, Fault> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Err(Fault::new(&CONFIRM, "the order needs a reason: --reason says why"));
    }
    if text.len() > REASON_BYTES {
        let what = format!("the reason is too long: {} of at most {REASON_BYTES} bytes", text.len());
        return Err(Fault::new(&CONFIRM, what));
    }
    Ok(text)
}

/// The operator typed the table's name, letter by letter.
fn is_typed(table: &TableName, typed: Option<&str>) -> bool {
    typed.is_some_and(|typed| typed == table.to_string())
}
