//! Traces of what can happen to the target behind our back.

use std::time::Duration;

use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::fault::{rs, sync};
use db_to_redshift::model::{TableName, Value};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::{Loader, Target};

use super::one;
use crate::support::rig::{Rig, done, fault, id, row};

const STATE: &str = "d2r_control.public__t__state";
const NEW_EPOCH: PrepareOptions =
    PrepareOptions { mode: db_to_redshift::engine::prepare::OpenMode::Snapshot, new_epoch: true, trusted: false, replace: false };

async fn new_epoch(rig: &Rig, table: &TableName) {
    done(rig.engine().prepare(one(table), NEW_EPOCH).await);
    rig.sync(table).await;
    rig.assert_equal(table).await;
}

/// Trace 20: the process of a load dies while its session goes on holding the lock (L1). The next
/// one names the session, whose end an operator may order, and then goes on.
#[tokio::test(flavor = "multi_thread")]
async fn trace_20_a_dead_session_that_holds_the_lock_is_named_and_can_be_ended() {
    let mut rig = Rig::start().await;
    rig.settings.redshift.lock_timeout = Duration::from_millis(200);
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    rig.extract(&table).await;
    // Its transaction waits at the server for ever, with the lock; then its process is no more.
    let held = rig.redshift.faults().on("INSERT INTO \"public\".\"t\"", 1, Action::Hold);
    let died = tokio::spawn({
        let (engine, table) = (rig.rival(|_| {}), table.clone());
        async move { engine.load(one(&table)).await }
    });
    held.hit().await;
    died.abort();
    assert!(died.await.unwrap_err().is_cancelled());

    let engine = rig.engine_with(|settings| settings.load.retries = 0);
    let found = fault(engine.load(one(&table)).await);
    assert!(found.is(&sync::LOAD_STUCK) || found.is(&rs::LOCKED), "{found}");
    let named = rig.target().loader(&table).await.unwrap().locked_state().await.unwrap_err();
    assert!(named.is(&rs::LOCKED), "{named}");
    let pid = &named.facts().iter().find(|(name, _)| name == "pid").expect("the session is named").1;
    let end = named.actions().find_map(|action| Some(action.split_once("SELECT ")?.1)).expect("its end is offered");
    assert_eq!(end, format!("pg_terminate_backend({pid})"));
    rig.query(&format!("SELECT {end}")).await;

    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Trace 21: production and state are put back to yesterday, and the files of the batches since
/// are gone (L2). Nothing is loaded over it; a new epoch mends it. Where the files are still
/// there, the batches are simply loaded again.
#[tokio::test(flavor = "multi_thread")]
async fn trace_21_a_target_put_back_to_yesterday_is_loaded_again_or_stops() {
    for kept in [true, false] {
        let mut rig = Rig::start().await;
        if kept {
            rig.settings.store.keep = Duration::from_hours(24);
        }
        let table = rig.prepared().await;
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
        rig.sync(&table).await;
        rig.query(&format!(
            "CREATE TABLE public.rows_then AS SELECT * FROM public.t; CREATE TABLE public.state_then AS SELECT * FROM {STATE}"
        ))
        .await;
        for n in 2..=3 {
            rig.source.with(|inner| {
                inner.commit(|tran| tran.insert(&table, row(n, "b", n)));
                inner.commit(|tran| tran.update(&table, &id(1), &[(2, Value::Int(n))]));
            });
            rig.sync(&table).await;
        }
        rig.query("DELETE FROM public.t").await;
        rig.query("INSERT INTO public.t SELECT * FROM public.rows_then").await;
        rig.query(&format!("DELETE FROM {STATE}")).await;
        rig.query(&format!("INSERT INTO {STATE} SELECT * FROM public.state_then")).await;
        let yesterday = rig.production().await;
        if kept {
            rig.sync(&table).await;
            rig.assert_equal(&table).await;
            continue;
        }
        let found = fault(rig.engine().load(one(&table)).await);
        assert!(found.to_string().contains("SYNC-016") || found.code().starts_with("RS-"), "{found}");
        assert_eq!(rig.production().await, yesterday, "half of it was loaded");
        let state = rig.target().state(&table).await.unwrap().unwrap();
        assert_eq!((state.applied_seq, state.staged), (Some(1), None));
        new_epoch(&rig, &table).await;
    }
}

/// Trace 23: rows of an older epoch are left in staging when a snapshot is loaded (L4, L5).
#[tokio::test(flavor = "multi_thread")]
async fn trace_23_rows_of_an_older_epoch_in_staging_reach_no_table() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "old", 1))));
    rig.extract(&table).await;
    let held = rig.redshift.faults().on("INSERT INTO \"public\".\"t\"", 1, Action::CutBefore);
    let stuck = rig.rival(|settings| settings.load.retries = 0).load(one(&table)).await;
    assert!(held.was_hit() && stuck[0].outcome.is_err());
    let state = rig.target().state(&table).await.unwrap().unwrap();
    assert_eq!(state.staged.map(|staged| (staged.epoch, staged.from, staged.to)), Some((1, 1, 1)));
    rig.source.with(|inner| {
        inner.commit(|tran| tran.delete(&table, &id(1)));
        inner.commit(|tran| tran.insert(&table, row(2, "new", 2)));
    });
    done(rig.engine().prepare(one(&table), NEW_EPOCH).await);
    rig.load(&table).await;
    let state = rig.target().state(&table).await.unwrap().unwrap();
    assert_eq!((state.epoch, state.applied_seq, state.staged), (2, Some(0), None));
    assert_eq!(rig.target().row_counts(&table).await.unwrap(), (1, 0));
    // Rows that stand there although state says that nothing does, as after a restore.
    rig.query("INSERT INTO d2r_staging.dbo__t (__d2r_op, __d2r_batch, __d2r_order, id, note, n) VALUES ('U', 1, 0, 1, 'old', 1)").await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(3, "newer", 3))));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// Why state says that the table diverged; the log says the same, in one line.
