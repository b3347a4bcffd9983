//! The connection to SQL Server lost at each request and amid each answer, or a deadlock lost
//! there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use db_to_redshift::model::TableName;
use db_to_redshift::source::sqlserver::SqlServer;

use super::orders::Order;
use super::{Deed, Job, Trouble, cut_short, engine};
use crate::faults::places::{Places, Turn};
use crate::support::lab_sql_server::Lab;
use crate::support::rig::Rig;

/// Requests that both jobs have, and rows that they read, as they were last seen. Fewer: the
/// enumeration lost some, or a job does: then the counts want to be set anew.
/// some.
const REQUESTS: u32 = 74;
const ROWS: u32 = 104;

/// One place of so many is tried by a scenario of the short form: two scenarios try all.
const STRIDE: u32 = 2;
/// There are many rows, and most are met by the same statement as their neighbours.
const ROW_STRIDE: u32 = 7;

const KEPT: &str = "id int NOT NULL PRIMARY KEY, note nvarchar(max) NULL, n int NULL";

async fn start() -> (Rig, Lab) {
    let (rig, lab) = (Rig::start().await, Lab::start().await);
    lab.write("ALTER DATABASE Roastery SET ALLOW_SNAPSHOT_ISOLATION ON");
    lab.write("EXEC sys.sp_cdc_enable_db");
    (rig, lab)
}

fn source(lab: &Lab) -> Arc<SqlServer> {
    Arc::new(lab.source_with_pages(100))
}

/// `dbo.<name>` with four rows, tracked.
fn table_of_four(lab: &Lab, name: &str) -> TableName {
    lab.write(&format!("CREATE TABLE dbo.{name} ({KEPT})"));
    lab.write(&format!("EXEC sys.sp_cdc_enable_table N'dbo', N'{name}', NULL"));
    lab.write(&format!("INSERT dbo.{name} (id, note, n) VALUES (1, N'one', 1), (2, N'two', 2), (3, N'three', 3), (4, N'four', 4)"));
    TableName::new("dbo", name)
}

/// A round of changes on what `old` left.
fn change(lab: &Lab, table: &TableName, old: u32, new: u32) {
    let name = &table.name;
    lab.write(&format!(
        "BEGIN TRAN; INSERT dbo.{name} (id, note, n) VALUES ({new} + 1, N'one', 1), ({new} + 2, N'two', 2); \
         UPDATE dbo.{name} SET n = 11 WHERE id = {old} + 1; UPDATE dbo.{name} SET id = {old} + 5 WHERE id = {old} + 2; COMMIT; \
         BEGIN TRAN; DELETE dbo.{name} WHERE id = {old} + 3; \
         INSERT dbo.{name} (id, note, n) VALUES ({new} + 3, N'three', 3), ({new} + 4, N'four', 4); COMMIT; \
         INSERT dbo.{name} (id, note, n) VALUES ({old} + 3, N'back', 33); \
         BEGIN TRAN; UPDATE dbo.{name} SET note = N'newer' WHERE id = {old} + 4; UPDATE dbo.{name} SET n = 44 WHERE id = {old} + 4; COMMIT"
    ));
}

/// The table of both sides as text.
async fn assert_same(rig: &Rig, lab: &Lab, table: &TableName) {
    let name = &table.name;
    let rows = rig.query(&format!("SELECT id, note, n FROM public.{name} ORDER BY id")).await;
    let production: Vec<String> =
        rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("~")).collect::<Vec<_>>().join("|")).collect();
    let sql =
        format!("SELECT CONCAT(id, N'|', ISNULL(note, N'~'), N'|', ISNULL(CAST(n AS nvarchar(20)), N'~')) FROM dbo.{name} ORDER BY id");
    assert_eq!(production, lab.texts(&sql), "{name}");
}

async fn plain(rig: &Rig, lab: &Lab, table: &TableName, deed: impl Deed<SqlServer>) {
    Box::pin(deed.act(&engine(rig, source(lab), 0), table)).await.unwrap_or_else(|fault| panic!("{table}: {fault:?}"));
}

