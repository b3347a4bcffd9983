//! The source machine: what a database engine must offer to be read.
//!
//! [`Source`] is the porting list. SQL Server is the one implementation that talks to a server
//! ([`sqlserver`]); the promises below are what the rules E1 to E9 of the protocol build on.

mod fleet;
pub mod sqlserver;

use std::future::Future;
use std::time::Duration;

use jiff::civil::DateTime;

pub use self::fleet::{FleetFacts, FleetInstance, FleetTable};
use crate::model::fault::src;
use crate::model::privilege::Lacking;
use crate::model::{CaptureIdentity, ChangeRow, Column, Fault, Lsn, MappingRow, SourceIdentity, TableName, TableShape, Value};

/// What start-up learns about the server. Shown by `check`.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    pub identity: SourceIdentity,
    /// Product version, as in `16.0.4135.4`.
    pub version: String,
    pub edition: String,
    pub cdc_enabled: bool,
    /// `ALLOW_SNAPSHOT_ISOLATION` is on.
    pub snapshot_isolation: bool,
    /// Whether the connection is encrypted, from `sys.dm_exec_connections`; `None` if not readable.
    pub encrypted: Option<bool>,
    /// The statement that would show this login the policies that filter rows; `None`: it sees them,
    /// or the server has no such thing.
    pub policies_unseen: Option<String>,
}

/// A user table, tracked or not.
#[derive(Clone, Debug)]
pub struct SourceTable {
    pub name: TableName,
    pub object_id: i32,
    pub tracked: bool,
    pub has_key: bool,
    /// When its definition was changed last, server-local; `None`: never since it was made.
    pub altered: Option<DateTime>,
}

/// A capture instance with the columns it captures, compared with the source table of today.
#[derive(Clone, Debug)]
pub struct CaptureInstance {
    pub identity: CaptureIdentity,
    /// Low-water mark; `None` while capture has not initialised it.
    pub start_lsn: Option<Lsn>,
    pub supports_net_changes: bool,
    pub role: Option<String>,
    /// The captured columns that the program carries, with type, length and collation of the
    /// source table's column of the same id.
    pub shape: TableShape,
    /// Captured columns that no longer stand in the source table under id, name and type: drift.
    pub missing: Vec<String>,
    /// Columns of the source table that the instance does not capture: drift once they are new.
    pub uncaptured: Vec<Column>,
    /// Names of those among them that stand behind every captured one: where DDL ran since the
    /// instance was made, they may have come later. The others were left out when it was made.
    pub beyond: Vec<String>,
    /// Computed columns: captured, but always NULL in the change table, so left out of the shape. A
    /// key with one of them is none.
    pub computed: Vec<String>,
    /// Newest `cdc.ddl_history.ddl_lsn`.
    pub ddl_lsn: Option<Lsn>,
}

/// One source table with all its capture instances, newest first.
#[derive(Clone, Debug)]
pub struct TableFacts {
    pub name: TableName,
    pub object_id: i32,
    pub tracked: bool,
    /// When its definition was changed last, server-local; `None`: never since it was made.
    pub altered: Option<DateTime>,
    /// Names of its columns in their order, without the computed ones.
    pub columns: Vec<String>,
    pub instances: Vec<CaptureInstance>,
    /// What keeps a plain read from showing this login all that stands in the table, a fault each.
    /// The read itself would not fail: rows would be missing, or values be others.
    pub withheld: Vec<Fault>,
}

/// A line of `cdc.ddl_history`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DdlNote {
    pub lsn: Lsn,
    /// Server-local.
    pub time: DateTime,
    /// The statement, as it was run.
    pub command: String,
    /// It altered the type of a captured column (`required_column_update`).
    pub alters_captured: bool,
}

/// The bounds of what can be read, in one round trip.
#[derive(Clone, Debug)]
pub struct Watermarks {
    pub cdc_enabled: bool,
    /// `fn_cdc_get_max_lsn`; `None` while nothing was captured yet.
    pub max: Option<Lsn>,
    /// `fn_cdc_get_min_lsn` for each instance asked for, in that order. Zero: unknown, or not
    /// open to this login.
    pub min: Vec<Lsn>,
}

