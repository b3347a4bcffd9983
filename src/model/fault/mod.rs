//! Faults: every failure that an operator can meet, with a stable code, the evidence, what it
//! means and what to do next.
//!
//! The pages of the dictionary stand by family in the files beside this one. A fault never
//! carries a cell value or a secret.

pub mod cfg;
mod document;
pub mod operate;
pub mod rs;
pub mod s3;
pub mod src;
pub mod sync;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::TableName;
use super::typed::shell;

pub use document::{Fact, FaultDocument};

/// How a failure behaves, which decides about retries and the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// Usage or configuration: exit code 2.
    Config,
    /// May go away by itself: worth a bounded number of retries. Exit code 1.
    Transient,
    /// Exit code 1.
    Failed,
    /// Somebody else holds the lease: exit code 3.
    Busy,
    /// Stands until a person decides: gap, drift, diverged. Exit code 4.
    Human,
}

/// One page of the dictionary.
#[derive(Debug)]
pub struct Page {
    /// Stable code, as in `SRC-012`.
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    pub class: Class,
    /// Names of the facts that such a fault may tell; what stands in `<>` varies.
    pub evidence: &'static [&'static str],
    /// What it means for the data.
    pub meaning: &'static str,
    /// Commands or acts, the safest first. A command stands at the end, after `: `, or before
    /// ` # ` and a word on what it does, so that a shell takes it as it is.
    pub next: &'static [&'static str],
}

impl Page {
    /// Whether a fact of this name may stand in such a fault.
    #[must_use]
    pub fn names(&self, fact: &str) -> bool {
        self.evidence.iter().any(|name| match name.split_once('<').and_then(|(before, rest)| Some((before, rest.split_once('>')?.1))) {
            Some((before, after)) => fact.len() > before.len() + after.len() && fact.starts_with(before) && fact.ends_with(after),
            None => *name == fact,
        })
    }
}

/// Pages that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub title: &'static str,
    pub pages: &'static [&'static Page],
}

/// Every family, in the order in which a person would look.
#[must_use]
pub fn families() -> [Family; 6] {
    [
        Family { title: "CFG: usage and configuration", pages: cfg::PAGES },
        Family { title: "SRC: the source, SQL Server", pages: src::PAGES },
        Family { title: "S3: the store of change files", pages: s3::PAGES },
        Family { title: "RS: the target, Amazon Redshift", pages: rs::PAGES },
        Family { title: "SYNC: the protocol between the three", pages: sync::PAGES },
        Family { title: "SYNC: what an operator orders", pages: operate::PAGES },
    ]
}

/// All pages, by family.
#[must_use]
pub fn dictionary() -> Vec<&'static Page> {
    families().iter().flat_map(|family| family.pages).copied().collect()
}

/// The page of a code, in either letter case.
#[must_use]
pub fn page(code: &str) -> Option<&'static Page> {
    dictionary().into_iter().find(|page| page.code.eq_ignore_ascii_case(code))
}

/// A failure. Cheap to move; built with [`Fault::new`] and the chained setters.
#[derive(Clone)]
pub struct Fault(Box<Inner>);

#[derive(Clone)]
struct Inner {
    page: &'static Page,
    what: String,
    evidence: Vec<(String, String)>,
    next: Vec<String>,
    /// The actions of the page, with the table's name once it is known.
    general: Vec<Cow<'static, str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    /// `what` says what happened, where, in one sentence.
    #[must_use]
    pub fn new(page: &'static Page, what: impl Into<String>) -> Self {
        let general = page.next.iter().copied().map(Cow::Borrowed).collect();
        Self(Box::new(Inner { page, what: what.into(), evidence: Vec::new(), next: Vec::new(), general, source: None }))
    }

    /// Adds a fact: a number, a name, an LSN, a time. Never a cell value, never a secret. Its page
    /// must name it, so that nothing is shown that the dictionary does not know.
    #[must_use]
    pub fn evidence(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        let name = name.into();
        debug_assert!(self.page().names(&name), "the page of {} does not name its evidence {name:?}", self.code());
        self.0.evidence.push((name, value.to_string()));
        self
    }

