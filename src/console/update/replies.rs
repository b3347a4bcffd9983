//! What the engine says.

use super::{faults, records, screens, time, walkthrough};
use crate::console::msg::Effect;
use crate::console::page::Tone;
use crate::console::seam::{Answer, Id, Reply, TableEnd};
use crate::console::state::fleet::Trouble;
use crate::console::state::jobs::Rows;
use crate::console::state::links::System;
use crate::console::state::overlay::Overlay;
use crate::console::state::prepares::Prepares;
use crate::console::state::{Purpose, State, View};
use crate::engine::event::Event;
use crate::engine::operate::Runs;
use crate::engine::status::verdict_by;
use crate::model::fault::FaultDocument;
use crate::model::status::{HopName, StatusReport, Stuck, TableStatus, Verdict};
use crate::model::words::{count, many};

pub fn take(state: &mut State, reply: Reply, effects: &mut Vec<Effect>) {
    match reply {
        Reply::Answer { id, answer } => {
            // Nobody waits for it any more: it was overtaken.
            if let Some(purpose) = state.waiting.remove(&id) {
                state.dirty |= !state.frozen;
                answered(state, id, &purpose, answer, effects);
            }
        }
        Reply::Event { job, event } => {
            state.jobs.note(job, &event);
            note(state, &event);
            state.dirty = true;
        }
        Reply::Progress { job, progress } => state.jobs.progress(job, progress),
        Reply::Ended { job, tables } => ended(state, job, &tables, effects),
    }
}

fn answered(state: &mut State, id: Id, purpose: &Purpose, answer: Answer, effects: &mut Vec<Effect>) {
    match (purpose, answer) {
        (Purpose::Connect, Answer::Connected { place, access }) => {
            state.place = *place;
            state.access = access;
            state.connected = true;
            let now = state.now;
            time::poll(state, now, effects);
            if state.view == View::Setup {
                walkthrough::ask(state, effects);
            }
        }
        (Purpose::Fleet { target, asked }, Answer::Fleet { report, target_at }) => {
            fleet(state, *report, *target, effects);
            state.fleet.target_at = target_at.or(state.fleet.target_at);
            time::after_fleet(state, *asked, *target);
        }
        (Purpose::Runs, Answer::Runs(runs)) => {
            let Runs { runs, failed } = *runs;
            state.prepares = Prepares::of(&failed);
            state.unread = None;
            state.fleet.take_runs(&runs, failed);
            if !std::mem::replace(&mut state.judged, true) && !state.moved {
                // Only now is it known which table needs a person most: that one stands under the cursor.
                state.table = None;
                state.cursors.remove(&View::Tables);
            }
            records::keep_run(state, &runs);
            state.runs = runs;
            time::after_runs(state);
        }
        (Purpose::Setup, Answer::Setup(list)) => drop(state.setup.take(id, Ok(*list))),
        (Purpose::Page, Answer::Page(page)) => screens::loaded(state, id, &Ok(page)),
        (Purpose::Plan, Answer::Plan(plan)) => {
            if let Some(Overlay::Sheet(sheet)) = &mut state.overlay {
                sheet.plan.take(id, Ok(*plan));
            }
        }
        (Purpose::Bundle, Answer::Written(path)) => {
            let text = format!("incident bundle: {}", path.display());
            let now = state.now;
            state.log.push(now, Tone::Good, text.clone());
            state.say(Tone::Good, text);
        }
        (Purpose::Access, Answer::Access(access)) => {
            state.access = access;
            let open = access.may_write(state.now);
            state.say(
                if open { Tone::Warn } else { Tone::Good },
                if open { "writing is allowed for 15 minutes" } else { "writing is forbidden again" },
            );
        }
        (purpose, Answer::Failed(fault)) => failed(state, id, purpose, fault),
        // A backend that answers another question than was asked: the answer is of no use.
        _ => {}
    }
}

