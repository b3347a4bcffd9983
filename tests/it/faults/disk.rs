//! No room for temporary files. On its own, because the folder counts for the whole process.

use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::fault::sync;
use db_to_redshift::model::{Fault, SqlType, Value};
use db_to_redshift::store::ChangeStore;

use crate::faults::{provocations, run};
use crate::support::column::column;
use crate::support::memory_source::text;
use crate::support::pipeline::Pipeline;
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

/// A file system that takes no more, while the keys of one transaction are written there: the batch
/// ends with the fault, nothing of it is recorded, and once there is room the same command carries it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_amid_a_batch_leaves_nothing_behind() {
    let mut pipeline = Pipeline::start([
        "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.t (id nvarchar(400) NOT NULL PRIMARY KEY, n int NULL)",
        "EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL",
    ])
    .await;
    let rows: Vec<String> = (0..ROWS).map(|n| format!("(N'{n:0399}', {n})")).collect();
    for rows in rows.chunks(500) {
        pipeline.sql.run(&format!("INSERT dbo.t VALUES {}", rows.join(", "))).unwrap();
    }
    pipeline.capture();
    let tables = pipeline.prepared().await;
    pipeline.sql.run("UPDATE dbo.t SET id = N'k' + id").unwrap();
    pipeline.capture();
    // No file may grow beyond a MiB: the kernel refuses the write, as it does on a full disk.
    let program = pipeline.program(&["extract", "--json"]);
    let program = program.as_std();
    let mut limited = tokio::process::Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "bash"]).arg(program.get_program()).args(program.get_args());
    let output = limited.output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(sync::SPILL.code), "{said} {}", String::from_utf8_lossy(&output.stderr));
    let store = &pipeline.engine().await.store;
    assert_eq!(store.head(&tables[0], 1, 0).await.unwrap(), 0, "no record");
    assert!(store.attempts(&tables[0], 1).await.unwrap().iter().all(|attempt| attempt.attempt.seq == 0), "no part files");
    assert!(pipeline.program(&["sync"]).output().await.unwrap().status.success());
    pipeline.assert_equal(&tables).await;
}
