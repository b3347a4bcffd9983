//! Amazon Redshift as the target.
//!
//! Derived from PostgreSQL 8, and not PostgreSQL: no RETURNING, no ON CONFLICT, no `E'…'`, a
//! backslash escapes in literals, keys are not enforced, TRUNCATE commits. All statements are
//! simple queries, one a call. The SQL stands in builders beside the functions that run it.

mod adopt;
mod apply;
mod canonical;
mod catalogue;
mod collation;
pub mod connect;
mod copy;
mod ddl;
mod declared;
mod delsert;
mod epoch;
mod error;
mod hidden;
mod kept;
mod load_errors;
mod loader;
mod locked;
mod log;
mod maintenance;
mod names;
mod prepare;
mod privileges;
mod production;
mod quote;
mod reading;
mod repair;
mod sample;
mod script;
mod shapes;
mod skip;
mod stage;
mod state;
mod state_row;
mod tls;
mod types;
mod widths;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    ColumnPlan, ColumnWidth, DeclaredColumns, Held, KeyRows, LoadError, LogLine, NewColumns, NextLoad, Prepared, Refused, SqlTransaction,
    StagedSample, Target, TargetFacts, TargetFleet, TargetNames, Widening,
};
use crate::config::{RedshiftSettings, Tls};
use crate::model::fault::rs;
use crate::model::privilege::Lacking;
use crate::model::state::StreamIdentity;
use crate::model::{Column, Fault, TableName, TableShape, TargetState, Value};
use connect::Session;
use loader::Shared;
use names::Names;

pub use copy::{CopyAccess, CopyAccessSource, CopyLogin};
pub use load_errors::meaning as load_error_meaning;
pub use loader::RedshiftLoader;
pub use reading::RedshiftRows;

/// A Redshift database. Every call opens a connection of its own.
#[derive(Clone, Debug)]
pub struct Redshift {
    shared: Arc<Shared>,
}

impl Redshift {
    #[must_use]
    pub fn new(settings: RedshiftSettings, access: impl CopyAccessSource + 'static) -> Self {
        Self { shared: Arc::new(Shared { settings, access: Box::new(access) }) }
    }

    fn settings(&self) -> &RedshiftSettings {
        &self.shared.settings
    }
}

impl Target for Redshift {
    type Loader = RedshiftLoader;
    type Rows = RedshiftRows;

    async fn start_up(&self) -> Result<TargetFacts, Fault> {
        let mut session = Session::open(self.settings()).await?;
        let answer = session.run("read version", "SELECT VERSION()").await?;
        let version = answer.text().unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        let answer = session.run("read user", "SELECT CURRENT_USER, CURRENT_DATABASE()").await?;
        let text = |at: usize| answer.rows.first().and_then(|row| row.get(at).cloned().flatten()).unwrap_or_default();
        let (user, database) = (text(0), text(1));
        let mut schemas = Vec::new();
        for (_, schema) in prepare::schemas(self.settings()) {
            let exists = catalogue::schema_exists(&mut session, &schema).await?;
            schemas.push((schema, exists));
        }
        Ok(TargetFacts { version, user, database, schemas, encrypted: self.settings().tls != Tls::Off })
    }

    fn names(&self, table: &TableName) -> TargetNames {
        Names::new(self.settings(), table).quoted()
    }

    fn byte_limit(&self, column: &Column) -> Option<u32> {
        types::byte_limit(column)
    }

    fn check_shapes(&self, tables: &[(TableName, TableShape)]) -> Vec<Refused> {
        shapes::check(self.settings(), tables)
    }

    async fn check_collations(&self, tables: &[(TableName, TableShape)]) -> Result<Vec<Fault>, Fault> {
        collation::check_all(self.settings(), tables).await
    }

    async fn check_hidden(&self, tables: &[TableName]) -> Result<Vec<(TableName, Fault)>, Fault> {
        hidden::check_all(self.settings(), tables).await
    }

    async fn check_production(&self, tables: &[(TableName, TableShape)]) -> Result<Vec<(TableName, Fault)>, Fault> {
        production::check_all(self.settings(), tables).await
    }

    async fn lacking(&self, tables: &[TableName]) -> Result<Lacking, Fault> {
        privileges::lacking(self.settings(), tables).await
    }

    async fn prepare(
        &self,
        table: &TableName,
        shape: &TableShape,
        identity: &StreamIdentity,
        new_columns: NewColumns,
    ) -> Result<Prepared, Fault> {
        prepare::run(&prepare::Job { settings: self.settings(), table, shape, identity, new_columns }).await
    }

