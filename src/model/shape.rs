//! The columns of a table in the one order that every part of the program uses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Column, Unfit, Value, hex};

/// The captured columns of a table: the key in key order, then the others by column id.
///
/// Rows ([`super::ChangeRow`], [`super::StagedRow`]), part files, staging and production all
/// follow this order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TableShape {
    columns: Vec<Column>,
}

impl TableShape {
    #[must_use]
    pub fn new(mut columns: Vec<Column>) -> Self {
        columns.sort_by_key(|column| (column.key_ordinal.is_none(), column.key_ordinal, column.column_id));
        Self { columns }
    }

    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    #[must_use]
    pub fn key(&self) -> &[Column] {
        &self.columns[..self.key_len()]
    }

    #[must_use]
    pub fn key_len(&self) -> usize {
        self.columns.iter().take_while(|column| column.is_key()).count()
    }

    /// Positions in [`Self::columns`] of the columns that an update may leave untouched, with the
    /// column. A keep flag in part files and staging belongs to each.
    pub fn large_columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| column.sql_type.is_large())
    }

    /// The bytes that tell keys apart: see [`Value::write_identity`].
    #[must_use]
    pub fn key_identity(&self, values: &[Value]) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        values.iter().take(self.key_len()).for_each(|value| value.write_identity(&mut out));
        out
    }

    /// The bytes that the keys share which a server may take for one: see [`Value::write_class`].
    #[must_use]
    pub fn key_class(&self, values: &[Value]) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        values.iter().take(self.key_len()).for_each(|value| value.write_class(&mut out));
        out
    }

    /// The same columns, each with the policy that `policy` says.
    #[must_use]
    pub fn with_policies(&self, policy: impl Fn(&Column) -> Unfit) -> Self {
        let columns = self.columns.iter().map(|column| Column { unfit: policy(column), ..column.clone() }).collect();
        Self { columns }
    }

    /// Hash over all that makes rows readable (rule E2): name, column id, type with length,
    /// precision and scale, collation, key position, and whether the target column is a SUPER.
    /// Lowercase hex SHA-256.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for column in &self.columns {
            let sql_type = column.sql_type.to_string();
            let collation = column.collation.as_deref().unwrap_or_default();
            for part in [column.name.as_str(), &sql_type, collation] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
            hasher.update(column.column_id.to_le_bytes());
            hasher.update(column.key_ordinal.unwrap_or(0).to_le_bytes());
            // Its part files are written in another form.
            if column.unfit == Unfit::Super {
                hasher.update(b"super");
            }
        }
        hex(&hasher.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SqlType;

    fn column(name: &str, id: i32, sql_type: SqlType, key_ordinal: Option<u8>) -> Column {
        Column { name: name.into(), column_id: id, ordinal: id, sql_type, nullable: true, collation: None, key_ordinal, unfit: Unfit::Fail }
    }

    #[test]
    fn the_key_stands_first_in_key_order() {
        let shape = TableShape::new(vec![
            column("note", 1, SqlType::NVarCharMax, None),
            column("b", 2, SqlType::Int, Some(2)),
            column("a", 3, SqlType::Int, Some(1)),
        ]);
        let names: Vec<_> = shape.columns().iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "note"]);
        assert_eq!(shape.key().len(), 2);
        assert_eq!(shape.large_columns().map(|(at, _)| at).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn the_hash_sees_a_column_that_came_back_under_its_name() {
        let shape = |id| TableShape::new(vec![column("id", 1, SqlType::Int, Some(1)), column("x", id, SqlType::Int, None)]);
        assert_ne!(shape(2).hash(), shape(3).hash());
        assert_eq!(shape(2).hash(), shape(2).hash());
    }

    #[test]
    fn only_a_policy_that_changes_the_files_changes_the_hash() {
        let plain = TableShape::new(vec![column("id", 1, SqlType::Int, Some(1)), column("x", 2, SqlType::NVarCharMax, None)]);
        let with = |unfit| plain.with_policies(|column| if column.is_key() { Unfit::Fail } else { unfit });
        assert_eq!(with(Unfit::Truncate).hash(), plain.hash());
        assert_eq!(with(Unfit::Null).hash(), plain.hash());
        assert_ne!(with(Unfit::Super).hash(), plain.hash());
    }
}
