//! SYNC: each guard of the protocol, through whole jobs.

use std::sync::Arc;

use bytes::Bytes;
use db_to_redshift::engine::check::Found;
use db_to_redshift::engine::lease;
use db_to_redshift::engine::prepare::{OpenMode, PrepareOptions};
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::model::control::{Holder, Lease, LeaseKind};
use db_to_redshift::model::fault::{Page, sync};
use db_to_redshift::model::{Fault, Lsn, SqlType, TableName, TableShape, Value};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::{Loader, Target};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::faults::{Met, provocations, run};
use crate::support::column::column;
use crate::support::lab_sql_server::Lab;
use crate::support::memory_source::{lsn, text};
use crate::support::pipeline::Pipeline;
use crate::support::rig::{Rig, done, fault, id, net, row};
use crate::support::store::BUCKET;
use crate::support::target::{full, identity, table as orders, target_lab};

provocations! {
    [sync::BUSY] => a_lease_of_another_machine,
    [sync::GAP] => clean_up_past_the_reader,
    [sync::WENT_BACK] => a_source_restored_to_an_earlier_time,
    [sync::WENT_BACK] => another_history_past_the_old_end,
    [sync::DRIFT] => a_column_that_came_back,
    [sync::OTHER_STREAM] => a_state_of_another_pipeline,
    [sync::STALE_FENCE] => a_loader_that_was_overtaken,
    [sync::DIVERGED] => a_production_that_was_made_again,
    [sync::UNPAIRED] => a_before_image_alone,
    bare [sync::NOT_PREPARED] => a_table_without_an_epoch,
    bare [sync::NOT_TRACKED] => a_table_without_capture,
    [sync::WARMING_UP] => a_database_without_a_mapping,
    [sync::CAPTURE_CHANGED] => an_instance_made_again,
    [sync::CAPTURE_CHANGED] => an_instance_that_is_gone,
    [sync::NO_ACCESS] => a_low_water_mark_of_zero,
    [sync::NO_ACCESS] => a_gating_role_that_was_taken_away,
    [sync::WENT_BACK] => a_backup_restored_over_the_source,
    [sync::BROKEN_CHAIN] => a_record_that_does_not_follow,
    [sync::RECORDS_GONE] => records_that_were_deleted,
    [sync::STAGE_COUNT] => rows_of_another_batch_in_a_file,
    [sync::PRODUCTION_NOT_EMPTY] => rows_of_unknown_origin,
    bare [sync::INTENT_LOST] => a_snapshot_that_another_replaced,
    bare [sync::NO_SNAPSHOT_ISOLATION] => a_database_without_snapshot_isolation,
    bare [sync::NET_REFUSED] => net_changes_of_large_values,
    bare [sync::LEASE_LOST] => a_lease_that_was_taken_over,
    bare [sync::CANCELLED] => a_job_that_was_stopped,
    [sync::NO_TABLE] => a_pattern_that_names_nothing,
    [sync::LOAD_STUCK] => conflicts_without_end,
    [sync::OTHER_SOURCE] => a_source_of_another_name,
    [sync::CLOCK] => a_clock_at_the_end_of_time,
    [sync::KEY_UNFIT] => a_key_with_a_nul,
    [sync::MARKER_MET] => a_value_that_is_the_marker,
    [sync::ROW_UNFIT] => a_date_past_the_calendar,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_protocol_s_pages_are_met() {
    run(register()).await;
}

fn one(table: &TableName) -> &[TableName] {
    std::slice::from_ref(table)
}

/// A prepared table with one change that waits to be extracted.
async fn waiting() -> (Rig, TableName) {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "card 4711", 1))));
    (rig, table)
}

async fn extract_fault(rig: &Rig, table: &TableName) -> Fault {
    let fault = fault(rig.engine_with(|settings| settings.extract.retries = 0).extract(one(table)).await);
    assert_eq!(rig.s3.store.head(table, 1, 0).await.unwrap(), 0, "nothing was recorded past the fault");
    fault
}

async fn load_fault(rig: &Rig, table: &TableName) -> Fault {
    fault(rig.engine_with(|settings| settings.load.retries = 0).load(one(table)).await)
}

