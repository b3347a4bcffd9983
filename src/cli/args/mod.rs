//! The argument tree: the commands here, what each takes in the files beside.

mod inspect;
mod jobs;
#[cfg(feature = "lab")]
mod lab;
mod orders;
mod program;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use inspect::{Bundle, LoadErrors, LsnOrTime, Most, Preview, Staging, Trace, Verify};
pub use jobs::{Mode, Prepare, Sync};
#[cfg(feature = "lab")]
pub use lab::{Demo, Lab};
pub use orders::{AcceptSchema, Adopt, Enable, Lease, Maintain, Pause, Recapture, Skip, Widen};
pub use program::{Completions, Console, Explain, Init, Man, Schema};

/// Carries the changes that SQL Server CDC records through files in S3 into Amazon Redshift.
///
/// First time: `init` writes a configuration, `check` says what is missing, `enable` switches CDC
/// on, `prepare` takes the first snapshot, and `sync` carries everything since, as often as you
/// run it. `demo` shows all of it on three stand-in servers of its own.
#[derive(Parser, Debug)]
#[command(name = "db-to-redshift", version, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    /// Without a command the console opens, on a terminal.
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Args, Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub struct Global {
    /// Configuration file [default: $D2R_CONFIG, ./db-to-redshift.toml, then the user's folder].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Profile of the configuration file.
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Only tables whose schema.table matches; `*` stands for anything. May be given again.
    #[arg(long = "table", short = 't', global = true, value_name = "GLOB")]
    pub tables: Vec<String>,
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print one JSON event a line while jobs run.
    #[arg(long, global = true)]
    pub events: bool,
    /// Refuse every command that writes.
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Wait for a table that another job works on, instead of leaving it with exit code 3.
    #[arg(long, global = true)]
    pub wait: bool,
}

#[derive(Subcommand, Debug, Clone)]
pub enum Command {
    /// Open the console: every table's CDC, change files and staging, and its jobs. The default on a terminal.
    ///
    /// Arrow keys move, Enter opens, `?` helps, `q` quits. Only upper-case letters change anything,
    /// and each shows first what it will do; only a retry runs at once, since it is safe to repeat.
    Console(Console),
    /// List the console's keys, as the configuration has them, or check a change of them.
    Keys,
    /// Look at connections, permissions and unfinished work; change nothing but a probe object.
    ///
    /// The probe in S3 tells whether conditional writes are honoured. It is deleted again.
    Check,
    /// Create bucket, target tables and state, and open an epoch for each table.
    Prepare(Prepare),
    /// Write the source's new changes to S3.
    Extract,
    /// Load what stands in S3 into Redshift.
    Load,
    /// Load what waits, extract, load again; with --every, again and again.
    Sync(Sync),
    /// Show each table in the source, in S3 and in Redshift.
    Status,
    /// Prove that production equals the source, or tell where it differs.
    ///
    /// Both sides are read once and compared by sums; only where sums differ, rows are compared.
    /// Keys that changed since the last load are left out and counted, so a table may be verified
    /// while it is written to. Equal clears the mark "diverged"; a difference sets it.
    /// Exit code 0: equal; 4: different; 1: not decided, since capture lags behind.
    Verify(Verify),
    /// Follow one key from the change table through S3 to production.
    Trace(Trace),
    /// Say what the next load would do, without doing it: reads only.
    ///
    /// Rows to delete and to insert, doubled and NULL keys, and the widest value of each text and
    /// binary column against its limit, with file and line. Exit code 4: the load would stop, or
    /// load something doubtful.
    DryRun,
    /// Widen a VARCHAR column of production that is too narrow for its values.
    ///
    /// Without --confirm it only prints the statements.
    Widen(Widen),
    /// List the values that Redshift refused to load.
    LoadErrors(LoadErrors),
    /// List the batches of one table that stand in S3, with their files.
    ///
    /// The newest first, each with what became of it: applied, staged or pending; and files without
    /// a record, which are being written or were left behind.
    Files(Most),
    /// Show the first rows of a change file of one table.
    Preview(Preview),
    /// Show the rows of one table that wait in Redshift to be applied.
    Staging(Staging),
    /// List the newest lines of the batch log: what loads did, of one table or of all.
    Log(Most),
    /// Show what each column of one table becomes in Redshift, and what may not fit.
    ///
    /// Exit code 4: the table cannot be carried as it is.
    Columns,
    /// Print the statements that the next load of one table would run, for a DBA to read.
    LoadSql,
    /// Upkeep of the tables in Redshift: statistics, room, and emptying them.
    #[command(subcommand)]
    Maintain(Maintain),
    /// Convert an LSN into its commit time, or a time into the LSN that stood then.
    Lsn(LsnOrTime),
    /// List the S3 buckets that this login sees; the configured one is marked.
    Buckets,
    /// Stop extracting and loading tables until they are resumed.
    ///
    /// Jobs at work stop after the batch that they are at. Without --table every table is paused.
    /// `status` shows who paused what, and why.
    Pause(Pause),
    /// Let paused tables go on.
    Resume,
    /// Run the step that failed last again (extract or load), and nothing else.
    ///
    /// A table with nothing failed says so. `sync` does more: it carries everything up to now.
    Retry,
    /// Put in order what a crash may have left, without extracting.
    ///
    /// Applies what is staged, loads what is recorded, completes the batch log, deletes files that
    /// nobody needs, and removes the traces of a snapshot that died. Safe at any time.
    Recover,
    /// Show who is busy with which table, or free a lease whose holder is gone.
    ///
    /// A lease only tells people who is busy; the data is safe without it. A lease that nobody
    /// renews frees itself when the next job has watched it for 60 s.
    Lease(Lease),
    /// Leave out one batch that cannot be loaded. Production then differs from the source.
    ///
    /// Without --batch it only shows the batch that comes next, what would be missing, and the
    /// command to type. The table counts as diverged (exit code 4 of status) until a verify finds
    /// it equal, or `prepare --new-epoch` and `load` replace it.
    Skip(Skip),
    /// Take over the state of tables whose source server, database or S3 root has changed.
    ///
    /// Without --confirm it only shows both identities. After another source the table counts as
    /// diverged and its recorded batches are void: `prepare --new-epoch`, then `load`. After
    /// another root alone nothing is void, if the records were copied there.
    Adopt(Adopt),
    /// Go on after DDL on a table, without another snapshot.
    ///
    /// Only where that is safe: DDL that left the captured columns alone, as a column that was
    /// added does, and strings that became longer. Without --confirm it only shows
    /// what would be accepted. Everything else needs `prepare --new-epoch`.
    AcceptSchema(AcceptSchema),
    /// Make another capture instance of a table, with the columns that it got since.
    ///
    /// The way to carry a new column: SQL Server fixes the columns of a capture instance when it is
    /// made. The new one is like the present one in everything else, and captures beside it until
    /// `prepare --new-epoch` goes over to it. Without --confirm it only shows what would be made.
    Recapture(Recapture),
    /// List the source's tables and whether CDC tracks them.
    Tables,
    /// List the newest runs: who ran what, and how it ended.
    Runs(Most),
    /// Switch CDC on for the database and for the tables that --table names.
    Enable(Enable),
    /// Gather status, faults, runs, log and redacted settings in one archive for a colleague.
    Bundle(Bundle),
    /// Explain a fault by its code.
    Explain(Explain),
    /// Print the JSON Schema of a document that commands print, or list the documents.
    Schema(Schema),
    /// Print a completion script for a shell.
    Completions(Completions),
    /// Write the manual pages.
    Man(Man),
    /// Write a commented configuration file to start from.
    Init(Init),
    /// Run everything on three stand-in servers and prove that the target equals the source.
    #[cfg(feature = "lab")]
    Demo(Demo),
    /// Keep the three stand-in servers up and print how to connect to them.
    #[cfg(feature = "lab")]
    Lab(Lab),
}

