//! The pages of inspection and repair, and of the policies, through the engine on the lab.

use db_to_redshift::config::{Changes, TableRule};
use db_to_redshift::engine::inspect::preview::PreviewOptions;
use db_to_redshift::engine::inspect::upkeep::Upkeep;
use db_to_redshift::engine::inspect::verify::VerifyOptions;
use db_to_redshift::engine::inspect::widen::WidenOptions;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::fault::{Page, rs, sync};
use db_to_redshift::model::{Fault, SqlType, TableName, Unfit};
use db_to_redshift::target::Target;

use crate::faults::{provocations, run};
use crate::support::column::column;
use crate::support::rig::{Rig, done, fault, row};
use crate::support::store::BUCKET;

provocations! {
    [rs::STILL_STAGED] => emptying_a_staging_that_waits,
    [rs::STILL_STAGED] => emptying_a_production_that_rows_wait_for,
    [rs::TOO_LONG] => a_production_that_became_narrower,
    [rs::NOT_WIDENED] => widening_a_number,
    [rs::NOT_WIDENED] => widening_past_the_limit,
    [rs::NOT_WIDENED] => widening_what_redshift_cannot_alter,
    [rs::COLUMN_POLICY] => a_policy_for_a_number,
    [rs::COLUMN_POLICY] => a_policy_for_a_column_that_is_not_there,
    [sync::POLICY] => a_policy_that_became_super,
    [sync::IN_FLIGHT] => more_in_flight_than_is_remembered,
    [sync::BAD_KEY] => a_key_of_another_type,
    [sync::BAD_KEY] => a_key_with_too_many_values,
    [sync::PART_UNREADABLE] => a_pending_file_that_is_gone,
    [sync::PART_UNREADABLE] => a_pending_file_that_was_cut,
    [sync::NO_COLUMN] => widening_a_column_that_is_not_there,
    [sync::NO_BATCH] => a_preview_of_a_batch_that_is_not_there,
    bare [sync::NOT_CONFIRMED] => a_name_that_was_mistyped,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_of_inspection_are_met() {
    run(register()).await;
}

fn one(table: &TableName) -> &[TableName] {
    std::slice::from_ref(table)
}

/// A table whose snapshot with one row is loaded.
async fn loaded() -> (Rig, TableName) {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.load(&table).await;
    (rig, table)
}

/// [`loaded`], and one more row waits in S3.
async fn pending() -> (Rig, TableName) {
    let (rig, table) = loaded().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "card 4711 is long", 2))));
    rig.extract(&table).await;
    (rig, table)
}

/// The fault of a load whose production is too narrow. The row stays staged.
async fn narrowed() -> (Rig, TableName, Fault) {
    let (rig, table) = pending().await;
    rig.query("ALTER TABLE public.t ALTER COLUMN note TYPE VARCHAR(10)").await;
    let fault = fault(rig.engine().load(one(&table)).await);
    assert_eq!(rig.target().row_counts(&table).await.unwrap(), (1, 1), "nothing is half applied");
    (rig, table, fault)
}

async fn a_production_that_became_narrower() -> Fault {
    let (_rig, _, fault) = narrowed().await;
    for fact in ["column", "bytes", "limit", "file", "line"] {
        assert!(fault.facts().iter().any(|(name, _)| name == fact), "{fact}: {fault:?}");
    }
    fault
}

async fn emptying(what: impl FnOnce(&TableName) -> Upkeep) -> Fault {
    let (rig, table, _) = narrowed().await;
    let fault = rig.engine().upkeep(&table, &what(&table)).await.unwrap_err();
    assert_eq!(rig.target().row_counts(&table).await.unwrap(), (1, 1), "nothing was emptied");
    fault
}

async fn emptying_a_staging_that_waits() -> Fault {
    Box::pin(emptying(|_| Upkeep::TruncateStaging)).await
}

async fn emptying_a_production_that_rows_wait_for() -> Fault {
    Box::pin(emptying(|table| Upkeep::TruncateProduction { confirm: table.to_string() })).await
}

async fn a_name_that_was_mistyped() -> Fault {
    let (rig, table) = loaded().await;
    let fault = rig.engine().upkeep(&table, &Upkeep::TruncateProduction { confirm: "dbo.T".into() }).await.unwrap_err();
    assert_eq!(rig.production().await.len(), 1);
    fault
}

async fn refused(rig: &Rig, table: &TableName, column: Option<&str>, to: Option<u32>) -> Fault {
    let options = WidenOptions { column: column.map(str::to_owned), to, confirm: true };
    rig.engine().widen(table, &options).await.unwrap_err()
}

