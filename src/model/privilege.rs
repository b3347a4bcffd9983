//! Privileges that a login lacks.

use super::Fault;

/// Each a fault whose first next action is the statement that grants it.
#[derive(Clone, Debug, Default)]
pub struct Lacking {
    /// On what all tables share.
    pub shared: Vec<Fault>,
    /// On the objects of each table, in the order in which the tables were given.
    pub tables: Vec<Vec<Fault>>,
}
