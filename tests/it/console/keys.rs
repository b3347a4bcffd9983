//! One list of keys: help, footer, palette, menu and the page in the repository say the same.

use std::collections::BTreeMap;
use std::path::Path;

use db_to_redshift::console::action::{ACTIONS, Action};
use db_to_redshift::console::keymap::Keymap;
use db_to_redshift::console::state::Options;
use db_to_redshift::console::state::overlay::Overlay;

use super::answers::World;
use super::driver::Console;

/// Run with `D2R_WRITE_SCREENS=1` to write the page anew, after an action or key was changed.
#[test]
fn the_page_of_keys_is_that_of_the_keymap() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/keys.md");
    let page = format!(
        "# Keys of the console\n\n\
         Written by `D2R_WRITE_SCREENS=1 cargo test --test it page_of_keys`. Keys are changed under `[console.keys]`: \
         `name = [\"key\", ...]`. What has no key of its own is found with `:` and `a`.\n\n{}",
        Keymap::default().markdown().trim_end().to_owned() + "\n"
    );
    if std::env::var_os("D2R_WRITE_SCREENS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "assets/keys.md is out of date: D2R_WRITE_SCREENS=1 cargo test --test it page_of_keys");
}

fn remapped() -> Console {
    let change = |name: &str, keys: &[&str]| (name.to_owned(), keys.iter().map(|key| (*key).to_owned()).collect());
    let changes: BTreeMap<String, Vec<String>> = [
        change("extract", &["f5"]),
        change("both", &["ctrl-b", "F7"]),
        change("load", &[]),
        change("quit", &["Q"]),
        change("help", &["H"]),
    ]
    .into();
    let (keymap, problems) = Keymap::with(&changes);
    assert!(problems.is_empty(), "{problems:?}");
    Console::with(World::default(), Options { profile: "stage".into(), keymap, ..Options::default() }, 160, 60)
}

#[test]
fn after_a_remap_everything_names_the_new_keys() {
    let mut console = remapped();
    // The cursor leaves the failed tables, so that the footer has room.
    console.go("dbo.Branch");
    let footer = console.text().lines().last().unwrap().to_owned();
    assert!(footer.contains("f5 extract") && footer.contains("ctrl-b both") && footer.contains("H help"), "{footer}");
    assert!(footer.contains("Q quit") && !footer.contains(" load"), "an action without a key has no hint: {footer}");

    console.press("H");
    assert!(matches!(console.state.overlay, Some(Overlay::Help { .. })));
    let help = console.text();
    let line = |of: &str, text: &str| text.lines().find(|line| line.contains(of)).unwrap_or_else(|| panic!("{of}\n{text}")).to_owned();
    assert!(line("new changes from SQL Server", &help).contains("f5 "), "{help}");
    assert!(line("load what waits, extract", &help).contains("ctrl-b f7 "), "{help}");
    assert!(line("from S3 into Redshift", &help).contains(": load "), "the way without a key: {help}");

    console.press("esc :").write("extract");
    let palette = console.text();
    assert!(line("extract  extract: new changes", &palette).contains(" f5"), "{palette}");

    console.press("esc a");
    let menu = console.text();
    assert!(line("new changes from SQL Server", &menu).contains(" f5"), "{menu}");
    assert!(line("load what waits, extract", &menu).contains(" ctrl-b"), "{menu}");
}

#[test]
fn after_a_remap_the_old_keys_do_nothing() {
    let mut console = remapped();
    console.press("E L B q ?");
    assert!(console.state.overlay.is_none() && console.runs().is_empty());
    console.send(db_to_redshift::console::msg::Msg::Key(crossterm::event::KeyEvent::new(
        crossterm::event::KeyCode::F(5),
        crossterm::event::KeyModifiers::NONE,
    )));
    assert!(matches!(&console.state.overlay, Some(Overlay::Sheet(sheet)) if sheet.order.command() == "extract"));
}

/// Every action can be found by its name, and with `Enter` does what its key does.
#[test]
fn the_palette_knows_every_action() {
    for info in ACTIONS {
        let mut console = Console::new(120, 40);
        console.press(":").write(info.name);
        let Some(Overlay::Pick(pick)) = &console.state.overlay else { panic!("no palette") };
        let first = &pick.lines[pick.cursor];
        assert_eq!(first.pick, db_to_redshift::console::state::overlay::Picked::Action(info.action), "{}: {}", info.name, first.text);
    }
}

/// The help is as long as it is: its last line can be reached and read.
#[test]
fn help_scrolls_to_its_end_and_back() {
    let mut console = Console::new(80, 24);
    console.press("?");
    for _ in 0..400 {
        console.press("down");
    }
    assert!(console.text().contains(Action::Quit.info().help), "{}", console.text());
    let end = console.text();
    console.press("up");
    assert_ne!(console.text(), end, "the first key back moves at once");
}
