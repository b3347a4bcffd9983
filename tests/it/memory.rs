//! Memory does not grow with the batch.

use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::TableName;
use db_to_redshift::store::ChangeStore;

use crate::support::pipeline::Pipeline;
use crate::support::rig::done;
use crate::support::wide::{INSTANCE, SCHEMA, measure, rows};

const ROWS: i64 = 1_000_000;

/// One transaction of a million rows of twelve columns, extracted by the program as a process of
/// its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_million_rows_are_extracted_below_150_mb() {
    let pipeline = Pipeline::start(SCHEMA).await;
    let table = TableName::new("dbo", "wide");
    done(pipeline.engine().await.prepare(std::slice::from_ref(&table), PrepareOptions::default()).await);
    let filled = pipeline.lab.sqlserver.cdc.fill_change_table(&pipeline.lab.options().source_database, INSTANCE, rows(ROWS)).unwrap();
    assert_eq!(filled.transactions, 1);
    let mut child = pipeline.program(&["extract", "--json"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    let (good, cost) = measure(&mut child).await;
    eprintln!("{cost:?}");
    assert!(good);
    let record = pipeline.engine().await.store.record(&table, 1, 1).await.unwrap().unwrap();
    assert_eq!(record.counts.rows(), u64::try_from(ROWS).unwrap());
    assert!(cost.peak_mb > 5.0, "the figure was read: {cost:?}");
    assert!(cost.peak_mb < 150.0, "{cost:?}");
}
