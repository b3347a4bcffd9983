//! Prepare: what is created, what is accepted, what is refused; connections.

use db_to_redshift::config::{Secret, Tls};
use db_to_redshift::model::fault::{rs, sync};
use db_to_redshift::model::{SqlType, TableName, TableShape};
use db_to_redshift::target::redshift::Redshift;
use db_to_redshift::target::{Loader, NewColumns, OpenLoad, Target};

use crate::support::column::column;
use crate::support::target::{full, identity, open, role, settings, shape, table, target_lab, target_lab_with};

#[tokio::test]
async fn the_first_prepare_creates_and_the_second_finds() {
    let lab = target_lab().await;
    assert!(lab.target.state(&table()).await.unwrap().is_none());
    assert!(lab.target.log(&identity().pipeline, None, 10).await.unwrap().is_empty());
    let facts = lab.target.start_up().await.unwrap();
    assert!(facts.version.contains("Redshift") && facts.user == "loader" && facts.database == "dev", "{facts:?}");
    assert!(facts.schemas.iter().all(|(_, exists)| !exists) && !facts.encrypted);

    let prepared = lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
    let did = prepared.did.join("\n");
    let created = [
        r#"created target schema "shop""#,
        r#"created staging schema "staging""#,
        r#"created control schema "d2r""#,
        r#"created batch log "d2r"."batch_log""#,
        r#"created production "shop"."orders""#,
        r#"created staging "staging"."dbo__orders""#,
        r#"created state "d2r"."shop__orders__state""#,
    ];
    assert_eq!(did, created.join("\n"));
    assert_eq!(prepared.lossy.len(), 3, "{:?}", prepared.lossy);
    let state = lab.target.state(&table()).await.unwrap().unwrap();
    assert_eq!((state.epoch, state.applied_seq, state.applied_lsn, state.staged), (0, None, None, None));
    assert_eq!(state.identity, identity());

    let prepared = lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
    assert!(prepared.did.len() == 1 && prepared.did[0].starts_with("found"), "{:?}", prepared.did);
    assert_eq!(lab.target.state(&table()).await.unwrap().unwrap(), state);
    assert!(lab.target.start_up().await.unwrap().schemas.iter().all(|(_, exists)| *exists));
}

