//! Errors of the SDK as faults.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;

use crate::model::Fault;
use crate::model::fault::{Page, s3};

/// Longest message of a server that goes into a fault.
const MESSAGE: usize = 300;

/// What an answer, or its absence, says about the request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// HTTP status; `None` when no answer came.
    pub status: Option<u16>,
    /// S3's error code; a HEAD has none.
    pub code: Option<String>,
}

impl Answer {
    pub fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        Self { status: error.raw_response().map(|raw| raw.status().as_u16()), code: error.code().map(str::to_owned) }
    }

    fn code_is(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    /// The object is not there. Only S3's own word counts: any web server says 404.
    pub fn is_absent(&self) -> bool {
        self.code_is(&["NoSuchKey"])
    }

    /// Of a HEAD, which has no code: the object, or its bucket, is not there.
    pub fn is_nothing(&self) -> bool {
        self.status == Some(404)
    }

    /// 412: something else stands there.
    pub fn is_refused(&self) -> bool {
        self.status == Some(412)
    }

    /// 409: another write was under way; nothing was decided.
    pub fn is_conflict(&self) -> bool {
        self.status == Some(409)
    }

    /// The store does not know the request.
    pub fn is_not_implemented(&self) -> bool {
        matches!(self.status, Some(501 | 405)) || self.code_is(&["NotImplemented", "MethodNotAllowed"])
    }

    pub fn is_denied(&self) -> bool {
        self.status == Some(403)
    }
}

/// Whether the request may have been carried out although no success came back.
pub fn may_have_happened<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::DispatchFailure(failure) => !failure.is_user() && credentials_error(error).is_none(),
        SdkError::ServiceError(error) => error.raw().status().as_u16() >= 500,
        _ => true,
    }
}

/// The page of an error, by cause, code, then status: the one table of the store's failures.
fn page<E: Error + 'static>(error: &SdkError<E, HttpResponse>, answer: &Answer) -> &'static Page {
    if let Some(error) = credentials_error(error) {
        return credentials_page(error);
    }
    match (answer.code.as_deref().unwrap_or_default(), answer.status) {
        ("NoSuchBucket", _) => &s3::NO_BUCKET,
        ("BucketAlreadyExists", _) => &s3::BUCKET_TAKEN,
        ("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken" | "ExpiredTokenException", _) => &s3::EXPIRED,
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "AuthFailure", _) => &s3::BAD_CREDENTIALS,
        ("RequestTimeTooSkewed", _) => &s3::CLOCK_SKEW,
        ("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException", _) | (_, Some(301)) => {
            &s3::WRONG_REGION
        }
        ("SlowDown" | "ServiceUnavailable" | "Throttling" | "TooManyRequests", _) | (_, Some(429 | 503)) => &s3::SLOW_DOWN,
        ("RequestTimeout", _) | (_, Some(408)) => &s3::TIMEOUT,
        ("NotImplemented" | "MethodNotAllowed", _) | (_, Some(405 | 501)) => &s3::NOT_IMPLEMENTED,
        ("NoSuchKey" | "NoSuchUpload", _) | (_, Some(404)) => &s3::MISSING,
        ("AccessDenied" | "AllAccessDisabled" | "AccountProblem", _) | (_, Some(401 | 403)) => &s3::DENIED,
        (_, Some(409 | 412)) => &s3::CONFLICT,
        (_, Some(_)) => &s3::REQUEST,
        (_, None) => match error {
            SdkError::TimeoutError(_) => &s3::TIMEOUT,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => &s3::TIMEOUT,
            SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => &s3::CONNECT,
            _ => &s3::REQUEST,
        },
    }
}

fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    let mut next = Some(error);
    while let Some(at) = next {
        if let Some(found) = at.downcast_ref() {
            return Some(found);
        }
        next = at.source();
    }
    None
}

fn credentials_page(error: &CredentialsError) -> &'static Page {
    if matches!(error, CredentialsError::ProviderTimedOut(_)) { &s3::TIMEOUT } else { &s3::NO_CREDENTIALS }
}

