//! `explain`: the pages of the fault dictionary.

use serde_json::{Value, json};

use super::args::{Explain, Global};
use super::{exit, output};
use crate::model::Fault;
use crate::model::fault::{Page, cfg, dictionary, page};

pub fn run(global: &Global, explain: &Explain) -> Result<u8, Fault> {
    match &explain.code {
        Some(code) if !explain.list => {
            let page = page(code).ok_or_else(|| Fault::new(&cfg::NO_SUCH_CODE, format!("there is no fault {code}")))?;
            print_page(global, page);
        }
        _ => print_list(global),
    }
    Ok(exit::DONE)
}

fn page_json(page: &Page) -> Value {
    json!({ "code": page.code, "title": page.title, "meaning": page.meaning, "next": page.next })
}

fn print_page(global: &Global, page: &Page) {
    if global.json {
        output::line(page_json(page));
        return;
    }
    output::line(format_args!("{} {}\n\n{}\n", page.code, page.title, page.meaning));
    for next in page.next {
        output::line(format_args!("Next: {next}"));
    }
}

fn print_list(global: &Global) {
    let pages = dictionary();
    if global.json {
        output::line(json!({ "faults": pages.iter().map(|page| page_json(page)).collect::<Vec<_>>() }));
        return;
    }
    let rows: Vec<_> = pages.iter().map(|page| vec![page.code.to_owned(), page.title.to_owned()]).collect();
    output::text(output::table(&rows));
}
