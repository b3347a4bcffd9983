//! How many bytes the target takes of a column, and what makes room for a value that has more.

use super::widen::MOST_BYTES;
use crate::model::typed::shell;
use crate::model::{Column, SqlType, TableName, Unfit};
use crate::target::ColumnWidth;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
}

/// Bytes of a column that has a length.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub kind: Kind,
    pub bytes: u32,
}

impl Limit {
    pub fn of(column: &Column, width: &ColumnWidth) -> Option<Self> {
        let kind = match &column.sql_type {
            // All their values have one length.
            SqlType::UniqueIdentifier | SqlType::RowVersion => return None,
            SqlType::Binary { .. } | SqlType::VarBinary { .. } | SqlType::VarBinaryMax | SqlType::Image => Kind::Binary,
            // Whatever else the target declares with a length is text there.
            _ => Kind::Text,
        };
        let bytes = [width.production_bytes, width.staging_bytes].into_iter().flatten().min()?;
        Some(Self { kind, bytes })
    }
}

/// Bytes of a cell that a column must hold: COPY cuts surplus blanks at the end of a string.
pub(super) fn held_bytes(kind: Kind, cell: &str, limit: u32) -> u64 {
    let bytes = match kind {
        Kind::Binary => cell.len() / 2,
        Kind::Text => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let surplus = cell.as_bytes().get(limit..).unwrap_or_default();
            if surplus.iter().all(|byte| *byte == b' ') { cell.len().min(limit) } else { cell.len() }
        }
    };
    bytes as u64
}

/// The next actions that let a value of so many bytes in.
pub(super) fn actions(table: &TableName, column: &Column, width: &ColumnWidth, bytes: u64) -> Vec<String> {
    let needed = u64::from(width.needed_bytes.unwrap_or(0));
    if width.production.starts_with("VARCHAR") && bytes <= MOST_BYTES.into() {
        return vec![format!("db-to-redshift widen --table {table:#} --column {} --to {}", shell(&column.name), bytes.max(needed))];
    }
    let prepare = format!("db-to-redshift prepare --new-epoch --table {table:#}");
    if bytes <= needed {
        return vec![format!("{prepare} # says how {} gets a column that is wide enough", width.production)];
    }
    let binary = Limit::of(column, width).is_some_and(|limit| limit.kind == Kind::Binary);
    let policies = if binary || column.unfit == Unfit::Super { r#"or "null""# } else { r#"or "null", or "super""# };
    vec![
        format!(
            "shorten the value in the source, or give the column a policy under [[table]]: columns = {{ {:?} = \"truncate\" }}, {policies}",
            column.name
        ),
        format!("then: {prepare}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(sql_type: SqlType, unfit: Unfit) -> Column {
        Column { name: "Note".into(), column_id: 2, ordinal: 2, sql_type, nullable: true, collation: None, key_ordinal: None, unfit }
    }

    fn width(production: &str, bytes: u32, needed: u32) -> ColumnWidth {
        ColumnWidth {
            column: "Note".into(),
            name: "note".into(),
            production: production.into(),
            staging: production.into(),
            needed: production.into(),
            production_bytes: Some(bytes),
            staging_bytes: Some(needed),
            needed_bytes: Some(needed),
            encoding: None,
            has_default: false,
        }
    }

    #[test]
    fn surplus_blanks_do_not_count_and_hex_counts_by_two() {
        assert_eq!(held_bytes(Kind::Text, "ab   ", 3), 3);
        assert_eq!(held_bytes(Kind::Text, "ab  x", 3), 5);
        assert_eq!(held_bytes(Kind::Text, "é", 9), 2);
        assert_eq!(held_bytes(Kind::Binary, "ab01", 9), 2);
    }

    #[test]
    fn a_column_has_a_limit_where_its_values_differ_in_length() {
        let limit = |sql_type, width: &ColumnWidth| Limit::of(&column(sql_type, Unfit::Fail), width).map(|limit| limit.bytes);
        let note = width("VARCHAR(10)", 10, 60);
        for sql_type in [SqlType::Xml, SqlType::Text, SqlType::NText, SqlType::Geography, SqlType::Geometry, SqlType::SqlVariant] {
            assert_eq!(limit(sql_type, &note), Some(10));
        }
        assert_eq!(limit(SqlType::Image, &width("VARBYTE(1024000)", 1_024_000, 1_024_000)), Some(1_024_000));
        assert_eq!(limit(SqlType::UniqueIdentifier, &width("CHAR(36)", 36, 36)), None);
        let no_length = ColumnWidth { production_bytes: None, staging_bytes: None, ..note };
        assert_eq!(limit(SqlType::Int, &no_length), None);
    }

    #[test]
    fn only_a_varchar_is_widened() {
        let table = TableName::new("dbo", "t");
        let actions = |sql_type, unfit, width: &ColumnWidth, bytes| actions(&table, &column(sql_type, unfit), width, bytes);
        let widen = actions(SqlType::NVarChar { length: 20 }, Unfit::Fail, &width("VARCHAR(10)", 10, 60), 12);
        assert_eq!(widen, ["db-to-redshift widen --table 'dbo.t' --column 'Note' --to 60"]);
        let anew = actions(SqlType::VarBinary { length: 60 }, Unfit::Fail, &width("VARBYTE(10)", 10, 60), 12);
        assert_eq!(anew, ["db-to-redshift prepare --new-epoch --table 'dbo.t' # says how VARBYTE(10) gets a column that is wide enough"]);
        let most = width("VARCHAR(65535)", 65_535, 65_535);
        let policy = actions(SqlType::Xml, Unfit::Fail, &most, 70_000);
        assert!(policy[0].ends_with(r#"columns = { "Note" = "truncate" }, or "null", or "super""#), "{policy:?}");
        assert_eq!(policy[1], "then: db-to-redshift prepare --new-epoch --table 'dbo.t'");
        let most = width("VARBYTE(1024000)", 1_024_000, 1_024_000);
        assert!(actions(SqlType::Image, Unfit::Fail, &most, 1_024_001)[0].ends_with(r#""truncate" }, or "null""#));
        let most = width("SUPER", 16_000_000, 16_000_000);
        assert!(actions(SqlType::Text, Unfit::Super, &most, 16_000_001)[0].ends_with(r#""truncate" }, or "null""#));
    }
}
