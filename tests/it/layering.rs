//! An arrow between folders of `src/` may only point down: see `ARCHITECTURE.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Each folder with the folders that it may use besides itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("cli", &["console", "lab", "engine", "source", "store", "target", "encode", "config", "model"]),
    ("console", &["engine", "model", "config"]),
    ("lab", &["model"]),
    ("engine", &["source", "store", "target", "encode", "config", "model"]),
    ("source", &["config", "model"]),
    ("store", &["config", "model"]),
    ("target", &["config", "model"]),
    ("encode", &["model"]),
    ("config", &["model"]),
    ("model", &[]),
];

/// The top-level modules that a file names by `crate::`, in `use` trees and in paths alike.
fn uses(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    c if depth == 0 && (c.is_alphanumeric() || c == '_') => word.push(c),
                    ',' if depth == 0 => word.clear(),
                    _ => {}
                }
                if depth == 0 && matches!(c, ':' | ',') && !word.is_empty() {
                    found.insert(std::mem::take(&mut word));
                }
            }
            found.insert(word);
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

/// The top-level modules that a file reaches by climbing: `super::super::x` is resolved against the
/// file's own module path, as in `["engine", "load"]`.
fn climbs(text: &str, module: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().map(|line| line.split("//").next().unwrap_or_default()) {
        let mut rest = line;
        while let Some(at) = rest.find("super::") {
            let mut chain = &rest[at..];
            let mut steps = 0;
            while let Some(next) = chain.strip_prefix("super::") {
                steps += 1;
                chain = next;
            }
            rest = chain;
            let name: String = chain.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            // More steps than the path is long: an inline module stands between.
            if steps >= module.len() {
                found.insert(name);
            }
        }
    }
    found
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are both `["a", "b"]`.
fn module_of(src: &Path, file: &Path) -> Vec<String> {
    let path = file.strip_prefix(src).unwrap().with_extension("");
    let mut module: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

fn check(folder: &str, allowed: &[&str], path: &Path, wrong: &mut Vec<String>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check(folder, allowed, &path, wrong);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
            for module in uses(&text).into_iter().chain(climbs(&text, &module_of(&src, &path))) {
                let known = MAY_USE.iter().any(|(name, _)| *name == module);
                if known && module != folder && !allowed.contains(&module.as_str()) {
                    wrong.push(format!("{} uses {module}", path.display()));
                }
            }
        }
    }
}

#[test]
fn arrows_only_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (folder, allowed) in MAY_USE {
        if src.join(folder).is_dir() {
            check(folder, allowed, &src.join(folder), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_is_on_the_list() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(src).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!path.is_dir() || MAY_USE.iter().any(|(folder, _)| *folder == name), "{name} has no rule");
    }
}

#[test]
fn the_reader_sees_paths_and_use_trees() {
    let text = "use crate::{config::Settings, model::{Lsn, name}, store};\nlet x = crate::lab::start(); // crate::cli";
    let found: Vec<_> = uses(text).into_iter().filter(|m| !m.is_empty()).collect();
    assert_eq!(found, ["config", "lab", "model", "store"]);
}

#[test]
fn the_reader_resolves_climbing_paths() {
    let module = ["engine".to_owned(), "load".to_owned()];
    let climbed = |text: &str| climbs(text, &module).into_iter().collect::<Vec<_>>();
    assert_eq!(climbed("use super::super::lab::Lab; use super::plan; // super::super::cli"), ["lab"]);
    assert_eq!(module_of(Path::new("src"), Path::new("src/engine/load/mod.rs")), module);
    assert_eq!(module_of(Path::new("src"), Path::new("src/engine/load.rs")), module);
}
