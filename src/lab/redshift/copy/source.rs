//! Where COPY finds its files.

use std::io;

use async_trait::async_trait;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;
use bytes::Bytes;

use super::super::S3Access;
use super::options::Keys;

/// A store that COPY may read. The S3 lab is one; a test may bring a map.
#[async_trait]
pub trait ObjectSource: Send + Sync {
    /// All keys of a bucket that begin with `prefix`, in order.
    async fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<String>>;

    /// An object, to be read piece by piece; `None` when it is not there.
    async fn get(&self, bucket: &str, key: &str) -> io::Result<Option<Object>>;
}

/// An object that is being read.
pub struct Object {
    /// Bytes.
    pub length: u64,
    pub body: Box<dyn ObjectBody>,
}

#[async_trait]
pub trait ObjectBody: Send {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> io::Result<Option<Bytes>>;
}

/// A store that speaks S3.
pub(in super::super) struct S3Source(aws_sdk_s3::Client);

impl S3Source {
    /// `keys`: those of the statement, instead of the role that the lab plays.
    pub fn new(access: &S3Access, keys: Option<&Keys>, region: Option<&str>) -> Self {
        let credentials = match keys {
            Some(keys) => Credentials::new(&keys.id, &keys.secret, keys.token.clone(), None, "copy"),
            None => Credentials::new(&access.access_key, &access.secret_key, None, None, "role"),
        };
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.unwrap_or(&access.region).to_owned()))
            .endpoint_url(&access.endpoint)
            .force_path_style(true)
            .credentials_provider(credentials)
            .build();
        Self(aws_sdk_s3::Client::from_conf(config))
    }
}

#[async_trait]
impl ObjectSource for S3Source {
    async fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        let mut pages = self.0.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(&error))?;
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    async fn get(&self, bucket: &str, key: &str) -> io::Result<Option<Object>> {
        match self.0.get_object().bucket(bucket).key(key).send().await {
            Ok(found) => {
                let length = found.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
                Ok(Some(Object { length, body: Box::new(S3Body(found.body)) }))
            }
            Err(error) if error.as_service_error().is_some_and(aws_sdk_s3::operation::get_object::GetObjectError::is_no_such_key) => {
                Ok(None)
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

/// The service's own words, as Redshift repeats them.
fn failed<E>(error: &SdkError<E, HttpResponse>) -> io::Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let SdkError::ServiceError(refused) = error else { return io::Error::other(error.to_string()) };
    let (meta, response) = (refused.err().meta(), refused.raw());
    io::Error::other(format!(
        "{},Status {},Error {},Rid {},ExtRid {},CanRetry {}",
        meta.message().unwrap_or_default(),
        response.status().as_u16(),
        meta.code().unwrap_or_default(),
        meta.request_id().unwrap_or_default(),
        meta.extra("s3_extended_request_id").unwrap_or_default(),
        u8::from(response.status().is_server_error()),
    ))
}

struct S3Body(aws_sdk_s3::primitives::ByteStream);

#[async_trait]
impl ObjectBody for S3Body {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        self.0.try_next().await.map_err(io::Error::other)
    }
}
