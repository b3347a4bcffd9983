//! A TOML document with its lines: sections, profiles laid over them, unknown keys.
//!
//! Nothing here stops at the first error: every reader notes its problem and goes on, so that
//! one edit can mend them all.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// An error in the file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    /// 1-based; 0 when no line is to blame.
    pub line: usize,
    pub text: String,
}

impl Problem {
    pub fn place(&self) -> String {
        if self.line == 0 { "file".to_owned() } else { format!("line {}", self.line) }
    }
}

/// Gathers the problems of one text.
pub struct Report<'a> {
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
    /// Every key that was asked for, as in `source.host`.
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Report<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, problems: RefCell::default(), asked: RefCell::default() }
    }

    pub fn line(&self, span: &Range<usize>) -> usize {
        1 + self.text.get(..span.start).unwrap_or_default().matches('\n').count()
    }

    pub fn add(&self, line: usize, text: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { line, text: text.into() });
    }

    pub fn into_asked(self) -> Vec<String> {
        self.asked.into_inner().into_iter().collect()
    }

    /// In the order of the lines, each once.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort();
        problems.dedup();
        problems
    }
}

/// A table of the document under the profile's table of the same name.
pub struct Section<'a> {
    /// As in `[source]`; `None` for the top of the file.
    name: Option<&'static str>,
    /// The profile's table first.
    layers: Vec<&'a DeTable<'a>>,
    /// Where a missing key would stand; 0 when the section is missing too.
    line: usize,
    /// Missing keys are no problem: a profile that is looked at for its own sake.
    partial: bool,
    known: RefCell<Vec<&'static str>>,
    report: &'a Report<'a>,
}

impl<'a> Section<'a> {
    /// The top of the file, `layers` with the profile first.
    pub fn top(report: &'a Report<'a>, layers: Vec<&'a DeTable<'a>>, partial: bool) -> Self {
        Self { name: None, layers, line: 0, partial, known: RefCell::default(), report }
    }

    /// `[name]`; empty when the file has none.
    pub fn section(&self, name: &'static str) -> Section<'a> {
        self.known.borrow_mut().push(name);
        let mut layers = Vec::new();
        let mut line = 0;
        for (key, value) in self.layers.iter().filter_map(|layer| entry(layer, name)) {
            let at = self.report.line(&key.span());
            match value.get_ref() {
                DeValue::Table(table) => {
                    line = at;
                    layers.push(table);
                }
                other => self.report.add(at, format!("`{name}` must be a section, [{name}], not {}", kind(other))),
            }
        }
        Section { name: Some(name), layers, line, partial: self.partial, known: RefCell::default(), report: self.report }
    }

    /// `[[name]]`, each as a section of its own. A profile's list replaces the file's.
    pub fn list(&self, name: &'static str) -> Vec<Section<'a>> {
        self.known.borrow_mut().push(name);
        let Some((key, value)) = self.layers.iter().find_map(|layer| entry(layer, name)) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.report.add(self.report.line(&key.span()), format!("`{name}` must be a list of sections, [[{name}]]"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items {
            let line = self.report.line(&item.span());
            if let DeValue::Table(table) = item.get_ref() {
                let (known, report) = (RefCell::default(), self.report);
                sections.push(Section { name: Some(name), layers: vec![table], line, partial: self.partial, known, report });
            } else {
                self.report.add(line, format!("an entry of `{name}` must be a section, [[{name}]]"));
            }
        }
        sections
    }

    /// The value of a key: `Ok(None)` when it is not there, `Err` when it is wrong, which is
    /// noted.
    fn read<T>(&self, key: &'static str, reader: impl FnOnce(&DeValue<'_>) -> Result<T, String>) -> Result<Option<T>, ()> {
        self.known.borrow_mut().push(key);
        self.report.asked.borrow_mut().insert(self.path(key));
        let Some((_, value)) = self.layers.iter().find_map(|layer| entry(layer, key)) else { return Ok(None) };
        reader(value.get_ref()).map(Some).map_err(|why| {
            self.report.add(self.report.line(&value.span()), format!("{} {why}", self.full(key)));
        })
    }

    /// A key that must be there. `None` once a problem is noted.
    pub fn must<T>(&self, key: &'static str, reader: impl FnOnce(&DeValue<'_>) -> Result<T, String>) -> Option<T> {
        let found = self.read(key, reader).ok()?;
        if found.is_none() && !self.partial {
            self.report.add(self.line, format!("{} is missing", self.full(key)));
        }
        found
    }

    /// A key with a default. `None` once a problem is noted.
    pub fn or<T>(&self, key: &'static str, default: T, reader: impl FnOnce(&DeValue<'_>) -> Result<T, String>) -> Option<T> {
        self.read(key, reader).ok().map(|found| found.unwrap_or(default))
    }

    /// A key that may be left out. A wrong one is noted and counts as left out.
    pub fn maybe<T>(&self, key: &'static str, reader: impl FnOnce(&DeValue<'_>) -> Result<T, String>) -> Option<T> {
        self.read(key, reader).ok().flatten()
    }

