//! SYNC: the protocol between source, store and target.

use super::{Class, Page};

pub const BUSY: Page = Page {
    code: "SYNC-001",
    title: "somebody else holds the lease",
    class: Class::Busy,
    evidence: &["host", "user", "pid", "since", "run"],
    meaning: "Another job works on this table. Nothing was changed.",
    next: &[
        "wait for it, or pass --wait",
        "a lease whose holder is gone frees itself after 60 s",
        "db-to-redshift lease --table <table> # shows who holds it",
    ],
};

pub const GAP: Page = Page {
    code: "SYNC-002",
    title: "gap: clean-up has passed the reader",
    class: Class::Human,
    evidence: &["next LSN to read", "low-water mark", "snapshot at"],
    meaning: "Changes between the last batch and the low-water mark are gone from the change table. Production is as of the last batch.",
    next: &["db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot"],
};

pub const WENT_BACK: Page = Page {
    code: "SYNC-003",
    title: "the source went back",
    class: Class::Human,
    evidence: &[
        "carried up to",
        "max LSN",
        "mapping row then",
        "mapping row now",
        "server then",
        "database then",
        "database guid then",
        "recovery fork then",
        "server now",
        "database now",
        "database guid now",
        "recovery fork now",
        "read up to",
        "max LSN now",
        "mapping row before",
    ],
    meaning: "The source's newest LSN lies below what was already carried, or a transaction that was carried is no longer there: it was restored or failed over with loss.",
    next: &[
        "find out what was restored",
        "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot",
        "if that meets SYNC-005, since a restore makes another recovery fork, first: db-to-redshift adopt --table <table>",
    ],
};

pub const DRIFT: Page = Page {
    code: "SYNC-004",
    title: "drift: the table's columns changed",
    class: Class::Human,
    evidence: &["instance", "columns", "ddl_lsn", "columns not captured", "DDL at <time>"],
    meaning: "The captured columns no longer equal those of the epoch, or DDL ran on the table. Nothing was extracted past the change.",
    next: &[
        "db-to-redshift accept-schema --table <table> # goes on without a new snapshot, where captured columns are as they were or only longer",
        "db-to-redshift recapture --table <table> # before a new snapshot, where it is to bring new columns: makes a capture instance that has them",
        "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot with the columns of the newest capture instance",
    ],
};

pub const POLICY: Page = Page {
    code: "SYNC-028",
    title: "the target type of a column changed with its policy",
    class: Class::Human,
    evidence: &["column", "policy of the epoch", "policy now"],
    meaning: "The configuration makes a SUPER of a column that the epoch carries as VARCHAR, or the other way round. Files of the two forms must not mix, so nothing was extracted.",
    next: &[
        "db-to-redshift prepare --new-epoch --table <table> # says how production is altered, and then takes a new snapshot",
        "or set the policy back in `columns` under [[table]]",
    ],
};

pub const OTHER_STREAM: Page = Page {
    code: "SYNC-005",
    title: "the target belongs to another stream",
    class: Class::Human,
    evidence: &["<what> in state", "<what> here", "server", "database", "database guid", "recovery fork", "pipeline", "root"],
    meaning: "Pipeline, source or S3 root differ from those in the state row. Nothing was changed.",
    next: &[
        "check pipeline, source and s3 in the configuration: most often one of them is wrong",
        "if server, database or bucket did change: db-to-redshift adopt --table <table> # shows both, and takes the new one over with --confirm",
        "after adopt of another source: db-to-redshift prepare --new-epoch --table <table> # the recorded batches are of the old one",
    ],
};

pub const STALE_FENCE: Page = Page {
    code: "SYNC-006",
    title: "another load job took over",
    class: Class::Busy,
    evidence: &["ours", "stored", "fence in state", "our fence"],
    meaning: "The fence in the state row is no longer ours. This job stopped without a change.",
    next: &["db-to-redshift status"],
};

pub const DIVERGED: Page = Page {
    code: "SYNC-007",
    title: "production may differ from the source",
    class: Class::Human,
    evidence: &["recorded oid", "found oid", "oid", "why", "oid that was read", "column"],
    meaning: "The oid of production or staging is not the recorded one, since a table was dropped and made again, or restored; or state \
              holds a mark, and says why: a batch was skipped, rows were trusted, the stream was adopted, or a verify found a difference.",
    next: &[
        "db-to-redshift verify --table <table> # takes the mark away where production equals the source",
        "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot, which replaces production",
    ],
};

