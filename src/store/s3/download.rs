//! Part files, read chunk by chunk.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::S3Store;
use super::error::{Answer, chain, fault};
use crate::model::Fault;
use crate::model::fault::s3::CONNECT;
use crate::store::PartDownload;

/// The body of one object.
pub struct S3Download {
    key: String,
    body: ByteStream,
}

impl S3Store {
    pub(super) async fn open_download(&self, key: &str) -> Result<Option<S3Download>, Fault> {
        match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(answer) => Ok(Some(S3Download { key: key.to_owned(), body: answer.body })),
            Err(error) if Answer::of(&error).is_absent() => Ok(None),
            Err(error) => Err(fault("could not read a part file", key, &error)),
        }
    }
}

impl PartDownload for S3Download {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        self.body.try_next().await.map_err(|error| {
            Fault::new(&CONNECT, "a part file broke off while it was read").evidence("object", &self.key).evidence("cause", chain(&error))
        })
    }
}
