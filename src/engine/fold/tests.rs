use super::*;
use crate::model::{Column, SqlType};

/// id int (key), note nvarchar(max), n int; ordinals 1, 2, 3.
fn shape() -> TableShape {
    let column = |name: &str, id, sql_type, key_ordinal| Column {
        name: name.into(),
        column_id: id,
        ordinal: id,
        sql_type,
        nullable: true,
        collation: None,
        key_ordinal,
        unfit: crate::model::Unfit::Fail,
    };
    TableShape::new(vec![
        column("id", 1, SqlType::Int, Some(1)),
        column("note", 2, SqlType::NVarCharMax, None),
        column("n", 3, SqlType::Int, None),
    ])
}

fn lsn(n: u8) -> Lsn {
    Lsn::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, n])
}

fn row(tran: u8, seq: u8, operation: Operation, id: i64, note: Option<&str>, n: i64, mask: u8) -> ChangeRow {
    let note = note.map_or(Value::Null, |text| Value::Text(text.into()));
    ChangeRow {
        lsn: lsn(tran),
        command_id: 1,
        seqval: lsn(seq),
        operation,
        mask: vec![mask],
        values: vec![Value::Int(id), note, Value::Int(n)],
    }
}

fn fold(reread: bool, rows: Vec<ChangeRow>) -> Result<Vec<String>, Fault> {
    let mut folder = Folder::new(shape(), reread, true);
    let mut out = Vec::new();
    for row in rows {
        folder.push(row, &mut out)?;
    }
    folder.finish(&mut out)?;
    Ok(out.into_iter().map(show).collect())
}

fn id_of(values: &[Value]) -> i64 {
    match values[0] {
        Value::Int(id) => id,
        _ => panic!("not an int"),
    }
}

fn show(folded: Folded) -> String {
    let staged = |row: &StagedRow| format!("{:?} {} @{} {:?}", row.op, id_of(&row.values), row.order, row.keep[0]);
    match folded {
        Folded::Ready(row) => staged(&row),
        Folded::Reread { row, columns } => format!("reread {columns:?} {}", staged(&row)),
        Folded::Ambiguous(mut keys) => {
            let (delete, upsert) = (keys.first_delete, keys.first_upsert);
            let mut ids: Vec<_> = keys.next_chunk(100).unwrap().iter().map(|key| id_of(key)).collect();
            ids.sort_unstable();
            format!("ambiguous {ids:?} @{delete} @{upsert}")
        }
    }
}

use Operation::{After, Before, Delete, Insert};

#[test]
fn an_update_that_leaves_a_large_value_alone_keeps_it() {
    let rows = || vec![row(1, 1, Before, 1, None, 5, 4), row(1, 1, After, 1, None, 6, 4)];
    assert_eq!(fold(false, rows()).unwrap(), ["Upsert 1 @0 Kept"]);
    assert_eq!(fold(true, rows()).unwrap(), ["reread [1] Upsert 1 @0 Kept"]);
}

#[test]
fn a_null_that_was_set_is_a_null() {
    let rows = vec![row(1, 1, Before, 1, None, 5, 2), row(1, 1, After, 1, None, 5, 2)];
    assert_eq!(fold(true, rows).unwrap(), ["Upsert 1 @0 Value"]);
}

#[test]
fn a_moved_key_is_a_delete_and_an_upsert_read_again() {
    let rows = vec![row(1, 1, Before, 1, None, 5, 1), row(1, 1, After, 2, None, 5, 1)];
    assert_eq!(fold(false, rows).unwrap(), ["Delete 1 @0 Value", "reread [1] Upsert 2 @1 Kept"]);
}

#[test]
fn all_keys_shifted_by_one_are_read_again_where_old_meets_new() {
    let rows = vec![
        row(1, 1, Before, 1, Some("a"), 5, 3),
        row(1, 1, After, 2, Some("a"), 5, 3),
        row(1, 2, Before, 2, Some("b"), 5, 3),
        row(1, 2, After, 3, Some("b"), 5, 3),
    ];
    let folded = fold(false, rows).unwrap();
    assert_eq!(folded[4], "ambiguous [2] @4 @8");
}

#[test]
fn keys_of_different_transactions_are_not_ambiguous() {
    let rows = vec![row(1, 1, Delete, 1, None, 5, 7), row(2, 1, Insert, 1, Some("x"), 6, 7)];
    assert_eq!(fold(false, rows).unwrap(), ["Delete 1 @0 Value", "Upsert 1 @1 Value"]);
}

#[test]
fn an_insert_after_a_delete_in_its_transaction_doubts_a_null_large_value() {
    let rows = vec![row(1, 1, Delete, 1, None, 5, 7), row(1, 2, Insert, 2, None, 5, 7)];
    assert_eq!(fold(false, rows).unwrap(), ["Delete 1 @0 Value", "reread [1] Upsert 2 @1 Kept"]);
}

#[test]
fn an_insert_and_delete_in_one_batch_stays_a_delete() {
    let rows = vec![row(1, 1, Insert, 1, Some("x"), 5, 7), row(2, 1, Delete, 1, None, 5, 7)];
    assert_eq!(fold(false, rows).unwrap(), ["Upsert 1 @0 Value", "Delete 1 @1 Value"]);
}

#[test]
fn an_update_without_its_partner_is_a_fault() {
    let alone = [
        vec![row(1, 1, After, 1, None, 5, 7)],
        vec![row(1, 1, Before, 1, None, 5, 7)],
        vec![row(1, 1, Before, 1, None, 5, 7), row(1, 2, After, 1, None, 5, 7)],
        vec![row(1, 1, Before, 1, None, 5, 7), row(2, 1, Insert, 1, None, 5, 7)],
    ];
    for rows in alone {
        assert!(fold(false, rows).unwrap_err().is(&sync::UNPAIRED));
    }
}
