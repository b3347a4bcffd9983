//! The sample: the database of an invented coffee roaster, "Halden Kaffee", and the work done on it.
//!
//! Everything is T-SQL text for any client. The same seed gives the same texts.
//! Every name, number and person in it is an invention.

mod actions;
mod measurement;
mod schema;
mod values;
mod workload;

pub use schema::{SampleTable, TABLES, schema_batches, schema_sql};
pub use workload::{Workload, seed_batches, seed_sql};

/// The name that the lab gives the sample's database.
pub const DATABASE: &str = "Halden";
