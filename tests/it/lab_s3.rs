//! The lab's S3 through the AWS SDK: conditions, listings, multipart, checksums, signatures.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, CompletedMultipartUpload, CompletedPart, Delete, ExpirationStatus,
    LifecycleRule, LifecycleRuleFilter, ObjectIdentifier, PublicAccessBlockConfiguration,
};
use db_to_redshift::lab::s3::{self, S3Options, S3Server};

use crate::support::s3::{client, client_as, status};

const BUCKET: &str = "changes";

async fn lab() -> (S3Server, Client) {
    let server = s3::start(S3Options::default()).await.unwrap();
    let client = client(&server);
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    (server, client)
}

async fn put(client: &Client, key: &str, data: &[u8]) -> String {
    let put = client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(data.to_vec())).send().await.unwrap();
    put.e_tag().unwrap().to_owned()
}

/// Status and code of a failed call.
macro_rules! refused {
    ($call:expr) => {{
        let error = $call.send().await.expect_err("must be refused");
        (status(&error), error.code().unwrap_or_default().to_owned())
    }};
}

fn is(found: &(u16, String), status: u16, code: &str) {
    assert_eq!((found.0, found.1.as_str()), (status, code));
}

#[tokio::test]
async fn an_object_comes_back_with_its_headers_range_and_checksum() {
    let (_server, client) = lab().await;
    client
        .put_object()
        .bucket(BUCKET)
        .key("a b/ü+1")
        .content_type("text/csv")
        .metadata("rows", "3")
        .body(ByteStream::from_static(b"0123456789"))
        .send()
        .await
        .unwrap();
    let got = client.get_object().bucket(BUCKET).key("a b/ü+1").send().await.unwrap();
    assert_eq!(got.content_type(), Some("text/csv"));
    assert_eq!(got.metadata().unwrap()["rows"], "3");
    assert!(got.checksum_crc32().is_some(), "the SDK sends a CRC32 and gets it back");
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"0123456789");
    let part = client.get_object().bucket(BUCKET).key("a b/ü+1").range("bytes=2-4").send().await.unwrap();
    assert_eq!(part.content_range(), Some("bytes 2-4/10"));
    assert_eq!(part.body.collect().await.unwrap().to_vec(), b"234");
    is(&refused!(client.get_object().bucket(BUCKET).key("a b/ü+1").range("bytes=10-")), 416, "InvalidRange");
    let head = client.head_object().bucket(BUCKET).key("a b/ü+1").send().await.unwrap();
    assert_eq!(head.content_length(), Some(10));
    assert_eq!(refused!(client.head_object().bucket(BUCKET).key("nothing")).0, 404);
    is(&refused!(client.get_object().bucket(BUCKET).key("nothing")), 404, "NoSuchKey");
    is(&refused!(client.get_object().bucket("elsewhere").key("nothing")), 404, "NoSuchBucket");
}

#[tokio::test]
async fn buckets_and_their_settings() {
    let (_server, client) = lab().await;
    is(&refused!(client.create_bucket().bucket(BUCKET)), 409, "BucketAlreadyOwnedByYou");
    client.head_bucket().bucket(BUCKET).send().await.unwrap();
    assert_eq!(refused!(client.head_bucket().bucket("elsewhere")).0, 404);
    let names: Vec<_> = client.list_buckets().send().await.unwrap().buckets().iter().map(|b| b.name().unwrap().to_owned()).collect();
    assert_eq!(names, [BUCKET]);

    let blocked = client.get_public_access_block().bucket(BUCKET).send().await.unwrap();
    assert_eq!(blocked.public_access_block_configuration().unwrap().block_public_policy(), Some(true));
    let half = PublicAccessBlockConfiguration::builder().block_public_acls(true).block_public_policy(false).build();
    client.put_public_access_block().bucket(BUCKET).public_access_block_configuration(half).send().await.unwrap();
    let blocked = client.get_public_access_block().bucket(BUCKET).send().await.unwrap();
    assert_eq!(blocked.public_access_block_configuration().unwrap().block_public_policy(), Some(false));
    client.delete_public_access_block().bucket(BUCKET).send().await.unwrap();
    is(&refused!(client.get_public_access_block().bucket(BUCKET)), 404, "NoSuchPublicAccessBlockConfiguration");

    is(&refused!(client.get_bucket_lifecycle_configuration().bucket(BUCKET)), 404, "NoSuchLifecycleConfiguration");
    let rule = LifecycleRule::builder()
        .id("end incomplete uploads")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .abort_incomplete_multipart_upload(AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build())
        .build()
        .unwrap();
    let rules = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
    client.put_bucket_lifecycle_configuration().bucket(BUCKET).lifecycle_configuration(rules).send().await.unwrap();
    let kept = client.get_bucket_lifecycle_configuration().bucket(BUCKET).send().await.unwrap();
    assert_eq!(kept.rules()[0].abort_incomplete_multipart_upload().unwrap().days_after_initiation(), Some(7));

    put(&client, "k", b"").await;
    is(&refused!(client.delete_bucket().bucket(BUCKET)), 409, "BucketNotEmpty");
    client.delete_object().bucket(BUCKET).key("k").send().await.unwrap();
    client.delete_bucket().bucket(BUCKET).send().await.unwrap();
    assert_eq!(refused!(client.head_bucket().bucket(BUCKET)).0, 404);
}