/// What the time mapping says about an LSN (rule R7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MappingFacts {
    /// Newest row at or below the LSN.
    pub newest: Option<MappingRow>,
    /// The oldest LSN that the mapping still holds.
    pub oldest: Option<Lsn>,
}

impl MappingFacts {
    /// Commit time of the newest transaction up to the LSN, server-local; `None` below the oldest
    /// row.
    #[must_use]
    pub fn time(&self) -> Option<DateTime> {
        self.newest.as_ref().map(|row| row.end_time)
    }

    /// Commit time of exactly this LSN, server-local; `None` where the mapping does not hold it.
    #[must_use]
    pub fn time_of(&self, lsn: Lsn) -> Option<DateTime> {
        self.newest.as_ref().filter(|row| row.lsn == lsn).map(|row| row.end_time)
    }
}

/// The stretch of one instance's change table that a probe looks at, both ends included.
#[derive(Clone, Debug)]
pub struct ProbeRange {
    pub instance: String,
    pub from: Lsn,
    pub to: Lsn,
}

/// How change rows are asked for (rule E5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangesMode {
    /// The change table itself, before-images included.
    All,
    /// SQL Server's net function: upserts as [`crate::model::Operation::After`] or `Insert`,
    /// deletes as `Delete`, deletes of an LSN first.
    Net,
}

/// A closed LSN range to read.
#[derive(Clone, Debug)]
pub struct ChangesRequest {
    pub table: TableName,
    pub instance: String,
    pub shape: TableShape,
    pub from: Lsn,
    pub to: Lsn,
    pub mode: ChangesMode,
}

/// What capture is doing. A field is `None` where the login may not see it: unknown, not bad.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CaptureHealth {
    pub agent_running: Option<bool>,
    /// Commit-to-capture seconds of the scan sessions.
    pub latency_seconds: Option<i64>,
    pub last_commit_cdc_time: Option<DateTime>,
    pub failed_sessions: Option<i64>,
    /// Errors of the newest scan of the log.
    pub newest_errors: Option<i64>,
    /// Retention of the clean-up job.
    pub retention: Option<Duration>,
    /// The newest `sys.dm_cdc_errors` row: number and message.
    pub last_error: Option<(i32, String)>,
}

/// How a scan for a snapshot reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScanIsolation {
    /// Snapshot isolation, pinned by the first read.
    Snapshot,
    /// READ COMMITTED: rows move under the scan, so they are folded like changes.
    ReadCommitted,
}

/// How a clean-up call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CleanUp {
    Done,
    /// 22957: the mark stands there or above already.
    AlreadyDone,
    /// 22964: the mark left the mapping; choose again.
    ChooseAgain,
}

/// A stream of pages. Dropping it early drops its connection.
///
/// An end is proven, never assumed: a connection that is lost, or an answer that breaks off, is a
/// fault. What came before it is then not the whole and must not be used as if it were.
pub trait Pages: Send {
    type Row: Send;

    /// The next rows, never an empty page, and never more of them than fit into memory, however wide
    /// they are; `None` at the end, and whenever it is asked again behind the end.
    fn next_page(&mut self) -> impl Future<Output = Result<Option<Vec<Self::Row>>, Fault>> + Send;
}

