//! Part files, manifests, the bucket, and how failures of S3 are named.

use bytes::Bytes;
use db_to_redshift::config::{S3Credentials, Secret};
use db_to_redshift::lab::s3::{Effect, Rule, S3Options, start};
use db_to_redshift::model::fault::s3::{BAD_CREDENTIALS, CONNECT, DENIED, MISSING, NO_BUCKET, NO_CONDITIONS};
use db_to_redshift::model::{Lsn, hex};
use db_to_redshift::store::s3::S3Store;
use db_to_redshift::store::{Attempt, BucketFacts, ChangeStore, PartUpload};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::store::{BUCKET, S3Lab, record, s3_lab, settings, table};

const MIB: usize = 1024 * 1024;

fn attempt(seq: u64, id: u128) -> Attempt {
    Attempt { table: table(), epoch: 1, seq, lsn_to: Lsn::ZERO, id: Uuid::from_u128(id) }
}

/// Bytes whose period fits into no piece, so that a piece in the wrong place shows.
fn noise(length: usize) -> Bytes {
    let pattern: Vec<u8> = (0..251 * 256_usize).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect();
    let mut bytes = pattern.repeat(length / pattern.len() + 1);
    bytes.truncate(length);
    bytes.into()
}

async fn upload(at: &S3Lab, number: u32, bytes: &Bytes, chunk: usize) -> db_to_redshift::model::PartFile {
    let mut upload = at.store.part(&attempt(7, 1), number).await.unwrap();
    for from in (0..bytes.len()).step_by(chunk) {
        upload.write(bytes.slice(from..bytes.len().min(from + chunk))).await.unwrap();
    }
    upload.finish(99).await.unwrap()
}

#[tokio::test]
async fn small_files_go_in_one_request_and_large_ones_in_pieces() {
    let at = s3_lab().await;
    for (number, length, pieces) in [(1, 100, 0), (2, 8 * MIB, 0), (3, 8 * MIB + 1, 2), (4, 20 * MIB, 3)] {
        let bytes = noise(length);
        let part = upload(&at, number, &bytes, 300_000).await;
        assert_eq!(at.lab.object(BUCKET, &part.key).as_ref(), Some(&bytes), "{length}");
        assert_eq!((part.bytes, part.rows, part.sha256), (length as u64, 99, hex(&Sha256::digest(&bytes))), "{length}");
        assert_eq!(at.lab.requests().count("UploadPart", &part.key), pieces, "{length}");
        assert!(
            part.key.ends_with(&format!("/e0001/000000000007-{}-{}/part-0000{number}.csv.zst", Lsn::ZERO, Uuid::from_u128(1))),
            "{}",
            part.key
        );
    }
    assert_eq!(at.lab.open_uploads(BUCKET), 0);
}

#[tokio::test]
async fn lost_answers_do_not_spoil_an_upload() {
    let at = s3_lab().await;
    let bytes = noise(17 * MIB);
    for operation in ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] {
        at.lab.faults().add(Rule::new(Effect::LoseReply).operation(operation));
    }
    let part = upload(&at, 1, &bytes, MIB).await;
    assert_eq!(at.lab.object(BUCKET, &part.key), Some(bytes));

    at.lab.faults().add(Rule::new(Effect::LoseReply).operation("PutObject"));
    let part = upload(&at, 2, &noise(10), MIB).await;
    assert_eq!(at.lab.object(BUCKET, &part.key), Some(noise(10)));
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let at = s3_lab().await;
    let mut upload = at.store.part(&attempt(7, 1), 1).await.unwrap();
    upload.write(noise(9 * MIB)).await.unwrap();
    assert_eq!(at.lab.open_uploads(BUCKET), 1);
    drop(upload);
    at.lab.requests().wait_for("AbortMultipartUpload", "", 1).await;
    assert_eq!(at.lab.keys(BUCKET, ""), [""; 0]);

    let mut refused = at.store.part(&attempt(7, 1), 2).await.unwrap();
    at.lab.faults().add(Rule::new(Effect::AccessDenied).operation("UploadPart"));
    // The piece is on its way when the call returns; the next one tells how it fared.
    refused.write(noise(9 * MIB)).await.unwrap();
    assert!(refused.write(noise(8 * MIB)).await.unwrap_err().is(&DENIED));
    drop(refused);
    at.lab.requests().wait_for("AbortMultipartUpload", "", 2).await;
}