async fn a_lease_of_another_machine() -> Fault {
    let (rig, table) = waiting().await;
    let holder =
        Holder { run: Uuid::new_v4(), host: "far-away".into(), user: "ada".into(), pid: 1, machine: None, since: Timestamp::now() };
    let lease = Lease { holder: Some(holder), beat: 0, at: Timestamp::now(), failed: None };
    let old = rig.s3.store.lease(&table, LeaseKind::Extract).await.unwrap().unwrap().1;
    rig.s3.store.put_lease(&table, LeaseKind::Extract, &lease, Some(&old)).await.unwrap();
    extract_fault(&rig, &table).await
}

async fn clean_up_past_the_reader() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| {
        inner.idle();
        let max = inner.max();
        inner.get(&table).min = max;
    });
    extract_fault(&rig, &table).await
}

async fn a_source_restored_to_an_earlier_time() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| inner.mapping.clear());
    rig.source.with(|inner| {
        inner.next = 50;
        inner.idle();
        inner.get(&table).min = lsn(10);
    });
    extract_fault(&rig, &table).await
}

async fn another_history_past_the_old_end() -> Fault {
    let (rig, table) = waiting().await;
    rig.sync(&table).await;
    rig.source.with(|inner| {
        inner.mapping.last_mut().unwrap().tran_id = "restored".into();
        inner.commit(|tran| tran.insert(&table, row(2, "b", 2)));
    });
    fault(rig.engine().extract(one(&table)).await)
}

async fn a_column_that_came_back() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| {
        let instance = &mut inner.get(&table).instance;
        let mut columns = instance.shape.columns().to_vec();
        columns[2].column_id = 4;
        instance.shape = TableShape::new(columns);
    });
    extract_fault(&rig, &table).await
}

async fn a_state_of_another_pipeline() -> Fault {
    let lab = target_lab().await;
    let (mut loader, _) = lab.started().await;
    let mut other = identity();
    other.pipeline = "elsewhere".into();
    loader.raise_fence(&other).await.unwrap_err()
}

async fn a_loader_that_was_overtaken() -> Fault {
    let lab = target_lab().await;
    let (mut slow, fence) = lab.started().await;
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "card 4711")])]).await;
    lab.target.loader(&orders()).await.unwrap().raise_fence(&identity()).await.unwrap();
    slow.stage(&range).await.unwrap_err()
}

async fn a_production_that_was_made_again() -> Fault {
    let (rig, table) = waiting().await;
    rig.sync(&table).await;
    for sql in ["CREATE TABLE public.copy (LIKE public.t)", "DROP TABLE public.t", "ALTER TABLE public.copy RENAME TO t"] {
        rig.query(sql).await;
    }
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
    rig.extract(&table).await;
    let fault = load_fault(&rig, &table).await;
    assert_eq!(rig.query("SELECT count(*) FROM public.t").await, [[Some("0".to_owned())]], "nothing was written");
    fault
}

async fn a_before_image_alone() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| {
        inner.commit(|tran| tran.update(&table, &id(1), &[(2, Value::Int(2))]));
        inner.get(&table).changes.pop();
    });
    extract_fault(&rig, &table).await
}

async fn a_table_without_an_epoch() -> Fault {
    let rig = Rig::start().await;
    let table = rig.table();
    fault(rig.engine().extract(one(&table)).await)
}

async fn a_table_without_capture() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| inner.get(&table).tracked = false);
    extract_fault(&rig, &table).await
}

async fn a_database_without_a_mapping() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| inner.mapping.clear());
    extract_fault(&rig, &table).await
}

async fn an_instance_made_again() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| inner.get(&table).instance.identity.object_id += 1);
    extract_fault(&rig, &table).await
}

/// The table is still tracked, by an instance that has none of the changes that wait.
async fn an_instance_that_is_gone() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| inner.get(&table).instance.identity.instance = "dbo_t_2".into());
    let fault = extract_fault(&rig, &table).await;
    assert!(fault.what().ends_with("is gone"), "{fault:?}");
    fault
}

async fn a_low_water_mark_of_zero() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| inner.get(&table).min = Lsn::ZERO);
    extract_fault(&rig, &table).await
}

