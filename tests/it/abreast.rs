//! Many tables at once: as many as were ordered, no slow one in the way of others, and an end that
//! comes soon after it was asked for.

use std::time::Duration;

use db_to_redshift::engine::event::Job;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::fault::sync;
use db_to_redshift::model::{SqlType, TableName};
use db_to_redshift::target::Target;

use crate::support::column::column;
use crate::support::rig::{Rig, done};

/// More than the other tables take for all that they do.
const A_WHILE: Duration = Duration::from_millis(500);

/// `dbo.t1` to `dbo.t6`, prepared and loaded, with a batch recorded for each.
async fn recorded(rig: &Rig) -> Vec<TableName> {
    let columns = vec![column("id", 1, SqlType::Int, Some(1)), column("n", 2, SqlType::Int, None)];
    let tables: Vec<_> = (1..=6).map(|at| rig.source.table(&format!("t{at}"), columns.clone())).collect();
    done(rig.engine().prepare(&tables, PrepareOptions::default()).await);
    done(rig.engine().load(&tables).await);
    commit(rig, &tables);
    done(rig.engine().extract(&tables).await);
    tables
}

fn commit(rig: &Rig, tables: &[TableName]) {
    use db_to_redshift::model::Value::Int;
    rig.source.with(|inner| {
        inner.commit(|tran| tables.iter().for_each(|table| tran.insert(table, vec![Int(1), Int(1)])));
    });
}

async fn applied(rig: &Rig, tables: &[TableName]) -> Vec<u64> {
    let mut seqs = Vec::new();
    for table in tables {
        seqs.push(rig.target().state(table).await.unwrap().unwrap().applied_seq.unwrap());
    }
    seqs
}

/// The first table's COPY takes as long as all the others together.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_takes_long_holds_back_no_other() {
    let rig = Rig::start().await;
    let tables = recorded(&rig).await;
    let slow = rig.redshift.faults().on("COPY \"d2r_staging\".\"dbo__t1\"", 1, Action::Hold);
    let engine = rig.engine();
    let loading = tokio::spawn({
        let (engine, tables) = (engine.clone(), tables.clone());
        async move { engine.load(&tables).await }
    });
    slow.hit().await;
    while applied(&rig, &tables[1..]).await != [1; 5] {
        tokio::task::yield_now().await;
    }
    slow.release();
    let reports = loading.await.unwrap();
    assert!(reports.iter().map(|report| &report.table).eq(&tables), "in the order of the tables");
    done(reports);
    assert_eq!(applied(&rig, &tables).await, [1; 6]);
}

/// `load.parallel` and `extract.parallel` tables are at work at once, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn as_many_tables_as_ordered_are_at_work_at_once() {
    let rig = Rig::start().await;
    let tables = recorded(&rig).await;
    let held: Vec<_> =
        (1..=3).map(|at| rig.redshift.faults().on(&format!("COPY \"d2r_staging\".\"dbo__t{at}\""), 1, Action::Hold)).collect();
    let engine = rig.engine_with(|settings| settings.load.parallel = 3);
    let loading = tokio::spawn({
        let (engine, tables) = (engine.clone(), tables.clone());
        async move { engine.load(&tables).await }
    });
    for held in &held {
        held.hit().await;
    }
    // Nothing is known of a fourth, while three hold the locks of their states. Time enough for one
    // that nobody holds back.
    tokio::time::sleep(A_WHILE).await;
    for table in &tables[3..] {
        assert_eq!(rig.target().state(table).await.unwrap().unwrap().fence, 1, "{table}");
    }
    for held in &held {
        held.release();
    }
    done(loading.await.unwrap());
    assert_eq!(applied(&rig, &tables).await, [1; 6]);

    commit_more(&rig, &tables);
    let gates: Vec<_> = (0..3).map(|_| rig.source.hold("changes")).collect();
    let engine = rig.engine_with(|settings| settings.extract.parallel = 2);
    let extracting = tokio::spawn({
        let (engine, tables) = (engine.clone(), tables.clone());
        async move { engine.extract(&tables).await }
    });
    gates[0].reached().await;
    gates[1].reached().await;
    assert!(tokio::time::timeout(A_WHILE, gates[2].reached()).await.is_err(), "a third is read beside the two");
    gates[0].open();
    gates[2].reached().await;
    gates[1].open();
    gates[2].open();
    assert_eq!(done(extracting.await.unwrap()).batches, 6);
    assert_eq!(rig.source.with(|inner| inner.most_reading), 2);
}

fn commit_more(rig: &Rig, tables: &[TableName]) {
    use db_to_redshift::model::Value::Int;
    rig.source.with(|inner| {
        inner.commit(|tran| tables.iter().for_each(|table| tran.insert(table, vec![Int(2), Int(2)])));
    });
}

/// Asked to stop, a load ends the table it is at, and begins no other: nothing of these is touched.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_begins_no_other_table() {
    let rig = Rig::start().await;
    let tables = recorded(&rig).await;
    let held = rig.redshift.faults().on("COPY \"d2r_staging\".\"dbo__t1\"", 1, Action::Hold);
    let engine = rig.engine_with(|settings| settings.load.parallel = 1);
    let loading = tokio::spawn({
        let (engine, tables) = (engine.clone(), tables.clone());
        async move { engine.load(&tables).await }
    });
    held.hit().await;
    engine.cancel.cancel();
    held.release();
    let reports = loading.await.unwrap();
    assert!(reports.iter().all(|report| report.outcome.as_ref().is_err_and(|fault| fault.is(&sync::CANCELLED))), "{reports:?}");
    for (at, table) in tables.iter().enumerate() {
        let state = rig.target().state(table).await.unwrap().unwrap();
        assert_eq!((state.fence, state.staged.is_some()), if at == 0 { (2, true) } else { (1, false) }, "{table}");
    }
    // The same engine begins no extract and no prepare any more.
    for report in engine.extract(&tables).await.into_iter().chain(engine.prepare(&tables, PrepareOptions::default()).await) {
        assert!(report.outcome.is_err_and(|fault| fault.is(&sync::CANCELLED)));
        assert!(matches!(report.job, Job::Extract | Job::Prepare));
    }
    done(rig.engine().load(&tables).await);
    assert_eq!(applied(&rig, &tables).await, [1; 6]);
}
