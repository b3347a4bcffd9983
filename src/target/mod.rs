//! The target machine: production, staging and state.
//!
//! [`Target`] names what load needs. Each call of [`Loader`] is one transaction of the protocol
//! (rules L1 to L8); which one comes next is the engine's business. Amazon Redshift is the one
//! implementation ([`redshift`]).
//!
//! A call whose COMMIT got no answer fails with [`crate::model::fault::rs::COMMIT_UNKNOWN`]: the
//! engine opens a new loader and asks [`Loader::locked_state`] (rule L7). A conflict abort
//! (1023, 1018, serialisation) is a fault of class `Transient`: nothing was changed, and the
//! whole call may be made again.

pub mod held;
mod logged;
mod looks;
pub mod redshift;
mod transaction;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::model::privilege::Lacking;
use crate::model::state::StreamIdentity;
use crate::model::{Column, Epoch, Fault, Seq, TableName, TableShape, TargetState, Value};

pub use held::{ColumnWidth, Finding, Held, HeldRows, KeyRows, LoadError, StagedKeyRow, Verified, Widening};
pub use logged::{LogLine, LoggedState, POSITION_EVENTS, SKIPPED_EVENT, STAGED_EVENT};
pub use looks::{ColumnPlan, Declared, DeclaredColumns, NextLoad, NextStep, SampledRow, SqlStatement, SqlTransaction, StagedSample};
pub use transaction::{Adopt, Applied, ApplyOutcome, BatchRows, LoadRange, OpenEpoch, OpenLoad};

/// Why tables cannot be carried.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The table, or the two that cannot be carried together.
    pub tables: Vec<TableName>,
    pub fault: Fault,
}

#[derive(Clone, Debug)]
pub struct TargetFacts {
    /// First line of `version()`.
    pub version: String,
    pub user: String,
    pub database: String,
    /// Which of the three schemas exist, by name.
    pub schemas: Vec<(String, bool)>,
    pub encrypted: bool,
}

/// A column whose values may not all fit or not all come back the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LossyMapping {
    pub column: String,
    pub from: String,
    pub to: String,
    pub why: String,
}

/// What `prepare` does about columns that a production which is there lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewColumns {
    /// Tell them, with the statements that add them: nobody brings the values of rows that stand there.
    Refuse,
    /// Add them to a production that has its state: a snapshot is about to bring every row.
    Add,
}

/// What `prepare` did with one table.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// In plain words, as in `created production public."orders"`.
    pub did: Vec<String>,
    pub lossy: Vec<LossyMapping>,
    pub production_rows: u64,
    /// Production is another table than the one that was loaded: state has the mark "diverged".
    pub replaced: bool,
}

/// How the tables of a stream are spelt in the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetNames {
    pub production: String,
    pub staging: String,
    pub state: String,
}

/// Where all tables of a pipeline stand.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TargetFleet {
    pub logged: BTreeMap<TableName, LoggedState>,
    /// The tables that exist in the schemas of production, staging and state, spelt as [`TargetNames`].
    pub tables: BTreeSet<String>,
}

/// One connection of a load job on one table.
pub trait Loader: Send {
    /// L1: locks state, raises the fence, returns state with the new fence, which is now ours. A
    /// state of another stream is [`crate::model::fault::sync::OTHER_STREAM`].
    fn raise_fence(&mut self, identity: &StreamIdentity) -> impl Future<Output = Result<TargetState, Fault>> + Send;

    /// L7: locks state, which waits for a transaction that may still be committing, and reads it.
    fn locked_state(&mut self) -> impl Future<Output = Result<TargetState, Fault>> + Send;

    /// L3: fills staging by one COPY and notes the range. Checks epoch, fence, identity and oids
    /// under the lock, and the row count after the COPY.
    fn stage(&mut self, range: &LoadRange) -> impl Future<Output = Result<(), Fault>> + Send;

    /// L4: fills kept values, deletes the staged keys, inserts the survivors, moves state.
    fn apply(&mut self, range: &LoadRange) -> impl Future<Output = Result<ApplyOutcome, Fault>> + Send;

    /// L4: empties staging and notes that nothing is staged; the records have what is to be loaded.
    fn unstage(&mut self, identity: &StreamIdentity, fence: i64, epoch: Epoch) -> impl Future<Output = Result<(), Fault>> + Send;

