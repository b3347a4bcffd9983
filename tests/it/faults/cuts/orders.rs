//! What an operator orders, cut at each place of Redshift and S3, on a table of its own each time.

use std::slice;
use std::sync::Arc;
use std::time::Instant;

use db_to_redshift::config::{CleanUpPolicy, Settings};
use db_to_redshift::engine::inspect::upkeep::Upkeep;
use db_to_redshift::engine::inspect::verify::VerifyOptions;
use db_to_redshift::engine::inspect::widen::WidenOptions;
use db_to_redshift::engine::operate::{AdoptOrder, RecaptureOrder, Report, SkipOrder};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::model::control::{Control, Intent};
use db_to_redshift::model::fault::operate;
use db_to_redshift::model::order::OpenMode;
use db_to_redshift::model::{Fault, TableName};
use db_to_redshift::source::Source;
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::Target;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Deed, Job, Machines, Planned, Trouble, all_good, assert_whole, change, cut_short, engine_with, table_of_four};
use crate::faults::places::{Places, Turn};
use crate::support::memory_source::{Inner, MemorySource};
use crate::support::rig::{Rig, row};

/// One place of so many is tried in the short form, but at COMMIT every one.
const STRIDE: u32 = 5;

/// The row of the batch that [`Order::Skip`] leaves out.
const SKIPPED: i64 = 9_000;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Order {
    /// A new snapshot although rows are loaded and a batch waits.
    NewEpoch,
    /// The first load of a new epoch, which replaces production.
    Replace,
    /// A new epoch that trusts the rows in production.
    Start,
    /// A batch is left out.
    Skip,
    /// The source has another name.
    Adopt,
    /// A DBA made production and staging too narrow.
    Widen,
    /// A load died with a staged range, a lost line of the log and a left-over manifest, a
    /// snapshot with its intent.
    Recover,
    TruncateProduction,
    /// The stream goes on after DDL.
    Accept,
    /// The load of the record that says so.
    LoadSchema,
    /// A row of production was changed by hand: the table is marked.
    Verify,
    /// And mended: the mark goes.
    VerifyMended,
    /// And resumed.
    Pause,
    /// A new column gets another capture instance. Only SQL Server has them.
    Recapture,
    /// A round of changes; what is recorded goes from the source.
    CleanUpAfterExtract,
    /// A round of changes; what is loaded goes from the source.
    CleanUpAfterLoad,
}

const NEW_EPOCH: PrepareOptions = PrepareOptions { mode: OpenMode::Snapshot, new_epoch: true, trusted: false, replace: false };
const START: PrepareOptions = PrepareOptions { mode: OpenMode::Start, new_epoch: true, trusted: true, replace: false };

fn only<R>(mut reports: Vec<Report<R>>) -> Result<(), Fault> {
    reports.remove(0).outcome.map(|_| ())
}

impl<S: Source> Deed<S> for Order {
    async fn act(&self, engine: &Machines<S>, table: &TableName) -> Result<(), Fault> {
        let tables = slice::from_ref(table);
        let typed = table.to_string();
        match self {
            Self::NewEpoch => all_good(engine.prepare(tables, NEW_EPOCH).await),
            Self::Replace | Self::LoadSchema => all_good(engine.load(tables).await),
            Self::Start => all_good(engine.prepare(tables, START).await),
            Self::Skip => {
                let order = SkipOrder { table: table.clone(), batch: Some(1), why: "files lost".into(), confirm: Some(typed) };
                match engine.skip(&order).await {
                    // Given again after a skip whose answer was lost.
                    Err(fault) if fault.is(&operate::OTHER_BATCH) => Ok(()),
                    skipped => skipped.map(|_| ()),
                }
            }
            Self::Adopt => only(engine.adopt(tables, AdoptOrder { confirm: true, pipeline: false }).await),
            Self::Widen => {
                let options = WidenOptions { column: Some("note".into()), to: None, confirm: true };
                engine.widen(table, &options).await.map(|_| ())
            }
            Self::Recover => only(engine.recover(tables).await),
            Self::TruncateProduction => engine.upkeep(table, &Upkeep::TruncateProduction { confirm: typed }).await.map(|_| ()),
            Self::Accept => only(engine.accept(tables, true).await),
            Self::Verify | Self::VerifyMended => Box::pin(engine.verify(table, &VerifyOptions::default())).await.map(|_| ()),
            Self::Pause => {
                only(engine.pause(tables, "for a night").await)?;
                only(engine.resume(tables).await)
            }
            Self::Recapture => {
                let order = RecaptureOrder { confirm: true, ..RecaptureOrder::default() };
                only(engine.recapture(tables, &order).await)
            }
            Self::CleanUpAfterExtract | Self::CleanUpAfterLoad => all_good(engine.sync(tables).await),
        }
    }