/// A tracked table behind a gating role, read by a login of its own, its first epoch loaded.
async fn read_through_a_gate(rig: &Rig) -> (Lab, super::cuts::Machines<db_to_redshift::source::sqlserver::SqlServer>, TableName) {
    let lab = Lab::start().await;
    for sql in [
        "ALTER DATABASE Roastery SET ALLOW_SNAPSHOT_ISOLATION ON",
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, note nvarchar(50) NULL)",
        "EXEC sys.sp_cdc_enable_table N'dbo', N't', N'gate'",
        "INSERT dbo.t VALUES (1, N'card 4711')",
    ] {
        lab.write(sql);
    }
    let reader = lab.reader();
    lab.write("ALTER ROLE gate ADD MEMBER reader");
    let engine = super::cuts::engine(rig, Arc::new(reader), 0);
    let table = TableName::new("dbo", "t");
    done(engine.prepare(one(&table), PrepareOptions::default()).await);
    done(engine.sync(one(&table)).await);
    (lab, engine, table)
}

async fn a_gating_role_that_was_taken_away() -> Fault {
    let rig = Rig::start().await;
    let (lab, engine, table) = read_through_a_gate(&rig).await;
    lab.write("ALTER ROLE gate DROP MEMBER reader");
    let fault = fault(engine.extract(one(&table)).await);
    assert!(fault.facts().contains(&("gating role".into(), "gate".into())), "{fault:?}");
    fault
}

async fn a_backup_restored_over_the_source() -> Fault {
    let rig = Rig::start().await;
    let (lab, engine, table) = read_through_a_gate(&rig).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    lab.cdc.back_up(&lab.database, &file).unwrap();
    lab.write("INSERT dbo.t VALUES (2, N'after the backup')");
    done(engine.sync(one(&table)).await);
    lab.cdc.restore(&lab.database, &file).unwrap();
    fault(engine.extract(one(&table)).await)
}

/// The keys of one kind.
fn keys(rig: &Rig, part: &str) -> Vec<String> {
    rig.s3.lab.keys(BUCKET, "").into_iter().filter(|key| key.contains(part)).collect()
}

/// Edits a record in the bucket, as no program does.
fn edit_record(rig: &Rig, seq: u64, edit: impl FnOnce(&mut serde_json::Value)) {
    let key = keys(rig, &format!("{seq:012}.json")).swap_remove(0);
    let mut record: serde_json::Value = serde_json::from_slice(&rig.s3.lab.object(BUCKET, &key).unwrap()).unwrap();
    edit(&mut record);
    rig.s3.lab.overwrite(BUCKET, &key, serde_json::to_vec(&record).unwrap().into());
}

async fn a_record_that_does_not_follow() -> Fault {
    let (rig, table) = waiting().await;
    rig.extract(&table).await;
    edit_record(&rig, 1, |record| record["lsn_from"] = "00000000000000000001".into());
    let fault = load_fault(&rig, &table).await;
    assert!(rig.production().await.is_empty(), "nothing was loaded");
    fault
}

type Edit = fn(&mut serde_json::Value);

/// What does not go on where production stands is not loaded, be it the next record or a later one
/// of the range that would be joined (rule L2).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_not_the_next_of_its_stream_leaves_production_as_it_is() {
    let (rig, table) = waiting().await;
    rig.sync(&table).await;
    for n in 2..=3 {
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(n, "waits", n))));
        rig.extract(&table).await;
    }
    let before = rig.production().await;
    let refused = async |page: &Page, why: &str| {
        let fault = load_fault(&rig, &table).await;
        assert!(fault.is(page) && fault.what().contains(why), "{why}: {fault:?}");
        assert_eq!(rig.production().await, before, "{why}");
        let state = rig.target().state(&table).await.unwrap().unwrap();
        assert_eq!((state.applied_seq, state.staged), (Some(1), None), "{why}");
    };

    let spoiled: [(&str, Edit); 6] = [
        ("its columns are not those of the state", |record| record["column_hash"] = "another".into()),
        ("it belongs to another stream", |record| record["pipeline"] = "another".into()),
        ("it belongs to another stream", |record| record["source"]["database"] = "another".into()),
        ("it was read from another capture instance", |record| record["capture"]["object_id"] = 1.into()),
        ("its marker for NULL is not the epoch's", |record| record["null_marker"] = "another".into()),
        ("it does not begin where the one before it ends", |record| record["lsn_from"] = "00000000000000000001".into()),
    ];
    for (why, spoil) in spoiled {
        for seq in [2, 3] {
            let key = keys(&rig, &format!("{seq:012}.json")).swap_remove(0);
            let whole = rig.s3.lab.object(BUCKET, &key).unwrap();
            edit_record(&rig, seq, spoil);
            refused(&sync::BROKEN_CHAIN, why).await;
            rig.s3.lab.overwrite(BUCKET, &key, whole);
        }
    }

    let key = keys(&rig, "000000000002.json").swap_remove(0);
    let whole = rig.s3.lab.object(BUCKET, &key).unwrap();
    rig.s3.lab.remove(BUCKET, &key);
    refused(&sync::RECORDS_GONE, "do not go on where production stands").await;
    rig.s3.lab.overwrite(BUCKET, &key, whole);

    rig.query("UPDATE d2r_control.public__t__state SET epoch = 2").await;
    refused(&sync::RECORDS_GONE, "of an epoch that S3 does not know").await;
    rig.query("UPDATE d2r_control.public__t__state SET epoch = 1").await;

    // Nothing else stood in the way.
    rig.load(&table).await;
    rig.assert_equal(&table).await;
}

