//! The connection lost at each statement, one after the other, until a job or an order needs no
//! cut. The short form tries some of the places and counts all, see [`super::places`].
//!
//! After each cut the plain command is given again, as a scheduler or an operator would, and then
//! production must equal the source.

mod enabling;
mod jobs;
mod orders;
mod sql_server;

use std::sync::Arc;

use db_to_redshift::config::Settings;
use db_to_redshift::engine::event::{Events, TableReport};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::engine::{Engine, Run};
use db_to_redshift::lab::redshift as lab_redshift;
use db_to_redshift::lab::s3::FaultHandle;
use db_to_redshift::model::{Fault, SqlType, TableName, TargetState, Value};
use db_to_redshift::source::Source;
use db_to_redshift::store::s3::S3Store;
use db_to_redshift::target::Target;
use db_to_redshift::target::redshift::Redshift;
use tokio_util::sync::CancellationToken;

use crate::support::column::column;
use crate::support::memory_source::text;
use crate::support::rig::{Rig, id, row};

pub type Machines<S> = Arc<Engine<S, S3Store, Redshift>>;

/// An engine as a process of its own would have it, whose leases everybody takes for those of a
/// dead one.
pub fn engine<S: Source>(rig: &Rig, source: Arc<S>, retries: u32) -> Machines<S> {
    engine_with(rig, source, retries, |_| {})
}

fn engine_with<S: Source>(rig: &Rig, source: Arc<S>, retries: u32, edit: impl FnOnce(&mut Settings)) -> Machines<S> {
    let (events, mut receiver) = Events::new();
    tokio::spawn(async move { while receiver.events.recv().await.is_some() {} });
    let mut settings: Settings = rig.settings.clone();
    settings.extract.retries = retries;
    settings.load.retries = retries;
    edit(&mut settings);
    let mut run = Run::new("test", false);
    run.holder.pid = 1 << 23;
    Arc::new(Engine {
        source,
        store: Arc::new(rig.s3.store.clone()),
        target: Arc::new(rig.target()),
        settings: Arc::new(settings),
        run,
        events,
        cancel: CancellationToken::new(),
    })
}

/// What is done to a table, and how often it may try by itself.
trait Deed<S: Source> {
    async fn act(&self, engine: &Machines<S>, table: &TableName) -> Result<(), Fault>;

    /// The settings that it is done with.
    fn edit(&self, _: &mut Settings) {}
}

struct Trouble {
    retries: u32,
    abandon_at: Option<FaultHandle>,
}

impl Trouble {
    /// Gives up at once, so that the next one has to recover.
    fn fatal() -> Self {
        Self { retries: 0, abandon_at: None }
    }

    /// Has to come through by itself.
    fn survived() -> Self {
        Self { retries: 3, abandon_at: None }
    }
}

/// Does it once under a cut. What fails, or is abandoned, is followed by a plain repetition, which
/// must come through.
async fn cut_short<S: Source>(rig: &Rig, source: &Arc<S>, table: &TableName, deed: &impl Deed<S>, trouble: &Trouble) {
    let troubled = engine_with(rig, Arc::clone(source), trouble.retries, |settings| deed.edit(settings));
    let done = deed.act(&troubled, table);
    let ended = match &trouble.abandon_at {
        // The process dies while its request is on the way.
        Some(handle) if handle.hits() == 0 => tokio::select! {
            ended = done => Some(ended),
            () = handle.wait_hits(1) => None,
        },
        _ => Some(done.await),
    };
    match ended {
        Some(Ok(())) => {}
        Some(Err(fault)) if trouble.retries > 0 && trouble.abandon_at.is_none() => panic!("{table}: {fault:?}"),
        _ => {
            let plain = engine_with(rig, Arc::clone(source), 0, |settings| deed.edit(settings));
            deed.act(&plain, table).await.unwrap_or_else(|fault| panic!("{table}, given again: {fault:?}"));
        }
    }
}

/// The jobs of a run, in order.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Job {
    Prepare,
    Load,
    Sync,
}

impl<S: Source> Deed<S> for Job {
    async fn act(&self, engine: &Machines<S>, table: &TableName) -> Result<(), Fault> {
        let tables = std::slice::from_ref(table);
        all_good(match self {
            Self::Prepare => engine.prepare(tables, PrepareOptions::default()).await,
            Self::Load => engine.load(tables).await,
            Self::Sync => engine.sync(tables).await,
        })
    }
}

fn all_good(reports: Vec<TableReport>) -> Result<(), Fault> {
    reports.into_iter().try_for_each(|report| report.outcome.map(|_| ()))
}

/// `dbo.<name> (id int key, note nvarchar(max), n int)` with four rows in the source in memory.
fn table_of_four(rig: &Rig, name: &str) -> TableName {
    let columns =
        vec![column("id", 1, SqlType::Int, Some(1)), column("note", 2, SqlType::NVarCharMax, None), column("n", 3, SqlType::Int, None)];
    let table = rig.source.table(name, columns);
    rig.source.with(|inner| {
        inner.commit(|tran| (1..=4).for_each(|at| tran.insert(&table, row(at, "first", at))));
    });
    table
}

/// A round of changes on what the round before, or the first four rows, left: large values that
/// an update leaves alone, a key that changes, a row that goes and comes back.
fn change(rig: &Rig, table: &TableName, round: i64) {
    let (old, new) = (round * 10 - 10, round * 10);
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.insert(table, row(new + 1, "one", 1));
            tran.insert(table, row(new + 2, "two", 2));
            tran.update(table, &id(old + 1), &[(2, Value::Int(11))]);
            tran.update(table, &id(old + 2), &[(0, Value::Int(old + 5))]);
        });
        inner.commit(|tran| {
            tran.delete(table, &id(old + 3));
            tran.insert(table, row(new + 3, "three", 3));
            tran.insert(table, row(new + 4, "four", 4));
        });
        inner.commit(|tran| {
            tran.insert(table, row(old + 3, "back", 33));
            tran.update(table, &id(old + 4), &[(1, text("newer"))]);
            tran.update(table, &id(old + 4), &[(2, Value::Int(44))]);
        });
    });
}

/// Production equals the source but for rows that were left out on purpose, and state says that
/// nothing is staged. (Rows may stay in staging where the answer to the apply was lost: the next
/// stage deletes them.)
async fn assert_whole(rig: &Rig, table: &TableName, left_out: Option<i64>) -> TargetState {
    let name = &table.name;
    let rows = rig.query(&format!("SELECT id, note, n FROM public.{name} ORDER BY id")).await;
    let number = |cell: &Option<String>| cell.as_ref().map(|text| text.parse().unwrap());
    let production: Vec<_> = rows.iter().map(|row| (number(&row[0]).unwrap(), row[1].clone(), number(&row[2]))).collect();
    let mut expected = rig.expected(table);
    expected.retain(|(id, ..)| Some(*id) != left_out);
    assert_eq!(production, expected, "{table}");
    let state = rig.target().state(table).await.unwrap().unwrap();
    assert!(state.staged.is_none(), "{table}: {state:?}");
    state
}

/// A planned cut, and whether it came to it.
trait Planned {
    fn happened(&self) -> bool;
}

impl Planned for lab_redshift::Planted {
    fn happened(&self) -> bool {
        self.was_hit()
    }
}

impl Planned for FaultHandle {
    fn happened(&self) -> bool {
        self.hits() > 0
    }
}
