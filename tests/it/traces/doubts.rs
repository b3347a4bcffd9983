//! Damage from outside that no job has noted yet: status and check see it, and nothing goes on over it.

use db_to_redshift::engine::check::Found;
use db_to_redshift::engine::inspect::verify::VerifyOptions;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::TableName;
use db_to_redshift::model::fault::{Class, sync};
use db_to_redshift::model::status::{HopName, TableStatus, Verdict};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::Target;

use super::one;
use crate::support::rig::{Rig, done, fault, id, row};

/// Three rows in production, at record 1.
async fn carried() -> (Rig, TableName) {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| (1..=3).for_each(|n| tran.insert(&table, row(n, "a", n)))));
    rig.sync(&table).await;
    (rig, table)
}

/// The table by both reports, in detail first.
async fn seen(rig: &Rig, table: &TableName) -> [TableStatus; 2] {
    let engine = rig.engine();
    let (detail, fleet) = (engine.status(one(table)).await, engine.fleet(None).await);
    [detail, fleet].map(|mut report| report.tables.swap_remove(0))
}

/// By so many of the two reports, and by check.
async fn is_diverged(rig: &Rig, table: &TableName, reports: usize, why: &str) {
    for status in seen(rig, table).await.into_iter().take(reports) {
        assert_eq!(status.verdict, Verdict::Diverged, "{why}");
        let differences: Vec<String> = status.target.unwrap().differences().collect();
        assert!(differences.iter().any(|difference| difference.contains(why)), "{differences:?}");
    }
    let findings = rig.engine().check(one(table)).await;
    let told = findings.iter().any(|finding| match &finding.result {
        Found::Fault(fault) => fault.is(&sync::DIVERGED) && fault.facts().iter().any(|(_, fact)| fact.contains(why)),
        _ => false,
    });
    assert!(told, "{findings:?}");
}

/// The record that production stands at goes from S3, as by a lifecycle rule. The next extract would make
/// it again from what came since, and no load would ever look at it: production would stay behind for
/// good, and count as current.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_made_anew_is_never_taken_for_the_one_that_was_applied() {
    let (rig, table) = carried().await;
    rig.s3.store.delete_records(&table, 1, &[1]).await.unwrap();
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.insert(&table, row(4, "new", 4));
            tran.delete(&table, &id(2));
        })
    });
    for _ in 0..2 {
        assert!(fault(rig.engine().sync(one(&table)).await).is(&sync::RECORDS_GONE));
        assert!(rig.s3.store.record(&table, 1, 1).await.unwrap().is_none(), "a sync adds nothing to such records");
    }
    // An extract alone does not ask the target.
    rig.extract(&table).await;
    for _ in 0..2 {
        assert!(fault(rig.engine().load(one(&table)).await).is(&sync::RECORDS_GONE));
        assert!(fault(rig.engine().sync(one(&table)).await).is(&sync::RECORDS_GONE));
    }
    is_diverged(&rig, &table, 1, "it is not the one that was applied").await;
    let verified = rig.engine().verify(&table, &VerifyOptions::default()).await;
    assert!(verified.unwrap_err().is(&sync::RECORDS_GONE), "what is left out of a verify would never come");
    done(rig.engine().prepare(one(&table), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_production_that_was_dropped_is_seen_before_the_next_change() {
    let (rig, table) = carried().await;
    rig.query("DROP TABLE public.t").await;
    is_diverged(&rig, &table, 2, "\"public\".\"t\" does not exist").await;
    // Made anew it is empty, and the table is not well.
    for _ in 0..2 {
        let refused = fault(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
        assert!(refused.is(&sync::DIVERGED), "{refused}");
        assert_eq!(refused.actions().next(), Some("db-to-redshift prepare --new-epoch --table 'dbo.t'"));
        is_diverged(&rig, &table, 2, "is not the table that was loaded").await;
    }
    done(rig.engine().prepare(one(&table), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
    assert!(seen(&rig, &table).await.iter().all(|status| status.verdict == Verdict::Current));
}

/// A plain prepare makes staging anew, and nothing was lost by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_staging_that_was_dropped_is_seen_and_made_anew() {
    let (rig, table) = carried().await;
    rig.query("DROP TABLE d2r_staging.dbo__t").await;
    is_diverged(&rig, &table, 2, "\"d2r_staging\".\"dbo__t\" does not exist").await;
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    assert!(seen(&rig, &table).await.iter().all(|status| status.verdict == Verdict::Current));
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(4, "b", 4))));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_its_state_is_not_prepared() {
    let (rig, table) = carried().await;
    let state = rig.target().names(&table).state;
    rig.query(&format!("DROP TABLE {state}")).await;
    for status in seen(&rig, &table).await {
        assert_eq!(status.verdict, Verdict::NotPrepared);
        assert_eq!(status.next, ["db-to-redshift prepare --table 'dbo.t'"]);
    }
}

/// A job that failed shows where it is asked for, without its run's record being read: in whatever process
/// it ran.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_failed_is_stuck_until_it_ends_well() {
    let (rig, table) = carried().await;
    let is_stuck = async |hop: HopName, code: &str| {
        let [detail, fleet] = seen(&rig, &table).await;
        for status in [&detail, &fleet] {
            assert_eq!((status.verdict, status.hops.stuck.as_ref().unwrap().hop), (Verdict::Stuck, hop), "{status:?}");
            assert!(status.store.as_ref().unwrap().failed[0].human && status.hops.stuck.as_ref().unwrap().why.contains("person"));
            assert_eq!(status.next, ["db-to-redshift runs --table 'dbo.t'", "db-to-redshift retry --table 'dbo.t'"]);
        }
        assert_eq!(detail.store.unwrap().failed[0].code.as_deref(), Some(code));
    };
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(4, "b", 4))));
    rig.extract(&table).await;
    rig.query("ALTER TABLE public.t DROP COLUMN note").await;
    let refused = fault(rig.engine().load(one(&table)).await);
    let code = refused.code();
    let human = refused.class() == Class::Human;
    assert!(human, "{refused}");
    is_stuck(HopName::Load, code).await;
    // Who only looks leaves it, as does a job that is told to stop.
    drop(rig.engine().verify(&table, &VerifyOptions::default()).await);
    is_stuck(HopName::Load, code).await;
    rig.query("ALTER TABLE public.t ADD COLUMN note VARCHAR(65535)").await;
    done(rig.engine().prepare(one(&table), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    rig.sync(&table).await;
    for status in seen(&rig, &table).await {
        assert_eq!(status.verdict, Verdict::Current);
        assert!(status.store.unwrap().failed.is_empty());
    }
}

/// Another pipeline took the table over.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_another_stream_is_seen() {
    let (rig, table) = carried().await;
    let state = rig.target().names(&table).state;
    rig.query(&format!("UPDATE {state} SET \"pipeline\" = 'night'")).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(4, "b", 4))));
    assert!(fault(rig.engine().sync(one(&table)).await).is(&sync::OTHER_STREAM));
    assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), 1, "nothing is extracted for a stranger");
    let status = rig.engine().status(one(&table)).await.tables.swap_remove(0);
    assert_eq!(status.verdict, Verdict::Diverged);
    assert!(status.target.unwrap().doubts[0].contains("pipeline night"));
}
