//! One connection of a load job: each call is one transaction under the state's lock.

use std::sync::Arc;

use super::connect::Session;
use super::copy::CopyAccessSource;
use super::locked::{self, Locked};
use super::names::Names;
use super::{adopt, apply, epoch, log, maintenance, repair, skip, stage, state};
use crate::config::RedshiftSettings;
use crate::model::fault::rs;
use crate::model::state::StreamIdentity;
use crate::model::{Epoch, Fault, Seq, TableName, TargetState};
use crate::target::{Adopt, Applied, ApplyOutcome, Finding, LoadRange, Loader, LogLine, OpenEpoch, Verified, Widening};

/// What all sessions of one target share.
pub struct Shared {
    pub settings: RedshiftSettings,
    pub access: Box<dyn CopyAccessSource>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A loader of one table. After a fault its connection is gone; the next call opens another.
pub struct RedshiftLoader {
    shared: Arc<Shared>,
    table: TableName,
    names: Names,
    /// Taken out during a call, and put back only when the call went well: a call that fails, or
    /// that is dropped half-way, drops its connection.
    session: Option<Session>,
    /// The pipeline that state names, once it was read.
    pipeline: Option<String>,
}

impl RedshiftLoader {
    pub(super) fn new(shared: Arc<Shared>, table: &TableName, session: Session) -> Self {
        let names = Names::new(&shared.settings, table);
        Self { shared, table: table.clone(), names, session: Some(session), pipeline: None }
    }

    async fn session(&mut self) -> Result<Session, Fault> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => Session::open(&self.shared.settings).await,
        }
    }

    async fn begin(&mut self) -> Result<Locked, Fault> {
        let session = self.session().await?;
        let locked = locked::begin(session, &self.shared.settings, &self.names).await?;
        self.pipeline = Some(locked.row.state.identity.pipeline.clone());
        Ok(locked)
    }

    /// Keeps the session of a call that went well; ends that of one that did not.
    async fn end<T>(&mut self, locked: Locked, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if outcome.is_ok() {
            self.session = Some(locked.session);
        } else {
            locked.session.abandon().await;
        }
        outcome
    }

    async fn pipeline(&mut self, session: &mut Session) -> Result<String, Fault> {
        if let Some(pipeline) = &self.pipeline {
            return Ok(pipeline.clone());
        }
        let answer = session.run("read state", &state::select(&self.names.state)).await?;
        Ok(self.pipeline.insert(state::read(&self.names, &answer.rows)?.state.identity.pipeline).clone())
    }
}

async fn raise_fence(locked: &mut Locked, names: &Names, table: &TableName, identity: &StreamIdentity) -> Result<TargetState, Fault> {
    locked::require_stream(&locked.row, names, table, identity)?;
    let fence = locked.row.state.fence;
    locked::move_state(&mut locked.session, names, &state::raise_fence(&names.state, fence)).await?;
    fail_point!("fence.commit.before");
    locked.session.commit().await?;
    fail_point!("fence.commit.after");
    Ok(TargetState { fence: fence + 1, ..locked.row.state.clone() })
}

impl Loader for RedshiftLoader {
    async fn raise_fence(&mut self, identity: &StreamIdentity) -> Result<TargetState, Fault> {
        let mut locked = self.begin().await?;
        let outcome = raise_fence(&mut locked, &self.names, &self.table, identity).await;
        self.end(locked, outcome).await
    }

    async fn locked_state(&mut self) -> Result<TargetState, Fault> {
        let mut locked = self.begin().await?;
        // Nothing was changed: whether this COMMIT is answered does not matter to what was read.
        let outcome = locked.session.run("commit", "COMMIT").await.map_err(Fault::from);
        let state = locked.row.state.clone();
        self.end(locked, outcome.map(|_| state)).await
    }

    async fn stage(&mut self, range: &LoadRange) -> Result<(), Fault> {
        let mut locked = self.begin().await?;
        let outcome = stage::run(&mut locked, &self.names, &self.table, range, &*self.shared.access).await;
        self.end(locked, outcome).await
    }

