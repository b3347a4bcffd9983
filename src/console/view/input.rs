//! A line that is typed, scrolled so that its cursor is seen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use tui_input::Input;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::paint::put;

/// Columns that an input wants, its cursor included.
#[must_use]
pub fn width(input: &Input) -> u16 {
    u16::try_from(input.value().width() + 1).unwrap_or(u16::MAX)
}

/// Draws `lead` and the part of the input around its cursor into one line.
pub fn input(buf: &mut Buffer, area: Rect, lead: &str, input: &Input, style: Style) {
    let mut x = area.x;
    let mut add = |text: &str, style: Style| x += put(buf, x, area.y, area.right().saturating_sub(x), text, style);
    add(lead, style);
    let (value, room) = (input.value(), usize::from(area.width).saturating_sub(lead.width()));
    // Beside the cursor, which may stand on a wide character, `…` has room.
    let scroll = if value.width() < room { 0 } else { input.visual_scroll(room.saturating_sub(3)) };
    let (mut start, mut skipped) = (0, 0);
    for (at, c) in value.char_indices() {
        if skipped >= scroll {
            break;
        }
        skipped += c.width().unwrap_or(0);
        start = at + c.len_utf8();
    }
    let cursor = value.char_indices().nth(input.cursor()).map_or(value.len(), |(at, _)| at);
    let (before, rest) = value[start.min(cursor)..].split_at(cursor.saturating_sub(start));
    let end = rest.char_indices().skip(1).find(|(_, c)| c.width() != Some(0)).map_or(rest.len(), |(at, _)| at);
    let (under, after) = rest.split_at(end);
    if start > 0 {
        add("…", style);
    }
    add(before, style);
    if under.is_empty() {
        add("█", style);
    } else {
        add(under, style.add_modifier(Modifier::REVERSED));
    }
    add(after, style);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(value: &str, cursor: usize, width: u16) -> (String, Option<u16>) {
        let area = Rect::new(0, 0, width, 1);
        let mut buf = Buffer::empty(area);
        input(&mut buf, area, "> ", &Input::new(value.into()).with_cursor(cursor), Style::new());
        let reversed = (0..width).find(|x| buf[(*x, 0)].modifier.contains(Modifier::REVERSED));
        ((0..width).map(|x| buf[(x, 0)].symbol()).collect::<String>().trim_end().to_owned(), reversed)
    }

    #[test]
    fn the_cursor_is_seen_wherever_it_stands() {
        assert_eq!(drawn("short", 5, 20), ("> short█".into(), None));
        assert_eq!(drawn("short", 0, 20), ("> short".into(), Some(2)));
        assert_eq!(drawn("a line that is longer than its room", 35, 20), ("> …r than its room█".into(), None));
        let (text, cursor) = drawn("a line that is longer than its room", 0, 20);
        assert_eq!((text.as_str(), cursor), ("> a line that is lo…", Some(2)));
        for cursor in 0..=35 {
            let (text, reversed) = drawn("a line that is longer than its room", cursor, 20);
            assert!(reversed.is_some() || text.ends_with('█'), "{cursor}: {text}");
        }
    }

    #[test]
    fn wide_characters_do_not_push_the_cursor_out() {
        for width in 5..20 {
            for cursor in 0..=7 {
                let (text, reversed) = drawn("表表a表表表b", cursor, width);
                assert!(reversed.is_some() || text.contains('█'), "{cursor} in {width}: {text}");
            }
        }
    }
}