#[tokio::test]
async fn one_piece_is_on_its_way_while_the_next_is_filled() {
    let at = s3_lab().await;
    let held = at.lab.faults().add(Rule::new(Effect::Hold).operation("UploadPart").times(9));
    let bytes = noise(17 * MIB);
    let mut upload = at.store.part(&attempt(7, 1), 1).await.unwrap();
    upload.write(bytes.slice(..9 * MIB)).await.unwrap();
    held.wait_hits(1).await;
    upload.write(bytes.slice(9 * MIB..16 * MIB)).await.unwrap();
    {
        // The second piece is full: it waits for the first.
        let mut more = std::pin::pin!(upload.write(bytes.slice(16 * MIB..)));
        assert!(futures::poll!(&mut more).is_pending());
        assert_eq!(held.hits(), 1);
        held.release();
        more.await.unwrap();
    }
    let part = upload.finish(1).await.unwrap();
    assert_eq!(at.lab.object(BUCKET, &part.key), Some(bytes));
    assert_eq!(held.hits(), 3);
}

#[tokio::test]
async fn attempts_are_found_by_their_files_and_deleted_by_the_thousand() {
    let at = s3_lab().await;
    upload(&at, 1, &noise(10), MIB).await;
    upload(&at, 2, &noise(20), MIB).await;
    let folder = "cdc/v1/shop/data/dbo.Order!20Lines/e0001";
    let other = |number: u32| format!("{folder}/000000000006-{}-{}/part-{number:05}.csv.zst", Lsn::ZERO, Uuid::from_u128(2));
    for number in 1..=1100 {
        at.lab.overwrite(BUCKET, &other(number), Bytes::from_static(b"abc"));
    }
    at.lab.overwrite(BUCKET, &format!("{folder}/000000000006-x/part-00001.csv.zst"), Bytes::new());
    let found = at.store.attempts(&table(), 1).await.unwrap();
    let facts: Vec<_> = found.iter().map(|f| (f.attempt.clone(), f.keys.len(), f.bytes)).collect();
    assert_eq!(facts, [(attempt(6, 2), 1100, 3300), (attempt(7, 1), 2, 30)]);

    let mut keys = found[0].keys.clone();
    keys.push(format!("{folder}/never-there"));
    at.store.delete(&keys).await.unwrap();
    assert_eq!(at.lab.keys(BUCKET, folder).len(), 3, "the stranger stays");
    at.store.delete(&keys).await.unwrap();
    at.store.delete(&[]).await.unwrap();
}

#[tokio::test]
async fn a_manifest_names_every_file_with_its_length() {
    let at = s3_lab().await;
    let parts = [upload(&at, 1, &noise(10), MIB).await, upload(&at, 2, &noise(20), MIB).await];
    let key = at.store.put_manifest(&table(), 1, 7, 8, &parts).await.unwrap();
    let other = at.store.put_manifest(&table(), 1, 7, 8, &parts).await.unwrap();
    assert_ne!(key, other, "a key of its own for every attempt");
    assert!(key.starts_with("cdc/v1/shop/loads/dbo.Order!20Lines/e0001-000000000007-000000000008-"), "{key}");
    let text: serde_json::Value = serde_json::from_slice(&at.lab.object(BUCKET, &key).unwrap()).unwrap();
    let entry = |part: &db_to_redshift::model::PartFile| {
        serde_json::json!({
            "url": format!("s3://changes/{}", part.key), "mandatory": true, "meta": {"content_length": part.bytes}
        })
    };
    assert_eq!(text, serde_json::json!({"entries": [entry(&parts[0]), entry(&parts[1])]}));
    assert_eq!(at.store.url(&parts[0].key), text["entries"][0]["url"].as_str().unwrap());
}

#[tokio::test]
async fn a_preview_gets_the_beginning() {
    let at = s3_lab().await;
    let long = noise(3 * MIB);
    let part = upload(&at, 1, &long, MIB).await;
    assert_eq!(at.store.get(&part.key).await.unwrap(), Some(long.slice(..MIB)));
    let part = upload(&at, 2, &noise(5), MIB).await;
    assert_eq!(at.store.get(&part.key).await.unwrap(), Some(noise(5)));
    assert_eq!(at.store.get("nowhere").await.unwrap(), None);
}

#[tokio::test]
async fn a_missing_bucket_is_made_private_and_an_old_one_is_left_alone() {
    for region in ["us-east-1", "eu-west-1"] {
        let lab = start(S3Options { region: region.into(), ..S3Options::default() }).await.unwrap();
        let store = S3Store::connect(&settings(&lab), "shop").await.unwrap();
        let none = BucketFacts { exists: false, public_access_blocked: None, aborts_incomplete_uploads: None };
        assert_eq!(store.bucket().await.unwrap(), none);
        let did = store.create_bucket().await.unwrap();
        assert_eq!(did.len(), 3, "{did:?}");
        let all = BucketFacts { exists: true, public_access_blocked: Some(true), aborts_incomplete_uploads: Some(true) };
        assert_eq!(store.bucket().await.unwrap(), all);
        let did = store.create_bucket().await.unwrap();
        assert_eq!(did, ["bucket changes is there and was left as it is"]);
        assert_eq!(lab.requests().count("CreateBucket", ""), 1);
    }
}