    /// L5: opens an epoch. State must hold an older one.
    fn open_epoch(&mut self, open: &OpenEpoch) -> impl Future<Output = Result<Applied, Fault>> + Send;

    /// R7: a `schema` record, alone, with staged none: state takes the hash.
    fn accept_schema(&mut self, range: &LoadRange, column_hash: &str) -> impl Future<Output = Result<(), Fault>> + Send;

    /// L9: state passes over the next batch without a row of it. What is staged is dropped, and
    /// the table is marked diverged.
    fn skip(&mut self, range: &LoadRange, why: &str) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Section 1: state takes another identity, with staged none and the fence raised.
    fn adopt(&mut self, adopt: &Adopt) -> impl Future<Output = Result<TargetState, Fault>> + Send;

    /// The last batch of an epoch that has a line of [`POSITION_EVENTS`] in the batch log.
    fn last_logged(&mut self, epoch: Epoch) -> impl Future<Output = Result<Option<Seq>, Fault>> + Send;

    /// L6: the log row.
    fn log(&mut self, line: &LogLine) -> impl Future<Output = Result<(), Fault>> + Send;

    /// L6: empties staging for good, if the fence is still ours and nothing is staged. `false`:
    /// it was not, and staging was left alone.
    fn truncate_staging(&mut self, fence: i64) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// L9: what a verify found, if state still stands where it was read. Equal takes the mark away, a
    /// difference sets it. Equal but for some keys takes none away, and sets it for a production that
    /// is not the recorded one. Returns whether the mark stands.
    fn note_verified(
        &mut self,
        identity: &StreamIdentity,
        seen: Verified,
        finding: &Finding,
    ) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// L8, before DDL that refuses a transaction block: raises the fence and leaves nothing
    /// staged; the records still have it.
    fn clear_for_ddl(&mut self, identity: &StreamIdentity) -> impl Future<Output = Result<TargetState, Fault>> + Send;

    /// Changes the declared width of a column, outside a transaction: only between
    /// [`Self::clear_for_ddl`] and [`Self::accept_ddl`].
    fn widen(&mut self, widening: &Widening) -> impl Future<Output = Result<(), Fault>> + Send;

    /// After such DDL. `false`: production or staging have other oids now; they are recorded and
    /// the table counts as diverged.
    fn accept_ddl(&mut self, fence: i64) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// Empties production and marks the table diverged. Nothing may be staged.
    fn truncate_production(&mut self, identity: &StreamIdentity) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// A warehouse.
pub trait Target: Send + Sync + 'static {
    type Loader: Loader;
    type Rows: HeldRows;

    fn start_up(&self) -> impl Future<Output = Result<TargetFacts, Fault>> + Send;

    /// Names of a table's three tables, quoted.
    fn names(&self, table: &TableName) -> TargetNames;

    /// The most bytes that a value of a column may have in its target column; `None` where every
    /// value fits.
    fn byte_limit(&self, column: &Column) -> Option<u32>;

    /// Refuses what cannot be carried: types, policies, collisions of folded names, reserved internal
    /// names, too many columns. Needs no connection.
    fn check_shapes(&self, tables: &[(TableName, TableShape)]) -> Vec<Refused>;

    /// Refuses a target that would take two keys for one: a database, or a key column of a
    /// production that is there, that compares without regard to case. One statement for each
    /// table with text in its key.
    fn check_collations(&self, tables: &[(TableName, TableShape)]) -> impl Future<Output = Result<Vec<Fault>, Fault>> + Send;

    /// Refuses each production that is there of which the target may hide rows from the user: a load
    /// would double what it cannot delete. One statement for each.
    fn check_hidden(&self, tables: &[TableName]) -> impl Future<Output = Result<Vec<(TableName, Fault)>, Fault>> + Send;

    /// Compares each production that is there with the columns that a load brings, as prepare does. One
    /// statement for all.
    fn check_production(&self, tables: &[(TableName, TableShape)]) -> impl Future<Output = Result<Vec<(TableName, Fault)>, Fault>> + Send;

    /// What the user lacks to prepare and load the given tables, in a fixed number of round trips.
    fn lacking(&self, tables: &[TableName]) -> impl Future<Output = Result<Lacking, Fault>> + Send;

