//! The server's clock: UTC plus a zone, both movable by a test.

use super::codec::{DATETIME_TICKS_A_DAY, DAYS_TO_1900, TICKS_A_DAY};
use crate::lab::sqlserver::types::Datum;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Days from 0001-01-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_162;

/// The machine's clock, moved by `shift` and shown in a zone of `zone_minutes`.
#[derive(Default, Debug)]
pub struct Clock {
    shift_seconds: AtomicI64,
    zone_minutes: AtomicI32,
}

impl Clock {
    /// Moves the clock against the machine's by so many seconds (absolute, not added up).
    pub fn set_shift(&self, seconds: i64) {
        self.shift_seconds.store(seconds, Ordering::SeqCst);
    }

    /// The server's zone: minutes east of UTC.
    pub fn set_zone(&self, minutes: i16) {
        self.zone_minutes.store(i32::from(minutes), Ordering::SeqCst);
    }

    /// Minutes east of UTC.
    #[must_use]
    pub fn zone(&self) -> i16 {
        i16::try_from(self.zone_minutes.load(Ordering::SeqCst)).unwrap_or(0)
    }

    /// 100 ns units since 0001-01-01, UTC.
    #[must_use]
    pub fn utc_ticks(&self) -> u64 {
        system_ticks().saturating_add_signed(self.shift_seconds.load(Ordering::SeqCst) * 10_000_000)
    }

    /// 100 ns units since 0001-01-01 in the server's zone: what SYSDATETIME() shows.
    #[must_use]
    pub fn local_ticks(&self) -> u64 {
        self.utc_ticks().saturating_add_signed(i64::from(self.zone()) * 600_000_000)
    }

    /// What GETDATE() shows: a `datetime` in the server's zone.
    #[must_use]
    pub fn local_datetime(&self) -> Datum {
        to_datetime(self.local_ticks())
    }

    /// The same as it is stored.
    #[must_use]
    pub fn stored_datetime(&self) -> i64 {
        stored(&self.local_datetime())
    }
}

fn system_ticks() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    DAYS_TO_1970 * TICKS_A_DAY + since.as_secs() * 10_000_000 + u64::from(since.subsec_nanos() / 100)
}

/// 100 ns units since 0001-01-01 as a `datetime`, to the nearest 1/300 s.
#[must_use]
pub fn to_datetime(ticks: u64) -> Datum {
    let of_day = ticks % TICKS_A_DAY;
    let units = (of_day * 3 + 50_000) / 100_000;
    let days = (ticks / TICKS_A_DAY).cast_signed() - DAYS_TO_1900;
    let total = days * DATETIME_TICKS_A_DAY + units.cast_signed();
    Datum::DateTime {
        days: i32::try_from(total.div_euclid(DATETIME_TICKS_A_DAY)).unwrap_or(0),
        ticks: u32::try_from(total.rem_euclid(DATETIME_TICKS_A_DAY)).unwrap_or(0),
    }
}

/// The machine's time as a stored `datetime`, for create dates of objects.
pub(super) fn stored_datetime_of_system() -> i64 {
    stored(&to_datetime(system_ticks()))
}

fn stored(datetime: &Datum) -> i64 {
    match datetime {
        Datum::DateTime { days, ticks } => i64::from(*days) * DATETIME_TICKS_A_DAY + i64::from(*ticks),
        _ => 0,
    }
}
