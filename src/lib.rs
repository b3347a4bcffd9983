//! SQL Server CDC to Amazon Redshift, through change files in S3.
//!
//! One program carries the changes that SQL Server's change data capture records into change
//! files in S3 and from there into Amazon Redshift. `ARCHITECTURE.md` is the map: which folder
//! does what, and which may use which.

#[macro_use]
pub mod failpoint;

pub mod cli;
pub mod config;
pub mod console;
pub mod encode;
pub mod engine;
#[cfg(feature = "lab")]
pub mod lab;
pub mod model;
pub mod source;
pub mod store;
pub mod target;
