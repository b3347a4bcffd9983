//! The help: every action with its keys, from the same list as everything else.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::overlay;
use super::paint::{put, wrap};
use crate::console::action::{ACTIONS, Group};
use crate::console::page::Tone;
use crate::console::state::State;

/// Columns of the keys.
const KEYS: u16 = 18;
const RULE: &str = "Only what stands under the first heading can change a system, and shows before what it would do; \
                    a retry runs at once where the profile is not protected, and a cancelled job stops at its next safe point.";

pub fn help(state: &State, area: Rect, scroll: usize, buf: &mut Buffer) {
    let theme = state.look.theme;
    let lines = lines(state, area.width);
    let scroll = scroll.min(lines.len().saturating_sub(usize::from(area.height)));
    for ((keys, text, tone), y) in lines.into_iter().skip(scroll).zip(area.top()..area.bottom()) {
        put(buf, area.x, y, KEYS, &keys, theme.tone(Tone::Accent));
        let indent = if keys.is_empty() { 0 } else { KEYS + 1 };
        put(buf, area.x + indent, y, area.width.saturating_sub(indent), &text, theme.tone(tone));
    }
}

/// How far it can be scrolled.
#[must_use]
pub fn most(state: &State) -> usize {
    let inner = overlay::help_area(Rect::new(0, 0, state.size.0, state.size.1));
    lines(state, inner.width).len().saturating_sub(usize::from(inner.height))
}

fn lines(state: &State, width: u16) -> Vec<(String, String, Tone)> {
    let text = wrap(RULE, usize::from(width)).into_iter();
    let mut lines: Vec<_> = text.map(|line| (String::new(), line, Tone::Plain)).collect();
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
