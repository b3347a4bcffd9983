//! Conditional PUTs, and what becomes of them when the answer is lost (rule R3).
//!
//! The SDK's own retries are off here: a second try of its own would meet the object that the
//! first one wrote and report 412 for a success.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::S3Store;
use super::error::{Answer, fault, may_have_happened};
use crate::model::Fault;
use crate::model::fault::s3::{CONFLICT, REQUEST, UNREADABLE, WRITE_UNKNOWN};
use crate::store::{ETag, Written};

const TRIES: u32 = 7;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a conditional PUT met.
#[derive(Debug)]
pub(super) enum Met {
    /// Success was answered.
    Done(ETag),
    /// The condition failed. `unsure`: an earlier try of the same PUT got no answer, so that what
    /// stands there may be ours.
    Refused { unsure: bool },
}

impl S3Store {
    /// PUT with `If-Match: expected`, or with `If-None-Match: *`. A 409, a 5xx or a lost answer
    /// sends the same bytes again.
    pub(super) async fn put_if(&self, key: &str, body: &Bytes, expected: Option<&ETag>) -> Result<Met, Fault> {
        let mut unsure = false;
        let mut last = None;
        for pause in pauses() {
            tokio::time::sleep(pause).await;
            let put = self.client.put_object().bucket(&self.bucket).key(key).content_type("application/json");
            let put = match expected {
                Some(etag) => put.if_match(&etag.0),
                None => put.if_none_match("*"),
            };
            let once = aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled());
            let sent = put.body(ByteStream::from(body.clone())).customize().config_override(once).send().await;
            let error = match sent {
                Ok(answer) => return Ok(Met::Done(ETag(answer.e_tag().unwrap_or_default().to_owned()))),
                Err(error) => error,
            };
            let answer = Answer::of(&error);
            // `If-Match` where nothing stands is answered by 404.
            if answer.is_refused() || expected.is_some() && answer.is_absent() {
                return Ok(Met::Refused { unsure });
            }
            let fault = fault("could not write an object on a condition", key, &error);
            let open = may_have_happened(&error);
            unsure |= open;
            if !open && !answer.is_conflict() {
                return Err(if unsure { unknown(key, fault) } else { fault });
            }
            tracing::warn!(key, error = %fault, "a conditional write is sent again");
            if let Some(hears) = &self.hears {
                hears(key, &fault);
            }
            last = Some(fault);
        }
        let last = last.unwrap_or_else(|| Fault::new(&REQUEST, "no request was sent"));
        Err(if unsure {
            unknown(key, last)
        } else {
            Fault::new(&CONFLICT, "a conditional write kept colliding").evidence("object", key).evidence("tries", TRIES).caused_by(last)
        })
    }

    /// Reads a small JSON object with its version.
    pub(super) async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, ETag)>, Fault> {
        let Some((bytes, etag)) = self.get_object(key).await? else { return Ok(None) };
        Ok(Some((read_json(key, &bytes)?, etag)))
    }

    /// Writes a small object where `expected` stands, or nothing. No other write has these bytes.
    pub(super) async fn swap(&self, key: &str, body: Bytes, expected: Option<&ETag>) -> Result<Written, Fault> {
        match self.put_if(key, &body, expected).await? {
            Met::Done(etag) => Ok(Written::Done(etag)),
            Met::Refused { unsure: false } => Ok(Written::Lost),
            // Ours, if a try without an answer did arrive: then our very bytes stand there.
            Met::Refused { unsure: true } => match self.get_object(key).await? {
                Some((found, etag)) if found == body => Ok(Written::Done(etag)),
                _ => Ok(Written::Lost),
            },
        }
    }
}

fn unknown(key: &str, cause: Fault) -> Fault {
    Fault::new(&WRITE_UNKNOWN, "a conditional write got no answer, and repeating it did not help")
        .evidence("object", key)
        .evidence("last", cause.code())
        .caused_by(cause)
}

pub(super) fn read_json<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| {
        Fault::new(&UNREADABLE, "an object is not the JSON that it should be")
            .evidence("object", key)
            .evidence("line", error.line())
            .evidence("column", error.column())
            .caused_by(error)
    })
}

pub(super) fn write_json<T: Serialize>(key: &str, value: &T) -> Result<Bytes, Fault> {
    let text = serde_json::to_vec(value);
    text.map(Bytes::from)
        .map_err(|error| Fault::new(&REQUEST, "an object could not be written as JSON").evidence("object", key).caused_by(error))
}

/// Pauses before each try: none, then doubling, with the spread of a random UUID's low byte.
fn pauses() -> impl Iterator<Item = Duration> {
    let longer = |at: u32| {
        let whole = FIRST_PAUSE.saturating_mul(1 << at).min(LONGEST_PAUSE);
        let spread = u32::from(uuid::Uuid::new_v4().as_bytes()[15]);
        whole / 2 + whole * spread / 512
    };
    std::iter::once(Duration::ZERO).chain((0..TRIES - 1).map(longer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_spread() {
        let all: Vec<Vec<Duration>> = (0..100).map(|_| pauses().collect()).collect();
        for at in 1..TRIES {
            let whole = FIRST_PAUSE.saturating_mul(1 << (at - 1)).min(LONGEST_PAUSE);
            let met: std::collections::BTreeSet<_> = all.iter().map(|pauses| pauses[at as usize]).collect();
            assert!(met.iter().all(|pause| (whole / 2..=whole).contains(pause)), "{met:?}");
            assert!(met.len() > 10, "writers that met would meet again: {met:?}");
        }
        assert!(all.iter().all(|pauses| pauses.len() == TRIES as usize && pauses[0].is_zero()));
    }
}