fn failed(state: &mut State, id: Id, purpose: &Purpose, fault: Box<FaultDocument>) {
    let now = state.now;
    let text = format!("{}: {}", fault.code, fault.what);
    match purpose {
        Purpose::Connect => {
            state.log.push(now, Tone::Bad, text);
            let page = crate::console::page::Page::of_fault(&fault, None);
            super::act::push(state, page);
        }
        Purpose::Page => screens::loaded(state, id, &Err(fault)),
        Purpose::Plan => {
            if let Some(Overlay::Sheet(sheet)) = &mut state.overlay {
                sheet.plan.take(id, Err(fault));
            }
        }
        Purpose::Setup => {
            state.log.push(now, Tone::Bad, text.clone());
            state.say(Tone::Bad, text);
            state.setup.take(id, Err(fault));
        }
        Purpose::Fleet { target, asked } => {
            state.log.push(now, Tone::Bad, text);
            let (target, asked) = (*target, *asked);
            for system in [System::Source, System::Store] {
                state.links.note(system, Some(&fault), now);
            }
            time::after_fleet(state, asked, target);
        }
        Purpose::Runs => {
            if state.unread.as_ref().is_none_or(|before| before.code != fault.code) {
                state.log.push(now, Tone::Bad, text);
            }
            state.unread = Some(fault);
            time::after_runs(state);
        }
        Purpose::Bundle | Purpose::Access => {
            state.log.push(now, Tone::Bad, text.clone());
            state.say(Tone::Bad, text);
        }
    }
}

/// Takes a report over. Of a system that did not answer the last good data stay.
fn fleet(state: &mut State, mut report: StatusReport, asked_target: bool, effects: &mut Vec<Effect>) {
    // It is as old as its first question.
    let now = report.at.min(state.now);
    let systems = &report.systems;
    let faults = [
        (System::Source, systems.source.fault.clone(), true),
        (System::Store, systems.store.fault.clone(), true),
        (System::Target, systems.target.fault.clone(), asked_target),
    ];
    let before = state.fleet.report.take();
    let was_down = before.as_ref().is_some_and(|before| before.systems.source.capture.down.is_some());
    if let Some(before) = before
        && let Some(before) = keep(&mut report, before, asked_target)
    {
        effects.push(Effect::Discard(Box::new(before)));
    }
    if let Some(down) = report.systems.source.capture.down.as_ref().filter(|_| !was_down) {
        state.log.push(now, Tone::Bad, format!("capture is down: {down}"));
    }
    for (system, fault, asked) in faults {
        if !asked {
            continue;
        }
        match state.links.note(system, fault.as_ref(), now) {
            Some(false) => {
                let why = fault.map_or_else(String::new, |fault| format!("{}: {}", fault.code, fault.what));
                state.log.push(now, Tone::Bad, format!("{} does not answer: {why}", system.name()));
            }
            Some(true) => state.log.push(now, Tone::Good, format!("{} answers again", system.name())),
            None => {}
        }
    }
    state.fleet.take(report, None);
}

/// Fills what a silent system left empty with what it said before. Redshift that was not asked is
/// silent, too. Gives what was before back where nothing of it is needed.
fn keep(report: &mut StatusReport, before: StatusReport, asked_target: bool) -> Option<StatusReport> {
    let systems = &report.systems;
    let silent_target = systems.target.fault.is_some() || (!asked_target && report.tables.iter().all(|status| status.target.is_none()));
    let lost = (systems.source.fault.is_some(), systems.store.fault.is_some(), silent_target);
    if lost == (false, false, false) {
        return Some(before);
    }
    let all_lost = lost == (true, true, true);
    if lost.0 {
        report.systems.source.capture = before.systems.source.capture.clone();
    }
    let mut known = before.tables.into_iter().peekable();
    let mut merged = Vec::with_capacity(report.tables.len());
    for mut status in std::mem::take(&mut report.tables) {
        while let Some(old) = known.next_if(|old| old.table < status.table) {
            merged.push(old);
        }
        if let Some(old) = known.next_if(|old| old.table == status.table) {
            if all_lost {
                merged.push(old);
                continue;
            }
            if lost.0 {
                status.source = status.source.or(old.source);
                status.hops.extract = old.hops.extract;
            }
            if lost.1 {
                status.store = status.store.or(old.store);
            } else if let (Some(store), Some(old)) = (&mut status.store, old.store) {
                store.pending = store.pending.or(old.pending);
                store.pending_files = store.pending_files.or(old.pending_files);
                store.pending_bytes = store.pending_bytes.or(old.pending_bytes);
            }
            if lost.2 {
                status.target = status.target.or(old.target);
            }
            if lost.1 || lost.2 {
                status.hops.load = old.hops.load;
            }
            let of_lost = |stuck: &Stuck| match stuck.hop {
                HopName::Capture | HopName::Extract => lost.0,
                HopName::Load => lost.1 || lost.2,
            };
            status.hops.stuck = status.hops.stuck.or(old.hops.stuck.filter(of_lost));
            status.retention = status.retention.or(old.retention);
            // The engine says nothing of a table that one system says nothing of. What it was
            // counts on, except where the others say now that it is worse.
            status.verdict = old.verdict;
            if let Some(worse) = worse(&status) {
                status.verdict = worse;
            }
        }
        merged.push(status);
    }
    merged.extend(known);
    report.tables = merged;
    None
}

