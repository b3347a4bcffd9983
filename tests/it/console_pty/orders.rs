//! Orders that run: both on one table and on marked ones, retry, and the way out of a failure.

use termlens::Key;

use super::Place;
use super::place::{TOO_LONG, footer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_runs_for_one_table_and_for_marked_ones() {
    let mut place = Place::loaded().await;
    place.change("INSERT INTO dbo.Tea VALUES (3, N'Gyokuro')");
    let mut console = place.open(&[]);
    console.line(&["behind", "dbo.Tea"]);
    console.hinted(Key::Char('B'), "B both");
    console.see("y runs it");
    console.press(Key::Char('y'));
    // The line of the job, then how it ended.
    console.line(&["Extract and load", "dbo.Tea", "done"]);
    console.line(&["ok", "dbo.Tea"]);
    place.equal(&["Tea"]).await;

    place.change("INSERT INTO dbo.Tea VALUES (4, N'Kukicha'); INSERT INTO dbo.Sale VALUES (4, 2, 75)");
    console.press(Key::Ctrl('r'));
    console.line(&["behind", "dbo.Sale"]);
    console.line(&["behind", "dbo.Tea"]);
    console.press(Key::Char('*'));
    console.see("3 marked");
    console.press(Key::Char('B'));
    let sheet = console.see("y runs it");
    for name in ["dbo.Buyer", "dbo.Sale", "dbo.Tea"] {
        assert!(sheet.contains(&format!("table      {name}")), "{sheet}");
    }
    console.press(Key::Char('y'));
    console.line(&["Extract and load", "3 tables", "done"]);
    // Every row has its result.
    for name in ["dbo.Buyer", "dbo.Sale", "dbo.Tea"] {
        console.until(name, |screen| {
            (0..screen.rows()).any(|row| {
                let line = screen.row_text(row);
                line.contains(name) && (line.contains("done") || line.contains("nothing to do"))
            })
        });
    }
    place.equal(&["Buyer", "Sale", "Tea"]).await;
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_three_keys_from_its_page_and_five_from_its_repair() {
    let mut place = Place::failed().await;
    let mut console = place.open(&[]);
    // The cursor stands on what failed: the list begins with it.
    console.line(&["FAILED", "dbo.Buyer"]);
    console.hinted(Key::Char('e'), "e fault");
    // The first thing to do is a key away.
    console.line(&["1. ", "widen", "'Phone'", "(Enter)"]);
    console.see_all(&["What it means", "What to do", "Evidence"]);
    console.hinted(Key::Enter, "enter open");
    console.see_all(&["Widen a column", "y runs it"]);
    console.hinted(Key::Char('y'), "y run");
    // Three keys.
    console.line(&["Widen a column", "dbo.Buyer", "done"]);
    console.see("solved");
    place.equal(&["Buyer"]).await;
    console.press(Key::Esc);
    console.line(&["ok", "dbo.Buyer"]);
    console.quit();
}

/// Staging took the row, so Redshift notes nothing: the page leads to the row in its file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_row_that_production_refused_is_shown_on_request() {
    let place = Place::failed().await;
    let mut console = place.open(&[]);
    console.line(&["FAILED", "dbo.Buyer"]);
    console.hinted(Key::Char('e'), "e fault");
    console.see("THE ROW");
    for _ in 0..8 {
        console.press(Key::Char('j'));
    }
    console.press(Key::Enter);
    let page = console.see_all(&["values are hidden", "Phone"]);
    assert!(!page.contains("555 0100"), "{page}");
    console.hinted(Key::Char('x'), "x values");
    console.see("555 0100");
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_errors_show_where_and_the_value_only_on_request() {
    let place = Place::refused().await;
    let mut console = place.open(&[]);
    console.line(&["FAILED", "dbo.Buyer"]);
    console.hinted(Key::Char('e'), "e fault");
    console.see("WHAT REDSHIFT NOTED");
    // Down to the last thing that can be opened.
    for _ in 0..8 {
        console.press(Key::Char('j'));
    }
    console.press(Key::Enter);
    let page = console.see_all(&["Load errors", "values are hidden"]);
    for text in ["s3://", "line", "position", "phone", "1204", "varchar"] {
        assert!(page.text().to_lowercase().contains(text), "the page does not tell {text:?}\n{page}");
    }
    assert!(!page.contains("555 0100"), "{page}");
    console.hinted(Key::Char('x'), "x values");
    console.see("030 555 0100 ext 2045");
    console.press(Key::Char('x'));
    console.gone("555 0100");
    console.press(Key::Esc);
    console.see("WHAT REDSHIFT NOTED");
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_runs_at_once_and_asks_in_a_protected_profile() {
    let mut place = Place::failed().await;
    place.configure("[profile.live]\nprotected = true");
    // The cause is gone: what is left is to try again.
    place.redshift("ALTER TABLE public.buyer ALTER COLUMN phone TYPE VARCHAR(40)").await;
    let mut console = place.open(&["--profile", "live"]);
    console.line(&["FAILED", "dbo.Buyer"]);
    console.press(Key::Char('W')).see("type the profile's name");
    console.type_in("live").press(Key::Enter);
    console.see("WRITE 14:");
    console.press(Key::Char('R'));
    console.see_all(&["Retry the failed step in PROD live", "y runs it"]);
    console.press(Key::Char('n'));
    console.gone("y runs it");
    console.quit();

    let mut console = place.open(&[]);
    console.line(&["FAILED", "dbo.Buyer"]);
    console.hinted(Key::Char('R'), "R retry");
    let screen = console.line(&["Retry the failed step", "dbo.Buyer", "done"]);
    assert!(!footer(&screen).contains("y run"), "{screen}");
    place.equal(&["Buyer"]).await;
    // What went well is not failed any more.
    console.line(&["ok", "dbo.Buyer"]);
    place.change(TOO_LONG);
    console.quit();
}
