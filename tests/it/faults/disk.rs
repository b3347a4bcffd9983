//! No room for temporary files. On its own, because the folder counts for the whole process.

use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::fault::sync;
use db_to_redshift::model::{Fault, SqlType, Value};

use crate::faults::{provocations, run};
use crate::support::column::column;
use crate::support::memory_source::text;
use crate::support::rig::{Rig, done, fault};

provocations! { [sync::SPILL] => no_room_to_spill }

/// Two keys a row, well past the MiB that stays in memory.
const ROWS: i64 = 3_000;

async fn no_room_to_spill() -> Fault {
    let rig = Rig::start().await;
    let columns = vec![column("id", 1, SqlType::NVarChar { length: 400 }, Some(1)), column("n", 2, SqlType::Int, None)];
    let table = rig.source.table("t", columns);
    let tables = std::slice::from_ref(&table);
    let key = |n: i64| text(&format!("{n:0400}"));
    rig.source.with(|inner| inner.commit(|tran| (0..ROWS).for_each(|n| tran.insert(&table, vec![key(n), Value::Int(n)]))));
    done(rig.engine().prepare(tables, PrepareOptions::default()).await);
    rig.source.with(|inner| inner.commit(|tran| (0..ROWS).for_each(|n| tran.update(&table, &[key(n)], &[(0, key(n + 10_000))]))));
    let gone = tempfile::tempdir().unwrap();
    let folder = gone.path().to_owned();
    gone.close().unwrap();
    tempfile::env::override_temp_dir(&folder).expect("nothing else in this process has set the folder");
    let fault = fault(rig.engine().extract(tables).await);
    assert!(fault.facts().contains(&("folder".into(), folder.display().to_string())), "{fault:?}");
    // Nothing of the batch was recorded.
    assert_eq!(db_to_redshift::store::ChangeStore::head(&rig.s3.store, &table, 1, 0).await.unwrap(), 0);
    fault
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told() {
    // nextest gives each test a process; the plain runner does not, so there it starts itself.
    let alone = ["NEXTEST", "D2R_TEST_ALONE"].iter().any(|name| std::env::var_os(name).is_some());
    if alone {
        return run(register()).await;
    }
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "faults::disk::a_full_disk_is_told"]).env("D2R_TEST_ALONE", "1");
    assert!(child.status().await.unwrap().success());
}
