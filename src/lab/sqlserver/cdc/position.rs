//! Where a record stands in the transaction log, and the LSN that shows it.

use crate::model::Lsn;

/// A place in a database's transaction log: a plain number, one step a record.
///
/// Its LSN has the three parts of a real one: virtual log file (four bytes), block (four bytes, in
/// units of 512 bytes) and slot in the block (two bytes). A block takes 128 records here; a
/// virtual log file 65,536 blocks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position(pub i64);

const SLOT_BITS: u32 = 7;
const BLOCK_BITS: u32 = 16;
/// The number of the first virtual log file of a new database, as seen on real ones.
const FIRST_FILE: u64 = 0x25;

impl Position {
    /// Where a new database's log begins.
    pub const START: Self = Self(1 << SLOT_BITS);

    #[must_use]
    pub fn lsn(self) -> Lsn {
        let linear = self.0.unsigned_abs();
        let slot = (linear & ((1 << SLOT_BITS) - 1)) + 1;
        let block = (linear >> SLOT_BITS) & ((1 << BLOCK_BITS) - 1);
        let file = (linear >> (SLOT_BITS + BLOCK_BITS)) + FIRST_FILE;
        // Blocks differ in size: eight sectors each, plus one for every third.
        let sector = block * 8 + block / 3 + 16;
        let whole = (u128::from(file) << 48) | (u128::from(sector) << 16) | u128::from(slot);
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&whole.to_be_bytes()[6..]);
        Lsn::from_bytes(bytes)
    }

    /// The first record of a later block: a commit flushes its block, so the next transaction
    /// begins in another one. How many blocks lie between differs, as other writers of the log
    /// (checkpoints, index maintenance, tables that are not tracked) take their share.
    #[must_use]
    pub fn after_commit(self) -> Self {
        let block = self.0 >> SLOT_BITS;
        let others = block.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62;
        Self((block + 1 + i64::from(others as u8)) << SLOT_BITS)
    }
}

/// `00000025:000001f8:0003`: the text form that the dynamic views use.
#[must_use]
pub fn lsn_text(lsn: Lsn) -> String {
    let digits = lsn.to_string();
    format!("{}:{}:{}", &digits[..8], &digits[8..16], &digits[16..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_new_log_begins_at_a_believable_place() {
        assert_eq!(lsn_text(Position::START.lsn()), "00000025:00000018:0001");
    }

    proptest! {
        #[test]
        fn lsns_rise_with_positions(a in 0i64..1 << 40, step in 1i64..1 << 24) {
            prop_assert!(Position(a).lsn() < Position(a + step).lsn());
            prop_assert!(Position(a).after_commit() > Position(a));
        }
    }
}