    fn edit(&self, settings: &mut Settings) {
        settings.source.cleanup = match self {
            Self::CleanUpAfterExtract => CleanUpPolicy::AfterExtract,
            Self::CleanUpAfterLoad => CleanUpPolicy::AfterLoad,
            _ => CleanUpPolicy::Never,
        };
    }
}

async fn plain(rig: &Rig, table: &TableName, deed: impl Deed<MemorySource>) {
    let engine = engine_with(rig, Arc::new(rig.source.clone()), 0, |_| {});
    deed.act(&engine, table).await.unwrap_or_else(|fault| panic!("{table}: {fault:?}"));
}

async fn extract(rig: &Rig, table: &TableName) {
    let engine = engine_with(rig, Arc::new(rig.source.clone()), 0, |_| {});
    all_good(engine.extract(slice::from_ref(table)).await).unwrap();
}

/// What somebody writes into a row of production. The first round of changes has left 11 there.
async fn write_by_hand(rig: &Rig, table: &TableName, n: i64) {
    rig.query(&format!("UPDATE public.{} SET n = {n} WHERE id = 1", table.name)).await;
}

/// The log of the source goes on behind the scans of the next verifies: else none believes a difference.
fn go_on_behind_scans(source: &MemorySource, verifies: u32) {
    let behind = source.clone();
    source.before("clock", move |_| {
        behind.before("watermarks", Inner::idle);
        if verifies > 1 {
            go_on_behind_scans(&behind, verifies - 1);
        }
    });
}

/// A loaded table to which the order can be given, with a round of changes behind its snapshot.
async fn ready(rig: &Rig, order: Order, name: &str) -> TableName {
    let table = table_of_four(rig, name);
    plain(rig, &table, Job::Prepare).await;
    plain(rig, &table, Job::Load).await;
    if order == Order::Skip {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(SKIPPED, "lost", 0))));
        extract(rig, &table).await;
    }
    change(rig, &table, 1);
    match order {
        Order::NewEpoch | Order::Skip => extract(rig, &table).await,
        Order::Start | Order::Pause | Order::TruncateProduction => plain(rig, &table, Job::Sync).await,
        Order::Replace => plain(rig, &table, Order::NewEpoch).await,
        Order::Adopt => rig.source.with(|inner| inner.identity.server = format!("SERVER OF {name}")),
        Order::Widen => {
            for relation in [format!("public.{name}"), format!("d2r_staging.dbo__{name}")] {
                rig.query(&format!("ALTER TABLE {relation} ALTER COLUMN note TYPE VARCHAR(10)")).await;
            }
            rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(30, "longer than ten bytes", 30))));
            extract(rig, &table).await;
            let engine = engine_with(rig, Arc::new(rig.source.clone()), 0, |_| {});
            all_good(engine.load(slice::from_ref(&table)).await).expect_err("the value is too long");
        }
        Order::Recover => leave_a_mess(rig, &table).await,
        Order::Accept | Order::LoadSchema => {
            rig.source.with(|inner| inner.note_ddl(&table, "ALTER TABLE dbo.t ADD extra int NULL", false));
            if order == Order::LoadSchema {
                plain(rig, &table, Order::Accept).await;
            }
        }
        Order::Verify | Order::VerifyMended => {
            plain(rig, &table, Job::Sync).await;
            write_by_hand(rig, &table, 99).await;
            // For the one that is cut and the one that is given again, or for the one that marks.
            go_on_behind_scans(&rig.source, 2);
            if order == Order::VerifyMended {
                plain(rig, &table, Order::Verify).await;
                write_by_hand(rig, &table, 11).await;
            }
        }
        Order::CleanUpAfterExtract | Order::CleanUpAfterLoad | Order::Recapture => {}
    }
    table
}

