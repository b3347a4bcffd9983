//! Change rows to staged rows (rules E6 to E8).
//!
//! The order of the rows in part files means nothing: [`StagedRow::order`] decides, and of the
//! rows of one key the highest order wins. So a row may be written late, as one that waits to be
//! read again is, and keep its place.

pub mod keys;

use crate::model::fault::sync;
use crate::model::{ChangeRow, Fault, Keep, Lsn, Operation, StagedOp, StagedRow, TableShape, Value};

use self::keys::{AmbiguousKeys, KeyTracker};

/// What a change row becomes.
#[derive(Debug)]
pub enum Folded {
    /// Goes to the part file as it is.
    Ready(StagedRow),
    /// Its values at `columns` were not touched by the update and are read again from the source
    /// (rule E7): found, the present value; absent, the flag `gone`.
    Reread { row: StagedRow, columns: Vec<usize> },
    /// The keys that a transaction both deleted and made (rule E6), with those that a server may take
    /// for the same.
    Ambiguous(AmbiguousKeys),
}

/// Folds the rows of one batch.
#[derive(Debug)]
pub struct Folder {
    shape: TableShape,
    /// Positions of the large columns.
    large: Vec<usize>,
    /// Every untouched value is read again: overlap batches, `start` epochs, and the rest of a
    /// batch once anything was read again, since that may be a row of later than these changes.
    reread_kept: bool,
    /// Before-images are expected: all mode.
    pairs: bool,
    order: i64,
    before: Option<ChangeRow>,
    transaction: Option<Transaction>,
}

#[derive(Debug)]
struct Transaction {
    lsn: Lsn,
    keys: KeyTracker,
    /// An operation 1 came by: large values of later inserts are in doubt (rule E7).
    deleted: bool,
}

impl Folder {
    /// `pairs`: the rows come from the change table, with before-images; else from the net
    /// function, without.
    #[must_use]
    pub fn new(shape: TableShape, reread_kept: bool, pairs: bool) -> Self {
        let large = shape.large_columns().map(|(at, _)| at).collect();
        Self { shape, large, reread_kept, pairs, order: 0, before: None, transaction: None }
    }

    /// Takes the next row, in the order (lsn, command, seqval, operation).
    pub fn push(&mut self, row: ChangeRow, out: &mut Vec<Folded>) -> Result<(), Fault> {
        if self.transaction.as_ref().is_none_or(|transaction| transaction.lsn != row.lsn) {
            self.end_transaction(out)?;
            self.transaction = Some(Transaction { lsn: row.lsn, keys: KeyTracker::default(), deleted: false });
        }
        if let Some(before) = self.before.take() {
            if row.operation != Operation::After || row.seqval != before.seqval {
                return Err(unpaired(&before));
            }
            return self.update(before, row, out);
        }
        match row.operation {
            Operation::Delete => self.delete(row, out),
            Operation::Insert => self.insert(row, out),
            Operation::Before => {
                self.before = Some(row);
                Ok(())
            }
            Operation::After if self.pairs => Err(unpaired(&row)),
            Operation::After => {
                let untouched = self.untouched(&row);
                self.upsert(row.values, untouched, self.reread_kept, out);
                Ok(())
            }
        }
    }

    /// Ends the batch.
    pub fn finish(mut self, out: &mut Vec<Folded>) -> Result<(), Fault> {
        self.end_transaction(out)
    }

    fn end_transaction(&mut self, out: &mut Vec<Folded>) -> Result<(), Fault> {
        if let Some(before) = &self.before {
            return Err(unpaired(before));
        }
        let Some(transaction) = self.transaction.take() else { return Ok(()) };
        if let Some(mut ambiguous) = transaction.keys.finish()? {
            self.reread_kept = true;
            // Deletes of these keys stand before upserts, whatever the order of the chunks.
            ambiguous.first_delete = self.order;
            ambiguous.first_upsert = self.order + ambiguous.most();
            self.order += 2 * ambiguous.most();
            out.push(Folded::Ambiguous(ambiguous));
        }
        Ok(())
    }

    fn delete(&mut self, row: ChangeRow, out: &mut Vec<Folded>) -> Result<(), Fault> {
        if let Some(transaction) = &mut self.transaction {
            transaction.keys.took(&self.shape.key_identity(&row.values), &self.shape.key_class(&row.values))?;
            transaction.deleted = true;
        }
        self.emit_delete(row.values, out);
        Ok(())
    }

    fn insert(&mut self, row: ChangeRow, out: &mut Vec<Folded>) -> Result<(), Fault> {
        let mut doubtful = Vec::new();
        if let Some(transaction) = &mut self.transaction {
            transaction.keys.made(&self.shape.key_identity(&row.values), &self.shape.key_class(&row.values))?;
            if transaction.deleted {
                doubtful = self.large.iter().copied().filter(|at| row.values[*at].is_null()).collect();
            }
        }
        self.upsert(row.values, doubtful, true, out);
        Ok(())
    }

    fn update(&mut self, before: ChangeRow, after: ChangeRow, out: &mut Vec<Folded>) -> Result<(), Fault> {
        let (old, new) = (self.shape.key_identity(&before.values), self.shape.key_identity(&after.values));
        let untouched = self.untouched(&after);
        let moved = old != new;
        if moved {
            if let Some(transaction) = &mut self.transaction {
                transaction.keys.took(&old, &self.shape.key_class(&before.values))?;
                transaction.keys.made(&new, &self.shape.key_class(&after.values))?;
            }
            self.emit_delete(before.values, out);
        }
        self.upsert(after.values, untouched, self.reread_kept || moved, out);
        Ok(())
    }

    /// Large columns that are NULL because the update left them alone.
    fn untouched(&self, row: &ChangeRow) -> Vec<usize> {
        let untouched = |at: &usize| row.values[*at].is_null() && !self.shape.columns()[*at].is_touched(&row.mask);
        self.large.iter().copied().filter(untouched).collect()
    }

    fn emit_delete(&mut self, mut values: Vec<Value>, out: &mut Vec<Folded>) {
        values[self.shape.key_len()..].fill(Value::Null);
        let keep = vec![Keep::Value; self.large.len()];
        let row = StagedRow { op: StagedOp::Delete, order: self.next_order(), values, keep };
        out.push(Folded::Ready(row));
    }

    fn upsert(&mut self, values: Vec<Value>, untouched: Vec<usize>, reread: bool, out: &mut Vec<Folded>) {
        let keep = self.large.iter().map(|at| if untouched.contains(at) { Keep::Kept } else { Keep::Value }).collect();
        let row = StagedRow { op: StagedOp::Upsert, order: self.next_order(), values, keep };
        if untouched.is_empty() || !reread {
            out.push(Folded::Ready(row));
        } else {
            self.reread_kept = true;
            out.push(Folded::Reread { row, columns: untouched });
        }
    }

    fn next_order(&mut self) -> i64 {
        self.order += 1;
        self.order - 1
    }
}

fn unpaired(row: &ChangeRow) -> Fault {
    Fault::new(&sync::UNPAIRED, "an update row of the change table has no partner with the same seqval")
        .evidence("lsn", row.lsn)
        .evidence("seqval", row.seqval)
        .evidence("operation", row.operation as i32)
}

#[cfg(test)]
mod tests;