    async fn apply(&mut self, range: &LoadRange) -> Result<ApplyOutcome, Fault> {
        let mut locked = self.begin().await?;
        let outcome = apply::run(&mut locked, &self.names, &self.table, range).await;
        self.end(locked, outcome).await
    }

    async fn unstage(&mut self, identity: &StreamIdentity, fence: i64, epoch: Epoch) -> Result<(), Fault> {
        let mut locked = self.begin().await?;
        let outcome = apply::unstage(&mut locked, &self.names, &self.table, identity, (fence, epoch)).await;
        self.end(locked, outcome).await
    }

    async fn open_epoch(&mut self, open: &OpenEpoch) -> Result<Applied, Fault> {
        let mut locked = self.begin().await?;
        let outcome = epoch::open(&mut locked, &self.names, &self.table, open, &*self.shared.access).await;
        self.end(locked, outcome).await
    }

    async fn accept_schema(&mut self, range: &LoadRange, column_hash: &str) -> Result<(), Fault> {
        let mut locked = self.begin().await?;
        let outcome = epoch::accept_schema(&mut locked, &self.names, &self.table, range, column_hash).await;
        self.end(locked, outcome).await
    }

    async fn skip(&mut self, range: &LoadRange, why: &str) -> Result<(), Fault> {
        let mut locked = self.begin().await?;
        let outcome = skip::run(&mut locked, &self.names, &self.table, range, why).await;
        self.end(locked, outcome).await
    }

    async fn adopt(&mut self, adopt: &Adopt) -> Result<TargetState, Fault> {
        let mut locked = self.begin().await?;
        self.pipeline = None;
        let outcome = adopt::run(&mut locked, &self.names, &self.table, adopt).await;
        self.end(locked, outcome).await
    }

    async fn last_logged(&mut self, epoch: Epoch) -> Result<Option<Seq>, Fault> {
        let mut session = self.session().await?;
        let pipeline = self.pipeline(&mut session).await?;
        let last = log::last(&mut session, &self.names.log, &pipeline, &self.table, epoch).await?;
        self.session = Some(session);
        Ok(last)
    }

    async fn log(&mut self, line: &LogLine) -> Result<(), Fault> {
        if line.table != self.table {
            return Err(Fault::new(&rs::ANSWER, format!("a log line of {} reached the loader of {}", line.table, self.table)));
        }
        let mut session = self.session().await?;
        let pipeline = self.pipeline(&mut session).await?;
        fail_point!("log.insert.before");
        session.run("append to batch log", &log::insert(&self.names.log, &pipeline, line)).await?;
        fail_point!("log.insert.after");
        self.session = Some(session);
        Ok(())
    }

    async fn truncate_staging(&mut self, fence: i64) -> Result<bool, Fault> {
        let mut locked = self.begin().await?;
        let outcome = maintenance::truncate(&mut locked, &self.names, fence).await;
        self.end(locked, outcome).await
    }

    async fn note_verified(&mut self, identity: &StreamIdentity, seen: Verified, finding: &Finding) -> Result<bool, Fault> {
        let mut locked = self.begin().await?;
        let outcome = repair::note_verified(&mut locked, &self.names, &self.table, identity, seen, finding).await;
        self.end(locked, outcome).await
    }

    async fn clear_for_ddl(&mut self, identity: &StreamIdentity) -> Result<TargetState, Fault> {
        let mut locked = self.begin().await?;
        let outcome = repair::clear_for_ddl(&mut locked, &self.names, &self.table, identity).await;
        self.end(locked, outcome).await
    }

    async fn widen(&mut self, widening: &Widening) -> Result<(), Fault> {
        repair::widen(&self.shared.settings, &self.names, widening).await
    }

    async fn accept_ddl(&mut self, fence: i64) -> Result<bool, Fault> {
        let mut locked = self.begin().await?;
        let outcome = repair::accept_ddl(&mut locked, &self.names, fence).await;
        self.end(locked, outcome).await
    }

    async fn truncate_production(&mut self, identity: &StreamIdentity) -> Result<(), Fault> {
        let mut locked = self.begin().await?;
        let outcome = repair::truncate_production(&mut locked, &self.names, &self.table, identity).await;
        self.end(locked, outcome).await
    }
}
