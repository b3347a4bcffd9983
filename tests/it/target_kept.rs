//! Kept values (rule L4): each case starts with production holding row 1 with the notes
//! `production`, and applies one range in which row 1 survives with its notes untouched.

use db_to_redshift::model::{Keep, Seq, StagedRow};
use db_to_redshift::target::Loader as _;
use db_to_redshift::target::Target as _;

use crate::support::target::{delete, full, table, target_lab, upsert};

/// An update of row 1 that leaves the notes alone.
fn kept(order: i64) -> StagedRow {
    upsert(order, 1, "kept", Err(Keep::Kept), Ok(&[0xcd]))
}

fn gone(order: i64) -> StagedRow {
    upsert(order, 1, "gone", Err(Keep::Gone), Ok(&[0xcd]))
}

fn notes(order: i64, notes: &str) -> StagedRow {
    full(order, 1, "value", notes)
}

/// The notes NULL, and touched.
fn null(order: i64) -> StagedRow {
    upsert(order, 1, "null", Err(Keep::Value), Ok(&[0xcd]))
}

struct Case {
    what: &'static str,
    batches: Vec<Vec<StagedRow>>,
    /// `~` is NULL.
    notes: &'static str,
    lost: u64,
}

#[tokio::test]
async fn every_case_of_the_rule() {
    let case = |what, batches, notes, lost| Case { what, batches, notes, lost };
    let cases = [
        case("production alone has it", vec![vec![kept(1)]], "production", 0),
        case("an earlier row of the batch has it", vec![vec![notes(1, "staged"), kept(2)]], "staged", 0),
        case("the latest of several counts", vec![vec![notes(1, "one"), notes(2, "two"), kept(3), kept(4)]], "two", 0),
        case("an earlier batch has it", vec![vec![notes(1, "early"), notes(9, "late")], vec![], vec![kept(1)]], "late", 0),
        case("the batch counts before the order", vec![vec![notes(99, "old")], vec![notes(1, "new")], vec![kept(1)]], "new", 0),
        case("a NULL that was written is a value", vec![vec![null(1), kept(2)]], "~", 0),
        case("a delete stands between", vec![vec![notes(1, "before"), delete(2, 1), kept(3)]], "~", 1),
        case("production lies before a delete", vec![vec![delete(1, 1), kept(2)]], "~", 1),
        case("the value came after the delete", vec![vec![delete(1, 1), notes(2, "after"), kept(3)]], "after", 0),
        case("a delete in an earlier batch", vec![vec![delete(7, 1)], vec![kept(1)]], "~", 1),
        case("gone is NULL, and not lost", vec![vec![notes(1, "staged"), gone(2)]], "~", 0),
        case("gone in between has no value", vec![vec![notes(1, "staged"), gone(2), kept(3)]], "staged", 0),
        case("gone in between, then production", vec![vec![gone(1), kept(2)]], "production", 0),
        case("only the surviving row counts", vec![vec![delete(1, 1), kept(2), notes(3, "whole")]], "whole", 0),
    ];
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let mut next: Seq = 1;
    for case in cases {
        let mut number = |rows: Vec<StagedRow>| {
            next += 1;
            (next - 1, rows)
        };
        // Row 1 as it was; the other rows must not be touched by what happens to row 1.
        let before = [number(vec![notes(1, "production"), full(2, 2, "other", "untouched")])];
        let range: Vec<_> = case.batches.into_iter().map(&mut number).collect();
        lab.load(&mut loader, fence, &before).await;
        let applied = lab.load(&mut loader, fence, &range).await;
        let rows = lab.production().await;
        assert_eq!((rows[0][2].as_str(), applied.lost_kept), (case.notes, case.lost), "{}", case.what);
        assert_eq!(rows[1], ["2", "other", "untouched", "ab"], "{}", case.what);
        assert_eq!(rows.len(), 2, "{}", case.what);
    }
    let diverged = lab.target.state(&table()).await.unwrap().unwrap().diverged.unwrap();
    assert!(diverged.why.starts_with("1 untouched large value"), "{diverged:?}");
    assert!(!diverged.since.is_empty());
}

#[tokio::test]
async fn each_large_column_is_filled_by_itself() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    lab.load(&mut loader, fence, &[(1, vec![full(1, 1, "Ada", "n1"), full(2, 2, "Bob", "n2")])]).await;
    let rows = vec![
        upsert(1, 1, "a", Ok("n3"), Err(Keep::Kept)),
        upsert(2, 1, "b", Err(Keep::Kept), Ok(&[0x01, 0xff])),
        upsert(3, 1, "c", Err(Keep::Kept), Err(Keep::Kept)),
        upsert(4, 2, "d", Err(Keep::Kept), Err(Keep::Gone)),
    ];
    assert_eq!(lab.load(&mut loader, fence, &[(2, rows)]).await.lost_kept, 0);
    assert_eq!(lab.production().await, [["1", "c", "n3", "01ff"], ["2", "d", "n2", "~"]]);
}

#[tokio::test]
async fn a_kept_value_of_an_unknown_row_is_lost_and_told() {
    let lab = target_lab().await;
    let (mut loader, fence) = lab.started().await;
    let row = upsert(1, 5, "new", Err(Keep::Kept), Err(Keep::Kept));
    assert_eq!(lab.load(&mut loader, fence, &[(1, vec![row])]).await.lost_kept, 2);
    assert_eq!(lab.production().await, [["5", "new", "~", "~"]]);
    assert!(lab.target.state(&table()).await.unwrap().unwrap().diverged.is_some());
    assert!(loader.truncate_staging(fence).await.unwrap());
}
