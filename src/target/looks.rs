//! What a person looks at: samples of staging, what columns become, the statements of a load.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BatchRows, Held, LoadRange, LogLine, OpenEpoch};
use crate::model::{Keep, Seq, StagedOp};

/// A row of staging.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampledRow {
    pub seq: Seq,
    pub order: i64,
    pub op: StagedOp,
    /// One flag for each large column.
    pub keep: Vec<Keep>,
    /// In the order of the shape; `None` when values were not asked for.
    pub values: Option<Vec<Held>>,
}

/// The first rows of staging, and how many of each batch there are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StagedSample {
    /// Ascending by seq.
    pub batches: Vec<BatchRows>,
    pub rows: Vec<SampledRow>,
}

/// What a source column becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ColumnPlan {
    /// As the target spells it.
    pub name: String,
    /// As in `VARCHAR(60)`; `None` for a type that is not carried.
    pub target_type: Option<String>,
    /// Why a value may not fit or not come back the same.
    pub lossy: Vec<String>,
    /// Why the column cannot be carried as it is.
    pub refused: Option<String>,
}

/// A column as production and staging declare it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Declared {
    pub production: Option<String>,
    pub staging: Option<String>,
    /// Both hold every value of the source column; `None` where one of them has no such column.
    pub fits: Option<bool>,
}

/// Columns of a table in the target.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeclaredColumns {
    /// In the order that they were asked for.
    pub columns: Vec<Declared>,
    /// Columns of production that were not asked for.
    pub more: Vec<String>,
}

/// What the next load would do first.
#[derive(Clone, Debug)]
pub enum NextStep {
    Open(OpenEpoch),
    /// Stage, then apply.
    Stage(LoadRange),
    /// It is staged already.
    Apply(LoadRange),
    /// A `schema` record, with the hash that it sets.
    Schema(LoadRange, String),
}

/// The step, and the line that the batch log gets after it.
#[derive(Clone, Debug)]
pub struct NextLoad {
    /// What stands in staging is emptied first: the records were made anew.
    pub unstage: bool,
    /// For the fence that the load will have raised.
    pub step: NextStep,
    pub line: LogLine,
}

/// One statement of a load.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SqlStatement {
    /// What it does, in words.
    pub step: String,
    /// Its text. Credentials stand as `***`.
    pub sql: String,
    /// When it runs, or which of its figures are known only then.
    pub note: Option<String>,
}

/// Statements that commit together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SqlTransaction {
    /// What it is for.
    pub purpose: String,
    /// In their order.
    pub statements: Vec<SqlStatement>,
}
