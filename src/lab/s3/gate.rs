//! The gate before the operations: who may pass, what is noted, which fault strikes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use http::Extensions;
use s3s::access::{S3Access, S3AccessContext};
use s3s::dto::{DeleteObjectsInput, ListObjectsV2Input, PutObjectInput, StreamingBlob, UploadPartInput};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::digest;
use super::faults::{Effect, Faults};
use super::login::Logins;
use super::requests::{Request, Requests};

/// Rides with a request; set when its answer must not leave.
#[derive(Clone, Default)]
pub(super) struct ReplyCut(Arc<AtomicBool>);

impl ReplyCut {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

pub(super) struct Gate {
    pub region: Arc<str>,
    pub logins: Logins,
    pub requests: Requests,
    pub faults: Faults,
}

/// Operations whose keys stand in the body or the query, or whose body must be read before a
/// fault strikes (an answer that comes before the body is read would look like a cut connection).
const WITH_INPUT: [&str; 4] = ["PutObject", "UploadPart", "DeleteObjects", "ListObjectsV2"];

impl Gate {
    async fn pass(&self, extensions: &Extensions, operation: &str, bucket: &str, keys: &[&str]) -> S3Result<()> {
        for key in keys {
            let request = Request { operation: operation.to_owned(), bucket: bucket.to_owned(), key: (*key).to_owned() };
            self.requests.note(request);
        }
        let Some(fault) = self.faults.meet(operation, keys) else { return Ok(()) };
        match fault.effect() {
            Effect::SlowDown => return Err(s3_error!(SlowDown, "Please reduce your request rate.")),
            Effect::InternalError => return Err(s3_error!(InternalError, "We encountered an internal error. Please try again.")),
            Effect::AccessDenied => return Err(s3_error!(AccessDenied, "Access Denied")),
            Effect::Conflict => {
                return Err(s3_error!(ConditionalRequestConflict, "A conflicting operation occurred during the request."));
            }
            Effect::Refuse(code, message) => {
                let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
                return Err(S3Error::with_message(code, message));
            }
            Effect::LoseRequest => {
                if let Some(cut) = extensions.get::<ReplyCut>() {
                    cut.set();
                }
                return Err(s3_error!(InternalError, "The lab cuts this request."));
            }
            Effect::Delay(time) => tokio::time::sleep(time).await,
            Effect::Hold => fault.wait_released().await,
            Effect::LoseReply => {
                if let Some(cut) = extensions.get::<ReplyCut>() {
                    cut.set();
                }
            }
        }
        Ok(())
    }

    /// A signature for another region is refused before it is compared on AWS; `s3s` takes any.
    fn check_region(&self, cx: &S3AccessContext<'_>) -> S3Result<()> {
        let signed = cx.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let scope = signed.and_then(|text| text.split("Credential=").nth(1)).and_then(|text| text.split('/').nth(2));
        match scope {
            Some(region) if region != &*self.region => Err(s3_error!(
                AuthorizationHeaderMalformed,
                "The authorization header is malformed; the region '{region}' is wrong; expecting '{}'",
                self.region
            )),
            _ => Ok(()),
        }
    }
}

async fn buffered(body: Option<StreamingBlob>) -> S3Result<Option<StreamingBlob>> {
    Ok(Some(StreamingBlob::from(s3s::Body::from(digest::read(body).await?))))
}

#[async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(access_key) = cx.credentials().map(|credentials| credentials.access_key.clone()) else {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        };
        self.check_region(cx)?;
        let token = cx.headers().get("x-amz-security-token").and_then(|token| token.to_str().ok());
        self.logins.check(&access_key, token)?;
        let operation = cx.s3_op().name().to_owned();
        if WITH_INPUT.contains(&operation.as_str()) {
            return Ok(());
        }
        let bucket = cx.s3_path().get_bucket_name().unwrap_or_default().to_owned();
        let key = cx.s3_path().get_object_key().unwrap_or_default().to_owned();
        let extensions = cx.extensions_mut().clone();
        self.pass(&extensions, &operation, &bucket, &[&key]).await
    }

    async fn put_object(&self, req: &mut S3Request<PutObjectInput>) -> S3Result<()> {
        req.input.body = buffered(req.input.body.take()).await?;
        self.pass(&req.extensions, "PutObject", &req.input.bucket, &[&req.input.key]).await
    }

    async fn upload_part(&self, req: &mut S3Request<UploadPartInput>) -> S3Result<()> {
        req.input.body = buffered(req.input.body.take()).await?;
        self.pass(&req.extensions, "UploadPart", &req.input.bucket, &[&req.input.key]).await
    }

    async fn delete_objects(&self, req: &mut S3Request<DeleteObjectsInput>) -> S3Result<()> {
        let keys: Vec<&str> = req.input.delete.objects.iter().map(|object| object.key.as_str()).collect();
        self.pass(&req.extensions, "DeleteObjects", &req.input.bucket, &keys).await
    }

    async fn list_objects_v2(&self, req: &mut S3Request<ListObjectsV2Input>) -> S3Result<()> {
        let prefix = req.input.prefix.clone().unwrap_or_default();
        self.pass(&req.extensions, "ListObjectsV2", &req.input.bucket, &[&prefix]).await
    }
}
