use db_to_redshift::console::page::Block;
use db_to_redshift::engine::inspect::waiting::{Records, Waiting};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::engine::status::TargetSaid;
use db_to_redshift::model::fault::sync;
use db_to_redshift::model::{Fault, TableName};
use db_to_redshift::store::ChangeStore;

use super::{loaded, row};
use crate::support::rig::{Rig, done};

async fn records(rig: &Rig, table: &TableName, most: usize) -> Records {
    match rig.engine().waiting(table, most, None).await.unwrap() {
        Waiting::Records(records) => records,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_from_what_production_holds() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b"]).await;
    assert_eq!(rig.engine().waiting(&table, 10, None).await.unwrap(), Waiting::Nothing);
    for id in 7..10 {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(id, "x"))));
        rig.extract(&table).await;
    }
    let all = records(&rig, &table, 10).await;
    assert_eq!((all.from, all.to, all.records, all.rows, all.files, all.complete, all.snapshot), (1, 3, 3, 3, 3, true, false));
    // However few are read: where it begins and ends is known, and that more waits.
    let least = records(&rig, &table, 2).await;
    assert_eq!((least.from, least.to, least.records, least.rows, least.complete), (1, 3, 3, 2, false));
    assert_eq!((least.lsn_from, least.lsn_to), (all.lsn_from, all.lsn_to));
    let first = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap();
    assert_eq!(all.lsn_from, first.lsn_from);

    // Neither does the page of the files take the newest for all.
    let page = async |most, said: Option<&TargetSaid>| {
        let page = db_to_redshift::console::pages::files(&rig.engine().files(&table, most, said).await.unwrap());
        let Block::Facts(facts) = &page.blocks[0] else { panic!("{page:?}") };
        facts.iter().find(|fact| fact.name == "waits").unwrap().value.clone()
    };
    assert!(page(2, None).await.starts_with("at least 2 batches, 2 rows"));
    assert!(page(3, None).await.starts_with("3 batches, 3 rows"));

    // Nobody knows what waits while the target is away; that is no "nothing".
    let away = TargetSaid { at: jiff::Timestamp::now(), answer: Err(Fault::new(&sync::CANCELLED, "away")) };
    let Waiting::Unknown(Some(fault)) = rig.engine().waiting(&table, 10, Some(&away)).await.unwrap() else { panic!("it is not known") };
    assert_eq!(fault.what, "away");
    assert!(page(3, Some(&away)).await.starts_with("not known"));

    // A new snapshot: what waits before it is of no use any more.
    let anew = PrepareOptions { new_epoch: true, ..PrepareOptions::default() };
    done(rig.engine().prepare(std::slice::from_ref(&table), anew).await);
    let snapshot = records(&rig, &table, 10).await;
    assert_eq!((snapshot.epoch, snapshot.from, snapshot.to, snapshot.rows, snapshot.snapshot), (2, 0, 0, 5, true));
    assert_eq!(snapshot.lsn_from, None);
    rig.load(&table).await;
    assert_eq!(rig.engine().waiting(&table, 10, None).await.unwrap(), Waiting::Nothing);
}
