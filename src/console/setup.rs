//! The checklist of the CDC walkthrough: each step with its reason, its SQL, the permission that it
//! needs, and whether it is done.

use super::order::Order;
use crate::model::TableName;

/// The steps from a database without CDC to tables that are carried.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Checklist {
    pub steps: Vec<Step>,
    /// Tables without CDC, by name: those that can be enabled.
    pub untracked: Vec<TableName>,
}

/// One step.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    pub title: String,
    pub state: StepState,
    /// Why it is needed, in a sentence or two.
    pub why: String,
    /// The exact SQL, for this program or for a DBA; empty where none is needed.
    pub sql: String,
    /// What the login must be allowed to.
    pub permission: String,
    /// What was looked at to tell whether it is done, and what was found.
    pub found: String,
    /// What does it, if the console can; for the given tables.
    pub order: Option<(Order, Vec<TableName>)>,
}

/// How far a step is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepState {
    Done,
    /// It can be done now.
    Open,
    /// Another step comes first.
    Waits,
    /// It could not be found out.
    Unknown,
}