async fn records_that_were_deleted() -> Fault {
    let (rig, table) = waiting().await;
    rig.sync(&table).await;
    for key in keys(&rig, "000000000001.json") {
        rig.s3.lab.remove(BUCKET, &key);
    }
    load_fault(&rig, &table).await
}

/// Right in number, wrong in batch: COPY counts well, the apply does not.
async fn rows_of_another_batch_in_a_file() -> Fault {
    let (rig, table) = waiting().await;
    rig.extract(&table).await;
    let key = keys(&rig, "part-00001").swap_remove(0);
    let plain = String::from_utf8(zstd::decode_all(&rig.s3.lab.object(BUCKET, &key).unwrap()[..]).unwrap()).unwrap();
    let (op, rest) = plain.split_once(",1,").unwrap();
    let wrong = zstd::encode_all(format!("{op},9,{rest}").as_bytes(), 1).unwrap();
    edit_record(&rig, 1, |record| {
        record["parts"][0]["bytes"] = wrong.len().into();
        record["parts"][0]["sha256"] = db_to_redshift::model::hex(&Sha256::digest(&wrong)).into();
    });
    rig.s3.lab.overwrite(BUCKET, &key, Bytes::from(wrong));
    let fault = load_fault(&rig, &table).await;
    assert!(rig.production().await.is_empty(), "nothing was applied");
    fault
}

async fn rows_of_unknown_origin() -> Fault {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.query("CREATE TABLE public.t (id INTEGER NOT NULL, note VARCHAR(65535), n INTEGER)").await;
    rig.query("INSERT INTO public.t VALUES (1, 'card 4711', 1)").await;
    let fault = fault(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    assert_eq!(rig.query("SELECT count(*) FROM public.t").await, [[Some("1".to_owned())]]);
    fault
}

async fn a_snapshot_that_another_replaced() -> Fault {
    let rig = Rig::start().await;
    let table = rig.table();
    // The control object is read to declare the intent, to note the bounds, and before record 0.
    let held = rig.s3.lab.faults().add(Rule::new(Effect::Hold).operation("GetObject").key("control/").skip(2));
    let engine = rig.engine();
    let prepared = engine.prepare(one(&table), PrepareOptions::default());
    let rival = async {
        held.wait_hits(1).await;
        let key = keys(&rig, "control/").swap_remove(0);
        let mut control: serde_json::Value = serde_json::from_slice(&rig.s3.lab.object(BUCKET, &key).unwrap()).unwrap();
        control["intent"]["run"] = Uuid::new_v4().to_string().into();
        rig.s3.lab.overwrite(BUCKET, &key, serde_json::to_vec(&control).unwrap().into());
        held.release();
    };
    let (reports, ()) = tokio::join!(prepared, rival);
    assert!(rig.s3.store.current_epoch(&table).await.unwrap().is_none(), "no epoch was opened");
    fault(reports)
}

async fn a_database_without_snapshot_isolation() -> Fault {
    let (rig, lab) = (Rig::start().await, Lab::start().await);
    lab.write("EXEC sys.sp_cdc_enable_db");
    lab.write("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)");
    lab.write("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL");
    lab.write("INSERT dbo.t VALUES (1)");
    let engine = super::cuts::engine(&rig, Arc::new(lab.source_with_pages(100)), 0);
    let table = TableName::new("dbo", "t");
    fault(engine.prepare(one(&table), PrepareOptions::default()).await)
}

async fn net_changes_of_large_values() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| inner.get(&table).instance.supports_net_changes = true);
    let found = rig.engine_with(net).check(one(&table)).await;
    let faults = found.into_iter().filter_map(|finding| if let Found::Fault(fault) = finding.result { Some(fault) } else { None });
    faults.into_iter().find(|fault| fault.is(&sync::NET_REFUSED)).expect("check refuses")
}

