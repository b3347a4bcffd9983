//! Jobs: check, prepare, extract, load, sync, status, inspection and repair, and what an operator
//! orders.
//!
//! The engine knows no screen: it is asked for jobs, and tells what happens by [`event`]s. It is
//! generic over the three machines. A job works on many tables at once and reports on each; one
//! table's fault never stops the others.

mod abreast;
pub mod bundle;
pub mod check;
pub mod cleanup;
pub mod control;
pub mod event;
pub mod extract;
pub mod fold;
pub mod inspect;
pub mod lease;
pub mod load;
mod mark;
pub mod operate;
pub mod policy;
pub mod prepare;
mod retry;
pub mod runs;
pub mod status;
pub mod sync;

use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Settings;
use crate::model::control::Holder;
use crate::model::fault::sync::CANCELLED;
use crate::model::state::StreamIdentity;
use crate::model::{Fault, SourceIdentity, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

use self::event::Events;

/// Version of the program, as records carry it.
pub const TOOL: &str = concat!("db-to-redshift ", env!("CARGO_PKG_VERSION"));

/// One run of the program over the three machines.
#[derive(Debug)]
pub struct Engine<S, C, T> {
    pub source: Arc<S>,
    pub store: Arc<C>,
    pub target: Arc<T>,
    pub settings: Arc<Settings>,
    pub run: Run,
    pub events: Events,
    /// Stops every job at its next safe point.
    pub cancel: CancellationToken,
}

/// Who runs what.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: Uuid,
    pub command: String,
    pub holder: Holder,
    /// Wait for leases that others hold.
    pub wait: bool,
}

impl Run {
    /// A run of this process.
    #[must_use]
    pub fn new(command: impl Into<String>, wait: bool) -> Self {
        let id = Uuid::new_v4();
        let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let host = read("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok());
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok().map(|path| path.display().to_string());
        let machine = read("/proc/sys/kernel/random/boot_id").zip(namespace).map(|(boot, namespace)| format!("{boot} {namespace}"));
        let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
        let holder = Holder {
            run: id,
            host: host.unwrap_or_else(|| "unknown host".into()),
            user: user.unwrap_or_else(|| "unknown user".into()),
            pid: std::process::id(),
            machine,
            since: Timestamp::now(),
        };
        Self { id, command: command.into(), holder, wait }
    }
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// What every guard compares, for a stream of the given source.
    #[must_use]
    pub fn identity(&self, source: &SourceIdentity) -> StreamIdentity {
        StreamIdentity { pipeline: self.settings.pipeline.clone(), source: source.clone(), root: self.store.root() }
    }

    /// A safe point: the fault [`CANCELLED`] once the run was cancelled.
    pub fn safe_point(&self, table: &TableName) -> Result<(), Fault> {
        if self.cancel.is_cancelled() { Err(Fault::new(&CANCELLED, format!("stopped before the next step of {table}"))) } else { Ok(()) }
    }
}

/// Compiles only while every job can run on a task of its own.
#[cfg(test)]
#[expect(dead_code, clippy::manual_async_fn, reason = "the compiler is the test, and only this form states Send")]
fn jobs_can_be_spawned<S: Source, C: ChangeStore, T: Target>(engine: Arc<Engine<S, C, T>>) -> impl Future<Output = ()> + Send {
    async move {
        engine.prepare(&[], prepare::PrepareOptions::default()).await;
        engine.sync(&[]).await;
        engine.status(&[]).await;
        let table = TableName::new("", "");
        let _ = engine.verify(&table, &inspect::verify::VerifyOptions::default()).await;
        let _ = engine.dry_run(&table).await;
        let _ = engine.widen(&table, &inspect::widen::WidenOptions::default()).await;
        let _ = engine.upkeep(&table, &inspect::upkeep::Upkeep::Analyze).await;
        let _ = engine.trace(&table, &[], false).await;
        drop(engine.fleet_since(None, None).await);
        let _ = engine.files(&table, 0, None).await;
        let _ = engine.waiting(&table, 0, None).await;
        let options = inspect::preview::PreviewOptions { file: None, from_line: 1, most: 0, show_values: false };
        let _ = engine.preview(&table, 0, &options).await;
        let _ = engine.staging(&table, 0, false).await;
        let _ = engine.batch_log(None, 0).await;
        let _ = engine.columns(&table).await;
        let _ = engine.load_sql(&table).await;
        engine.pause(&[], "").await;
        engine.resume(&[]).await;
        engine.take_over(&[], &operate::TakeOver::default()).await;
        engine.release_leases(&[]).await;
        engine.adopt(&[], operate::AdoptOrder::default()).await;
        engine.recover(&[]).await;
        drop(engine.to_retry(&[]).await);
        drop(engine.retry(&[], crate::model::order::Repeat::Steps).await);
        let order = operate::SkipOrder { table: TableName::new("", ""), batch: None, why: String::new(), confirm: None };
        drop(engine.skip(&order).await);
    }
}
