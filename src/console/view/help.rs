//! The help: every action with its keys, from the same list as everything else.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint::put;
use crate::console::action::{ACTIONS, Group};
use crate::console::page::Tone;
use crate::console::state::State;

pub fn help(state: &State, area: Rect, scroll: usize, buf: &mut Buffer) {
    let theme = state.look.theme;
    let lines = lines(state);
    let scroll = scroll.min(lines.len().saturating_sub(usize::from(area.height)));
    for ((keys, text, tone), y) in lines.into_iter().skip(scroll).zip(area.top()..area.bottom()) {
        put(buf, area.x, y, 16, &keys, theme.tone(Tone::Accent));
        let indent = if keys.is_empty() { 0 } else { 17 };
        put(buf, area.x + indent, y, area.width.saturating_sub(indent), &text, theme.tone(tone));
    }
}

fn lines(state: &State) -> Vec<(String, String, Tone)> {
    let mut lines = vec![(
        String::new(),
        "Lower-case keys only look. What changes a system is an upper-case letter, and asks first.".to_owned(),
        Tone::Plain,
    )];
    for group in Group::ALL {
        lines.push((String::new(), String::new(), Tone::Plain));
        lines.push((String::new(), group.title().to_owned(), Tone::Accent));
        for info in ACTIONS.iter().filter(|info| info.group == group) {
            let keys = state.keymap.keys(info.action).join(" ");
            let keys =
                if keys.is_empty() { format!("{} {}", state.keymap.key(crate::console::action::Action::Palette), info.name) } else { keys };
            lines.push((keys, info.help.to_owned(), Tone::Plain));
        }
    }
    lines
}
