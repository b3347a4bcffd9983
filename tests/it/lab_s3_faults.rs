//! The lab's S3 misbehaves on request, and only on request.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use db_to_redshift::lab::s3::{self, Effect, Rule, S3Options, S3Server};

use crate::support::s3::{client, status};

const BUCKET: &str = "changes";

async fn lab() -> (S3Server, Client) {
    let server = s3::start(S3Options::default()).await.unwrap();
    server.create_bucket(BUCKET);
    let client = client(&server);
    (server, client)
}

fn put(client: &Client, key: &str) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
    client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(vec![7; 2 << 20]))
}

#[tokio::test]
async fn refusals_are_not_executed_and_end_after_their_count() {
    let (server, client) = lab().await;
    let effects = [
        (Effect::SlowDown, 503, "SlowDown"),
        (Effect::InternalError, 500, "InternalError"),
        (Effect::AccessDenied, 403, "AccessDenied"),
        (Effect::Conflict, 409, "ConditionalRequestConflict"),
    ];
    for (effect, code, name) in effects {
        let fault = server.faults().add(Rule::new(effect).operation("PutObject").key("records/").skip(1).times(2));
        let key = format!("records/{name}");
        put(&client, "data/1").send().await.unwrap();
        put(&client, "records/first").send().await.unwrap();
        for _ in 0..2 {
            let error = put(&client, &key).send().await.unwrap_err();
            assert_eq!((status(&error), error.code()), (code, Some(name)));
        }
        assert_eq!((fault.hits(), server.object(BUCKET, &key)), (2, None));
        put(&client, &key).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_reply_leaves_the_object_behind() {
    let (server, client) = lab().await;
    server.faults().add(Rule::new(Effect::LoseReply).operation("PutObject"));
    let error = put(&client, "k").if_none_match("*").send().await.unwrap_err();
    assert_eq!(status(&error), 0, "no answer came");
    assert!(server.object(BUCKET, "k").is_some());
    let again = put(&client, "k").if_none_match("*").send().await.unwrap_err();
    assert_eq!(status(&again), 412);
}

#[tokio::test]
async fn a_held_put_lands_after_its_client_has_gone() {
    let (server, client) = lab().await;
    let fault = server.faults().add(Rule::new(Effect::Hold).key("late"));
    let writer = tokio::spawn(put(&client, "late").send());
    fault.wait_hits(1).await;
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
    assert_eq!(server.object(BUCKET, "late"), None);
    put(&client, "other").send().await.unwrap();
    fault.release();
    while server.object(BUCKET, "late").is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_delay_answers_in_the_end_and_listings_match_by_prefix() {
    let (server, client) = lab().await;
    let fault = server.faults().add(Rule::new(Effect::Delay(Duration::from_millis(30))).operation("ListObjectsV2").key("records/"));
    let start = std::time::Instant::now();
    client.list_objects_v2().bucket(BUCKET).prefix("data/").send().await.unwrap();
    assert_eq!(fault.hits(), 0);
    client.list_objects_v2().bucket(BUCKET).prefix("records/t/").send().await.unwrap();
    assert_eq!(fault.hits(), 1);
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn the_store_stops_when_it_is_dropped() {
    let (server, client) = lab().await;
    let address = server.address();
    client.head_bucket().bucket(BUCKET).send().await.unwrap();
    drop(server);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&client.head_bucket().bucket(BUCKET).send().await.unwrap_err()), 0);
}