    /// Creates schemas, production, staging, state (L8) and the batch log where they are missing,
    /// and checks those that are there against the shape.
    fn prepare(
        &self,
        table: &TableName,
        shape: &TableShape,
        identity: &StreamIdentity,
        new_columns: NewColumns,
    ) -> impl Future<Output = Result<Prepared, Fault>> + Send;

    /// State without a lock, for status; `None` when the table was never prepared.
    fn state(&self, table: &TableName) -> impl Future<Output = Result<Option<TargetState>, Fault>> + Send;

    /// Where every table of a pipeline stands by the batch log, and which state tables exist: a fixed
    /// number of statements, whatever the number of tables. Takes no lock and waits for none.
    fn fleet(&self, pipeline: &str) -> impl Future<Output = Result<TargetFleet, Fault>> + Send;

    /// Rows in production now; `None` where there is no production.
    fn production_rows(&self, table: &TableName) -> impl Future<Output = Result<Option<u64>, Fault>> + Send;

    /// Rows in production and in staging now.
    fn row_counts(&self, table: &TableName) -> impl Future<Output = Result<(u64, u64), Fault>> + Send;

    /// The newest lines of the batch log of a pipeline, of one table or of all: newest first, doubles
    /// dropped.
    fn log(&self, pipeline: &str, table: Option<&TableName>, most: usize) -> impl Future<Output = Result<Vec<LogLine>, Fault>> + Send;

    /// Opens a connection for a load job.
    fn loader(&self, table: &TableName) -> impl Future<Output = Result<Self::Loader, Fault>> + Send;

    /// What production holds of a source value.
    fn hold(&self, column: &Column, value: &Value) -> Held;

    /// The text of a part file, or of an answer, in the same words.
    fn hold_text(&self, column: &Column, text: Option<&str>) -> Held;

    /// Reads the given columns of production as a stream, in no order.
    fn production(&self, table: &TableName, columns: &TableShape) -> impl Future<Output = Result<Self::Rows, Fault>> + Send;

    /// The rows of one key in production and in staging.
    fn rows_of_key(&self, table: &TableName, shape: &TableShape, key: &[Held]) -> impl Future<Output = Result<KeyRows, Fault>> + Send;

    /// How many keys stand in production more than once. Redshift enforces none.
    fn duplicate_keys(&self, table: &TableName, shape: &TableShape) -> impl Future<Output = Result<u64, Fault>> + Send;

    /// Declared widths in production and staging, in the order of the shape.
    fn widths(&self, table: &TableName, shape: &TableShape) -> impl Future<Output = Result<Vec<ColumnWidth>, Fault>> + Send;

    /// Oids of production and staging now; `None` for one that is not there.
    fn oids(&self, table: &TableName) -> impl Future<Output = Result<(Option<u32>, Option<u32>), Fault>> + Send;

    /// The statements that [`Loader::widen`] runs.
    fn widen_sql(&self, table: &TableName, widening: &Widening) -> Vec<String>;

    /// Load errors of files under a URL, newest first. The refused field is a cell value and comes
    /// only with `values`.
    fn load_errors(&self, root: &str, most: usize, values: bool) -> impl Future<Output = Result<Vec<LoadError>, Fault>> + Send;

    /// Refreshes the planner's statistics of production.
    fn analyze(&self, table: &TableName) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Frees the room of deleted rows of production and sorts it.
    fn vacuum(&self, table: &TableName) -> impl Future<Output = Result<(), Fault>> + Send;

    /// The first rows of staging by batch and order, and how many of each batch there are. Takes no
    /// lock. Values are not even read unless they are asked for.
    fn staged_rows(
        &self,
        table: &TableName,
        shape: &TableShape,
        most: usize,
        values: bool,
    ) -> impl Future<Output = Result<StagedSample, Fault>> + Send;

    /// What a source column becomes. Needs no connection.
    fn plan_column(&self, column: &Column) -> ColumnPlan;

    /// What production and staging declare for columns; nothing for a table that is not there.
    fn declared(&self, table: &TableName, columns: &[Column]) -> impl Future<Output = Result<DeclaredColumns, Fault>> + Send;

    /// What a load would run from a state on, by the builders that the load itself runs.
    fn load_script(
        &self,
        table: &TableName,
        state: &TargetState,
        next: &NextLoad,
    ) -> impl Future<Output = Result<Vec<SqlTransaction>, Fault>> + Send;
}
