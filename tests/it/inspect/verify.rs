use std::time::Duration;

use db_to_redshift::engine::inspect::verify::{Verdict, VerifyOptions, Wrong};
use db_to_redshift::engine::prepare::{OpenMode, PrepareOptions};
use db_to_redshift::model::fault::{rs, sync};
use db_to_redshift::model::{SqlType, TableName, Value};
use db_to_redshift::target::{Finding, Loader, Target, Verified};

use super::{diverged, loaded, prepare, quick, row, table, verify, verify_with};
use crate::support::column::column;
use crate::support::memory_source::text;
use crate::support::rig::{Rig, done, fault, id};

fn one(table: &TableName) -> &[TableName] {
    std::slice::from_ref(table)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_mapping_loses_is_no_difference() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b", "c"]).await;
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.source_rows, report.production_rows), (Verdict::Equal, 3, 3));
    assert_eq!(diverged(&rig, &table).await, None);
}

/// A changed value, a missing row, an extra row and a doubled one are each found and counted; the
/// mark is set, and goes when the rows are right again (L9).
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_difference_is_found_and_the_mark_follows() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b", "c", "d"]).await;
    rig.query("UPDATE public.v SET price = price + 0.0001 WHERE id = 1").await;
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.different, report.columns["price"]), (Verdict::Different, 1, 1));
    assert_eq!(report.columns.len(), 1);
    assert!(report.diverged && diverged(&rig, &table).await.unwrap().contains("1 different"));
    rig.query("UPDATE public.v SET price = price - 0.0001 WHERE id = 1").await;
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.diverged), (Verdict::Equal, false));
    assert_eq!(diverged(&rig, &table).await, None);

    rig.query("INSERT INTO public.v SELECT * FROM public.v WHERE id = 4").await;
    rig.query("INSERT INTO public.v (id, name) VALUES (99, 'ghost')").await;
    rig.query("DELETE FROM public.v WHERE id = 2").await;
    let report = verify(&rig, &table).await;
    assert_eq!((report.missing, report.extra, report.duplicate, report.different), (1, 1, 1, 0));
    assert_eq!(report.verdict, Verdict::Different);
}

#[tokio::test(flavor = "multi_thread")]
async fn case_blanks_and_the_sixth_digit_count_but_not_the_seventh() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["Abc", "Abc", "Abc", "Abc"]).await;
    let seventh = rig.query("SELECT at FROM public.v WHERE id = 1").await[0][0].clone().unwrap();
    assert!(seventh.ends_with(".678901"), "{seventh}: the seventh digit, 7, was cut");
    for (spoil, mend) in [
        ("name = 'abc'", "name = 'Abc'"),
        ("name = 'Abc '", "name = 'Abc'"),
        ("at = at + interval '1 microsecond'", "at = at - interval '1 microsecond'"),
        ("note = NULL", "note = 'a\u{fffd}note '"),
    ] {
        rig.query(&format!("UPDATE public.v SET {spoil} WHERE id = 3")).await;
        let report = verify(&rig, &table).await;
        assert_eq!((report.verdict, report.different), (Verdict::Different, 1), "{spoil}");
        rig.query(&format!("UPDATE public.v SET {mend} WHERE id = 3")).await;
        assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal, "{mend}");
    }
}

/// Production is as of the applied LSN: what changed since is left out and counted, whether it was
/// extracted or not; other rows are still compared.
#[tokio::test(flavor = "multi_thread")]
async fn keys_in_flight_are_left_out() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b", "c", "d"]).await;
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("later"))])));
    rig.extract(&table).await;
    rig.source.with(|inner| {
        inner.commit(|tran| tran.delete(&table, &id(2)));
        inner.commit(|tran| tran.insert(&table, row(5, "new")));
    });
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.left_out, report.in_flight), (Verdict::Equal, 3, 3));
    rig.query("UPDATE public.v SET name = 'x' WHERE id = 3").await;
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.left_out, report.different), (Verdict::Different, 3, 1));
    // With keys in flight that may keep large values, an equal rest does not clear the mark.
    rig.query("UPDATE public.v SET name = 'c' WHERE id = 3").await;
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.diverged), (Verdict::Equal, true));
    rig.sync(&table).await;
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.left_out, report.diverged), (Verdict::Equal, 0, false));
}

