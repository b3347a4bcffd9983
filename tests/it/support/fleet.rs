//! A fleet of any number of tables on the whole lab, each in a state that its number decides, put
//! there without running a job on each.

use std::sync::Arc;

use bytes::Bytes;
use db_to_redshift::cli::connect::LiveEngine;
use db_to_redshift::engine::prepare::{OpenMode, PrepareOptions};
use db_to_redshift::lab::sqlserver::cdc::GeneratedRow;
use db_to_redshift::lab::sqlserver::types::Datum;
use db_to_redshift::model::control::{Control, Lease, LeaseKind, Paused};
use db_to_redshift::model::{CommitRecord, Lsn, RecordKind, TableName};
use db_to_redshift::source::{FleetTable, Source};
use db_to_redshift::store::{Attempt, ChangeStore, PartUpload};
use db_to_redshift::target::Target;
use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::lab;
use super::pipeline::Pipeline;
use super::rig::done;
use super::store::record;

const SCHEMA: &str = "fleet";

/// What a table's number decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Current,
    /// Record 1 waits, in one part file of 100 bytes.
    Pending,
    /// Record 1 is loaded, and its part file is kept.
    Kept,
    /// A part file without a record, under a lease that is held.
    Writing,
    Paused,
}

pub fn state(number: usize) -> State {
    match number % 10 {
        3 => State::Pending,
        5 => State::Kept,
        7 => State::Writing,
        8 => State::Paused,
        _ => State::Current,
    }
}

/// What the servers saw, and when.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Requests {
    /// Round trips to SQL Server, without logins.
    pub sql: u64,
    pub list: usize,
    /// Reads of objects, by GET or HEAD.
    pub read: usize,
    pub other: usize,
    /// Statements to Redshift.
    pub redshift: u64,
}

pub fn requests(pipeline: &Pipeline) -> Requests {
    let all = pipeline.lab.s3.requests().all();
    let count = |wanted: &[&str]| all.iter().filter(|request| wanted.contains(&request.operation.as_str())).count();
    let (list, read) = (count(&["ListObjectsV2"]), count(&["GetObject", "HeadObject"]));
    Requests {
        sql: pipeline.lab.sqlserver.faults().requests(),
        list,
        read,
        other: all.len() - list - read,
        redshift: pipeline.lab.redshift.statements(),
    }
}

/// What lies between two counts.
pub fn between(before: &Requests, after: &Requests) -> Requests {
    Requests {
        sql: after.sql - before.sql,
        list: after.list - before.list,
        read: after.read - before.read,
        other: after.other - before.other,
        redshift: after.redshift - before.redshift,
    }
}

/// A lab with so many tracked tables in their states, in the order of their numbers. The last one
/// has a change that waits to be extracted.
pub async fn fleet(count: usize) -> (Pipeline, Vec<TableName>) {
    let pipeline = Pipeline::start(["SELECT 1;"]).await;
    let database = pipeline.lab.options().source_database.clone();
    pipeline.lab.sqlserver.cdc.track_many(&database, SCHEMA, count).unwrap();
    pipeline.capture();
    let engine = pipeline.engine().await;
    let facts = engine.source.fleet().await.unwrap();
    let max = facts.newest.unwrap().lsn;
    let tables: Vec<TableName> = facts.tables.iter().map(|table| table.name.clone()).collect();
    // One by the program's own hand: it makes the schemas and the log.
    done(engine.prepare(&tables[..1], PrepareOptions { mode: OpenMode::Start, ..PrepareOptions::default() }).await);
    done(engine.load(&tables[..1]).await);
    stream::iter(facts.tables.iter().enumerate().skip(1))
        .for_each_concurrent(16, |(number, table)| store_table(&engine, number, table, max))
        .await;
    log_tables(&pipeline, &engine, &facts.tables, max).await;
    let row = GeneratedRow { operation: 2, values: vec![Datum::Int(1), Datum::Int(1)], commits: true };
    let last = &facts.tables[count - 1].instances[0].identity.instance;
    pipeline.lab.sqlserver.cdc.fill_change_table(&database, last, std::iter::once(row)).unwrap();
    (pipeline, tables)
}

async fn store_table(engine: &Arc<LiveEngine>, number: usize, table: &FleetTable, max: Lsn) {
    let record_of = |seq| CommitRecord {
        kind: if seq == 0 { RecordKind::Start } else { RecordKind::Changes },
        pipeline: engine.settings.pipeline.clone(),
        table: table.name.clone(),
        capture: table.instances[0].identity.clone(),
        lsn_to: max,
        ..record(seq)
    };
    let store = &engine.store;
    store.put_record(&record_of(0)).await.unwrap();
    let state = state(number);
    if matches!(state, State::Pending | State::Kept | State::Writing) {
        let mut record = record_of(1);
        let attempt = Attempt { table: table.name.clone(), epoch: 1, seq: 1, lsn_to: max, id: record.attempt };
        let mut upload = store.part(&attempt, 1).await.unwrap();
        upload.write(Bytes::from(vec![0; 100])).await.unwrap();
        record.parts = vec![upload.finish(1).await.unwrap()];
        if state != State::Writing {
            store.put_record(&record).await.unwrap();
        }
    }
    let holder = (state == State::Writing).then(|| engine.run.holder.clone());
    let lease = Lease { holder, beat: 1, at: Timestamp::now(), failed: None };
    store.put_lease(&table.name, LeaseKind::Extract, &lease, None).await.unwrap();
    let paused = (state == State::Paused).then(|| Paused { by: "ops".into(), why: "a test".into(), since: Timestamp::now() });
    store.put_control(&table.name, &Control { paused, intent: None }, None).await.unwrap();
}

/// The tables of the target, and the lines of the log that loads would have written.
async fn log_tables(pipeline: &Pipeline, engine: &Arc<LiveEngine>, tables: &[FleetTable], max: Lsn) {
    let client = lab::redshift(&pipeline.lab).await;
    let numbered: Vec<_> = tables.iter().enumerate().skip(1).collect();
    for chunk in numbered.chunks(250) {
        let names = chunk.iter().map(|(_, table)| engine.target.names(&table.name));
        let tables = names.flat_map(|names| [names.production, names.staging, names.state]);
        let tables = tables.map(|table| format!("CREATE TABLE {table} (\"epoch\" INTEGER)"));
        client.simple_query(&tables.collect::<Vec<_>>().join(";\n")).await.unwrap();
        let lines = chunk.iter().flat_map(|(number, table)| {
            let line = |event: &str, seq| {
                format!(
                    "('{}', '{}', '{event}', 1, {seq}, {seq}, '{max}', 0, 0, 0, '{}', GETDATE(), '{}', NULL)",
                    engine.settings.pipeline, table.name, engine.run.id, table.instances[0].identity.instance
                )
            };
            let applied = (state(*number) == State::Kept).then(|| line("applied", 1));
            std::iter::once(line("start", 0)).chain(applied)
        });
        let control = &engine.settings.redshift.control_schema;
        let insert = format!("INSERT INTO \"{control}\".\"batch_log\" VALUES {}", lines.collect::<Vec<_>>().join(", "));
        client.simple_query(&insert).await.unwrap();
    }
}
