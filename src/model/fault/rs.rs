//! RS: the target, Amazon Redshift.

use super::{Class, Page};

pub const CONNECT: Page = Page {
    code: "RS-001",
    title: "Redshift cannot be reached",
    class: Class::Transient,
    meaning: "No connection was made; production and state are as they were.",
    next: &["check redshift.host and redshift.port", "see that the cluster is not paused", "db-to-redshift check"],
};

pub const COMMIT_UNKNOWN: Page = Page {
    code: "RS-002",
    title: "the answer to a COMMIT was lost",
    class: Class::Transient,
    meaning: "The transaction ended one way or the other. The next step locks the state row, which waits for the end, and reads which.",
    next: &["db-to-redshift load"],
};

pub const PAGES: &[&Page] = &[&CONNECT, &COMMIT_UNKNOWN];
