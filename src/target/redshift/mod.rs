//! Amazon Redshift as the target.
//!
//! Derived from PostgreSQL 8, and not PostgreSQL: no RETURNING, no ON CONFLICT, no `E'…'`, a
//! backslash escapes in literals, keys are not enforced, TRUNCATE commits. All statements are
//! simple queries, one a call. The SQL stands in builders beside the functions that run it.

mod adopt;
mod apply;
mod catalogue;
mod connect;
mod copy;
mod ddl;
mod delsert;
mod epoch;
mod error;
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
mod shapes;
mod skip;
mod stage;
mod state;
mod state_row;
mod tls;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{LogLine, Prepared, Target, TargetFacts, TargetFleet, TargetNames};
use crate::config::{RedshiftSettings, Tls};
use crate::model::fault::rs;
use crate::model::privilege::Lacking;
use crate::model::state::StreamIdentity;
use crate::model::{Fault, TableName, TableShape, TargetState};
use connect::Session;
use loader::Shared;
use names::Names;

pub use copy::{CopyAccess, CopyAccessSource, CopyLogin};
pub use loader::RedshiftLoader;

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

    fn check_shapes(&self, tables: &[(TableName, TableShape)]) -> Vec<Fault> {
        shapes::check(self.settings(), tables)
    }

    async fn lacking(&self, tables: &[TableName]) -> Result<Lacking, Fault> {
        privileges::lacking(self.settings(), tables).await
    }

    async fn prepare(&self, table: &TableName, shape: &TableShape, identity: &StreamIdentity) -> Result<Prepared, Fault> {
        prepare::run(&prepare::Job { settings: self.settings(), table, shape, identity }).await
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
        let tables = catalogue::tables_of(&mut session, &log.schema).await?;
        let logged = if tables.contains(&log.name) { log::states(&mut session, &log, pipeline).await? } else { BTreeMap::new() };
        Ok(TargetFleet { logged, states: tables.iter().map(|name| quote::qualified(&log.schema, name)).collect() })
    }

    async fn row_counts(&self, table: &TableName) -> Result<(u64, u64), Fault> {
        let mut session = Session::open(self.settings()).await?;
        maintenance::row_counts(&mut session, &Names::new(self.settings(), table)).await
    }

    async fn log(&self, most: usize) -> Result<Vec<LogLine>, Fault> {
        let mut session = Session::open(self.settings()).await?;
        let log = names::log(self.settings());
        if catalogue::oid(&mut session, &log).await?.is_none() {
            return Ok(Vec::new());
        }
        log::read(&mut session, &log, most).await
    }

    async fn loader(&self, table: &TableName) -> Result<RedshiftLoader, Fault> {
        let session = Session::open(self.settings()).await?;
        Ok(RedshiftLoader::new(Arc::clone(&self.shared), table, session))
    }
}
