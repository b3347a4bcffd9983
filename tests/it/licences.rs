//! Every crate that is built in has a licence of `deny.toml`, and none is one that we keep out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Crates that must not be built in: a second TLS or crypto library, with its own bugs and rules.
const KEPT_OUT: [&str; 4] = ["native-tls", "openssl", "openssl-sys", "ring"];

/// `(name, licence)` of every crate of this build, from `cargo tree`: unlike `cargo metadata` it
/// shows what is really compiled.
fn built_in() -> Vec<(String, String)> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--all-features", "--edges", "normal,build", "--prefix", "none"])
        .args(["--no-dedupe", "--format", "{p}|{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let lines: BTreeSet<String> = String::from_utf8(tree.stdout).unwrap().lines().map(str::to_owned).collect();
    let split = |line: &String| {
        let (package, licence) = line.split_once('|').unwrap();
        (package.split(' ').next().unwrap().to_owned(), licence.to_owned())
    };
    lines.iter().map(split).collect()
}

fn names(list: &toml::Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// What holds for every crate, and what holds beside it for single ones.
fn allowed() -> (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>) {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let deny: toml::Table = text.parse().unwrap();
    let licences = &deny["licenses"];
    let exceptions = licences["exceptions"].as_array().unwrap().iter();
    let exceptions = exceptions.map(|exception| (exception["crate"].as_str().unwrap().to_owned(), names(&exception["allow"])));
    (names(&licences["allow"]), exceptions.collect())
}

/// Whether an SPDX expression can be satisfied with these licences. AND binds tighter than OR;
/// the old `/` means OR. A licence with an exception is taken as one that is not allowed.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let holds = any_of(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "not understood: {expression}");
    holds
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut holds = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        holds |= all_of(words, at, allowed);
    }
    holds
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut holds = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        holds &= one(words, at, allowed);
    }
    holds
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let word = words[*at];
    *at += 1;
    if word == "(" {
        let holds = any_of(words, at, allowed);
        assert_eq!(words.get(*at), Some(&")"));
        *at += 1;
        return holds;
    }
    let excepted = words.get(*at) == Some(&"WITH");
    *at += if excepted { 2 } else { 0 };
    !excepted && allowed.contains(word)
}

#[test]
fn every_licence_is_allowed_and_no_crate_is_one_we_keep_out() {
    let (crates, (allowed, exceptions)) = (built_in(), allowed());
    let excepted = |name: &String, licence: &String| exceptions.get(name).is_some_and(|allowed| satisfied(licence, allowed));
    assert!(crates.len() > 100, "cargo tree shows only {} crates", crates.len());
    let wrong: Vec<_> = crates
        .iter()
        .filter(|(name, licence)| KEPT_OUT.contains(&name.as_str()) || !(satisfied(licence, &allowed) || excepted(name, licence)))
        .map(|(name, licence)| format!("{name}: {licence}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn expressions_are_read_as_spdx_reads_them() {
    let allowed = ["MIT", "ISC"].map(str::to_owned).into();
    for yes in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "ISC AND (GPL-3.0 OR MIT)", "GPL-3.0 AND X OR MIT", "X WITH Y OR ISC"] {
        assert!(satisfied(yes, &allowed), "{yes}");
    }
    for no in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND AGPL-3.0", "MIT WITH Y"] {
        assert!(!satisfied(no, &allowed), "{no}");
    }
}
