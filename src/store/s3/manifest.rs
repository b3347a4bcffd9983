//! COPY manifests: which part files a COPY must find, and how long each is.

use serde::Serialize;
use uuid::Uuid;

use super::S3Store;
use super::conditional::write_json;
use crate::model::{Epoch, Fault, PartFile, Seq, TableName};
use crate::store::{ChangeStore as _, ManifestFile};

#[derive(Serialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    url: String,
    /// Without it a COPY passes over a missing file in silence.
    mandatory: bool,
    meta: Meta,
}

#[derive(Serialize)]
struct Meta {
    content_length: u64,
}

impl S3Store {
    /// Keys that this program would not have made are left alone.
    pub(super) async fn list_manifests(&self, table: &TableName) -> Result<Vec<ManifestFile>, Fault> {
        let keys = self.keys.table(table)?;
        let listed = self.list(&keys.manifests(), None).await?;
        let read = |key: String| keys.manifest_range(&key).map(|(epoch, from, to)| ManifestFile { key, epoch, from, to });
        Ok(listed.into_iter().filter_map(|object| read(object.key)).collect())
    }

    pub(super) async fn write_manifest(
        &self,
        table: &TableName,
        epoch: Epoch,
        from: Seq,
        to: Seq,
        parts: &[PartFile],
    ) -> Result<String, Fault> {
        let key = self.keys.table(table)?.manifest(epoch, from, to, Uuid::new_v4());
        let entry = |part: &PartFile| Entry { url: self.url(&part.key), mandatory: true, meta: Meta { content_length: part.bytes } };
        let manifest = Manifest { entries: parts.iter().map(entry).collect() };
        fail_point!("manifest.put.before");
        self.put_object(&key, write_json(&key, &manifest)?, "application/json").await?;
        fail_point!("manifest.put.after");
        Ok(key)
    }
}