#[tokio::test]
async fn a_conditional_write_answers_as_aws_does() {
    let (_server, client) = lab().await;
    let object = || client.put_object().bucket(BUCKET).key("lease");
    is(&refused!(object().if_match("\"0123\"")), 404, "NoSuchKey");
    let first = object().if_none_match("*").send().await.unwrap().e_tag().unwrap().to_owned();
    is(&refused!(object().if_none_match("*")), 412, "PreconditionFailed");
    let second = object().if_match(&first).body(ByteStream::from_static(b"2")).send().await.unwrap();
    assert_ne!(second.e_tag().unwrap(), first);
    is(&refused!(object().if_match(&first)), 412, "PreconditionFailed");
    is(&refused!(object().if_none_match(&first)), 501, "NotImplemented");
    is(&refused!(client.delete_object().bucket(BUCKET).key("lease").if_match(&first)), 412, "PreconditionFailed");
    client.delete_object().bucket(BUCKET).key("lease").if_match(second.e_tag().unwrap()).send().await.unwrap();
    client.delete_object().bucket(BUCKET).key("lease").send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_32_racing_writers_wins() {
    let (server, client) = lab().await;
    for round in 0..8 {
        let key = format!("race-{round}");
        let writers = (0..32).map(|writer| {
            let call = client.put_object().bucket(BUCKET).key(&key).if_none_match("*").body(ByteStream::from(vec![writer]));
            tokio::spawn(async move { (writer, call.send().await) })
        });
        let ended = futures::future::join_all(writers).await;
        let won: Vec<u8> = ended.iter().flatten().filter(|(_, put)| put.is_ok()).map(|(writer, _)| *writer).collect();
        assert_eq!(won.len(), 1);
        assert_eq!(server.object(BUCKET, &key).unwrap().to_vec(), won);
        for (_, put) in ended.into_iter().flatten() {
            if let Err(error) = put {
                assert_eq!((status(&error), error.code()), (412, Some("PreconditionFailed")));
            }
        }
        let etag = client.head_object().bucket(BUCKET).key(&key).send().await.unwrap().e_tag().unwrap().to_owned();
        let renewals = (0..32).map(|writer| {
            let call = client.put_object().bucket(BUCKET).key(&key).if_match(&etag).body(ByteStream::from(vec![100 + writer]));
            tokio::spawn(call.send())
        });
        let ended = futures::future::join_all(renewals).await;
        assert_eq!(ended.into_iter().flatten().flatten().count(), 1);
    }
}

async fn listed(client: &Client, prefix: &str, page: i32, delimiter: Option<&str>, after: Option<&str>) -> (Vec<String>, usize) {
    let (mut found, mut pages, mut token) = (Vec::new(), 0, None::<String>);
    loop {
        let list = client
            .list_objects_v2()
            .bucket(BUCKET)
            .prefix(prefix)
            .max_keys(page)
            .set_delimiter(delimiter.map(str::to_owned))
            .set_start_after(after.map(str::to_owned))
            .set_continuation_token(token)
            .send()
            .await
            .unwrap();
        let (keys, folded) = (list.contents(), list.common_prefixes());
        assert!(keys.len() + folded.len() <= usize::try_from(page).unwrap());
        assert_eq!(list.key_count(), i32::try_from(keys.len() + folded.len()).ok());
        let keys = keys.iter().map(|object| object.key().unwrap().to_owned());
        found.extend(keys.chain(folded.iter().map(|prefix| prefix.prefix().unwrap().to_owned())));
        pages += 1;
        token = list.next_continuation_token().map(str::to_owned);
        assert_eq!(token.is_some(), list.is_truncated().unwrap());
        if token.is_none() {
            found.sort();
            return (found, pages);
        }
    }
}

#[tokio::test]
async fn listings_come_in_pages_from_where_they_shall_start() {
    let (_server, client) = lab().await;
    let keys: Vec<String> = (0..7).map(|n| format!("r/{n:03}.json")).collect();
    for key in keys.iter().map(String::as_str).chain(["q", "r/000/deep", "r/005/deep/1", "r/005/deep/2", "s/1"]) {
        put(&client, key, b"x").await;
    }
    let (found, pages) = listed(&client, "r/", 2, None, None).await;
    assert_eq!((found.len(), pages), (10, 5));
    let (found, _) = listed(&client, "r/", 3, Some("/"), None).await;
    let expected: Vec<&str> = keys.iter().map(String::as_str).chain(["r/000/", "r/005/"]).collect();
    let mut sorted = expected.clone();
    sorted.sort_unstable();
    assert_eq!(found, sorted);
    assert_eq!(listed(&client, "r/", 1000, None, Some("r/005.json")).await.0, ["r/005/deep/1", "r/005/deep/2", "r/006.json"]);
    assert_eq!(
        listed(&client, "r/", 1, None, Some("r/005.json")).await,
        (vec!["r/005/deep/1".into(), "r/005/deep/2".into(), "r/006.json".into()], 3)
    );
    assert_eq!(listed(&client, "", 1, Some("/"), None).await.0, ["q", "r/", "s/"]);
    assert_eq!(listed(&client, "none/", 10, None, None).await, (vec![], 1));
    let url = client.list_objects_v2().bucket(BUCKET).prefix("r/0").encoding_type("url".into()).send().await.unwrap();
    assert_eq!(url.contents()[0].key(), Some("r/000.json"));
    is(&refused!(client.list_objects_v2().bucket(BUCKET).continuation_token("r/003.json")), 400, "InvalidArgument");
}

#[tokio::test]
async fn many_objects_are_deleted_at_once() {
    let (server, client) = lab().await;
    put(&client, "a", b"").await;
    put(&client, "b", b"").await;
    let object = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder().objects(object("a")).objects(object("missing")).build().unwrap();
    let done = client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    assert_eq!((done.deleted().len(), done.errors().len()), (2, 0));
    assert_eq!(server.keys(BUCKET, ""), ["b"]);
    assert_eq!(server.requests().count("DeleteObjects", "missing"), 1);
}

async fn begin(client: &Client, key: &str) -> String {
    let begun = client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap();
    begun.upload_id().unwrap().to_owned()
}

async fn part(client: &Client, key: &str, upload: &str, number: i32, data: Vec<u8>) -> CompletedPart {
    let call = client.upload_part().bucket(BUCKET).key(key).upload_id(upload).part_number(number).body(ByteStream::from(data));
    CompletedPart::builder().part_number(number).e_tag(call.send().await.unwrap().e_tag().unwrap()).build()
}

fn parts(parts: &[CompletedPart]) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build()
}

