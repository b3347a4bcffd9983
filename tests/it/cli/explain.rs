//! `explain`: each page of the dictionary, and the list of all.

use db_to_redshift::model::fault::{Class, Page, dictionary, families};
use serde_json::{Value, json};

use super::documents::errors;

fn program(arguments: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_db-to-redshift")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn document(arguments: &[&str]) -> Value {
    serde_json::from_str(&program(arguments)).unwrap()
}

/// The class as README and scheduler know it, written here once more.
fn class(page: &Page) -> (&'static str, u8) {
    match page.class {
        Class::Config => ("config", 2),
        Class::Transient => ("transient", 1),
        Class::Failed => ("failed", 1),
        Class::Busy => ("busy", 3),
        Class::Human => ("human", 4),
    }
}

fn expected(page: &Page) -> Value {
    let (class, exit_code) = class(page);
    json!({
        "code": page.code,
        "title": page.title,
        "class": class,
        "exit_code": exit_code,
        "evidence": page.evidence,
        "meaning": page.meaning,
        "next": page.next,
    })
}

#[test]
fn every_code_is_explained_as_the_dictionary_has_it() {
    let mut documents = Vec::new();
    for page in dictionary() {
        let text = program(&["explain", page.code]);
        let (class, exit_code) = class(page);
        assert!(text.starts_with(&format!("{} {}\n", page.code, page.title)), "{text}");
        assert!(text.contains(&format!("\n{}\n", page.meaning)), "{text}");
        assert!(text.contains(&format!("Class: {class} (")) && text.contains(&format!("; exit code {exit_code}.\n")), "{text}");
        let next: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("Next: ")).collect();
        assert_eq!(next, page.next, "{}", page.code);
        let evidence: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("Evidence: ")).flat_map(|line| line.split(", ")).collect();
        assert_eq!(evidence, page.evidence, "{}", page.code);

        let mut document = document(&["explain", &page.code.to_lowercase(), "--json"]);
        documents.push(document.clone());
        document.as_object_mut().unwrap().remove("schema");
        assert_eq!(document, expected(page));
    }
    let found = errors(&documents);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_list_has_every_page_once_and_by_family() {
    let text = program(&["explain", "--list"]);
    let mut wanted = Vec::new();
    for family in families() {
        wanted.push(family.title.to_owned());
        wanted.extend(family.pages.iter().map(|page| format!("{} {}", page.code, page.title)));
    }
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(words).collect();
    assert_eq!(lines, wanted);

    let list = document(&["explain", "--list", "--json"]);
    assert_eq!(list["faults"], dictionary().into_iter().map(expected).collect::<Value>());
    let found = errors(&[list]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
