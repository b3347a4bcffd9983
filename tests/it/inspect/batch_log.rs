use db_to_redshift::engine::prepare::PrepareOptions;

use super::loaded;
use crate::support::rig::{Rig, done, row};

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_told_of_one_table_or_of_all() {
    let rig = Rig::start().await;
    let (v, t) = (loaded(&rig, &["a"]).await, rig.table());
    done(rig.engine().prepare(std::slice::from_ref(&t), PrepareOptions::default()).await);
    rig.load(&t).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&t, row(1, "a", 1))));
    rig.sync(&t).await;
    // Another pipeline writes to the same log.
    rig.query(
        r#"INSERT INTO "d2r_control"."batch_log" ("pipeline", "table_name", "event", "epoch", "seq_from", "seq_to", "lsn_to", "staged_rows", "deleted_rows", "inserted_rows", "run", "logged_at")
           SELECT 'other', "table_name", 'foreign', "epoch", "seq_from", "seq_to", "lsn_to", "staged_rows", "deleted_rows", "inserted_rows", "run", "logged_at" FROM "d2r_control"."batch_log""#,
    )
    .await;
    let engine = rig.engine();
    let all = engine.batch_log(None, 100).await.unwrap();
    let events = |name: &str| all.lines.iter().filter(|line| line.table.name == name).map(|line| line.event.as_str()).collect::<Vec<_>>();
    let mut of_t = events("t");
    of_t.sort_unstable();
    assert_eq!((of_t.as_slice(), events("v").as_slice()), (["applied", "snapshot", "staged"].as_slice(), ["snapshot"].as_slice()));
    let one = engine.batch_log(Some(&t), 100).await.unwrap();
    assert!(one.lines.len() == 3 && one.lines.iter().all(|line| line.table == t), "{one:?}");
    assert_eq!(engine.batch_log(Some(&t), 2).await.unwrap().lines, one.lines[..2]);
    assert_eq!(engine.batch_log(Some(&v), 100).await.unwrap().lines.len(), 1);
}
