//! Marks that no load sets: the fleet's status shows them, and only a verify or a snapshot takes
//! them away.

use db_to_redshift::engine::inspect::upkeep::Upkeep;
use db_to_redshift::engine::inspect::verify::VerifyOptions;
use db_to_redshift::engine::prepare::{OpenMode, PrepareOptions};
use db_to_redshift::model::SqlType;
use db_to_redshift::model::TableName;
use db_to_redshift::model::fault::sync;
use db_to_redshift::model::status::Verdict;
use db_to_redshift::store::ChangeStore;

use super::{one, recorded, state};
use crate::support::column::column;
use crate::support::memory_source::{Inner, text};
use crate::support::rig::{Rig, done, fault, id, net};

/// What the fleet's report says, which reads the batch log and no state.
async fn seen(rig: &Rig, table: &TableName) -> (Verdict, Option<String>) {
    let report = rig.engine().fleet(None).await;
    let status = report.tables.into_iter().find(|status| status.table == *table).unwrap();
    (status.verdict, status.target.and_then(|target| target.diverged).map(|diverged| diverged.why))
}

async fn verify(rig: &Rig, table: &TableName) -> bool {
    let source = rig.source.clone();
    rig.source.before("clock", move |_| source.before("watermarks", Inner::idle));
    rig.engine().verify(table, &VerifyOptions::default()).await.unwrap().diverged
}

#[tokio::test(flavor = "multi_thread")]
async fn what_verify_finds_shows_in_the_fleet_and_goes_with_the_next() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 2).await;
    rig.load(&table).await;
    assert_eq!(seen(&rig, &table).await, (Verdict::Current, None));
    rig.query("UPDATE public.t SET n = 99 WHERE id = 1").await;
    assert!(verify(&rig, &table).await);
    let (verdict, why) = seen(&rig, &table).await;
    assert!(verdict == Verdict::Diverged && why.as_deref().is_some_and(|why| why.contains("1 different")), "{why:?}");
    rig.query("UPDATE public.t SET n = 1 WHERE id = 1").await;
    // The log's clock has whole seconds.
    rig.query("SELECT pg_sleep(1.1)").await;
    assert!(!verify(&rig, &table).await);
    assert_eq!(seen(&rig, &table).await, (Verdict::Current, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn production_that_was_emptied_shows_in_the_fleet_and_a_start_does_not_hide_it() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 2).await;
    rig.load(&table).await;
    rig.query("UPDATE public.t SET n = 99 WHERE id = 1").await;
    assert!(verify(&rig, &table).await);
    rig.engine().upkeep(&table, &Upkeep::TruncateProduction { confirm: table.to_string() }).await.unwrap();
    let (verdict, why) = seen(&rig, &table).await;
    let why = why.unwrap();
    assert!(verdict == Verdict::Diverged && why.contains("emptied") && why.contains("1 different"), "an older reason stays: {why}");
    // Changes alone, into an empty production: what was there before is still missing (L9).
    let start = PrepareOptions { mode: OpenMode::Start, new_epoch: true, ..PrepareOptions::default() };
    done(rig.engine().prepare(one(&table), start).await);
    rig.load(&table).await;
    assert_eq!(state(&rig, &table).await.epoch, 2);
    assert!(state(&rig, &table).await.diverged.is_some());
    assert_eq!(seen(&rig, &table).await.0, Verdict::Diverged);
    done(rig.engine().prepare(one(&table), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    rig.load(&table).await;
    assert_eq!((state(&rig, &table).await.diverged, seen(&rig, &table).await), (None, (Verdict::Current, None)));
    rig.assert_equal(&table).await;
}

/// An insert and its delete are no net change, so they mend nothing: what differs in a key of theirs
/// keeps the mark.
#[tokio::test(flavor = "multi_thread")]
async fn a_net_table_keeps_its_mark_while_keys_that_differ_are_in_flight() {
    let rig = Rig::start().await;
    let table =
        rig.source.table("t", vec![column("id", 1, SqlType::Int, Some(1)), column("name", 2, SqlType::NVarChar { length: 9 }, None)]);
    rig.source.with(|inner| inner.get(&table).instance.supports_net_changes = true);
    done(rig.engine_with(net).prepare(one(&table), PrepareOptions::default()).await);
    done(rig.engine_with(net).load(one(&table)).await);
    rig.query("INSERT INTO public.t (id, name) VALUES (7, 'ghost')").await;
    assert!(verify(&rig, &table).await, "a row too many");
    rig.source.with(|inner| {
        inner.commit(|tran| tran.insert(&table, vec![id(7).remove(0), text("x")]));
        inner.commit(|tran| tran.delete(&table, &id(7)));
    });
    let source = rig.source.clone();
    rig.source.before("clock", move |_| source.before("watermarks", Inner::idle));
    let report = rig.engine_with(net).verify(&table, &VerifyOptions::default()).await.unwrap();
    assert!(report.diverged && report.left_out == 1, "{report:?}");
    assert!(state(&rig, &table).await.diverged.is_some());
}

/// An epoch is open, but this target was never loaded: a plain prepare must not hand rows of somebody
/// else to the next load.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_somebody_else_are_never_taken_for_ours() {
    let mut rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    rig.settings.redshift.target_schema = "other".into();
    rig.settings.redshift.staging_schema = "other_staging".into();
    rig.settings.redshift.control_schema = "other_control".into();
    rig.query("CREATE SCHEMA other").await;
    rig.query("CREATE TABLE other.t (id INTEGER NOT NULL, note VARCHAR(65535), n INTEGER)").await;
    rig.query("INSERT INTO other.t (id, note) VALUES (4711, 'of another tool')").await;
    let refused = fault(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    assert!(refused.is(&sync::PRODUCTION_NOT_EMPTY), "{refused}");
    let refused = fault(rig.engine().load(one(&table)).await);
    assert_eq!(refused.code(), "RS-014", "no state was made: {refused}");
    assert_eq!(rig.query("SELECT note FROM other.t").await[0][0].as_deref(), Some("of another tool"));
    done(rig.engine().prepare(one(&table), PrepareOptions { replace: true, ..PrepareOptions::default() }).await);
    rig.load(&table).await;
    assert_eq!(rig.query("SELECT id FROM other.t").await[0][0].as_deref(), Some("1"));
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), Some(1));
}
