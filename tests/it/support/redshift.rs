//! The lab's Redshift and a bucket in memory that it copies from.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use db_to_redshift::lab::redshift::{self, Object, ObjectBody, ObjectSource, Redshift, RedshiftOptions, S3Access};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

pub const PASSWORD: &str = "Not-a-secret-1";

/// A bucket in memory, named `lab`.
#[derive(Default)]
pub struct Bucket(Mutex<BTreeMap<String, Bytes>>);

impl Bucket {
    pub fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        self.0.lock().unwrap().insert(key.to_owned(), Bytes::from(body.into()));
    }

    pub fn put_zstd(&self, key: &str, body: &str) {
        self.put(key, zstd::encode_all(body.as_bytes(), 1).unwrap());
    }

    /// A manifest over these keys, with their true lengths.
    pub fn put_manifest(&self, key: &str, keys: &[&str]) {
        let entries: Vec<_> = keys
            .iter()
            .map(|key| {
                let length = self.0.lock().unwrap().get(*key).map_or(0, Bytes::len);
                serde_json::json!({"url": format!("s3://lab/{key}"), "mandatory": true, "meta": {"content_length": length}})
            })
            .collect();
        self.put(key, serde_json::json!({ "entries": entries }).to_string());
    }
}

#[async_trait]
impl ObjectSource for Bucket {
    async fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<String>> {
        assert_eq!(bucket, "lab");
        Ok(self.0.lock().unwrap().keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    async fn get(&self, bucket: &str, key: &str) -> io::Result<Option<Object>> {
        assert_eq!(bucket, "lab");
        let found = self.0.lock().unwrap().get(key).cloned();
        Ok(found.map(|body| Object { length: body.len() as u64, body: Box::new(Pieces(body)) }))
    }
}

/// Gives a body out in small pieces.
struct Pieces(Bytes);

#[async_trait]
impl ObjectBody for Pieces {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let length = self.0.len().min(1000);
        Ok((length > 0).then(|| self.0.split_to(length)))
    }
}

pub struct Lab {
    pub redshift: Redshift,
    pub bucket: Arc<Bucket>,
}

pub async fn lab(tls: bool) -> Lab {
    let bucket = Arc::new(Bucket::default());
    let s3 = S3Access {
        endpoint: "http://127.0.0.1:1".to_owned(),
        access_key: "a".to_owned(),
        secret_key: "s".to_owned(),
        region: "eu-west-1".to_owned(),
    };
    let options = RedshiftOptions {
        s3,
        source: Some(bucket.clone()),
        database: "dev".to_owned(),
        user: "loader".to_owned(),
        password: PASSWORD.to_owned(),
        tls,
    };
    Lab { redshift: redshift::start(options).await.unwrap(), bucket }
}

impl Lab {
    pub async fn connect(&self) -> Client {
        let address = self.redshift.addr();
        let text = format!("host=127.0.0.1 port={} user=loader password={PASSWORD} dbname=dev sslmode=disable", address.port());
        let (client, connection) = tokio_postgres::connect(&text, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// Rows of the last statement, values as text.
pub async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

/// The one value of a query.
pub async fn one(client: &Client, sql: &str) -> String {
    let rows = rows(client, sql).await;
    assert_eq!(rows.len(), 1, "{sql}");
    rows[0][0].clone().unwrap_or_else(|| "NULL".to_owned())
}

/// The error of a statement: its SQLSTATE and message.
pub async fn error(client: &Client, sql: &str) -> (String, String) {
    let error = client.simple_query(sql).await.err().unwrap_or_else(|| panic!("{sql} succeeded"));
    let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

pub async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// What follows `COPY … FROM 's3://…'` in the tests.
pub const OPTIONS: &str = "IAM_ROLE 'arn:aws:iam::123456789012:role/lab' FORMAT AS CSV QUOTE AS '\"' DELIMITER ',' NULL AS '@null' ZSTD \
                       DATEFORMAT 'auto' TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF MAXERROR 0";
