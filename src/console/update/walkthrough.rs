//! The CDC walkthrough: asking how far it is, and doing the step under the cursor.

use crate::console::msg::Effect;
use crate::console::order::Order;
use crate::console::page::Tone;
use crate::console::seam::{Ask, Look};
use crate::console::setup::StepState;
use crate::console::state::overlay::{Overlay, Pick, PickKind, PickLine, Picked};
use crate::console::state::{Purpose, State};

/// Asks how far each step is.
pub fn ask(state: &mut State, effects: &mut Vec<Effect>) {
    if !state.connected || state.awaits(|purpose| *purpose == Purpose::Setup) {
        return;
    }
    let id = state.id();
    state.setup.ask(id);
    state.waiting.insert(id, Purpose::Setup);
    effects.push(Effect::Ask(id, Ask::Look(Look::Setup)));
}

/// Enter on a step: its choices. On a table without CDC: the sheet that enables it.
pub fn step(state: &mut State, effects: &mut Vec<Effect>) {
    let at = state.cursor().at;
    let Some(list) = state.setup.shown() else { return };
    if let Some(step) = list.steps.get(at) {
        let why = match step.state {
            StepState::Open => String::new(),
            StepState::Done => "this step is done".to_owned(),
            StepState::Waits => "another step comes first".to_owned(),
            StepState::Unknown => "it could not be found out whether this is needed".to_owned(),
        };
        let (order, sql) = (step.order.clone(), step.sql.clone());
        match order {
            Some((order, tables)) if why.is_empty() => super::orders::prepare(state, order, tables, true, effects),
            _ if !sql.is_empty() => {
                let line = PickLine { text: "copy its SQL for your DBA".into(), note: why, enabled: true, pick: Picked::Copy(sql) };
                let pick = Pick { kind: PickKind::Copy, title: "This step", lines: vec![line], cursor: 0, input: None };
                state.overlay = Some(Overlay::Pick(pick));
            }
            _ => state.say(Tone::Plain, if why.is_empty() { "nothing to run for this step".to_owned() } else { why }),
        }
    } else if let Some(table) = list.untracked.get(at - list.steps.len()).cloned() {
        super::orders::prepare(state, Order::Enable { role: None }, vec![table], true, effects);
    }
}