async fn widening_a_number() -> Fault {
    let (rig, table) = loaded().await;
    refused(&rig, &table, Some("n"), Some(100)).await
}

async fn widening_past_the_limit() -> Fault {
    let (rig, table) = loaded().await;
    refused(&rig, &table, Some("note"), Some(70_000)).await
}

/// Only the ALTER itself meets the declared key.
async fn widening_what_redshift_cannot_alter() -> Fault {
    let rig = Rig::start().await;
    let table =
        rig.source.table("t", vec![column("id", 1, SqlType::Int, Some(1)), column("name", 2, SqlType::NVarChar { length: 20 }, None)]);
    rig.query("CREATE TABLE public.t (id INTEGER NOT NULL, name VARCHAR(60) UNIQUE)").await;
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.load(&table).await;
    refused(&rig, &table, Some("name"), Some(100)).await
}

async fn widening_a_column_that_is_not_there() -> Fault {
    let (rig, table) = loaded().await;
    refused(&rig, &table, Some("nota"), None).await
}

/// What an extraction says once the configuration has this policy.
async fn with_policy(column: &str, policy: Unfit, page: &'static Page) -> Fault {
    let (rig, table) = loaded().await;
    let rule = TableRule {
        name: table.to_string(),
        skip: false,
        changes: Changes::All,
        columns: vec![(column.into(), policy)],
        sees_all_rows: false,
    };
    let engine = rig.engine_with(|settings| settings.tables = vec![rule]);
    let prepared = fault(engine.prepare(one(&table), PrepareOptions::default()).await);
    assert!(prepared.is(page), "prepare says the same: {prepared}");
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "card 4711", 2))));
    fault(engine.extract(one(&table)).await)
}

async fn a_policy_for_a_number() -> Fault {
    with_policy("n", Unfit::Null, &rs::COLUMN_POLICY).await
}

async fn a_policy_for_a_column_that_is_not_there() -> Fault {
    with_policy("nota", Unfit::Truncate, &rs::COLUMN_POLICY).await
}

async fn a_policy_that_became_super() -> Fault {
    with_policy("note", Unfit::Super, &sync::POLICY).await
}

async fn more_in_flight_than_is_remembered() -> Fault {
    let (rig, table) = loaded().await;
    rig.source.with(|inner| inner.commit(|tran| (2..6).for_each(|id| tran.insert(&table, row(id, "card 4711", id)))));
    let options = VerifyOptions { most_in_flight: 3, ..VerifyOptions::default() };
    let fault = rig.engine().verify(&table, &options).await.unwrap_err();
    assert!(rig.target().state(&table).await.unwrap().unwrap().diverged.is_none(), "no finding is noted");
    fault
}

async fn traced(keys: &[&str]) -> Fault {
    let (rig, table) = loaded().await;
    let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
    rig.engine().trace(&table, &keys, false).await.unwrap_err()
}

async fn a_key_of_another_type() -> Fault {
    traced(&["card 4711"]).await
}

async fn a_key_with_too_many_values() -> Fault {
    traced(&["1", "card 4711"]).await
}

/// The pending file, and what a dry run says after it was changed.
async fn dry_run(change: impl FnOnce(&Rig, &str)) -> Fault {
    let (rig, table) = pending().await;
    // The file of the snapshot went when it was loaded.
    let keys: Vec<String> = rig.s3.lab.keys(BUCKET, "").into_iter().filter(|key| key.contains("part-")).collect();
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    change(&rig, key);
    rig.engine().dry_run(&table).await.unwrap_err()
}

async fn a_pending_file_that_is_gone() -> Fault {
    dry_run(|rig, key| rig.s3.lab.remove(BUCKET, key)).await
}

async fn a_pending_file_that_was_cut() -> Fault {
    dry_run(|rig, key| {
        let whole = rig.s3.lab.object(BUCKET, key).unwrap();
        let plain = zstd::decode_all(&whole[..]).unwrap();
        rig.s3.lab.overwrite(BUCKET, key, zstd::encode_all(&plain[..plain.len() - 3], 1).unwrap().into());
    })
    .await
}

async fn a_preview_of_a_batch_that_is_not_there() -> Fault {
    let (rig, table) = pending().await;
    let options = PreviewOptions { file: None, from_line: 1, most: 1, show_values: false };
    rig.engine().preview(&table, 2, &options).await.unwrap_err()
}
