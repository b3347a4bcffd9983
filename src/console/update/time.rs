//! Time: when the systems are asked again, and what ages.

use jiff::{SignedDuration, Timestamp};

use super::screens;
use crate::console::msg::Effect;
use crate::console::page::Tone;
use crate::console::seam::{Access, Ask, Look, Tab};
use crate::console::state::links::System;
use crate::console::state::screen::Screen;
use crate::console::state::{Purpose, State};

/// Between two looks at Redshift, which bills by the second.
const TARGET_EVERY: i64 = 60;
/// Between two looks at the runs.
const RUNS_EVERY: i64 = 30;
/// An answer that takes longer than so many seconds slows the looks down no further.
const SLOW: i64 = 15;
/// Between two looks at the open page of a table.
const PAGE_EVERY: i64 = 60;

pub fn tick(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let second = state.now.as_second() != now.as_second();
    state.now = now;
    state.jobs.measure(now);
    if let Access::Until(end) = state.access
        && end <= now
    {
        state.access = Access::Locked;
        state.say(Tone::Warn, "the profile is locked again");
    }
    if state.frozen {
        return;
    }
    // Ages count in seconds; spinners turn faster, while a job runs.
    if second || !state.jobs.is_idle() {
        state.dirty = true;
    }
    poll(state, now, effects);
    let overview = matches!(state.stack.last(), Some(Screen::Table(screen)) if screen.tab == Tab::Overview);
    if second && overview && now.as_second() % PAGE_EVERY == 0 {
        screens::again(state, effects);
    }
}

/// Asks what is due, one question of a kind at a time.
pub fn poll(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if !state.connected || state.leaving {
        return;
    }
    let due = |at: Option<Timestamp>| at.is_none_or(|at| at <= now);
    if due(state.polls.fleet) && !state.awaits(|purpose| matches!(purpose, Purpose::Fleet { .. })) {
        let target = due(state.polls.target);
        // Not due until the answer says when, except when something makes it due meanwhile: what is
        // on its way may be older than that.
        state.polls.fleet = Some(Timestamp::MAX);
        if target {
            state.polls.target = Some(Timestamp::MAX);
        }
        let id = state.id();
        state.waiting.insert(id, Purpose::Fleet { target, asked: now });
        effects.push(Effect::Ask(id, Ask::Look(Look::Fleet { target })));
    }
    if due(state.polls.runs) && !state.awaits(|purpose| *purpose == Purpose::Runs) {
        state.polls.runs = Some(Timestamp::MAX);
        let id = state.id();
        state.waiting.insert(id, Purpose::Runs);
        effects.push(Effect::Ask(id, Ask::Look(Look::Runs)));
    }
}

/// When the fleet is asked again: after five seconds, later while a system does not answer or
/// when the last answer took long.
pub fn after_fleet(state: &mut State, asked: Timestamp, target: bool) {
    // The clock jumps when the machine has slept: then nothing took long.
    let took = state.now.duration_since(asked).as_secs().clamp(0, SLOW);
    let (now, links) = (state.now, &state.links);
    let pause = links.patience(&[System::Source, System::Store]).max(took * 4);
    settle(&mut state.polls.fleet, now, pause);
    if target {
        let pause = if links.target.lost.is_some() { links.patience(&[System::Target]) } else { TARGET_EVERY };
        settle(&mut state.polls.target, now, pause);
    }
}

pub fn after_runs(state: &mut State) {
    settle(&mut state.polls.runs, state.now, RUNS_EVERY);
}

/// Due in so many seconds, unless it was made due while the answer was on its way.
fn settle(poll: &mut Option<Timestamp>, now: Timestamp, seconds: i64) {
    if *poll == Some(Timestamp::MAX) {
        *poll = now.checked_add(SignedDuration::from_secs(seconds)).ok();
    }
}

/// Everything again at once: a job of ours has changed it.
pub fn all_due(state: &mut State) {
    state.polls.fleet = Some(Timestamp::MIN);
    state.polls.target = Some(Timestamp::MIN);
    state.polls.runs = Some(Timestamp::MIN);
}