/// A database engine that can be read.
///
/// Every call opens or borrows a connection of its own and may run beside the others. Names are in catalogue spelling. No call changes the source,
/// except those that say so.
///
/// A fault means that nothing can be said: no call gives a part of an answer, or a default, in place
/// of one. Its class says whether another try may help ([`crate::model::fault::Class::Transient`]).
/// Each ends, by a fault if need be, within the settings' time limits. Two keys are equal where [`TableShape::key_identity`] is, whatever the collation of the
/// source holds equal.
pub trait Source: Send + Sync + 'static {
    type Changes: Pages<Row = ChangeRow>;
    type Scan: Pages<Row = Vec<Value>>;

    /// Connects, sets the session up, and says who is there. A fault where a server cannot be
    /// reached, refuses the login or has no such database; not where CDC is off.
    fn start_up(&self) -> impl Future<Output = Result<ServerFacts, Fault>> + Send;

    /// Every user table of the database that the login may see, tracked or not, in no order, in a fixed
    /// number of round trips.
    fn tables(&self) -> impl Future<Output = Result<Vec<SourceTable>, Fault>> + Send;

    /// Columns, keys and capture instances of the given tables, in that order, in a fixed number
    /// of round trips, and what is withheld from the login where [`Self::scan`] and [`Self::reread`]
    /// would not say so. A table that does not exist has a fault of its own that names the nearest
    /// one: it never stops the others. A fault of the whole source is the outer error.
    fn describe(&self, tables: &[TableName]) -> impl Future<Output = Result<Vec<Result<TableFacts, Fault>>, Fault>> + Send;

    /// What the login lacks to read the given tables and their newest change tables, in a fixed
    /// number of round trips.
    fn lacking(&self, tables: &[TableFacts]) -> impl Future<Output = Result<Lacking, Fault>> + Send;

    /// Bounds of the given instances: every `min` in their order, and then `max`, which is read in a
    /// statement that begins when those of the minima have ended. So a minimum that rises meanwhile
    /// never hides a gap, and a later [`Self::first_changes`] sees all up to `max`. An instance that
    /// is gone has the minimum zero; it is no fault.
    fn watermarks(&self, instances: &[String]) -> impl Future<Output = Result<Watermarks, Fault>> + Send;

    /// The first commit LSN with a change row in each range, in that order, all in one round trip
    /// however many ranges there are; `None` where a range holds no row. The caller has read every
    /// `to` in a statement that ended before this call (rule E3). One instance that is gone is the
    /// fault of the whole call.
    fn first_changes(&self, ranges: &[ProbeRange]) -> impl Future<Output = Result<Vec<Option<Lsn>>, Fault>> + Send;

    /// The `transactions`-th commit LSN at or above `from` that the mapping holds, at most `max`;
    /// `max` when there are fewer (rule E4). One round trip. It is always the LSN of a whole
    /// transaction, so that a window never ends inside one.
    fn window_end(&self, from: Lsn, max: Lsn, transactions: u32) -> impl Future<Output = Result<Lsn, Fault>> + Send;

    /// The DDL on the instance's table above an LSN that capture has noted, by ascending LSN, in one
    /// round trip. It is noted late: what is missing here may still come.
    fn ddl_since(&self, capture: &CaptureIdentity, after: Lsn) -> impl Future<Output = Result<Vec<DdlNote>, Fault>> + Send;

    /// The time mapping at or below each LSN, in that order, in one round trip however many there
    /// are. `oldest` is read after every `newest`: a clean-up in between can hide a row that counts
    /// no more, and never make one up. An LSN below the mapping, or an empty mapping, is no fault.
    fn mappings(&self, at: &[Lsn]) -> impl Future<Output = Result<Vec<MappingFacts>, Fault>> + Send;

    /// The time mapping at or below one LSN.
    fn mapping(&self, at: Lsn) -> impl Future<Output = Result<MappingFacts, Fault>> + Send {
        async move {
            let found = self.mappings(&[at]).await?.pop();
            found.ok_or_else(|| Fault::new(&src::UNREADABLE, "the source said nothing about the time mapping").evidence("LSN", at))
        }
    }

    /// The newest LSN of the mapping whose commit time is not after a server-local time; `None`
    /// when the mapping does not reach back so far.
    fn lsn_at(&self, time: DateTime) -> impl Future<Output = Result<Option<Lsn>, Fault>> + Send;

    /// The change rows of a range, ends included, each exactly once, in the order (lsn, command,
    /// seqval, operation), NULL commands first; with [`ChangesMode::Net`] by LSN alone, deletes first.
    /// The rows of one update follow each other. Nothing guards the range: clean-up may take rows
    /// away while it is read, so the caller compares the bounds before and after (rule E9). Instances
    /// that are gone, and columns that are not as the shape says, are faults, of the call or of a
    /// page.
    fn changes(&self, request: &ChangesRequest) -> impl Future<Output = Result<Self::Changes, Fault>> + Send;

    /// The first `most` change rows of a range whose key equals `key` bytewise, in the order of
    /// [`Self::changes`]. The server looks for them: a change table has no index on the key. None is
    /// no fault.
    fn key_changes(&self, request: &ChangesRequest, key: &[Value], most: u32)
    -> impl Future<Output = Result<Vec<ChangeRow>, Fault>> + Send;

    /// The rows of a table, in no order, the values of each in the order of the shape. With
    /// [`ScanIsolation::Snapshot`] all are of one moment, which lies within this call or the first
    /// page; with [`ScanIsolation::ReadCommitted`] a row that moves may come twice or not at all.
    fn scan(
        &self,
        table: &TableName,
        shape: &TableShape,
        isolation: ScanIsolation,
    ) -> impl Future<Output = Result<Self::Scan, Fault>> + Send;

    /// The present rows whose key equals one of `keys` bytewise, in no order, each once, even where a
    /// key stands twice in `keys`; keys without a row are simply absent. Queries of many keys each,
    /// one after the other; every one sees what was committed when it ran, so the rows may be of
    /// different moments. A break in the answer is a fault: a missing row would pass for a deleted one.
    fn reread(&self, table: &TableName, shape: &TableShape, keys: &[Vec<Value>]) -> impl Future<Output = Result<Self::Scan, Fault>> + Send;

    /// The present row of one key, by [`Self::reread`]; `None`: there is none.
    fn present_row(
        &self,
        table: &TableName,
        shape: &TableShape,
        key: &[Value],
    ) -> impl Future<Output = Result<Option<Vec<Value>>, Fault>> + Send {
        async move {
            let mut rows = self.reread(table, shape, &[key.to_vec()]).await?;
            let mut found = None;
            while let Some(page) = rows.next_page().await? {
                found = found.or(page.into_iter().next());
            }
            Ok(found)
        }
    }

    /// The server's clock in its local zone: that of the time mapping and of every other
    /// server-local time here. One round trip.
    fn clock(&self) -> impl Future<Output = Result<DateTime, Fault>> + Send;

    /// How capture is doing, in a few round trips, whatever the number of tables. Each field is asked
    /// for by itself, and one that the login may not see, or that the server does not have, is `None`:
    /// a lack of rights is never a fault here, and never passes for good news. No message of the
    /// server that may quote a value is passed on. A fault only where the server does not answer, or
    /// answers what cannot be read.
    fn health(&self) -> impl Future<Output = Result<CaptureHealth, Fault>> + Send;

    /// Every captured table, the bounds of the time mapping, clock and health, in a number of round
    /// trips that does not depend on the number of tables. Reads no change table.
    fn fleet(&self) -> impl Future<Output = Result<FleetFacts, Fault>> + Send;

    /// The newest LSN of the mapping at or below `limit` (rule C3); `None`: the mapping begins above
    /// it. One round trip. The mapping may lose the LSN again before it is used:
    /// [`CleanUp::ChooseAgain`].
    fn clean_up_mark(&self, limit: Lsn) -> impl Future<Output = Result<Option<Lsn>, Fault>> + Send;

    /// Changes the source: raises the low-water mark of the instance to `mark`, which stands in the
    /// mapping, and deletes what lies below. Nothing at or above `mark` is touched, and no mark is
    /// ever lowered. After a fault it is unknown how far it came; another call is safe.
    fn clean_up(&self, instance: &str, mark: Lsn) -> impl Future<Output = Result<CleanUp, Fault>> + Send;

    /// Changes the source: switches CDC on for the database. Nothing to do is success.
    fn enable_database(&self) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Changes the source: starts capture of a table, without net changes and with `role` as
    /// gating role. Its instance has the engine's default name, or one like it where that is too long
    /// or taken. Nothing to do is success.
    fn enable_table(&self, table: &TableName, role: Option<&str>) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Changes the source: makes another capture instance of the table, like `newest` in everything
    /// (gating role, key, net changes, place) but its columns. `columns` names those, `None` all of
    /// them. Gives the name of the new instance; the others stay as they are. A fault where the engine
    /// has room for no other.
    fn add_instance(
        &self,
        table: &TableName,
        newest: &CaptureIdentity,
        columns: Option<&[String]>,
    ) -> impl Future<Output = Result<String, Fault>> + Send;
}
