//! Whether the console may write: decided here, whatever the screen shows.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

use super::worker::locked;
use crate::console::seam::Access;
use crate::model::Fault;
use crate::model::fault::cfg;

/// How long an unlocked profile stays unlocked.
const UNLOCKED: SignedDuration = SignedDuration::from_mins(15);

/// Before a profile has said what it allows.
#[must_use]
pub fn unknown(read_only: bool) -> Access {
    if read_only { Access::ReadOnly } else { Access::Locked }
}

/// Whether one may write, decided here and not by the screen.
pub fn may_write(access: &Mutex<Access>, profile: &str) -> Result<(), Fault> {
    let access = *locked(access);
    if access.may_write(Timestamp::now()) {
        return Ok(());
    }
    Err(match access {
        Access::ReadOnly => Fault::new(&cfg::READ_ONLY, "the console was started with --read-only"),
        _ => Fault::new(&cfg::READ_ONLY, format!("the profile {profile} is protected and not unlocked"))
            .next("W in the console unlocks the profile for 15 minutes"),
    })
}

/// Allows writing in a protected profile whose name was typed.
pub fn unlock(access: &Mutex<Access>, profile: &str, typed: &str) -> Result<Access, Fault> {
    let mut access = locked(access);
    match *access {
        Access::Locked | Access::Until(_) if typed == profile => {
            let end = Timestamp::now().checked_add(UNLOCKED).unwrap_or(Timestamp::MAX);
            *access = Access::Until(end);
            Ok(*access)
        }
        Access::Locked | Access::Until(_) => {
            Err(Fault::new(&cfg::READ_ONLY, "what was typed is not the profile's name").evidence("profile", profile))
        }
        Access::Write | Access::ReadOnly => Ok(*access),
    }
}
