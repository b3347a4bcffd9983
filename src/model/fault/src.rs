//! SRC: the source, SQL Server.

use super::{Class, Page};

pub const CONNECT: Page = Page {
    code: "SRC-001",
    title: "SQL Server cannot be reached",
    class: Class::Transient,
    meaning: "No connection was made; nothing was read and nothing was changed.",
    next: &["check source.host and source.port", "db-to-redshift check"],
};

pub const PAGES: &[&Page] = &[&CONNECT];
