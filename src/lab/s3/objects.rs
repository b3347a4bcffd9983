//! Single objects: put, get, head, copy, delete.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use s3s::dto::{
    Checksum, CopyObjectInput, CopyObjectResult, CopySource, DeleteObjectInput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ETag, ETagCondition, PutObjectInput, PutObjectOutput, Range,
};
use s3s::{S3Result, TrailingHeaders, s3_error};

use super::digest;
use super::storage::{Condition, Headers, Object, Storage, precondition_failed};

/// The most keys of one DeleteObjects.
const MOST_DELETES: usize = 1000;

/// What GET and HEAD ask for.
pub(super) struct Wanted<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub range: Option<&'a Range>,
    pub if_match: Option<&'a ETagCondition>,
    pub if_none_match: Option<&'a ETagCondition>,
}

/// What GET and HEAD answer from.
pub(super) struct Found {
    pub object: Arc<Object>,
    pub data: Bytes,
    pub content_range: Option<String>,
}

impl Storage {
    pub async fn put(&self, input: PutObjectInput, trailers: Option<&TrailingHeaders>) -> S3Result<PutObjectOutput> {
        let condition = Condition::new(input.if_none_match.as_ref(), input.if_match.as_ref())?;
        let data = digest::read(input.body).await?;
        let sent = Checksum {
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            checksum_crc64nvme: input.checksum_crc64nvme,
            checksum_sha1: input.checksum_sha1,
            checksum_sha256: input.checksum_sha256,
            checksum_type: None,
        };
        let checksum = digest::check(&data, input.content_md5.as_deref(), sent, trailers)?;
        let etag = digest::hex(&digest::md5(&data));
        let headers =
            Headers { metadata: input.metadata, content_type: input.content_type, content_encoding: own_encoding(input.content_encoding) };
        let output = PutObjectOutput {
            e_tag: Some(ETag::Strong(etag.clone())),
            checksum_crc32: checksum.checksum_crc32.clone(),
            checksum_crc32c: checksum.checksum_crc32c.clone(),
            checksum_crc64nvme: checksum.checksum_crc64nvme.clone(),
            checksum_sha1: checksum.checksum_sha1.clone(),
            checksum_sha256: checksum.checksum_sha256.clone(),
            ..PutObjectOutput::default()
        };
        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        bucket.check(&input.key, &condition)?;
        bucket.objects.insert(input.key, Arc::new(Object { data, etag, modified: SystemTime::now(), headers, checksum }));
        Ok(output)
    }

    pub fn find(&self, wanted: &Wanted<'_>) -> S3Result<Found> {
        let object = Arc::clone(self.lock().bucket(wanted.bucket)?.object(wanted.key)?);
        let equals = |condition: &ETagCondition| condition.as_etag().is_none_or(|etag| etag.value() == object.etag);
        if wanted.if_match.is_some_and(|condition| !equals(condition)) {
            return Err(precondition_failed());
        }
        if wanted.if_none_match.is_some_and(equals) {
            return Err(s3_error!(NotModified));
        }
        let Some(range) = wanted.range else {
            return Ok(Found { data: object.data.clone(), object, content_range: None });
        };
        let whole = object.data.len();
        let part = range.check(whole as u64)?;
        let (start, end) = (usize::try_from(part.start).unwrap_or(whole), usize::try_from(part.end).unwrap_or(whole));
        Ok(Found {
            data: object.data.slice(start..end),
            object,
            content_range: Some(format!("bytes {}-{}/{whole}", part.start, part.end - 1)),
        })
    }

    pub fn copy(&self, input: CopyObjectInput) -> S3Result<CopyObjectResult> {
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "The lab has no access points"));
        };
        if input.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() != "COPY") {
            return Err(s3_error!(NotImplemented, "The lab copies objects with their own metadata only"));
        }
        let mut state = self.lock();
        let source = Arc::clone(state.bucket(bucket)?.object(key)?);
        let copy = Object {
            data: source.data.clone(),
            etag: digest::hex(&digest::md5(&source.data)),
            modified: SystemTime::now(),
            headers: source.headers.clone(),
            checksum: source.checksum.clone(),
        };
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(copy.etag.clone())),
            last_modified: Some(copy.modified.into()),
            ..CopyObjectResult::default()
        };
        state.bucket(&input.bucket)?.objects.insert(input.key, Arc::new(copy));
        Ok(result)
    }

    /// A key that is not there counts as deleted, with `If-Match` too.
    pub fn delete(&self, input: &DeleteObjectInput) -> S3Result<()> {
        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        let etag = input.if_match.as_ref().and_then(ETagCondition::as_etag);
        if let (Some(etag), Some(object)) = (etag, bucket.objects.get(&input.key))
            && etag.value() != object.etag
        {
            return Err(precondition_failed());
        }
        bucket.objects.remove(&input.key);
        Ok(())
    }

    pub fn delete_many(&self, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
        if input.delete.objects.is_empty() || input.delete.objects.len() > MOST_DELETES {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        let quiet = input.delete.quiet.unwrap_or(false);
        let mut deleted = Vec::new();
        for object in input.delete.objects {
            bucket.objects.remove(&object.key);
            if !quiet {
                deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
            }
        }
        Ok(DeleteObjectsOutput { deleted: (!quiet).then_some(deleted), ..DeleteObjectsOutput::default() })
    }
}

/// `aws-chunked` describes the transfer and does not stay with the object.
fn own_encoding(sent: Option<String>) -> Option<String> {
    let sent = sent?;
    let own: Vec<_> = sent.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "aws-chunked").collect();
    (!own.is_empty()).then(|| own.join(","))
}
