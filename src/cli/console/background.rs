//! The theme that fits the terminal's background. Whoever types meanwhile loses no key.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use terminal_colorsaurus::{Error, QueryOptions, ThemeMode, theme_mode};

use crate::console::run::Input;
use crate::console::theme::ThemeName;

/// How long a terminal may take to tell the colour of its background: one that comes later would be
/// taken for keys. Who cannot tell it says so at once, but for the few that answer nothing at all.
const ANSWER: Duration = Duration::from_secs(1);
/// How often it is asked while keys come in between.
const ASKED: usize = 3;

/// Asks the terminal, before anything else is read from it. Keys that were typed before its answer
/// come with it and spoil it: they are kept, and it is asked again.
pub fn theme() -> (ThemeName, Vec<Input>) {
    let mut early = Vec::new();
    for _ in 0..ASKED {
        let mut options = QueryOptions::default();
        options.timeout = ANSWER;
        match theme_mode(options) {
            Ok(ThemeMode::Light) => return (ThemeName::Light, early),
            Err(Error::Parse(read)) => early.extend(keys(&read)),
            _ => break,
        }
    }
    (ThemeName::Dark, early)
}

/// The keys before an answer, which begins with an escape.
fn keys(read: &[u8]) -> Vec<Input> {
    let typed = read.split(|byte| *byte == 0x1b).next().unwrap_or_default();
    String::from_utf8_lossy(typed).chars().filter_map(key).map(|key| Input::Event(Event::Key(key))).collect()
}

fn key(c: char) -> Option<KeyEvent> {
    let plain = |code| Some(KeyEvent::new(code, KeyModifiers::NONE));
    match c {
        '\r' | '\n' => plain(KeyCode::Enter),
        '\t' => plain(KeyCode::Tab),
        '\x7f' | '\x08' => plain(KeyCode::Backspace),
        // Ctrl with a letter.
        '\x01'..='\x1a' => {
            let letter = char::from_u32(u32::from(c) + 0x60)?;
            Some(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
        }
        c if c.is_control() => None,
        c if c.is_uppercase() => Some(KeyEvent::new(KeyCode::Char(c), KeyModifiers::SHIFT)),
        c => plain(KeyCode::Char(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_before_an_answer_are_kept() {
        let read = b"/te\rE\x03\xc3\xa4\x1b]10;rgb:0000/0000/0000\x1b\\";
        let seen: Vec<(KeyCode, KeyModifiers)> = keys(read)
            .into_iter()
            .map(|input| match input {
                Input::Event(Event::Key(key)) => (key.code, key.modifiers),
                other => panic!("{other:?}"),
            })
            .collect();
        let plain = |code| (code, KeyModifiers::NONE);
        let wanted = [
            plain(KeyCode::Char('/')),
            plain(KeyCode::Char('t')),
            plain(KeyCode::Char('e')),
            plain(KeyCode::Enter),
            (KeyCode::Char('E'), KeyModifiers::SHIFT),
            (KeyCode::Char('c'), KeyModifiers::CONTROL),
            plain(KeyCode::Char('ä')),
        ];
        assert_eq!(seen, wanted);
        assert!(keys(b"\x1b]10;rgb:0000/0000/0000\x07").is_empty());
    }
}