impl Command {
    /// As the user types it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Console(_) => "console",
            Self::Keys => "keys",
            Self::Check => "check",
            Self::Prepare(_) => "prepare",
            Self::Extract => "extract",
            Self::Load => "load",
            Self::Sync(_) => "sync",
            Self::Status => "status",
            Self::Verify(_) => "verify",
            Self::Trace(_) => "trace",
            Self::DryRun => "dry-run",
            Self::Widen(_) => "widen",
            Self::LoadErrors(_) => "load-errors",
            Self::Files(_) => "files",
            Self::Preview(_) => "preview",
            Self::Staging(_) => "staging",
            Self::Log(_) => "log",
            Self::Columns => "columns",
            Self::LoadSql => "load-sql",
            Self::Maintain(_) => "maintain",
            Self::Lsn(_) => "lsn",
            Self::Buckets => "buckets",
            Self::Pause(_) => "pause",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Recover => "recover",
            Self::Lease(_) => "lease",
            Self::Skip(_) => "skip",
            Self::Adopt(_) => "adopt",
            Self::AcceptSchema(_) => "accept-schema",
            Self::Recapture(_) => "recapture",
            Self::Tables => "tables",
            Self::Runs(_) => "runs",
            Self::Enable(_) => "enable",
            Self::Bundle(_) => "bundle",
            Self::Explain(_) => "explain",
            Self::Schema(_) => "schema",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
            Self::Init(_) => "init",
            #[cfg(feature = "lab")]
            Self::Demo(_) => "demo",
            #[cfg(feature = "lab")]
            Self::Lab(_) => "lab",
        }
    }

    /// Whether the first Ctrl-C or SIGTERM leads it to an orderly end.
    #[must_use]
    pub fn stops_by_itself(&self) -> bool {
        match self {
            #[cfg(feature = "lab")]
            Self::Demo(_) | Self::Lab(_) => true,
            Self::Console(_) => true,
            Self::Init(_) => false,
            other => other.writes(),
        }
    }

    /// Whether `--table` chooses among what it is about.
    #[must_use]
    pub fn takes_tables(&self) -> bool {
        !matches!(self, Self::Console(_) | Self::Lsn(_) | Self::Buckets)
    }

    /// Whether it changes anything in the three systems, or makes the configuration.
    #[must_use]
    pub fn writes(&self) -> bool {
        match self {
            Self::Widen(widen) => widen.confirm,
            // The look that comes before the order only reads.
            Self::Lease(lease) => lease.release || lease.take_over,
            Self::Skip(skip) => skip.batch.is_some(),
            Self::Adopt(adopt) => adopt.confirm,
            Self::AcceptSchema(accept) => accept.confirm,
            Self::Recapture(recapture) => recapture.confirm,
            Self::Prepare(_)
            | Self::Extract
            | Self::Load
            | Self::Sync(_)
            | Self::Enable(_)
            | Self::Pause(_)
            | Self::Resume
            | Self::Retry
            | Self::Recover
            | Self::Verify(_)
            | Self::Maintain(_)
            | Self::Init(_) => true,
            _ => false,
        }
    }
}
