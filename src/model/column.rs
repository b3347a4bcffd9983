//! Columns of a source table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SqlType, Unfit};

/// One captured column.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    pub name: String,
    /// `sys.columns.column_id` of the source table: survives nothing but the column itself, so a
    /// column that was dropped and added again under its name is told apart.
    pub column_id: i32,
    /// 1-based position among the captured columns: the bit of `__$update_mask`.
    pub ordinal: i32,
    pub sql_type: SqlType,
    pub nullable: bool,
    /// NULL for types without text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// 1-based position in the key; `None` for a column outside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_ordinal: Option<u8>,
    /// The operator's policy for values that are too long for the target.
    #[serde(default, skip_serializing_if = "Unfit::is_fail")]
    pub unfit: Unfit,
}

impl Column {
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.key_ordinal.is_some()
    }

    /// Whether this column's bit is set in an update mask. The last byte of the mask holds the
    /// ordinals 1 to 8. A mask that is too short says nothing: the column counts as touched.
    #[must_use]
    pub fn is_touched(&self, mask: &[u8]) -> bool {
        let Ok(bit) = usize::try_from(self.ordinal - 1) else { return true };
        mask.len().checked_sub(1 + bit / 8).is_none_or(|at| mask[at] >> (bit % 8) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_bits_count_from_the_last_byte() {
        let touched = |ordinal, mask: &[u8]| {
            let sql_type = SqlType::Int;
            let column = Column {
                name: "c".into(),
                column_id: 1,
                ordinal,
                sql_type,
                nullable: true,
                collation: None,
                key_ordinal: None,
                unfit: Unfit::Fail,
            };
            column.is_touched(mask)
        };
        assert!(touched(1, &[0x01]) && !touched(2, &[0x01]));
        assert!(touched(8, &[0x80]) && !touched(8, &[0x7f]));
        assert!(touched(9, &[0x01, 0x00]) && !touched(1, &[0x01, 0x00]));
        assert!(touched(17, &[0x01, 0x00, 0x00]) && !touched(16, &[0x01, 0x00, 0x00]));
        let mut wide = [0u8; 128];
        wide[0] = 0x80;
        assert!(touched(1024, &wide) && !touched(1023, &wide));
    }
}
