//! Two jobs are gone through: a table of its own is prepared and loaded, and a round of changes
//! is carried.

use std::sync::Arc;
use std::time::Instant;

use db_to_redshift::lab::redshift::Action;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::model::TableName;

use super::{Job, Planned, Trouble, assert_whole, change, cut_short, table_of_four};
use crate::faults::places::{Places, Turn};
use crate::support::rig::Rig;

/// Statements or requests that both jobs have, as they were last seen. Fewer: the enumeration lost
/// some, or a job does: then the counts want to be set anew.
const REDSHIFT_STATEMENTS: u32 = 131;
const REDSHIFT_COMMITS: u32 = 12;
const S3_REQUESTS: u32 = 94;

/// One place of so many is tried by a scenario of the short form: two scenarios try all.
const STRIDE: u32 = 2;

/// Takes a table of its own, with the source in memory, to its first load.
async fn open(rig: &Rig, name: &str, trouble: &Trouble) -> TableName {
    let table = table_of_four(rig, name);
    let source = Arc::new(rig.source.clone());
    cut_short(rig, &source, &table, &Job::Prepare, trouble).await;
    cut_short(rig, &source, &table, &Job::Load, trouble).await;
    table
}

/// Goes through both jobs, each until it needs no cut; returns how many places there are. `plan`
/// plans the n-th cut, `clear` withdraws it.
async fn enumerate<P: Planned>(rig: &Rig, turn: Turn, plan: impl Fn(u32) -> (P, Trouble), clear: impl Fn()) -> u32 {
    let started = Instant::now();
    let (mut opened, mut carried) = (Places::new(turn), Places::new(turn));
    while let Some(n) = opened.next() {
        let (planned, trouble) = plan(n);
        let table = open(rig, &format!("t{n}"), &trouble).await;
        // Asked first: what is withdrawn counts as over.
        let happened = planned.happened();
        clear();
        assert_whole(rig, &table, None).await;
        opened.tried(happened);
    }
    let table = open(rig, "changing", &Trouble::survived()).await;
    let mut round = 0;
    while let Some(n) = carried.next() {
        round += 1;
        let (planned, trouble) = plan(n);
        change(rig, &table, round);
        cut_short(rig, &Arc::new(rig.source.clone()), &table, &Job::Sync, &trouble).await;
        // Asked first: what is withdrawn counts as over.
        let happened = planned.happened();
        clear();
        assert_whole(rig, &table, None).await;
        carried.tried(happened);
    }
    println!("cut at {} of prepare and load, at {} of sync, in {:?}", opened.text(), carried.text(), started.elapsed());
    opened.counted() + carried.counted()
}

async fn enumerate_redshift(turn: Turn, statement: &str, action: Action, trouble: fn() -> Trouble) -> u32 {
    let rig = Rig::start().await;
    let faults = rig.redshift.faults();
    enumerate(&rig, turn, |n| (faults.on(statement, n, action), trouble()), || faults.clear()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redshift_is_lost_before_each_statement() {
    let covered = enumerate_redshift(Turn::of(0, STRIDE), "", Action::CutBefore, Trouble::fatal).await;
    assert!(covered >= REDSHIFT_STATEMENTS, "{covered} statements are fewer than before");
}

/// Beside COMMIT and what commits by itself, a statement whose answer is lost is undone like one
/// that never ran; the job that survives goes through all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redshift_is_lost_after_each_commit() {
    let covered = enumerate_redshift(Turn::EVERY, "commit", Action::CutAfter, Trouble::fatal).await;
    assert!(covered >= REDSHIFT_COMMITS, "{covered} commits are fewer than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_redshift_lost_after_each_statement() {
    let covered = enumerate_redshift(Turn::of(1, STRIDE), "", Action::CutAfter, Trouble::survived).await;
    assert!(covered >= REDSHIFT_STATEMENTS, "{covered} statements are fewer than before");
}

async fn enumerate_s3(turn: Turn, effect: Effect, abandon: bool) -> u32 {
    let rig = Rig::start().await;
    let faults = rig.s3.lab.faults();
    let plan = |n| {
        let handle = faults.add(Rule::new(effect).skip(n - 1));
        let abandon_at = abandon.then(|| handle.clone());
        (handle, Trouble { abandon_at, ..Trouble::survived() })
    };
    enumerate(&rig, turn, plan, || faults.clear()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_each_lost_reply_of_s3() {
    let covered = enumerate_s3(Turn::of(0, STRIDE), Effect::LoseReply, false).await;
    assert!(covered >= S3_REQUESTS, "{covered} requests are fewer than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_dies_at_each_request_to_s3_that_was_carried_out() {
    let covered = enumerate_s3(Turn::of(1, STRIDE), Effect::LoseReply, true).await;
    assert!(covered >= S3_REQUESTS, "{covered} requests are fewer than before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_dies_at_each_request_to_s3_that_was_lost() {
    let covered = enumerate_s3(Turn::of(2, STRIDE), Effect::LoseRequest, true).await;
    assert!(covered >= S3_REQUESTS, "{covered} requests are fewer than before");
}
