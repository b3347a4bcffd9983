//! The lab's Redshift and S3 with the target on them, and rows to load.

use std::time::Duration;

use db_to_redshift::config::{RedshiftSettings, Secret, Tls};
use db_to_redshift::encode::{BatchWriter, RowFormat};
use db_to_redshift::lab::redshift::{Redshift as Lab, RedshiftOptions, S3Access};
use db_to_redshift::model::record::Layout;
use db_to_redshift::model::state::StreamIdentity;
use db_to_redshift::model::{
    CaptureIdentity, Epoch, Keep, Lsn, Seq, SourceIdentity, SqlType, StagedOp, StagedRow, TableName, TableShape, Value,
};
use db_to_redshift::store::{Attempt, ChangeStore, PartUpload};
use db_to_redshift::target::redshift::{CopyAccess, CopyLogin, Redshift, RedshiftLoader};
use db_to_redshift::target::{Applied, ApplyOutcome, BatchRows, LoadRange, Loader, NewColumns, OpenEpoch, OpenLoad, Target};
use tokio_postgres::{NoTls, SimpleQueryMessage};
use uuid::Uuid;

use super::column::column;
use super::store::{S3Lab, s3_lab};

pub const MARKER: &str = "0b54e1d2-null";

pub struct TargetLab {
    pub lab: Lab,
    pub s3: S3Lab,
    pub target: Redshift,
}

pub async fn target_lab() -> TargetLab {
    target_lab_with(false).await
}

pub async fn target_lab_with(tls: bool) -> TargetLab {
    let s3 = s3_lab().await;
    let options = s3.lab.options();
    let access = S3Access {
        endpoint: s3.lab.endpoint(),
        access_key: options.access_key.clone(),
        secret_key: options.secret_key.clone(),
        region: options.region.clone(),
    };
    let options =
        RedshiftOptions { s3: access, source: None, database: "dev".into(), user: "loader".into(), password: "lab password".into(), tls };
    let lab = db_to_redshift::lab::redshift::start(options).await.unwrap();
    let target = Redshift::new(settings(&lab), role());
    TargetLab { lab, s3, target }
}

pub fn role() -> CopyAccess {
    CopyAccess { login: CopyLogin::Role("arn:aws:iam::123456789012:role/copy".into()), region: None }
}

pub fn settings(lab: &Lab) -> RedshiftSettings {
    RedshiftSettings {
        host: lab.addr().ip().to_string(),
        port: lab.addr().port(),
        database: "dev".into(),
        user: "loader".into(),
        password: Secret::new("lab password"),
        tls: Tls::Off,
        copy_role: None,
        target_schema: "Shop".into(),
        staging_schema: "staging".into(),
        control_schema: "d2r".into(),
        timeout: Duration::from_mins(1),
        lock_timeout: Duration::from_secs(20),
    }
}

/// A client of its own, which shares nothing with the code under test.
pub struct Sql(tokio_postgres::Client);

impl Sql {
    /// Rows as text; NULL as `~`.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let messages = self.0.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let mut rows = Vec::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push((0..row.len()).map(|at| row.get(at).unwrap_or("~").trim_end().to_owned()).collect());
            }
        }
        rows
    }

    /// The first value.
    pub async fn one(&self, sql: &str) -> String {
        self.rows(sql).await[0][0].clone()
    }
}