#[tokio::test]
async fn a_multipart_upload_exists_once_it_is_completed() {
    let (server, client) = lab().await;
    let upload = begin(&client, "big").await;
    let first = part(&client, "big", &upload, 1, vec![1; 5 << 20]).await;
    let second = part(&client, "big", &upload, 2, vec![2; 10]).await;
    assert_eq!(server.keys(BUCKET, ""), [""; 0]);
    let listed = client.list_parts().bucket(BUCKET).key("big").upload_id(&upload).max_parts(1).send().await.unwrap();
    assert_eq!((listed.parts().len(), listed.is_truncated(), listed.next_part_number_marker()), (1, Some(true), Some("1")));
    assert_eq!(client.list_multipart_uploads().bucket(BUCKET).prefix("bi").send().await.unwrap().uploads().len(), 1);

    let complete = || client.complete_multipart_upload().bucket(BUCKET).key("big").upload_id(&upload);
    is(&refused!(complete().multipart_upload(parts(&[second.clone(), first.clone()]))), 400, "InvalidPartOrder");
    let other = CompletedPart::builder().part_number(2).e_tag("\"00\"").build();
    is(&refused!(complete().multipart_upload(parts(&[first.clone(), other]))), 400, "InvalidPart");
    let done = complete().multipart_upload(parts(&[first, second.clone()])).if_none_match("*").send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""));
    let data = server.object(BUCKET, "big").unwrap();
    assert_eq!((data.len(), data[0], data[data.len() - 1]), ((5 << 20) + 10, 1, 2));
    is(&refused!(complete().multipart_upload(parts(&[second]))), 404, "NoSuchUpload");

    let small = begin(&client, "small").await;
    let pieces = [part(&client, "small", &small, 1, vec![1]).await, part(&client, "small", &small, 2, vec![2]).await];
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("small").upload_id(&small).multipart_upload(parts(&pieces));
    is(&refused!(complete), 400, "EntityTooSmall");
    client.abort_multipart_upload().bucket(BUCKET).key("small").upload_id(&small).send().await.unwrap();
    assert_eq!(server.open_uploads(BUCKET), 0);
    is(&refused!(client.abort_multipart_upload().bucket(BUCKET).key("small").upload_id(&small)), 404, "NoSuchUpload");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_32_racing_completions_wins() {
    let (server, client) = lab().await;
    let mut racers = Vec::new();
    for writer in 0..32 {
        let upload = begin(&client, "race").await;
        let piece = part(&client, "race", &upload, 1, vec![writer]).await;
        let call = client.complete_multipart_upload().bucket(BUCKET).key("race").upload_id(upload).if_none_match("*");
        racers.push(call.multipart_upload(parts(&[piece])));
    }
    let ended = futures::future::join_all(racers.into_iter().map(|call| tokio::spawn(call.send()))).await;
    let mut won = 0;
    for complete in ended.into_iter().flatten() {
        match complete {
            Ok(_) => won += 1,
            Err(error) => assert_eq!((status(&error), error.code()), (412, Some("PreconditionFailed"))),
        }
    }
    assert_eq!((won, server.open_uploads(BUCKET)), (1, 31));
    let upload = begin(&client, "race").await;
    let piece = part(&client, "race", &upload, 1, vec![1]).await;
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("race").upload_id(upload).multipart_upload(parts(&[piece]));
    is(&refused!(complete.clone().if_match("\"00\"")), 412, "PreconditionFailed");
    client.delete_object().bucket(BUCKET).key("race").send().await.unwrap();
    is(&refused!(complete.if_match("\"00\"")), 404, "NoSuchKey");
}

