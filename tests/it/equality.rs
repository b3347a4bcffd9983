//! Random work, synced in random slices: production equals the source, compared by a Python
//! script with a type table of its own.

use db_to_redshift::model::TableName;
use db_to_redshift::target::Target;

use crate::support::pipeline::Pipeline;

/// Slices of the workload between two syncs; small and large, from the seed.
fn slices(seed: u64) -> Vec<usize> {
    let mut state = seed;
    let mut next = || {
        // A plain linear congruence: the slices only have to differ.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..6).map(|_| usize::try_from(1 + next() % 30).unwrap()).collect()
}

async fn equal_after(seed: u64, coalesce_batches: u32, max_transactions: u32) {
    let (mut pipeline, mut workload) = Pipeline::sample(seed).await;
    let tables = pipeline.prepared().await;
    assert!(tables.len() >= 8);
    pipeline.assert_equal(&tables).await;
    for slice in slices(seed) {
        pipeline.work(&mut workload, slice);
        let engine = pipeline
            .engine_with(|settings| {
                settings.load.coalesce_batches = coalesce_batches;
                settings.extract.max_transactions = max_transactions;
            })
            .await;
        crate::support::rig::done(engine.sync(&tables).await);
    }
    pipeline.assert_equal(&tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joined_batches_end_equal() {
    Box::pin(equal_after(1, 100, 4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_batches_end_equal() {
    Box::pin(equal_after(2, 1, 7)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_windows_end_equal() {
    Box::pin(equal_after(3, 100, 10_000)).await;
}

/// A difference must show: the proof can fail.
#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "differ")]
async fn a_row_that_was_changed_by_hand_is_seen() {
    let (pipeline, _) = Pipeline::sample(4).await;
    let tables = pipeline.prepared().await;
    let production = pipeline.engine().await.target.names(&TableName::new("dbo", "Country")).production;
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    client.batch_execute(&format!("DELETE FROM {production}")).await.unwrap();
    pipeline.assert_equal(&tables).await;
}
