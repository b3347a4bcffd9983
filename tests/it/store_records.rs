//! Records, control objects and leases in the store: rules R1 to R4 and section 5.

use bytes::Bytes;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::model::control::{Control, Holder, Lease, LeaseKind, Paused, RunRecord};
use db_to_redshift::model::fault::s3::{UNREADABLE, WRITE_UNKNOWN};
use db_to_redshift::model::{CommitRecord, PartFile};
use db_to_redshift::store::{ChangeStore, ETag, RecordPut, Written};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::store::{BUCKET, record, s3_lab, table};

const FOLDER: &str = "cdc/v1/shop/records/dbo.Order!20Lines";

fn key(seq: u64) -> String {
    format!("{FOLDER}/e0001/{seq:012}.json")
}

#[tokio::test]
async fn a_record_reads_back_as_it_was_written() {
    let at = s3_lab().await;
    let mut first = record(0);
    first.parts.push(PartFile { key: "k".into(), bytes: 5, rows: 1, sha256: "ab".into() });
    assert_eq!(at.store.record(&table(), 1, 0).await.unwrap(), None);
    assert_eq!(at.store.put_record(&first).await.unwrap(), RecordPut::Written);
    assert_eq!(at.lab.keys(BUCKET, ""), [key(0)]);
    assert_eq!(at.store.record(&table(), 1, 0).await.unwrap(), Some(first));
    assert_eq!(at.store.root(), "s3://changes/cdc/v1/shop/");
}

#[tokio::test]
async fn of_racing_extractors_exactly_one_wins_and_all_learn_who() {
    let at = s3_lab().await;
    let records: Vec<CommitRecord> = (0..16).map(|_| record(3)).collect();
    let ends = join_all(records.iter().map(|record| at.store.put_record(record))).await;
    let there = at.store.record(&table(), 1, 3).await.unwrap().unwrap();
    let mut winners = 0;
    for (record, end) in records.iter().zip(ends) {
        match end.unwrap() {
            RecordPut::Written => {
                winners += 1;
                assert_eq!(record.attempt, there.attempt);
            }
            RecordPut::Lost(winner) => assert_eq!(*winner, there),
        }
    }
    assert_eq!(winners, 1);
}

/// Trace 13, as far as the store goes: a success whose answer is lost is still our success.
#[tokio::test]
async fn a_lost_answer_is_found_out() {
    let at = s3_lab().await;
    let lost = at.lab.faults().add(Rule::new(Effect::LoseReply).operation("PutObject").key("/records/"));
    let ours = record(1);
    assert_eq!(at.store.put_record(&ours).await.unwrap(), RecordPut::Written);
    assert_eq!(lost.hits(), 1);
    assert_eq!(at.lab.requests().count("PutObject", &key(1)), 2, "the same PUT is sent again");
    assert_eq!(at.store.record(&table(), 1, 1).await.unwrap(), Some(ours));
}

#[tokio::test]
async fn conflicts_and_overload_are_tried_again() {
    let at = s3_lab().await;
    for effect in [Effect::Conflict, Effect::SlowDown, Effect::InternalError] {
        at.lab.faults().add(Rule::new(effect).operation("PutObject").key("/records/"));
    }
    assert_eq!(at.store.put_record(&record(1)).await.unwrap(), RecordPut::Written);
    assert_eq!(at.lab.requests().count("PutObject", &key(1)), 4);
}

