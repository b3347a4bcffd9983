//! RS: each page through the real client against the lab's Redshift.

use std::time::Duration;

use db_to_redshift::config::{Secret, Tls};
use db_to_redshift::encode::{BatchWriter, RowFormat};
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::fault::rs;
use db_to_redshift::model::record::Layout;
use db_to_redshift::model::{Fault, SqlType, TableName, TableShape};
use db_to_redshift::store::{Attempt, ChangeStore, PartUpload};
use db_to_redshift::target::redshift::{CopyAccess, CopyLogin, Redshift, RedshiftLoader};
use db_to_redshift::target::{LoadRange, Loader, NewColumns, OpenLoad, Target};
use uuid::Uuid;

use crate::faults::{provocations, run};
use crate::support::column::column;
use crate::support::target::{MARKER, TargetLab, full, identity, lsn, open, role, settings, shape, table, target_lab};

provocations! {
    [rs::CONNECT] => a_paused_cluster,
    bare [rs::COMMIT_UNKNOWN] => a_commit_without_an_answer,
    [rs::LOGIN] => a_wrong_password,
    [rs::TLS] => a_server_without_tls,
    [rs::CONFLICT] => a_serialisation_conflict,
    [rs::CONFLICT] => a_table_that_another_transaction_dropped,
    [rs::LOCKED] => a_state_that_another_session_locks,
    [rs::TIMEOUT] => a_statement_that_waits_too_long,
    bare [rs::LOST] => a_connection_lost_amid_a_transaction,
    [rs::PERMISSION] => a_permission_that_is_missing,
    [rs::LOAD_FAILED] => a_value_that_does_not_fit,
    [rs::COPY_SOURCE] => a_part_file_that_is_gone,
    [rs::COPY_COUNT] => a_file_with_another_number_of_rows,
    [rs::STATEMENT] => a_batch_log_that_is_gone,
    [rs::NOT_PREPARED] => a_state_that_is_gone,
    [rs::STATE_ROWS] => a_state_with_two_rows,
    [rs::STATE_MOVED] => a_batch_that_does_not_follow,
    [rs::COLUMN_TYPE] => a_type_that_redshift_lacks,
    [rs::KEY_COLUMN] => a_table_without_a_key,
    [rs::COLLISION] => two_tables_of_one_name,
    [rs::RESERVED] => a_reserved_column_name,
    [rs::TOO_WIDE] => too_many_columns,
    [rs::PRODUCTION_DIFFERS] => a_production_that_is_too_narrow,
    [rs::FOREIGN_STAGING] => a_staging_table_of_unknown_origin,
    [rs::NOT_EMPTY] => a_start_into_rows,
    [rs::FULL] => a_full_disk,
    [rs::ANSWER] => a_state_that_cannot_be_read,
    [rs::CASE_INSENSITIVE] => a_key_column_without_regard_to_case,
    [rs::COPY_EXPIRED] => a_copy_with_expired_credentials,
    [rs::HIDDEN_ROWS] => a_production_that_a_policy_guards,
    [rs::HIDDEN_ROWS] => a_production_that_nobody_is_let_into,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redshift_s_pages_are_met() {
    run(register()).await;
}

/// A lab with epoch 1 open and one batch uploaded.
async fn ready() -> (TargetLab, RedshiftLoader, LoadRange) {
    let lab = target_lab().await;
    let (loader, fence) = lab.started().await;
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "card 4711")])]).await;
    (lab, loader, range)
}

/// [`ready`], with the batch in staging.
async fn staged() -> (TargetLab, RedshiftLoader, LoadRange) {
    let (lab, mut loader, range) = ready().await;
    loader.stage(&range).await.unwrap();
    (lab, loader, range)
}

async fn a_paused_cluster() -> Fault {
    let lab = target_lab().await;
    lab.lab.faults().pause(true);
    lab.target.start_up().await.unwrap_err()
}

async fn a_commit_without_an_answer() -> Fault {
    let (lab, mut loader, range) = staged().await;
    let _planted = lab.lab.faults().on("COMMIT", 1, Action::CutAfter);
    loader.apply(&range).await.unwrap_err()
}

async fn a_wrong_password() -> Fault {
    let lab = target_lab().await;
    let mut wrong = settings(&lab.lab);
    wrong.password = Secret::new("not-the-secret");
    Redshift::new(wrong, role()).start_up().await.unwrap_err()
}

