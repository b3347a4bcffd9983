//! Prepare: target tables, and the record 0 that opens an epoch (rule R2, section 6).

mod intent;
mod open;

use std::sync::Arc;
use std::time::Instant;

use crate::config::Changes;
use crate::engine::Engine;
use crate::engine::abreast::abreast;
use crate::engine::check::net_refusal;
use crate::engine::event::{Event, Job, Outcome, TableReport};
use crate::engine::extract::guards;
use crate::engine::{control, lease, operate, policy};
use crate::model::control::LeaseKind;
use crate::model::fault::{rs, sync};
pub use crate::model::order::{OpenMode, PrepareOptions};
use crate::model::{Epoch, Fault, TableName};
use crate::source::{CaptureInstance, ServerFacts, Source, TableFacts};
use crate::store::ChangeStore;
use crate::target::{Loader, NewColumns, Target};

/// A table that is about to get its epoch.
struct Opening<'a> {
    server: &'a ServerFacts,
    facts: &'a TableFacts,
    instance: &'a CaptureInstance,
    options: PrepareOptions,
}

/// What a prepare of a table has to do.
enum Next {
    /// Nothing: an epoch is open.
    Stands,
    /// Nothing: an operator paused the table.
    Paused,
    Open(Epoch),
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Prepares the given tables. One report a table, in their order; the outcome counts opened
    /// epochs as batches.
    pub async fn prepare(self: &Arc<Self>, tables: &[TableName], options: PrepareOptions) -> Vec<TableReport> {
        let started = Instant::now();
        let report = |table, outcome| TableReport::new(Job::Prepare, table, outcome, Some(options));
        let Some(first) = tables.first() else { return Vec::new() };
        let mut retries = self.retries(Job::Prepare, first);
        let looked = loop {
            match self.look_for_prepare(tables).await {
                Ok(looked) => break Ok(looked),
                Err(fault) => match retries.again(fault).await {
                    Ok(()) => {}
                    Err(fault) => break Err(fault),
                },
            }
        };
        let (server, looked) = match looked {
            Ok(looked) => looked,
            Err(fault) => {
                let failed = |table: &TableName| report(table.clone(), Err(fault.clone()));
                return tables.iter().map(failed).collect();
            }
        };
        let server = &server;
        abreast(tables.iter().cloned().zip(looked), self.settings.extract.parallel, |(table, looked)| async move {
            self.events.send(Event::Started { job: Job::Prepare, table: table.clone() }).await;
            let outcome = match looked {
                Ok(facts) => self.prepare_table(server, &facts, options).await,
                Err(fault) => Err(fault),
            };
            self.finished(Job::Prepare, &table, &outcome, started).await;
            report(table, outcome)
        })
        .await
    }

    /// The source's side of all tables, or the fault of each that is gone or that the target
    /// cannot carry.
    async fn look_for_prepare(&self, tables: &[TableName]) -> Result<(ServerFacts, Vec<Result<TableFacts, Fault>>), Fault> {
        let server = self.source.start_up().await?;
        let described = self.describe(tables).await?;
        self.store.create_bucket().await?;
        // Everything rests on conditional writes: not only `check` must know that they are honoured.
        self.store.probe().await?;
        let carried = |table: TableFacts| match table.instances.first() {
            None => Err(not_tracked(&server, &table)),
            Some(instance) => {
                let refused = self.target.check_shapes(&[(table.name.clone(), instance.shape.clone())]).into_iter().next();
                let unknown = || policy::unknown_column(&self.settings, &table.name, &instance.shape);
                refused.map(|refused| refused.fault).or_else(unknown).map_or(Ok(table), Err)
            }
        };
        let mut looked: Vec<_> = described.into_iter().map(|table| table.and_then(carried)).collect();
        // Names can only collide between tables that can be carried at all, and these are refused alone.
        let shapes: Vec<_> =
            looked.iter().flatten().filter_map(|table| Some((table.name.clone(), table.instances.first()?.shape.clone()))).collect();
        let refused = self.target.check_shapes(&shapes);
        for looked in &mut looked {
            let meets = |table: &TableFacts| refused.iter().find(|refused| refused.tables.contains(&table.name));
            if let Some(refused) = looked.as_ref().ok().and_then(meets) {
                *looked = Err(refused.fault.clone());
            }
        }
        Ok((server, looked))
    }

