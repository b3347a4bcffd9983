//! S3 as the change store.
//!
//! | file | what it does |
//! |---|---|
//! | `connect` | settings to a client: credentials, region, time-outs, retries |
//! | `keys` | every object key, built and read back |
//! | `objects` | get, list, delete |
//! | `conditional` | conditional PUTs and their lost answers (rule R3): records, control, leases |
//! | `records` | commit records (rules R1 to R4) |
//! | `download` | part files, read chunk by chunk |
//! | `upload` | part files, in one PUT or many |
//! | `manifest` | COPY manifests |
//! | `runs` | who ran what |
//! | `fleet` | all tables by listings alone |
//! | `sizes` | control and leases whose length tells what they hold |
//! | `bucket` | the bucket itself, and whether it honours conditions |
//! | `error` | errors of the SDK as faults |

mod bucket;
mod conditional;
mod connect;
mod download;
mod error;
mod fleet;
mod keys;
mod manifest;
mod objects;
mod records;
mod runs;
mod sizes;
mod upload;

use std::collections::BTreeMap;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use bytes::Bytes;
use jiff::civil::Date;
use uuid::Uuid;

use std::sync::Arc;

use crate::model::control::{Control, Lease, LeaseKind, RunRecord};
use crate::model::{CommitRecord, Epoch, Fault, PartFile, Seq, TableName};
use crate::store::{AppliedSeqs, Attempt, AttemptFiles, BucketFacts, ChangeStore, ETag, ManifestFile, RecordPut, StoredTable, Written};

pub use connect::SessionKeys;
pub use download::S3Download;
use keys::Keys;
pub use upload::S3Upload;

/// Told of a conditional write that is sent again: the object's key, and why.
pub type Hears = Arc<dyn Fn(&str, &Fault) + Send + Sync>;

/// The objects of one pipeline in one bucket.
#[derive(Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
    region: String,
    keys: Keys,
    credentials: SharedCredentialsProvider,
    hears: Option<Hears>,
}

impl S3Store {
    /// Whoever is told of conditional writes that are sent again.
    #[must_use]
    pub fn heard_by(self, hears: Hears) -> Self {
        Self { hears: Some(hears), ..self }
    }

    /// The region that requests go to.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }
}

impl ChangeStore for S3Store {
    type Upload = S3Upload;
    type Download = S3Download;

    fn check_table(&self, table: &TableName) -> Result<(), Fault> {
        self.keys.table(table).map(|_| ())
    }

    fn root(&self) -> String {
        self.url(self.keys.root())
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    async fn bucket(&self) -> Result<BucketFacts, Fault> {
        self.bucket_facts().await
    }

    async fn create_bucket(&self) -> Result<Vec<String>, Fault> {
        self.make_bucket().await
    }

    async fn probe(&self) -> Result<(), Fault> {
        self.probe_conditions(Uuid::new_v4()).await
    }

    async fn current_epoch(&self, table: &TableName) -> Result<Option<Epoch>, Fault> {
        self.newest_opened_epoch(table).await
    }

    async fn tables(&self) -> Result<Vec<TableName>, Fault> {
        let folders = self.list_folders(&self.keys.record_folders()).await?;
        Ok(folders.iter().filter_map(|folder| self.keys.table_of(folder)).collect())
    }

    async fn epochs(&self, table: &TableName) -> Result<Vec<Epoch>, Fault> {
        self.list_epochs(table).await
    }

    async fn record(&self, table: &TableName, epoch: Epoch, seq: Seq) -> Result<Option<CommitRecord>, Fault> {
        self.get_record(table, epoch, seq).await
    }

    async fn seqs_after(&self, table: &TableName, epoch: Epoch, after: Option<Seq>) -> Result<Vec<Seq>, Fault> {
        self.list_seqs(table, epoch, after).await
    }

    async fn head(&self, table: &TableName, epoch: Epoch, known: Seq) -> Result<Seq, Fault> {
        Ok(self.list_seqs(table, epoch, Some(known)).await?.last().copied().unwrap_or(known))
    }

    async fn put_record(&self, record: &CommitRecord) -> Result<RecordPut, Fault> {
        self.write_record(record).await
    }

    async fn delete_records(&self, table: &TableName, epoch: Epoch, seqs: &[Seq]) -> Result<(), Fault> {
        self.drop_records(table, epoch, seqs).await
    }

    async fn part(&self, attempt: &Attempt, number: u32) -> Result<S3Upload, Fault> {
        let key = self.keys.table(&attempt.table)?.part(attempt, number);
        Ok(S3Upload::new(self.client.clone(), self.bucket.clone(), key))
    }

    async fn attempts(&self, table: &TableName, epoch: Epoch) -> Result<Vec<AttemptFiles>, Fault> {
        self.list_attempts(table, epoch).await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), Fault> {
        self.delete_objects(keys).await
    }

    async fn put_manifest(&self, table: &TableName, epoch: Epoch, from: Seq, to: Seq, parts: &[PartFile]) -> Result<String, Fault> {
        self.write_manifest(table, epoch, from, to, parts).await
    }

    async fn manifests(&self, table: &TableName) -> Result<Vec<ManifestFile>, Fault> {
        self.list_manifests(table).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, Fault> {
        self.get_start(key).await
    }

    async fn fleet(&self, applied: &AppliedSeqs) -> Result<BTreeMap<TableName, StoredTable>, Fault> {
        self.list_fleet(applied).await
    }

    async fn download(&self, key: &str) -> Result<Option<S3Download>, Fault> {
        self.open_download(key).await
    }

    async fn buckets(&self) -> Result<Vec<String>, Fault> {
        self.list_buckets().await
    }

    async fn control(&self, table: &TableName) -> Result<Option<(Control, ETag)>, Fault> {
        self.get_json(&self.keys.table(table)?.control()).await
    }

    async fn put_control(&self, table: &TableName, control: &Control, expected: Option<&ETag>) -> Result<Written, Fault> {
        let key = self.keys.table(table)?.control();
        fail_point!("control.put.before");
        let written = self.swap(&key, sizes::control(&key, control)?, expected).await;
        fail_point!("control.put.after");
        written
    }

    async fn lease(&self, table: &TableName, kind: LeaseKind) -> Result<Option<(Lease, ETag)>, Fault> {
        self.get_json(&self.keys.table(table)?.lease(kind)).await
    }

    async fn put_lease(&self, table: &TableName, kind: LeaseKind, lease: &Lease, expected: Option<&ETag>) -> Result<Written, Fault> {
        let key = self.keys.table(table)?.lease(kind);
        fail_point!("lease.put.before");
        let written = self.swap(&key, sizes::lease(&key, lease)?, expected).await;
        fail_point!("lease.put.after");
        written
    }

    async fn put_run(&self, run: &RunRecord) -> Result<(), Fault> {
        self.write_run(run).await
    }

    async fn runs(&self, most: usize, known: &[RunRecord]) -> Result<Vec<RunRecord>, Fault> {
        self.newest_runs(most, known).await
    }

    async fn delete_runs(&self, before: Date) -> Result<usize, Fault> {
        self.delete_old_runs(before).await
    }
}
