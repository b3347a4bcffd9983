//! SQL Server as a source.
//!
//! Every statement stands as text next to the function that runs it.

pub mod catalog;
pub mod cdc;
pub mod changes;
pub mod columns;
pub mod health;
pub mod manage;
pub mod quote;
pub mod reread;
pub mod session;
pub mod snapshot;