    async fn prepare_table(&self, server: &ServerFacts, facts: &TableFacts, options: PrepareOptions) -> Result<Outcome, Fault> {
        let table = &facts.name;
        self.safe_point(table)?;
        let Some(instance) = facts.instances.first() else { return Err(not_tracked(server, facts)) };
        guards::tracked_instance(facts, server.cdc_enabled, &instance.identity)?;
        guards::nothing_withheld(facts)?;
        if self.settings.changes_of(table) == Changes::Net {
            guards::allow_net(table, net_refusal(&instance.shape, instance.supports_net_changes).as_ref())?;
        }
        let mut retries = self.retries(Job::Prepare, table);
        let lease = loop {
            match lease::take(&self.store, table, LeaseKind::Extract, &self.run.holder, self.run.wait, &self.cancel).await {
                Ok(lease) => break lease,
                Err(fault) => retries.again(fault).await?,
            }
        };
        let prepared = self.prepare_under_lease(Opening { server, facts, instance, options }, &lease).await;
        let ended = match &prepared {
            // One that had nothing to open says nothing of the stream.
            Ok(outcome) if outcome.batches == 0 => lease::Ended::Unsaid,
            Ok(_) => lease::Ended::Well,
            Err(fault) => lease::Ended::by(fault),
        };
        lease.release_after(ended).await;
        prepared
    }

    /// A `start` keeps what production holds, so no load of an older epoch may still write there: a
    /// new one finds the lease taken, a running one another fence. (A snapshot replaces everything.)
    /// `None`: an operator paused the table meanwhile.
    async fn start_alone(&self, opening: &Opening<'_>, epoch: Epoch, lease: &lease::Held) -> Result<Option<u64>, Fault> {
        let table = &opening.facts.name;
        let loading = lease::take(&self.store, table, LeaseKind::Load, &self.run.holder, self.run.wait, &self.cancel).await?;
        let opened = async {
            // What was ordered while a load was waited for.
            lease.check(table)?;
            if control::is_paused(&*self.store, table).await? {
                return Ok(None);
            }
            self.target.loader(table).await?.raise_fence(&self.identity(&opening.server.identity)).await?;
            self.open_epoch(opening, epoch, lease).await.map(Some)
        };
        let opened = opened.await;
        loading.release().await;
        opened
    }

    async fn prepare_under_lease(&self, opening: Opening<'_>, lease: &lease::Held) -> Result<Outcome, Fault> {
        let mut retries = self.retries(Job::Prepare, &opening.facts.name);
        let epoch = loop {
            match self.next_epoch(&opening).await {
                Ok(Next::Open(epoch)) => break epoch,
                Ok(Next::Stands) => return Ok(Outcome::default()),
                Ok(Next::Paused) => return Ok(Outcome { paused: true, ..Outcome::default() }),
                Err(fault) => retries.again(fault).await?,
            }
        };
        let rows = match opening.options.mode {
            OpenMode::Snapshot => Some(self.open_epoch(&opening, epoch, lease).await?),
            OpenMode::Start => self.start_alone(&opening, epoch, lease).await?,
        };
        let paused = Outcome { paused: true, ..Outcome::default() };
        Ok(rows.map_or(paused, |rows| Outcome { batches: 1, rows, ..Outcome::default() }))
    }

