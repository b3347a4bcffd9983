//! The first paint, the order of the list, the filter, and sheets that are not confirmed.

use termlens::Key;

use super::Place;
use super::place::line_with;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_paints_before_any_answer_and_lists_by_trouble() {
    let mut place = Place::failed().await;
    place.change("INSERT INTO dbo.Tea VALUES (3, N'Gyokuro')");
    // Nothing is answered: what is seen was painted without asking anybody.
    let held = place.pipeline.lab.s3.faults().add(db_to_redshift::lab::s3::Rule::new(db_to_redshift::lab::s3::Effect::Hold).times(10_000));
    let mut console = place.begin(place.terminal(), &[]);
    let first = console.until("the first paint", |screen| screen.contains("connecting") && screen.contains("q quit"));
    assert!(first.contains("1 Tables") && first.contains("6 Setup") && first.alternate_screen() && !first.cursor_visible(), "{first}");
    console.see(" LAB ");
    held.release();
    place.pipeline.lab.s3.faults().clear();
    let screen = console.see_all(&["FAILED", "behind", " ok"]);
    let order = ["dbo.Buyer", "dbo.Tea", "dbo.Sale"].map(|name| line_with(&screen, &[name]).unwrap());
    assert!(order.is_sorted(), "failed, behind, ok:\n{screen}");
    assert!(screen.row_text(0).contains("127.0.0.1") && screen.row_text(0).contains("WRITE"), "{screen}");
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_filter_counts_and_esc_clears_it() {
    let place = Place::loaded().await;
    let mut console = place.open(&[]);
    console.see_all(&["dbo.Buyer", "dbo.Sale", "dbo.Tea"]);
    console.press(Key::Char('/'));
    console.type_in("te");
    let screen = console.see("1/3");
    assert!(screen.contains("dbo.Tea") && !screen.contains("dbo.Sale"), "{screen}");
    console.press(Key::Enter);
    console.gone("Esc clear");
    assert!(console.text().contains("1/3"), "it stays visible");
    console.press(Key::Esc);
    console.see("dbo.Sale");
    assert!(!console.text().contains("1/3"));
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sheet_tells_everything_and_only_y_runs_it() {
    let mut place = Place::loaded().await;
    place.change("INSERT INTO dbo.Tea VALUES (3, N'Gyokuro'), (4, N'Kukicha')");
    let extracted = place.program(&["extract", "--table", "dbo.Tea"]).await;
    assert!(extracted["tables"][0]["fault"].is_null(), "{extracted}");
    let (keys, teas) = (place.keys(), place.redshift("SELECT count(*) FROM public.tea").await);
    let mut console = place.open(&[]);
    console.line(&["pending", "dbo.Tea"]);
    for cancel in [Key::Char('n'), Key::Esc] {
        console.press(Key::Char('L'));
        let screen = console.see("y runs it");
        let target = "\"public\".\"tea\"";
        for text in ["dbo.Tea", "2 rows", "1 file", " B", "LSN", target, "COPY", "DELETE", "INSERT", "LAB"] {
            assert!(screen.contains(text), "the sheet does not tell {text:?}\n{screen}");
        }
        // Enter does nothing; the key after it shows that it was read.
        console.press(Key::Enter).press(Key::Char('c'));
        console.see("copied");
        assert!(console.text().contains("y runs it"));
        console.press(cancel);
        console.gone("y runs it");
    }
    console.press(Key::Char('5'));
    console.see("WHAT HAPPENED HERE");
    assert!(!console.text().contains("Load: dbo.Tea"), "{}", console.text());
    console.quit();
    assert_eq!((place.keys(), place.redshift("SELECT count(*) FROM public.tea").await), (keys, teas));
}
