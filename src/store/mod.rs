//! The store machine: change files, commit records and the small control objects.
//!
//! [`ChangeStore`] names what the protocol needs from an object store (rules R1 to R5 and
//! section 5). S3 is the one implementation ([`s3`]).

mod fleet;
pub mod s3;

use std::collections::BTreeMap;
use std::future::Future;

use bytes::Bytes;
use jiff::civil::Date;
use uuid::Uuid;

pub use self::fleet::{AppliedSeqs, Files, JobFailed, StoredTable};
use crate::model::control::{Control, Lease, LeaseKind, RunRecord};
use crate::model::{CommitRecord, Epoch, Fault, Lsn, PartFile, Seq, TableName};

/// An object's version for conditional writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ETag(pub String);

/// How a conditional write ended. An answer that was lost is retried inside the store until it
/// is known (rule R3), or is a fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    /// Ours stands there, with this version.
    Done(ETag),
    /// The condition failed: somebody else wrote first.
    Lost,
}

/// How the PUT of a record ended (rule R3).
#[derive(Clone, PartialEq, Debug)]
pub enum RecordPut {
    /// Our record stands there.
    Written,
    /// A record of another attempt stands there: it won.
    Lost(Box<CommitRecord>),
}

/// Where a batch's part files go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    pub table: TableName,
    pub epoch: Epoch,
    pub seq: Seq,
    /// `lsn_to` of the record to come: listings show it, so that nobody reads the record for it.
    pub lsn_to: Lsn,
    pub id: Uuid,
}

/// A part file that no record may name yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptFiles {
    pub attempt: Attempt,
    pub keys: Vec<String>,
    pub bytes: u64,
}

/// A COPY manifest that was written for a range of batches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestFile {
    pub key: String,
    pub epoch: Epoch,
    pub from: Seq,
    pub to: Seq,
}

/// What `check` and `prepare` learn about the bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BucketFacts {
    pub exists: bool,
    /// All four public access blocks; `None` where the store does not say.
    pub public_access_blocked: Option<bool>,
    /// A lifecycle rule ends incomplete multipart uploads; `None` where the store does not say.
    pub aborts_incomplete_uploads: Option<bool>,
}

/// An upload of one part file. Dropping it before [`PartUpload::finish`] leaves nothing that a
/// record names.
pub trait PartUpload: Send {
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Completes the object. `rows` goes into the record; size and hash are counted here.
    fn finish(self, rows: u64) -> impl Future<Output = Result<PartFile, Fault>> + Send;
}

/// A part file read chunk by chunk.
pub trait PartDownload: Send {
    /// The next bytes; `None` at the end.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, Fault>> + Send;
}