    /// A table whose keys are names of the operator's own (`what` says of what), as in
    /// `columns = { Notes = "truncate" }` or `[table.columns]`. Empty when it is not there, `None`
    /// once a problem is noted.
    pub fn names<T>(&self, key: &'static str, what: &str, reader: impl Fn(&DeValue<'_>) -> Result<T, String>) -> Option<Vec<(String, T)>> {
        self.known.borrow_mut().push(key);
        self.report.asked.borrow_mut().insert(self.path(key));
        let Some((name, value)) = self.layers.iter().find_map(|layer| entry(layer, key)) else { return Some(Vec::new()) };
        let DeValue::Table(table) = value.get_ref() else {
            let why = format!("{} must be a table, {key} = {{ {what} = … }}, not {}", self.full(key), kind(value.get_ref()));
            self.report.add(self.report.line(&name.span()), why);
            return None;
        };
        let read = |(name, value): (&Spanned<toml::de::DeString<'_>>, &Spanned<DeValue<'_>>)| match reader(value.get_ref()) {
            Ok(meaning) => Some((name.get_ref().to_string(), meaning)),
            Err(why) => {
                self.report.add(self.report.line(&value.span()), format!("{} of the {what} `{}` {why}", self.full(key), name.get_ref()));
                None
            }
        };
        let found: Vec<_> = table.iter().map(read).collect();
        found.into_iter().collect()
    }

    /// Notes a problem with a key, where it stands.
    pub fn problem(&self, key: &str, why: &str) {
        let value = self.layers.iter().find_map(|layer| entry(layer, key));
        let line = value.map_or(self.line, |(key, _)| self.report.line(&key.span()));
        self.report.add(line, format!("{} {why}", self.full(key)));
    }

    /// Whether the key stands there, right or wrong.
    pub fn has(&self, key: &str) -> bool {
        self.layers.iter().any(|layer| entry(layer, key).is_some())
    }

    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// A key that is read by other means.
    pub fn allow(&self, key: &'static str) {
        self.known.borrow_mut().push(key);
    }

    /// Notes every key that nobody asked for. Called when all keys were read.
    pub fn close(&self) {
        let known = self.known.borrow();
        for layer in &self.layers {
            for key in layer.keys() {
                let name: &str = key.get_ref();
                if !known.contains(&name) {
                    self.report.add(self.report.line(&key.span()), unknown(&self.full(name), name, &known));
                }
            }
        }
    }

    /// As in `source.host`.
    fn path(&self, key: &str) -> String {
        self.name.map_or_else(|| key.to_owned(), |section| format!("{section}.{key}"))
    }

    pub fn full(&self, key: &str) -> String {
        format!("`{}`", self.path(key))
    }
}

/// Says that a name is not known, and which one is nearest.
pub fn unknown(shown: &str, name: &str, known: &[&str]) -> String {
    let near = |candidate: &&&str| strsim::damerau_levenshtein(name, candidate);
    let nearest = known.iter().filter(|c| near(c) <= 3.max(c.len() / 2)).min_by_key(near);
    match nearest {
        Some(nearest) => format!("{shown} is not known: did you mean `{nearest}`?"),
        None => format!("{shown} is not known: there are {}", known.join(", ")),
    }
}

/// What a value is, in words.
pub fn kind(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}

type Entry<'t, 'a> = (&'t Spanned<toml::de::DeString<'a>>, &'t Spanned<DeValue<'a>>);

fn entry<'t, 'a>(table: &'t DeTable<'a>, name: &str) -> Option<Entry<'t, 'a>> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}
