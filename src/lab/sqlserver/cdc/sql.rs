//! The functions of our own that the capture SQL calls, and update masks.

use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};

use super::position::Position;

/// Whether a set of touched columns names a column: one character a column id, `1` for touched.
fn has(touched: &[u8], column: i64) -> bool {
    usize::try_from(column - 1).is_ok_and(|at| touched.get(at) == Some(&b'1'))
}

/// The OR of update masks.
struct MaskOr;

impl Aggregate<Option<Vec<u8>>, Option<Vec<u8>>> for MaskOr {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn step(&self, call: &mut Context<'_>, so_far: &mut Option<Vec<u8>>) -> rusqlite::Result<()> {
        let Some(mask) = call.get::<Option<Vec<u8>>>(0)? else { return Ok(()) };
        match so_far {
            None => *so_far = Some(mask),
            Some(bits) => bits.iter_mut().zip(mask).for_each(|(bits, more)| *bits |= more),
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, so_far: Option<Option<Vec<u8>>>) -> rusqlite::Result<Option<Vec<u8>>> {
        Ok(so_far.flatten())
    }
}

/// Makes `__lab_lsn`, `__lab_touched`, `__lab_mask` and `__lab_mask_or` known to a connection. May be called again.
pub fn register(connection: &Connection) -> rusqlite::Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("__lab_lsn", 1, pure, |call| Ok(Position(call.get(0)?).lsn().as_bytes().to_vec()))?;
    connection.create_scalar_function("__lab_touched", 2, pure, |call| {
        Ok(has(call.get_raw(0).as_str().unwrap_or_default().as_bytes(), call.get(1)?))
    })?;
    connection.create_scalar_function("__lab_mask", 2, pure, |call| {
        let touched = call.get_raw(0).as_str().unwrap_or_default().as_bytes();
        let ids = call.get_raw(1).as_blob().unwrap_or_default();
        Ok(update_mask(touched, ids))
    })?;
    connection.create_aggregate_function("__lab_mask_or", 1, pure, MaskOr)
}

/// The capture's `__$update_mask`. `ids` holds two bytes for each captured ordinal: the column id,
/// with the top bit set for a column that every update changes (rowversion).
/// The last byte of the mask holds ordinals 1 to 8.
fn update_mask(touched: &[u8], ids: &[u8]) -> Vec<u8> {
    let mut mask = vec![0; ids.len().div_ceil(16)];
    let last = mask.len().saturating_sub(1);
    for (ordinal, id) in ids.as_chunks::<2>().0.iter().enumerate() {
        let id = u16::from_be_bytes(*id);
        if id & 0x8000 != 0 || has(touched, i64::from(id)) {
            mask[last - ordinal / 8] |= 1 << (ordinal % 8);
        }
    }
    mask
}

/// The texts of all items, one after the other.
pub fn each<T>(items: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> String {
    items.into_iter().fold(String::new(), |mut all, item| {
        all.push_str(&text(item));
        all
    })
}

/// A mask with the bit of every captured column set, as inserts and deletes have it.
#[must_use]
pub fn full_mask(columns: usize) -> Vec<u8> {
    let ids: Vec<u8> = std::iter::repeat_n([0x80, 0], columns).flatten().collect();
    update_mask(&[], &ids)
}

/// `sys.fn_cdc_is_bit_set`: whether the bit of an ordinal (from 1) is set.
#[must_use]
pub fn is_bit_set(ordinal: i64, mask: &[u8]) -> bool {
    let Ok(at) = usize::try_from(ordinal - 1) else { return false };
    mask.len().checked_sub(1 + at / 8).is_some_and(|byte| mask[byte] >> (at % 8) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_of_a_mask_holds_the_first_eight_ordinals() {
        let ids: Vec<u8> = (1u16..=10).flat_map(u16::to_be_bytes).collect();
        assert_eq!(update_mask(b"1", &ids), [0, 1]);
        assert_eq!(update_mask(b"001000001", &ids), [1, 4]);
        assert_eq!(full_mask(10), [3, 255]);
        assert_eq!(full_mask(8), [255]);
        assert!(is_bit_set(9, &[1, 4]) && is_bit_set(3, &[1, 4]));
        assert!(!is_bit_set(1, &[1, 4]) && !is_bit_set(17, &[1, 4]) && !is_bit_set(0, &[1, 4]));
    }

    #[test]
    fn an_ordinal_is_not_a_column_id() {
        let ids: Vec<u8> = [4u16, 0x8000 | 7].into_iter().flat_map(u16::to_be_bytes).collect();
        assert_eq!(update_mask(b"1110", &ids), [2]);
        assert_eq!(update_mask(b"0001", &ids), [3]);
    }
}