/// Builds the fault of a failed request. `what` says what could not be done, in words; `object` is
/// the key or the bucket.
pub fn fault<E>(what: &str, object: &str, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let answer = Answer::of(error);
    let mut fault = Fault::new(page(error, &answer), what).evidence("object", object);
    if let Some(status) = answer.status {
        fault = fault.evidence("status", status);
    }
    if let Some(code) = &answer.code {
        fault = fault.evidence("code", code);
    }
    if let Some(message) = error.message() {
        fault = fault.evidence("message", message.chars().take(MESSAGE).collect::<String>());
    }
    if let Some(id) = error.raw_response().and_then(|raw| raw.request_id()) {
        fault = fault.evidence("request_id", id);
    }
    if answer.status.is_none() { fault.evidence("cause", chain(error)) } else { fault }
}

/// The fault of credentials that could not be had at all.
pub fn credentials_fault(error: &CredentialsError) -> Fault {
    Fault::new(credentials_page(error), "AWS credentials could not be loaded").evidence("cause", chain(error))
}

/// The causes of an error, outermost first, without the headers that their Debug would show.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(at) = next {
        let step = at.to_string();
        if !text.ends_with(&step) {
            text.push_str(": ");
            text.push_str(&step);
        }
        next = at.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::config::http::HttpResponse;
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::put_object::PutObjectError;
    use aws_sdk_s3::primitives::SdkBody;

    fn answered(status: u16, code: Option<&str>) -> SdkError<PutObjectError, HttpResponse> {
        let mut meta = ErrorMetadata::builder();
        if let Some(code) = code {
            meta = meta.code(code).message("as the server puts it");
        }
        let raw = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        SdkError::service_error(PutObjectError::generic(meta.build()), raw)
    }

    #[test]
    fn every_answer_has_its_page() {
        let table: &[(u16, Option<&str>, &str)] = &[
            (403, Some("AccessDenied"), "S3-004"),
            (403, None, "S3-004"),
            (404, Some("NoSuchBucket"), "S3-005"),
            (403, Some("InvalidAccessKeyId"), "S3-007"),
            (403, Some("SignatureDoesNotMatch"), "S3-007"),
            (400, Some("ExpiredToken"), "S3-008"),
            (403, Some("RequestTimeTooSkewed"), "S3-009"),
            (503, Some("SlowDown"), "S3-010"),
            (503, None, "S3-010"),
            (301, Some("PermanentRedirect"), "S3-011"),
            (400, Some("AuthorizationHeaderMalformed"), "S3-011"),
            (409, Some("ConditionalRequestConflict"), "S3-013"),
            (412, Some("PreconditionFailed"), "S3-013"),
            (404, Some("NoSuchKey"), "S3-017"),
            (409, Some("BucketAlreadyExists"), "S3-019"),
            (501, Some("NotImplemented"), "S3-021"),
            (500, Some("InternalError"), "S3-001"),
        ];
        for (status, code, page) in table {
            let fault = fault("could not write", "some/key", &answered(*status, *code));
            assert_eq!(fault.code(), *page, "{status} {code:?}");
            assert!(fault.facts().contains(&("status".into(), status.to_string())));
        }
    }

    #[test]
    fn no_answer_is_told_from_no_credentials() {
        type Put = SdkError<PutObjectError, HttpResponse>;
        let refused = || std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let lost: Put = SdkError::dispatch_failure(aws_sdk_s3::error::ConnectorError::io(refused().into()));
        let late: Put = SdkError::timeout_error("late");
        let missing = CredentialsError::not_loaded("none of the providers had any");
        let poor: Put = SdkError::dispatch_failure(aws_sdk_s3::error::ConnectorError::other(missing.into(), None));
        for (error, code, unsure) in [(lost, "S3-002", true), (late, "S3-003", true), (poor, "S3-006", false)] {
            let fault = fault("could not write", "some/key", &error);
            assert_eq!((fault.code(), may_have_happened(&error)), (code, unsure), "{fault}");
        }
        assert!(may_have_happened(&answered(500, Some("InternalError"))));
        assert!(!may_have_happened(&answered(403, Some("AccessDenied"))));
    }
}
