//! How it looks on other terminals: no colour, ASCII, small, none at all; and the mouse.

use std::process::Stdio;

use termlens::{Color, Key, MouseMode, Screen};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::Place;
use super::place::line_with;

fn coloured(screen: &Screen) -> Option<(u16, u16)> {
    screen.find_by(|cell| cell.style().fg != Color::Default || cell.style().bg != Color::Default)
}

fn reversed(screen: &Screen, row: u16) -> bool {
    (0..screen.cols()).any(|col| screen.cell(row, col).is_some_and(|cell| cell.style().reverse))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_color_and_mono_have_no_colour_but_the_cursor_is_seen() {
    let place = Place::failed().await;
    let no_color = place.open_in(place.terminal().env("NO_COLOR", "1"), &[]);
    let mono = place.open(&["console", "--theme", "mono"]);
    for mut console in [no_color, mono] {
        let screen = console.line(&["FAILED", "dbo.Buyer"]);
        assert_eq!(coloured(&screen), None, "{}", screen.with_styles());
        let (buyer, tea) = (line_with(&screen, &["FAILED", "dbo.Buyer"]).unwrap(), line_with(&screen, &["ok", "dbo.Tea"]).unwrap());
        assert!(reversed(&screen, buyer) && !reversed(&screen, tea), "{}", screen.with_styles());
        console.press(Key::Char('e'));
        let screen = console.see("What it means");
        assert_eq!(coloured(&screen), None, "{}", screen.with_styles());
        console.quit();
    }
    // With colours the test would see them.
    let mut console = place.open(&[]);
    let screen = console.line(&["FAILED", "dbo.Buyer"]);
    assert!(coloured(&screen).is_some());
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ascii_is_ascii_on_every_screen() {
    let place = Place::failed().await;
    let mut console = place.open(&["console", "--ascii", "--no-motion"]);
    let mut seen = vec![console.line(&["FAILED", "dbo.Buyer"])];
    console.press(Key::Char('e'));
    seen.push(console.see("What it means"));
    console.press(Key::Enter);
    seen.push(console.see("y runs it"));
    console.press(Key::Esc).gone("y runs it");
    console.press(Key::Esc).gone("What it means");
    console.press(Key::Char('?'));
    seen.push(console.see("Help"));
    console.press(Key::Esc).gone("Help");
    console.press(Key::Char('/')).type_in("buy");
    seen.push(console.see("1/3"));
    console.press(Key::Esc).gone("1/3");
    for view in ['2', '3', '4', '5', '6'] {
        console.press(Key::Char(view));
        seen.push(console.until("a view", |screen| !screen.contains("asking")));
    }
    for screen in seen {
        let text = screen.text();
        let strange: String = text.chars().filter(|c| !c.is_ascii()).collect();
        assert!(strange.is_empty(), "{strange:?}\n{screen}");
    }
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_follows_the_size_of_the_terminal() {
    let place = Place::failed().await;
    let mut console = place.open(&[]);
    console.line(&["FAILED", "dbo.Buyer"]);
    console.0.resize(60, 12).unwrap();
    console.until("the smallest form", |screen| {
        screen.cols() == 60 && line_with(screen, &["FAILED", "dbo.Buyer"]).is_some() && screen.row_text(11).contains("q quit")
    });
    console.0.resize(59, 11).unwrap();
    console.see_all(&["needs 60x12, is 59x11", "1 table"]);
    console.0.resize(20, 3).unwrap();
    console.until("something", |screen| screen.cols() == 20 && screen.contains("LAB"));
    console.0.resize(120, 32).unwrap();
    console.until("all of it", |screen| screen.row_text(31).contains("q quit") && line_with(screen, &["FAILED", "dbo.Buyer"]).is_some());
    console.quit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_prints_lines_and_changes() {
    let mut place = Place::loaded().await;
    let mut child = place.pipeline.program(&["console", "--plain"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut wait = async |text: &'static str| {
        loop {
            let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended before {text:?}"));
            assert!(!line.contains('\u{1b}'), "{line:?}");
            if line.contains(text) {
                return line;
            }
        }
    };
    let first = wait("dbo.Tea").await;
    assert!(first.contains("current"), "{first}");
    place.change("INSERT INTO dbo.Tea VALUES (3, N'Gyokuro')");
    wait("dbo.Tea: current, now behind").await;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_terminal_it_says_so() {
    let place = Place::captured().await;
    let ran = place.pipeline.program(&["console"]).output().await.unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let told = String::from_utf8_lossy(&ran.stderr).into_owned() + &String::from_utf8_lossy(&ran.stdout);
    assert!(told.contains("CFG-021") && told.contains("--plain") && !told.contains('\u{1b}'), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mouse_chooses_sorts_and_turns_pages() {
    let place = Place::failed().await;
    let mut console = place.open(&[]);
    let screen = console.line(&["FAILED", "dbo.Buyer"]);
    assert_ne!(screen.mouse_mode(), MouseMode::None);
    // A row: the first click goes there, the second opens it.
    let tea = line_with(&screen, &["ok", "dbo.Tea"]).unwrap();
    console.0.click(20, tea).unwrap();
    console.until("the cursor on dbo.Tea", |screen| reversed(screen, tea));
    console.0.click(20, tea).unwrap();
    let page = console.see_all(&["Overview", "Batch log", "The way of a commit"]);
    // A side of the table.
    let (row, col) = place_of(&page, "Columns");
    console.0.click(col, row).unwrap();
    console.see("IN PRODUCTION");
    let page = console.press(Key::Esc).gone("IN PRODUCTION");
    // A view.
    let (row, col) = place_of(&page, "4 Runs");
    console.0.click(col, row).unwrap();
    let page = console.see("OUTCOME");
    let (row, col) = place_of(&page, "1 Tables");
    console.0.click(col, row).unwrap();
    // A header sorts, once more reverses.
    let screen = console.line(&["STATE", "TABLE"]);
    let (row, col) = place_of(&screen, "TABLE");
    let order = |screen: &Screen| {
        let rows = [["FAILED", "dbo.Buyer"], ["ok", "dbo.Sale"], ["ok", "dbo.Tea"]].map(|row| line_with(screen, &row).unwrap_or(0));
        (rows[0] < rows[1] && rows[1] < rows[2], rows[0] > rows[1] && rows[1] > rows[2])
    };
    console.0.click(col, row).unwrap();
    console.until("by name", |screen| screen.contains("TABLE↓") && order(screen).0);
    console.0.click(col, row).unwrap();
    console.until("by name, reversed", |screen| screen.contains("TABLE↑") && order(screen).1);
    console.quit();
    let mut console = place.open(&["console", "--no-mouse"]);
    let screen = console.line(&["FAILED", "dbo.Buyer"]);
    assert_eq!(screen.mouse_mode(), MouseMode::None);
    console.quit();
}

fn place_of(screen: &Screen, text: &str) -> (u16, u16) {
    screen.find(text).unwrap_or_else(|| panic!("{text:?} is nowhere\n{screen}"))
}
