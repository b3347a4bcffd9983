//! A page laid out in lines, and the screen around it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::Hits;
use super::areas::Areas;
use super::paint::{fill, put, put_right, wrap};
use crate::console::action::Action;
use crate::console::msg::Hit;
use crate::console::page::{Block, Grid, GridColumn, Page, Tone};
use crate::console::seam::{EndKind, Tab};
use crate::console::state::State;
use crate::console::state::screen::{Loaded, PageScreen, Screen};
use crate::model::TableName;
use crate::model::words::{ago, many};

/// The widest a column of a grid becomes while others need the room.
const WIDEST: usize = 44;
/// The narrowest that a wider one becomes before the last columns go.
const NARROWEST: usize = 12;

/// Seconds after which the age of a page is told: some pages read themselves again each minute.
const OLD: i64 = 90;

/// A line of a page.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Line {
    pub parts: Vec<(String, Tone)>,
    /// The row or choice that it belongs to.
    pub stop: Option<usize>,
    pub heading: bool,
}

/// A page in lines of a width.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PageLayout {
    pub lines: Vec<Line>,
    pub height: usize,
    /// The first line of each row or choice that can be opened.
    pub stops: Vec<usize>,
    /// Columns of a grid that do not show: before the first and behind the last that does.
    pub hidden: (usize, usize),
    /// Values of a grid are cut: whether fewer columns would give them more room.
    pub cut: Option<bool>,
}

/// Lays a page out. A grid that is wider than the page begins with its column `left`.
#[must_use]
pub fn layout_of(page: &Page, width: usize, left: usize) -> PageLayout {
    let width = width.max(20);
    let mut layout = PageLayout::default();
    for block in &page.blocks {
        if !layout.lines.is_empty() && !matches!(layout.lines.last(), Some(line) if line.heading) {
            layout.lines.push(Line::default());
        }
        match block {
            Block::Heading(text) => {
                layout.lines.push(Line { parts: vec![(text.clone(), Tone::Accent)], stop: None, heading: true });
            }
            Block::Text(tone, text) => layout.lines.extend(wrap(text, width).into_iter().map(|text| plain(text, *tone))),
            Block::Code(code) => layout.lines.extend(code.lines().map(|line| plain(line.to_owned(), Tone::Plain))),
            Block::Facts(facts) => {
                let names = facts.iter().map(|fact| fact.name.width()).max().unwrap_or(0).min(width / 2);
                for fact in facts {
                    for (at, value) in wrap(&fact.value, width.saturating_sub(names + 2)).into_iter().enumerate() {
                        let name = if at == 0 { fact.name.as_str() } else { "" };
                        layout
                            .lines
                            .push(Line { parts: vec![(padded(name, names + 2), Tone::Dim), (value, fact.tone)], ..Line::default() });
                    }
                }
            }
            Block::Grid(grid) => grid_lines(grid, width, left, &mut layout),
            Block::Choices(choices) => {
                for (number, choice) in (1..).zip(choices) {
                    let stop = layout.stops.len();
                    layout.stops.push(layout.lines.len());
                    let tone = if choice.order.is_some() { Tone::Accent } else { Tone::Plain };
                    let note = if choice.order.is_some() { "  (Enter)" } else { "  (Enter copies)" };
                    for (at, text) in wrap(&format!("{}{note}", choice.text), width.saturating_sub(4)).into_iter().enumerate() {
                        let mark = if at == 0 { format!("{number:>2}. ") } else { "    ".into() };
                        layout.lines.push(Line { parts: vec![(mark, Tone::Dim), (text, tone)], stop: Some(stop), heading: false });
                    }
                }
            }
        }
    }
    layout.height = layout.lines.len();
    layout
}

fn plain(text: String, tone: Tone) -> Line {
    Line { parts: vec![(text, tone)], ..Line::default() }
}