/// What a table has come to by what is known of it, where that is worse than what it was.
fn worse(status: &TableStatus) -> Option<Verdict> {
    let found = verdict_by(status);
    (Trouble::of(found) < Trouble::of(status.verdict)).then_some(found)
}

/// What of a job's life is worth a line of the log.
fn note(state: &mut State, event: &Event) {
    let now = state.now;
    match event {
        Event::Warning { table, text, job } => state.log.push(now, Tone::Warn, format!("{table}  {}: {text}", job.as_str())),
        Event::StoreRetry { object, text } => state.log.push(now, Tone::Warn, format!("{object} is written again after {text}")),
        Event::Note { table, text, job } => state.log.push(now, Tone::Plain, format!("{table}  {}: {text}", job.as_str())),
        Event::Recorded { table, epoch, seq, rows, .. } => {
            state.log.push(now, Tone::Plain, format!("{table}  extract: epoch {epoch} batch {seq}, {}", many(*rows, "row")));
        }
        Event::Applied { table, from, to, deleted, inserted, .. } => {
            state.log.push(
                now,
                Tone::Plain,
                format!("{table}  load: batches {from} to {to}, -{} +{} rows", count(*deleted), count(*inserted)),
            );
        }
        Event::Started { .. } | Event::Staged { .. } | Event::Finished { .. } => {}
    }
}

/// A text, and more behind a comma, if there is any.
fn with(text: String, more: &str) -> String {
    if more.is_empty() { text } else { format!("{text}, {more}") }
}

fn ended(state: &mut State, id: Id, tables: &[TableEnd], effects: &mut Vec<Effect>) {
    let now = state.now;
    state.dirty = true;
    let Some(job) = state.jobs.get_mut(id) else { return };
    job.ended = Some(now);
    job.progress.clear();
    job.ends = tables.to_vec();
    job.ends.sort_by(|one, other| one.table.cmp(&other.table));
    let (title, (tone, outcome), rows) = (job.order.title(), job.outcome(), job.rows());
    let (failed, cancelled) = (job.failed(), job.is_cancelled());
    let worked: Vec<_> = job.tables.clone();
    for table in &worked {
        state.fleet.running.remove(table);
    }
    for end in tables {
        let text = match &end.fault {
            Some(fault) if end.is_cancelled() => format!("{title}: {}", fault.what),
            Some(fault) => format!("{}: {}", fault.code, fault.what),
            None => {
                let step = end.job.map_or_else(String::new, |job| format!(" {}", job.as_str()));
                let rows = end.job.map(|job| Rows::from_iter([(job, end.rows)]).words()).unwrap_or_default();
                with(with(format!("{title}:{step} {}", end.outcome), &rows), &end.left.join("; "))
            }
        };
        state.log.push(now, end.tone(), format!("{}  {text}", end.table));
    }
    let text = match (failed, tables) {
        (0, _) if cancelled => format!("{title}: stopped at a safe point; the next run goes on from there"),
        (0, [one]) => with(with(format!("{title}: {}", one.outcome), &rows.words()), &one.left.join("; ")),
        (0, steps) if tone == Tone::Good && !steps.is_empty() => with(format!("{title}: {} steps ended well", steps.len()), &rows.words()),
        (0, _) => with(format!("{title}: {outcome}"), &rows.words()),
        (1, [one]) => format!("{title} failed: {}  (e tells why)", one.outcome),
        (failed, steps) => format!("{title}: {failed} of {} steps failed (! shows them)", steps.len()),
    };
    state.say(tone, text);
    state.fleet.judge();
    faults::note_ends(state, tables);
    // Its effects are news to every system.
    time::all_due(state);
    time::poll(state, now, effects);
    screens::all_stale(state, effects);
    if state.view == View::Setup {
        walkthrough::ask(state, effects);
    }
    if state.leaving && state.jobs.is_idle() {
        super::leave(state, effects);
    }
}
