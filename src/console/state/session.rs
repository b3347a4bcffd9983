//! What the console remembers between two visits, for each profile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fleet::Sort;
use super::{State, View};
use crate::console::state::filter::Filter;
use crate::console::theme::ThemeName;

/// One profile's view.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    pub view: String,
    pub sort: String,
    pub reverse: bool,
    pub filter: String,
    pub problems_only: bool,
    pub full_screen: bool,
    pub theme: String,
}

/// All profiles, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sessions {
    pub profiles: BTreeMap<String, Session>,
}

impl State {
    /// What should be remembered now.
    #[must_use]
    pub fn session(&self) -> Session {
        Session {
            view: self.view.title().to_owned(),
            sort: self.fleet.sort.name().to_owned(),
            reverse: self.fleet.reverse,
            filter: self.fleet.filter.text.clone(),
            problems_only: self.fleet.problems_only,
            full_screen: self.full_screen,
            // One that holds for this visit alone does not replace the remembered one.
            theme: if self.look.theme_is_fixed { String::new() } else { self.look.theme.name().to_owned() },
        }
    }

    /// Goes on where the last visit ended. Words that are not known any more count as not said.
    pub fn restore(&mut self, session: &Session) {
        self.view = View::ALL.into_iter().find(|view| view.title() == session.view).unwrap_or_default();
        self.fleet.sort = Sort::named(&session.sort).unwrap_or_default();
        self.fleet.reverse = session.reverse;
        self.fleet.filter = Filter::new(&session.filter);
        self.fleet.problems_only = session.problems_only;
        self.full_screen = session.full_screen;
        if let Some(theme) = ThemeName::named(&session.theme)
            && !self.look.theme_is_fixed
        {
            self.look.theme = theme;
        }
        self.fleet.arrange();
        self.dirty = true;
    }
}
