//! Rows as numbers: 128 bits for a key, 128 bits for a row, summed into buckets.
//!
//! Two tables are equal when every bucket has the same count and the same sum. Sums do not depend
//! on the order of the rows, so neither side sorts, and memory is that of the buckets.

use sha2::{Digest as _, Sha256};

use crate::target::Held;

/// Buckets of a table: about 3 MB for both sides.
pub const BUCKETS: usize = 1 << 16;

/// A row as two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest {
    pub key: u128,
    pub row: u128,
}

/// NULL differs from every text, and no two cells run into one another.
fn feed(hasher: &mut Sha256, cell: &Held) {
    match cell {
        None => hasher.update([0]),
        Some(text) => {
            hasher.update([1]);
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
    }
}

fn first_half(hasher: Sha256) -> u128 {
    let bytes = hasher.finalize();
    bytes.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// The first `key_len` cells are the key.
#[must_use]
pub fn of_row(cells: &[Held], key_len: usize) -> Digest {
    let mut hasher = Sha256::new();
    cells.iter().take(key_len).for_each(|cell| feed(&mut hasher, cell));
    let key = first_half(hasher.clone());
    cells.iter().skip(key_len).for_each(|cell| feed(&mut hasher, cell));
    Digest { key, row: first_half(hasher) }
}

#[must_use]
pub fn of_key(key: &[Held]) -> u128 {
    of_row(key, key.len()).key
}

/// 64 bits of one cell: enough to tell which columns of two rows of one key differ.
#[must_use]
pub fn of_cell(cell: &Held) -> u64 {
    let mut hasher = Sha256::new();
    feed(&mut hasher, cell);
    let [.., low] = split(first_half(hasher));
    low
}

fn split(number: u128) -> [u64; 2] {
    let bytes = number.to_le_bytes();
    let half = |at: usize| bytes[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    [half(0), half(8)]
}

/// The bucket of a key.
#[must_use]
pub fn bucket(key: u128) -> usize {
    usize::from(u16::from_le_bytes([key.to_le_bytes()[0], key.to_le_bytes()[1]])) % BUCKETS
}

/// Counts and sums of one side.
#[derive(Debug)]
pub struct Sums {
    rows: Vec<u64>,
    digests: Vec<u128>,
    pub total: u64,
}

impl Sums {
    #[must_use]
    pub fn new() -> Self {
        Self { rows: vec![0; BUCKETS], digests: vec![0; BUCKETS], total: 0 }
    }

    pub fn add(&mut self, digest: Digest) {
        let at = bucket(digest.key);
        self.rows[at] += 1;
        self.digests[at] = self.digests[at].wrapping_add(digest.row);
        self.total += 1;
    }

    /// Buckets that differ, with the rows that both sides have in them.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<(usize, u64)> {
        let differ = |at: &usize| self.rows[*at] != other.rows[*at] || self.digests[*at] != other.digests[*at];
        (0..BUCKETS).filter(differ).map(|at| (at, self.rows[at] + other.rows[at])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[Option<&str>]) -> Vec<Held> {
        cells.iter().map(|cell| cell.map(str::to_owned)).collect()
    }

    #[test]
    fn cells_do_not_run_into_one_another() {
        let rows = [
            row(&[Some("a"), Some("bc")]),
            row(&[Some("ab"), Some("c")]),
            row(&[Some("abc"), None]),
            row(&[None, Some("abc")]),
            row(&[Some("abc"), Some("")]),
        ];
        for (at, one) in rows.iter().enumerate() {
            assert!(rows.iter().skip(at + 1).all(|other| of_row(one, 1).row != of_row(other, 1).row));
        }
        assert_ne!(of_cell(&None), of_cell(&Some(String::new())));
    }

    #[test]
    fn sums_see_a_change_a_loss_and_a_double_but_no_order() {
        let all: Vec<Digest> = (0..1000).map(|n| of_row(&row(&[Some(&n.to_string()), Some("x")]), 1)).collect();
        let sums = |digests: &mut dyn Iterator<Item = Digest>| {
            let mut sums = Sums::new();
            digests.for_each(|digest| sums.add(digest));
            sums
        };
        let here = sums(&mut all.iter().copied());
        assert!(here.differing(&sums(&mut all.iter().rev().copied())).is_empty());
        let changed = of_row(&row(&[Some("7"), Some("y")]), 1);
        let differing = here.differing(&sums(&mut all.iter().copied().filter(|digest| *digest != all[7]).chain([changed])));
        assert_eq!(differing.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [bucket(all[7].key)]);
        assert_eq!(here.differing(&sums(&mut all.iter().copied().skip(1))).len(), 1);
        assert_eq!(here.differing(&sums(&mut all.iter().copied().chain([all[3]]))).len(), 1);
    }
}
