//! What a fault says to do next must be something that can be done: every command of this
//! program that a page or a fault names is given to the argument tree.

use clap::Parser;
use clap::error::ErrorKind;
use db_to_redshift::cli::args::Cli;
use db_to_redshift::model::fault::dictionary;

const PROGRAM: &str = "db-to-redshift ";

/// Why the command inside an action cannot be given, if there is one.
pub fn refused(action: &str) -> Option<String> {
    let from = action.find(PROGRAM)?;
    let (before, command) = action.split_at(from);
    if !(before.is_empty() || before.ends_with(": ")) {
        return Some(format!("{action:?}: a command stands alone, or at the end after a colon"));
    }
    let command = command.split(" # ").next().unwrap_or_default().replace(['\'', '"'], "");
    let filled =
        command.replace("<table>", "dbo.Orders").replace("<path>", "mine.toml").replace("<code>", "SYNC-002").replace("<command>", "sync");
    match Cli::try_parse_from(filled.split_whitespace()) {
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => None,
        Err(error) => Some(format!("{action:?}: {error}")),
    }
}

#[test]
fn the_commands_of_every_page_can_be_given() {
    let mut commands = 0;
    let mut wrong = Vec::new();
    for page in dictionary() {
        for action in page.next {
            commands += usize::from(action.contains(PROGRAM));
            wrong.extend(refused(action).map(|why| format!("{} {why}", page.code)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(commands > 50, "{commands} commands");
}

/// Pages whose faults bring the command themselves, or whose remedy is the command that was given.
const WITHOUT: &[&str] = &["SYNC-038", "SYNC-040"];

/// At least one of the next actions can be typed: a command of this program, of the lab's script, of
/// AWS, or SQL.
#[test]
fn every_page_names_something_that_can_be_typed() {
    let typed = |action: &&str| [PROGRAM, "./run ", "ALTER ", "EXEC ", "GRANT "].iter().any(|word| action.contains(word));
    let prose: Vec<_> = dictionary().into_iter().filter(|page| !page.next.iter().any(typed)).map(|page| page.code).collect();
    assert_eq!(prose, WITHOUT);
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    assert!(refused("db-to-redshift repair --table <table>").is_some());
    assert!(refused("db-to-redshift load applies it").is_some());
    assert!(refused("or db-to-redshift load").is_some());
    assert!(refused("db-to-redshift help lode").is_some());
    assert!(refused("db-to-redshift help load").is_none());
    assert!(refused("db-to-redshift load # applies it").is_none());
    assert!(refused("wait for it").is_none());
}