/// A text in at least so many columns; a longer one is cut.
#[must_use]
pub fn padded(text: &str, width: usize) -> String {
    let used = text.width();
    if used <= width {
        return format!("{text}{}", " ".repeat(width - used));
    }
    let mut out = String::new();
    for c in text.chars() {
        if out.width() + 1 + unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    let used = out.width();
    out + &" ".repeat(width.saturating_sub(used))
}

/// Widths of the columns from one on that a page has room for.
fn widths(grid: &Grid, natural: &[usize], from: usize, width: usize) -> Vec<usize> {
    // The first has the room that it wants: going to the right each column comes there.
    let first = if from == 0 { width / 2 } else { width.saturating_sub(2) };
    let least = |at: usize| match at {
        _ if at == from => natural[at].min(first),
        _ if grid.columns[at].right => natural[at],
        _ => natural[at].min(NARROWEST),
    };
    let (mut taken, mut used) = (0, 0);
    for at in from..natural.len() {
        used += least(at) + 2;
        if used > width && taken > 0 {
            break;
        }
        taken += 1;
    }
    let mut widths = natural[from..from + taken].to_vec();
    let total = |widths: &[usize]| widths.iter().map(|width| width + 2).sum::<usize>();
    // The widest give way first, down to what the page has. A number is never cut.
    while total(&widths) > width {
        let spare = |at: &usize| widths[*at] > if *at == 0 { first } else { NARROWEST } && (*at == 0 || !grid.columns[from + at].right);
        let Some(at) = (0..taken).filter(spare).max_by_key(|at| widths[*at]) else { break };
        let over = total(&widths) - width;
        widths[at] -= over.min(widths[at].saturating_sub(WIDEST).max(1));
    }
    if let [only] = widths.as_mut_slice() {
        *only = (*only).min(width.saturating_sub(2));
    }
    widths
}

fn grid_lines(grid: &Grid, width: usize, left: usize, layout: &mut PageLayout) {
    if grid.rows.is_empty() {
        layout.lines.push(plain(grid.empty.clone(), Tone::Dim));
        return;
    }
    let widest = |(at, column): (usize, &GridColumn)| {
        let cells = grid.rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| first_line(cell).width());
        cells.chain([column.name.width()]).max().unwrap_or(0)
    };
    let natural: Vec<usize> = grid.columns.iter().enumerate().map(widest).collect();
    let (mut from, mut widths_shown) = (0, widths(grid, &natural, 0, width));
    if left > 0 && widths_shown != natural {
        from = left.min(natural.len() - 1);
        widths_shown = widths(grid, &natural, from, width);
    }
    let widths = widths_shown;
    let behind = natural.len() - from - widths.len();
    layout.hidden = (layout.hidden.0.max(from), layout.hidden.1.max(behind));
    if widths.iter().zip(&natural[from..]).any(|(width, natural)| width < natural) {
        layout.cut = Some(widths.len() > 1 || layout.cut == Some(true));
    }
    let cell = |text: &str, at: usize| {
        let (text, width) = (first_line(text), widths[at]);
        if grid.columns[from + at].right && text.width() < width {
            format!("{}{text}  ", " ".repeat(width - text.width()))
        } else {
            format!("{}  ", padded(text, width))
        }
    };
    let header =
        grid.columns.iter().skip(from).take(widths.len()).enumerate().map(|(at, column)| (cell(&column.name, at), Tone::Dim)).collect();
    layout.lines.push(Line { parts: header, ..Line::default() });
    for row in &grid.rows {
        let stop = row.open.as_ref().map(|_| layout.stops.len());
        if stop.is_some() {
            layout.stops.push(layout.lines.len());
        }
        let parts = row.cells.iter().skip(from).take(widths.len()).enumerate().map(|(at, text)| (cell(text, at), row.tone)).collect();
        layout.lines.push(Line { parts, stop, heading: false });
    }
}

/// A cell is one line: what follows is told by an arrow.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The screen on top of the stack.
pub fn screen(state: &State, screen: &Screen, areas: &Areas, buf: &mut Buffer, hits: &mut Hits) {
    title(state, screen, areas.page_title, buf, hits);
    let Some(shown) = screen.page() else { return };
    content(state, shown, areas.page, buf, hits);
}

fn title(state: &State, screen: &Screen, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let theme = state.look.theme;
    let mut x = area.x + 1;
    let rest = |x: u16| area.right().saturating_sub(x);
    match screen {
        Screen::Table(screen) => {
            x += put(buf, x, area.y, rest(x), &screen.table.to_string(), theme.tone(Tone::Accent));
            if let Some(trouble) = state.fleet.trouble_of(&screen.table) {
                let word = format!(" {} {} ", trouble.glyph(state.look.ascii), trouble.word());
                x += put(buf, x, area.y, rest(x), &word, theme.tone(trouble.tone()));
            }
            x += 1;
            for (tab, text) in tabs(screen.tab, usize::from(rest(x))) {
                let here = tab == screen.tab;
                let style = if here { theme.tone(Tone::Accent).add_modifier(Modifier::REVERSED) } else { theme.tone(Tone::Dim) };
                let used = put(buf, x, area.y, rest(x), &text, style);
                hits.add(Rect { x, y: area.y, width: used, height: 1 }, Hit::Tab(tab));
                x += used;
            }
        }
        Screen::Page(screen) => {
            let text = screen.page.shown().map_or("", |page| page.title.as_str());
            x += put(buf, x, area.y, rest(x), text, theme.tone(Tone::Accent));
            let table = screen.page.shown().and_then(|page| page.table.as_ref()).map(ToString::to_string);
            if let Some(table) = table.filter(|table| !text.contains(table.as_str())) {
                put(buf, x + 2, area.y, rest(x + 2), &table, theme.tone(Tone::Plain));
            }
        }
    }
}

/// The sides of a table with their titles; where there is no room in one word each, and the first
/// ones go until the one that is shown fits.
fn tabs(here: Tab, room: usize) -> Vec<(Tab, String)> {
    let titled = |title: fn(Tab) -> &'static str| Tab::ALL.map(|tab| (tab, format!(" {} ", title(tab)))).to_vec();
    let width = |tabs: &[(Tab, String)]| tabs.iter().map(|(_, text)| text.len()).sum::<usize>();
    let tabs = titled(Tab::title);
    if width(&tabs) <= room {
        return tabs;
    }
    let mut tabs = titled(|tab| match tab {
        Tab::Files => "Files",
        Tab::Log => "Log",
        Tab::Fault => "Fault",
        other => other.title(),
    });
    while let Some(at) = tabs.iter().position(|(tab, _)| *tab == here)
        && at > 0
        && width(&tabs[..=at]) > room
    {
        tabs.remove(0);
    }
    tabs
}

