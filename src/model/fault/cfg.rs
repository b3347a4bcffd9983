//! CFG: usage and configuration.

use super::{Class, Page};

pub const NOT_FOUND: Page = Page {
    code: "CFG-001",
    title: "no configuration file",
    class: Class::Config,
    meaning: "Nothing was read and nothing was changed.",
    next: &["db-to-redshift init writes a commented file to start from", "--config <path> names an existing one"],
};

pub const INVALID: Page = Page {
    code: "CFG-002",
    title: "the configuration has errors",
    class: Class::Config,
    meaning: "Nothing was read or changed: every error is listed, so that one edit can mend them all.",
    next: &["edit the file at the lines named", "compare it with config.example.toml"],
};

pub const UNREADABLE: Page = Page {
    code: "CFG-003",
    title: "the configuration cannot be read",
    class: Class::Config,
    meaning: "The file is there, but this user may not read it, or it is not text. Nothing was read and nothing was changed.",
    next: &["ls -l <path> shows who may read it", "--config <path> names another file"],
};

pub const PAGES: &[&Page] = &[&NOT_FOUND, &INVALID, &UNREADABLE];
