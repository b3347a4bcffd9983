//! SYNC, 040 and up: what an operator orders.

use super::{Class, Page};

pub const CONFIRM: Page = Page {
    code: "SYNC-040",
    title: "the command waits for its confirmation",
    class: Class::Config,
    evidence: &[
        "epoch",
        "batch",
        "rows that production will not get",
        "deleted rows that production will keep",
        "lsn_from",
        "lsn_to",
        "stands in staging",
        "columns that are longer now",
        "columns that are not carried",
        "columns that changed",
        "columns that it captures beyond",
        "columns that stay left out",
        "cost",
        "ddl_lsn",
        "gating role",
        "DDL at <time>",
        "typed instead of the table's name",
        "afterwards",
        "<what> in state",
        "<what> here",
        "server",
        "database",
        "database guid",
        "pipeline",
        "root",
        "lease",
        "host",
        "user",
        "pid",
        "run",
        "since",
        "last beat",
        "seconds since that beat",
        "recovery fork",
    ],
    meaning: "Nothing was changed. The facts above say what the command would do.",
    next: &["look at the facts above, then run the command as it is printed here"],
};

pub const NOT_SKIPPABLE: Page = Page {
    code: "SYNC-041",
    title: "the batch cannot be skipped",
    class: Class::Human,
    evidence: &["epoch in state", "current epoch in S3"],
    meaning: "Only the next pending batch of the current epoch can be left out, and neither the record that opens an epoch nor a change of columns: what follows is built on them. Nothing was changed.",
    next: &[
        "db-to-redshift skip --table <table> # shows which batch comes next",
        "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot instead",
    ],
};

pub const OTHER_BATCH: Page = Page {
    code: "SYNC-042",
    title: "another batch comes next by now",
    class: Class::Human,
    evidence: &["epoch", "next batch"],
    meaning: "The batch that was named is not the next one: it was loaded or skipped meanwhile, or it lies further ahead. Nothing was changed.",
    next: &["db-to-redshift skip --table <table> # shows which batch comes next"],
};

pub const CONTROL_BUSY: Page = Page {
    code: "SYNC-043",
    title: "the control object keeps changing",
    class: Class::Transient,
    evidence: &["tries"],
    meaning: "Every try to write it met another writer. Nothing was changed.",
    next: &["run the command again", "db-to-redshift status --table <table> # says whether the order came through meanwhile"],
};

pub const NOT_ADOPTABLE: Page = Page {
    code: "SYNC-044",
    title: "this state cannot be adopted",
    class: Class::Human,
    evidence: &["source table in state", "source table here", "production in state", "production here"],
    meaning: "The state row guards another pipeline, source table or production table. Taking it over would let two streams write one table. Nothing was changed.",
    next: &[
        "check pipeline, source and redshift.target_schema in the configuration",
        "if the pipeline itself was renamed, and nobody runs the old name: db-to-redshift adopt --pipeline --table <table>",
    ],
};

pub const NOT_OURS: Page = Page {
    code: "SYNC-045",
    title: "the lease is not ours to release",
    class: Class::Busy,
    evidence: &["lease", "host", "user", "pid", "run", "since", "last beat", "seconds since that beat"],
    meaning: "Its holder is another run, and it is not proven that the holder's process has ended on this machine. Nothing was changed.",
    next: &[
        "db-to-redshift lease # shows who holds what",
        "db-to-redshift lease --take-over --confirm --table <table> # waits 60 s and frees a lease that nobody renews",
    ],
};

pub const PREPARE_BY_HAND: Page = Page {
    code: "SYNC-046",
    title: "a prepare waits for an order",
    class: Class::Human,
    evidence: &["run", "began", "failed with", "options"],
    meaning: "A prepare that failed is given again by itself only where it was told to take a snapshot over nothing, or over rows that this program loaded. What you vouched for, or let go, held for that moment; nothing was changed.",
    next: &["db-to-redshift runs # shows the run that failed"],
};

pub const TWO_INSTANCES: Page = Page {
    code: "SYNC-047",
    title: "no room for another capture instance",
    class: Class::Human,
    evidence: &["instance <name>"],
    meaning: "SQL Server allows two capture instances of a table, and both are there. One must end before another can be made; with it goes the change history that it holds, for every reader. Nothing was changed.",
    next: &[
        "end the one that nobody reads, in SQL Server: EXEC sys.sp_cdc_disable_table @source_schema = ..., @source_name = ..., @capture_instance = ...",
        "db-to-redshift check --table <table> # says which instance the open epoch reads",
    ],
};

pub const DDL_NOT_CAPTURED: Page = Page {
    code: "SYNC-048",
    title: "capture has not passed the change of the table",
    class: Class::Human,
    evidence: &["altered", "captured up to"],
    meaning: "Whether a change of the definition may be accepted, and where a stream may begin behind it, is told by what capture has noted, \
              and it has not read that far yet. An idle database needs up to five minutes. Nothing was accepted, and no epoch was opened.",
    next: &["give the same command again in a few minutes", "db-to-redshift check # says whether capture is running"],
};

pub const PAGES: &[&Page] = &[
    &CONFIRM,
    &NOT_SKIPPABLE,
    &OTHER_BATCH,
    &CONTROL_BUSY,
    &NOT_ADOPTABLE,
    &NOT_OURS,
    &PREPARE_BY_HAND,
    &TWO_INSTANCES,
    &DDL_NOT_CAPTURED,
];
