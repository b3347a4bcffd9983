//! CFG: usage and configuration.

use super::{Class, Page};

pub const NOT_FOUND: Page = Page {
    code: "CFG-001",
    title: "no configuration file",
    class: Class::Config,
    evidence: &["file", "looked"],
    meaning: "Nothing was read and nothing was changed.",
    next: &["db-to-redshift init # writes a commented file to start from", "db-to-redshift --config <path> check # names an existing one"],
};

pub const INVALID: Page = Page {
    code: "CFG-002",
    title: "the configuration has errors",
    class: Class::Config,
    evidence: &["file", "line <number>"],
    meaning: "Nothing was read or changed: every error is listed, so that one edit can mend them all.",
    next: &["edit the file at the lines named", "compare it with config.example.toml", "db-to-redshift check # reads it again"],
};

pub const UNREADABLE: Page = Page {
    code: "CFG-003",
    title: "the configuration cannot be read",
    class: Class::Config,
    evidence: &["file"],
    meaning: "The file is there, but this user may not read it, or it is not text. Nothing was read and nothing was changed.",
    next: &["ls -l <file> # shows who may read it", "db-to-redshift --config <path> check # names another file"],
};

pub const READ_ONLY: Page = Page {
    code: "CFG-010",
    title: "the command writes",
    class: Class::Config,
    evidence: &["profile"],
    meaning: "Nothing was changed: --read-only forbids everything that writes, and so does the console in a protected profile until it is unlocked.",
    next: &["leave --read-only out", "db-to-redshift status # only reads", "db-to-redshift tables # only reads"],
};

pub const NO_SUCH_CODE: Page = Page {
    code: "CFG-011",
    title: "no such fault",
    class: Class::Config,
    evidence: &["nearest"],
    meaning: "The code is not in the dictionary of this version.",
    next: &["db-to-redshift explain --list # shows every code"],
};

pub const NOT_WRITTEN: Page = Page {
    code: "CFG-012",
    title: "the file could not be written",
    class: Class::Config,
    evidence: &["error"],
    meaning: "Nothing was changed. A file that exists is never overwritten.",
    next: &["db-to-redshift bundle --out <path> # or init <path>, or man --out <folder>: the same command with another path"],
};

pub const BAD_ARGUMENT: Page = Page {
    code: "CFG-015",
    title: "an argument is missing, or cannot be read",
    class: Class::Config,
    evidence: &["selected"],
    meaning: "Nothing was read and nothing was changed.",
    next: &["db-to-redshift help <command> # shows how its arguments are written"],
};

pub const NO_SUCH_DOCUMENT: Page = Page {
    code: "CFG-016",
    title: "no such document",
    class: Class::Config,
    evidence: &["nearest"],
    meaning: "No command of this version prints a document of that name. Nothing was read and nothing was changed.",
    next: &["db-to-redshift schema # lists every document with its version"],
};

pub const LAB: Page = Page {
    code: "CFG-020",
    title: "the lab failed",
    class: Class::Failed,
    evidence: &["error"],
    meaning: "One of the stand-in servers could not do its part. None of your databases is involved.",
    next: &["./run setup installs what the lab needs", "without PostgreSQL's server programs: apt-get install postgresql"],
};

pub const NO_TERMINAL: Page = Page {
    code: "CFG-021",
    title: "the console needs a terminal",
    class: Class::Config,
    evidence: &["error"],
    meaning: "The console draws on a terminal and reads its keys; here standard input or output is something else, or the terminal \
              refused. Nothing was changed. Every action of the console has a command of its own.",
    next: &["db-to-redshift status # the same facts as text", "db-to-redshift console --plain # lines instead of a screen"],
};

pub const BROKE_OFF: Page = Page {
    code: "CFG-022",
    title: "a defect of this program",
    class: Class::Failed,
    evidence: &[],
    meaning: "What was asked for ended by a panic. A job that was at work counts as one that died: nothing is lost, and a later run goes on \
              where it stood.",
    next: &["db-to-redshift status # where everything stands", "db-to-redshift bundle # what a report of the defect should hold"],
};

pub const PAGES: &[&Page] = &[
    &NOT_FOUND,
    &INVALID,
    &UNREADABLE,
    &READ_ONLY,
    &NO_SUCH_CODE,
    &NOT_WRITTEN,
    &BAD_ARGUMENT,
    &NO_SUCH_DOCUMENT,
    &LAB,
    &NO_TERMINAL,
    &BROKE_OFF,
];
