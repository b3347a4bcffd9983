//! S3: each page through the real client against the lab's S3, or a server that says one thing.

use std::collections::BTreeMap;

use bytes::Bytes;
use db_to_redshift::config::{S3Credentials, Secret};
use db_to_redshift::lab::s3::{Effect, Rule, S3Options, start};
use db_to_redshift::model::fault::s3;
use db_to_redshift::model::{Fault, TableName};
use db_to_redshift::store::s3::S3Store;
use db_to_redshift::store::{Attempt, ChangeStore};
use uuid::Uuid;

use crate::faults::{Met, provocations, run};
use crate::store_objects::parrot;
use crate::support::store::{BUCKET, S3Lab, record, s3_lab, settings, table};

provocations! {
    [s3::REQUEST] => errors_of_the_server,
    [s3::CONNECT] => nobody_listens,
    [s3::TIMEOUT] => a_request_that_took_too_long,
    [s3::DENIED] => a_missing_permission,
    [s3::NO_BUCKET] => a_bucket_that_is_not_there,
    bare [s3::NO_CREDENTIALS] => no_credentials_at_all,
    [s3::BAD_CREDENTIALS] => a_wrong_secret,
    [s3::EXPIRED] => an_expired_token,
    [s3::CLOCK_SKEW] => a_wrong_clock,
    [s3::SLOW_DOWN] => too_many_requests,
    [s3::WRONG_REGION] => a_bucket_of_another_region,
    [s3::WRITE_UNKNOWN] => a_write_without_an_answer,
    [s3::CONFLICT] => writes_that_collide,
    [s3::NO_CONDITIONS] => a_store_that_ignores_conditions,
    [s3::UNREADABLE] => a_record_that_was_overwritten,
    [s3::KEY_TOO_LONG] => a_name_that_is_too_long,
    [s3::MISSING] => a_server_that_is_no_store,
    [s3::NOT_DELETED] => objects_that_may_not_be_deleted,
    [s3::BUCKET_TAKEN] => a_bucket_of_somebody_else,
    bare [s3::SETTINGS] => no_region,
    [s3::NOT_IMPLEMENTED] => a_request_that_the_store_lacks,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_s_pages_are_met() {
    run(register()).await;
}

/// Every request meets this; the fault of a listing.
async fn listing_under(effect: Effect) -> Fault {
    let at = s3_lab().await;
    at.lab.faults().add(Rule::new(effect).times(u32::MAX));
    at.store.epochs(&table()).await.unwrap_err()
}

async fn errors_of_the_server() -> Fault {
    listing_under(Effect::InternalError).await
}

async fn nobody_listens() -> Fault {
    let S3Lab { lab, store } = s3_lab().await;
    drop(lab);
    store.bucket().await.unwrap_err()
}

async fn a_request_that_took_too_long() -> Fault {
    let said = "Your socket connection to the server was not read from or written to within the timeout period.";
    listing_under(Effect::Refuse("RequestTimeout", said)).await
}

async fn a_missing_permission() -> Fault {
    listing_under(Effect::AccessDenied).await
}

async fn a_bucket_that_is_not_there() -> Fault {
    let at = s3_lab().await;
    let mut elsewhere = settings(&at.lab);
    elsewhere.bucket = "no-such-bucket".into();
    S3Store::connect(&elsewhere, "shop").await.unwrap().record(&table(), 1, 0).await.unwrap_err()
}

async fn a_wrong_secret() -> Fault {
    let at = s3_lab().await;
    let mut wrong = settings(&at.lab);
    wrong.credentials = Some(S3Credentials {
        access_key_id: at.lab.options().access_key.clone(),
        secret_access_key: Secret::new("not-the-secret"),
        session_token: None,
    });
    S3Store::connect(&wrong, "shop").await.unwrap().epochs(&table()).await.unwrap_err()
}

async fn an_expired_token() -> Fault {
    listing_under(Effect::Refuse("ExpiredToken", "The provided token has expired.")).await
}

async fn a_wrong_clock() -> Fault {
    listing_under(Effect::Refuse("RequestTimeTooSkewed", "The difference between the request time and the server's time is too large."))
        .await
}

async fn too_many_requests() -> Fault {
    listing_under(Effect::SlowDown).await
}

async fn a_bucket_of_another_region() -> Fault {
    let at = s3_lab().await;
    let mut elsewhere = settings(&at.lab);
    elsewhere.region = Some("ap-southeast-2".into());
    S3Store::connect(&elsewhere, "shop").await.unwrap().epochs(&table()).await.unwrap_err()
}

async fn a_write_without_an_answer() -> Fault {
    let at = s3_lab().await;
    at.lab.faults().add(Rule::new(Effect::InternalError).operation("PutObject").key("records/"));
    at.lab.faults().add(Rule::new(Effect::AccessDenied).operation("PutObject").key("records/"));
    at.store.put_record(&record(1)).await.unwrap_err()
}

async fn writes_that_collide() -> Fault {
    let at = s3_lab().await;
    at.lab.faults().add(Rule::new(Effect::Conflict).operation("PutObject").key("records/").times(u32::MAX));
    at.store.put_record(&record(1)).await.unwrap_err()
}

/// A store at another address than the lab's.
async fn store_at(endpoint: String) -> S3Store {
    let lab = start(S3Options::default()).await.unwrap();
    let mut settings = settings(&lab);
    settings.endpoint_url = Some(endpoint);
    S3Store::connect(&settings, "shop").await.unwrap()
}

async fn a_store_that_ignores_conditions() -> Fault {
    store_at(parrot("200 OK\r\nETag: \"1\"", "").await).await.probe().await.unwrap_err()
}

async fn a_record_that_was_overwritten() -> Fault {
    let at = s3_lab().await;
    at.store.put_record(&record(1)).await.unwrap();
    let key = at.lab.keys(BUCKET, "").into_iter().find(|key| key.ends_with("/e0001/000000000001.json")).unwrap();
    at.lab.overwrite(BUCKET, &key, Bytes::from_static(b"{\"version\":1,"));
    at.store.record(&table(), 1, 1).await.unwrap_err()
}

async fn a_name_that_is_too_long() -> Fault {
    let at = s3_lab().await;
    let table = TableName::new("dbo", "Größe".repeat(100));
    let attempt = Attempt { table, epoch: 1, seq: 1, lsn_to: db_to_redshift::model::Lsn::MAX, id: Uuid::new_v4() };
    at.store.part(&attempt, 1).await.err().unwrap()
}

async fn a_server_that_is_no_store() -> Fault {
    store_at(parrot("404 Not Found", "").await).await.control(&table()).await.unwrap_err()
}

async fn objects_that_may_not_be_deleted() -> Fault {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                <Error><Key>cdc/a</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error></DeleteResult>";
    store_at(parrot("200 OK\r\nContent-Type: application/xml", body).await).await.delete(&["cdc/a".to_owned()]).await.unwrap_err()
}

async fn a_bucket_of_somebody_else() -> Fault {
    let lab = start(S3Options::default()).await.unwrap();
    let store = S3Store::connect(&settings(&lab), "shop").await.unwrap();
    let said = "The requested bucket name is not available.";
    lab.faults().add(Rule::new(Effect::Refuse("BucketAlreadyExists", said)).operation("CreateBucket"));
    store.create_bucket().await.unwrap_err()
}

async fn a_request_that_the_store_lacks() -> Fault {
    listing_under(Effect::Refuse("NotImplemented", "A header you provided implies functionality that is not implemented.")).await
}

/// What the program says in an environment that holds nothing of AWS.
async fn program_without_aws(s3: &str) -> Met {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    let text = format!(
        "pipeline = \"shop\"\n[source]\nhost = \"127.0.0.1\"\nport = 1\ndatabase = \"shop\"\nuser = \"u\"\npassword = \"card 4711\"\n\
         [s3]\nbucket = \"changes\"\n{s3}\n[redshift]\nhost = \"127.0.0.1\"\nport = 1\ndatabase = \"dev\"\nuser = \"u\"\npassword = \"card 4711\"\n\
         copy_role = \"arn:aws:iam::123456789012:role/copy\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let kept: BTreeMap<_, _> = std::env::vars().filter(|(name, _)| !name.starts_with("AWS_")).collect();
    let ran = tokio::process::Command::new(env!("CARGO_BIN_EXE_db-to-redshift"))
        .args(["--json", "--config"])
        .arg(&config)
        .arg("status")
        .env_clear()
        .envs(kept)
        .env("HOME", folder.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .await
        .unwrap();
    assert_ne!(ran.status.code(), Some(0));
    Met::printed(&String::from_utf8(ran.stdout).unwrap())
}

async fn no_credentials_at_all() -> Met {
    program_without_aws("region = \"eu-west-1\"").await
}

async fn no_region() -> Met {
    program_without_aws("access_key_id = \"AKIDEXAMPLE\"\nsecret_access_key = \"not-the-secret\"").await
}
