//! Part files: one PUT when small, a multipart upload when not.
//!
//! One piece is on its way while the next is being filled, never more: a slow store holds the
//! writer back, and a file costs the memory of two pieces.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::error::{Answer, fault};
use crate::model::fault::s3::REQUEST;
use crate::model::{Fault, PartFile, hex};
use crate::store::PartUpload;

/// Bytes of one piece of a multipart upload; smaller files go in one PUT. S3 takes 10,000
/// pieces, so a file may have 80 GiB.
const PIECE: usize = 8 * 1024 * 1024;

/// One part file on its way. Its key belongs to one attempt alone, so plain retries are safe.
pub struct S3Upload {
    client: Client,
    bucket: String,
    key: String,
    waiting: BytesMut,
    sha256: Sha256,
    bytes: u64,
    multipart: Option<Multipart>,
}

struct Multipart {
    id: String,
    pieces: Vec<CompletedPart>,
    on_its_way: Option<JoinHandle<Result<CompletedPart, Fault>>>,
}

impl S3Upload {
    pub(super) fn new(client: Client, bucket: String, key: String) -> Self {
        Self { client, bucket, key, waiting: BytesMut::new(), sha256: Sha256::new(), bytes: 0, multipart: None }
    }

    async fn begin_multipart(&mut self) -> Result<(), Fault> {
        if self.multipart.is_none() {
            let create = self.client.create_multipart_upload().bucket(&self.bucket).key(&self.key).content_type("application/zstd");
            let answer = create.send().await.map_err(|error| fault("could not begin an upload", &self.key, &error))?;
            let Some(id) = answer.upload_id else {
                return Err(Fault::new(&REQUEST, "the store began an upload without an id").evidence("object", &self.key));
            };
            self.multipart = Some(Multipart { id, pieces: Vec::new(), on_its_way: None });
        }
        Ok(())
    }

    /// Waits for the piece before, then sends this one off.
    async fn send_piece(&mut self, piece: Bytes) -> Result<(), Fault> {
        self.begin_multipart().await?;
        self.arrived().await?;
        let Some(multipart) = self.multipart.as_mut() else { return Ok(()) };
        // At most 10,000: S3 refuses more.
        let number = i32::try_from(multipart.pieces.len() + 1).unwrap_or(i32::MAX);
        let upload = self.client.upload_part().bucket(&self.bucket).key(&self.key).upload_id(&multipart.id).part_number(number);
        let (upload, key) = (upload.body(ByteStream::from(piece)), self.key.clone());
        multipart.on_its_way = Some(tokio::spawn(async move {
            let answer = upload.send().await;
            let answer = answer.map_err(|error| fault("could not upload a piece of a part file", &key, &error))?;
            Ok(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).build())
        }));
        Ok(())
    }

    /// Until no piece is on its way.
    async fn arrived(&mut self) -> Result<(), Fault> {
        let Some(multipart) = self.multipart.as_mut() else { return Ok(()) };
        let Some(task) = multipart.on_its_way.as_mut() else { return Ok(()) };
        let ended = task.await;
        multipart.on_its_way = None;
        let lost = |error| Fault::new(&REQUEST, "the upload of a piece broke off").evidence("object", &self.key).caused_by(error);
        multipart.pieces.push(ended.map_err(lost)??);
        Ok(())
    }

    async fn put_whole(&self, body: Bytes) -> Result<(), Fault> {
        let put = self.client.put_object().bucket(&self.bucket).key(&self.key).content_type("application/zstd");
        put.body(ByteStream::from(body)).send().await.map(|_| ()).map_err(|error| fault("could not upload a part file", &self.key, &error))
    }

    async fn complete(&mut self) -> Result<(), Fault> {
        self.arrived().await?;
        let Some(multipart) = self.multipart.as_ref() else { return Ok(()) };
        let pieces = CompletedMultipartUpload::builder().set_parts(Some(multipart.pieces.clone())).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket).key(&self.key).upload_id(&multipart.id);
        if let Err(error) = complete.multipart_upload(pieces).send().await {
            let fault = fault("could not complete the upload of a part file", &self.key, &error);
            // A retry after a lost answer finds the upload gone, because it was completed.
            let gone = Answer::of(&error).code.as_deref() == Some("NoSuchUpload");
            if !(gone && self.stands_complete().await) {
                return Err(fault);
            }
        }
        self.multipart = None;
        Ok(())
    }

    /// Whether an object of our length stands under our key, which nobody else writes.
    async fn stands_complete(&self) -> bool {
        let head = self.client.head_object().bucket(&self.bucket).key(&self.key).send().await;
        head.is_ok_and(|head| head.content_length().and_then(|length| u64::try_from(length).ok()) == Some(self.bytes))
    }
}

impl PartUpload for S3Upload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.sha256.update(&bytes);
        self.bytes += bytes.len() as u64;
        self.waiting.extend_from_slice(&bytes);
        // More than a piece: the last one may have any length but zero.
        while self.waiting.len() > PIECE {
            let piece = self.waiting.split_to(PIECE).freeze();
            self.send_piece(piece).await?;
        }
        Ok(())
    }

    async fn finish(mut self, rows: u64) -> Result<PartFile, Fault> {
        fail_point!("part.upload.before");
        let rest = std::mem::take(&mut self.waiting).freeze();
        if self.multipart.is_some() {
            self.send_piece(rest).await?;
            self.complete().await?;
        } else {
            self.put_whole(rest).await?;
        }
        fail_point!("part.upload.after");
        let sha256 = hex(&std::mem::take(&mut self.sha256).finalize());
        Ok(PartFile { key: std::mem::take(&mut self.key), bytes: self.bytes, rows, sha256 })
    }
}

impl Drop for S3Upload {
    /// Gives up what was begun, as well as it can: the bucket's lifecycle rule ends the others.
    fn drop(&mut self) {
        let Some(mut multipart) = self.multipart.take() else { return };
        let on_its_way = multipart.on_its_way.take();
        on_its_way.iter().for_each(JoinHandle::abort);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(&self.key).upload_id(multipart.id);
        let key = std::mem::take(&mut self.key);
        runtime.spawn(async move {
            if let Some(task) = on_its_way {
                // A piece that arrives after the abort would stay; its outcome does not matter.
                let _ = task.await;
            }
            if let Err(error) = abort.send().await {
                tracing::warn!(error = %fault("could not abort an upload", &key, &error), "an incomplete upload stays behind");
            }
        });
    }
}