    /// Adds a next action in front of those of the page: a command with this case's names in it.
    #[must_use]
    pub fn next(mut self, action: impl Into<String>) -> Self {
        self.0.next.push(action.into());
        self
    }

    /// Puts the table's name where its actions say `<table>`, so that they are commands.
    #[must_use]
    pub fn about(self, table: &TableName) -> Self {
        self.fill(TABLE, &format!("{table:#}"))
    }

    /// The same for the file that it is about, where its actions say `<file>`.
    #[must_use]
    pub fn about_file(self, file: &Path) -> Self {
        self.fill(FILE, &shell(&file.display().to_string()))
    }

    fn fill(mut self, place: &str, word: &str) -> Self {
        for action in &mut self.0.next {
            *action = action.replace(place, word);
        }
        for action in self.0.general.iter_mut().filter(|action| action.contains(place)) {
            *action = Cow::Owned(action.replace(place, word));
        }
        self
    }

    /// Keeps the error that caused it.
    #[must_use]
    pub fn caused_by(mut self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(error.into()));
        self
    }

    #[must_use]
    pub fn page(&self) -> &'static Page {
        self.0.page
    }

    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.page.code
    }

    #[must_use]
    pub fn class(&self) -> Class {
        self.0.page.class
    }

    /// Whether this is the fault of the given page.
    #[must_use]
    pub fn is(&self, page: &Page) -> bool {
        self.0.page.code == page.code
    }

    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }

    #[must_use]
    pub fn facts(&self) -> &[(String, String)] {
        &self.0.evidence
    }

    /// This case's actions, then those of the page that say something else.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        let own = self.0.next.iter().map(String::as_str);
        let general = self.0.general.iter().map(Cow::as_ref);
        own.chain(general.filter(|action| !self.0.next.iter().any(|own| command(own) == command(action))))
    }
}

/// Stands in a page's actions for the table that they are about.
const TABLE: &str = "<table>";
/// Likewise for the file.
const FILE: &str = "<file>";

/// An action without the words on what it does.
fn command(action: &str) -> &str {
    action.split_once(" # ").map_or(action, |(command, _)| command)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.facts().iter().map(|(name, value)| (name.as_str(), value.as_str()));
        document::line(f, self.code(), self.what(), facts)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        if let Some(source) = &self.0.source {
            write!(f, " caused by {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|error| error as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_code_of_its_own_and_says_what_to_do() {
        let mut seen = std::collections::BTreeSet::new();
        for page in dictionary() {
            assert!(seen.insert(page.code), "{} stands twice", page.code);
            assert!(!page.title.is_empty() && !page.meaning.is_empty() && !page.next.is_empty(), "{}", page.code);
            let names: std::collections::BTreeSet<_> = page.evidence.iter().collect();
            // They are printed with commas between them.
            assert!(names.len() == page.evidence.len() && names.iter().all(|name| !name.contains(',')), "{}", page.code);
        }
        assert!(page("src-001").is_some() && page("XX-999").is_none());
    }

    #[test]
    fn what_varies_in_the_name_of_a_fact_matches_and_nothing_else() {
        let page = Page { evidence: &["column <name>", "<what> here", "rows"], ..super::sync::GAP };
        for (fact, named) in [
            ("column notes", true),
            ("database guid here", true),
            ("rows", true),
            ("column ", false),
            ("columns", false),
            ("row", false),
            (" here", false),
        ] {
            assert_eq!(page.names(fact), named, "{fact}");
        }
    }

    #[test]
    fn advice_names_the_table_and_says_nothing_twice() {
        let general = Fault::new(&rs::STILL_STAGED, "rows are staged");
        assert_eq!(general.actions().collect::<Vec<_>>(), ["db-to-redshift load --table <table> # applies it"]);
        let told = general.next("db-to-redshift load --table 'dbo.[Order Line]'").about(&TableName::new("dbo", "Order Line"));
        assert_eq!(told.actions().collect::<Vec<_>>(), ["db-to-redshift load --table 'dbo.[Order Line]'"]);
    }
}
