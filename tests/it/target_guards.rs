//! Locks, fences, oids, positions, lost answers, conflicts.

use std::time::Duration;

use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::fault::{Class, rs, sync};
use db_to_redshift::target::redshift::Redshift;
use db_to_redshift::target::{ApplyOutcome, Loader, NewColumns, OpenLoad, Target};

use crate::support::target::{full, identity, lsn, open, role, settings, shape, table, target_lab};

#[tokio::test]
async fn a_loader_whose_fence_is_stale_changes_nothing() {
    let lab = target_lab().await;
    let (mut loser, old) = lab.started().await;
    let range = lab.range(1, old, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
    loser.stage(&range).await.unwrap();
    let mut next = lab.target.loader(&table()).await.unwrap();
    let state = next.raise_fence(&identity()).await.unwrap();
    assert_eq!(state.fence, old + 1);
    assert_eq!(loser.apply(&range).await.unwrap_err().code(), sync::STALE_FENCE.code);
    assert_eq!(loser.stage(&range).await.unwrap_err().code(), sync::STALE_FENCE.code);
    assert_eq!(loser.open_epoch(&open(2, old, OpenLoad::Start { trusted: true }, 0)).await.unwrap_err().code(), sync::STALE_FENCE.code);
    assert_eq!(loser.accept_schema(&range, "00").await.unwrap_err().code(), sync::STALE_FENCE.code);

    // Trace 1: the stale one wakes up after an apply and wants to tidy up.
    assert!(!loser.truncate_staging(old).await.unwrap());
    let mut range = range;
    range.fence = state.fence;
    assert!(!next.truncate_staging(state.fence).await.unwrap(), "what is staged is never truncated");
    assert!(matches!(next.apply(&range).await.unwrap(), ApplyOutcome::Applied(_)));
    assert!(!loser.truncate_staging(old).await.unwrap());
    assert!(next.truncate_staging(state.fence).await.unwrap());
}

#[tokio::test]
async fn a_table_that_was_made_again_is_not_written() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
    loader.stage(&range).await.unwrap();
    let sql = lab.sql().await;
    sql.rows(r#"CREATE TABLE "shop"."copy" (LIKE "shop"."orders")"#).await;
    sql.rows(r#"DROP TABLE "shop"."orders""#).await;
    sql.rows(r#"ALTER TABLE "shop"."copy" RENAME TO "orders""#).await;
    let fault = loader.apply(&range).await.unwrap_err();
    assert_eq!(fault.code(), sync::DIVERGED.code, "{fault}");
    assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (0, 1));
}

#[tokio::test]
async fn a_range_must_follow_what_is_applied() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let good = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
    let mut gap = good.clone();
    (gap.from, gap.to) = (2, 2);
    let mut lsn_gap = good.clone();
    lsn_gap.lsn_from = lsn(1).next();
    let mut epoch = good.clone();
    epoch.epoch = 2;
    for wrong in [gap, lsn_gap, epoch] {
        let fault = loader.stage(&wrong).await.unwrap_err();
        assert_eq!((fault.code(), fault.class()), (rs::STATE_MOVED.code, Class::Transient), "{fault}");
    }
    assert_eq!(loader.apply(&good).await.unwrap_err().code(), rs::STATE_MOVED.code, "nothing is staged yet");
    loader.stage(&good).await.unwrap();
    assert_eq!(loader.stage(&good).await.unwrap_err().code(), rs::STATE_MOVED.code, "staged already");
    let mut longer = good.clone();
    longer.to = 2;
    assert_eq!(loader.apply(&longer).await.unwrap_err().code(), rs::STATE_MOVED.code);
    loader.apply(&good).await.unwrap();
    assert_eq!(loader.apply(&good).await.unwrap_err().code(), rs::STATE_MOVED.code, "never twice");
}

#[tokio::test]
async fn a_lost_answer_to_commit_is_decided_by_the_locked_state() {
    for (action, applied) in [(Action::CutAfter, Some(1)), (Action::CutBefore, Some(0))] {
        let lab = target_lab().await;
        let (mut loader, fence) = lab.started().await;
        let range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
        loader.stage(&range).await.unwrap();
        let planted = lab.lab.faults().on("COMMIT", 1, action);
        let fault = loader.apply(&range).await.unwrap_err();
        assert!(planted.was_hit());
        assert_eq!(fault.code(), rs::COMMIT_UNKNOWN.code, "{fault}");
        let state = lab.target.loader(&table()).await.unwrap().locked_state().await.unwrap();
        assert_eq!(state.applied_seq, applied);
        assert_eq!(state.staged.is_none(), applied == Some(1));
    }
}

#[tokio::test]
async fn a_lost_connection_before_the_commit_changes_nothing() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
    loader.stage(&range).await.unwrap();
    let _planted = lab.lab.faults().on("INSERT INTO \"shop\"", 1, Action::CutAfter);
    let fault = loader.apply(&range).await.unwrap_err();
    assert_eq!((fault.code(), fault.class()), (rs::LOST.code, Class::Transient));
    assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (0, 1));
    loader.apply(&range).await.unwrap();
    assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (1, 1));
}

