//! What becomes of a value that its target column cannot hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The policy of a column. A key column has none but `Fail` (rule E8).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// The value is written whole, and the load fails with file, line and column.
    #[default]
    Fail,
    /// Text is cut between two characters, binary between two bytes; counted.
    Truncate,
    /// NULL takes its place; counted.
    Null,
    /// The target column is a SUPER, which holds more; what is longer still fails the load.
    Super,
}

impl Unfit {
    #[must_use]
    pub fn is_fail(&self) -> bool {
        *self == Self::Fail
    }

    /// As it is written in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Truncate => "truncate",
            Self::Null => "null",
            Self::Super => "super",
        }
    }
}

/// Values of one column that a policy changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct UnfitCount {
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nulled: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn is_zero(n: &u64) -> bool {
    *n == 0
}
