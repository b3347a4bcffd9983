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
    assert_eq!((events("t").as_slice(), events("v").as_slice()), (["applied", "staged", "snapshot"].as_slice(), ["snapshot"].as_slice()));
    let one = engine.batch_log(Some(&t), 100).await.unwrap();
    assert!(one.lines.len() == 3 && one.lines.iter().all(|line| line.table == t), "{one:?}");
    assert_eq!(engine.batch_log(Some(&t), 2).await.unwrap().lines, one.lines[..2]);
    assert_eq!(engine.batch_log(Some(&v), 100).await.unwrap().lines.len(), 1);
}

/// The log's clock has whole seconds, and a load takes less.
#[tokio::test(flavor = "multi_thread")]
async fn within_a_second_a_batch_is_staged_before_it_is_applied() {
    let rig = Rig::start().await;
    let t = rig.prepared().await;
    rig.load(&t).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&t, row(1, "a", 1))));
    rig.sync(&t).await;
    // So many that nothing stands right by chance.
    for seq in 2..=30 {
        rig.query(&format!(
            r#"INSERT INTO "d2r_control"."batch_log" ("pipeline", "table_name", "event", "epoch", "seq_from", "seq_to", "lsn_to", "staged_rows", "deleted_rows", "inserted_rows", "run", "logged_at")
               SELECT "pipeline", "table_name", "event", "epoch", {seq}, {seq}, "lsn_to", "staged_rows", "deleted_rows", "inserted_rows", "run", "logged_at" FROM "d2r_control"."batch_log" WHERE "seq_to" = 1"#,
        ))
        .await;
    }
    rig.query(r#"UPDATE "d2r_control"."batch_log" SET "logged_at" = '2026-03-02 09:30:00'"#).await;
    let mut expected: Vec<(u64, &str)> = (1..=30).rev().flat_map(|seq| [(seq, "applied"), (seq, "staged")]).collect();
    expected.push((0, "snapshot"));
    for most in [100, 9] {
        let log = rig.engine().batch_log(Some(&t), most).await.unwrap();
        let told: Vec<_> = log.lines.iter().map(|line| (line.to, line.event.as_str())).collect();
        assert_eq!(told, expected[..most.min(expected.len())]);
    }
}
