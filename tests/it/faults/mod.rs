//! The dictionary of faults, met for real: every page is provoked through the real client, and
//! the connection is lost at every statement.

mod commands;
mod cuts;
mod disk;
mod expired_keys;
mod load_codes;
mod of_config;
mod of_inspect;
mod of_operate;
mod of_redshift;
mod of_s3;
mod of_source;
mod of_sync;
mod places;
mod retries;
mod silent_sql_server;
mod time_outs;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Instant;

use db_to_redshift::model::Fault;
use db_to_redshift::model::fault::{Page, dictionary};
use futures::StreamExt;

/// What a provocation brought about.
pub struct Met {
    code: String,
    /// All of it, as an operator or a log could get to see it.
    text: String,
    /// Names of the facts.
    facts: Vec<String>,
    actions: Vec<String>,
}

impl From<Fault> for Met {
    fn from(fault: Fault) -> Self {
        let text = format!("{fault:?} {:?}", fault.actions().collect::<Vec<_>>());
        let facts = fault.facts().iter().map(|(name, _)| name.clone()).collect();
        Self { code: fault.code().to_owned(), text, facts, actions: fault.actions().map(str::to_owned).collect() }
    }
}

impl Met {
    /// The fault of a command that was run with `--json`.
    pub fn printed(json: &str) -> Self {
        let parsed: serde_json::Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
        let fault = &parsed["fault"];
        let facts =
            fault["evidence"].as_array().into_iter().flatten().filter_map(|fact| fact["name"].as_str().map(str::to_owned)).collect();
        let actions = fault["next"].as_array().into_iter().flatten().filter_map(|action| action.as_str().map(str::to_owned)).collect();
        Self {
            code: fault["code"].as_str().unwrap_or_else(|| panic!("no fault: {json}")).to_owned(),
            text: json.to_owned(),
            facts,
            actions,
        }
    }
}

pub type Meeting = Pin<Box<dyn Future<Output = Met> + Send>>;

/// A page, and how an operator comes to see it.
pub struct Provocation {
    pub page: &'static Page,
    pub provoke: fn() -> Meeting,
    /// There is nothing to tell beyond the sentence.
    pub bare: bool,
}

/// `page => function` lines; `bare` in front of those without evidence.
macro_rules! provocations {
    ($($($bare:ident)? [$page:expr] => $provoke:path),* $(,)?) => {
        /// Every page of the family.
        pub fn register() -> Vec<crate::faults::Provocation> {
            vec![$(crate::faults::Provocation {
                page: &$page,
                provoke: || Box::pin(async { crate::faults::Met::from($provoke().await) }),
                bare: false $(|| stringify!($bare) == "bare")?,
            }),*]
        }
    };
}
pub(crate) use provocations;

/// Secrets and cell values that stand in the settings and rows of the provocations.
const NEVER_SHOWN: &[&str] = &["card 4711", "Roast-7-beans", "lab password", "p\"w'd;1", "not-the-secret"];

/// Runs a family's provocations, some at a time.
pub async fn run(family: Vec<Provocation>) {
    let wrong: Vec<String> = futures::stream::iter(family)
        .map(|provocation| async move {
            let started = Instant::now();
            let met = (provocation.provoke)().await;
            println!("{} after {:?}", provocation.page.code, started.elapsed());
            judge(&provocation, &met)
        })
        .buffer_unordered(4)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn judge(provocation: &Provocation, met: &Met) -> Option<String> {
    let code = provocation.page.code;
    if met.code != code {
        return Some(format!("{code} was to be provoked, but it was {}", met.text));
    }
    if met.facts.is_empty() && !provocation.bare {
        return Some(format!("{code} has no evidence: {}", met.text));
    }
    if let Some(unnamed) = met.facts.iter().find(|fact| !provocation.page.names(fact)) {
        return Some(format!("the page of {code} does not name its evidence {unnamed:?}: {}", met.text));
    }
    if met.actions.is_empty() {
        return Some(format!("{code} says nothing to do: {}", met.text));
    }
    if let Some(why) = met.actions.iter().find_map(|action| commands::refused(action)) {
        return Some(format!("{code} {why}"));
    }
    NEVER_SHOWN.iter().find(|hidden| met.text.contains(**hidden)).map(|hidden| format!("{code} shows {hidden:?}: {}", met.text))
}

fn everything() -> Vec<Provocation> {
    let mut all = of_config::register();
    all.extend(of_source::register());
    all.extend(of_s3::register());
    all.extend(of_redshift::register());
    all.extend(of_sync::register());
    all.extend(of_inspect::register());
    all.extend(of_operate::register());
    all.extend(disk::register());
    all
}

#[test]
fn every_page_of_the_dictionary_is_provoked() {
    let provoked: BTreeSet<&str> = everything().iter().map(|provocation| provocation.page.code).collect();
    let pages: BTreeSet<&str> = dictionary().iter().map(|page| page.code).collect();
    let missing: Vec<_> = pages.difference(&provoked).collect();
    assert!(missing.is_empty(), "nothing provokes {missing:?}: add a provocation, or delete a page that nobody can meet");
    assert!(pages.is_superset(&provoked));
    assert!(pages.len() >= 40);
    println!("{} faults, each provoked", pages.len());
}
