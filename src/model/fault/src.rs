//! SRC: the source, SQL Server.

use super::{Class, Page};

pub const CONNECT: Page = Page {
    code: "SRC-001",
    title: "SQL Server cannot be reached",
    class: Class::Transient,
    evidence: &["number", "state", "procedure", "message", "io", "waited", "database", "user", "tries"],
    meaning: "No connection was made; nothing was read and nothing was changed.",
    next: &["check source.host and source.port", "see that the server is up and that no firewall stands between", "db-to-redshift check"],
};

pub const LOGIN: Page = Page {
    code: "SRC-002",
    title: "SQL Server refused the login",
    class: Class::Config,
    evidence: &["number", "state", "message", "database", "user", "procedure"],
    meaning: "User, password or the way of logging in are not accepted. Nothing was read and nothing was changed.",
    next: &[
        "check source.user and source.password",
        "the server must allow SQL Server logins (mixed mode), and the login must be enabled",
        "on Azure, add this machine's address to the server's firewall rules",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const DATABASE: Page = Page {
    code: "SRC-003",
    title: "the database cannot be opened",
    class: Class::Config,
    evidence: &["number", "state", "message", "database", "user", "procedure"],
    meaning: "The login is good, but the database is not there, not online, or not open to it.",
    next: &[
        "check source.database",
        "CREATE USER [<login>] FOR LOGIN [<login>] in that database lets the login in",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const CERTIFICATE: Page = Page {
    code: "SRC-004",
    title: "the server's certificate is not trusted",
    class: Class::Config,
    evidence: &["tls", "database", "user"],
    meaning: "TLS failed before the password was sent: nobody has seen it.",
    next: &[
        "source.ca_file: name the file of the authority that signed the server's certificate",
        "source.host must be a name that stands in the certificate",
        "source.tls can switch verification off; then anybody may answer, and every screen says so",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const ENCRYPTION: Page = Page {
    code: "SRC-005",
    title: "client and server do not agree on encryption",
    class: Class::Config,
    evidence: &["driver", "database", "user", "io", "message", "from", "to"],
    meaning: "The settings ask for encryption and the server offers none, or the other way round. The password was not sent.",
    next: &[
        "give the server a certificate",
        "compare source.tls with the server's setting Force Encryption",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const PERMISSION: Page = Page {
    code: "SRC-006",
    title: "the login may not do this in the source",
    class: Class::Failed,
    evidence: &["number", "state", "message", "missing", "procedure", "from", "to", "database", "user"],
    meaning: "SQL Server denied it. Nothing was changed.",
    next: &[
        "GRANT SELECT ON SCHEMA::cdc TO [<user>] for change tables and their catalogue",
        "GRANT SELECT ON SCHEMA::<schema> TO [<user>] for snapshots and for changes of captured columns",
        "ALTER ROLE [<gating role>] ADD MEMBER [<user>] where the capture instance has a gating role",
        "a DENY outweighs every GRANT: REVOKE takes it back",
    ],
};

pub const ADMINISTRATION: Page = Page {
    code: "SRC-007",
    title: "this needs an administrator of the source",
    class: Class::Failed,
    evidence: &["number", "state", "procedure", "message"],
    meaning: "Enabling capture and clean-up belong to db_owner, enabling a database to sysadmin. Nothing was changed.",
    next: &[
        "let an administrator run EXEC sys.sp_cdc_enable_db in the database (on Amazon RDS: EXEC msdb.dbo.rds_cdc_enable_db '<database>')",
        "ALTER ROLE db_owner ADD MEMBER [<user>]",
    ],
};

pub const CDC_OFF: Page = Page {
    code: "SRC-008",
    title: "change data capture is off",
    class: Class::Human,
    evidence: &["number", "state", "procedure", "message", "instance", "table", "from", "to", "database", "user"],
    meaning: "Without capture SQL Server keeps no changes: what happened since it was switched off is not recorded anywhere.",
    next: &[
        "db-to-redshift enable --table <table>",
        "a table whose capture was off needs a new snapshot: db-to-redshift prepare --new-epoch --table <table>",
    ],
};

pub const OBJECT_GONE: Page = Page {
    code: "SRC-009",
    title: "the source has no such object",
    class: Class::Human,
    evidence: &["number", "state", "message", "from", "to", "procedure", "database", "user"],
    meaning: "A table, a capture instance or its function is not there any more, or hides from this login.",
    next: &["db-to-redshift check", "db-to-redshift tables # lists what is there"],
};

pub const OUT_OF_RANGE: Page = Page {
    code: "SRC-010",
    title: "the LSN range lies outside what capture holds",
    class: Class::Failed,
    evidence: &["number", "state", "message", "from", "to", "procedure", "database", "user"],
    meaning: "SQL Server says error 313 when a range begins below the low-water mark or ends above the newest LSN. No rows were returned.",
    next: &["db-to-redshift status # shows the marks", "db-to-redshift extract # compares them again and says whether it is a gap"],
};

pub const INTERRUPTED: Page = Page {
    code: "SRC-011",
    title: "the server gave the statement up",
    class: Class::Transient,
    evidence: &["number", "state", "message", "procedure", "from", "to", "tries", "database", "user"],
    meaning: "A deadlock, a lock time-out, a moving page or a server that is starting, moving or throttling. What was half read is not used.",
    next: &["nothing: it is tried again", "db-to-redshift extract"],
};

pub const CONNECTION_LOST: Page = Page {
    code: "SRC-012",
    title: "the connection to SQL Server broke",
    class: Class::Transient,
    evidence: &["io", "message", "stream", "from", "to", "tries", "database", "user"],
    meaning: "The answer did not arrive whole. What was half read is not used.",
    next: &["nothing: it is tried again", "db-to-redshift extract"],
};

pub const TIMED_OUT: Page = Page {
    code: "SRC-013",
    title: "SQL Server took too long",
    class: Class::Transient,
    evidence: &["io", "message", "timeout", "from", "to", "tries", "database", "user"],
    meaning: "The statement was given up after source.timeout and its connection was closed. What was half read is not used.",
    next: &[
        "look for blocking on the server: SELECT * FROM sys.dm_exec_requests WHERE blocking_session_id <> 0",
        "raise source.timeout",
        "db-to-redshift retry",
    ],
};

pub const SNAPSHOT_OFF: Page = Page {
    code: "SRC-014",
    title: "snapshot isolation is not allowed in the database",
    class: Class::Config,
    evidence: &["number", "state", "message", "procedure"],
    meaning: "A consistent scan without locks needs row versions. Nothing was read.",
    next: &["ALTER DATABASE [<database>] SET ALLOW_SNAPSHOT_ISOLATION ON"],
};

pub const CAPTURE_STARTING: Page = Page {
    code: "SRC-015",
    title: "capture has not begun yet",
    class: Class::Transient,
    evidence: &["number", "state", "message", "procedure", "tries"],
    meaning: "SQL Server has no lowest or no highest LSN to give: the capture job has not made its first round.",
    next: &[
        "see that SQL Server Agent runs",
        "wait for the capture job's first scan, then try again",
        "db-to-redshift check # says whether capture runs",
    ],
};

pub const NO_TABLE: Page = Page {
    code: "SRC-016",
    title: "the source has no such table",
    class: Class::Config,
    evidence: &["nearest", "table", "tables that this login sees"],
    meaning: "Names are compared letter by letter with sys.tables. A table on which the login has no right is not seen either.",
    next: &["db-to-redshift tables # lists what is there", "GRANT SELECT ON SCHEMA::<schema> TO [<user>] -- makes tables visible"],
};

pub const TYPE_NOT_CARRIED: Page = Page {
    code: "SRC-017",
    title: "a column has a type that is not carried",
    class: Class::Config,
    evidence: &["column", "type"],
    meaning: "The values would be lost, so the table is not read at all.",
    next: &[
        "leave the column out when capture is enabled: sys.sp_cdc_enable_table with @captured_column_list",
        "db-to-redshift columns --table <table> # shows which columns can be carried",
    ],
};

pub const UNREADABLE: Page = Page {
    code: "SRC-018",
    title: "the server sent something that does not fit its catalogue",
    class: Class::Failed,
    evidence: &["column", "key column", "type", "expected", "found", "n", "rows", "result set", "LSN", "time", "earliest", "code"],
    meaning: "A value has another type than the catalogue says, or an answer lacks a part. Nothing of it was used.",
    next: &["db-to-redshift check", "if the column's type was just changed, run the command again"],
};

pub const KEY_NOT_TEXT: Page = Page {
    code: "SRC-019",
    title: "a key holds half a character",
    class: Class::Human,
    evidence: &["column"],
    meaning: "The key's text is not valid Unicode (a lone surrogate, or a U+FFFD that cannot be told from one). Mended it would be another key.",
    next: &[
        "find the rows with a COLLATE Latin1_General_BIN2 comparison and correct their keys in the source; the change table keeps the old ones, so then:",
        "db-to-redshift prepare --new-epoch --table <table> # takes a new snapshot, past the old keys",
    ],
};

pub const ENABLE_REFUSED: Page = Page {
    code: "SRC-020",
    title: "capture could not be enabled",
    class: Class::Failed,
    evidence: &["number", "state", "procedure", "message"],
    meaning: "SQL Server refused; its message says why. Nothing was changed.",
    next: &["a table can have two capture instances at most: EXEC sys.sp_cdc_help_change_data_capture lists them"],
};

pub const CLEAN_UP_FAILED: Page = Page {
    code: "SRC-021",
    title: "clean-up of change history failed",
    class: Class::Transient,
    evidence: &["number", "state", "message", "mark", "procedure", "tries"],
    meaning: "The low-water mark may have moved while older rows are still there. That is harmless: the next clean-up deletes them.",
    next: &["nothing: the next clean-up tries again", "db-to-redshift check # says whether the next one can"],
};

pub const STATEMENT: Page = Page {
    code: "SRC-022",
    title: "SQL Server answered with an error",
    class: Class::Failed,
    evidence: &["number", "state", "message", "procedure", "from", "to", "database", "user"],
    meaning: "The statement failed; the number and the message are the server's own.",
    next: &["look the number up in the manual of SQL Server", "db-to-redshift check"],
};

pub const PROTOCOL: Page = Page {
    code: "SRC-023",
    title: "the driver could not read the server's answer",
    class: Class::Failed,
    evidence: &["driver", "database", "user", "from", "to"],
    meaning: "The connection was closed and nothing of the answer was used.",
    next: &["run the command again", "see that source.host and source.port belong to a SQL Server", "db-to-redshift check"],
};

pub const CA_FILE: Page = Page {
    code: "SRC-024",
    title: "the file of trusted authorities cannot be read",
    class: Class::Config,
    evidence: &["io", "message"],
    meaning: "Without it the server's certificate cannot be verified. No connection was made.",
    next: &[
        "check the path in source.ca_file",
        "the file holds certificates in PEM, or one in DER",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const SHORT_ANSWER: Page = Page {
    code: "SRC-025",
    title: "fewer rows arrived than the server sent",
    class: Class::Transient,
    evidence: &["rows received", "rows sent", "tries"],
    meaning: "The answer came to an end without an error, but it is not whole: the server's own count says so. What was read is not used.",
    next: &["nothing: it is tried again", "if it comes back: look for a proxy between this machine and SQL Server", "db-to-redshift check"],
};

pub const ROWS_FILTERED: Page = Page {
    code: "SRC-026",
    title: "a security policy filters the table's rows",
    class: Class::Human,
    evidence: &["policy", "object"],
    meaning: "Row-level security leaves rows out of every plain read and says nothing, for dbo too, while change tables show them all: a \
              snapshot would lack rows, and a row that is read again would count as deleted. Which rows this login sees cannot be told \
              from outside. The table is not read; nothing was recorded.",
    next: &[
        "let the predicate pass this login, then vouch for it: sees_all_rows = true under [[table]]",
        "leave the table out: mode = \"skip\" under [[table]]",
        "db-to-redshift check # looks again",
    ],
};

pub const VALUES_MASKED: Page = Page {
    code: "SRC-027",
    title: "columns are masked for this login",
    class: Class::Human,
    evidence: &["columns", "object"],
    meaning: "Dynamic data masking gives this login xxxx, 0 or 1900-01-01 in place of values and says nothing, while change tables hold \
              the values. Masks would be carried as data, and a row with a masked key never be found again. The table is not read; nothing \
              was recorded.",
    next: &[
        "GRANT UNMASK TO [<user>]; -- since SQL Server 2022 also of one schema, table or column",
        "leave the columns out: sys.sp_cdc_enable_table with @captured_column_list, and end the instance that captures them",
        "db-to-redshift check # looks again",
    ],
};

pub const PAGES: &[&Page] = &[
    &CONNECT,
    &LOGIN,
    &DATABASE,
    &CERTIFICATE,
    &ENCRYPTION,
    &PERMISSION,
    &ADMINISTRATION,
    &CDC_OFF,
    &OBJECT_GONE,
    &OUT_OF_RANGE,
    &INTERRUPTED,
    &CONNECTION_LOST,
    &TIMED_OUT,
    &SNAPSHOT_OFF,
    &CAPTURE_STARTING,
    &NO_TABLE,
    &TYPE_NOT_CARRIED,
    &UNREADABLE,
    &KEY_NOT_TEXT,
    &ENABLE_REFUSED,
    &CLEAN_UP_FAILED,
    &STATEMENT,
    &PROTOCOL,
    &CA_FILE,
    &SHORT_ANSWER,
    &ROWS_FILTERED,
    &VALUES_MASKED,
];
