//! What an operator's orders meet.

use db_to_redshift::engine::Run;
use db_to_redshift::engine::operate::{RecaptureOrder, SkipOrder};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::model::control::{Holder, Lease, LeaseKind, RunTable};
use db_to_redshift::model::fault::{operate, rs};
use db_to_redshift::model::order::Repeat;
use db_to_redshift::model::{Fault, SqlType, TableName, TableShape};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::{Adopt, Loader, Target};
use jiff::{Timestamp, ToSpan};

use crate::faults::{provocations, run};
use crate::support::column::column;
use crate::support::rig::{Rig, done, fault, row};

provocations! {
    [operate::CONFIRM] => a_skip_that_was_only_asked_about,
    [operate::NOT_SKIPPABLE] => a_skip_of_the_record_that_opens_the_epoch,
    [operate::OTHER_BATCH] => a_skip_of_a_batch_that_is_not_next,
    bare [operate::CONTROL_BUSY] => a_pause_that_never_gets_its_turn,
    [operate::NOT_ADOPTABLE] => a_state_that_guards_another_table,
    [operate::NOT_OURS] => a_lease_of_somebody_else,
    [operate::PREPARE_BY_HAND] => a_prepare_that_an_operator_vouched_for,
    [operate::TWO_INSTANCES] => a_third_capture_instance,
    [operate::DDL_NOT_CAPTURED] => ddl_that_capture_has_not_passed,
    [rs::NOT_YET_WIDE] => a_load_before_the_target_was_widened,
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_cannot_be_carried_out_say_why() {
    run(register()).await;
}

/// Prepared, loaded, and one batch recorded.
async fn recorded(rig: &Rig) -> TableName {
    let table = rig.prepared().await;
    rig.load(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "card 4711", 1))));
    rig.extract(&table).await;
    table
}

async fn skip(batch: Option<u64>) -> Fault {
    let rig = Rig::start().await;
    let table = recorded(&rig).await;
    let order = SkipOrder { confirm: Some(table.to_string()), table, batch, why: "on purpose".into() };
    rig.engine().skip(&order).await.unwrap_err()
}

async fn a_skip_that_was_only_asked_about() -> Fault {
    skip(None).await
}

async fn a_skip_of_the_record_that_opens_the_epoch() -> Fault {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    let order = SkipOrder { confirm: Some(table.to_string()), table, batch: Some(0), why: "on purpose".into() };
    rig.engine().skip(&order).await.unwrap_err()
}

async fn a_skip_of_a_batch_that_is_not_next() -> Fault {
    skip(Some(2)).await
}

async fn a_pause_that_never_gets_its_turn() -> Fault {
    let rig = Rig::start().await;
    let table = recorded(&rig).await;
    let lost = Effect::Refuse("PreconditionFailed", "At least one of the preconditions you specified did not hold.");
    rig.s3.lab.faults().add(Rule::new(lost).operation("PutObject").key("/control/").times(1_000));
    let mut reports = rig.engine().pause(std::slice::from_ref(&table), "on purpose").await;
    reports.remove(0).outcome.unwrap_err()
}

async fn ddl_that_capture_has_not_passed() -> Fault {
    let rig = Rig::start().await;
    let table = recorded(&rig).await;
    rig.source.with(|inner| {
        inner.note_ddl(&table, "ALTER TABLE dbo.t ADD extra int NULL", false);
        let late = inner.clock.checked_add(1.seconds()).unwrap();
        // Another change of the definition that the history does not have yet.
        inner.get(&table).altered = Some(late);
    });
    let refused = |mut reports: Vec<db_to_redshift::engine::operate::Report<_>>| {
        reports.remove(0).outcome.map(|_: db_to_redshift::engine::operate::Accepted| ()).unwrap_err()
    };
    let fault = refused(rig.engine().accept(std::slice::from_ref(&table), true).await);
    // Once capture has passed it, the history is all there is.
    rig.source.with(|inner| {
        inner.idle();
        inner.idle();
    });
    assert!(rig.engine().accept(std::slice::from_ref(&table), true).await.remove(0).outcome.is_ok());
    fault
}

async fn a_load_before_the_target_was_widened() -> Fault {
    let rig = Rig::start().await;
    let columns = |length| vec![column("id", 1, SqlType::Int, Some(1)), column("note", 2, SqlType::NVarChar { length }, None)];
    let table = rig.source.table("t", columns(20));
    done(rig.engine().prepare(std::slice::from_ref(&table), PrepareOptions::default()).await);
    rig.source.with(|inner| {
        inner.note_ddl(&table, "ALTER TABLE dbo.t ALTER COLUMN note nvarchar(40) NULL", true);
        inner.get(&table).instance.shape = TableShape::new(columns(40));
    });
    assert!(rig.engine().accept(std::slice::from_ref(&table), true).await.remove(0).outcome.is_ok());
    fault(rig.engine().load(std::slice::from_ref(&table)).await)
}

async fn a_third_capture_instance() -> Fault {
    let rig = Rig::start().await;
    let table = recorded(&rig).await;
    rig.source.with(|inner| {
        let table = inner.get(&table);
        let mut older = table.instance.clone();
        older.identity.instance = "it's old".into();
        table.older = Some(older);
        table.instance.missing = vec!["name".into()];
    });
    let mut reports = rig.engine().recapture(std::slice::from_ref(&table), &RecaptureOrder::default()).await;
    let fault = reports.remove(0).outcome.unwrap_err();
    let end = "EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = N't', @capture_instance = N'it''s old'";
    assert!(fault.actions().any(|action| action.ends_with(end)), "only the one that the epoch does not read may go: {fault}");
    fault
}

async fn a_state_that_guards_another_table() -> Fault {
    let rig = Rig::start().await;
    let table = recorded(&rig).await;
    let seen = rig.target().state(&table).await.unwrap().unwrap();
    let state = rig.target().names(&table).state;
    rig.query(&format!("UPDATE {state} SET source_table = 'dbo.other'")).await;
    let to = seen.identity.clone();
    rig.target().loader(&table).await.unwrap().adopt(&Adopt { seen, to, diverged: None }).await.unwrap_err()
}

async fn a_prepare_that_an_operator_vouched_for() -> Fault {
    let rig = Rig::start().await;
    let table = rig.table();
    let order = Some(PrepareOptions { replace: true, ..PrepareOptions::default() });
    let line = RunTable { table: table.clone(), outcome: "prepare RS-010".into(), fault: None, batches: 0, rows: 0, order };
    rig.engine().note_run(vec![line], Some(Timestamp::now())).await;
    let mut retried = rig.engine().retry(std::slice::from_ref(&table), Repeat::NewEpoch).await.unwrap();
    retried.again.remove(0).1.outcome.unwrap_err()
}

async fn a_lease_of_somebody_else() -> Fault {
    let rig = Rig::start().await;
    let table = recorded(&rig).await;
    let holder = Holder { host: "elsewhere".into(), user: "airflow".into(), machine: None, ..Run::new("load", false).holder };
    let present = rig.s3.store.lease(&table, LeaseKind::Load).await.unwrap();
    let lease = Lease { holder: Some(holder), beat: 1, at: Timestamp::now(), failed: None };
    rig.s3.store.put_lease(&table, LeaseKind::Load, &lease, present.as_ref().map(|(_, etag)| etag)).await.unwrap();
    let mut reports = rig.engine().release_leases(std::slice::from_ref(&table)).await;
    reports.remove(0).outcome.unwrap_err()
}
