//! What is typed is seen while it is, and what is wider than the screen can be read.

use db_to_redshift::console::export;
use db_to_redshift::console::page::{Block, Grid, GridColumn, GridRow, Page};
use db_to_redshift::console::state::screen::{Loaded, PageScreen, Screen};
use ratatui::style::Modifier;

use super::driver::Console;

/// Where a character stands reversed in a line that begins (after its border) with `lead`.
fn cursor(console: &Console, lead: &str) -> Option<String> {
    let (buffer, text) = (console.draw(), console.text());
    let y = text.lines().position(|line| line.contains(lead)).unwrap_or_else(|| panic!("no {lead}\n{text}"));
    let y = u16::try_from(y).unwrap();
    (0..buffer.area.width)
        .map(|x| &buffer[(x, y)])
        .find(|cell| cell.modifier.contains(Modifier::REVERSED))
        .map(|cell| cell.symbol().to_owned())
}

#[test]
fn a_reason_is_told_no_keys_that_it_takes_itself() {
    for (width, height) in [(120, 40), (80, 24), (60, 15), (60, 12)] {
        let mut console = Console::new(width, height);
        console.go("dbo.Branch").press("P").write("closing");
        let text = console.text();
        assert!(!text.contains("y runs it") && text.contains("Enter: next; Esc cancels"), "{text}");
        console.write(", yes and no");
        assert!(console.text().contains("> closing, yes and no█"), "{}", console.text());
        console.press("enter");
        assert!(console.text().contains("y runs it, n or Esc cancels"), "{}", console.text());
    }
}

#[test]
fn a_long_input_is_seen_where_its_cursor_is() {
    let long = "the month-end closing of the subsidiary needs a table that stands still until the auditors are done";
    let mut console = Console::new(80, 24);
    console.go("dbo.Branch").press("P").write(long);
    assert!(console.text().contains("until the auditors are done█"), "{}", console.text());
    console.press("home");
    assert!(console.text().contains("> the month-end closing"), "{}", console.text());
    assert_eq!(cursor(&console, "> the month-end"), Some("t".into()));
    console.press("right right right right m");
    assert_eq!(cursor(&console, "> the mmonth-end"), Some("m".into()), "it is typed where the cursor is seen");

    // A name that is asked for after a long question.
    let mut console = Console::new(60, 15);
    console.go("crm.ContactConsentHistoryForMarketingAutomation").press(":").write("truncate-staging").press("enter");
    console.write("crm.ContactConsentHistoryForMarketingAutomatio");
    assert!(console.text().contains("MarketingAutomatio█"), "{}", console.text());

    // The palette and the prompts do the same.
    let mut console = Console::new(80, 24);
    console.press(":").write("extract").press("left left");
    assert_eq!(cursor(&console, ":extract"), Some("c".into()));
    console.press("esc").go("dbo.Branch").press("t").write("90017").press("home");
    assert_eq!(cursor(&console, "> 90017"), Some("9".into()));
}

#[test]
fn a_filter_that_is_typed_is_seen_at_its_cursor() {
    for width in [160, 80, 60] {
        let mut console = Console::new(width, 24);
        console.press("/").write("orders !archive");
        assert!(console.text().contains("/orders !archive█  "), "{}", console.text());
        let long = "schema:sales schema:dbo schema:crm lag>10m state:failed state:stuck";
        console.press("esc /").write(long);
        assert!(console.text().lines().nth(2).unwrap().contains("state:stuck█  "), "{}", console.text());
        console.press("home");
        let tabs = console.text().lines().nth(2).unwrap().to_owned();
        assert!(tabs.contains("/schema:sales"), "{tabs}");
    }
}

/// Twelve columns of long values, each with its own mark at its end.
fn wide() -> Page {
    let value = |row: usize, column: usize| format!("{}-end-{row}-{column}.", "v".repeat(30));
    let grid = Grid {
        columns: (0..12).map(|at| GridColumn::left(format!("Column{at}"))).collect(),
        rows: (0..2).map(|row| GridRow { cells: (0..12).map(|at| value(row, at)).collect(), ..GridRow::default() }).collect(),
        empty: String::new(),
    };
    Page { title: "Batch 7".into(), blocks: vec![Block::Grid(grid)], ..Page::default() }
}

#[test]
fn a_wide_grid_can_be_read_to_its_end_and_goes_out_whole() {
    let mut console = Console::new(80, 24);
    let page = PageScreen { page: Loaded::Ready(Box::new(wide())), ..PageScreen::default() };
    console.state.stack.push(Screen::Page(page));
    console.wait(1);
    assert!(console.text().contains("columns (right)"), "{}", console.text());
    let (mut seen, mut steps) = (console.text(), 0);
    while console.text().contains("(right)") {
        console.press("l");
        seen += &console.text();
        steps += 1;
        assert!(steps < 30, "{}", console.text());
    }
    assert!(console.text().contains("(left)"), "{}", console.text());
    let names: Vec<String> = (0..12).map(|at| format!("Column{at}")).collect();
    assert!(names.iter().all(|name| seen.contains(name.as_str())), "{seen}");
    for (row, column) in (0..2).flat_map(|row| (0..12).map(move |column| (row, column))) {
        assert!(seen.contains(&format!("-end-{row}-{column}.")), "{row}, {column}\n{seen}");
    }
    console.press("right");
    let end = console.text();
    for _ in 0..steps {
        console.press("h");
    }
    assert!(console.text().contains("Column0") && console.text() != end);
    assert!(!console.text().contains("(left)"), "{}", console.text());
    // For the pager and for copying nothing is cut.
    let whole = export::text(&console.state);
    for row in 0..2 {
        for column in 0..12 {
            assert!(whole.contains(&format!("-end-{row}-{column}.")), "{whole}");
        }
    }
    // A page that has the room shows all of it, wherever it was before.
    console.press("l l").resize(700, 24);
    assert!(!console.text().contains("(right)") && !console.text().contains("cut values"));
    assert!(console.text().contains("Column0") && console.text().contains("-end-1-11.") && !console.text().contains("(left)"));
}
