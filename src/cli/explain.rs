//! `explain`: the pages of the fault dictionary.

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Explain, Global};
use super::document::Document;
use super::{exit, output};
use crate::model::Fault;
use crate::model::fault::{Class, Page, cfg, families, page};

/// A page of the fault dictionary.
#[derive(Serialize, JsonSchema)]
pub struct PageDocument {
    /// Stable code, as in `SRC-012`.
    code: &'static str,
    /// The code in words.
    title: &'static str,
    class: ClassName,
    /// Of a command that ends with this fault.
    exit_code: u8,
    /// Names of the facts that such a fault may tell; what stands in `<>` varies.
    evidence: &'static [&'static str],
    /// What it means for the data.
    meaning: &'static str,
    /// Commands or acts, the safest first.
    next: &'static [&'static str],
}

/// What a scheduler and a person may expect.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ClassName {
    /// Not tried again: usage, settings or rights must change first.
    Config,
    /// Tried again by itself, a bounded number of times.
    Transient,
    /// Not tried again within the job; the next run may meet it again.
    Failed,
    /// Somebody else works on the table.
    Busy,
    /// Stands until a person decides.
    Human,
}

impl Document for PageDocument {
    const NAME: &'static str = "explain";
    const VERSION: u32 = 1;
}

/// The whole fault dictionary.
#[derive(Serialize, JsonSchema)]
pub struct PageList {
    /// By family.
    faults: Vec<PageDocument>,
}

impl Document for PageList {
    const NAME: &'static str = "explain-list";
    const VERSION: u32 = 1;
}

pub fn run(global: &Global, explain: &Explain) -> Result<u8, Fault> {
    match &explain.code {
        Some(code) if !explain.list => {
            let page = page(code).ok_or_else(|| unknown(code))?;
            print_page(global, page);
        }
        _ => print_list(global),
    }
    Ok(exit::DONE)
}

/// Names the nearest code: a digit or a letter wrong.
fn unknown(code: &str) -> Fault {
    let wanted = code.to_ascii_uppercase();
    let pages = families().into_iter().flat_map(|family| family.pages.iter().copied());
    let nearest = pages.min_by_key(|page| strsim::damerau_levenshtein(&wanted, page.code));
    let fault = Fault::new(&cfg::NO_SUCH_CODE, format!("there is no fault {code}"));
    match nearest {
        Some(page) => {
            fault.evidence("nearest", format!("{} {}", page.code, page.title)).next(format!("db-to-redshift explain {}", page.code))
        }
        None => fault,
    }
}

/// What a scheduler and a person may expect of the class.
fn class_words(class: Class) -> (ClassName, &'static str, &'static str) {
    match class {
        Class::Config => (ClassName::Config, "config", "not tried again: usage, settings or rights must change first"),
        Class::Transient => (ClassName::Transient, "transient", "tried again by itself, a bounded number of times"),
        Class::Failed => (ClassName::Failed, "failed", "not tried again within the job; the next run may meet it again"),
        Class::Busy => (ClassName::Busy, "busy", "somebody else works on the table"),
        Class::Human => (ClassName::Human, "human", "stands until a person decides"),
    }
}

fn document(page: &Page) -> PageDocument {
    PageDocument {
        code: page.code,
        title: page.title,
        class: class_words(page.class).0,
        exit_code: exit::of_class(page.class),
        evidence: page.evidence,
        meaning: page.meaning,
        next: page.next,
    }
}

fn print_page(global: &Global, page: &Page) {
    if global.json {
        output::document(&document(page));
        return;
    }
    let (_, class, retries) = class_words(page.class);
    let exit = exit::of_class(page.class);
    output::line(format_args!("{} {}\n\n{}\n\nClass: {class} ({retries}); exit code {exit}.\n", page.code, page.title, page.meaning));
    if !page.evidence.is_empty() {
        output::line(format_args!("Evidence: {}", page.evidence.join(", ")));
    }
    for next in page.next {
        output::line(format_args!("Next: {next}"));
    }
}

fn print_list(global: &Global) {
    if global.json {
        let pages = families().into_iter().flat_map(|family| family.pages.iter());
        output::document(&PageList { faults: pages.map(|page| document(page)).collect() });
        return;
    }
    for (at, family) in families().iter().enumerate() {
        output::line(format_args!("{}{}", if at == 0 { "" } else { "\n" }, family.title));
        let rows: Vec<_> = family.pages.iter().map(|page| vec![format!("  {}", page.code), page.title.to_owned()]).collect();
        output::text(output::table(&rows));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_names_the_nearest_code() {
        for (typo, meant) in [("sync-0O2", "SYNC-002"), ("SNYC-016", "SYNC-016"), ("RS028", "RS-028")] {
            let fault = unknown(typo);
            assert!(fault.is(&cfg::NO_SUCH_CODE) && fault.facts()[0].1.starts_with(meant), "{fault}");
        }
    }

    #[test]
    fn a_page_says_what_a_scheduler_needs() {
        let page = serde_json::to_value(document(page("sync-002").unwrap())).unwrap();
        assert_eq!((page["class"].as_str(), page["exit_code"].as_u64()), (Some("human"), Some(4)));
    }
}
