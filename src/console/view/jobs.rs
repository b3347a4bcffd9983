//! A line for each running job, and for each that ended and was not looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint::{put, run};
use crate::console::page::Tone;
use crate::console::state::State;
use crate::console::state::jobs::Job;
use crate::model::words::{bytes, count, many, span};

const TURNS: [&str; 8] = ["⣾", "⣽", "⣻", "⢿", "⡿", "⣟", "⣯", "⣷"];
const ASCII_TURNS: [&str; 4] = ["|", "/", "-", "\\"];

pub fn jobs(state: &State, area: Rect, buf: &mut Buffer) {
    // What runs first: what has ended must not hide it.
    let (mut jobs, ended): (Vec<&Job>, Vec<&Job>) = state.jobs.on_screen().partition(|job| job.is_running());
    let running = jobs.len();
    jobs.extend(ended);
    let room = usize::from(area.height);
    let shown = if jobs.len() > room { room.saturating_sub(1) } else { jobs.len() };
    for (job, y) in jobs.iter().take(shown).zip(area.top()..area.bottom()) {
        line(state, job, Rect { y, height: 1, ..area }, buf);
    }
    if jobs.len() > shown && room > 0 {
        let at_work = running.saturating_sub(shown);
        let more = jobs.len() - shown;
        let text = if at_work > 0 { format!(" +{more} more, {at_work} of them running") } else { format!(" +{more} more, ended") };
        put(buf, area.x, area.bottom() - 1, area.width, &text, state.look.theme.tone(Tone::Dim));
    }
}

fn line(state: &State, job: &Job, area: Rect, buf: &mut Buffer) {
    let theme = state.look.theme;
    let (tone, outcome) = if job.is_running() { (Tone::Busy, String::new()) } else { job.outcome() };
    let sign = match (tone, state.look.ascii) {
        (Tone::Busy, _) => spinner(state),
        (Tone::Bad, ascii) => ["✗", "x"][usize::from(ascii)],
        (Tone::Warn, _) => "!",
        (Tone::Good, ascii) => ["✓", "+"][usize::from(ascii)],
        (_, ascii) => ["•", "."][usize::from(ascii)],
    };
    let title = if area.width < 100 { job.order.command() } else { job.order.title() };
    let what = match job.tables.as_slice() {
        [table] => format!(" {title}  {table}  "),
        many => format!(" {title}  {} tables  ", many.len()),
    };
    let (rows, size) = job.volume();
    let mut detail: Vec<String> = job.phase(None).map(|progress| progress.phase.to_owned()).into_iter().collect();
    if job.tables.len() > 1 {
        detail.push(format!("{} done", many(job.done, "step")));
    }
    // A step that failed tells no rows: then what was heard on the way counts.
    let moved = if job.is_running() || job.ends.iter().any(|end| end.fault.is_some()) { rows } else { job.rows() }.words();
    if !moved.is_empty() {
        detail.push(moved);
    }
    if let Some(rate) = job.rate.filter(|_| job.is_running() && rows.total() > 0) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is not negative and far below the bound")]
        detail.push(format!("{}/s", count(rate as u64)));
    }
    if size > 0 {
        detail.push(bytes(size));
    }
    detail.push(span(job.seconds(state.now)));
    let detail = detail.join("  ");
    let end = match (job.is_running(), job.cancelling) {
        (true, true) => "  stops at the next safe point".to_owned(),
        (true, false) => String::new(),
        (false, _) => format!("  {outcome}"),
    };
    run(
        buf,
        area,
        [
            (" ", theme.tone(Tone::Plain)),
            (sign, theme.tone(tone)),
            (what.as_str(), theme.tone(Tone::Plain)),
            (detail.as_str(), theme.tone(Tone::Dim)),
            (end.as_str(), theme.tone(tone)),
        ],
    );
}

/// Turns five times a second, by the ticks alone.
fn spinner(state: &State) -> &'static str {
    if !state.look.motion {
        return if state.look.ascii { ">" } else { "▶" };
    }
    let turn = usize::try_from(state.now.as_millisecond() / 200).unwrap_or(0);
    if state.look.ascii { ASCII_TURNS[turn % ASCII_TURNS.len()] } else { TURNS[turn % TURNS.len()] }
}