impl TargetLab {
    pub async fn sql(&self) -> Sql {
        let (client, connection) = tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(self.lab.addr().port())
            .user("loader")
            .password("lab password")
            .dbname("dev")
            .ssl_mode(tokio_postgres::config::SslMode::Disable)
            .connect(NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        Sql(client)
    }

    /// Uploads rows as part files, one for each batch, and the manifest over them.
    pub async fn upload(&self, epoch: Epoch, layout: Layout, batches: &[(Seq, Vec<StagedRow>)]) -> Option<String> {
        self.upload_of(&table(), &shape(), epoch, layout, batches).await
    }

    pub async fn upload_of(
        &self,
        table: &TableName,
        shape: &TableShape,
        epoch: Epoch,
        layout: Layout,
        batches: &[(Seq, Vec<StagedRow>)],
    ) -> Option<String> {
        let store = &self.s3.store;
        let mut parts = Vec::new();
        for (seq, rows) in batches.iter().filter(|(_, rows)| !rows.is_empty()) {
            let mut writer = BatchWriter::new(RowFormat::new(shape, layout, MARKER, *seq).unwrap(), u64::MAX, 3);
            for row in rows {
                writer.push(row).unwrap();
            }
            let attempt = Attempt { table: table.clone(), epoch, seq: *seq, lsn_to: lsn(*seq), id: Uuid::new_v4() };
            let mut upload = store.part(&attempt, 1).await.unwrap();
            let end = writer.finish_part().unwrap();
            upload.write(end.rest).await.unwrap();
            parts.push(upload.finish(end.rows).await.unwrap());
        }
        if parts.is_empty() {
            return None;
        }
        let (from, to) = (batches[0].0, batches[batches.len() - 1].0);
        let key = store.put_manifest(table, epoch, from, to, &parts).await.unwrap();
        Some(store.url(&key))
    }

    /// A range of uploaded batches that follows the LSNs of [`lsn`].
    pub async fn range(&self, epoch: Epoch, fence: i64, batches: &[(Seq, Vec<StagedRow>)]) -> LoadRange {
        let (from, to) = (batches[0].0, batches[batches.len() - 1].0);
        LoadRange {
            identity: identity(),
            epoch,
            from,
            to,
            lsn_from: lsn(from - 1).next(),
            lsn_to: lsn(to),
            batches: batches.iter().map(|(seq, rows)| BatchRows { seq: *seq, rows: rows.len() as u64 }).collect(),
            shape: shape(),
            null_marker: MARKER.into(),
            manifest_url: self.upload(epoch, Layout::Changes, batches).await,
            fence,
        }
    }

    /// Prepares the table, opens epoch 1 as `start`; returns a loader with its fence.
    pub async fn started(&self) -> (RedshiftLoader, i64) {
        self.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
        let mut loader = self.target.loader(&table()).await.unwrap();
        let fence = loader.raise_fence(&identity()).await.unwrap().fence;
        loader.open_epoch(&open(1, fence, OpenLoad::Start { trusted: false }, 0)).await.unwrap();
        (loader, fence)
    }

    /// Stages and applies batches of epoch 1.
    pub async fn load(&self, loader: &mut RedshiftLoader, fence: i64, batches: &[(Seq, Vec<StagedRow>)]) -> Applied {
        let range = self.range(1, fence, batches).await;
        loader.stage(&range).await.unwrap();
        match loader.apply(&range).await.unwrap() {
            ApplyOutcome::Applied(applied) => applied,
            ApplyOutcome::StagingEmptied => panic!("staging was emptied"),
        }
    }

    /// Production as `id, customer, notes, scan in hex`, by id.
    pub async fn production(&self) -> Vec<Vec<String>> {
        self.sql().await.rows(r#"SELECT "id", "customer", "notes", TO_HEX("scan") FROM "shop"."orders" ORDER BY "id""#).await
    }
}

pub fn open(epoch: Epoch, fence: i64, load: OpenLoad, rows: u64) -> OpenEpoch {
    OpenEpoch {
        identity: identity(),
        epoch,
        lsn_to: lsn(0),
        capture: CaptureIdentity {
            instance: "dbo_Orders".into(),
            object_id: 7,
            create_date: jiff::civil::date(2026, 1, 2).at(3, 4, 5, 60_000_000),
        },
        shape: shape(),
        column_hash: shape().hash(),
        null_marker: MARKER.into(),
        rows,
        load,
        fence,
    }
}

/// `lsn_to` of a record.
pub fn lsn(seq: Seq) -> Lsn {
    format!("{:020x}", 0x1000 + seq * 16).parse().unwrap()
}

pub fn table() -> TableName {
    TableName::new("dbo", "Orders")
}

pub fn identity() -> StreamIdentity {
    let source =
        SourceIdentity { server: "SQL1".into(), database: "shop".into(), database_guid: Some("a-guid".into()), recovery_fork_guid: None };
    StreamIdentity { pipeline: "main".into(), source, root: "s3://changes/cdc/v1/shop/".into() }
}

/// `Id int` (key), `Customer nvarchar(20)`, `Notes nvarchar(max)`, `Scan varbinary(max)`.
pub fn shape() -> TableShape {
    TableShape::new(vec![
        column("Id", 1, SqlType::Int, Some(1)),
        column("Customer", 2, SqlType::NVarChar { length: 20 }, None),
        column("Notes", 3, SqlType::NVarCharMax, None),
        column("Scan", 4, SqlType::VarBinaryMax, None),
    ])
}

/// An upsert with a value, or the flag, of each large column.
pub fn upsert(order: i64, id: i64, customer: &str, notes: Result<&str, Keep>, scan: Result<&[u8], Keep>) -> StagedRow {
    let value = |value: Result<Value, Keep>| match value {
        Ok(value) => (value, Keep::Value),
        Err(keep) => (Value::Null, keep),
    };
    let (notes, notes_keep) = value(notes.map(|text| Value::Text(text.into())));
    let (scan, scan_keep) = value(scan.map(|bytes| Value::Bytes(bytes.into())));
    let values = vec![Value::Int(id), Value::Text(customer.into()), notes, scan];
    StagedRow { op: StagedOp::Upsert, order, values, keep: vec![notes_keep, scan_keep] }
}

/// An upsert with values in both large columns.
pub fn full(order: i64, id: i64, customer: &str, notes: &str) -> StagedRow {
    upsert(order, id, customer, Ok(notes), Ok(&[0xab]))
}

pub fn delete(order: i64, id: i64) -> StagedRow {
    let values = vec![Value::Int(id), Value::Null, Value::Null, Value::Null];
    StagedRow { op: StagedOp::Delete, order, values, keep: vec![Keep::Value; 2] }
}