    /// Makes the target's tables and names the epoch to open. May be repeated.
    async fn next_epoch(&self, opening: &Opening<'_>) -> Result<Next, Fault> {
        let Opening { server, facts, instance, options } = opening;
        let table = &facts.name;
        // A snapshot reads the whole table: what a pause is there to prevent.
        if control::is_paused(&*self.store, table).await? {
            return Ok(Next::Paused);
        }
        let current = self.store.current_epoch(table).await?;
        let open = match current.filter(|_| !options.new_epoch) {
            // The batches of an open epoch have its columns, whatever the source's are today.
            Some(epoch) => {
                let head = self.store.head(table, epoch, 0).await?;
                let head = self.store.record(table, epoch, head).await?;
                if let Some(head) = &head {
                    policy::same_epoch(head, &instance.shape)?;
                }
                head.map(|record| record.columns)
            }
            None => None,
        };
        let state = self.target.state(table).await?;
        let loaded_before = state.as_ref().is_some_and(|state| state.epoch > 0);
        // An open epoch whose state is gone would be loaded anew, over rows that somebody else owns:
        // to trust them takes an epoch that begins behind them.
        if open.is_some() && state.is_none() && !options.replace {
            let rows = self.target.production_rows(table).await?.unwrap_or(0);
            if rows > 0 {
                return Err(
                    not_empty(table, rows).evidence("state", "none: the open epoch was never loaded here, or its state was dropped")
                );
            }
        }
        let shape = open.as_ref().unwrap_or(&instance.shape);
        // The snapshot that was ordered brings the values of new columns for every row.
        let replaced = options.mode == OpenMode::Snapshot && (loaded_before || options.replace);
        let new_columns = if open.is_none() && replaced { NewColumns::Add } else { NewColumns::Refuse };
        let prepared = self.target.prepare(table, shape, &self.identity(&server.identity), new_columns).await;
        let again = |fault: Fault| fault.next(format!("{} # once production is as proposed", options.command(table)));
        let prepared = prepared.map_err(|fault| if fault.is(&rs::PRODUCTION_DIFFERS) { again(fault) } else { fault })?;
        for text in prepared.did {
            self.events.note(Job::Prepare, table, text).await;
        }
        for lossy in prepared.lossy {
            let text = format!("column {}: {} becomes {}: {}", lossy.column, lossy.from, lossy.to, lossy.why);
            self.events.warn(Job::Prepare, table, text).await;
        }
        for column in &instance.computed {
            self.events
                .warn(Job::Prepare, table, format!("column {column} is computed: change tables hold NULL for it, so it is left out"))
                .await;
        }
        if let Some(text) = operate::came_later(table, instance, &self.later_columns(instance).await?) {
            self.events.warn(Job::Prepare, table, text).await;
        }
        if prepared.replaced {
            self.log_mark(Job::Prepare, table, "replaced").await;
        }
        if current.is_some() && !options.new_epoch {
            if prepared.replaced {
                let why = format!("production of {table} is not the table that was loaded: only a new epoch fills it");
                return Err(Fault::new(&sync::DIVERGED, why).next(format!("db-to-redshift prepare --new-epoch --table {table:#}")));
            }
            return Ok(Next::Stands);
        }
        let vouched = match options.mode {
            OpenMode::Snapshot => options.replace || loaded_before,
            OpenMode::Start => options.trusted,
        };
        if prepared.production_rows > 0 && !vouched {
            return Err(not_empty(table, prepared.production_rows));
        }
        let newest = self.store.epochs(table).await?.last().copied().unwrap_or(0);
        Ok(Next::Open(newest.max(state.map_or(0, |state| state.epoch)) + 1))
    }
}

fn not_empty(table: &TableName, rows: u64) -> Fault {
    Fault::new(&sync::PRODUCTION_NOT_EMPTY, format!("production of {table} is not empty")).evidence("rows", rows)
}

fn not_tracked(server: &ServerFacts, table: &TableFacts) -> Fault {
    let name = &table.name;
    let command = if server.cdc_enabled { format!("db-to-redshift enable --table {name:#}") } else { "db-to-redshift enable".to_owned() };
    Fault::new(&sync::NOT_TRACKED, format!("{name} has no capture instance")).next(command)
}