async fn leave_a_mess(rig: &Rig, table: &TableName) {
    extract(rig, table).await;
    // A load whose apply never ran: the range is staged, its manifest stands.
    let faults = rig.redshift.faults();
    let lost = faults.on("DELETE FROM \"public\"", 1, Action::CutBefore);
    let engine = engine_with(rig, Arc::new(rig.source.clone()), 0, |_| {});
    all_good(engine.load(slice::from_ref(table)).await).expect_err("the connection is lost");
    assert!(lost.was_hit());
    rig.query(&format!("DELETE FROM d2r_control.batch_log WHERE table_name = '{table}'")).await;
    let (control, etag) = rig.s3.store.control(table).await.unwrap().unzip();
    let intent = Intent { run: Uuid::new_v4(), epoch: 2, order: None, min_lsn: None, l0: None, since: Timestamp::now() };
    let control = Control { intent: Some(intent), ..control.unwrap_or_default() };
    rig.s3.store.put_control(table, &control, etag.as_ref()).await.unwrap();
}

/// What comes after the order, a round of changes, and a look at the whole.
async fn settle(rig: &Rig, order: Order, table: &TableName) {
    let now = rig.target().state(table).await.unwrap().unwrap();
    match order {
        Order::Adopt | Order::TruncateProduction => plain(rig, table, Order::NewEpoch).await,
        Order::LoadSchema => assert_eq!(now.applied_seq, Some(1), "{table}"),
        Order::Verify => {
            assert!(now.diverged.is_some_and(|mark| mark.why.contains("1 different")), "{table} is not marked");
            write_by_hand(rig, table, 11).await;
            plain(rig, table, Order::Verify).await;
        }
        Order::VerifyMended => assert_eq!(now.diverged, None, "{table}"),
        _ => {}
    }
    plain(rig, table, Job::Sync).await;
    change(rig, table, 2);
    plain(rig, table, Job::Sync).await;
    let state = assert_whole(rig, table, (order == Order::Skip).then_some(SKIPPED)).await;
    let why = state.diverged.map(|diverged| diverged.why);
    match (order, why) {
        (Order::Skip, Some(why)) => assert!(why.starts_with("batch 1 of epoch 1 was skipped"), "{why}"),
        (Order::Start, Some(why)) => assert!(why.contains("trust"), "{why}"),
        (Order::Skip | Order::Start, None) => panic!("{table} is not marked"),
        (_, why) => assert_eq!(why, None, "{table}"),
    }
    let control = rig.s3.store.control(table).await.unwrap().map(|(control, _)| control).unwrap_or_default();
    assert_eq!(control.paused, None, "{table}");
}

/// Status reads no state: the log tells of the mark that came or went, once.
async fn assert_logged(rig: &Rig, order: Order, table: &TableName) {
    let why = if order == Order::Verify { "IS NOT NULL" } else { "IS NULL" };
    let sql = format!("SELECT event FROM d2r_control.batch_log WHERE event = 'verified' AND diverged_why {why} AND table_name = '{table}'");
    assert_eq!(rig.query(&sql).await.len(), 1, "{table}");
}

