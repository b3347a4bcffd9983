//! SYNC: the protocol between source, store and target.

use super::{Class, Page};

pub const BUSY: Page = Page {
    code: "SYNC-001",
    title: "somebody else holds the lease",
    class: Class::Busy,
    meaning: "Another job works on this table. Nothing was changed.",
    next: &["wait for it, or pass --wait", "a lease whose holder is gone frees itself after 60 s"],
};

pub const GAP: Page = Page {
    code: "SYNC-002",
    title: "gap: clean-up has passed the reader",
    class: Class::Human,
    meaning: "Changes between the last batch and the low-water mark are gone from the change table. Production is as of the last batch.",
    next: &["db-to-redshift prepare --new-epoch --table <table> takes a new snapshot"],
};

pub const WENT_BACK: Page = Page {
    code: "SYNC-003",
    title: "the source went back",
    class: Class::Human,
    meaning: "The source's newest LSN lies below what was already carried, or a transaction that was carried is no longer there: it was restored or failed over with loss.",
    next: &["find out what was restored", "db-to-redshift prepare --new-epoch --table <table> takes a new snapshot"],
};

pub const DRIFT: Page = Page {
    code: "SYNC-004",
    title: "drift: the table's columns changed",
    class: Class::Human,
    meaning: "The captured columns no longer equal those of the epoch. Nothing was extracted past the change.",
    next: &["db-to-redshift prepare --new-epoch --table <table> takes a new snapshot with the new columns"],
};

pub const OTHER_STREAM: Page = Page {
    code: "SYNC-005",
    title: "the target belongs to another stream",
    class: Class::Human,
    meaning: "Pipeline, source or S3 root differ from those in the state row. Nothing was changed.",
    next: &["check pipeline, source and s3 in the configuration"],
};

pub const STALE_FENCE: Page = Page {
    code: "SYNC-006",
    title: "another load job took over",
    class: Class::Busy,
    meaning: "The fence in the state row is no longer ours. This job stopped without a change.",
    next: &["db-to-redshift status"],
};

pub const DIVERGED: Page = Page {
    code: "SYNC-007",
    title: "production was replaced under the stream",
    class: Class::Human,
    meaning: "The oid of production or staging is not the recorded one: a table was dropped and made again, or restored.",
    next: &["db-to-redshift prepare --new-epoch --table <table> takes a new snapshot"],
};

pub const KEY_UNFIT: Page = Page {
    code: "SYNC-031",
    title: "a key value cannot be carried unchanged",
    class: Class::Human,
    meaning: "Redshift cannot hold this key exactly, and a changed key would meet the wrong row. The batch was not written; nothing of it is loaded.",
    next: &[
        "find the row in the source by the column and the reason given here, and change its key",
        "mode = \"skip\" under [[table]] leaves the table out meanwhile",
    ],
};

pub const MARKER_MET: Page = Page {
    code: "SYNC-032",
    title: "a value equals the epoch's marker for NULL",
    class: Class::Human,
    meaning: "The value would be loaded as NULL, so the batch was not written. The marker is a fresh UUID of the epoch: somebody has copied it into the source.",
    next: &["db-to-redshift prepare --new-epoch --table <table> takes a new snapshot with another marker"],
};

pub const ROW_UNFIT: Page = Page {
    code: "SYNC-033",
    title: "a row cannot be written to a part file",
    class: Class::Failed,
    meaning: "A row does not have the shape or the range that its columns promise. The batch was not written; nothing of it is loaded.",
    next: &["db-to-redshift check", "report it with the facts above: SQL Server cannot hold such a row, so a decoder is wrong"],
};

pub const PAGES: &[&Page] = &[&BUSY, &GAP, &WENT_BACK, &DRIFT, &OTHER_STREAM, &STALE_FENCE, &DIVERGED, &KEY_UNFIT, &MARKER_MET, &ROW_UNFIT];
