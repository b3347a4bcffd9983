//! A source that goes back while it is read: between the choice of a window and its record, all
//! that was read must be of one history (E9, R2).

use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::TableName;
use db_to_redshift::model::fault::{src, sync};
use db_to_redshift::store::ChangeStore;

use super::one;
use crate::support::memory_source::Inner;
use crate::support::rig::{Rig, done, fault, row};

/// The last transaction never was: the storage was set back to before it, under the same identity.
fn set_back(inner: &mut Inner, table: &TableName) {
    let lost = inner.mapping.pop().unwrap().lsn;
    inner.next -= 10;
    let table = inner.get(table);
    table.changes.retain(|row| row.lsn != lost);
    table.rows.pop_last();
}

/// The window ends at a max that is no more. Its record would cover LSNs that the new history fills
/// later, and these changes would never be read.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_goes_back_before_its_window_is_read_leaves_no_record() {
    for method in ["mappings", "changes"] {
        let rig = Rig::start().await;
        let table = rig.prepared().await;
        rig.load(&table).await;
        for id in 1..=2 {
            rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(id, "a", id))));
        }
        let lost = table.clone();
        // Once the window is chosen: before its turn, or before its read.
        let source = rig.source.clone();
        rig.source.before("first_changes", move |_| source.before(method, move |inner| set_back(inner, &lost)));
        assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::WENT_BACK), "before {method}");
        assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), 0, "no record");
        // Another life fills the same LSNs and goes past them: all of it is carried.
        for id in 3..=5 {
            rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(id, "b", id))));
        }
        rig.sync(&table).await;
        rig.assert_equal(&table).await;
    }
}

/// The same for an empty window, whose record only moves the stream on.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_changes_while_a_batch_is_read_leaves_no_record() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    // Set back and past the window's end again, all within the read.
    let other = table.clone();
    rig.source.before("changes", move |inner| {
        set_back(inner, &other);
        inner.commit(|tran| tran.insert(&other, row(7, "another life", 7)));
        inner.mapping.last_mut().unwrap().tran_id = "another".into();
        inner.idle();
    });
    assert!(fault(rig.engine().extract(one(&table)).await).is(&sync::WENT_BACK));
    assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), 0);
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// The bounds of a snapshot are read before its scan: what the scan sees must be of their history.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_goes_back_during_a_snapshot_opens_no_epoch() {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    let lost = table.clone();
    rig.source.before("scan", move |inner| set_back(inner, &lost));
    assert!(fault(rig.engine().prepare(one(&table), PrepareOptions::default()).await).is(&sync::WENT_BACK));
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), None);

    // Another server answers under the same name.
    rig.source.before("scan", |inner| inner.identity.database_guid = Some("another".into()));
    rig.source.with(|inner| inner.identity.database_guid = Some("this one".into()));
    assert!(fault(rig.engine().prepare(one(&table), PrepareOptions::default()).await).is(&sync::WENT_BACK));
    assert_eq!(rig.s3.store.current_epoch(&table).await.unwrap(), None);
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.load(&table).await;
    rig.assert_equal(&table).await;
}

/// CDC that is off for the whole database is a fault of its own (E2).
#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_cdc_is_told() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.cdc_enabled = false);
    let off = fault(rig.engine().extract(one(&table)).await);
    assert!(off.is(&src::CDC_OFF) && off.actions().any(|action| action == "db-to-redshift enable"), "{off}");
}
