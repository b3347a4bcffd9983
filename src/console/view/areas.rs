//! Where what stands: the same for drawing, for the mouse, and for how far a page key moves.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::console::state::State;

/// The smallest screen that shows more than a message.
pub const SMALLEST: (u16, u16) = (60, 12);
/// Lines of running jobs at the most.
const JOBS: usize = 4;

/// Rectangles of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Areas {
    pub whole: Rect,
    pub too_small: bool,
    pub header: Rect,
    pub health: Rect,
    pub tabs: Rect,
    /// The list, its header line included.
    pub list: Rect,
    /// Lines of the list without its header.
    pub rows: u16,
    /// Beside or below the list: the table under the cursor.
    pub panel: Option<Rect>,
    /// The page over the list: title, sides, and the content below.
    pub page_title: Rect,
    pub page: Rect,
    pub jobs: Rect,
    pub message: Rect,
    pub footer: Rect,
}

impl Areas {
    #[must_use]
    pub fn of(state: &State) -> Self {
        let (width, height) = state.size;
        let whole = Rect::new(0, 0, width, height);
        if width < SMALLEST.0 || height < SMALLEST.1 {
            return Self { whole, too_small: true, ..Self::default() };
        }
        let jobs = u16::try_from(state.jobs.on_screen().take(JOBS).count()).unwrap_or(0);
        let [header, health, tabs, body, jobs, message, footer] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Min(3),
            Constraint::Length(jobs),
            Constraint::Length(1),
            Constraint::Length(1),
        ])
        .areas(whole);
        let panelled = state.view.lists_tables() && !state.full_screen;
        let (list, panel) = if panelled && width >= 120 {
            let [list, panel] = Layout::horizontal([Constraint::Min(70), Constraint::Length((width * 7 / 20).min(72))]).areas(body);
            (list, Some(panel))
        } else if panelled && width >= 80 && body.height >= 17 {
            let [list, panel] = Layout::vertical([Constraint::Min(7), Constraint::Length(9)]).areas(body);
            (list, Some(panel))
        } else {
            (body, None)
        };
        let [page_title, page] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(body);
        let page = Rect { x: page.x + 1, width: page.width.saturating_sub(2), ..page };
        Self {
            whole,
            too_small: false,
            header,
            health,
            tabs,
            list,
            rows: list.height.saturating_sub(1),
            panel,
            page_title,
            page,
            jobs,
            message,
            footer,
        }
    }
}