pub const UNPAIRED: Page = Page {
    code: "SYNC-008",
    title: "an update row without its partner",
    class: Class::Human,
    evidence: &["lsn", "seqval", "operation"],
    meaning: "The change table does not hold before- and after-images as documented. Nothing of the batch was recorded.",
    next: &[
        "look at the change table at the LSN and seqval named",
        "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot",
    ],
};

pub const SPILL: Page = Page {
    code: "SYNC-009",
    title: "no room for temporary files",
    class: Class::Failed,
    evidence: &["folder", "error"],
    meaning: "A transaction with very many keys needs a temporary file. Nothing of the batch was recorded.",
    next: &["free space in the folder named, or point TMPDIR to another", "db-to-redshift extract"],
};

pub const NOT_PREPARED: Page = Page {
    code: "SYNC-010",
    title: "the table was never prepared",
    class: Class::Human,
    evidence: &[],
    meaning: "No epoch is open for this table: there is nothing to go on from.",
    next: &["db-to-redshift prepare --table <table>"],
};

pub const NOT_TRACKED: Page = Page {
    code: "SYNC-011",
    title: "CDC is not enabled for the table",
    class: Class::Human,
    evidence: &[],
    meaning: "SQL Server does not record the changes of this table.",
    next: &[
        "db-to-redshift enable --table <table>",
        "db-to-redshift tables # shows which tables are tracked",
        "mode = \"skip\" under [[table]] leaves the table out for good",
    ],
};

pub const WARMING_UP: Page = Page {
    code: "SYNC-012",
    title: "capture is warming up",
    class: Class::Transient,
    evidence: &["instance", "tries"],
    meaning: "CDC was enabled, but the capture job has not moved anything yet.",
    next: &[
        "see that SQL Server Agent and the capture job run",
        "try again in a minute",
        "db-to-redshift check # says whether capture runs",
    ],
};

pub const CAPTURE_CHANGED: Page = Page {
    code: "SYNC-013",
    title: "the capture instance is another one",
    class: Class::Human,
    evidence: &["instance", "object id then", "made then", "object id now", "made now"],
    meaning: "The instance of the epoch was dropped, or made again under its name: its history is lost.",
    next: &["db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot"],
};

pub const NO_ACCESS: Page = Page {
    code: "SYNC-014",
    title: "the change table cannot be read",
    class: Class::Human,
    evidence: &["instance", "gating role"],
    meaning: "The low-water mark reads as zero: the instance is unknown, or its gating role does not include this login.",
    next: &["add the login to the gating role that is named", "db-to-redshift check"],
};

pub const BROKEN_CHAIN: Page = Page {
    code: "SYNC-015",
    title: "the chain of records is broken",
    class: Class::Human,
    evidence: &["epoch", "seq", "lsn_from", "lsn_to", "run", "expected lsn_from", "pipeline"],
    meaning: "A record does not begin where the one before it ends, or belongs to another stream. Nothing was loaded past it.",
    next: &["find out who else writes under this prefix", "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot"],
};

pub const RECORDS_GONE: Page = Page {
    code: "SYNC-016",
    title: "the records do not go on where production stands",
    class: Class::Human,
    evidence: &[
        "epoch",
        "applied seq",
        "records found",
        "current epoch in S3",
        "epoch in state",
        "seq",
        "applied lsn",
        "lsn_to of the record",
    ],
    meaning: "Redshift holds more than the records in S3 tell, or other batches: records were deleted, or made anew after that, or the \
              target was restored. What was never loaded may be missing for good, so nothing is extracted or loaded.",
    next: &["find out what was deleted or restored", "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot"],
};

pub const STAGE_COUNT: Page = Page {
    code: "SYNC-017",
    title: "staging does not hold what the records say, twice",
    class: Class::Failed,
    evidence: &["from", "to", "rows of the records"],
    meaning: "The rows in staging differ from the records after a second COPY. Nothing was applied.",
    next: &["see whether somebody else writes to the staging table", "db-to-redshift load --table <table>"],
};

pub const PRODUCTION_NOT_EMPTY: Page = Page {
    code: "SYNC-018",
    title: "production holds rows of unknown origin",
    class: Class::Human,
    evidence: &["rows", "state"],
    meaning: "Opening the first epoch would replace or mix with rows that this program did not load.",
    next: &[
        "db-to-redshift prepare --table <table> --replace # lets the snapshot replace them",
        "db-to-redshift prepare --new-epoch --mode start --trusted --table <table> # keeps them: the table counts as diverged until it is verified",
    ],
};