/// One kind of cut, through all places of the order; returns how many there are.
async fn walk<P: Planned>(rig: &Rig, order: Order, kind: &str, turn: Turn, plan: impl Fn(u32) -> (P, Trouble), clear: impl Fn()) -> u32 {
    let started = Instant::now();
    let mut places = Places::new(turn);
    while let Some(n) = places.next() {
        let table = ready(rig, order, &format!("{kind}{n}")).await;
        let kept = rig.source.with(|inner| inner.get(&table).min);
        let (planned, trouble) = plan(n);
        cut_short(rig, &Arc::new(rig.source.clone()), &table, &order, &trouble).await;
        // Asked first: what is withdrawn counts as over.
        let happened = planned.happened();
        clear();
        if matches!(order, Order::CleanUpAfterExtract | Order::CleanUpAfterLoad) && !happened {
            assert!(rig.source.with(|inner| inner.get(&table).min) > kept, "without a cut nothing was cleaned up");
        }
        if matches!(order, Order::Verify | Order::VerifyMended) && !happened {
            assert_logged(rig, order, &table).await;
        }
        settle(rig, order, &table).await;
        places.tried(happened);
    }
    println!("{order:?}, {kind}: cut at {}, in {:?}", places.text(), started.elapsed());
    places.counted()
}

async fn redshift(rig: &Rig, order: Order, kind: &str, turn: Turn, statement: &str, action: Action) -> u32 {
    let faults = rig.redshift.faults();
    walk(rig, order, kind, turn, |n| (faults.on(statement, n, action), Trouble::fatal()), || faults.clear()).await
}

async fn s3(rig: &Rig, order: Order, kind: &str, turn: Turn, effect: Effect) -> u32 {
    let faults = rig.s3.lab.faults();
    let plan = |n| {
        let handle = faults.add(Rule::new(effect).skip(n - 1));
        (handle.clone(), Trouble { abandon_at: Some(handle), ..Trouble::survived() })
    };
    walk(rig, order, kind, turn, plan, || faults.clear()).await
}

/// Counts: statements of Redshift, its COMMITs, requests to S3, as they were last seen. Fewer: the
/// enumeration lost some, or the order does: then the counts want to be set anew.
async fn every_cut(order: Order, least: (u32, u32, u32)) {
    let rig = Rig::start().await;
    let turn = |nth| Turn::of(nth, STRIDE);
    let statements = redshift(&rig, order, "before", turn(0), "", Action::CutBefore).await;
    // Its tables must not be named like the statement.
    let commits = redshift(&rig, order, "ends", Turn::EVERY, "commit", Action::CutAfter).await;
    let requests = s3(&rig, order, "reply", turn(1), Effect::LoseReply).await;
    let lost = s3(&rig, order, "request", turn(2), Effect::LoseRequest).await;
    let counted = (statements, commits, requests.min(lost));
    assert!(counted.0 >= least.0 && counted.1 >= least.1 && counted.2 >= least.2, "{order:?}: {counted:?} are fewer than {least:?}");
}

macro_rules! every_cut {
    ($($name:ident: $order:ident, $least:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            every_cut(Order::$order, $least).await;
        }
    )*};
}

every_cut! {
    a_new_epoch_over_loaded_rows: NewEpoch, (27, 1, 23);
    the_load_that_replaces_production: Replace, (41, 4, 24);
    a_start_that_trusts: Start, (34, 2, 26);
    a_skip: Skip, (28, 3, 7);
    an_adopt: Adopt, (19, 1, 3);
    a_widening: Widen, (40, 2, 13);
    a_recovery: Recover, (41, 4, 29);
    a_truncated_production: TruncateProduction, (23, 1, 7);
    an_accepted_schema: Accept, (0, 0, 15);
    the_load_of_an_accepted_schema: LoadSchema, (30, 3, 21);
    a_verify_that_marks: Verify, (35, 1, 4);
    a_verify_that_takes_the_mark_away: VerifyMended, (30, 1, 4);
    a_pause: Pause, (0, 0, 4);
    a_clean_up_after_extract: CleanUpAfterExtract, (69, 7, 56);
    a_clean_up_after_load: CleanUpAfterLoad, (69, 7, 56);
}
