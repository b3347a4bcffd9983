//! Which files a COPY reads: those of a manifest, or all under a prefix.

use serde::Deserialize;

use super::super::wire::message::SqlError;
use super::options::CopyStatement;
use super::source::{Object, ObjectSource};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct File {
    pub bucket: String,
    pub key: String,
    pub mandatory: bool,
    /// Bytes that the manifest promises.
    pub length: Option<u64>,
}

impl File {
    pub fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

#[derive(Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    url: String,
    #[serde(default)]
    mandatory: bool,
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    content_length: Option<u64>,
}

fn error(message: impl Into<String>, code: i32) -> SqlError {
    let message = message.into();
    let detail = format!("error:  {message} code:      {code} context:   COPY from S3");
    SqlError::new("XX000", message).detail(detail)
}

/// The store answered with an error.
pub(super) fn service(said: &std::io::Error) -> SqlError {
    error(format!("S3ServiceException:{said}"), 8001)
}

fn split(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("s3://")?.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
}

pub(super) async fn find(copy: &CopyStatement, source: &dyn ObjectSource) -> Result<Vec<File>, SqlError> {
    let Some((bucket, key)) = split(&copy.url) else {
        return Err(error(format!("The specified S3 prefix '{}' does not exist", copy.url), 8001));
    };
    if !copy.manifest {
        let keys = source.list(bucket, key).await.map_err(|e| service(&e))?;
        if keys.is_empty() {
            return Err(error(format!("The specified S3 prefix '{key}' does not exist"), 8001));
        }
        return Ok(keys.into_iter().map(|key| File { bucket: bucket.to_owned(), key, mandatory: true, length: None }).collect());
    }
    let Some(object) = source.get(bucket, key).await.map_err(|e| service(&e))? else {
        return Err(error(format!("The specified S3 prefix '{key}' does not exist"), 8001));
    };
    let text = whole(object).await.map_err(|e| service(&e))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|_| error(format!("The manifest file '{}' is not valid JSON with an entries array", copy.url), 8001))?;
    if manifest.entries.is_empty() {
        return Err(error(format!("The manifest file '{}' has no entries", copy.url), 8001));
    }
    let files = manifest.entries.into_iter().map(|entry| {
        let (bucket, key) =
            split(&entry.url).ok_or_else(|| error(format!("The manifest names '{}', which is no S3 object", entry.url), 8001))?;
        Ok(File {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            mandatory: entry.mandatory,
            length: entry.meta.and_then(|meta| meta.content_length),
        })
    });
    files.collect()
}

/// Opens a file; `None`: it is not there and need not be.
pub(super) async fn open(file: &File, source: &dyn ObjectSource) -> Result<Option<Object>, SqlError> {
    let Some(object) = source.get(&file.bucket, &file.key).await.map_err(|e| service(&e))? else {
        return if file.mandatory {
            Err(error(format!("Mandatory file '{}' of the manifest does not exist", file.url()), 1212))
        } else {
            Ok(None)
        };
    };
    match file.length {
        Some(promised) if promised != object.length => Err(error(
            format!("The length of '{}' is {} bytes, but the manifest's content_length is {promised}", file.url(), object.length),
            8001,
        )),
        _ => Ok(Some(object)),
    }
}

async fn whole(mut object: Object) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = object.body.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}
