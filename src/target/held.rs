//! What inspection reads from a target: rows in one comparable text, widths of columns, load errors.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::model::{Epoch, Fault, Seq};

/// One cell in the text that equal values share on both sides, or NULL.
///
/// It says what the target holds for a source value: what the type mapping is documented to lose
/// (the seventh digit of a time, an offset, an empty binary value) is lost here too, nothing else.
pub type Held = Option<String>;

/// A stream of rows of production. Dropping it early drops its connection.
pub trait HeldRows: Send {
    /// The next rows, never an empty page; `None` at the end.
    fn next_page(&mut self) -> impl Future<Output = Result<Option<Vec<Vec<Held>>>, Fault>> + Send;
}

/// A captured column as production and staging declare it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ColumnWidth {
    /// As the source spells it.
    pub column: String,
    /// As the target spells it.
    pub name: String,
    /// Type in production and in staging, as in `VARCHAR(60)`.
    pub production: String,
    pub staging: String,
    /// The type that holds every value of the source column.
    pub needed: String,
    /// Most bytes of a string or binary column; `None` for other types.
    pub production_bytes: Option<u32>,
    pub staging_bytes: Option<u32>,
    pub needed_bytes: Option<u32>,
    /// Encoding in production, in lower case, where the catalogue says.
    pub encoding: Option<String>,
    pub has_default: bool,
}

/// A row of one key in staging.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StagedKeyRow {
    pub seq: Seq,
    pub order: i64,
    /// `U` or `D`.
    pub operation: String,
    pub values: Vec<Held>,
}

/// What the target holds of one key.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KeyRows {
    pub production: Vec<Vec<Held>>,
    pub staging: Vec<StagedKeyRow>,
}

/// A load error as the target's system tables tell it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LoadError {
    /// Target's clock, UTC.
    pub at: String,
    /// Oid or name of the table that was loaded.
    pub table: String,
    pub file: String,
    pub line: String,
    pub column: String,
    pub column_type: String,
    pub limit: String,
    pub position: String,
    pub code: String,
    pub meaning: Option<String>,
    /// With everything in quotes taken out.
    pub reason: String,
    /// Only on request: it is a cell value.
    pub raw_field: Option<String>,
}

/// The state that a verify looked at; all of it must stand unchanged when its finding is noted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    pub epoch: Epoch,
    pub applied_seq: Seq,
    pub fence: i64,
    /// Oids when the reading began.
    pub production_oid: u32,
}

/// The repair of a column that is too narrow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Widening {
    /// As the target spells it.
    pub name: String,
    pub bytes: u32,
    pub production: bool,
    pub staging: bool,
}
