//! How an epoch is ordered: what `prepare` was told, and what must be known to tell it again.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TableName;

/// Which of the steps that failed a retry may run again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Repeat {
    /// Loads and extracts: repeating them is always safe.
    #[default]
    Steps,
    /// A prepare too, unless it opens another epoch.
    Prepare,
    /// Every step, `prepare --new-epoch` too: the load after it replaces production.
    NewEpoch,
}

impl Repeat {
    /// Whether a prepare with these options may be given again.
    #[must_use]
    pub fn takes(self, order: PrepareOptions) -> bool {
        order.may_be_repeated() && self >= if order.new_epoch { Self::NewEpoch } else { Self::Prepare }
    }
}

/// How an epoch begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpenMode {
    /// A scan of the table.
    #[default]
    Snapshot,
    /// Changes only, into an empty production.
    Start,
}

/// What a prepare was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct PrepareOptions {
    /// How the epoch begins.
    pub mode: OpenMode,
    /// Open another epoch although one is open.
    pub new_epoch: bool,
    /// `start` over rows in production that the operator vouches for.
    pub trusted: bool,
    /// A first snapshot may replace rows that this program did not load.
    pub replace: bool,
}

impl PrepareOptions {
    /// The command that gives this order for one table.
    #[must_use]
    pub fn command(self, table: &TableName) -> String {
        let mut command = "db-to-redshift prepare".to_owned();
        if self.mode == OpenMode::Start {
            command.push_str(" --mode start");
        }
        for (flag, given) in [("--new-epoch", self.new_epoch), ("--trusted", self.trusted), ("--replace", self.replace)] {
            if given {
                let _ = write!(command, " {flag}");
            }
        }
        let _ = write!(command, " --table {table:#}");
        command
    }

    /// Whether the order may be given again without a person: a snapshot reads what stands in the
    /// source then. What an operator vouches for, or gives up, holds for the moment they said it.
    #[must_use]
    pub fn may_be_repeated(self) -> bool {
        self.mode == OpenMode::Snapshot && !self.replace
    }
}
