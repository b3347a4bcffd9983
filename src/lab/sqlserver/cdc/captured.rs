//! The columns that an instance captures: chosen when it is made, and their types after a change.

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::arguments::Arguments;
use super::errors::Trouble;
use super::{instance, relations};
use crate::lab::sqlserver::engine::catalog::{self, Column, Table, same_name};
use crate::lab::sqlserver::engine::type_name;
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;

/// Names that a change table has for itself.
const RESERVED: [&str; 5] = ["__$start_lsn", "__$end_lsn", "__$seqval", "__$operation", "__$update_mask"];

/// In the order of the table, whatever the order of the list.
pub fn captured_columns(arguments: &Arguments<'_>, table: &Table) -> Result<Vec<Column>, Message> {
    let bad_list = || Message::from(Trouble::ColumnList { schema: table.schema.clone(), table: table.name.clone() });
    let columns = match arguments.text("@captured_column_list")? {
        None => table.columns.clone(),
        Some(list) => {
            let names = split_names(&list).ok_or_else(bad_list)?;
            if names.iter().any(|name| table.column(name).is_none()) {
                return Err(bad_list());
            }
            table.columns.iter().filter(|c| names.iter().any(|name| same_name(name, &c.name))).cloned().collect()
        }
    };
    if columns.iter().any(|c| RESERVED.iter().any(|reserved| same_name(reserved, &c.name))) {
        return Err(Trouble::ReservedColumn { table: table.name.clone() }.into());
    }
    Ok(columns)
}

/// A comma-separated list of names, plain, in brackets or in double quotes. `None` when a quote
/// is not closed or a name is empty.
fn split_names(list: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut chars = list.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut name = String::new();
        if let Some(open) = chars.next_if(|c| matches!(c, '[' | '"')) {
            let close = if open == '[' { ']' } else { '"' };
            loop {
                match chars.next()? {
                    c if c == close && chars.next_if_eq(&close).is_none() => break,
                    c => name.push(c),
                }
            }
            while chars.next_if(|c| c.is_whitespace()).is_some() {}
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                name.push(c);
            }
            name.truncate(name.trim_end().len());
        }
        if name.is_empty() {
            return None;
        }
        names.push(name);
        match chars.next() {
            None => return Some(names),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// Whether a schema change alters the type of a column that an instance captures.
pub fn alters_captured(connection: &Connection, source_id: i32, column_id: i32) -> rusqlite::Result<bool> {
    let known = instance::of_source(connection, source_id)?;
    Ok(known.iter().any(|k| k.instance.columns.iter().any(|c| c.column_id == column_id)))
}

/// Pushes a type change of a source column into the change tables, as the capture process does.
pub fn follow_type(connection: &Connection, source_id: i32, column_id: i32, data_type: &DataType) -> rusqlite::Result<()> {
    for known in instance::of_source(connection, source_id)? {
        let Some(captured) = known.instance.columns.iter().find(|c| c.column_id == column_id) else { continue };
        let Some(table) = instance::change_table(connection, &known)? else { continue };
        let Some(column) = table.column(&captured.name) else { continue };
        catalog::alter_column(connection, &table, column.id, &relations::captured_type(data_type), true)?;
        connection.execute(
            "UPDATE \"cdc.captured_columns\" SET column_type = ?3 WHERE object_id = ?1 AND column_id = ?2",
            params![known.instance.ct_id, column_id, Value::Text(type_name::name(data_type).into())],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::split_names;

    #[test]
    fn column_lists_may_be_quoted() {
        assert_eq!(split_names("id, [Order Date] ,\"a\"\"b\",[x]]y]").unwrap(), ["id", "Order Date", "a\"b", "x]y"]);
        for bad in ["", "a,", "[a", "[a]b", ",a"] {
            assert_eq!(split_names(bad), None, "{bad}");
        }
    }
}
