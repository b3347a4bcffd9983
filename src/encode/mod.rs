//! Rows to compressed CSV part files, and back.
//!
//! [`csv`] knows the exact text of every value, [`writer`] compresses the lines and cuts them
//! into parts, [`reader`] reads them again for inspection. Nothing here touches a network: the caller pushes rows and carries away chunks,
//! so that a part is uploaded while it is still being written and memory stays bounded.

pub mod csv;
pub mod reader;
mod unfit;
pub mod writer;

pub use csv::RowFormat;
pub use reader::{PartReader, PartRow};
pub use writer::{BatchWriter, PartEnd};