#[tokio::test]
async fn only_the_right_signature_passes() {
    let (server, _) = lab().await;
    let options = server.options().clone();
    let list = |access: &str, secret: &str, region: &str| client_as(&server, access, secret, region).list_objects_v2().bucket(BUCKET);
    is(&refused!(list(&options.access_key, "guessed", &options.region)), 403, "SignatureDoesNotMatch");
    is(&refused!(list("AKIASOMEONE", &options.secret_key, &options.region)), 403, "InvalidAccessKeyId");
    is(&refused!(list(&options.access_key, &options.secret_key, "eu-central-1")), 400, "AuthorizationHeaderMalformed");
    assert_eq!(server.requests().count("ListObjectsV2", ""), 0);
    list(&options.access_key, &options.secret_key, &options.region).send().await.unwrap();
    assert_eq!(server.requests().count("ListObjectsV2", ""), 1);
}

#[tokio::test]
async fn a_wrong_digest_is_refused() {
    let (server, client) = lab().await;
    let object = || client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"hello"));
    is(&refused!(object().content_md5("XUFAKrxLKna5cZ2REBfFkQ==")), 400, "BadDigest");
    is(&refused!(object().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")), 400, "BadDigest");
    object().content_md5("XUFAKrxLKna5cZ2REBfFkg==").send().await.unwrap();
    assert_eq!(server.object(BUCKET, "k").unwrap().as_ref(), b"hello");
}

#[tokio::test]
async fn a_stream_of_unknown_checksum_arrives_in_signed_chunks() {
    let (server, client) = lab().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let data: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[1]).collect();
    std::fs::write(file.path(), &data).unwrap();
    let body = ByteStream::from_path(file.path()).await.unwrap();
    client.put_object().bucket(BUCKET).key("file").body(body).send().await.unwrap();
    assert_eq!(server.object(BUCKET, "file").unwrap(), data);
    let head = client.head_object().bucket(BUCKET).key("file").send().await.unwrap();
    assert_eq!(head.content_encoding(), None, "aws-chunked belongs to the transfer");
}

#[tokio::test]
async fn a_region_needs_its_location_constraint() {
    let server = s3::start(S3Options { region: "eu-central-1".to_owned(), ..S3Options::default() }).await.unwrap();
    is(&refused!(client(&server).create_bucket().bucket(BUCKET)), 400, "IllegalLocationConstraintException");
    let here = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint("eu-central-1".into()).build();
    client(&server).create_bucket().bucket(BUCKET).create_bucket_configuration(here).send().await.unwrap();
    let location = client(&server).get_bucket_location().bucket(BUCKET).send().await.unwrap();
    assert_eq!(location.location_constraint().unwrap().as_str(), "eu-central-1");
}

#[tokio::test]
async fn an_operation_that_is_not_here_is_refused() {
    let (_server, client) = lab().await;
    is(&refused!(client.get_object_acl().bucket(BUCKET).key("k")), 501, "NotImplemented");
}
