//! Multipart uploads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::BytesMut;
use s3s::dto::{
    Checksum, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload, Part as ListedPart,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3Result, TrailingHeaders, s3_error};

use super::digest;
use super::storage::{Bucket, Condition, Headers, Object, Part, Storage, Upload};

/// Every part but the last has at least this many bytes.
const SMALLEST_PART: usize = 5 * 1024 * 1024;
const LAST_PART: i32 = 10_000;
const PAGE: i32 = 1000;

fn no_such_upload() -> S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )
}

fn upload<'a>(bucket: &'a mut Bucket, key: &str, id: &str) -> S3Result<&'a mut Upload> {
    bucket.uploads.get_mut(id).filter(|upload| upload.key == key).ok_or_else(no_such_upload)
}

impl Storage {
    pub fn begin_upload(&self, input: CreateMultipartUploadInput) -> S3Result<CreateMultipartUploadOutput> {
        let mut state = self.lock();
        state.bucket(&input.bucket)?;
        state.uploads_begun += 1;
        let id = format!("lab-upload-{:012}", state.uploads_begun);
        let headers = Headers { metadata: input.metadata, content_type: input.content_type, content_encoding: input.content_encoding };
        let upload = Upload { key: input.key.clone(), headers, started: SystemTime::now(), parts: BTreeMap::new() };
        state.bucket(&input.bucket)?.uploads.insert(id.clone(), upload);
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub async fn upload_part(&self, input: UploadPartInput, trailers: Option<&TrailingHeaders>) -> S3Result<UploadPartOutput> {
        if !(1..=LAST_PART).contains(&input.part_number) {
            return Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"));
        }
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
        let md5 = digest::md5(&data);
        let etag = digest::hex(&md5);
        let mut state = self.lock();
        let upload = upload(state.bucket(&input.bucket)?, &input.key, &input.upload_id)?;
        upload.parts.insert(input.part_number, Part { data, etag: etag.clone(), md5, modified: SystemTime::now() });
        Ok(UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..UploadPartOutput::default()
        })
    }

    /// A failed condition leaves the upload as it is: its parts cost until somebody aborts it.
    pub fn complete_upload(&self, input: CompleteMultipartUploadInput) -> S3Result<CompleteMultipartUploadOutput> {
        let condition = Condition::new(input.if_none_match.as_ref(), input.if_match.as_ref())?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        if named.is_empty() {
            return Err(s3_error!(MalformedXML, "You must specify at least one part"));
        }
        if !named.is_sorted_by(|a, b| a.part_number < b.part_number) {
            return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
        }
        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        let upload = upload(bucket, &input.key, &input.upload_id)?;
        let (mut data, mut hashes) = (BytesMut::new(), Vec::new());
        let last = named.len() - 1;
        for (at, name) in named.iter().enumerate() {
            let part = upload
                .parts
                .get(&name.part_number.unwrap_or_default())
                .filter(|part| name.e_tag.as_ref().is_some_and(|etag| etag.value() == part.etag));
            let part = part.ok_or_else(|| {
                s3_error!(InvalidPart, "One or more of the specified parts could not be found, or its ETag did not match.")
            })?;
            if at < last && part.data.len() < SMALLEST_PART {
                return Err(s3_error!(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size"));
            }
            data.extend_from_slice(&part.data);
            hashes.extend_from_slice(&part.md5);
        }
        let headers = upload.headers.clone();
        bucket.check(&input.key, &condition)?;
        bucket.uploads.remove(&input.upload_id);
        let etag = format!("{}-{}", digest::hex(&digest::md5(&hashes)), named.len());
        let object =
            Object { data: data.freeze(), etag: etag.clone(), modified: SystemTime::now(), headers, checksum: Checksum::default() };
        bucket.objects.insert(input.key.clone(), Arc::new(object));
        Ok(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(etag)),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    pub fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<()> {
        let mut state = self.lock();
        let bucket = state.bucket(bucket)?;
        upload(bucket, key, id)?;
        bucket.uploads.remove(id);
        Ok(())
    }

    pub fn parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let most = input.max_parts.unwrap_or(PAGE).clamp(0, PAGE);
        let after = input.part_number_marker.unwrap_or(0);
        let mut state = self.lock();
        let upload = upload(state.bucket(&input.bucket)?, &input.key, &input.upload_id)?;
        let mut rest = upload.parts.range(after.saturating_add(1)..);
        let listed = |(number, part): (&i32, &Part)| ListedPart {
            part_number: Some(*number),
            size: i64::try_from(part.data.len()).ok(),
            e_tag: Some(ETag::Strong(part.etag.clone())),
            last_modified: Some(part.modified.into()),
            ..ListedPart::default()
        };
        let parts: Vec<_> = rest.by_ref().take(usize::try_from(most).unwrap_or(0)).map(listed).collect();
        let more = rest.next().is_some();
        Ok(ListPartsOutput {
            next_part_number_marker: parts.last().and_then(|part| part.part_number).filter(|_| more),
            parts: Some(parts),
            is_truncated: Some(more),
            max_parts: Some(most),
            part_number_marker: Some(after),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        })
    }

    /// Ascending by key, then by the time of their beginning.
    pub fn uploads(&self, input: ListMultipartUploadsInput) -> S3Result<ListMultipartUploadsOutput> {
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "The lab lists uploads without a delimiter only"));
        }
        let most = input.max_uploads.unwrap_or(PAGE).clamp(0, PAGE);
        let prefix = input.prefix.clone().unwrap_or_default();
        let (key_marker, id_marker) = (input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone());
        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        let mut found: Vec<_> = bucket.uploads.iter().filter(|(_, upload)| upload.key.starts_with(&prefix)).collect();
        found.sort_by(|(id, a), (other, b)| a.key.cmp(&b.key).then(id.cmp(other)));
        found.retain(|(id, upload)| {
            upload.key > key_marker || (upload.key == key_marker && id_marker.as_ref().is_some_and(|marker| *id > marker))
        });
        let more = found.len() > usize::try_from(most).unwrap_or(0);
        found.truncate(usize::try_from(most).unwrap_or(0));
        let last = found.last().filter(|_| more).map(|(id, upload)| ((*id).clone(), upload.key.clone()));
        let listed = |(id, upload): (&String, &Upload)| MultipartUpload {
            upload_id: Some(id.clone()),
            key: Some(upload.key.clone()),
            initiated: Some(upload.started.into()),
            ..MultipartUpload::default()
        };
        Ok(ListMultipartUploadsOutput {
            uploads: Some(found.into_iter().map(listed).collect()),
            is_truncated: Some(more),
            max_uploads: Some(most),
            next_upload_id_marker: last.as_ref().map(|(id, _)| id.clone()),
            next_key_marker: last.map(|(_, key)| key),
            key_marker: input.key_marker,
            upload_id_marker: input.upload_id_marker,
            prefix: input.prefix,
            bucket: Some(input.bucket),
            ..ListMultipartUploadsOutput::default()
        })
    }
}
