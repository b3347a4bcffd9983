//! Stage, apply, epochs, log and truncate, on the lab's Redshift and S3.

use std::sync::{Arc, Mutex};

use db_to_redshift::model::fault::{Class, rs};
use db_to_redshift::model::record::Layout;
use db_to_redshift::model::{Fault, Keep, StagedRow};
use db_to_redshift::target::redshift::{CopyAccess, CopyAccessSource, CopyLogin, Redshift};
use db_to_redshift::target::{Applied, ApplyOutcome, Loader, LogLine, NewColumns, OpenLoad, Target};
use futures::future::BoxFuture;
use uuid::Uuid;

use crate::support::target::{delete, full, identity, lsn, open, settings, shape, table, target_lab, upsert};

/// Rows as the scan of a snapshot writes them.
fn scanned() -> Vec<StagedRow> {
    vec![full(1, 1, "Ada", "a"), full(2, 2, "Bob, \"the\" \\ builder", "line\nbreak"), full(3, 3, "", "")]
}

#[tokio::test]
async fn batches_are_staged_and_applied_in_order() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let first =
        [(1, vec![full(1, 1, "Ada", "a"), full(2, 2, "Bob", "b")]), (2, vec![]), (3, vec![delete(1, 2), full(2, 1, "Ada L.", "c")])];
    let applied = lab.load(&mut loader, fence, &first).await;
    assert_eq!(applied, Applied { deleted: 0, inserted: 1, lost_kept: 0 });
    assert_eq!(lab.production().await, [["1", "Ada L.", "c", "ab"]]);
    let state = lab.target.state(&table()).await.unwrap().unwrap();
    assert_eq!((state.epoch, state.applied_seq, state.applied_lsn, state.staged), (1, Some(3), Some(lsn(3)), None));
    assert!(state.diverged.is_none() && state.applied_at.is_some());

    // The order inside a batch counts, not the order in the files.
    let second = [(4, vec![full(9, 1, "last", "z"), full(1, 1, "first", "y"), full(2, 5, "Eve", "e")])];
    assert_eq!(lab.load(&mut loader, fence, &second).await, Applied { deleted: 1, inserted: 2, lost_kept: 0 });
    assert_eq!(lab.production().await, [["1", "last", "z", "ab"], ["5", "Eve", "e", "ab"]]);

    assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (2, 3));
    assert!(loader.truncate_staging(fence).await.unwrap());
    assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (2, 0));
}

#[tokio::test]
async fn a_range_of_empty_batches_only_moves_the_state() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    assert_eq!(lab.load(&mut loader, fence, &[(1, vec![]), (2, vec![])]).await, Applied::default());
    let state = lab.target.state(&table()).await.unwrap().unwrap();
    assert_eq!((state.applied_seq, state.applied_lsn), (Some(2), Some(lsn(2))));
}

#[tokio::test]
async fn a_snapshot_replaces_production_straight_or_through_staging() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    lab.load(&mut loader, fence, &[(1, vec![full(1, 7, "old", "x")])]).await;
    let staged = lab.range(1, fence, &[(2, vec![full(1, 8, "never applied", "x")])]).await;
    loader.stage(&staged).await.unwrap();

    let manifest_url = lab.upload(2, Layout::Production, &[(0, scanned())]).await;
    let applied = loader.open_epoch(&open(2, fence, OpenLoad::Production { manifest_url }, 3)).await.unwrap();
    assert_eq!(applied, Applied { deleted: 1, inserted: 3, lost_kept: 0 });
    let rows = [["1", "Ada", "a", "ab"], ["2", "Bob, \"the\" \\ builder", "line\nbreak", "ab"], ["3", "", "", "ab"]];
    assert_eq!(lab.production().await, rows);
    let state = lab.target.state(&table()).await.unwrap().unwrap();
    assert_eq!((state.epoch, state.applied_seq, state.staged), (2, Some(0), None), "what an older epoch had staged is dropped");
    assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (3, 0));

    // A row that moved under the scan is read twice: the later reading counts.
    let mut moved = scanned();
    moved.push(full(4, 1, "Ada moved", "a2"));
    let manifest_url = lab.upload(3, Layout::Changes, &[(0, moved)]).await;
    let applied = loader.open_epoch(&open(3, fence, OpenLoad::Staging { manifest_url }, 4)).await.unwrap();
    assert_eq!(applied, Applied { deleted: 3, inserted: 3, lost_kept: 0 });
    assert_eq!(lab.production().await[0], ["1", "Ada moved", "a2", "ab"]);
    assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (3, 0));

    let again = loader.open_epoch(&open(3, fence, OpenLoad::Start { trusted: true }, 0)).await.unwrap_err();
    assert_eq!(again.code(), rs::STATE_MOVED.code, "state must hold an older epoch");
}

