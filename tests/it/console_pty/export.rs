//! What leaves the console: files, the clipboard, a pager, an incident bundle.

use std::time::Duration;

use serde_json::{Value, json};
use termlens::Key;

use super::Place;
use crate::cli::documents::errors;

fn read(file: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_written_copied_paged_and_bundled() {
    let place = Place::failed().await;
    let paged = place.home.path().join("paged.txt");
    // As less does, it takes its keys from the terminal.
    let keyed = place.home.path().join("keyed.txt");
    let program = format!(
        "trap 'echo heard' INT; cat > '{}'; echo PAGING; until read -r line < /dev/tty; do :; done; echo \"$line\" > '{}'",
        paged.display(),
        keyed.display()
    );
    let terminal = place.terminal().env("PAGER", program);
    let mut console = place.open_in(terminal, &[]);
    console.line(&["FAILED", "dbo.Buyer"]);
    let files = || {
        let names = std::fs::read_dir(place.home.path()).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let one = |ending: &str| {
        let found: Vec<_> = files().into_iter().filter(|path| path.to_string_lossy().ends_with(ending)).collect();
        assert_eq!(found.len(), 1, "{ending}: {found:?}");
        found[0].clone()
    };

    console.press(Key::Char('w')).see("Write the view");
    console.press(Key::Enter);
    console.see("written: ");
    let csv = std::fs::read_to_string(one(".csv")).unwrap();
    assert!(csv.starts_with("state,table,") && csv.contains("FAILED,dbo.Buyer,"), "{csv}");
    console.press(Key::Char('w')).see("Write the view");
    console.press(Key::Down).press(Key::Enter);
    console.until("the second file", |_| files().iter().any(|path| path.to_string_lossy().ends_with(".json")));
    let list = read(&one(".json"));
    let at = list["columns"].as_array().unwrap().iter().position(|column| column == "table").unwrap();
    let cells = list["rows"].as_array().unwrap();
    assert_eq!((cells.len(), cells[0][at].as_str()), (3, Some("dbo.Buyer")), "{list}");
    assert_eq!((&list["schema"], &list["view"], &list["page"]), (&json!("export/1"), &json!("Tables"), &json!(null)), "{list}");
    std::fs::remove_file(one(".json")).unwrap();

    // The clipboard, by OSC 52.
    console.press(Key::Char('y')).see("Copy");
    console.press(Key::Enter);
    let screen = console.see("copied");
    assert_eq!(screen.clipboard().and_then(termlens::Clipboard::text), Some("dbo.Buyer"));
    console.press(Key::Char('y')).see("Copy");
    console.press(Key::Down).press(Key::Enter);
    console.until("the fault", |screen| {
        screen.clipboard().and_then(termlens::Clipboard::text).is_some_and(|text| text.starts_with("RS-028") && text.contains("limit"))
    });

    // The page in a pager, and the console after it.
    console.press(Key::Char('e')).see("What it means");
    console.press(Key::Char('o'));
    console.see("PAGING");
    // Ctrl-C goes to all who have the terminal. It means the pager, however often.
    for times in 1..=2 {
        let heard = |screen: &termlens::Screen| screen.text().matches("heard").count() >= times;
        // A shell that gets one right before it reads says so only with the next.
        for _ in 0..20 {
            console.press(Key::Ctrl('c'));
            if console.0.wait_until_for(heard, Duration::from_secs(3)).is_ok() {
                break;
            }
        }
        console.until("Ctrl-C heard", heard);
    }
    console.type_in("hello qqq").press(Key::Enter);
    console.until("the console again", |screen| screen.alternate_screen() && screen.contains("What it means"));
    assert_eq!(std::fs::read_to_string(&keyed).unwrap(), "hello qqq\n", "the keys were the pager's");
    console.press(Key::Char('w')).see("Write the view");
    console.press(Key::Down).press(Key::Enter);
    console.until("the page's file", |_| files().iter().any(|path| path.to_string_lossy().ends_with(".json")));
    let page = read(&one(".json"));
    assert!(page["page"].as_str().is_some_and(|title| title.starts_with("RS-028")) && page["rows"].as_array().is_some(), "{page}");
    let found = errors(&[list, page]);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let text = std::fs::read_to_string(&paged).unwrap();
    assert!(!text.contains('\u{1b}') && text.contains("RS-028"), "{text}");
    console.press(Key::Esc).gone("What it means");

    console.command("bundle");
    console.see("incident bundle: ");
    let bundle = std::fs::read(one(".tar.gz")).unwrap();
    assert!(bundle.starts_with(&[0x1f, 0x8b]));
    console.quit();
}
