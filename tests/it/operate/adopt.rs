//! Adopt: a renamed server, a moved bucket, a renamed pipeline (section 1).

use std::sync::Arc;

use db_to_redshift::engine::operate::AdoptOrder;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::fault::{operate, sync};
use db_to_redshift::model::{CommitRecord, TableName};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::store::s3::S3Store;
use db_to_redshift::target::{Loader, Target};

use super::{one, outcome, record, recorded, state};
use crate::support::rig::{Rig, TestEngine, done, fault};

const CONFIRMED: AdoptOrder = AdoptOrder { confirm: true, pipeline: false };

fn new_epoch() -> PrepareOptions {
    PrepareOptions { new_epoch: true, ..PrepareOptions::default() }
}

/// An engine whose objects stand under another prefix of the bucket.
async fn moved(rig: &Rig, pipeline: &str) -> TestEngine {
    let mut settings = rig.settings.clone();
    settings.s3.prefix = "moved".into();
    settings.pipeline = pipeline.into();
    let store = S3Store::connect(&settings.s3, pipeline).await.unwrap();
    let mut engine = Arc::into_inner(rig.engine_with(|to| *to = settings)).unwrap();
    engine.store = Arc::new(store);
    Arc::new(engine)
}

/// Copies the records; their part files are found where they are.
async fn copy_records(rig: &Rig, to: &TestEngine, table: &TableName) {
    for seq in rig.s3.store.seqs_after(table, 1, None).await.unwrap() {
        let record: CommitRecord = rig.s3.store.record(table, 1, seq).await.unwrap().unwrap();
        to.store.put_record(&record).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_adopted_and_needs_a_new_epoch() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let again = outcome(rig.engine().adopt(one(&table), CONFIRMED).await).unwrap();
    assert_eq!(again.was, None, "nothing has changed yet");
    let mut stalled = rig.target().loader(&table).await.unwrap();
    let old = rig.engine().identity(&rig.source.with(|inner| inner.identity.clone()));
    stalled.raise_fence(&old).await.unwrap();

    rig.source.with(|inner| inner.identity.server = "MEMORY-2".into());
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::OTHER_SOURCE));
    let refused = fault(rig.engine().prepare(one(&table), new_epoch()).await);
    assert!(refused.is(&sync::OTHER_STREAM));
    assert!(refused.actions().any(|next| next.contains("db-to-redshift adopt")), "{refused}");

    let asked = outcome(rig.engine().adopt(one(&table), AdoptOrder::default()).await).unwrap_err();
    assert!(asked.is(&operate::CONFIRM));
    for fact in [("server in state", "MEMORY"), ("server here", "MEMORY-2")] {
        assert!(asked.facts().contains(&(fact.0.to_owned(), fact.1.to_owned())), "{asked}");
    }
    let before = state(&rig, &table).await;
    assert_eq!((before.identity.source.server.as_str(), before.diverged), ("MEMORY", None));

    let adopted = outcome(rig.engine().adopt(one(&table), CONFIRMED).await).unwrap();
    assert!(adopted.diverged && adopted.next == "db-to-redshift prepare --new-epoch --table 'dbo.t'");
    assert_eq!(adopted.was, Some(before.identity));
    let after = state(&rig, &table).await;
    assert_eq!((after.identity.source.server.as_str(), after.fence), ("MEMORY-2", before.fence + 1));
    assert!(after.diverged.unwrap().why.contains("loaded from MEMORY/shop, now MEMORY-2/shop"));
    assert!(stalled.raise_fence(&old).await.unwrap_err().is(&sync::OTHER_STREAM), "a load of the old stream is shut out");

    // The records are still those of the old server: nothing of them is gone on from or loaded.
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::OTHER_SOURCE));
    let refused = fault(rig.engine().load(one(&table)).await);
    assert!(refused.is(&sync::OTHER_STREAM));
    assert!(refused.actions().any(|next| next.contains("after adopt of another source: db-to-redshift prepare --new-epoch")));
    assert!(super::ids(&rig).await.is_empty());

    done(rig.engine().prepare(one(&table), new_epoch()).await);
    rig.load(&table).await;
    record(&rig, &table, [2]).await;
    rig.sync(&table).await;
    assert_eq!(state(&rig, &table).await.diverged, None);
    rig.assert_equal(&table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_root_goes_on_where_its_records_do() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let engine = moved(&rig, "shop").await;
    copy_records(&rig, &engine, &table).await;
    assert!(fault(engine.load(one(&table)).await).is(&sync::OTHER_STREAM));
    let adopted = outcome(engine.adopt(one(&table), CONFIRMED).await).unwrap();
    assert!(!adopted.diverged && adopted.next == "db-to-redshift sync --table 'dbo.t'");
    done(engine.sync(one(&table)).await);
    assert_eq!(state(&rig, &table).await.diverged, None);
    rig.assert_equal(&table).await;
    assert!(fault(rig.engine().load(one(&table)).await).is(&sync::OTHER_STREAM), "the old root is shut out");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_root_without_the_records_counts_as_diverged() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let engine = moved(&rig, "shop").await;
    let adopted = outcome(engine.adopt(one(&table), CONFIRMED).await).unwrap();
    assert!(adopted.diverged && adopted.next.contains("prepare --new-epoch"));
    assert!(state(&rig, &table).await.diverged.unwrap().why.contains("do not go on where production stands"));
    done(engine.prepare(one(&table), new_epoch()).await);
    done(engine.load(one(&table)).await);
    assert_eq!(state(&rig, &table).await.epoch, 2, "above the epoch of the old root");
    assert_eq!(state(&rig, &table).await.diverged, None);
    rig.assert_equal(&table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pipeline_is_another_stream_unless_it_was_renamed() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let engine = moved(&rig, "store").await;
    let refused = outcome(engine.adopt(one(&table), CONFIRMED).await).unwrap_err();
    assert!(refused.is(&sync::OTHER_STREAM), "{refused}");
    assert_eq!(state(&rig, &table).await.identity.pipeline, "shop");
    let adopted = outcome(engine.adopt(one(&table), AdoptOrder { confirm: true, pipeline: true }).await).unwrap();
    assert!(adopted.diverged);
    assert_eq!(state(&rig, &table).await.identity.pipeline, "store");
    done(engine.prepare(one(&table), new_epoch()).await);
    done(engine.load(one(&table)).await);
    rig.assert_equal(&table).await;
}

/// Rows of the old stream do not wait in staging for the new one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_staged_goes_with_the_old_identity() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 1).await;
    let held = rig.redshift.faults().on("DELETE FROM \"public\"", 1, db_to_redshift::lab::redshift::Action::CutBefore);
    assert!(rig.engine_with(|settings| settings.load.retries = 0).load(one(&table)).await[0].outcome.is_err());
    assert!(held.was_hit() && state(&rig, &table).await.staged.is_some());
    let engine = moved(&rig, "shop").await;
    copy_records(&rig, &engine, &table).await;
    outcome(engine.adopt(one(&table), CONFIRMED).await).unwrap();
    assert_eq!(state(&rig, &table).await.staged, None);
    assert_eq!(rig.target().row_counts(&table).await.unwrap(), (0, 0));
    done(engine.load(one(&table)).await);
    rig.assert_equal(&table).await;
}
