//! Plain requests on objects: get, list, delete.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{Delete, Object, ObjectIdentifier};
use bytes::Bytes;

use super::S3Store;
use super::error::{Answer, chain, fault};
use crate::model::fault::s3::{CONNECT, NOT_DELETED, REQUEST};
use crate::model::{Epoch, Fault, TableName};
use crate::store::{AttemptFiles, ETag};

/// Bytes that a preview of a part file gets.
const PREVIEW: usize = 1024 * 1024;
/// Keys that one DeleteObjects takes.
const DELETE_MANY: usize = 1000;
/// Keys that a fault names.
const NAMED: usize = 3;

/// An object in a listing.
pub(super) struct Listed {
    pub key: String,
    pub bytes: u64,
    pub modified: Option<DateTime>,
}

impl S3Store {
    /// The whole object; `None` when it is not there.
    pub(super) async fn get_object(&self, key: &str) -> Result<Option<(Bytes, ETag)>, Fault> {
        self.fetch(key, None).await
    }

    /// The first [`PREVIEW`] bytes.
    pub(super) async fn get_start(&self, key: &str) -> Result<Option<Bytes>, Fault> {
        let range = format!("bytes=0-{}", PREVIEW - 1);
        Ok(self.fetch(key, Some(range)).await?.map(|(bytes, _)| bytes))
    }

    async fn fetch(&self, key: &str, range: Option<String>) -> Result<Option<(Bytes, ETag)>, Fault> {
        let answer = match self.client.get_object().bucket(&self.bucket).key(key).set_range(range).send().await {
            Ok(answer) => answer,
            Err(error) if Answer::of(&error).is_absent() => return Ok(None),
            Err(error) => return Err(fault("could not read an object", key, &error)),
        };
        let etag = ETag(answer.e_tag().unwrap_or_default().to_owned());
        let body = answer.body.collect().await.map_err(|error| {
            Fault::new(&CONNECT, "an object broke off while it was read").evidence("object", key).evidence("cause", chain(&error))
        })?;
        Ok(Some((body.into_bytes(), etag)))
    }

    pub(super) async fn exists(&self, key: &str) -> Result<bool, Fault> {
        match self.client.head_object().bucket(&self.bucket).key(key).send().await {
            Ok(_) => Ok(true),
            Err(error) if Answer::of(&error).is_nothing() => Ok(false),
            Err(error) => Err(fault("could not look for an object", key, &error)),
        }
    }

    /// An unconditional PUT of a small object.
    pub(super) async fn put_object(&self, key: &str, body: Bytes, content_type: &str) -> Result<(), Fault> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type).body(ByteStream::from(body));
        put.send().await.map(|_| ()).map_err(|error| fault("could not write an object", key, &error))
    }

    /// All objects under a prefix in the order of their keys, from behind `after`.
    pub(super) async fn list(&self, prefix: &str, after: Option<String>) -> Result<Vec<Listed>, Fault> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let page = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
            let page = if next.is_none() { page.set_start_after(after.clone()) } else { page.set_continuation_token(next) };
            let page = page.send().await.map_err(|error| fault("could not list objects", prefix, &error))?;
            found.extend(page.contents().iter().map(listed));
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// One page of [`Self::list`], and whether more follows: for who may skip what follows.
    pub(super) async fn list_page(&self, prefix: &str, after: Option<String>) -> Result<(Vec<Listed>, bool), Fault> {
        let page = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).set_start_after(after);
        let page = page.send().await.map_err(|error| fault("could not list objects", prefix, &error))?;
        Ok((page.contents().iter().map(listed).collect(), page.next_continuation_token().is_some()))
    }

    /// The folders directly under a prefix, with their slash, ascending.
    pub(super) async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let page = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).delimiter("/").set_continuation_token(next);
            let page = page.send().await.map_err(|error| fault("could not list folders", prefix, &error))?;
            found.extend(page.common_prefixes().iter().filter_map(|folder| folder.prefix()).map(str::to_owned));
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// Part files of an epoch by attempt. Keys that this program would not have made are left
    /// alone: they are not ours to name or delete.
    pub(super) async fn list_attempts(&self, table: &TableName, epoch: Epoch) -> Result<Vec<AttemptFiles>, Fault> {
        let keys = self.keys.table(table)?;
        let mut found = BTreeMap::new();
        for object in self.list(&keys.data_of(epoch), None).await? {
            let Some(attempt) = keys.attempt(epoch, &object.key) else {
                tracing::warn!(key = object.key, "an object that is not a part file stands among them");
                continue;
            };
            let files = found.entry((attempt.seq, attempt.id)).or_insert_with(|| AttemptFiles { attempt, keys: Vec::new(), bytes: 0 });
            files.keys.push(object.key);
            files.bytes += object.bytes;
        }
        Ok(found.into_values().collect())
    }

    /// Deletes objects, up to a thousand in a request. Deleting again does no harm.
    pub(super) async fn delete_objects(&self, keys: &[String]) -> Result<(), Fault> {
        if keys.is_empty() {
            return Ok(());
        }
        fail_point!("parts.delete.before");
        let mut failed: Vec<(String, String)> = Vec::new();
        for chunk in keys.chunks(DELETE_MANY) {
            let objects = chunk.iter().map(|key| ObjectIdentifier::builder().key(key).build());
            let objects = objects.collect::<Result<Vec<_>, _>>().map_err(unbuilt)?;
            let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(unbuilt)?;
            let answer = self.client.delete_objects().bucket(&self.bucket).delete(delete).send().await;
            let answer = answer.map_err(|error| fault("could not delete objects", &chunk[0], &error))?;
            let errors = answer.errors().iter().filter(|error| error.code() != Some("NoSuchKey"));
            failed.extend(errors.map(|error| (error.key().unwrap_or("?").to_owned(), error.code().unwrap_or("?").to_owned())));
        }
        fail_point!("parts.delete.after");
        if failed.is_empty() {
            return Ok(());
        }
        let what = format!("{} of {} objects could not be deleted", failed.len(), keys.len());
        Err(failed.into_iter().take(NAMED).fold(Fault::new(&NOT_DELETED, what), |fault, (key, code)| fault.evidence(key, code)))
    }

    pub(super) async fn delete_one(&self, key: &str) -> Result<(), Fault> {
        match self.client.delete_object().bucket(&self.bucket).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if Answer::of(&error).is_absent() => Ok(()),
            Err(error) => Err(fault("could not delete an object", key, &error)),
        }
    }
}

fn listed(object: &Object) -> Listed {
    Listed {
        key: object.key().unwrap_or_default().to_owned(),
        bytes: object.size().and_then(|size| size.try_into().ok()).unwrap_or(0),
        modified: object.last_modified().copied(),
    }
}

/// A request that the SDK refuses to build: a required field is missing.
pub(super) fn unbuilt(error: aws_sdk_s3::error::BuildError) -> Fault {
    Fault::new(&REQUEST, "a request could not be built").caused_by(error)
}