/// Left out is not on its way where the load cannot succeed.
#[tokio::test(flavor = "multi_thread")]
async fn keys_whose_load_failed_are_told() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    rig.query("ALTER TABLE public.v ALTER COLUMN name TYPE VARCHAR(10)").await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(2, "fifteen bytes!!"))));
    rig.extract(&table).await;
    let notes = verify(&rig, &table).await.notes.join("; ");
    assert!(!notes.contains("retry"), "{notes}");
    let refused = fault(rig.engine().load(one(&table)).await);
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.left_out), (Verdict::Equal, 1));
    let notes = report.notes.join("; ");
    assert!(notes.contains(&format!("ended with {}", refused.code())) && notes.contains("retry --table 'dbo.v'"), "{notes}");
}

/// The scan sees commits before capture does: without a sign that capture has passed its time, a
/// difference is not believed and nothing is noted.
#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_capture_decides_nothing() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    rig.source.with(|inner| {
        let key = inner.get(&table).instance.shape.key_identity(&id(1));
        inner.get(&table).rows.insert(key, row(1, "committed, not captured"));
    });
    let options = VerifyOptions { settle: Duration::ZERO, ..quick() };
    let report = rig.engine().verify(&table, &options).await.unwrap();
    assert_eq!((report.verdict, report.diverged), (Verdict::Unsettled, false));
    assert_eq!(diverged(&rig, &table).await, None);
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Different, "capture passed, and there is no change row");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_values_are_shown_only_on_request() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["card-4711", "b"]).await;
    rig.query("UPDATE public.v SET name = 'card-4712' WHERE id = 1").await;
    let hidden = serde_json::to_string(&verify(&rig, &table).await).unwrap();
    assert!(!hidden.contains("card-471"), "{hidden}");
    let report = verify_with(&rig, &table, &VerifyOptions { show_keys: true, ..quick() }).await;
    let key = &report.keys[0];
    assert_eq!((key.what, key.key.clone(), key.columns.clone()), (Wrong::Different, vec![Some("1".to_owned())], vec!["Name".to_owned()]));
    assert!(key.source.is_none() && key.production.is_none());
    let report = verify_with(&rig, &table, &VerifyOptions { show_values: true, ..quick() }).await;
    let name = |row: &Option<Vec<Option<String>>>| row.as_ref().unwrap()[1].clone().unwrap();
    assert_eq!((name(&report.keys[0].source), name(&report.keys[0].production)), ("card-4711".into(), "card-4712".into()));
}

/// Rows that an operator trusted count as diverged until a verify finds them equal (R2).
#[tokio::test(flavor = "multi_thread")]
async fn trusted_rows_are_proved() {
    let rig = Rig::start().await;
    let table = table(&rig);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a"))));
    prepare(&rig, &table).await;
    rig.load(&table).await;
    let options = PrepareOptions { mode: OpenMode::Start, trusted: true, new_epoch: true, replace: false };
    done(rig.engine().prepare(one(&table), options).await);
    rig.load(&table).await;
    let trusted = diverged(&rig, &table).await.unwrap();
    // A difference does not take that reason away, and is told once.
    rig.query("UPDATE public.v SET name = 'x' WHERE id = 1").await;
    for _ in 0..2 {
        assert_eq!(verify(&rig, &table).await.verdict, Verdict::Different);
        let found = "verify found 0 missing, 0 extra, 0 duplicate and 1 different rows";
        assert_eq!(diverged(&rig, &table).await, Some(format!("{trusted}; {found}")));
    }
    rig.query("UPDATE public.v SET name = 'a' WHERE id = 1").await;
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal);
    assert_eq!(diverged(&rig, &table).await, None);
}

/// A production that was dropped and made again stops every load until a verify proves it (L1).
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_production_is_taken_again_once_it_is_equal() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b"]).await;
    rig.query("CREATE TABLE public.w (LIKE public.v)").await;
    rig.query("INSERT INTO public.w SELECT * FROM public.v").await;
    rig.query("DROP TABLE public.v").await;
    rig.query("ALTER TABLE public.w RENAME TO v").await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(3, "c"))));
    rig.extract(&table).await;
    assert!(fault(rig.engine().load(one(&table)).await).is(&sync::DIVERGED));
    rig.query("UPDATE public.v SET name = 'x' WHERE id = 1").await;
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Different);
    assert!(fault(rig.engine().load(one(&table)).await).is(&sync::DIVERGED));
    rig.query("UPDATE public.v SET name = 'a' WHERE id = 1").await;
    // The key in flight was not compared, but it is an insert: production had no row of it.
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.left_out), (Verdict::Equal, 1));
    assert!(report.diverged, "large values may be kept");
    rig.source.with(|inner| inner.commit(|tran| tran.delete(&table, &id(3))));
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.left_out, report.diverged), (Verdict::Equal, 0, false));
    rig.sync(&table).await;
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal);
}

