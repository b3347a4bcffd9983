//! Words that pages share.

use crate::model::RecordKind;

pub use crate::model::words::{bytes, count, span};

/// What a record holds.
#[must_use]
pub fn kind(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Snapshot => "snapshot",
        RecordKind::Start => "start",
        RecordKind::Changes => "changes",
        RecordKind::Schema => "columns",
    }
}

/// A value so that its ends and its control characters can be seen.
#[must_use]
pub fn quoted(text: &str) -> String {
    let shown: String = text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect();
    format!("'{shown}'")
}

/// A cell, or NULL.
#[must_use]
pub fn held(cell: Option<&str>) -> String {
    cell.map_or_else(|| "NULL".to_owned(), quoted)
}