/// An object store with conditional writes.
pub trait ChangeStore: Send + Sync + 'static {
    type Upload: PartUpload;
    type Download: PartDownload;

    /// `s3://bucket/prefix/v1/pipeline/`: part of a stream's identity.
    fn root(&self) -> String;

    /// Refuses a table whose keys would be too long. Makes no request.
    fn check_table(&self, table: &TableName) -> Result<(), Fault>;

    /// The URL of a key, as a COPY manifest names it.
    fn url(&self, key: &str) -> String;

    fn bucket(&self) -> impl Future<Output = Result<BucketFacts, Fault>> + Send;

    /// Creates the bucket when it is missing: private, public access blocked, incomplete uploads
    /// ended by a lifecycle rule. Says in plain words what it did and what the store refused.
    fn create_bucket(&self) -> impl Future<Output = Result<Vec<String>, Fault>> + Send;

    /// Proves that the store honours `If-None-Match` and `If-Match` by writing a probe twice, and
    /// that this login may put, get, list and delete. A store that does not is a fault.
    fn probe(&self) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Every table that has records, in no order: what a load works on without the source.
    fn tables(&self) -> impl Future<Output = Result<Vec<TableName>, Fault>> + Send;

    /// The newest epoch that has a record 0 (rule R2).
    fn current_epoch(&self, table: &TableName) -> impl Future<Output = Result<Option<Epoch>, Fault>> + Send;

    /// All epochs with anything of records under them, ascending.
    fn epochs(&self, table: &TableName) -> impl Future<Output = Result<Vec<Epoch>, Fault>> + Send;

    fn record(&self, table: &TableName, epoch: Epoch, seq: Seq) -> impl Future<Output = Result<Option<CommitRecord>, Fault>> + Send;

    /// Seqs of the records of an epoch above `after` (all of them for `None`), ascending.
    fn seqs_after(&self, table: &TableName, epoch: Epoch, after: Option<Seq>) -> impl Future<Output = Result<Vec<Seq>, Fault>> + Send;

    /// The seq of the newest record: the last key of a listing that starts after `known`, a seq
    /// that is surely there (rule R4).
    fn head(&self, table: &TableName, epoch: Epoch, known: Seq) -> impl Future<Output = Result<Seq, Fault>> + Send;

    /// Writes a record with `If-None-Match: *` (rules R1 and R3). One without part files gets an
    /// empty marker among them first, so that [`Self::fleet`] sees it.
    fn put_record(&self, record: &CommitRecord) -> impl Future<Output = Result<RecordPut, Fault>> + Send;

    /// Deletes records in the order given (rule R4 chooses which and in which order).
    fn delete_records(&self, table: &TableName, epoch: Epoch, seqs: &[Seq]) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Opens part file `number` (from 1) of an attempt.
    fn part(&self, attempt: &Attempt, number: u32) -> impl Future<Output = Result<Self::Upload, Fault>> + Send;

    /// The part files of an epoch, by attempt, ascending by seq; markers of records without files
    /// count among them.
    fn attempts(&self, table: &TableName, epoch: Epoch) -> impl Future<Output = Result<Vec<AttemptFiles>, Fault>> + Send;

    /// Deletes objects; a key that is not there counts as deleted.
    fn delete(&self, keys: &[String]) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Writes a COPY manifest for a range of batches (mandatory entries with their lengths) and
    /// returns its key.
    fn put_manifest(
        &self,
        table: &TableName,
        epoch: Epoch,
        from: Seq,
        to: Seq,
        parts: &[PartFile],
    ) -> impl Future<Output = Result<String, Fault>> + Send;

    /// The COPY manifests of a table, of all epochs.
    fn manifests(&self, table: &TableName) -> impl Future<Output = Result<Vec<ManifestFile>, Fault>> + Send;

    /// The first bytes of a part file, decompressed by the caller: for previews.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>, Fault>> + Send;

    /// Every table that has anything in the store, by listings alone: no object is read. One listing
    /// of all tables for records' folders, part files, control and leases each, and one listing
    /// more for a table with attempts above `applied`, or without an entry there. What it says of
    /// records is exact; an object that is written meanwhile may show or not.
    fn fleet(&self, applied: &AppliedSeqs) -> impl Future<Output = Result<BTreeMap<TableName, StoredTable>, Fault>> + Send;
    /// Opens a part file for reading; `None` when it is not there.
    fn download(&self, key: &str) -> impl Future<Output = Result<Option<Self::Download>, Fault>> + Send;

    /// Every bucket that this login may list, by name. The configured one may be used without
    /// being listed.
    fn buckets(&self) -> impl Future<Output = Result<Vec<String>, Fault>> + Send;

    fn control(&self, table: &TableName) -> impl Future<Output = Result<Option<(Control, ETag)>, Fault>> + Send;

    /// `None` writes only where nothing stands (`If-None-Match: *`), else `If-Match`. Every write
    /// has an ETag of its own, even one that restores what stood there before.
    fn put_control(
        &self,
        table: &TableName,
        control: &Control,
        expected: Option<&ETag>,
    ) -> impl Future<Output = Result<Written, Fault>> + Send;

    fn lease(&self, table: &TableName, kind: LeaseKind) -> impl Future<Output = Result<Option<(Lease, ETag)>, Fault>> + Send;

    fn put_lease(
        &self,
        table: &TableName,
        kind: LeaseKind,
        lease: &Lease,
        expected: Option<&ETag>,
    ) -> impl Future<Output = Result<Written, Fault>> + Send;

    fn put_run(&self, run: &RunRecord) -> impl Future<Output = Result<(), Fault>> + Send;

    /// The newest runs, newest first: at most so many, and fewer where they tell of very many tables.
    /// A run among `known` that has ended is taken from there: it never changes.
    fn runs(&self, most: usize, known: &[RunRecord]) -> impl Future<Output = Result<Vec<RunRecord>, Fault>> + Send;

    /// Deletes the runs that began before a day (UTC); says how many. One listing where there are
    /// none.
    fn delete_runs(&self, before: Date) -> impl Future<Output = Result<usize, Fault>> + Send;
}
