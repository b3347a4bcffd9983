//! What inspection reads from a target: rows in one comparable text, widths of columns, load errors.

use std::future::Future;

use schemars::JsonSchema;
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
    /// Most bytes of a string, binary or SUPER column; `None` for other types.
    pub production_bytes: Option<u32>,
    pub staging_bytes: Option<u32>,
    pub needed_bytes: Option<u32>,
    /// Encoding in production, in lower case, where the catalogue says.
    pub encoding: Option<String>,
    pub has_default: bool,
}

/// A row of one key in staging.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StagedKeyRow {
    /// Number of the batch that brought it.
    pub seq: Seq,
    /// Position of the row in its batch.
    pub order: i64,
    /// `U`: inserted or updated; `D`: deleted.
    pub operation: String,
    /// Cells in column order.
    pub values: Vec<Held>,
}

/// What the target holds of one key.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct KeyRows {
    /// Cells in column order; a row an entry.
    pub production: Vec<Vec<Held>>,
    /// Rows that wait in staging.
    pub staging: Vec<StagedKeyRow>,
}

/// A load error as the target's system tables tell it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LoadError {
    /// Target's clock, UTC.
    pub at: String,
    /// Oid or name of the table that was loaded.
    pub table: String,
    /// URL of the file.
    pub file: String,
    /// Line in it, from 1, as text.
    pub line: String,
    /// Name of the column, as the target spells it.
    pub column: String,
    /// Type of the column.
    pub column_type: String,
    /// Length of the column, as the target tells it.
    pub limit: String,
    /// Position in the line, as the target tells it.
    pub position: String,
    /// Redshift's error code, as text.
    pub code: String,
    /// What the code means, where it is known.
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

/// What a verify has to say of production.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    Equal,
    /// Equal, but for keys with changes on their way that may not mend them; why to doubt them.
    EqualButFor(String),
    /// What differs.
    Different(String),
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