#[tokio::test]
async fn a_conflict_rolls_back_and_may_be_tried_again() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let range = lab.range(1, fence, &[(1, vec![full(1, 1, "Ada", "a")])]).await;
    loader.stage(&range).await.unwrap();
    for statement in ["DELETE FROM \"shop\"", "COMMIT"] {
        let _planted = lab.lab.faults().on(statement, 1, Action::Conflict);
        let fault = loader.apply(&range).await.unwrap_err();
        assert_eq!((fault.code(), fault.class()), (rs::CONFLICT.code, Class::Transient), "{statement}: {fault}");
        assert_eq!(lab.target.row_counts(&table()).await.unwrap(), (0, 1));
    }
    loader.apply(&range).await.unwrap();
}

#[tokio::test]
async fn the_session_that_holds_the_lock_is_named() {
    let lab = target_lab().await;
    let (_, _) = lab.started().await;
    let sql = lab.sql().await;
    sql.rows("BEGIN").await;
    sql.rows(r#"LOCK "d2r"."shop__orders__state""#).await;
    let pid = sql.one("SELECT pg_backend_pid()").await;
    let mut short = settings(&lab.lab);
    short.lock_timeout = Duration::from_millis(200);
    let target = Redshift::new(short, role());
    let mut loader = target.loader(&table()).await.unwrap();
    let fault = loader.raise_fence(&identity()).await.unwrap_err();
    assert_eq!(fault.code(), rs::LOCKED.code, "{fault}");
    assert!(fault.facts().contains(&("pid".to_owned(), pid.clone())), "{fault}");
    assert!(fault.actions().any(|action| action.contains(&format!("SELECT pg_terminate_backend({pid})"))));
    assert_eq!(target.state(&table()).await.unwrap_err().code(), rs::LOCKED.code, "readers wait as well");

    sql.rows("ROLLBACK").await;
    lab.target.loader(&table()).await.unwrap().raise_fence(&identity()).await.unwrap();
}

#[tokio::test]
async fn fences_raised_at_once_are_all_different() {
    let lab = target_lab().await;
    lab.target.prepare(&table(), &shape(), &identity(), NewColumns::Refuse).await.unwrap();
    let raise = || {
        let target = lab.target.clone();
        tokio::spawn(async move { target.loader(&table()).await.unwrap().raise_fence(&identity()).await.unwrap().fence })
    };
    let rivals: Vec<_> = (0..8).map(|_| raise()).collect();
    let mut fences = Vec::new();
    for rival in rivals {
        fences.push(rival.await.unwrap());
    }
    fences.sort_unstable();
    assert_eq!(fences, (1..=8).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_state_with_another_number_of_rows_is_refused() {
    let lab = target_lab().await;
    let (mut loader, _) = lab.started().await;
    let sql = lab.sql().await;
    let state = r#""d2r"."shop__orders__state""#;
    sql.rows(&format!("INSERT INTO {state} SELECT * FROM {state}")).await;
    assert_eq!(loader.locked_state().await.unwrap_err().code(), rs::STATE_ROWS.code);
    sql.rows(&format!("DELETE FROM {state}")).await;
    assert_eq!(loader.locked_state().await.unwrap_err().code(), rs::STATE_ROWS.code);
    sql.rows(&format!("DROP TABLE {state}")).await;
    assert_eq!(loader.locked_state().await.unwrap_err().code(), rs::NOT_PREPARED.code);
}
