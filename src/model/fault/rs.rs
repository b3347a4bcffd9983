//! RS: the target, Amazon Redshift.

use super::{Class, Page};

pub const CONNECT: Page = Page {
    code: "RS-001",
    title: "Redshift cannot be reached",
    class: Class::Transient,
    evidence: &["user", "sqlstate", "tries"],
    meaning: "No connection was made; production and state are as they were.",
    next: &["check redshift.host and redshift.port", "see that the cluster is not paused", "db-to-redshift check"],
};

pub const COMMIT_UNKNOWN: Page = Page {
    code: "RS-002",
    title: "the answer to a COMMIT was lost",
    class: Class::Transient,
    evidence: &["tries"],
    meaning: "The transaction ended one way or the other. The next step locks the state row, which waits for the end, and reads which.",
    next: &["db-to-redshift load"],
};

pub const LOGIN: Page = Page {
    code: "RS-003",
    title: "Redshift refused the login",
    class: Class::Config,
    evidence: &["user", "sqlstate", "table", "column", "statement", "manifest"],
    meaning: "User, password or database are not accepted. Nothing was read or changed.",
    next: &[
        "check redshift.user, redshift.password and redshift.database",
        "temporary credentials expire: fetch new ones",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const TLS: Page = Page {
    code: "RS-004",
    title: "no trusted encrypted connection to Redshift",
    class: Class::Config,
    evidence: &["user"],
    meaning: "The server's certificate could not be verified, or the server does not speak TLS. Nothing was sent.",
    next: &[
        "set redshift.ca_file to the bundle that signed the server's certificate",
        "redshift.host must be a name that stands in the certificate",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const CONFLICT: Page = Page {
    code: "RS-005",
    title: "a transaction lost against a concurrent one",
    class: Class::Transient,
    evidence: &["sqlstate", "object", "tries", "table", "column", "statement", "manifest"],
    meaning: "Redshift rolled the transaction back (1023, 1018, serialisation or deadlock); nothing was changed, and the whole transaction may be made again.",
    next: &["db-to-redshift load", "keep other writers off the production table while it is loaded"],
};

pub const LOCKED: Page = Page {
    code: "RS-006",
    title: "the state row is locked by another session",
    class: Class::Busy,
    evidence: &["state", "pid", "user", "since"],
    meaning: "Another session holds the lock on this table's state longer than the time-out. It may be a load at work, or a session whose client is gone. Nothing was changed.",
    next: &[
        "wait, if that session is a load that is still at work",
        "redshift.lock_timeout sets how long the lock is waited for",
        "db-to-redshift lease # shows which loads are at work",
    ],
};

pub const TIMEOUT: Page = Page {
    code: "RS-007",
    title: "a statement was cancelled",
    class: Class::Failed,
    evidence: &["sqlstate", "table", "column", "statement", "manifest"],
    meaning: "The statement ran into its time-out, queue included, or somebody cancelled it. Its transaction was rolled back.",
    next: &["db-to-redshift load", "raise redshift.timeout if the cluster is busy", "look at sys_query_history for the queue time"],
};

pub const LOST: Page = Page {
    code: "RS-008",
    title: "the connection to Redshift was lost",
    class: Class::Transient,
    evidence: &["tries", "statement", "sqlstate", "table", "column"],
    meaning: "It was lost before any COMMIT was sent: the server rolls the transaction back.",
    next: &["db-to-redshift load"],
};

pub const PERMISSION: Page = Page {
    code: "RS-009",
    title: "Redshift denies a permission",
    class: Class::Config,
    evidence: &["sqlstate", "missing", "owner", "table", "column", "statement", "manifest"],
    meaning: "The statement was refused and its transaction rolled back.",
    next: &[
        "GRANT USAGE, CREATE on the three schemas, and SELECT, INSERT, UPDATE, DELETE on their tables, to redshift.user",
        "staging and state must belong to redshift.user: TRUNCATE and ALTER need the owner",
    ],
};

pub const LOAD_FAILED: Page = Page {
    code: "RS-010",
    title: "COPY refused a value",
    class: Class::Human,
    evidence: &[
        "sqlstate",
        "table",
        "file",
        "line",
        "column",
        "type",
        "length",
        "position",
        "code",
        "meaning",
        "reason",
        "source table",
        "bytes",
        "limit",
        "manifest",
        "statement",
    ],
    meaning: "The load stopped at the first value that a column cannot hold. The transaction was rolled back; production is as it was.",
    next: &[
        "db-to-redshift widen --table <table> --confirm # widens a VARCHAR that is too narrow (code 1204)",
        "db-to-redshift load-errors # lists what Redshift noted; with --show-values the refused fields too",
        "db-to-redshift skip --table <table> # shows what leaving this batch out would mean",
    ],
};

pub const COPY_SOURCE: Page = Page {
    code: "RS-011",
    title: "COPY cannot read the files in S3",
    class: Class::Failed,
    evidence: &["sqlstate", "code", "meaning", "manifest", "table", "column", "missing", "statement"],
    meaning: "A manifest or part file was not found, or the role or keys of the COPY may not read it. The transaction was rolled back.",
    next: &[
        "the COPY role or keys need s3:GetObject and s3:ListBucket on the bucket, and kms:Decrypt where it is encrypted",
        "check s3.region: it must be the bucket's",
        "db-to-redshift check",
        "where files are gone for good (an older target came back, and store.keep has passed): db-to-redshift prepare --new-epoch --table <table>",
    ],
};

pub const COPY_COUNT: Page = Page {
    code: "RS-012",
    title: "COPY loaded another number of rows than the records say",
    class: Class::Human,
    evidence: &["recorded", "loaded", "manifest"],
    meaning: "The files do not hold what was recorded. The transaction was rolled back; production is as it was.",
    next: &["compare the part files with the commit records", "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot"],
};

pub const STATEMENT: Page = Page {
    code: "RS-013",
    title: "Redshift refused a statement",
    class: Class::Failed,
    evidence: &["sqlstate", "table", "column", "statement", "manifest"],
    meaning: "The statement failed and its transaction was rolled back; nothing was changed.",
    next: &["look the statement up in sys_query_history by its time", "db-to-redshift check"],
};

pub const NOT_PREPARED: Page = Page {
    code: "RS-014",
    title: "the table has no state in Redshift",
    class: Class::Human,
    evidence: &["state"],
    meaning: "The state table is not there: the table was never prepared, or its state was dropped. Without it nothing is loaded.",
    next: &["db-to-redshift prepare --table <table>"],
};

pub const STATE_ROWS: Page = Page {
    code: "RS-015",
    title: "the state table does not hold exactly one row",
    class: Class::Human,
    evidence: &["state", "rows"],
    meaning: "Somebody has changed the state table by hand. It is not known what production holds; nothing was changed.",
    next: &[
        "look at the state table and restore its one row",
        "else drop state and staging, then: db-to-redshift prepare --new-epoch --replace --table <table>",
    ],
};

pub const STATE_MOVED: Page = Page {
    code: "RS-016",
    title: "state is not where the job expected it",
    class: Class::Transient,
    evidence: &[
        "epoch",
        "applied_seq",
        "applied_lsn",
        "expected epoch",
        "expected seq",
        "expected lsn_from",
        "rows",
        "staged",
        "verified at epoch",
        "verified at seq",
        "verified under fence",
        "expected an epoch before",
        "expected lsn",
        "asked up to",
        "tries",
    ],
    meaning: "Another job moved the state since it was read. The transaction was rolled back; the next run reads state again and goes on from there.",
    next: &["db-to-redshift load"],
};

pub const COLUMN_TYPE: Page = Page {
    code: "RS-017",
    title: "a column's type cannot be carried",
    class: Class::Config,
    evidence: &["table", "column", "type"],
    meaning: "The program would have to change the column's values, so it refuses the table. Nothing was changed.",
    next: &[
        "mode = \"skip\" under [[table]] leaves the table out",
        "db-to-redshift columns --table <table> # shows what each column becomes",
    ],
};

pub const COLUMN_POLICY: Page = Page {
    code: "RS-030",
    title: "a column's policy cannot hold",
    class: Class::Config,
    evidence: &["table", "column", "type"],
    meaning: "The configuration asks for truncate, null or super on a column that cannot have it. Nothing was changed.",
    next: &[
        "policies are for columns whose values can be too long: MAX, xml, text, ntext, image and spatial types outside the key",
        "db-to-redshift columns --table <table> # shows types and policies",
    ],
};

pub const KEY_COLUMN: Page = Page {
    code: "RS-018",
    title: "the key cannot be carried",
    class: Class::Config,
    evidence: &["table", "column", "type"],
    meaning: "Rows are found by their key; a missing or a changed key would meet the wrong row. Nothing was changed.",
    next: &[
        "mode = \"skip\" under [[table]] leaves the table out",
        "db-to-redshift columns --table <table> # shows the key and what it becomes",
    ],
};

pub const COLLISION: Page = Page {
    code: "RS-019",
    title: "two names become one in Redshift",
    class: Class::Config,
    evidence: &["name", "table", "columns"],
    meaning: "Redshift folds names to lower case, and production is named after the table alone. Two source names that meet would be written into each other.",
    next: &[
        "load one of the two in another profile with target_schema, staging_schema and control_schema of its own",
        "mode = \"skip\" under [[table]] leaves a table out",
        "db-to-redshift check # names both",
    ],
};

pub const RESERVED: Page = Page {
    code: "RS-020",
    title: "a source column has a reserved name",
    class: Class::Config,
    evidence: &["table", "column"],
    meaning: "Names that begin with __d2r_ are the program's own, and Redshift keeps the names of its system columns.",
    next: &["leave the column out of the capture instance, or rename it in the source", "db-to-redshift columns --table <table>"],
};

pub const TOO_WIDE: Page = Page {
    code: "RS-021",
    title: "the table has too many columns",
    class: Class::Config,
    evidence: &["table", "columns", "limit"],
    meaning: "Staging holds every column, three of the program's own and a flag for each large column; Redshift ends at 1,600.",
    next: &[
        "leave columns out of the capture instance (@captured_column_list of sys.sp_cdc_enable_table)",
        "db-to-redshift columns --table <table>",
    ],
};

pub const PRODUCTION_DIFFERS: Page = Page {
    code: "RS-022",
    title: "production does not fit the source table",
    class: Class::Human,
    evidence: &["table", "column", "column <name>", "sqlstate"],
    meaning: "A column is missing, too narrow, of another type or NOT NULL where NULLs may come. Nothing was changed.",
    next: &["change production as proposed, then: db-to-redshift prepare --table <table> # with the options that it was given"],
};

pub const FOREIGN_STAGING: Page = Page {
    code: "RS-023",
    title: "a staging table exists without a state",
    class: Class::Human,
    evidence: &["staging", "state"],
    meaning: "Staging and state are made in one transaction. A staging table alone belongs to a stream with another control schema, or the state table was dropped.",
    next: &[
        "give this profile a staging_schema of its own, if another stream uses the table",
        "if the state was dropped: drop the staging table, then: db-to-redshift prepare --new-epoch --replace --table <table>",
    ],
};

pub const STILL_STAGED: Page = Page {
    code: "RS-024",
    title: "rows are staged, so the tables cannot be changed",
    class: Class::Failed,
    evidence: &["from batch", "to batch"],
    meaning: "Staging still holds a range that was not applied. Nothing was changed.",
    next: &["db-to-redshift load --table <table> # applies it"],
};

pub const NOT_EMPTY: Page = Page {
    code: "RS-025",
    title: "production is not empty",
    class: Class::Human,
    evidence: &["rows"],
    meaning: "A stream of changes alone starts on an empty table: rows that are there would never be compared with the source. Nothing was changed.",
    next: &[
        "db-to-redshift maintain truncate-production --table <table> --confirm <table> # if its rows are not wanted",
        "db-to-redshift prepare --new-epoch --replace --table <table> # takes a snapshot instead, which replaces them",
        "db-to-redshift prepare --new-epoch --mode start --trusted --table <table> # keeps them: the table counts as diverged until it is verified",
    ],
};

pub const FULL: Page = Page {
    code: "RS-026",
    title: "Redshift has no room",
    class: Class::Failed,
    evidence: &["sqlstate", "table", "column", "statement", "manifest"],
    meaning: "The disk or the memory of the cluster is full. The transaction was rolled back; nothing was changed.",
    next: &[
        "free space, or resize the cluster",
        "db-to-redshift maintain vacuum # frees the rows of production that were deleted",
        "db-to-redshift retry",
    ],
};

pub const ANSWER: Page = Page {
    code: "RS-027",
    title: "Redshift answered in a form that was not expected",
    class: Class::Failed,
    evidence: &["state"],
    meaning: "A value of the state or of the catalogue could not be read. The transaction was rolled back; nothing was changed.",
    next: &["look whether the state table was changed by hand", "db-to-redshift check"],
};

pub const TOO_LONG: Page = Page {
    code: "RS-028",
    title: "a string is longer than production's column",
    class: Class::Human,
    evidence: &["sqlstate", "source table", "column", "bytes", "limit", "file", "line", "table", "statement", "manifest"],
    meaning: "Staging took the rows, but a column of production is narrower. The transaction was rolled back; production is as it was, and the batch stays staged.",
    next: &[
        "db-to-redshift widen --table <table> --confirm # widens it",
        "then: db-to-redshift load --table <table>",
        "db-to-redshift dry-run --table <table> # lists every column with its widest value",
    ],
};

pub const NOT_WIDENED: Page = Page {
    code: "RS-029",
    title: "the column cannot be widened in place",
    class: Class::Human,
    evidence: &["column", "type", "bytes", "statement"],
    meaning: "Redshift widens VARCHAR columns only, and none with a default, in a declared key, or encoded as BYTEDICT, RUNLENGTH, TEXT255 or TEXT32K. No row was changed.",
    next: &[
        "drop production, then: db-to-redshift prepare --new-epoch --table <table> # makes it anew, wide enough, from a snapshot",
        "or add a wider column by hand, UPDATE it from the old one, drop the old and rename, then: db-to-redshift verify --table <table>",
    ],
};

pub const COPY_EXPIRED: Page = Page {
    code: "RS-031",
    title: "the credentials of the COPY have expired",
    class: Class::Failed,
    evidence: &["sqlstate", "manifest", "table", "column", "statement"],
    meaning: "S3 refused the temporary credentials that the COPY was given. The transaction was rolled back; production is as it was.",
    next: &[
        "renew the AWS credentials of this program, then: db-to-redshift load",
        "set redshift.copy_role: a role that is attached to the cluster does not expire",
    ],
};

pub const CASE_INSENSITIVE: Page = Page {
    code: "RS-032",
    title: "Redshift would take two keys for one",
    class: Class::Human,
    evidence: &["table", "columns", "collation", "database"],
    meaning: "The database, or a key column of production, compares text without regard to case. SQL Server's keys are told apart byte by byte: abc and ABC may be two rows, of which one would be lost. Nothing was changed.",
    next: &["db-to-redshift check"],
};

pub const NOT_YET_WIDE: Page = Page {
    code: "RS-033",
    title: "the target is narrower than the columns that were accepted",
    class: Class::Human,
    evidence: &["<column>"],
    meaning: "accept-schema let the stream go on with longer strings. Their batches are loaded once production and staging are as long: Redshift cuts blanks at the end of a value that is too long, and says nothing. Nothing was changed.",
    next: &["db-to-redshift widen --table <table> --column <column> --confirm # for each column", "db-to-redshift load --table <table>"],
};

pub const HIDDEN_ROWS: Page = Page {
    code: "RS-034",
    title: "row-level security hides rows of production",
    class: Class::Human,
    evidence: &["production", "user", "put in", "seen"],
    meaning: "Policies decide which rows of production redshift.user sees. Redshift applies them to SELECT and DELETE, not to INSERT and COPY: a row that is hidden would stay, and its new version would stand beside it. What a policy lets through cannot be asked, so any policy on this user is refused. Nothing was changed.",
    next: &[
        "GRANT IGNORE RLS TO ROLE <role>; GRANT ROLE <role> TO <user>; # as a superuser or with sys:secadmin: <user> is redshift.user, other users see what they saw",
        "db-to-redshift check # says which productions are still guarded",
        "then: db-to-redshift load --table <table>",
        "db-to-redshift verify --table <table> # afterwards: whether rows that were hidden earlier stand twice",
    ],
};

pub const PAGES: &[&Page] = &[
    &CONNECT,
    &COMMIT_UNKNOWN,
    &LOGIN,
    &TLS,
    &CONFLICT,
    &LOCKED,
    &TIMEOUT,
    &LOST,
    &PERMISSION,
    &LOAD_FAILED,
    &COPY_SOURCE,
    &COPY_COUNT,
    &STATEMENT,
    &NOT_PREPARED,
    &STATE_ROWS,
    &STATE_MOVED,
    &COLUMN_TYPE,
    &COLUMN_POLICY,
    &KEY_COLUMN,
    &COLLISION,
    &RESERVED,
    &TOO_WIDE,
    &PRODUCTION_DIFFERS,
    &FOREIGN_STAGING,
    &STILL_STAGED,
    &NOT_EMPTY,
    &FULL,
    &ANSWER,
    &TOO_LONG,
    &NOT_WIDENED,
    &COPY_EXPIRED,
    &CASE_INSENSITIVE,
    &NOT_YET_WIDE,
    &HIDDEN_ROWS,
];