async fn a_lease_that_was_taken_over() -> Fault {
    let rig = Rig::start().await;
    let table = rig.table();
    let engine = rig.engine();
    let held = lease::take(&engine.store, &table, LeaseKind::Load, &engine.run.holder, false, &CancellationToken::new()).await.unwrap();
    held.check(&table).unwrap();
    let key = keys(&rig, "leases/").swap_remove(0);
    rig.s3.lab.overwrite(BUCKET, &key, Bytes::from_static(b"{\"holder\":null,\"beat\":9,\"at\":\"2026-01-02T03:04:05Z\"}"));
    // The renewal finds another version there.
    while !held.is_lost() {
        rig.s3.lab.requests().wait_for("PutObject", "leases/", 2).await;
        tokio::task::yield_now().await;
    }
    held.check(&table).unwrap_err()
}

async fn a_job_that_was_stopped() -> Fault {
    let (rig, table) = waiting().await;
    let engine = rig.engine();
    engine.cancel.cancel();
    fault(engine.extract(one(&table)).await)
}

async fn a_pattern_that_names_nothing() -> Met {
    let pipeline = Pipeline::start([
        "CREATE TABLE dbo.Beans (id int NOT NULL PRIMARY KEY)",
        "EXEC sys.sp_cdc_enable_db",
        "EXEC sys.sp_cdc_enable_table N'dbo', N'Beans', NULL",
    ])
    .await;
    let ran = pipeline.program(&["--json", "--table", "dbo.Bean", "status"]).output().await.unwrap();
    assert_eq!(ran.status.code(), Some(2));
    Met::printed(&String::from_utf8(ran.stdout).unwrap())
}

async fn conflicts_without_end() -> Fault {
    let (rig, table) = waiting().await;
    rig.extract(&table).await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "b", 2))));
    rig.extract(&table).await;
    let _planted: Vec<_> = (0..2).map(|_| rig.redshift.faults().on("DELETE FROM \"public\"", 1, Action::Conflict)).collect();
    let fault = fault(rig.engine_with(|settings| settings.load.retries = 1).load(one(&table)).await);
    assert_eq!(rig.production().await.len(), 1, "nothing is half applied");
    fault
}

async fn a_source_of_another_name() -> Fault {
    let (rig, table) = waiting().await;
    rig.source.with(|inner| inner.identity.server = "ELSEWHERE".into());
    extract_fault(&rig, &table).await
}

async fn a_clock_at_the_end_of_time() -> Fault {
    let rig = Rig::start().await;
    let table = rig.table();
    rig.source.before("clock", |inner| inner.clock = jiff::civil::DateTime::MAX);
    let options = PrepareOptions { mode: OpenMode::Start, ..PrepareOptions::default() };
    fault(rig.engine().prepare(one(&table), options).await)
}

/// A table whose key is text.
async fn keyed_by_text() -> (Rig, TableName) {
    let rig = Rig::start().await;
    let columns = vec![column("code", 1, SqlType::NVarChar { length: 40 }, Some(1)), column("n", 2, SqlType::Int, None)];
    let table = rig.source.table("t", columns);
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    (rig, table)
}

async fn a_key_with_a_nul() -> Fault {
    let (rig, table) = keyed_by_text().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, vec![text("card 4711\0"), Value::Int(1)])));
    extract_fault(&rig, &table).await
}

async fn a_value_that_is_the_marker() -> Fault {
    let (rig, table) = waiting().await;
    let marker = rig.s3.store.record(&table, 1, 0).await.unwrap().unwrap().null_marker;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, &marker, 2))));
    extract_fault(&rig, &table).await
}

async fn a_date_past_the_calendar() -> Fault {
    let rig = Rig::start().await;
    let table = rig.source.table("t", vec![column("id", 1, SqlType::Int, Some(1)), column("day", 2, SqlType::Date, None)]);
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, vec![Value::Int(1), Value::Date(4_000_000)])));
    extract_fault(&rig, &table).await
}
