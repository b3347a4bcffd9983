//! Assignment of a value to a column.

use super::convert::convert;
use super::rank::{self, is_binary, is_text};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

/// Why a value cannot be stored in a column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreError {
    /// 2628: longer than the column; the text shown in the message.
    TooLong(String),
    Conversion(Message),
}

/// The same for a narrow column whose collation is UTF-8: no character is lost, and the length counts
/// bytes. A `char` is filled up to its bytes.
pub fn store_utf8(value: &Datum, from: &DataType, to: &DataType) -> Result<Datum, StoreError> {
    let wide = convert(value, from, &DataType::NVarChar(None), 0).map_err(StoreError::Conversion)?;
    let Datum::Text(mut units) = wide else { return Ok(wide) };
    let text = String::from_utf16_lossy(&units);
    let limit = rank::length(to).map_or(usize::MAX, usize::from);
    if text.trim_end_matches(' ').len() > limit {
        return Err(StoreError::TooLong(text[..text.floor_char_boundary(limit)].to_owned()));
    }
    let blank = u16::from(b' ');
    // What is too long is blanks alone.
    let surplus = text.len().saturating_sub(limit);
    units.truncate(units.len() - surplus);
    if matches!(to, DataType::Char(_)) {
        units.resize(units.len() + limit.saturating_sub(text.len()), blank);
    }
    Ok(Datum::Text(units))
}

/// Assignment to a column: as CAST, but strings and binaries that do not fit are errors.
pub fn store(value: &Datum, from: &DataType, to: &DataType) -> Result<Datum, StoreError> {
    let limit = rank::length(to).map_or(usize::MAX, usize::from);
    match value {
        Datum::Text(units) if is_text(to) => {
            let blank = u16::from(b' ');
            let significant = units.iter().rposition(|u| *u != blank).map_or(0, |last| last + 1);
            if significant > limit {
                return Err(StoreError::TooLong(String::from_utf16_lossy(&units[..limit])));
            }
        }
        Datum::Bytes(bytes) if is_binary(to) && bytes.len() > limit => return Err(StoreError::TooLong(String::new())),
        _ => {}
    }
    convert(value, from, to, 0).map_err(StoreError::Conversion)
}