pub const INTENT_LOST: Page = Page {
    code: "SYNC-019",
    title: "another snapshot of the table took over",
    class: Class::Busy,
    evidence: &["run"],
    meaning: "The intent in S3 is no longer ours: another run opens an epoch. Nothing was recorded.",
    next: &["db-to-redshift status"],
};

pub const NO_SNAPSHOT_ISOLATION: Page = Page {
    code: "SYNC-020",
    title: "the database does not allow snapshot isolation",
    class: Class::Human,
    evidence: &[],
    meaning: "A scan without it could tear rows that move meanwhile.",
    next: &[
        "ALTER DATABASE <database> SET ALLOW_SNAPSHOT_ISOLATION ON",
        "db-to-redshift prepare --mode start --table <table> # changes only: rows that stand in the source already are never carried",
    ],
};

pub const NET_REFUSED: Page = Page {
    code: "SYNC-021",
    title: "net changes are not safe for this table",
    class: Class::Config,
    evidence: &[],
    meaning: "SQL Server's net function cannot tell an untouched large value from a NULL, nor a key that changes only in case.",
    next: &["remove changes = \"net\" for this table", "db-to-redshift check --table <table> # says why"],
};

pub const LEASE_LOST: Page = Page {
    code: "SYNC-022",
    title: "the lease was taken over",
    class: Class::Busy,
    evidence: &["batch", "head", "our head", "run"],
    meaning: "This job stalled for more than 60 s and another took its place. It stopped at a safe point.",
    next: &["db-to-redshift status"],
};

pub const CANCELLED: Page = Page {
    code: "SYNC-023",
    title: "cancelled",
    class: Class::Failed,
    evidence: &[],
    meaning: "The job stopped at a safe point. What was recorded stays; the rest is done by the next run.",
    next: &["db-to-redshift sync"],
};

pub const NO_TABLE: Page = Page {
    code: "SYNC-024",
    title: "no table matches",
    class: Class::Config,
    evidence: &["nearest"],
    meaning: "The pattern names no table of the source, or none that has what the command works on. Nothing was changed.",
    next: &["db-to-redshift tables # lists what there is"],
};

pub const LOAD_STUCK: Page = Page {
    code: "SYNC-025",
    title: "the load could not come through",
    class: Class::Transient,
    evidence: &["last", "last fault", "tries"],
    meaning: "Every attempt met a conflict or a lost connection. Staging and production are consistent; nothing is half applied.",
    next: &["db-to-redshift load --table <table>", "see in svv_transactions who holds locks"],
};

pub const OTHER_SOURCE: Page = Page {
    code: "SYNC-026",
    title: "the table was carried from another source",
    class: Class::Human,
    evidence: &["server <when>", "database <when>", "database guid <when>", "recovery fork <when>"],
    meaning: "The records of this pipeline come from another server or database than the configured one. Nothing was read.",
    next: &[
        "check source.host and source.database in the configuration",
        "if the server was renamed or replaced: db-to-redshift adopt --table <table>",
        "after that: db-to-redshift prepare --new-epoch --table <table>",
        "use another pipeline name for another source beside this one",
    ],
};

pub const CLOCK: Page = Page {
    code: "SYNC-027",
    title: "the source's clock is unusable",
    class: Class::Failed,
    evidence: &["clock"],
    meaning: "The end of the overlap cannot be computed. No epoch was opened.",
    next: &["set the clock of the database server", "db-to-redshift check # says whether it is right now"],
};

pub const KEY_UNFIT: Page = Page {
    code: "SYNC-031",
    title: "a key value cannot be carried unchanged",
    class: Class::Human,
    evidence: &["column", "order"],
    meaning: "Redshift cannot hold this key exactly, and a changed key would meet the wrong row. The batch was not written; nothing of it is loaded.",
    next: &[
        "find the row in the source by the column and the reason given here, and change its key; the change table keeps the old one, so then:",
        "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot, past the old key",
        "mode = \"skip\" under [[table]] leaves the table out meanwhile",
    ],
};