#[tokio::test]
async fn a_start_wants_an_empty_table_or_trust() {
    let lab = target_lab().await;
    lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
    lab.sql().await.rows(r#"INSERT INTO "shop"."orders" ("id") VALUES (1)"#).await;
    let mut loader = lab.target.loader(&table()).await.unwrap();
    let fence = loader.raise_fence(&identity()).await.unwrap().fence;
    let refused = loader.open_epoch(&open(1, fence, OpenLoad::Start { trusted: false }, 0)).await.unwrap_err();
    assert_eq!(refused.code(), rs::NOT_EMPTY.code);
    loader.open_epoch(&open(1, fence, OpenLoad::Start { trusted: true }, 0)).await.unwrap();
    let state = lab.target.state(&table()).await.unwrap().unwrap();
    assert_eq!((state.epoch, state.diverged.is_some()), (1, true));
}

#[tokio::test]
async fn rows_that_left_staging_are_noticed_and_staged_once_more() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a"), full(2, 2, "Bob", "b")])]).await;
    loader.stage(&range).await.unwrap();
    lab.sql().await.rows(r#"DELETE FROM "staging"."dbo__orders" WHERE "id" = 2"#).await;
    assert_eq!(loader.apply(&range).await.unwrap(), ApplyOutcome::StagingEmptied);
    let state = lab.target.state(&table()).await.unwrap().unwrap();
    assert_eq!((state.staged, state.applied_seq), (None, Some(0)));
    loader.stage(&range).await.unwrap();
    assert!(matches!(loader.apply(&range).await.unwrap(), ApplyOutcome::Applied(Applied { inserted: 2, .. })));
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_named_by_file_line_and_column() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    // nvarchar(20) becomes VARCHAR(60).
    let long = "card-4711-".repeat(7);
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "fits", "a"), full(2, 2, &long, "b")])]).await;
    let fault = loader.stage(&range).await.unwrap_err();
    let text = format!("{fault:?}");
    assert_eq!(fault.code(), rs::LOAD_FAILED.code, "{text}");
    assert_eq!(fault.class(), Class::Human);
    assert!(text.contains("column=customer") && text.contains("line=2") && text.contains("code=1204"), "{text}");
    assert!(!text.contains("4711"), "{text}");
    let state = lab.target.state(&table()).await.unwrap().unwrap();
    assert_eq!((state.staged, lab.target.row_counts(&table()).await.unwrap()), (None, (0, 0)));

    // The loader goes on over a new connection.
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "fits", "a")])]).await;
    loader.stage(&range).await.unwrap();
}

#[tokio::test]
async fn another_number_of_rows_than_recorded_is_refused() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let mut range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
    range.batches[0].rows = 2;
    let fault = loader.stage(&range).await.unwrap_err();
    assert_eq!(fault.code(), rs::COPY_COUNT.code, "{fault}");
    range.manifest_url = None;
    assert_eq!(loader.stage(&range).await.unwrap_err().code(), rs::COPY_COUNT.code);
    assert_eq!(lab.target.state(&table()).await.unwrap().unwrap().staged, None);
}

#[tokio::test]
async fn a_missing_file_is_the_copys_fault() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let mut range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
    range.manifest_url = Some("s3://changes/cdc/none.manifest".into());
    let fault = loader.stage(&range).await.unwrap_err();
    assert_eq!(fault.code(), rs::COPY_SOURCE.code, "{fault:?}");
}