async fn a_server_without_tls() -> Fault {
    let lab = target_lab().await;
    let mut wary = settings(&lab.lab);
    wary.tls = Tls::TrustAny;
    Redshift::new(wary, role()).start_up().await.unwrap_err()
}

async fn a_serialisation_conflict() -> Fault {
    let (lab, mut loader, range) = staged().await;
    let _planted = lab.lab.faults().on("INSERT INTO \"shop\"", 1, Action::Conflict);
    let fault = loader.apply(&range).await.unwrap_err();
    assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (0, 1), "nothing is half applied");
    fault
}

async fn a_table_that_another_transaction_dropped() -> Fault {
    let (lab, mut loader, range) = staged().await;
    let _planted = lab.lab.faults().on("DELETE FROM \"shop\"", 1, Action::Refuse("XX000", "1018"));
    loader.apply(&range).await.unwrap_err()
}

async fn a_state_that_another_session_locks() -> Fault {
    let (lab, _, _) = ready().await;
    let sql = lab.sql().await;
    sql.rows("BEGIN").await;
    sql.rows(r#"LOCK "d2r"."shop__orders__state""#).await;
    let mut short = settings(&lab.lab);
    short.lock_timeout = Duration::from_millis(200);
    let mut loader = Redshift::new(short, role()).loader(&table()).await.unwrap();
    loader.raise_fence(&identity()).await.unwrap_err()
}

async fn a_statement_that_waits_too_long() -> Fault {
    let (lab, _, mut range) = staged().await;
    let sql = lab.sql().await;
    sql.rows("BEGIN").await;
    sql.rows(r#"LOCK "shop"."orders""#).await;
    let mut short = settings(&lab.lab);
    short.timeout = Duration::from_millis(300);
    range.fence = lab.target.loader(&table()).await.unwrap().raise_fence(&identity()).await.unwrap().fence;
    let mut loader = Redshift::new(short, role()).loader(&table()).await.unwrap();
    loader.apply(&range).await.unwrap_err()
}

async fn a_connection_lost_amid_a_transaction() -> Fault {
    let (lab, mut loader, range) = staged().await;
    let _planted = lab.lab.faults().on("DELETE FROM \"shop\"", 1, Action::CutAfter);
    loader.apply(&range).await.unwrap_err()
}

async fn a_permission_that_is_missing() -> Fault {
    let (lab, mut loader, range) = staged().await;
    let refuse = Action::Refuse("42501", "permission denied for relation orders");
    let _planted = lab.lab.faults().on("DELETE FROM \"shop\"", 1, refuse);
    loader.apply(&range).await.unwrap_err()
}

async fn a_value_that_does_not_fit() -> Fault {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let long = format!("card 4711 {}", "ü".repeat(40));
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a"), full(2, 2, &long, "b")])]).await;
    let fault = loader.stage(&range).await.unwrap_err();
    let fact = |name: &str| fault.facts().iter().find(|(fact, _)| fact == name).unwrap_or_else(|| panic!("no {name}: {fault}")).1.clone();
    assert!(fact("file").ends_with("part-00001.csv.zst") && fact("table").contains("orders"), "{fault}");
    assert_eq!((fact("line"), fact("column"), fact("length"), fact("code")), ("2".into(), "customer".into(), "60".into(), "1204".into()));
    assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (0, 0), "nothing is half applied");
    fault
}

async fn a_part_file_that_is_gone() -> Fault {
    let (lab, mut loader, range) = ready().await;
    for key in lab.s3.lab.keys("changes", "").into_iter().filter(|key| key.contains("part-")) {
        lab.s3.lab.remove("changes", &key);
    }
    loader.stage(&range).await.unwrap_err()
}

async fn a_file_with_another_number_of_rows() -> Fault {
    let (_lab, mut loader, mut range) = ready().await;
    range.batches[0].rows = 2;
    loader.stage(&range).await.unwrap_err()
}

async fn a_batch_log_that_is_gone() -> Fault {
    let (lab, mut loader, range) = staged().await;
    loader.apply(&range).await.unwrap();
    lab.sql().await.rows(r#"DROP TABLE "d2r"."batch_log""#).await;
    let line = db_to_redshift::target::LogLine {
        table: table(),
        event: "applied".into(),
        epoch: 1,
        from: 1,
        to: 1,
        lsn_to: lsn(1),
        rows: 1,
        deleted: 0,
        inserted: 1,
        run: Uuid::new_v4(),
        at: String::new(),
        instance: None,
        diverged: None,
    };
    loader.log(&line).await.unwrap_err()
}

async fn a_state_that_is_gone() -> Fault {
    let (lab, mut loader, _) = ready().await;
    lab.sql().await.rows(r#"DROP TABLE "d2r"."shop__orders__state""#).await;
    loader.locked_state().await.unwrap_err()
}

async fn a_state_with_two_rows() -> Fault {
    let (lab, mut loader, _) = ready().await;
    let state = r#""d2r"."shop__orders__state""#;
    lab.sql().await.rows(&format!("INSERT INTO {state} SELECT * FROM {state}")).await;
    loader.locked_state().await.unwrap_err()
}

async fn a_batch_that_does_not_follow() -> Fault {
    let (_lab, mut loader, mut range) = ready().await;
    (range.from, range.to) = (2, 2);
    loader.stage(&range).await.unwrap_err()
}

/// The first fault of shapes that are looked at before anything is made.
async fn refused(tables: &[(TableName, TableShape)]) -> Fault {
    let lab = target_lab().await;
    let refused = lab.target.check_shapes(tables).swap_remove(0).fault;
    // Prepare refuses them as well, and makes nothing.
    if let [(table, shape)] = tables {
        assert_eq!(lab.target.prepare(table, shape, &identity(), NewColumns::Refuse).await.unwrap_err().code(), refused.code());
    }
    refused
}

fn with(more: Vec<db_to_redshift::model::Column>) -> Vec<(TableName, TableShape)> {
    let columns = std::iter::once(column("Id", 1, SqlType::Int, Some(1))).chain(more);
    vec![(table(), TableShape::new(columns.collect()))]
}

async fn a_type_that_redshift_lacks() -> Fault {
    refused(&with(vec![column("x", 2, SqlType::Other { name: "xml".into() }, None)])).await
}

async fn a_table_without_a_key() -> Fault {
    refused(&[(table(), TableShape::new(vec![column("x", 1, SqlType::Int, None)]))]).await
}

async fn two_tables_of_one_name() -> Fault {
    let one = |schema| (TableName::new(schema, "Orders"), shape());
    refused(&[one("dbo"), one("sales")]).await
}

async fn a_reserved_column_name() -> Fault {
    refused(&with(vec![column("__D2R_op", 2, SqlType::Int, None)])).await
}

async fn too_many_columns() -> Fault {
    refused(&with((2..1_700).map(|at| column(&format!("c{at}"), at, SqlType::Int, None)).collect())).await
}

async fn a_production_that_is_too_narrow() -> Fault {
    let lab = target_lab().await;
    let sql = lab.sql().await;
    sql.rows(r#"CREATE SCHEMA "shop""#).await;
    sql.rows(r#"CREATE TABLE "shop"."orders" ("id" INTEGER NOT NULL, "customer" VARCHAR(20))"#).await;
    lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap_err()
}

async fn a_key_column_without_regard_to_case() -> Fault {
    let lab = target_lab().await;
    let sql = lab.sql().await;
    sql.rows(r#"CREATE SCHEMA "shop""#).await;
    sql.rows(r#"CREATE TABLE "shop"."codes" ("code" VARCHAR(30) COLLATE CASE_INSENSITIVE NOT NULL)"#).await;
    let shape = TableShape::new(vec![column("Code", 1, SqlType::NVarChar { length: 10 }, Some(1))]);
    lab.target.prepare(&TableName::new("dbo", "Codes"), &shape, &identity(), NewColumns::Refuse).await.unwrap_err()
}

async fn a_staging_table_of_unknown_origin() -> Fault {
    let lab = target_lab().await;
    let sql = lab.sql().await;
    sql.rows(r#"CREATE SCHEMA "staging""#).await;
    sql.rows(r#"CREATE TABLE "staging"."dbo__orders" ("id" INTEGER)"#).await;
    lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap_err()
}

async fn a_start_into_rows() -> Fault {
    let (lab, mut loader, range) = staged().await;
    loader.apply(&range).await.unwrap();
    let fault = loader.open_epoch(&open(2, range.fence, OpenLoad::Start { trusted: false }, 0)).await.unwrap_err();
    assert_eq!(lab.target.row_counts(&table()).await.unwrap().0, 1);
    fault
}

async fn a_full_disk() -> Fault {
    let (lab, mut loader, range) = staged().await;
    let _planted = lab.lab.faults().on("INSERT INTO \"shop\"", 1, Action::Refuse("53100", "Disk Full"));
    loader.apply(&range).await.unwrap_err()
}

async fn a_state_that_cannot_be_read() -> Fault {
    let (lab, mut loader, _) = ready().await;
    lab.sql().await.rows(r#"UPDATE "d2r"."shop__orders__state" SET "applied_lsn" = 'elsewhere'"#).await;
    loader.locked_state().await.unwrap_err()
}

async fn a_production_that_a_policy_guards() -> Fault {
    let (lab, mut loader, range) = staged().await;
    let sql = lab.sql().await;
    sql.rows("CREATE RLS POLICY p WITH (customer VARCHAR(60)) USING (customer = 'card 4711')").await;
    sql.rows(r#"ATTACH RLS POLICY p ON "shop"."orders" TO PUBLIC"#).await;
    sql.rows(r#"ALTER TABLE "shop"."orders" ROW LEVEL SECURITY ON"#).await;
    loader.apply(&range).await.unwrap_err()
}

/// Row-level security without a policy for the loader.
async fn a_production_that_nobody_is_let_into() -> Fault {
    let (lab, mut loader, range) = staged().await;
    lab.sql().await.rows(r#"ALTER TABLE "shop"."orders" ROW LEVEL SECURITY ON"#).await;
    loader.apply(&range).await.unwrap_err()
}

/// Temporary keys that end between two loads.
async fn a_copy_with_expired_credentials() -> Fault {
    let (lab, _, mut range) = ready().await;
    let keys = lab.s3.lab.temporary_keys(Duration::from_hours(1));
    let login = CopyLogin::Keys {
        access_key_id: keys.access_key.clone(),
        secret_access_key: Secret::new(keys.secret_key.clone()),
        session_token: Some(Secret::new(keys.session_token.clone())),
    };
    let region = Some(lab.s3.lab.options().region.clone());
    let mut loader = Redshift::new(settings(&lab.lab), CopyAccess { login, region }).loader(&table()).await.unwrap();
    range.fence = loader.raise_fence(&identity()).await.unwrap().fence;
    loader.stage(&range).await.unwrap();
    loader.apply(&range).await.unwrap();
    let next = lab.range(1, range.fence, &[(2, vec![full(1, 1, "Ada", "b")])]).await;
    let before = (lab.target.row_counts(&table()).await.unwrap(), lab.target.state(&table()).await.unwrap());
    lab.s3.lab.expire_temporary_keys();
    let fault = loader.stage(&next).await.unwrap_err();
    let after = (lab.target.row_counts(&table()).await.unwrap(), lab.target.state(&table()).await.unwrap());
    assert_eq!(before, after, "nothing is half applied");
    for secret in [&keys.access_key, &keys.secret_key, &keys.session_token] {
        assert!(!format!("{fault:?}").contains(secret.as_str()), "{fault:?}");
    }
    fault
}

/// A column that is not what the record says, whatever the value: named, and nothing kept of it.
#[tokio::test]
async fn a_row_in_the_wrong_column_order_is_never_half_loaded() {
    let (lab, mut loader, mut range) = ready().await;
    let format = RowFormat::new(&TableShape::new(vec![column("Id", 1, SqlType::Int, Some(1))]), Layout::Changes, MARKER, 1).unwrap();
    let mut writer = BatchWriter::new(format, u64::MAX, 3);
    let row = db_to_redshift::model::StagedRow {
        op: db_to_redshift::model::StagedOp::Upsert,
        order: 1,
        values: vec![db_to_redshift::model::Value::Int(7)],
        keep: Vec::new(),
    };
    writer.push(&row).unwrap();
    let attempt = Attempt { table: table(), epoch: 1, seq: 1, lsn_to: db_to_redshift::model::Lsn::MAX, id: Uuid::new_v4() };
    let mut upload = lab.s3.store.part(&attempt, 1).await.unwrap();
    let end = writer.finish_part().unwrap();
    upload.write(end.rest).await.unwrap();
    let part = upload.finish(end.rows).await.unwrap();
    let key = lab.s3.store.put_manifest(&table(), 1, 1, 1, &[part]).await.unwrap();
    range.manifest_url = Some(lab.s3.store.url(&key));
    let fault = loader.stage(&range).await.unwrap_err();
    assert!(fault.is(&rs::LOAD_FAILED), "{fault:?}");
    assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (0, 0));
}
