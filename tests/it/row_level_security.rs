//! Policies of Redshift that hide rows of production from the loader: SELECT and DELETE pass over them,
//! INSERT and COPY do not.

use db_to_redshift::engine::check::Found;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::fault::{Class, rs};
use db_to_redshift::model::record::Layout;
use db_to_redshift::model::{Fault, TableName, Value};
use db_to_redshift::target::redshift::RedshiftLoader;
use db_to_redshift::target::{Applied, ApplyOutcome, LoadRange, Loader, NewColumns, OpenLoad, Target};

use crate::support::redshift as plain;
use crate::support::rig::{Rig, done, fault, id, row};
use crate::support::target::{Sql, TargetLab, full, identity, open, shape, table, target_lab};

const ON: &str = r#"ALTER TABLE "shop"."orders" ROW LEVEL SECURITY ON"#;
const OFF: &str = r#"ALTER TABLE "shop"."orders" ROW LEVEL SECURITY OFF"#;

/// Nobody sees a Bob any more.
async fn hide_bob(sql: &Sql) {
    sql.rows("CREATE RLS POLICY no_bob WITH (customer VARCHAR(60)) USING (customer <> 'Bob')").await;
    sql.rows(r#"ATTACH RLS POLICY no_bob ON "shop"."orders" TO PUBLIC"#).await;
    sql.rows(ON).await;
}

/// Ada and Bob are loaded; what comes next makes a Bea of Bob, and brings Eve.
async fn changed() -> (TargetLab, RedshiftLoader, LoadRange) {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    lab.load(&mut loader, fence, &[(1, vec![full(1, 1, "Ada", "a"), full(2, 2, "Bob", "b")])]).await;
    let next = lab.range(1, fence, &[(2, vec![full(1, 2, "Bea", "c"), full(2, 3, "Eve", "e")])]).await;
    loader.stage(&next).await.unwrap();
    (lab, loader, next)
}

const BEFORE: [[&str; 4]; 2] = [["1", "Ada", "a", "ab"], ["2", "Bob", "b", "ab"]];
const AFTER: [[&str; 4]; 3] = [["1", "Ada", "a", "ab"], ["2", "Bea", "c", "ab"], ["3", "Eve", "e", "ab"]];

fn fact(fault: &Fault, name: &str) -> Option<String> {
    fault.facts().iter().find(|(fact, _)| fact == name).map(|(_, value)| value.clone())
}

/// The load is refused, and neither rows nor state have moved. Leaves row-level security on.
async fn assert_refused<T: std::fmt::Debug>(lab: &TargetLab, loaded: impl Future<Output = Result<T, Fault>>) -> Fault {
    let before = lab.target.state(&table()).await.unwrap();
    let fault = loaded.await.unwrap_err();
    assert!(fault.is(&rs::HIDDEN_ROWS) && fault.class() == Class::Human, "{fault:?}");
    assert_eq!(fact(&fault, "production").as_deref(), Some(r#""shop"."orders""#), "{fault:?}");
    assert_eq!(lab.target.state(&table()).await.unwrap(), before);
    let sql = lab.sql().await;
    sql.rows(OFF).await;
    assert_eq!(lab.production().await, BEFORE);
    sql.rows(ON).await;
    fault
}

/// The row's old version is hidden, its new one is not: counts would say that all is well.
#[tokio::test]
async fn a_row_that_would_come_out_of_hiding_is_not_doubled() {
    let (lab, mut loader, next) = changed().await;
    let sql = lab.sql().await;
    hide_bob(&sql).await;
    assert_eq!(sql.one(r#"SELECT COUNT(*) FROM "shop"."orders""#).await, "1", "the policy holds for the owner, too");
    let fault = Box::pin(assert_refused(&lab, loader.apply(&next))).await;
    assert_eq!(fact(&fault, "user").as_deref(), Some("loader"), "{fault:?}");

    sql.rows(fault.actions().next().unwrap()).await;
    let applied = loader.apply(&next).await.unwrap();
    assert_eq!(applied, ApplyOutcome::Applied(Applied { deleted: 1, inserted: 2, lost_kept: 0 }));
    assert_eq!(lab.production().await, AFTER, "row-level security is still on, and the loader sees past it");
}

#[tokio::test]
async fn a_new_epoch_does_not_double_what_is_hidden() {
    let (lab, mut loader, next) = changed().await;
    let sql = lab.sql().await;
    hide_bob(&sql).await;
    let rows = vec![full(1, 1, "Ada", "a"), full(2, 2, "Bea", "c"), full(3, 3, "Eve", "e")];
    let straight = OpenLoad::Production { manifest_url: lab.upload(2, Layout::Production, &[(0, rows.clone())]).await };
    let folded = OpenLoad::Staging { manifest_url: lab.upload(2, Layout::Changes, &[(0, rows)]).await };
    for load in [straight.clone(), folded, OpenLoad::Start { trusted: false }, OpenLoad::Start { trusted: true }] {
        let count = if matches!(load, OpenLoad::Start { .. }) { 0 } else { 3 };
        Box::pin(assert_refused(&lab, loader.open_epoch(&open(2, next.fence, load, count)))).await;
    }
    sql.rows(OFF).await;
    let applied = loader.open_epoch(&open(2, next.fence, straight, 3)).await.unwrap();
    assert_eq!(applied, Applied { deleted: 2, inserted: 3, lost_kept: 0 });
    assert_eq!(lab.production().await, AFTER);
}

/// Where no policy is attached nobody sees a row, and the lab's plans say nothing: the rows that were
/// put in are missed.
#[tokio::test]
async fn rows_that_were_put_in_must_be_seen() {
    let (lab, mut loader, next) = changed().await;
    let sql = lab.sql().await;
    sql.rows(ON).await;
    assert!(!sql.rows(r#"EXPLAIN SELECT COUNT(*) FROM "shop"."orders""#).await.concat().concat().contains("SecureScan"));
    let fault = Box::pin(assert_refused(&lab, loader.apply(&next))).await;
    assert_eq!((fact(&fault, "put in").as_deref(), fact(&fault, "seen").as_deref()), (Some("2"), Some("0")), "{fault:?}");

    let rows = vec![full(1, 1, "Ada", "a"), full(2, 2, "Bea", "c"), full(3, 3, "Eve", "e"), full(4, 3, "Eve", "e")];
    let straight = OpenLoad::Production { manifest_url: lab.upload(2, Layout::Production, &[(0, rows[..3].to_vec())]).await };
    let folded = OpenLoad::Staging { manifest_url: lab.upload(2, Layout::Changes, &[(0, rows)]).await };
    for (load, count) in [(straight.clone(), 3), (folded, 4)] {
        let fault = Box::pin(assert_refused(&lab, loader.open_epoch(&open(2, next.fence, load, count)))).await;
        assert_eq!((fact(&fault, "put in").as_deref(), fact(&fault, "seen").as_deref()), (Some("3"), Some("0")), "{fault:?}");
    }

    sql.rows(fault.actions().next().unwrap()).await;
    loader.open_epoch(&open(2, next.fence, straight, 3)).await.unwrap();
    assert_eq!(lab.production().await, AFTER);
}

#[tokio::test]
async fn who_looks_at_all_of_production_is_told() {
    let (lab, ..) = changed().await;
    let tables = [table(), TableName::new("dbo", "Not there")];
    assert!(lab.target.check_hidden(&tables).await.unwrap().is_empty());
    let sql = lab.sql().await;
    hide_bob(&sql).await;
    let hidden = lab.target.check_hidden(&tables).await.unwrap();
    assert!(matches!(&hidden[..], [(of, fault)] if *of == table() && fault.is(&rs::HIDDEN_ROWS)), "{hidden:?}");
    let prepared = lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await;
    assert!(prepared.as_ref().is_err_and(|fault| fault.is(&rs::HIDDEN_ROWS)), "{prepared:?}");
    let read = lab.target.production(&table(), &shape()).await.err();
    assert!(read.as_ref().is_some_and(|fault| fault.is(&rs::HIDDEN_ROWS)), "a verify would miss rows: {read:?}");

    sql.rows(hidden[0].1.actions().next().unwrap()).await;
    assert!(lab.target.check_hidden(&tables).await.unwrap().is_empty());
    lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_once_its_user_sees_every_row() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    let tables = std::slice::from_ref(&table);
    rig.source.with(|inner| inner.commit(|tran| (1..=3).for_each(|at| tran.insert(&table, row(at, "a", at)))));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
    let loaded = rig.production().await;
    let position = async || {
        let state = rig.target().state(&table).await.unwrap().unwrap();
        (state.epoch, state.applied_seq, state.applied_lsn)
    };
    let at = position().await;

    rig.query("CREATE RLS POLICY no_three WITH (n INTEGER) USING (n <> 3)").await;
    rig.query("ATTACH RLS POLICY no_three ON public.t TO PUBLIC").await;
    let security = async |on: &str| drop(rig.query(&format!("ALTER TABLE public.t ROW LEVEL SECURITY {on}")).await);
    let refused = async || {
        security("ON").await;
        let met = fault(rig.engine().load(tables).await);
        assert!(met.is(&rs::HIDDEN_ROWS), "{met:?}");
        security("OFF").await;
        assert_eq!((rig.production().await, position().await), (loaded.clone(), at), "{met:?}");
        met
    };
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(3), &[(2, Value::Int(30))])));
    rig.extract(&table).await;
    refused().await;
    refused().await;
    done(rig.engine().prepare(tables, PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    let met = refused().await;

    security("ON").await;
    let named = async || rig.engine().check(tables).await.into_iter().filter(|line| line.what == "row-level security").count();
    assert_eq!(named().await, 1);
    let findings = rig.engine().check(tables).await;
    assert!(findings.iter().any(|line| matches!(&line.result, Found::Fault(fault) if fault.is(&rs::HIDDEN_ROWS))), "{findings:?}");
    rig.query(met.actions().next().unwrap()).await;
    assert_eq!(named().await, 0);
    rig.load(&table).await;
    rig.assert_equal(&table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(3), &[(2, Value::Int(3))])));
    rig.sync(&table).await;
    rig.assert_equal(&table).await;
}

/// What the lab takes from Redshift's documents.
#[tokio::test]
async fn the_lab_filters_what_is_there_and_not_what_comes_in() {
    let lab = plain::lab(false).await;
    let client = lab.connect().await;
    plain::run(&client, "CREATE TABLE t (id INT, v VARCHAR(9)); INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    plain::run(&client, "CREATE RLS POLICY only_a WITH (v VARCHAR(9)) USING (v = 'a')").await;
    plain::run(&client, "ATTACH RLS POLICY only_a ON TABLE t TO ROLE loader").await;
    assert_eq!(plain::one(&client, "SELECT COUNT(*) FROM t").await, "2", "not before it is switched on");
    plain::run(&client, "ALTER TABLE t ROW LEVEL SECURITY ON").await;
    plain::run(&client, "INSERT INTO t VALUES (3, 'c')").await;
    lab.bucket.put_zstd("in/part", "4,\"d\"\n5,\"a\"\n");
    plain::run(&client, &format!("COPY t (id, v) FROM 's3://lab/in/part' {}", plain::OPTIONS)).await;
    assert_eq!(plain::one(&client, "SELECT pg_last_copy_count()").await, "2");
    assert_eq!(plain::one(&client, "SELECT COUNT(*) FROM t").await, "2");
    let plan: Vec<_> = plain::rows(&client, "EXPLAIN SELECT v FROM t WHERE v >= 'a'").await.into_iter().flatten().flatten().collect();
    assert!(plan.iter().any(|node| node.contains("XN RLS SecureScan t")) && plan.iter().all(|node| !node.contains("Filter")), "{plan:?}");

    plain::run(&client, "UPDATE t SET id = id + 10").await;
    plain::run(&client, "DELETE FROM t WHERE id > 0 AND id <> 15").await;
    plain::run(&client, "ALTER TABLE t ROW LEVEL SECURITY OFF").await;
    let ids = plain::rows(&client, "SELECT id FROM t ORDER BY id").await.concat();
    assert_eq!(ids.into_iter().flatten().collect::<Vec<_>>(), ["2", "3", "4", "15"], "what is hidden was neither updated nor deleted");

    plain::run(&client, "CREATE TABLE u (id INT); INSERT INTO u VALUES (1); ALTER TABLE u ROW LEVEL SECURITY ON").await;
    assert_eq!(plain::one(&client, "SELECT COUNT(*) FROM u").await, "0", "no policy, no row");
    plain::run(&client, "CREATE ROLE sees; GRANT IGNORE RLS TO ROLE sees").await;
    assert_eq!(plain::one(&client, "SELECT COUNT(*) FROM u").await, "0", "not without the role");
    plain::run(&client, "GRANT ROLE sees TO loader").await;
    assert_eq!(plain::one(&client, "SELECT COUNT(*) FROM u").await, "1");
    for (sql, said) in [
        ("DETACH RLS POLICY only_a ON t FROM PUBLIC", "DETACH"),
        ("ATTACH RLS POLICY only_a ON t TO PUBLIC", "already exists"),
        ("ATTACH RLS POLICY none ON u TO PUBLIC", "does not exist"),
        ("ALTER TABLE t ROW LEVEL SECURITY ON CONJUNCTION TYPE OR", "ROW"),
    ] {
        let (_, message) = plain::error(&client, sql).await;
        assert!(message.contains(said), "{sql}: {message}");
    }
}
