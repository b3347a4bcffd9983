//! Keys to actions: the defaults of [`super::action`], and what the configuration says instead.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crokey::{KeyCombination, KeyCombinationFormat};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{ACTIONS, Action, Group};

/// Which key does what.
#[derive(Clone, Debug)]
pub struct Keymap {
    keys: BTreeMap<Action, Vec<KeyCombination>>,
    by_key: Vec<(KeyCombination, Action)>,
    format: KeyCombinationFormat,
}

impl Default for Keymap {
    fn default() -> Self {
        let (keymap, problems) = Self::with(&BTreeMap::new());
        debug_assert!(problems.is_empty(), "{problems:?}");
        keymap
    }
}

impl Keymap {
    /// The defaults with the configuration's `[console.keys]` over them: an action's name, and its
    /// keys instead of the default ones. What is wrong is said in words and left as it was.
    #[must_use]
    pub fn with(changes: &BTreeMap<String, Vec<String>>) -> (Self, Vec<String>) {
        let (mut keys, mut problems) = (BTreeMap::new(), Vec::new());
        for info in ACTIONS {
            keys.insert(info.action, info.keys.iter().filter_map(|key| parse(key).ok()).collect::<Vec<_>>());
        }
        for (name, wanted) in changes {
            let Some(action) = Action::named(name) else {
                problems.push(format!("there is no action `{name}`; db-to-redshift keys lists them"));
                continue;
            };
            match wanted.iter().map(|key| parse(key).map_err(|error| format!("{name}: {error}"))).collect::<Result<Vec<_>, _>>() {
                Ok(wanted) => drop(keys.insert(action, wanted)),
                Err(problem) => problems.push(problem),
            }
        }
        let mut by_key: Vec<(KeyCombination, Action)> = Vec::new();
        let format = KeyCombinationFormat::default().with_lowercase_modifiers();
        for info in ACTIONS {
            for key in &keys[&info.action] {
                match by_key.iter().find(|(other, _)| other == key) {
                    Some((_, first)) => {
                        let key = format.to_string(*key);
                        problems.push(format!("{key} does two things: {} and {}", first.info().name, info.name));
                    }
                    None => by_key.push((*key, info.action)),
                }
            }
        }
        (Self { keys, by_key, format }, problems)
    }

    /// What a key asks for.
    #[must_use]
    pub fn action(&self, mut key: KeyEvent) -> Option<Action> {
        // Whether `!` comes with Shift depends on the terminal; the sign says it all.
        if matches!(key.code, KeyCode::Char(c) if !c.is_alphabetic()) {
            key.modifiers.remove(KeyModifiers::SHIFT);
        }
        let key = KeyCombination::from(key).normalized();
        self.by_key.iter().find(|(known, _)| *known == key).map(|(_, action)| *action)
    }

    /// The first key of an action, as people write it; empty when it has none.
    #[must_use]
    pub fn key(&self, action: Action) -> String {
        self.keys.get(&action).and_then(|keys| keys.first()).map(|key| self.name(*key)).unwrap_or_default()
    }

    /// All keys of an action.
    #[must_use]
    pub fn keys(&self, action: Action) -> Vec<String> {
        self.keys.get(&action).into_iter().flatten().map(|key| self.name(*key)).collect()
    }

    fn name(&self, key: KeyCombination) -> String {
        let text = self.format.to_string(key);
        match text.strip_prefix("shift-") {
            Some(letter) if letter.chars().count() == 1 => letter.to_uppercase(),
            _ => match text.as_str() {
                "Space" => "space".into(),
                "BackTab" | "shift-BackTab" => "shift-tab".into(),
                other if other.chars().count() > 1 => other.to_lowercase(),
                other => other.to_owned(),
            },
        }
    }

    /// The page of keys, as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for group in Group::ALL {
            let _ = writeln!(out, "### {}\n\n| key | name | what it does |\n|---|---|---|", group.title());
            for info in ACTIONS.iter().filter(|info| info.group == group) {
                let keys: Vec<String> = self.keys(info.action).iter().map(|key| format!("`{}`", key.replace('|', "\\|"))).collect();
                let keys = if keys.is_empty() { "menu".to_owned() } else { keys.join(" ") };
                let _ = writeln!(out, "| {keys} | `{}` | {} |", info.name, info.help);
            }
            out.push('\n');
        }
        out
    }
}

/// A key by its name: a single character stands for itself, an upper-case letter for Shift with it.
fn parse(name: &str) -> Result<KeyCombination, String> {
    let mut chars = name.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        let modifiers = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
        return Ok(KeyCombination::from(KeyEvent::new(KeyCode::Char(c), modifiers)).normalized());
    }
    crokey::parse(name).map(KeyCombination::normalized).map_err(|_| format!("`{name}` is no key; as in `ctrl-r`, `f5`, `E`, `pagedown`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_have_no_conflicts_and_can_be_read_back() {
        let (keymap, problems) = Keymap::with(&BTreeMap::new());
        assert!(problems.is_empty(), "{problems:?}");
        for info in ACTIONS {
            assert_eq!(keymap.keys(info.action).len(), info.keys.len(), "{}", info.name);
            for (shown, written) in keymap.keys(info.action).iter().zip(info.keys) {
                let written = if *written == "backtab" { "shift-tab" } else { written };
                assert_eq!(shown, written);
            }
        }
    }

    #[test]
    fn keys_of_a_terminal_find_their_action() {
        let keymap = Keymap::default();
        let press = |code, modifiers| keymap.action(KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('E'), KeyModifiers::SHIFT), Some(Action::Extract));
        assert_eq!(press(KeyCode::Char('E'), KeyModifiers::NONE), Some(Action::Extract), "some terminals leave Shift out");
        assert_eq!(press(KeyCode::Char('e'), KeyModifiers::NONE), Some(Action::Fault));
        assert_eq!(press(KeyCode::Char('!'), KeyModifiers::NONE), Some(Action::Problems));
        assert_eq!(press(KeyCode::Char('!'), KeyModifiers::SHIFT), Some(Action::Problems));
        assert_eq!(press(KeyCode::Char('r'), KeyModifiers::CONTROL), Some(Action::Refresh));
        assert_eq!(press(KeyCode::BackTab, KeyModifiers::SHIFT), Some(Action::PreviousTab));
        assert_eq!(press(KeyCode::Char('*'), KeyModifiers::NONE), Some(Action::MarkAll));
    }

    #[test]
    fn changes_are_checked() {
        let change = |name: &str, keys: &[&str]| (name.to_owned(), keys.iter().map(|key| (*key).to_owned()).collect());
        let (keymap, problems) = Keymap::with(&[change("extract", &["f5"])].into());
        assert!(problems.is_empty());
        assert_eq!(keymap.key(Action::Extract), "f5");
        let (_, problems) = Keymap::with(&[change("extract", &["j"]), change("nonsense", &[]), change("load", &["ctrl-what"])].into());
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
