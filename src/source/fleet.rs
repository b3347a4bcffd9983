//! What the source says of all its captured tables at once: for status, which must not cost more
//! round trips the more tables there are.

use jiff::civil::DateTime;

use super::CaptureHealth;
use crate::model::{CaptureIdentity, Lsn, MappingRow, TableName};

/// A captured table with its instances, newest first: at least one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FleetTable {
    pub name: TableName,
    pub instances: Vec<FleetInstance>,
}

/// A capture instance and where its change table begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FleetInstance {
    pub identity: CaptureIdentity,
    /// Low-water mark as the catalogue has it, whatever the gating role: reading may still be
    /// refused. `None` while capture has not initialised it.
    pub start_lsn: Option<Lsn>,
}

/// The source at one moment. Every low-water mark was read before `newest`.
#[derive(Clone, PartialEq, Debug)]
pub struct FleetFacts {
    pub cdc_enabled: bool,
    /// Every table with a capture instance that is not being dropped, by name.
    pub tables: Vec<FleetTable>,
    /// The newest row of the time mapping: its LSN is `fn_cdc_get_max_lsn`. `None` while nothing
    /// was captured.
    pub newest: Option<MappingRow>,
    /// The oldest row that the mapping still holds.
    pub oldest: Option<MappingRow>,
    /// The server's clock in its local zone, the zone of the mapping.
    pub clock: DateTime,
    pub health: CaptureHealth,
}