fn content(state: &State, screen: &PageScreen, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let theme = state.look.theme;
    let Some(page) = screen.page.shown() else {
        match &screen.page {
            Loaded::Failed(fault, _) => {
                let page = Page::of_fault(fault, None);
                lines(state, &layout_of(&page, area.width.into(), screen.left), screen, area, buf, hits);
            }
            _ => drop(put(buf, area.x, area.y, area.width, "asking", theme.tone(Tone::Dim))),
        }
        return;
    };
    let mut area = area;
    for (text, tone) in notes(state, screen) {
        put(buf, area.x, area.y, area.width, &text, theme.tone(tone));
        area = below(area);
    }
    lines(state, &layout_of(page, area.width.into(), screen.left), screen, area, buf, hits);
}

/// What is said about a page, above it.
fn notes(state: &State, screen: &PageScreen) -> Vec<(String, Tone)> {
    let Some(page) = screen.page.shown() else { return Vec::new() };
    let mut notes = Vec::new();
    if let Loaded::Failed(fault, _) = &screen.page {
        notes.push((format!("not up to date: {}: {}", fault.code, fault.what), Tone::Bad));
    }
    if let (Some(read), Some(_)) = (screen.read, &screen.ask)
        && state.now.duration_since(read).as_secs() >= OLD
    {
        notes.push((format!("read {}; {} reads it again", ago(read, state.now), state.keymap.key(Action::Refresh)), Tone::Dim));
    }
    if page.fault
        && let Some(table) = page.table.as_ref().filter(|table| !state.fleet.failed.contains_key(*table))
    {
        if state.fleet.running.contains(table) {
            notes.push(("a job is at work on this table".to_owned(), Tone::Good));
        } else if went_well(state, table) {
            notes.push(("solved: a later job on this table went well; Esc goes back".to_owned(), Tone::Good));
        }
    }
    if page.reveal && !screen.revealed {
        notes.push((format!("values are hidden; {} shows them", state.keymap.key(Action::Reveal)), Tone::Dim));
    }
    notes
}

/// The newest end that is known of a table is a good one: so it is later than any fault.
fn went_well(state: &State, table: &TableName) -> bool {
    let run = state.runs.iter().filter_map(|run| {
        let lines: Vec<_> = run.tables.iter().filter(|line| line.table == *table).collect();
        Some((run.finished?, lines.iter().all(|line| line.fault.is_none()))).filter(|_| !lines.is_empty())
    });
    let own = state.jobs.iter().filter(|job| job.left.is_none()).filter_map(|job| {
        let ends = job.ends_on(table);
        Some((job.ended?, ends.iter().all(|end| end.kind < EndKind::Attention))).filter(|_| !ends.is_empty())
    });
    run.chain(own).max_by_key(|(at, _)| *at).is_some_and(|(_, well)| well)
}

/// Lines that the page on top has for itself, below what is said about it.
#[must_use]
pub fn room(state: &State) -> usize {
    let notes = state.stack.last().and_then(Screen::page).map_or(0, |screen| notes(state, screen).len());
    usize::from(Areas::of(state).page.height).saturating_sub(notes)
}

fn below(area: Rect) -> Rect {
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

fn lines(state: &State, layout: &PageLayout, screen: &PageScreen, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let theme = state.look.theme;
    for (line, y) in layout.lines.iter().skip(screen.scroll).zip(area.top()..area.bottom()) {
        let row = Rect { y, height: 1, ..area };
        let mut x = area.x;
        for (text, tone) in &line.parts {
            x += put(buf, x, y, area.right().saturating_sub(x), text, theme.tone(*tone));
        }
        if let Some(stop) = line.stop {
            if stop == screen.cursor {
                fill(buf, row, theme.selected());
            }
            hits.add(row, Hit::Stop(stop));
        }
    }
    let more = layout.height.saturating_sub(screen.scroll + usize::from(area.height));
    let columns =
        |number: usize, action: Action| (number > 0).then(|| format!("{} ({})", many(number, "column"), state.keymap.key(action)));
    let (before, behind) = layout.hidden;
    let lines = (more > 0).then(|| many(more, "more line"));
    let cut = layout.cut.filter(|_| behind == 0).map(|right| {
        let action = if right { Action::Right } else { Action::Pager };
        format!("cut values ({})", state.keymap.key(action))
    });
    let beyond: Vec<String> = [columns(before, Action::Left), columns(behind, Action::Right), cut, lines].into_iter().flatten().collect();
    if !beyond.is_empty() {
        // In the line of messages: it covers nothing, and a message may cover it.
        let line = Areas::of(state).message;
        put_right(buf, line.x, line.y, line.width.saturating_sub(1), &beyond.join(", "), theme.tone(Tone::Dim));
    }
}
