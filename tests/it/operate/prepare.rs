//! Prepare where the state was lost: the fault says what helps, and it does.

use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::Fault;
use db_to_redshift::model::fault::rs;

use super::{one, record, recorded, state};
use crate::support::rig::{Rig, done, fault};

const REMEDY: &str = "db-to-redshift prepare --new-epoch --replace --table <table>";

fn names_the_remedy(fault: &Fault) -> bool {
    fault.actions().any(|next| next.ends_with(REMEDY))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_without_its_row_and_a_state_that_was_dropped_lead_to_a_new_snapshot() {
    let rig = Rig::start().await;
    let table = recorded(&rig, 2).await;
    rig.load(&table).await;
    let remedy = PrepareOptions { new_epoch: true, replace: true, ..PrepareOptions::default() };

    rig.query(r#"DELETE FROM d2r_control."public__t__state""#).await;
    let lost = fault(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    assert!(lost.is(&rs::STATE_ROWS) && names_the_remedy(&lost), "{lost}");
    assert!(fault(rig.engine().load(one(&table)).await).is(&rs::STATE_ROWS));

    rig.query(r#"DROP TABLE d2r_control."public__t__state""#).await;
    let lost = fault(rig.engine().prepare(one(&table), remedy).await);
    assert!(lost.is(&rs::FOREIGN_STAGING) && names_the_remedy(&lost), "{lost}");
    assert!(fault(rig.engine().load(one(&table)).await).is(&rs::NOT_PREPARED));

    rig.query(r#"DROP TABLE d2r_staging."dbo__t""#).await;
    done(rig.engine().prepare(one(&table), remedy).await);
    rig.load(&table).await;
    record(&rig, &table, [3]).await;
    rig.load(&table).await;
    assert_eq!(state(&rig, &table).await.epoch, 2);
    rig.assert_equal(&table).await;
}