    async fn state(&self, table: &TableName) -> Result<Option<TargetState>, Fault> {
        let names = Names::new(self.settings(), table);
        let mut session = Session::open(self.settings()).await?;
        if catalogue::oid(&mut session, &names.state).await?.is_none() {
            return Ok(None);
        }
        // A load holds the state's lock while it works, and readers wait for it.
        session.set_limit(self.settings().lock_timeout).await?;
        match session.run("read state", &state::select(&names.state)).await {
            Ok(answer) => state::read(&names, &answer.rows).map(|row| Some(row.state)),
            Err(error) if error.kind() == Some(error::Kind::Cancelled) => {
                let fault = Fault::new(&rs::LOCKED, format!("{} stayed locked", names.state.sql())).evidence("state", names.state.sql());
                Err(locked::name_holder(fault, self.settings(), &names).await)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn fleet(&self, pipeline: &str) -> Result<TargetFleet, Fault> {
        let mut session = Session::open(self.settings()).await?;
        let log = names::log(self.settings());
        let mut tables = BTreeSet::new();
        for (_, schema) in prepare::schemas(self.settings()) {
            let found = catalogue::tables_of(&mut session, &schema).await?;
            tables.extend(found.iter().map(|name| quote::qualified(&schema, name)));
        }
        let logged = if tables.contains(&log.sql()) { log::states(&mut session, &log, pipeline).await? } else { BTreeMap::new() };
        Ok(TargetFleet { logged, tables })
    }

    async fn production_rows(&self, table: &TableName) -> Result<Option<u64>, Fault> {
        let mut session = Session::open(self.settings()).await?;
        let production = Names::new(self.settings(), table).production;
        if catalogue::oid(&mut session, &production).await?.is_none() {
            return Ok(None);
        }
        maintenance::rows(&mut session, &production).await.map(Some)
    }

    async fn row_counts(&self, table: &TableName) -> Result<(u64, u64), Fault> {
        let mut session = Session::open(self.settings()).await?;
        maintenance::row_counts(&mut session, &Names::new(self.settings(), table)).await
    }

    async fn log(&self, pipeline: &str, table: Option<&TableName>, most: usize) -> Result<Vec<LogLine>, Fault> {
        let mut session = Session::open(self.settings()).await?;
        let log = names::log(self.settings());
        if catalogue::oid(&mut session, &log).await?.is_none() {
            return Ok(Vec::new());
        }
        log::read(&mut session, &log, pipeline, table, most).await
    }

    async fn loader(&self, table: &TableName) -> Result<RedshiftLoader, Fault> {
        let session = Session::open(self.settings()).await?;
        Ok(RedshiftLoader::new(Arc::clone(&self.shared), table, session))
    }

    fn hold(&self, column: &Column, value: &Value) -> Held {
        canonical::of_value(column, value)
    }

    fn hold_text(&self, column: &Column, text: Option<&str>) -> Held {
        canonical::of_text(column, text)
    }

    async fn production(&self, table: &TableName, columns: &TableShape) -> Result<RedshiftRows, Fault> {
        reading::production(self.settings(), &Names::new(self.settings(), table), columns).await
    }

    async fn rows_of_key(&self, table: &TableName, shape: &TableShape, key: &[Held]) -> Result<KeyRows, Fault> {
        reading::rows_of_key(self.settings(), &Names::new(self.settings(), table), shape, key).await
    }

    async fn duplicate_keys(&self, table: &TableName, shape: &TableShape) -> Result<u64, Fault> {
        reading::duplicate_keys(self.settings(), &Names::new(self.settings(), table), shape).await
    }

    async fn widths(&self, table: &TableName, shape: &TableShape) -> Result<Vec<ColumnWidth>, Fault> {
        widths::read(self.settings(), &Names::new(self.settings(), table), table, shape).await
    }

    async fn oids(&self, table: &TableName) -> Result<(Option<u32>, Option<u32>), Fault> {
        let names = Names::new(self.settings(), table);
        let mut session = Session::open(self.settings()).await?;
        Ok((catalogue::oid(&mut session, &names.production).await?, catalogue::oid(&mut session, &names.staging).await?))
    }

    fn widen_sql(&self, table: &TableName, widening: &Widening) -> Vec<String> {
        repair::widen_sql(&Names::new(self.settings(), table), widening)
    }

    async fn load_errors(&self, root: &str, most: usize, values: bool) -> Result<Vec<LoadError>, Fault> {
        load_errors::list(self.settings(), root, most, values).await
    }

    async fn analyze(&self, table: &TableName) -> Result<(), Fault> {
        repair::analyze(self.settings(), &Names::new(self.settings(), table)).await
    }

    async fn vacuum(&self, table: &TableName) -> Result<(), Fault> {
        repair::vacuum(self.settings(), &Names::new(self.settings(), table)).await
    }

    async fn staged_rows(&self, table: &TableName, shape: &TableShape, most: usize, values: bool) -> Result<StagedSample, Fault> {
        sample::read(self.settings(), &Names::new(self.settings(), table), shape, most, values).await
    }

    fn plan_column(&self, column: &Column) -> ColumnPlan {
        declared::plan(column)
    }

    async fn declared(&self, table: &TableName, columns: &[Column]) -> Result<DeclaredColumns, Fault> {
        declared::read(self.settings(), &Names::new(self.settings(), table), columns).await
    }

    async fn load_script(&self, table: &TableName, state: &TargetState, next: &NextLoad) -> Result<Vec<SqlTransaction>, Fault> {
        let access = self.shared.access.access().await?;
        script::of(&Names::new(self.settings(), table), table, state, next, &access)
    }
}
