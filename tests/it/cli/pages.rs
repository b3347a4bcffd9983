//! Completion scripts and manual pages.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use clap::CommandFactory;
use db_to_redshift::cli::args::Cli;

fn program(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_db-to-redshift")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// bash itself reads the script and completes a command by it.
#[test]
fn bash_completes_a_command() {
    let script = program(&["completions", "bash"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    std::fs::write(&file, script).unwrap();
    let ask = format!(
        "source '{}'; COMP_WORDS=(db-to-redshift exp); COMP_CWORD=1; set -- $(complete -p db-to-redshift); \
         while [ \"$1\" != -F ]; do shift; done; \"$2\" db-to-redshift exp db-to-redshift; echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let output = Command::new("bash").args(["-c", &ask]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "explain", "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every command of the argument tree under its full name, as in `maintain analyze`; `help` is clap's.
fn commands() -> Vec<Vec<String>> {
    fn walk(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = [path, &[sub.get_name().to_owned()]].concat();
            found.push(path.clone());
            walk(sub, &path, found);
        }
    }
    let mut found = Vec::new();
    walk(&Cli::command(), &[], &mut found);
    assert!(found.len() > 40 && found.contains(&vec!["maintain".to_owned(), "vacuum".to_owned()]), "{found:?}");
    found
}

#[test]
fn every_shell_has_a_script_with_every_command() {
    let commands = commands();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = program(&["completions", shell]);
        assert!(script.contains("db-to-redshift"), "{shell}");
        // As a word of its own: `enable` does not stand for `lab`.
        let words: BTreeSet<&str> = script.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
        let missing: Vec<_> = commands.iter().flatten().filter(|name| !words.contains(name.as_str())).collect();
        assert!(missing.is_empty(), "{shell} does not know {missing:?}");
    }
}

/// A page for each command, which says what the command is for and names its options.
#[test]
fn every_command_has_a_manual_page() {
    assert!(program(&["man"]).contains(".TH db-to-redshift"));
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man1");
    program(&["man", "--out", &man.display().to_string()]);
    let mut pages: BTreeSet<String> =
        std::fs::read_dir(&man).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.retain(|page| !page.contains("help"));
    let wanted = commands().into_iter().map(|path| (format!("db-to-redshift-{}.1", path.join("-")), path));
    let mut wanted: BTreeMap<String, Vec<String>> = wanted.collect();
    wanted.insert("db-to-redshift.1".into(), Vec::new());
    assert_eq!(pages, wanted.keys().cloned().collect(), "one page a command, and no other");
    for (page, path) in wanted {
        // Hyphens and apostrophes are escaped in roff.
        let text = std::fs::read_to_string(man.join(&page)).unwrap().replace("\\*(Aq", "'").replace("\\(aq", "'").replace('\\', "");
        let mut tree = Cli::command();
        tree.build();
        let command = path.iter().fold(&tree, |command, name| command.find_subcommand(name).unwrap());
        let about = command.get_about().unwrap().to_string();
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}");
        let first: Vec<&str> = about.split_whitespace().take(4).collect();
        assert!(text.contains(&first.join(" ")), "{page} does not say {first:?}");
        for option in command.get_arguments().filter(|option| !option.is_hide_set()).filter_map(clap::Arg::get_long) {
            assert!(text.contains(&format!("--{option}")), "{page} does not name --{option}");
        }
    }
}
