//! `view`: from the state to one frame. It changes nothing, reads no clock, and tells what the mouse
//! can hit. Only what is visible is built.

pub mod areas;
mod footer;
mod header;
pub mod help;
mod input;
mod jobs;
pub mod list;
mod overlay;
pub mod page;
pub mod paint;
mod panel;
pub mod sheet;
mod views;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::areas::{Areas, SMALLEST};
use super::action::Action;
use super::msg::Hit;
use super::page::Tone;
use super::state::State;
use super::state::overlay::Overlay;
use crate::model::words::many;

/// What the mouse can hit, the topmost last.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Hits {
    list: Vec<(Rect, Hit)>,
}

impl Hits {
    pub fn add(&mut self, area: Rect, hit: Hit) {
        self.list.push((area, hit));
    }

    /// Nothing below is hit any more.
    pub fn cover(&mut self) {
        self.list.clear();
    }

    /// What stands at a place.
    #[must_use]
    pub fn at(&self, column: u16, row: u16) -> Option<Hit> {
        self.list.iter().rev().find(|(area, _)| area.contains((column, row).into())).map(|(_, hit)| *hit)
    }
}

/// Draws one frame.
pub fn view(state: &State, buf: &mut Buffer) -> Hits {
    let (areas, mut hits) = (Areas::of(state), Hits::default());
    if areas.too_small {
        too_small(state, areas.whole, buf);
        if state.look.ascii {
            paint::ascii(buf);
        }
        return hits;
    }
    header::header(state, areas.header, buf);
    header::health(state, areas.health, buf);
    header::tabs(state, areas.tabs, buf, &mut hits);
    if let Some(screen) = state.stack.last() {
        page::screen(state, screen, &areas, buf, &mut hits);
    } else {
        if state.view.lists_tables() {
            list::list(state, areas.list, buf, &mut hits);
        } else {
            views::view(state, areas.list, buf, &mut hits);
        }
        if let Some(area) = areas.panel {
            panel::panel(state, area, buf);
        }
    }
    jobs::jobs(state, areas.jobs, buf);
    footer::message(state, areas.message, buf);
    footer::footer(state, areas.footer, buf);
    overlay::overlay(state, areas.whole, buf, &mut hits);
    if state.look.ascii {
        paint::ascii(buf);
    }
    hits
}

fn too_small(state: &State, area: Rect, buf: &mut Buffer) {
    let theme = state.look.theme;
    let failed = state.fleet.tally().iter().filter(|(trouble, _)| trouble.is_problem()).map(|(_, count)| count).sum::<usize>();
    let leaving = matches!(state.overlay, Some(Overlay::Leaving));
    let way_out =
        if leaving { "jobs run: w waits, c stops them, s stays".to_owned() } else { format!("{} quits", state.keymap.key(Action::Quit)) };
    let lines = [
        format!("{} {}", state.place.kind.badge(), state.place.profile),
        format!("{} with problems", many(failed, "table")),
        format!("needs {}x{}, is {}x{}", SMALLEST.0, SMALLEST.1, area.width, area.height),
        state.message.as_ref().filter(|_| !leaving).map_or(way_out, |message| message.text.clone()),
    ];
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        paint::put(buf, area.x, y, area.width, line, theme.tone(Tone::Plain));
    }
}
