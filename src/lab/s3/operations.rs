//! The operations of the S3 API that the lab answers, each handed to the file that holds it.

use async_trait::async_trait;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, ChecksumMode, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteBucketInput, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, DeleteBucketOutput,
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletePublicAccessBlockInput,
    DeletePublicAccessBlockOutput, ETag, GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput, GetObjectOutput, GetPublicAccessBlockInput,
    GetPublicAccessBlockOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput, PutObjectInput, PutObjectOutput,
    PutPublicAccessBlockInput, PutPublicAccessBlockOutput, StreamingBlob, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result};

use super::objects::{Found, Wanted};
use super::storage::Storage;

type Answer<T> = S3Result<S3Response<T>>;

#[expect(clippy::unnecessary_wraps, reason = "the shape that every operation returns")]
fn answer<T>(output: T) -> Answer<T> {
    Ok(S3Response::new(output))
}

fn length(found: &Found) -> Option<i64> {
    i64::try_from(found.data.len()).ok()
}

/// A checksum covers the whole object, so a range comes without one.
fn checksum(found: &Found, mode: Option<&ChecksumMode>) -> Checksum {
    let asked = mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
    if asked && found.content_range.is_none() { found.object.checksum.clone() } else { Checksum::default() }
}

#[async_trait]
impl S3 for Storage {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        self.create_bucket(&req.input)?;
        answer(CreateBucketOutput { location: Some(format!("/{}", req.input.bucket)) })
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        answer(self.head_bucket(&req.input.bucket)?)
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        self.delete_bucket(&req.input.bucket)?;
        answer(DeleteBucketOutput::default())
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        answer(self.list_buckets())
    }

    async fn get_bucket_location(&self, req: S3Request<GetBucketLocationInput>) -> Answer<GetBucketLocationOutput> {
        answer(self.location(&req.input.bucket)?)
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        req: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> Answer<PutBucketLifecycleConfigurationOutput> {
        self.set_lifecycle(req.input)?;
        answer(PutBucketLifecycleConfigurationOutput::default())
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        req: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> Answer<GetBucketLifecycleConfigurationOutput> {
        answer(self.lifecycle(&req.input.bucket)?)
    }

    async fn delete_bucket_lifecycle(&self, req: S3Request<DeleteBucketLifecycleInput>) -> Answer<DeleteBucketLifecycleOutput> {
        self.lock().bucket(&req.input.bucket)?.lifecycle = None;
        answer(DeleteBucketLifecycleOutput::default())
    }

    async fn put_public_access_block(&self, req: S3Request<PutPublicAccessBlockInput>) -> Answer<PutPublicAccessBlockOutput> {
        self.lock().bucket(&req.input.bucket)?.public_access = Some(req.input.public_access_block_configuration);
        answer(PutPublicAccessBlockOutput::default())
    }

    async fn get_public_access_block(&self, req: S3Request<GetPublicAccessBlockInput>) -> Answer<GetPublicAccessBlockOutput> {
        answer(GetPublicAccessBlockOutput { public_access_block_configuration: Some(self.public_access(&req.input.bucket)?) })
    }

    async fn delete_public_access_block(&self, req: S3Request<DeletePublicAccessBlockInput>) -> Answer<DeletePublicAccessBlockOutput> {
        self.lock().bucket(&req.input.bucket)?.public_access = None;
        answer(DeletePublicAccessBlockOutput::default())
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        answer(self.put(req.input, req.trailing_headers.as_ref()).await?)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = &req.input;
        let found = self.find(&Wanted {
            bucket: &input.bucket,
            key: &input.key,
            range: input.range.as_ref(),
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
        })?;
        let checksum = checksum(&found, input.checksum_mode.as_ref());
        answer(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: length(&found),
            content_range: found.content_range,
            content_type: found.object.headers.content_type.clone(),
            content_encoding: found.object.headers.content_encoding.clone(),
            metadata: found.object.headers.metadata.clone(),
            e_tag: Some(ETag::Strong(found.object.etag.clone())),
            last_modified: Some(found.object.modified.into()),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            body: Some(StreamingBlob::from(s3s::Body::from(found.data))),
            ..GetObjectOutput::default()
        })
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let input = &req.input;
        let found = self.find(&Wanted {
            bucket: &input.bucket,
            key: &input.key,
            range: input.range.as_ref(),
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
        })?;
        let checksum = checksum(&found, input.checksum_mode.as_ref());
        answer(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: length(&found),
            content_range: found.content_range,
            content_type: found.object.headers.content_type.clone(),
            content_encoding: found.object.headers.content_encoding.clone(),
            metadata: found.object.headers.metadata.clone(),
            e_tag: Some(ETag::Strong(found.object.etag.clone())),
            last_modified: Some(found.object.modified.into()),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..HeadObjectOutput::default()
        })
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        answer(CopyObjectOutput { copy_object_result: Some(self.copy(req.input)?), ..CopyObjectOutput::default() })
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        self.delete(&req.input)?;
        answer(DeleteObjectOutput::default())
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        answer(self.delete_many(req.input)?)
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        answer(self.list(req.input)?)
    }

    async fn create_multipart_upload(&self, req: S3Request<CreateMultipartUploadInput>) -> Answer<CreateMultipartUploadOutput> {
        answer(self.begin_upload(req.input)?)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        answer(self.upload_part(req.input, req.trailing_headers.as_ref()).await?)
    }

    async fn complete_multipart_upload(&self, req: S3Request<CompleteMultipartUploadInput>) -> Answer<CompleteMultipartUploadOutput> {
        answer(self.complete_upload(req.input)?)
    }

    async fn abort_multipart_upload(&self, req: S3Request<AbortMultipartUploadInput>) -> Answer<AbortMultipartUploadOutput> {
        self.abort_upload(&req.input.bucket, &req.input.key, &req.input.upload_id)?;
        answer(AbortMultipartUploadOutput::default())
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        answer(self.parts(req.input)?)
    }

    async fn list_multipart_uploads(&self, req: S3Request<ListMultipartUploadsInput>) -> Answer<ListMultipartUploadsOutput> {
        answer(self.uploads(req.input)?)
    }
}
