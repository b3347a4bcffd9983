//! What the store holds. One lock over all of it makes every operation atomic.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use s3s::dto::{Checksum, ETagCondition, LifecycleRules, Metadata, PublicAccessBlockConfiguration};
use s3s::{S3Result, s3_error};

pub(super) struct Object {
    pub data: Bytes,
    /// Without quotes.
    pub etag: String,
    pub modified: SystemTime,
    pub headers: Headers,
    /// The checksum that came with the upload.
    pub checksum: Checksum,
}

/// What a client attaches to an object and gets back with it.
#[derive(Clone, Default)]
pub(super) struct Headers {
    pub metadata: Option<Metadata>,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
}

pub(super) struct Part {
    pub data: Bytes,
    pub etag: String,
    pub md5: [u8; 16],
    pub modified: SystemTime,
}

pub(super) struct Upload {
    pub key: String,
    pub headers: Headers,
    pub started: SystemTime,
    pub parts: BTreeMap<i32, Part>,
}

pub(super) struct Bucket {
    pub objects: BTreeMap<String, Arc<Object>>,
    /// By upload id; ids ascend with time.
    pub uploads: BTreeMap<String, Upload>,
    pub lifecycle: Option<LifecycleRules>,
    pub public_access: Option<PublicAccessBlockConfiguration>,
    pub created: SystemTime,
}

#[derive(Default)]
pub(super) struct State {
    pub buckets: BTreeMap<String, Bucket>,
    pub uploads_begun: u64,
}

impl State {
    pub fn bucket(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }
}

/// The condition of a write.
pub(super) enum Condition {
    Always,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: "etag"`
    Matches(String),
}

impl Condition {
    /// S3 takes `*` alone in `If-None-Match` of a write and an ETag alone in `If-Match`; it
    /// answers everything else with 501.
    pub fn new(if_none_match: Option<&ETagCondition>, if_match: Option<&ETagCondition>) -> S3Result<Self> {
        match (if_none_match, if_match) {
            (None, None) => Ok(Self::Always),
            (Some(none), None) if none.is_any() => Ok(Self::Absent),
            (None, Some(ETagCondition::ETag(etag))) => Ok(Self::Matches(etag.value().to_owned())),
            _ => Err(s3_error!(NotImplemented, "A header you provided implies functionality that is not implemented")),
        }
    }
}

impl Bucket {
    /// Empty. AWS blocks public access on every new bucket since April 2023.
    pub fn new() -> Self {
        let blocked = PublicAccessBlockConfiguration {
            block_public_acls: Some(true),
            block_public_policy: Some(true),
            ignore_public_acls: Some(true),
            restrict_public_buckets: Some(true),
        };
        Self {
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            lifecycle: None,
            public_access: Some(blocked),
            created: SystemTime::now(),
        }
    }

    pub fn object(&self, key: &str) -> S3Result<&Arc<Object>> {
        self.objects.get(key).ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))
    }

    /// 412 when the condition fails; 404 for `If-Match` where no object stands.
    pub fn check(&self, key: &str, condition: &Condition) -> S3Result<()> {
        let holds = match condition {
            Condition::Always => true,
            Condition::Absent => !self.objects.contains_key(key),
            Condition::Matches(etag) => self.object(key)?.etag == *etag,
        };
        if holds { Ok(()) } else { Err(precondition_failed()) }
    }
}

pub(super) fn precondition_failed() -> s3s::S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

#[derive(Clone)]
pub(super) struct Storage {
    state: Arc<Mutex<State>>,
    pub region: Arc<str>,
}

impl Storage {
    pub fn new(region: &str) -> Self {
        Self { state: Arc::default(), region: region.into() }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