pub const MARKER_MET: Page = Page {
    code: "SYNC-032",
    title: "a value equals the epoch's marker for NULL",
    class: Class::Human,
    evidence: &["column", "order"],
    meaning: "The value would be loaded as NULL, so the batch was not written. The marker is a fresh UUID of the epoch: somebody has copied it into the source.",
    next: &["db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot with another marker"],
};

pub const ROW_UNFIT: Page = Page {
    code: "SYNC-033",
    title: "a row cannot be written to a part file",
    class: Class::Failed,
    evidence: &["column", "order", "columns", "flags", "large_columns", "length", "values"],
    meaning: "A row does not have the shape or the range that its columns promise. The batch was not written; nothing of it is loaded.",
    next: &["db-to-redshift check", "report it with the facts above: SQL Server cannot hold such a row, so a decoder is wrong"],
};

pub const IN_FLIGHT: Page = Page {
    code: "SYNC-034",
    title: "too much is in flight to compare",
    class: Class::Transient,
    evidence: &["applied LSN", "newest LSN", "tries"],
    meaning: "Rows that changed since the last load cannot be compared, and there are too many of them to be left out. Nothing was changed.",
    next: &["db-to-redshift sync --table <table>", "then: db-to-redshift verify --table <table>"],
};

pub const BAD_KEY: Page = Page {
    code: "SYNC-035",
    title: "the key does not read as one of the table",
    class: Class::Config,
    evidence: &["key columns", "column", "type"],
    meaning: "A key is given as text, one --key for each key column in key order. Nothing was read.",
    next: &[
        "dates as 2026-03-02, times as 09:30:00.5, timestamps as '2026-03-02 09:30:00.5', with an offset such as +01:00 where the column has one",
        "binary values as hex digits, bits as 0 or 1",
        "db-to-redshift columns --table <table> # shows the key and its types",
    ],
};

pub const PART_UNREADABLE: Page = Page {
    code: "SYNC-036",
    title: "a part file cannot be read",
    class: Class::Failed,
    evidence: &["object", "line"],
    meaning: "The file is gone, or does not hold what this program writes. Nothing was changed.",
    next: &[
        "loaded files are deleted after store.keep: only pending ones must be there",
        "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot, if a pending file is lost",
    ],
};

pub const NO_COLUMN: Page = Page {
    code: "SYNC-037",
    title: "the table has no such column",
    class: Class::Config,
    evidence: &["columns", "new columns"],
    meaning: "The name is none of the captured columns. Nothing was changed.",
    next: &["db-to-redshift dry-run --table <table> # lists the columns"],
};

pub const NOT_CONFIRMED: Page = Page {
    code: "SYNC-038",
    title: "the confirmation does not match",
    class: Class::Config,
    evidence: &[],
    meaning: "This cannot be undone, so the table's name must be typed again. Nothing was changed.",
    next: &["--confirm <schema.table> with the very name of the table"],
};

pub const NO_BATCH: Page = Page {
    code: "SYNC-039",
    title: "there is no such batch or file",
    class: Class::Config,
    evidence: &["epoch", "batch", "file", "files", "batch and number stand for"],
    meaning: "The current epoch of the table has no record of that number, or its batch has no file of that number. Records are deleted long after their load.",
    next: &["db-to-redshift files --table <table> # lists batches and their files"],
};

pub const PAGES: &[&Page] = &[
    &BUSY,
    &GAP,
    &WENT_BACK,
    &DRIFT,
    &POLICY,
    &OTHER_STREAM,
    &STALE_FENCE,
    &DIVERGED,
    &UNPAIRED,
    &SPILL,
    &NOT_PREPARED,
    &NOT_TRACKED,
    &WARMING_UP,
    &CAPTURE_CHANGED,
    &NO_ACCESS,
    &BROKEN_CHAIN,
    &RECORDS_GONE,
    &STAGE_COUNT,
    &PRODUCTION_NOT_EMPTY,
    &INTENT_LOST,
    &NO_SNAPSHOT_ISOLATION,
    &NET_REFUSED,
    &LEASE_LOST,
    &CANCELLED,
    &NO_TABLE,
    &LOAD_STUCK,
    &OTHER_SOURCE,
    &CLOCK,
    &KEY_UNFIT,
    &MARKER_MET,
    &ROW_UNFIT,
    &IN_FLIGHT,
    &BAD_KEY,
    &PART_UNREADABLE,
    &NO_COLUMN,
    &NOT_CONFIRMED,
    &NO_BATCH,
];