async fn both_jobs(turn: Turn, cut: fn(u64) -> Cut, trouble: fn() -> Trouble) -> u32 {
    let (rig, lab) = start().await;
    let started = Instant::now();
    let (mut opened, mut carried) = (Places::new(turn), Places::new(turn));
    while let Some(n) = opened.next() {
        let table = table_of_four(&lab, &format!("t{n}"));
        let ordered = lab.wire.faults().order(cut(n.into()));
        cut_short(&rig, &source(&lab), &table, &Job::Prepare, &trouble()).await;
        lab.wire.faults().clear();
        plain(&rig, &lab, &table, Job::Load).await;
        assert_same(&rig, &lab, &table).await;
        opened.tried(ordered.happened());
    }
    let table = table_of_four(&lab, "changing");
    plain(&rig, &lab, &table, Job::Prepare).await;
    plain(&rig, &lab, &table, Job::Load).await;
    let mut new = 0;
    while let Some(n) = carried.next() {
        let old = new;
        new += 10;
        change(&lab, &table, old, new);
        let ordered = lab.wire.faults().order(cut(n.into()));
        cut_short(&rig, &source(&lab), &table, &Job::Sync, &trouble()).await;
        lab.wire.faults().clear();
        assert_same(&rig, &lab, &table).await;
        carried.tried(ordered.happened());
    }
    println!("{:?}: cut at {} of prepare, at {} of sync, in {:?}", cut(0), opened.text(), carried.text(), started.elapsed());
    opened.counted() + carried.counted()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_server_is_lost_at_each_request() {
    let covered = both_jobs(Turn::of(0, STRIDE), Cut::AtRequest, Trouble::fatal).await;
    assert!(covered >= REQUESTS, "{covered} requests are fewer than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_sql_server_lost_amid_each_answer() {
    let covered = both_jobs(Turn::of(1, STRIDE), Cut::AfterPackets, Trouble::survived).await;
    assert!(covered >= REQUESTS, "{covered} packets are fewer than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_a_deadlock_at_each_request() {
    let covered = both_jobs(Turn::of(1, STRIDE), Cut::VictimAtRequest, Trouble::survived).await;
    assert!(covered >= REQUESTS, "{covered} requests are fewer than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_a_deadlock_at_each_row() {
    let covered = both_jobs(Turn::of(0, ROW_STRIDE), Cut::VictimAtRow, Trouble::survived).await;
    assert!(covered >= ROWS, "{covered} rows are fewer than before");
}

/// An order is cut at each of its requests, on a table of its own each time. Those that write into
/// SQL Server are cut before the request runs, and then where its answer is lost.
async fn one_order(order: Order, least: u32) {
    Box::pin(each_request(order, least, Cut::AtRequest, 0)).await;
    if matches!(order, Order::CleanUpAfterExtract | Order::CleanUpAfterLoad | Order::Recapture) {
        Box::pin(each_request(order, least, Cut::AfterRequest, 1)).await;
    }
}

async fn each_request(order: Order, least: u32, cut: fn(u64) -> Cut, nth: u32) {
    let (rig, lab) = start().await;
    let started = Instant::now();
    let mut places = Places::new(Turn::of(nth, STRIDE));
    while let Some(n) = places.next() {
        let table = table_of_four(&lab, &format!("t{n}"));
        plain(&rig, &lab, &table, Job::Prepare).await;
        plain(&rig, &lab, &table, Job::Load).await;
        change(&lab, &table, 0, 10);
        if order == Order::Start {
            plain(&rig, &lab, &table, Job::Sync).await;
        }
        if matches!(order, Order::Accept | Order::Recapture) {
            lab.write(&format!("ALTER TABLE dbo.{} ADD extra int NULL", table.name));
            // Capture goes on behind the change of the definition.
            tokio::time::sleep(Duration::from_millis(5)).await;
            lab.write(&format!("UPDATE dbo.{} SET n = 12 WHERE id = 1", table.name));
        }
        let ordered = lab.wire.faults().order(cut(n.into()));
        Box::pin(cut_short(&rig, &source(&lab), &table, &order, &Trouble::fatal())).await;
        lab.wire.faults().clear();
        let happened = ordered.happened();
        if order == Order::Recapture {
            lab.capture();
            plain(&rig, &lab, &table, Order::NewEpoch).await;
        }
        plain(&rig, &lab, &table, Job::Sync).await;
        assert_same(&rig, &lab, &table).await;
        change(&lab, &table, 10, 20);
        plain(&rig, &lab, &table, Job::Sync).await;
        assert_same(&rig, &lab, &table).await;
        places.tried(happened);
    }
    println!("{order:?}, {:?}: cut at {}, in {:?}", cut(0), places.text(), started.elapsed());
    assert!(places.counted() >= least, "{order:?}: {} are fewer than {least}", places.counted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_server_is_lost_at_each_request_of_a_new_epoch() {
    one_order(Order::NewEpoch, 37).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_server_is_lost_at_each_request_of_a_start() {
    one_order(Order::Start, 31).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_server_is_lost_at_each_request_of_an_adopt() {
    one_order(Order::Adopt, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_server_is_lost_at_each_request_of_an_accepted_schema() {
    one_order(Order::Accept, 41).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_server_is_lost_at_each_request_of_a_clean_up() {
    one_order(Order::CleanUpAfterExtract, 39).await;
    one_order(Order::CleanUpAfterLoad, 39).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_server_is_lost_at_each_request_of_another_instance() {
    one_order(Order::Recapture, 12).await;
}
