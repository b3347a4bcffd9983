//! S3: the change store.

use super::{Class, Page};

pub const REQUEST: Page = Page {
    code: "S3-001",
    title: "a request to S3 failed",
    class: Class::Transient,
    meaning: "The request did not succeed. A record is written last, so half-written files are never loaded.",
    next: &["db-to-redshift check"],
};

pub const PAGES: &[&Page] = &[&REQUEST];