#[tokio::test]
async fn a_write_that_never_gets_an_answer_is_unknown_not_failed() {
    let at = s3_lab().await;
    at.lab.faults().add(Rule::new(Effect::InternalError).operation("PutObject").key("/records/").times(u32::MAX));
    let fault = at.store.put_record(&record(1)).await.unwrap_err();
    assert!(fault.is(&WRITE_UNKNOWN), "{fault}");
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_is_unknown_too() {
    let at = s3_lab().await;
    at.lab.faults().add(Rule::new(Effect::InternalError).operation("PutObject").key("/records/"));
    at.lab.faults().add(Rule::new(Effect::AccessDenied).operation("PutObject").key("/records/"));
    let fault = at.store.put_record(&record(1)).await.unwrap_err();
    assert!(fault.is(&WRITE_UNKNOWN), "{fault}");
}

/// A record without files shows in the listing of part files by a marker, which was there first.
#[tokio::test]
async fn a_record_without_files_has_a_marker() {
    let at = s3_lab().await;
    at.lab.faults().add(Rule::new(Effect::AccessDenied).operation("PutObject").key("/empty"));
    let ours = record(1);
    assert!(!at.store.put_record(&ours).await.unwrap_err().is(&WRITE_UNKNOWN));
    assert_eq!(at.store.record(&table(), 1, 1).await.unwrap(), None, "no record without its marker");
    at.store.put_record(&ours).await.unwrap();
    let attempts = at.store.attempts(&table(), 1).await.unwrap();
    let [files] = attempts.as_slice() else { panic!("{attempts:?}") };
    assert_eq!((files.attempt.seq, files.attempt.lsn_to, files.attempt.id), (1, ours.lsn_to, ours.attempt));
    assert!(files.keys[0].ends_with("/empty") && files.keys.len() == 1 && files.bytes == 0);
}

#[tokio::test]
async fn a_record_of_another_version_or_under_another_key_is_refused() {
    let at = s3_lab().await;
    let mut text = serde_json::to_value(record(1)).unwrap();
    at.lab.overwrite(BUCKET, &key(2), serde_json::to_vec(&text).unwrap().into());
    text["version"] = 2.into();
    at.lab.overwrite(BUCKET, &key(1), serde_json::to_vec(&text).unwrap().into());
    at.lab.overwrite(BUCKET, &key(3), Bytes::from_static(b"{\"version\":1,"));
    for (seq, word) in [(1, "version=2"), (2, "seq=1"), (3, "line=1")] {
        let fault = at.store.record(&table(), 1, seq).await.unwrap_err();
        assert!(fault.is(&UNREADABLE) && fault.to_string().contains(word), "{fault}");
    }
}

#[tokio::test]
async fn an_epoch_begins_with_its_record_0() {
    let at = s3_lab().await;
    assert_eq!(at.store.current_epoch(&table()).await.unwrap(), None);
    at.store.put_record(&record(0)).await.unwrap();
    for epoch in [2, 10_000] {
        at.store.put_record(&CommitRecord { epoch, ..record(0) }).await.unwrap();
    }
    at.store.put_record(&CommitRecord { epoch: 10_001, ..record(1) }).await.unwrap();
    at.lab.overwrite(BUCKET, &format!("{FOLDER}/notes/x"), Bytes::new());
    assert_eq!(at.store.epochs(&table()).await.unwrap(), [1, 2, 10_000, 10_001]);
    assert_eq!(at.store.current_epoch(&table()).await.unwrap(), Some(10_000));
}

#[tokio::test]
async fn the_head_is_found_behind_more_than_one_page() {
    let at = s3_lab().await;
    at.store.put_record(&record(0)).await.unwrap();
    assert_eq!(at.store.head(&table(), 1, 0).await.unwrap(), 0);
    for seq in 1..=2100 {
        at.lab.overwrite(BUCKET, &key(seq), Bytes::new());
    }
    at.lab.overwrite(BUCKET, &format!("{FOLDER}/e0001/notes.txt"), Bytes::new());
    assert_eq!(at.store.head(&table(), 1, 0).await.unwrap(), 2100);
    assert_eq!(at.store.head(&table(), 1, 2100).await.unwrap(), 2100);
    assert_eq!(at.store.seqs_after(&table(), 1, Some(2097)).await.unwrap(), [2098, 2099, 2100]);
    assert_eq!(at.store.seqs_after(&table(), 1, None).await.unwrap().len(), 2101);

    at.store.delete_records(&table(), 1, &[1, 2, 3]).await.unwrap();
    assert_eq!(at.store.seqs_after(&table(), 1, Some(0)).await.unwrap()[..2], [4, 5]);
    let deleted: Vec<_> = at.lab.requests().all().into_iter().filter(|r| r.operation == "DeleteObject").map(|r| r.key).collect();
    assert_eq!(deleted, [key(1), key(2), key(3)], "in the order given");
}

#[tokio::test]
async fn control_changes_only_where_it_stands_as_read() {
    let at = s3_lab().await;
    let paused = |why: &str| Control {
        paused: Some(Paused { by: "ann".into(), why: why.into(), since: "2026-01-02T03:04:05Z".parse().unwrap() }),
        intent: None,
    };
    assert_eq!(at.store.control(&table()).await.unwrap(), None);
    let Written::Done(first) = at.store.put_control(&table(), &paused("a"), None).await.unwrap() else { panic!("lost") };
    assert_eq!(at.store.put_control(&table(), &paused("b"), None).await.unwrap(), Written::Lost);
    assert_eq!(at.store.control(&table()).await.unwrap(), Some((paused("a"), first.clone())));

    // The lost answer of a success is a success with the new version.
    at.lab.faults().add(Rule::new(Effect::LoseReply).operation("PutObject"));
    let Written::Done(second) = at.store.put_control(&table(), &paused("c"), Some(&first)).await.unwrap() else { panic!("lost") };
    assert_eq!(at.store.control(&table()).await.unwrap(), Some((paused("c"), second)));
    assert_eq!(at.store.put_control(&table(), &paused("d"), Some(&first)).await.unwrap(), Written::Lost);
    let gone = ETag("\"0123\"".into());
    let other = db_to_redshift::model::TableName::new("dbo", "never written");
    assert_eq!(at.store.put_control(&other, &paused("e"), Some(&gone)).await.unwrap(), Written::Lost);
}

fn holder(since: &str) -> Holder {
    Holder { run: Uuid::new_v4(), host: "h".into(), user: "u".into(), pid: 1, machine: None, since: since.parse().unwrap() }
}

#[tokio::test]
async fn of_racing_jobs_exactly_one_takes_the_lease() {
    let at = s3_lab().await;
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let leases: Vec<Lease> =
        (0..8).map(|_| Lease { holder: Some(holder("2026-01-02T03:04:05Z")), beat: 0, at: now, failed: None }).collect();
    let table = table();
    let ends = join_all(leases.iter().map(|lease| at.store.put_lease(&table, LeaseKind::Load, lease, None))).await;
    let won: Vec<_> = leases.iter().zip(ends).filter(|(_, end)| matches!(end, Ok(Written::Done(_)))).map(|(lease, _)| lease).collect();
    let (there, _) = at.store.lease(&table, LeaseKind::Load).await.unwrap().unwrap();
    assert_eq!(won, [&there]);
    assert_eq!(at.store.lease(&table, LeaseKind::Extract).await.unwrap(), None, "a lease of its own");
}

#[tokio::test]
async fn runs_come_newest_first_over_the_days() {
    let at = s3_lab().await;
    let mut runs = Vec::new();
    for since in ["2026-01-30T23:59:59Z", "2026-01-31T00:00:00Z", "2026-01-31T12:00:00Z", "2026-02-01T01:00:00Z"] {
        let by = holder(since);
        let run = RunRecord { run: by.run, command: "sync".into(), by, finished: None, tables: Vec::new() };
        at.store.put_run(&run).await.unwrap();
        runs.insert(0, run);
    }
    assert_eq!(at.store.runs(10, &[]).await.unwrap(), runs);
    assert_eq!(at.store.runs(2, &[]).await.unwrap(), runs[..2]);
    // The end of a run replaces its beginning.
    runs[3].finished = Some("2026-02-02T00:00:00Z".parse().unwrap());
    at.store.put_run(&runs[3]).await.unwrap();
    assert_eq!(at.store.runs(10, &[]).await.unwrap(), runs);
    assert!(at.lab.keys(BUCKET, "cdc/v1/shop/runs/2026-01-30/").len() == 1);
    // What has ended is taken from what is known; what has not is read again.
    let mut known = runs.clone();
    known[3].command = "as it was known".into();
    known[0].command = "as it was known".into();
    let read = at.store.runs(10, &known).await.unwrap();
    assert_eq!((read[0].command.as_str(), read[3].command.as_str()), ("sync", "as it was known"));
}
