//! Servers that take a request and say nothing: our own time-outs, waited out.

use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use db_to_redshift::lab::redshift::Action;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::model::TableName;
use db_to_redshift::model::fault::{Class, Page, rs, s3};
use db_to_redshift::store::s3::S3Store;

use crate::support::rig::{Rig, TestEngine, done, fault, row};

/// One try of a request to S3 here.
const TRY: Duration = Duration::from_millis(500);
/// All tries and their pauses, as the store's own limit has it.
const ALL_TRIES: Duration = TRY.saturating_mul(6);

/// An engine without retries of its own whose store does not wait long.
async fn impatient(rig: &Rig, retries: u32) -> TestEngine {
    let mut settings = rig.settings.clone();
    settings.s3.timeout = TRY;
    settings.extract.retries = retries;
    settings.load.retries = retries;
    let store = S3Store::connect(&settings.s3, &settings.pipeline).await.unwrap();
    let mut engine = Arc::into_inner(rig.rival(|to| *to = settings)).unwrap();
    engine.store = Arc::new(store);
    Arc::new(engine)
}

/// A loaded table with a change to carry.
async fn changed(rig: &Rig) -> TableName {
    let table = rig.prepared().await;
    rig.load(&table).await;
    change(rig, &table, 1);
    table
}

fn change(rig: &Rig, table: &TableName, id: i64) {
    rig.source.with(|inner| inner.commit(|tran| tran.insert(table, row(id, "x", id))));
}

/// The requests of a sync. Listings say what there is, PUT of a record and the end of an upload
/// are where a lost answer matters.
const OPERATIONS: [(&str, &str); 5] =
    [("ListObjectsV2", ""), ("GetObject", "/records/"), ("PutObject", "/records/"), ("PutObject", "/leases/"), ("PutObject", "/data/")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_s3_is_given_up_in_time_and_nothing_is_lost() {
    let rig = Rig::start().await;
    let table = changed(&rig).await;
    for (at, (operation, key)) in OPERATIONS.into_iter().enumerate() {
        let what = format!("{operation} {key}");
        let id = 100 + 10 * i64::try_from(at).unwrap();
        change(&rig, &table, id);
        let rule = Rule::new(Effect::Hold).operation(operation).key(key).times(u32::MAX);
        let silent = rig.s3.lab.faults().add(rule);
        let started = Instant::now();
        let met = fault(impatient(&rig, 0).await.sync(slice::from_ref(&table)).await);
        assert!(silent.hits() > 0, "{what}");
        let pages: [&Page; 2] = [&s3::TIMEOUT, &s3::WRITE_UNKNOWN];
        assert!(pages.into_iter().any(|page| met.is(page)) && met.class() == Class::Transient, "{what}: {met:?}");
        // A sync lists, extracts and loads: some of its requests may each wait for all tries.
        assert!(started.elapsed() < ALL_TRIES * 20, "{what}: {:?}", started.elapsed());

        // What was held is carried out now, though nobody waits for it any more.
        rig.s3.lab.faults().clear();
        change(&rig, &table, id + 1);
        done(rig.rival(|_| {}).sync(slice::from_ref(&table)).await);
        rig.assert_equal(&table).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_an_s3_that_is_silent_for_one_request() {
    let rig = Rig::start().await;
    let table = changed(&rig).await;
    for (at, (operation, key)) in OPERATIONS.into_iter().enumerate() {
        let silent = rig.s3.lab.faults().add(Rule::new(Effect::Hold).operation(operation).key(key));
        done(impatient(&rig, 3).await.sync(slice::from_ref(&table)).await);
        assert_eq!(silent.hits(), 1, "{operation} {key}");
        rig.s3.lab.faults().clear();
        rig.assert_equal(&table).await;
        change(&rig, &table, 100 + i64::try_from(at).unwrap());
    }
    done(rig.rival(|_| {}).sync(slice::from_ref(&table)).await);
    rig.assert_equal(&table).await;
}

/// The client allows the server half a minute beyond `statement_timeout` to tell its own. Until
/// the server ends it, the abandoned session keeps its locks.
async fn silent_redshift(statement: &str) {
    let mut rig = Rig::start().await;
    let table = changed(&rig).await;
    rig.extract(&table).await;
    rig.settings.redshift.timeout = Duration::from_secs(5);
    rig.settings.redshift.lock_timeout = Duration::from_secs(2);
    let silent = rig.redshift.faults().on(statement, 1, Action::Hold);
    let load = async || rig.rival(|settings| settings.load.retries = 0).load(slice::from_ref(&table)).await;
    let started = Instant::now();
    let met = fault(load().await).to_string();
    let waited = started.elapsed();
    assert!(silent.was_hit() && (35..70).contains(&waited.as_secs()), "{statement}: {waited:?}");
    let page = if statement == "COMMIT" { &rs::COMMIT_UNKNOWN } else { &rs::LOST };
    assert!(met.contains(page.code) && met.contains("no answer within 35 s"), "{statement}: {met}");
    let locked = fault(load().await);
    assert!(locked.is(&rs::LOCKED) && locked.facts().iter().any(|(name, _)| name == "pid"), "{statement}: {locked}");

    // It goes on after all: what nobody waits for is undone, but for a COMMIT.
    silent.release();
    rig.settings.redshift.lock_timeout = Duration::from_secs(20);
    done(rig.rival(|_| {}).load(slice::from_ref(&table)).await);
    rig.assert_equal(&table).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_redshift_is_given_up_in_time_and_nothing_is_lost() {
    let statements = ["COPY \"d2r_staging\"", "DELETE FROM \"public\"", "COMMIT"];
    tokio::join!(silent_redshift(statements[0]), silent_redshift(statements[1]), silent_redshift(statements[2]));
}
