//! What the argument tree refuses before anything is read: exit code 2.

use clap::Parser;
use db_to_redshift::cli::args::Cli;

/// The exit code of clap's error; 0 where the arguments can be read.
fn refused(arguments: &[&str]) -> i32 {
    Cli::try_parse_from([&["db-to-redshift"], arguments].concat()).err().map_or(0, |error| error.exit_code())
}

#[test]
fn no_column_is_widened_past_what_redshift_has() {
    for (to, code) in [("0", 2), ("1", 0), ("65535", 0), ("65536", 2), ("many", 2)] {
        assert_eq!(refused(&["widen", "--table", "dbo.Beans", "--column", "name", "--to", to, "--confirm"]), code, "{to}");
    }
}

#[test]
fn a_reason_has_words() {
    for (reason, code) in [("", 2), (" \t", 2), ("files lost", 0)] {
        assert_eq!(refused(&["pause", "--reason", reason]), code, "{reason:?}");
        assert_eq!(refused(&["skip", "--batch", "3", "--confirm", "dbo.Beans", "--reason", reason]), code, "{reason:?}");
    }
}
