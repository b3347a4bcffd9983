//! Control and lease objects whose length tells what stands in them, so that one listing shows
//! who is busy and what is paused, and nothing has to be read.
//!
//! The JSON is padded with blanks behind its end until its length, divided by four or, for a lease,
//! eight, leaves the flags. A nonce makes the bytes, and with them the ETag, new with every write: an object that
//! was changed and changed back never passes for one that was left alone (rules C1 and C2,
//! `If-Match` in section 5). Readers take the JSON; only status goes by the length.

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use super::conditional::write_json;
use crate::model::Fault;
use crate::model::control::{Control, Lease};
use crate::model::fault::{Class, page};

const MODULUS: u64 = 4;
const LEASE_MODULUS: u64 = 8;
const PAUSED: u64 = 1;
const INTENT: u64 = 2;
const HELD: u64 = 1;
const FAILED: u64 = 2;
const HUMAN: u64 = 4;
/// No longer than this is an object that holds a nonce and nothing else.
const IDLE_BYTES: u64 = 52;

#[derive(Serialize)]
struct Stamped<'a, T> {
    nonce: Uuid,
    #[serde(flatten)]
    value: &'a T,
}

pub(super) fn control(key: &str, control: &Control) -> Result<Bytes, Fault> {
    let flags = if control.paused.is_some() { PAUSED } else { 0 } + if control.intent.is_some() { INTENT } else { 0 };
    padded(key, control, MODULUS, flags)
}

pub(super) fn lease(key: &str, lease: &Lease) -> Result<Bytes, Fault> {
    let human = lease.failed.as_deref().and_then(page).is_some_and(|page| page.class == Class::Human);
    let failed = match (&lease.failed, human) {
        (None, _) => 0,
        (Some(_), false) => FAILED,
        (Some(_), true) => FAILED + HUMAN,
    };
    padded(key, lease, LEASE_MODULUS, failed + if lease.holder.is_some() { HELD } else { 0 })
}

fn padded<T: Serialize>(key: &str, value: &T, modulus: u64, flags: u64) -> Result<Bytes, Fault> {
    let mut text = write_json(key, &Stamped { nonce: Uuid::new_v4(), value })?.to_vec();
    while text.len() as u64 % modulus != flags {
        text.push(b' ');
    }
    Ok(text.into())
}

/// Paused, and intent, by the length of a control object. A length that we do not write (another
/// hand wrote it) counts as both: then nobody takes a table for idle that may not be.
pub(super) fn control_flags(bytes: u64) -> (bool, bool) {
    match bytes % MODULUS {
        0 if bytes <= IDLE_BYTES => (false, false),
        PAUSED => (true, false),
        INTENT => (false, true),
        _ => (true, true),
    }
}

/// Whether a lease of that length is held.
pub(super) fn is_held(bytes: u64) -> bool {
    !bytes.is_multiple_of(2)
}

/// Whether the newest job of a lease of that length failed, and then whether a person must decide.
pub(super) fn failure(bytes: u64) -> Option<bool> {
    let flags = bytes % LEASE_MODULUS;
    (flags & FAILED != 0).then_some(flags & HUMAN != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::control::{Holder, Intent, Paused};
    use crate::model::fault::{rs, sync};
    use jiff::Timestamp;

    #[test]
    fn the_length_of_a_control_object_tells_what_it_holds() {
        for by in ["", "a", "ab", "abc", "ops"] {
            let paused = Some(Paused { by: by.into(), why: "x".into(), since: Timestamp::UNIX_EPOCH });
            let intent = Some(Intent { run: Uuid::nil(), epoch: 1, order: None, min_lsn: None, l0: None, since: Timestamp::UNIX_EPOCH });
            for (paused, intent) in [(None, None), (paused.clone(), None), (None, intent.clone()), (paused, intent)] {
                let value = Control { paused, intent };
                let bytes = control("k", &value).unwrap();
                assert_eq!(control_flags(bytes.len() as u64), (value.paused.is_some(), value.intent.is_some()));
                assert_eq!(serde_json::from_slice::<Control>(&bytes).unwrap(), value);
            }
        }
        assert_eq!(control_flags(400), (true, true), "so long, and without a flag: not of our making");
    }

    #[test]
    fn equal_objects_have_different_bytes() {
        assert_ne!(control("k", &Control::default()).unwrap(), control("k", &Control::default()).unwrap());
    }

    #[test]
    fn the_length_of_a_lease_tells_whether_it_is_held() {
        for host in ["h", "ho", "hos", "host"] {
            let holder =
                Holder { run: Uuid::nil(), host: host.into(), user: "u".into(), pid: 1, machine: None, since: Timestamp::UNIX_EPOCH };
            let failures = [(None, None), (Some(rs::LOST.code), Some(false)), (Some(sync::GAP.code), Some(true))];
            for (holder, (code, human)) in
                [None, Some(holder)].into_iter().flat_map(|holder| failures.map(|failed| (holder.clone(), failed)))
            {
                let value = Lease { holder, beat: 9, at: Timestamp::UNIX_EPOCH, failed: code.map(str::to_owned) };
                let bytes = lease("k", &value).unwrap();
                assert_eq!(is_held(bytes.len() as u64), value.holder.is_some());
                assert_eq!(failure(bytes.len() as u64), human);
                assert_eq!(serde_json::from_slice::<Lease>(&bytes).unwrap(), value);
            }
        }
    }
}
