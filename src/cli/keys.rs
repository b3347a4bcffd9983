//! `keys`: the console's keys, as the configuration has them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Global;
use super::document::Document;
use super::{exit, output};
use crate::config;
use crate::console::action::{ACTIONS, Group};
use crate::console::keymap::Keymap;
use crate::model::Fault;
use crate::model::fault::cfg;

/// The keys of the console.
#[derive(Serialize, JsonSchema)]
pub struct KeyList {
    /// In the order of the help.
    keys: Vec<KeyLine>,
    /// What is wrong with the keys of the configuration; empty: nothing.
    problems: Vec<String>,
}

/// One action of the console.
#[derive(Serialize, JsonSchema)]
struct KeyLine {
    /// As `[console.keys]` names it.
    action: &'static str,
    /// Its keys; empty: it is in the menu and the palette only.
    keys: Vec<String>,
    /// What it does.
    help: &'static str,
}

impl Document for KeyList {
    const NAME: &'static str = "keys";
    const VERSION: u32 = 1;
}

pub fn run(global: &Global) -> Result<u8, Fault> {
    let changes = match config::load(global.config.as_deref(), global.profile.as_deref()) {
        Ok(settings) => settings.console.keys.into_iter().collect(),
        // Without a configuration the default keys hold.
        Err(fault) if fault.is(&cfg::NOT_FOUND) && global.config.is_none() => BTreeMap::new(),
        Err(fault) => return Err(fault),
    };
    let (keymap, problems) = Keymap::with(&changes);
    let code = if problems.is_empty() { exit::DONE } else { exit::CONFIG };
    if global.json {
        let line = |info: &crate::console::action::Info| KeyLine { action: info.name, keys: keymap.keys(info.action), help: info.help };
        output::document(&KeyList { keys: ACTIONS.iter().map(line).collect(), problems });
        return Ok(code);
    }
    for group in Group::ALL {
        output::line(format_args!("{}", group.title()));
        let rows: Vec<Vec<String>> = ACTIONS
            .iter()
            .filter(|info| info.group == group)
            .map(|info| vec![format!("  {}", keymap.keys(info.action).join(" ")), info.name.to_owned(), info.help.to_owned()])
            .collect();
        output::text(output::table(&rows));
    }
    for problem in &problems {
        output::line(format_args!("PROBLEM  {problem}"));
    }
    Ok(code)
}
