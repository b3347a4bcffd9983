//! The words that every part of the program shares. Nothing here does I/O, and nothing here
//! knows a driver: this is the only folder that the client and the lab have in common.

pub mod capture;
pub mod change;
pub mod column;
pub mod control;
pub mod document;
pub mod fault;
pub mod lsn;
pub mod name;
pub mod order;
pub mod privilege;
pub mod record;
pub mod shape;
pub mod sql_type;
pub mod state;
pub mod status;
pub mod typed;
pub mod unfit;
pub mod value;
pub mod words;

pub use capture::{CaptureIdentity, MappingRow, SourceIdentity};
pub use change::{ChangeRow, Keep, Operation, StagedOp, StagedRow};
pub use column::Column;
pub use fault::Fault;
pub use lsn::Lsn;
pub use name::TableName;
pub use record::{CommitRecord, Epoch, PartFile, RecordKind, Seq};
pub use shape::TableShape;
pub use sql_type::SqlType;
pub use state::TargetState;
pub use unfit::{Unfit, UnfitCount};
pub use value::{Decimal, Value};

/// Lowercase hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
