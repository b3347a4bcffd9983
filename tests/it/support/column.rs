//! Columns of a source table, for shapes that a test makes up.

use db_to_redshift::model::{Column, SqlType, Unfit};

/// A column whose id and ordinal are `id`; the key is NOT NULL.
pub fn column(name: &str, id: i32, sql_type: SqlType, key_ordinal: Option<u8>) -> Column {
    Column {
        name: name.to_owned(),
        column_id: id,
        ordinal: id,
        sql_type,
        nullable: key_ordinal.is_none(),
        collation: None,
        key_ordinal,
        unfit: Unfit::Fail,
    }
}

/// The same with a collation, if it is a text.
pub fn collated(name: &str, id: i32, sql_type: SqlType, key_ordinal: Option<u8>) -> Column {
    let collation = sql_type.is_text().then(|| "Latin1_General_CI_AS".to_owned());
    Column { collation, ..column(name, id, sql_type, key_ordinal) }
}