#[tokio::test]
async fn keys_serve_the_copy_and_never_show() {
    let lab = target_lab().await;
    let (_, fence) = lab.started().await;
    let options = lab.s3.lab.options();
    let access = |secret: &str| {
        let login = CopyLogin::Keys {
            access_key_id: options.access_key.clone(),
            secret_access_key: db_to_redshift::config::Secret::new(secret),
            session_token: None,
        };
        CopyAccess { login, region: Some(options.region.clone()) }
    };
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
    let wrong = Redshift::new(settings(&lab.lab), access("wr'ong\\secret"));
    let fault = wrong.loader(&table()).await.unwrap().stage(&range).await.unwrap_err();
    let text = format!("{fault:?}");
    assert!(!text.contains("ong\\") && !text.contains(&options.access_key), "{text}");
    let right = Redshift::new(settings(&lab.lab), access(&options.secret_key));
    right.loader(&table()).await.unwrap().stage(&range).await.unwrap();
}

/// Temporary keys end while a long run goes on.
struct Changing(Arc<Mutex<(CopyAccess, usize)>>);

impl CopyAccessSource for Changing {
    fn access(&self) -> BoxFuture<'_, Result<CopyAccess, Fault>> {
        let mut present = self.0.lock().unwrap();
        present.1 += 1;
        let access = present.0.clone();
        Box::pin(async move { Ok(access) })
    }
}

#[tokio::test]
async fn each_copy_takes_the_keys_of_its_moment() {
    let lab = target_lab().await;
    let (_, fence) = lab.started().await;
    let options = lab.s3.lab.options();
    let access = |secret: &str| {
        let secret_access_key = db_to_redshift::config::Secret::new(secret);
        let login = CopyLogin::Keys { access_key_id: options.access_key.clone(), secret_access_key, session_token: None };
        CopyAccess { login, region: Some(options.region.clone()) }
    };
    let present = Arc::new(Mutex::new((access(&options.secret_key), 0)));
    let target = Redshift::new(settings(&lab.lab), Changing(Arc::clone(&present)));
    let mut loader = target.loader(&table()).await.unwrap();
    assert_eq!(lab.load(&mut loader, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await.inserted, 1);
    present.lock().unwrap().0 = access("ended");
    let range = lab.range(1, fence, &[(2, vec![full(1, 2, "Bea", "b")])]).await;
    assert_eq!(loader.stage(&range).await.unwrap_err().code(), rs::COPY_SOURCE.code);
    present.lock().unwrap().0 = access(&options.secret_key);
    loader.stage(&range).await.unwrap();
    assert_eq!(present.lock().unwrap().1, 3, "one question a COPY");
}

#[tokio::test]
async fn the_log_drops_doubles_and_shows_the_newest_first() {
    let lab = target_lab().await;
    let (mut loader, _) = lab.started().await;
    let line = |event: &str, to, rows| LogLine {
        table: table(),
        event: event.into(),
        epoch: 1,
        from: 1,
        to,
        lsn_to: lsn(to),
        rows,
        deleted: 0,
        inserted: rows,
        run: Uuid::new_v4(),
        at: String::new(),
        instance: None,
        diverged: None,
    };
    for line in [line("staged", 1, 3), line("applied", 1, 3), line("applied", 1, 3), line("applied", 2, 5)] {
        loader.log(&line).await.unwrap();
    }
    let lines = lab.target.log(&identity().pipeline, None, 10).await.unwrap();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!((lines[0].to, lines[0].rows, lines[0].table.to_string().as_str()), (2, 5, "dbo.Orders"));
    assert!(!lines[0].at.is_empty());
    assert_eq!(lab.target.log(&identity().pipeline, None, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_schema_record_goes_through_alone() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let mut range = lab.range(1, fence, &[(1, vec![])]).await;
    range.lsn_to = lsn(0);
    loader.accept_schema(&range, "0123").await.unwrap();
    let state = lab.target.state(&table()).await.unwrap().unwrap();
    assert_eq!((state.applied_seq, state.applied_lsn, state.column_hash.as_deref()), (Some(1), Some(lsn(0)), Some("0123")));
    assert_eq!(loader.accept_schema(&range, "0123").await.unwrap_err().code(), rs::STATE_MOVED.code);
}

#[tokio::test]
async fn an_untouched_value_keeps_what_production_holds() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    lab.load(&mut loader, fence, &[(1, vec![full(1, 1, "Ada", "long text")])]).await;
    let row = upsert(1, 1, "Ada L.", Err(Keep::Kept), Ok(&[0xcd]));
    assert_eq!(lab.load(&mut loader, fence, &[(2, vec![row])]).await.lost_kept, 0);
    assert_eq!(lab.production().await, [["1", "Ada L.", "long text", "cd"]]);
}
