//! The lab's S3 with a store on it, and records to put there.

use std::time::Duration;

use db_to_redshift::config::{S3Credentials, S3Settings, Secret};
use db_to_redshift::lab::s3::{S3Options, S3Server, start};
use db_to_redshift::model::record::{Layout, RECORD_VERSION, RowCounts};
use db_to_redshift::model::{CaptureIdentity, CommitRecord, Lsn, RecordKind, Seq, SourceIdentity, TableName, TableShape};
use db_to_redshift::store::s3::S3Store;
use uuid::Uuid;

pub const BUCKET: &str = "changes";

pub struct S3Lab {
    pub lab: S3Server,
    pub store: S3Store,
}

pub fn settings(lab: &S3Server) -> S3Settings {
    S3Settings {
        bucket: BUCKET.into(),
        prefix: "cdc".into(),
        region: Some(lab.options().region.clone()),
        endpoint_url: Some(lab.endpoint()),
        force_path_style: true,
        credentials: Some(S3Credentials {
            access_key_id: lab.options().access_key.clone(),
            secret_access_key: Secret::new(lab.options().secret_key.clone()),
            session_token: None,
        }),
        timeout: Duration::from_secs(30),
    }
}

/// With the bucket there.
pub async fn s3_lab() -> S3Lab {
    let lab = start(S3Options::default()).await.unwrap();
    lab.create_bucket(BUCKET);
    let store = S3Store::connect(&settings(&lab), "shop").await.unwrap();
    S3Lab { lab, store }
}

pub fn table() -> TableName {
    TableName::new("dbo", "Order Lines")
}

pub fn record(seq: Seq) -> CommitRecord {
    CommitRecord {
        version: RECORD_VERSION,
        kind: if seq == 0 { RecordKind::Start } else { RecordKind::Changes },
        pipeline: "shop".into(),
        table: table(),
        epoch: 1,
        seq,
        attempt: Uuid::new_v4(),
        run: Uuid::new_v4(),
        source: SourceIdentity { server: "lab".into(), database: "shop".into(), database_guid: None, recovery_fork_guid: None },
        capture: CaptureIdentity {
            instance: "dbo_orders".into(),
            object_id: 7,
            create_date: jiff::civil::date(2026, 1, 2).at(3, 4, 5, 60_000_000),
        },
        columns: TableShape::new(Vec::new()),
        column_hash: "00".into(),
        ddl_lsn: None,
        altered: None,
        lsn_from: None,
        lsn_to: Lsn::from_bytes([1; 10]),
        mapping: None,
        l0: None,
        seen: None,
        overlap_until: None,
        null_marker: "marker".into(),
        layout: Layout::Changes,
        parts: Vec::new(),
        counts: RowCounts::default(),
        trusted: false,
        created_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        tool: "test".into(),
    }
}
