use db_to_redshift::engine::inspect::upkeep::Upkeep;
use db_to_redshift::engine::inspect::verify::Verdict;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::fault::{rs, sync};
use db_to_redshift::target::Target;
use db_to_redshift::target::redshift::Redshift;

use super::{diverged, loaded, row, verify};
use crate::support::recorder::Recorder;
use crate::support::rig::{Rig, done};

#[tokio::test(flavor = "multi_thread")]
async fn statistics_and_room() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b"]).await;
    let planner = "SELECT COUNT(*) FROM pg_stats WHERE schemaname = 'public' AND tablename = 'v'";
    assert_eq!(rig.query(planner).await[0][0].as_deref(), Some("0"));
    rig.engine().upkeep(&table, &Upkeep::Analyze).await.unwrap();
    assert_ne!(rig.query(planner).await[0][0].as_deref(), Some("0"), "the planner knows the table");
    let recorder = Recorder::before(rig.redshift.addr()).await;
    let engine = rig.engine_with(|settings| settings.redshift.port = recorder.port);
    assert_eq!(engine.settings.redshift.port, recorder.port);
    let target = Redshift::new(engine.settings.redshift.clone(), crate::support::target::role());
    target.vacuum(&table).await.unwrap();
    assert!(recorder.take().iter().any(|sql| sql == r#"VACUUM "public"."v""#), "no other table, and no other statement");
    rig.engine().upkeep(&table, &Upkeep::Vacuum).await.unwrap();
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal);
}

#[tokio::test(flavor = "multi_thread")]
async fn staging_is_emptied_unless_something_is_staged() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    rig.query("INSERT INTO d2r_staging.dbo__v (__d2r_op, __d2r_batch, __d2r_order, id) VALUES ('U', 9, 1, 1)").await;
    rig.engine().upkeep(&table, &Upkeep::TruncateStaging).await.unwrap();
    assert_eq!(rig.target().row_counts(&table).await.unwrap(), (1, 0));
    // A load that stops between stage and apply leaves a range staged.
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "fifteen bytes!!"))));
    rig.extract(&table).await;
    rig.query("ALTER TABLE public.v ALTER COLUMN name TYPE VARCHAR(10)").await;
    rig.engine().load(std::slice::from_ref(&table)).await;
    for what in [Upkeep::TruncateStaging, Upkeep::TruncateProduction { confirm: "dbo.v".into() }] {
        assert!(rig.engine().upkeep(&table, &what).await.unwrap_err().is(&rs::STILL_STAGED), "{what:?}");
    }
    assert_eq!(rig.target().row_counts(&table).await.unwrap(), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn production_is_emptied_only_by_its_name_and_counts_as_diverged() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b"]).await;
    for confirm in ["", "dbo.V", "v"] {
        let refused = rig.engine().upkeep(&table, &Upkeep::TruncateProduction { confirm: confirm.into() }).await.unwrap_err();
        assert!(refused.is(&sync::NOT_CONFIRMED));
    }
    assert_eq!(rig.target().row_counts(&table).await.unwrap(), (2, 0));
    rig.engine().upkeep(&table, &Upkeep::TruncateProduction { confirm: "dbo.v".into() }).await.unwrap();
    assert_eq!(rig.target().row_counts(&table).await.unwrap(), (0, 0));
    assert!(diverged(&rig, &table).await.unwrap().contains("operator"));
    assert_eq!(verify(&rig, &table).await.missing, 2);
    let options = PrepareOptions { new_epoch: true, ..PrepareOptions::default() };
    done(rig.engine().prepare(std::slice::from_ref(&table), options).await);
    rig.load(&table).await;
    assert_eq!(diverged(&rig, &table).await, None);
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal);
}
