//! Commit records (rules R1 to R4).

use bytes::Bytes;
use serde::Deserialize;

use super::S3Store;
use super::conditional::{Met, read_json, write_json};
use crate::model::fault::s3::{MISSING, UNREADABLE};
use crate::model::record::RECORD_VERSION;
use crate::model::{CommitRecord, Epoch, Fault, Seq, TableName};
use crate::store::{Attempt, RecordPut};

/// What every version of a record has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl S3Store {
    pub(super) async fn list_epochs(&self, table: &TableName) -> Result<Vec<Epoch>, Fault> {
        let keys = self.keys.table(table)?;
        let folders = self.list_folders(&keys.records()).await?;
        let mut epochs: Vec<Epoch> = folders.iter().filter_map(|folder| keys.epoch(folder)).collect();
        // Beyond epoch 9999 the order of the keys is no longer that of the numbers.
        epochs.sort_unstable();
        Ok(epochs)
    }

    /// Rule R2: an epoch without a record 0 is not one.
    pub(super) async fn newest_opened_epoch(&self, table: &TableName) -> Result<Option<Epoch>, Fault> {
        let keys = self.keys.table(table)?;
        for epoch in self.list_epochs(table).await?.into_iter().rev() {
            if self.exists(&keys.record(epoch, 0)).await? {
                return Ok(Some(epoch));
            }
        }
        Ok(None)
    }

    pub(super) async fn get_record(&self, table: &TableName, epoch: Epoch, seq: Seq) -> Result<Option<CommitRecord>, Fault> {
        let key = self.keys.table(table)?.record(epoch, seq);
        let Some((bytes, _)) = self.get_object(&key).await? else { return Ok(None) };
        let Versioned { version } = read_json(&key, &bytes)?;
        if version != RECORD_VERSION {
            return Err(Fault::new(&UNREADABLE, "a record has a version that this program does not know")
                .evidence("object", &key)
                .evidence("version", version)
                .evidence("known", RECORD_VERSION));
        }
        let record: CommitRecord = read_json(&key, &bytes)?;
        if (&record.table, record.epoch, record.seq) != (table, epoch, seq) {
            return Err(Fault::new(&UNREADABLE, "a record stands under the key of another")
                .evidence("object", &key)
                .evidence("table", &record.table)
                .evidence("epoch", record.epoch)
                .evidence("seq", record.seq));
        }
        Ok(Some(record))
    }

    pub(super) async fn list_seqs(&self, table: &TableName, epoch: Epoch, after: Option<Seq>) -> Result<Vec<Seq>, Fault> {
        let keys = self.keys.table(table)?;
        let after = after.map(|seq| keys.record(epoch, seq));
        let found = self.list(&keys.records_of(epoch), after).await?;
        let seqs = found.iter().filter_map(|object| {
            let seq = keys.seq(epoch, &object.key);
            if seq.is_none() {
                tracing::warn!(key = object.key, "an object that is not a record stands among them");
            }
            seq
        });
        Ok(seqs.collect())
    }

    /// Rules R1 and R3.
    pub(super) async fn write_record(&self, record: &CommitRecord) -> Result<RecordPut, Fault> {
        let keys = self.keys.table(&record.table)?;
        let key = keys.record(record.epoch, record.seq);
        let body = write_json(&key, record)?;
        if record.parts.is_empty() {
            let CommitRecord { epoch, seq, lsn_to, .. } = *record;
            let attempt = Attempt { table: record.table.clone(), epoch, seq, lsn_to, id: record.attempt };
            self.put_object(&keys.marker(&attempt), Bytes::new(), "application/octet-stream").await?;
        }
        fail_point!("record.put.before");
        let met = self.put_if(&key, &body, None).await?;
        fail_point!("record.put.after");
        if let Met::Done(_) = met {
            return Ok(RecordPut::Written);
        }
        match self.get_record(&record.table, record.epoch, record.seq).await? {
            Some(found) if found.attempt == record.attempt => Ok(RecordPut::Written),
            Some(found) => Ok(RecordPut::Lost(Box::new(found))),
            // It was there a moment ago. Writing now could put an old batch behind newer ones.
            None => Err(Fault::new(&MISSING, "a record that was in the way has gone").evidence("object", key)),
        }
    }

    /// One after the other: several in one request would have no order (rule R4).
    pub(super) async fn drop_records(&self, table: &TableName, epoch: Epoch, seqs: &[Seq]) -> Result<(), Fault> {
        let keys = self.keys.table(table)?;
        for seq in seqs {
            fail_point!("records.delete.before");
            self.delete_one(&keys.record(epoch, *seq)).await?;
            fail_point!("records.delete.after");
        }
        Ok(())
    }
}