#[tokio::test]
async fn refusals_of_bucket_settings_are_told_in_words() {
    let lab = start(S3Options::default()).await.unwrap();
    let store = S3Store::connect(&settings(&lab), "shop").await.unwrap();
    for operation in ["PutPublicAccessBlock", "PutBucketLifecycleConfiguration"] {
        lab.faults().add(Rule::new(Effect::AccessDenied).operation(operation));
    }
    let did = store.create_bucket().await.unwrap();
    assert!(did[1].contains("AccessDenied") && did[2].contains("AccessDenied"), "{did:?}");
    lab.faults().add(Rule::new(Effect::AccessDenied).operation("GetPublicAccessBlock"));
    let facts = store.bucket().await.unwrap();
    assert_eq!((facts.public_access_blocked, facts.aborts_incomplete_uploads), (None, Some(false)));
}

#[tokio::test]
async fn the_probe_proves_conditions_and_clears_up() {
    let at = s3_lab().await;
    at.store.probe().await.unwrap();
    assert_eq!(at.lab.keys(BUCKET, ""), [""; 0]);
    assert!(at.lab.requests().count("PutObject", "probe/") >= 4);
    // Lost answers make no false alarm.
    at.lab.faults().add(Rule::new(Effect::LoseReply).operation("PutObject"));
    at.store.probe().await.unwrap();
    at.lab.faults().add(Rule::new(Effect::AccessDenied).operation("ListObjectsV2"));
    assert!(at.store.probe().await.unwrap_err().is(&DENIED));
}

/// A server that gives one answer to everything.
pub async fn parrot(answer: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut bytes = [0; 4096];
            loop {
                let text = String::from_utf8_lossy(&request).to_lowercase();
                let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
                if text.find("\r\n\r\n").is_some_and(|head| request.len() >= head + 4 + length.unwrap_or(0)) {
                    break;
                }
                match stream.read(&mut bytes).await {
                    Ok(read) if read > 0 => request.extend_from_slice(&bytes[..read]),
                    _ => break,
                }
            }
            let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused() {
    let lab = start(S3Options::default()).await.unwrap();
    let mut settings = settings(&lab);
    settings.endpoint_url = Some(parrot("200 OK\r\nETag: \"1\"", "").await);
    let store = S3Store::connect(&settings, "shop").await.unwrap();
    let fault = store.probe().await.unwrap_err();
    assert!(fault.is(&NO_CONDITIONS) && fault.what().contains("If-None-Match"), "{fault}");
}

/// A wrong address must not look like an empty store.
#[tokio::test]
async fn a_server_that_is_no_store_is_not_an_empty_one() {
    let lab = start(S3Options::default()).await.unwrap();
    let mut settings = settings(&lab);
    settings.endpoint_url = Some(parrot("404 Not Found", "").await);
    let store = S3Store::connect(&settings, "shop").await.unwrap();
    for fault in [
        store.control(&table()).await.map(|_| ()),
        store.epochs(&table()).await.map(|_| ()),
        store.put_record(&record(1)).await.map(|_| ()),
    ] {
        let fault = fault.unwrap_err();
        assert!(fault.is(&MISSING) && fault.facts().contains(&("status".into(), "404".into())), "{fault}");
    }
}

#[tokio::test]
async fn failures_are_named_for_what_they_are() {
    let at = s3_lab().await;
    let mut wrong = settings(&at.lab);
    wrong.credentials = Some(S3Credentials {
        access_key_id: at.lab.options().access_key.clone(),
        secret_access_key: Secret::new("not-the-secret"),
        session_token: None,
    });
    let stranger = S3Store::connect(&wrong, "shop").await.unwrap();
    let fault = stranger.epochs(&table()).await.unwrap_err();
    assert!(fault.is(&BAD_CREDENTIALS) && !fault.to_string().contains("not-the-secret"), "{fault}");

    let mut elsewhere = settings(&at.lab);
    elsewhere.bucket = "no-such-bucket".into();
    let elsewhere = S3Store::connect(&elsewhere, "shop").await.unwrap();
    let fault = elsewhere.record(&table(), 1, 0).await.unwrap_err();
    assert!(fault.is(&NO_BUCKET), "{fault}");

    at.lab.faults().add(Rule::new(Effect::AccessDenied));
    assert!(at.store.epochs(&table()).await.unwrap_err().is(&DENIED));
    at.lab.faults().add(Rule::new(Effect::SlowDown).times(2));
    assert_eq!(at.store.epochs(&table()).await.unwrap(), [0; 0]);

    let keys = at.store.credentials().await.unwrap();
    assert_eq!(keys.access_key_id.expose(), at.lab.options().access_key);
    assert_eq!(keys.secret_access_key.expose(), at.lab.options().secret_key);

    let S3Lab { lab, store } = at;
    drop(lab);
    let fault = store.bucket().await.unwrap_err();
    assert!(fault.is(&CONNECT), "{fault}");
}
