//! The pictures of the README, drawn by the real views.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anstyle_svg::Term;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use super::driver::{Console, lines};
use super::snapshots::{running, widen};

/// The scenes: each shows one thing that the console is for.
fn scenes() -> BTreeMap<&'static str, Console> {
    let made = |table: &str, keys: &str| {
        let mut console = Console::new(120, 34);
        if !table.is_empty() {
            console.go(table);
        }
        console.press(keys);
        console
    };
    vec![
        ("tables", made("", "")),
        ("fault", made("dbo.Letter", "e")),
        ("widen", widen(120, 34)),
        ("files", made("dbo.Letter", "enter tab tab")),
        ("setup", made("", "6 j j j")),
        ("running", running(120, 34)),
        ("help", made("", "?")),
    ]
    .into_iter()
    .collect()
}

/// Run with `D2R_WRITE_SCREENS=1` to write the pictures anew, after a view was changed.
#[test]
fn the_pictures_of_the_repository_are_those_of_the_views() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/screens");
    let files: BTreeMap<PathBuf, String> =
        scenes().into_iter().map(|(name, console)| (folder.join(format!("{name}.svg")), svg(&console.draw()))).collect();
    if std::env::var_os("D2R_WRITE_SCREENS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (path, text) in &files {
            std::fs::write(path, text).unwrap();
        }
    }
    let there: BTreeSet<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(there, files.keys().cloned().collect(), "one file a scene, and no other");
    let stale: Vec<_> =
        files.iter().filter(|(path, text)| std::fs::read_to_string(path).unwrap() != **text).map(|(path, _)| path).collect();
    assert!(stale.is_empty(), "these are out of date: {stale:#?}\nD2R_WRITE_SCREENS=1 cargo test --test it pictures");
}

fn svg(buffer: &Buffer) -> String {
    Term::new().render_svg(&ansi(buffer))
}

/// A frame as a terminal would get it.
fn ansi(buffer: &Buffer) -> String {
    let mut out = String::new();
    for line in lines(buffer) {
        for (text, style) in line {
            let _ = write!(out, "\x1b[0{}m{text}", codes(style));
        }
        out.push_str("\x1b[0m\n");
    }
    out
}

fn codes(style: Style) -> String {
    let mut codes = String::new();
    for (modifier, code) in [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::UNDERLINED, 4), (Modifier::REVERSED, 7)] {
        if style.add_modifier.contains(modifier) {
            let _ = write!(codes, ";{code}");
        }
    }
    if let Some(code) = style.fg.and_then(code) {
        let _ = write!(codes, ";{code}");
    }
    codes
}

/// The code of a foreground colour; the themes know no others.
fn code(color: Color) -> Option<u8> {
    Some(match color {
        Color::Reset => return None,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Cyan => 36,
        Color::DarkGray => 90,
        Color::LightRed => 91,
        Color::LightBlue => 94,
        other => panic!("the dark theme has no {other}"),
    })
}
