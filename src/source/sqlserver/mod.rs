//! SQL Server as a source.
//!
//! Every statement stands as text next to the function that runs it.

pub mod catalog;
pub mod cdc;
pub mod cells;
pub mod changes;
pub mod columns;
pub mod connect;
mod counted;
pub mod ddl;
mod decode;
pub mod describe;
pub mod error;
pub mod fleet;
pub mod health;
pub mod instance;
pub mod key_changes;
pub mod manage;
pub mod pages;
pub mod privileges;
pub mod quote;
pub mod reread;
pub mod session;
pub mod snapshot;
pub mod times;
pub mod withheld;

use std::sync::Arc;

use jiff::civil::DateTime;

use self::pages::Stream;
use self::session::Sessions;
use super::{
    CaptureHealth, ChangesRequest, CleanUp, DdlNote, FleetFacts, MappingFacts, ProbeRange, ScanIsolation, ServerFacts, Source, SourceTable,
    TableFacts, Watermarks,
};
use crate::config::SourceSettings;
use crate::model::privilege::Lacking;
use crate::model::{CaptureIdentity, ChangeRow, Fault, Lsn, TableName, TableShape, Value};

/// Rows that one statement takes from a change table, unless told otherwise.
const PAGE_ROWS: u32 = 20_000;

/// A SQL Server database with change data capture.
pub struct SqlServer {
    sessions: Arc<Sessions>,
    page_rows: u32,
}

impl SqlServer {
    /// Connects to nothing yet.
    #[must_use]
    pub fn new(settings: SourceSettings) -> Self {
        Self { sessions: Arc::new(Sessions::new(settings)), page_rows: PAGE_ROWS }
    }

    /// Rows that one statement takes from a change table (`extract.page_rows`).
    #[must_use]
    pub fn page_rows(mut self, rows: u32) -> Self {
        self.page_rows = rows.max(1);
        self
    }
}

impl Source for SqlServer {
    type Changes = Stream<ChangeRow>;
    type Scan = Stream<Vec<Value>>;

    async fn start_up(&self) -> Result<ServerFacts, Fault> {
        catalog::start_up(&self.sessions).await
    }

    async fn tables(&self) -> Result<Vec<SourceTable>, Fault> {
        catalog::tables(&self.sessions).await
    }

    async fn describe(&self, tables: &[TableName]) -> Result<Vec<Result<TableFacts, Fault>>, Fault> {
        describe::tables(&self.sessions, tables).await
    }

    async fn lacking(&self, tables: &[TableFacts]) -> Result<Lacking, Fault> {
        privileges::lacking(&self.sessions, tables).await
    }

    async fn watermarks(&self, instances: &[String]) -> Result<Watermarks, Fault> {
        cdc::watermarks(&self.sessions, instances).await
    }

    async fn first_changes(&self, ranges: &[ProbeRange]) -> Result<Vec<Option<Lsn>>, Fault> {
        cdc::first_changes(&self.sessions, ranges).await
    }

    async fn window_end(&self, from: Lsn, max: Lsn, transactions: u32) -> Result<Lsn, Fault> {
        cdc::window_end(&self.sessions, from, max, transactions).await
    }

    async fn ddl_since(&self, capture: &CaptureIdentity, after: Lsn) -> Result<Vec<DdlNote>, Fault> {
        ddl::since(&self.sessions, capture, after).await
    }

    async fn mappings(&self, at: &[Lsn]) -> Result<Vec<MappingFacts>, Fault> {
        cdc::mappings(&self.sessions, at).await
    }

    async fn lsn_at(&self, time: DateTime) -> Result<Option<Lsn>, Fault> {
        times::lsn_at(&self.sessions, time).await
    }

    async fn changes(&self, request: &ChangesRequest) -> Result<Self::Changes, Fault> {
        changes::stream(&self.sessions, request, self.page_rows).await
    }

    async fn key_changes(&self, request: &ChangesRequest, key: &[Value], most: u32) -> Result<Vec<ChangeRow>, Fault> {
        key_changes::rows(&self.sessions, request, key, most).await
    }

    async fn scan(&self, table: &TableName, shape: &TableShape, isolation: ScanIsolation) -> Result<Self::Scan, Fault> {
        snapshot::stream(&self.sessions, table, shape, isolation).await
    }

    async fn reread(&self, table: &TableName, shape: &TableShape, keys: &[Vec<Value>]) -> Result<Self::Scan, Fault> {
        reread::stream(&self.sessions, table, shape, keys)
    }

    async fn clock(&self) -> Result<DateTime, Fault> {
        cdc::clock(&self.sessions).await
    }

    async fn health(&self) -> Result<CaptureHealth, Fault> {
        health::read(&self.sessions).await
    }

    async fn fleet(&self) -> Result<FleetFacts, Fault> {
        fleet::facts(&self.sessions).await
    }

    async fn clean_up_mark(&self, limit: Lsn) -> Result<Option<Lsn>, Fault> {
        cdc::clean_up_mark(&self.sessions, limit).await
    }

    async fn clean_up(&self, instance: &str, mark: Lsn) -> Result<CleanUp, Fault> {
        manage::clean_up(&self.sessions, instance, mark).await
    }

    async fn enable_database(&self) -> Result<(), Fault> {
        manage::enable_database(&self.sessions).await
    }

    async fn enable_table(&self, table: &TableName, role: Option<&str>) -> Result<(), Fault> {
        manage::enable_table(&self.sessions, table, role).await
    }

    async fn add_instance(&self, table: &TableName, newest: &CaptureIdentity, columns: Option<&[String]>) -> Result<String, Fault> {
        instance::add(&self.sessions, table, newest, columns).await
    }
}