async fn marked(rig: &Rig, table: &TableName) -> String {
    let why = rig.target().state(table).await.unwrap().unwrap().diverged.expect("a mark").why;
    let lines = rig.query("SELECT diverged_why FROM d2r_control.batch_log WHERE event = 'diverged'").await;
    assert_eq!(lines, [[Some(why.clone())]]);
    let fleet = rig.target().fleet("shop").await.unwrap();
    assert_eq!(fleet.logged[table].diverged.as_ref().map(|diverged| &diverged.why), Some(&why), "status of all tables sees it");
    why
}

/// Trace 27: production is dropped and made again, or restored from yesterday under its name (L1):
/// the load stops with nothing changed, until a new epoch replaces the table.
#[tokio::test(flavor = "multi_thread")]
async fn trace_27_a_production_table_that_is_another_one_is_not_loaded() {
    let again = ["CREATE TABLE public.other (LIKE public.t)"];
    let restored = ["CREATE TABLE public.other (LIKE public.t)", "INSERT INTO public.other SELECT * FROM public.then"];
    for made in [&again[..], &restored] {
        let rig = Rig::start().await;
        let table = rig.prepared().await;
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
        rig.sync(&table).await;
        rig.query("CREATE TABLE public.then AS SELECT * FROM public.t").await;
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
        rig.sync(&table).await;
        for sql in made.iter().copied().chain(["DROP TABLE public.t", "ALTER TABLE public.other RENAME TO t"]) {
            rig.query(sql).await;
        }
        let there = rig.production().await;
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(3, "c", 3))));
        for _ in 0..2 {
            assert!(fault(rig.engine().sync(one(&table)).await).is(&sync::DIVERGED));
            assert_eq!(rig.production().await, there);
        }
        assert_eq!(marked(&rig, &table).await, "\"public\".\"t\" is not the table that was loaded");
        new_epoch(&rig, &table).await;
    }
}

/// Trace 27 for the staging table.
#[tokio::test(flavor = "multi_thread")]
async fn trace_27_a_staging_table_that_is_another_one_is_not_used() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.query("CREATE TABLE d2r_staging.other (LIKE d2r_staging.dbo__t)").await;
    rig.query("DROP TABLE d2r_staging.dbo__t").await;
    rig.query("ALTER TABLE d2r_staging.other RENAME TO dbo__t").await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    assert!(fault(rig.engine().sync(one(&table)).await).is(&sync::DIVERGED));
    assert!(rig.s3.store.record(&table, 1, 1).await.unwrap().is_some(), "the batch waits");
    assert_eq!(marked(&rig, &table).await, "\"d2r_staging\".\"dbo__t\" is not the table that was loaded");
    new_epoch(&rig, &table).await;
}