#[tokio::test]
async fn of_several_first_prepares_one_creates_and_the_others_read() {
    let lab = target_lab().await;
    let rivals: Vec<_> = (0..6)
        .map(|_| {
            let target = lab.target.clone();
            tokio::spawn(async move { target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await })
        })
        .collect();
    let mut creators = 0;
    for rival in rivals {
        let did = rival.await.unwrap().unwrap().did;
        creators += usize::from(did.iter().any(|did| did.starts_with("created state")));
    }
    assert_eq!(creators, 1);
    assert_eq!(lab.sql().await.one(r#"SELECT COUNT(*) FROM "d2r"."shop__orders__state""#).await, "1");
}

#[tokio::test]
async fn two_streams_never_share_a_state() {
    let lab = target_lab().await;
    lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
    let mut pipeline = identity();
    pipeline.pipeline = "other".into();
    let mut database = identity();
    database.source.database = "shop2".into();
    let mut root = identity();
    root.root = "s3://other/".into();
    let mut restored = identity();
    restored.source.database_guid = Some("b-guid".into());
    for other in [pipeline, database, root, restored] {
        let fault = lab.target.prepare(&table(), &shape(), &other, NewColumns::Refuse).await.unwrap_err();
        assert_eq!(fault.code(), sync::OTHER_STREAM.code);
        assert!(fault.facts().len() >= 2, "{fault}");
        let mut loader = lab.target.loader(&table()).await.unwrap();
        assert_eq!(loader.raise_fence(&other).await.unwrap_err().code(), sync::OTHER_STREAM.code);
    }
    // A table of another source schema would share production.
    let fault = lab.target.prepare(&TableName::new("sales", "Orders"), &shape(), &identity(), NewColumns::Refuse).await.unwrap_err();
    assert_eq!(fault.code(), sync::OTHER_STREAM.code, "{fault}");
    assert_eq!(lab.target.state(&table()).await.unwrap().unwrap().fence, 0, "nobody raised the fence");

    // A guid that one side could not read proves nothing.
    let mut unread = identity();
    unread.source.database_guid = None;
    lab.target.prepare(&table(), &shape(), &unread, NewColumns::Refuse).await.unwrap();
}

#[tokio::test]
async fn staging_of_another_control_schema_is_left_alone() {
    let lab = target_lab().await;
    lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
    let mut other = settings(&lab.lab);
    other.control_schema = "d2r_two".into();
    other.target_schema = "shop_two".into();
    let fault = Redshift::new(other, role()).prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap_err();
    assert_eq!(fault.code(), rs::FOREIGN_STAGING.code, "{fault}");
}

#[tokio::test]
async fn production_that_is_there_must_fit() {
    let lab = target_lab().await;
    let sql = lab.sql().await;
    sql.rows(r#"CREATE SCHEMA "shop""#).await;
    sql.rows(r#"CREATE TABLE "shop"."orders" ("id" BIGINT NOT NULL, "customer" VARCHAR(20), "notes" VARCHAR(65535) NOT NULL)"#).await;
    let fault = lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap_err();
    assert_eq!(fault.code(), rs::PRODUCTION_DIFFERS.code);
    let actions: Vec<_> = fault.actions().map(str::to_owned).collect();
    assert!(actions[0].contains(r#"ALTER COLUMN "customer" TYPE VARCHAR(60)"#), "{actions:?}");
    assert!(actions[2].contains(r#"ADD COLUMN "scan" VARBYTE(1024000)"#), "{actions:?}");
    assert!(lab.target.state(&table()).await.unwrap().is_none());

    // Every proposed statement mends its column.
    for action in &actions[..3] {
        for statement in action.split("; ") {
            sql.rows(statement).await;
        }
    }
    let prepared = lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
    assert!(!prepared.did.iter().any(|did| did.starts_with("created production")), "{:?}", prepared.did);
}

#[tokio::test]
async fn new_columns_rebuild_staging_and_drop_what_is_staged() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
    loader.stage(&range).await.unwrap();
    let mut columns = shape().columns().to_vec();
    columns.push(column("Price", 5, SqlType::Money, None));
    let wider = TableShape::new(columns);
    lab.sql().await.rows(r#"ALTER TABLE "shop"."orders" ADD COLUMN "price" DECIMAL(20,4)"#).await;
    let prepared = lab.target.prepare(&table(), &wider, &identity(), NewColumns::Refuse).await.unwrap();
    assert_eq!(prepared.did, [r#"rebuilt staging "staging"."dbo__orders""#]);
    // What was staged is staged again from its records, never applied from an empty table.
    assert!(lab.target.state(&table()).await.unwrap().unwrap().staged.is_none());
    assert!(loader.apply(&range).await.unwrap_err().is(&rs::STATE_MOVED));
    // Our own DDL is no divergence.
    assert!(loader.truncate_staging(fence).await.unwrap());
}

/// Before a snapshot that brings every row, production gets the columns that it lacks; otherwise
/// their values would be missing.
#[tokio::test]
async fn production_gets_new_columns_before_a_snapshot_alone() {
    let lab = target_lab().await;
    lab.started().await;
    let mut columns = shape().columns().to_vec();
    columns.push(column("Price \"net\"", 5, SqlType::Money, None));
    columns.push(column("Seen", 6, SqlType::DateTime2 { scale: 7 }, None));
    let wider = TableShape::new(columns);
    let refused = lab.target.prepare(&table(), &wider, &identity(), NewColumns::Refuse).await.unwrap_err();
    assert!(
        refused.is(&rs::PRODUCTION_DIFFERS) && refused.actions().any(|action| action.starts_with("db-to-redshift prepare --new-epoch")),
        "{refused}"
    );
    let prepared = lab.target.prepare(&table(), &wider, &identity(), NewColumns::Add).await.unwrap();
    assert_eq!(
        prepared.did,
        [
            r#"rebuilt staging "staging"."dbo__orders""#,
            r#"added column "price "net"" DECIMAL(20,4) to "shop"."orders""#,
            r#"added column "seen" TIMESTAMP to "shop"."orders""#,
        ]
    );
    let prepared = lab.target.prepare(&table(), &wider, &identity(), NewColumns::Add).await.unwrap();
    assert_eq!(prepared.did.len(), 1, "once is enough: {:?}", prepared.did);

    // Together with a column that does not fit, nothing is added.
    let mut columns = wider.columns().to_vec();
    columns[1].sql_type = SqlType::NVarChar { length: 4000 };
    columns.push(column("More", 7, SqlType::Int, None));
    let refused = lab.target.prepare(&table(), &TableShape::new(columns), &identity(), NewColumns::Add).await.unwrap_err();
    assert!(refused.is(&rs::PRODUCTION_DIFFERS), "{refused}");
    let prepared = lab.target.prepare(&table(), &wider, &identity(), NewColumns::Refuse).await.unwrap();
    assert!(!prepared.did.iter().any(|did| did.contains("more")), "{:?}", prepared.did);
}

#[tokio::test]
async fn a_dropped_production_is_made_again_but_only_a_new_epoch_fills_it() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    lab.load(&mut loader, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
    lab.sql().await.rows(r#"DROP TABLE "shop"."orders""#).await;
    let prepared = lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
    assert!(prepared.did[0].contains("only a new epoch can fill"), "{:?}", prepared.did);
    let range = lab.range(1, fence, &[(2, vec![full(1, 2, "Bob", "b")])]).await;
    assert_eq!(loader.stage(&range).await.unwrap_err().code(), sync::DIVERGED.code);
    loader.open_epoch(&open(2, fence, OpenLoad::Production { manifest_url: None }, 0)).await.unwrap();
    let range = lab.range(2, fence, &[(1, vec![full(1, 2, "Bob", "b")])]).await;
    loader.stage(&range).await.unwrap();
}

#[tokio::test]
async fn logins_and_certificates_are_told_apart() {
    let lab = target_lab_with(true).await;
    let mut wrong = settings(&lab.lab);
    wrong.password = Secret::new("wrong");
    let fault = Redshift::new(wrong, role()).start_up().await.unwrap_err();
    assert_eq!(fault.code(), rs::LOGIN.code, "{fault:?}");

    let with_tls = |tls| {
        let mut settings = settings(&lab.lab);
        settings.host = "localhost".into();
        settings.tls = tls;
        Redshift::new(settings, role())
    };
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, lab.lab.ca_pem().unwrap()).unwrap();
    assert!(with_tls(Tls::Verify { ca_file: Some(ca_file.clone()) }).start_up().await.unwrap().encrypted);
    assert!(with_tls(Tls::TrustAny).start_up().await.unwrap().encrypted);
    let fault = with_tls(Tls::Verify { ca_file: None }).start_up().await.unwrap_err();
    assert_eq!(fault.code(), rs::TLS.code, "{fault:?}");
    let fault = with_tls(Tls::Verify { ca_file: Some(directory.path().join("none.pem")) }).start_up().await.unwrap_err();
    assert_eq!(fault.code(), rs::TLS.code, "{fault:?}");

    let mut nobody = settings(&lab.lab);
    nobody.port = 1;
    assert_eq!(Redshift::new(nobody, role()).start_up().await.unwrap_err().code(), rs::CONNECT.code);
}

/// Where Redshift takes `abc` and `ABC` for one key, nothing is prepared; outside the key it may.
#[tokio::test]
async fn a_target_that_ignores_case_is_refused() {
    let lab = target_lab().await;
    let sql = lab.sql().await;
    let codes = TableName::new("dbo", "Codes");
    let shape = TableShape::new(vec![
        column("The \"Code\"", 1, SqlType::NVarChar { length: 10 }, Some(1)),
        column("Name", 2, SqlType::NVarChar { length: 10 }, None),
    ]);
    let both = [(codes.clone(), shape.clone()), (table(), crate::support::target::shape())];
    assert!(lab.target.check_collations(&both).await.unwrap().is_empty(), "nothing is there yet");
    sql.rows(r#"CREATE SCHEMA "shop""#).await;
    let make = async |code: &str, name: &str| {
        sql.rows(r#"DROP TABLE IF EXISTS "shop"."codes""#).await;
        let columns = format!(r#""the ""code""" VARCHAR(30) {code} NOT NULL, "name" VARCHAR(30) {name}"#);
        sql.rows(&format!(r#"CREATE TABLE "shop"."codes" ({columns})"#)).await;
    };
    make("COLLATE CASE_INSENSITIVE", "").await;
    sql.rows(r#"INSERT INTO "shop"."codes" VALUES ('abc', 'abc')"#).await;
    let same = sql.one(r#"SELECT COUNT(*) FROM "shop"."codes" WHERE "the ""code""" = 'ABC'"#).await;
    assert_eq!((same.as_str(), sql.one(r#"SELECT COUNT(*) FROM "shop"."codes" WHERE "name" = 'ABC'"#).await.as_str()), ("1", "0"));
    let fault = lab.target.prepare(&codes, &shape, &identity(), NewColumns::Refuse).await.unwrap_err();
    assert!(fault.is(&rs::CASE_INSENSITIVE) && fault.to_string().contains("columns=the \"code\""), "{fault}");
    let found = lab.target.check_collations(&both).await.unwrap();
    assert!(matches!(&found[..], [fault] if fault.is(&rs::CASE_INSENSITIVE)), "{found:?}");
    assert!(lab.target.state(&codes).await.unwrap().is_none(), "nothing was made");

    make("COLLATE CASE_SENSITIVE", "COLLATE CASE_INSENSITIVE").await;
    lab.target.prepare(&codes, &shape, &identity(), NewColumns::Refuse).await.unwrap();
}

#[tokio::test]
async fn a_database_that_ignores_case_is_refused() {
    let lab = target_lab().await;
    let sql = lab.sql().await;
    assert_eq!(sql.one("SELECT db_collation()").await, "case_sensitive");
    sql.rows("ALTER DATABASE dev COLLATE CASE_INSENSITIVE").await;
    let fault = lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap_err();
    assert!(fault.is(&rs::CASE_INSENSITIVE) && fault.to_string().contains("collation=case_insensitive"), "{fault}");
    let found = lab.target.check_collations(&[]).await.unwrap();
    assert!(matches!(&found[..], [fault] if fault.is(&rs::CASE_INSENSITIVE)), "{found:?}");
    assert!(lab.target.start_up().await.unwrap().schemas.iter().all(|(_, exists)| !exists), "nothing was made");
}
