//! Who the source is, and which capture instance a stream reads.

use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Lsn;

/// Identity of a source database. A stream belongs to exactly one (rule 1 of the protocol).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SourceIdentity {
    /// `@@SERVERNAME`.
    pub server: String,
    /// Name of the database.
    pub database: String,
    /// `sys.database_recovery_status.database_guid`, where the login may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_guid: Option<String>,
    /// `recovery_fork_guid`: a point-in-time restore over the same database makes a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_fork_guid: Option<String>,
}

impl SourceIdentity {
    /// Whether the other identity can be the same database. A guid that one side could not read
    /// proves nothing and is left out of the comparison.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        fn agree(a: Option<&String>, b: Option<&String>) -> bool {
            a.zip(b).is_none_or(|(a, b)| a.eq_ignore_ascii_case(b))
        }
        self.server.eq_ignore_ascii_case(&other.server)
            && self.database == other.database
            && agree(self.database_guid.as_ref(), other.database_guid.as_ref())
            && agree(self.recovery_fork_guid.as_ref(), other.recovery_fork_guid.as_ref())
    }
}

/// Identity of a capture instance: one that was dropped and made again keeps its name but has
/// lost its history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CaptureIdentity {
    /// Name of the capture instance.
    pub instance: String,
    /// Object id of the change table.
    pub object_id: i32,
    /// `cdc.change_tables.create_date`, server-local.
    pub create_date: DateTime,
}

/// One row of `cdc.lsn_time_mapping`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MappingRow {
    pub lsn: Lsn,
    /// Commit time, in the server's local zone.
    pub end_time: DateTime,
    /// Hex; `00` for a dummy row of an idle log.
    pub tran_id: String,
}
