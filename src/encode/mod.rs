//! Rows to compressed CSV part files.
//!
//! [`csv`] knows the exact text of every value, [`writer`] compresses the lines and cuts them
//! into parts. Nothing here touches a network: the caller pushes rows and carries away chunks,
//! so that a part is uploaded while it is still being written and memory stays bounded.

pub mod csv;
mod unfit;
pub mod writer;

pub use csv::RowFormat;
pub use writer::{BatchWriter, PartEnd};
