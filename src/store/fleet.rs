//! What listings alone tell about all tables: for status, which reads no object for it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{Epoch, Lsn, Seq, TableName};

/// The epoch and the seq that production of each table holds, as far as the target says. What
/// lies at or below is not listed again.
pub type AppliedSeqs = BTreeMap<TableName, (Epoch, Seq)>;

/// One table in the store.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StoredTable {
    /// The newest epoch with a record 0 (rule R2), or that of production when nothing newer
    /// stands there. `None`: no epoch was opened.
    pub epoch: Option<Epoch>,
    /// Seq of the newest record of that epoch.
    pub head: Option<Seq>,
    /// `lsn_to` of the head, where its attempt is still there to tell; else `None`.
    pub head_lsn: Option<Lsn>,
    /// Records above production, or all of the epoch where production holds none of it.
    pub pending: u64,
    /// Part files of those records.
    pub waiting: Files,
    /// Part files of attempts behind the head: being written, or left by a job that died.
    pub writing: Files,
    /// An operator has paused the table, or its control object has a size that this program
    /// does not write.
    pub paused: bool,
    /// A snapshot or start is under way, or died before its record 0.
    pub intent: bool,
    /// When the holder of the lease renewed it last, by the store's clock; `None`: released, or
    /// never taken. A holder renews every 15 s: one that is silent for a minute is gone.
    pub extracting: Option<Timestamp>,
    pub loading: Option<Timestamp>,
    /// The newest extract or prepare ended with a fault.
    pub extract_failed: Option<JobFailed>,
    /// The newest load ended with a fault.
    pub load_failed: Option<JobFailed>,
}

/// A job that ended with a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobFailed {
    /// When its lease was written last, by the store's clock.
    pub at: Timestamp,
    /// A person must decide.
    pub human: bool,
}

/// Some part files, empty markers left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Files {
    pub count: u64,
    /// Compressed.
    pub bytes: u64,
    /// When the oldest of them was written, by the store's clock; markers count here.
    pub since: Option<Timestamp>,
}

impl Files {
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
        self.since = match (self.since, other.since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}