/// Two rows of the source that are one to the target can be held by one row only.
#[tokio::test(flavor = "multi_thread")]
async fn two_source_rows_of_one_target_key_are_a_difference() {
    let rig = Rig::start().await;
    let columns = vec![column("id", 1, SqlType::DateTimeOffset { scale: 6 }, Some(1)), column("n", 2, SqlType::Int, None)];
    let table = rig.source.table("z", columns);
    let instant = |offset| vec![Value::TimestampTz { days: 730_119, ticks: 0, offset_minutes: offset }, Value::Int(1)];
    rig.source.with(|inner| {
        inner.commit(|tran| tran.insert(&table, instant(0)));
        inner.commit(|tran| tran.insert(&table, instant(60)));
    });
    prepare(&rig, &table).await;
    rig.load(&table).await;
    rig.query("TRUNCATE public.z").await;
    rig.query("INSERT INTO public.z (id, n) VALUES ('2000-01-01 00:00:00+00', 1)").await;
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.source_rows), (Verdict::Different, 2));
}

/// A production that was replaced and that nobody has noticed yet: what a change on its way leaves alone
/// would be filled from it. It is taken, but under a mark that the next verify takes away.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_production_is_marked_while_keys_that_differ_are_in_flight() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a", "b"]).await;
    // Past the overlap of the snapshot, within which such values are read anew.
    rig.source.with(|inner| inner.clock = inner.clock.checked_add(jiff::ToSpan::hours(5)).unwrap());
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(3, "c"))));
    rig.sync(&table).await;
    rig.query("CREATE TABLE public.w (LIKE public.v)").await;
    rig.query("INSERT INTO public.w SELECT * FROM public.v").await;
    rig.query("DROP TABLE public.v").await;
    rig.query("ALTER TABLE public.w RENAME TO v").await;
    rig.query("UPDATE public.v SET note = 'of yesterday' WHERE id = 1").await;
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(1), &[(1, text("later"))])));
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.left_out, report.diverged), (Verdict::Equal, 1, true), "{:?}", report.notes);
    assert_eq!(diverged(&rig, &table).await.unwrap(), "verify found 1 different key in flight");
    // Loads go on, and what they could not mend is found.
    rig.sync(&table).await;
    let report = verify(&rig, &table).await;
    assert_eq!((report.verdict, report.different, report.diverged), (Verdict::Different, 1, true));
    rig.query("UPDATE public.v SET note = (SELECT note FROM public.v WHERE id = 2) WHERE id = 1").await;
    assert_eq!(verify(&rig, &table).await.verdict, Verdict::Equal);
    assert_eq!(diverged(&rig, &table).await, None);
}

/// The finding is noted only where state stands as it was read.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_moved_takes_no_finding() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    let target = rig.target();
    let state = target.state(&table).await.unwrap().unwrap();
    let seen = Verified { epoch: 1, applied_seq: 0, fence: state.fence, production_oid: state.production_oid };
    let different = Finding::Different("x".into());
    let mut loader = target.loader(&table).await.unwrap();
    loader.raise_fence(&state.identity).await.unwrap();
    assert!(loader.note_verified(&state.identity, seen, &different).await.unwrap_err().is(&rs::STATE_MOVED));
    assert_eq!(diverged(&rig, &table).await, None);
    let seen = Verified { fence: state.fence + 1, ..seen };
    let other = Verified { production_oid: seen.production_oid + 1, ..seen };
    assert!(loader.note_verified(&state.identity, other, &Finding::Equal).await.unwrap_err().is(&sync::DIVERGED));
    loader.note_verified(&state.identity, seen, &different).await.unwrap();
    assert_eq!(diverged(&rig, &table).await.as_deref(), Some("x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_and_a_table_that_was_never_loaded_are_faults() {
    let rig = Rig::start().await;
    let table = table(&rig);
    assert!(rig.engine().verify(&table, &quick()).await.unwrap_err().is(&sync::NOT_PREPARED));
    rig.source.with(|inner| {
        inner.commit(|tran| tran.insert(&table, vec![Value::Int(1); 1].into_iter().chain(row(1, "a").into_iter().skip(1)).collect()))
    });
    prepare(&rig, &table).await;
    rig.load(&table).await;
    rig.query("DELETE FROM public.v").await;
    rig.source.with(|inner| {
        inner.idle();
        inner.idle();
        let max = inner.max();
        inner.get(&table).min = max;
    });
    assert!(rig.engine().verify(&table, &quick()).await.unwrap_err().is(&sync::GAP));
}
