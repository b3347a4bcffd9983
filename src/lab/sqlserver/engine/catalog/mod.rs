//! The catalogue of a database: schemas, tables, columns with declared types, indexes.
//!
//! It stands in the database's own file in `__lab_…` tables, so that it takes part in
//! transactions. Every function here works on any connection of [`super::server::Database`];
//! those that write want an open write transaction.

mod policy;
mod read;
mod tables;
mod write;

pub use policy::{Policy, set_policy};
pub use read::{Catalogue, catalogue, columns, find_table, table_by_id, version};
pub use tables::{create_storage, meta, set_meta};
pub use write::{
    add_column, alter_column, create_index, create_schema, create_table, drop_column, drop_index, drop_table, note_index, set_cdc_enabled,
    set_identity_last, set_mask, set_snapshot_allowed, set_tracked,
};

use crate::lab::sqlserver::types::DataType;

/// The hidden key of every table.
pub const ROWID: &str = "__lab_rowid";

/// IDENTITY of a column. `last` is NULL until the first row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    pub seed: i64,
    pub increment: i64,
    pub last: Option<i64>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Column {
    /// `sys.columns.column_id`, never used again after a DROP COLUMN. 0 in a [`TableDef`]:
    /// `create_table` numbers the columns from 1.
    pub id: i32,
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    pub identity: Option<Identity>,
    /// The default's expression, as T-SQL text.
    pub default: Option<String>,
    /// `None`: the database's collation (character types), or no collation.
    pub collation: Option<String>,
    pub computed: Option<Computed>,
    /// The masking function, as in `default()`.
    pub mask: Option<String>,
}

/// The definition of a computed column. No row holds its value, not even of a persisted one: a
/// deterministic expression gives the same each time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Computed {
    /// As T-SQL text.
    pub expression: String,
    pub persisted: bool,
}

impl Column {
    /// A nullable column, or a NOT NULL one, without identity or default.
    #[must_use]
    pub fn new(name: &str, data_type: DataType, nullable: bool) -> Self {
        Self { id: 0, name: name.into(), data_type, nullable, identity: None, default: None, collation: None, computed: None, mask: None }
    }

    /// Whether rows hold a value of it: a computed column is no column of the SQLite table.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.computed.is_none()
    }

    /// Whether the type is compared by a collation.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self.data_type, DataType::Char(_) | DataType::VarChar(_) | DataType::NChar(_) | DataType::NVarChar(_))
    }
}

/// An index. In a [`TableDef`] the columns are named by name, later by column id.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of sys.indexes")]
pub struct Index<C> {
    pub name: String,
    pub primary_key: bool,
    /// A UNIQUE constraint (2627) rather than a unique index (2601).
    pub unique_constraint: bool,
    pub unique: bool,
    pub clustered: bool,
    pub columns: Vec<C>,
}

/// `sys.objects.type`: `U` user table, `S` system table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectKind {
    UserTable,
    SystemTable,
}

/// What `create_table` makes. The schema must exist.
#[derive(Clone, PartialEq, Debug)]
pub struct TableDef {
    pub schema: String,
    pub name: String,
    pub kind: ObjectKind,
    pub ms_shipped: bool,
    pub columns: Vec<Column>,
    pub indexes: Vec<Index<String>>,
}

/// A table as it stands in the catalogue.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    pub object_id: i32,
    pub schema: String,
    pub name: String,
    pub kind: ObjectKind,
    pub ms_shipped: bool,
    pub tracked_by_cdc: bool,
    /// In the order of their ids.
    pub columns: Vec<Column>,
    pub indexes: Vec<Index<i32>>,
    /// What holds of the rows that an enabled security policy lets be seen, as T-SQL text.
    pub filter: Option<String>,
}

impl Table {
    /// The SQLite table, quoted: `"s.t"`.
    #[must_use]
    pub fn sql_name(&self) -> String {
        storage_name(&self.schema, &self.name)
    }

    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| same_name(&c.name, name))
    }

    #[must_use]
    pub fn column_by_id(&self, id: i32) -> Option<&Column> {
        self.columns.iter().find(|c| c.id == id)
    }

    /// The primary key, if there is one.
    #[must_use]
    pub fn primary_key(&self) -> Option<&Index<i32>> {
        self.indexes.iter().find(|i| i.primary_key)
    }
}

/// The SQLite table of `schema.name`, quoted.
#[must_use]
pub fn storage_name(schema: &str, name: &str) -> String {
    quote(&format!("{schema}.{name}"))
}

/// A name as an identifier of SQLite.
#[must_use]
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names compare without case, as under the default collation.
#[must_use]
pub fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::sqlserver::engine::server::Server;

    #[test]
    fn a_table_is_found_again_and_ids_are_not_reused() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::open(dir.path(), &["shop"], vec![]).unwrap();
        let conn = server.database("SHOP").unwrap().connect().unwrap();
        let mut key = Column::new("id", DataType::Int, false);
        key.identity = Some(Identity { seed: 1, increment: 1, last: None });
        let def = TableDef {
            schema: "dbo".into(),
            name: "Orders".into(),
            kind: ObjectKind::UserTable,
            ms_shipped: false,
            columns: vec![key, Column::new("note", DataType::NVarChar(Some(20)), true)],
            indexes: vec![Index {
                name: "pk".into(),
                primary_key: true,
                unique_constraint: false,
                unique: true,
                clustered: true,
                columns: vec!["ID".into()],
            }],
        };
        let id = create_table(&conn, &def).unwrap();
        assert!(create_table(&conn, &def).is_err());
        let table = find_table(&conn, "DBO", "orders").unwrap().unwrap();
        assert_eq!((table.object_id, table.columns.len(), table.primary_key().unwrap().columns.as_slice()), (id, 2, &[1][..]));
        let before = version(&conn).unwrap();
        drop_column(&conn, &table, table.column("note").unwrap()).unwrap();
        let table = find_table(&conn, "dbo", "Orders").unwrap().unwrap();
        assert_eq!(add_column(&conn, &table, &Column::new("note", DataType::Int, true), &rusqlite::types::Value::Null).unwrap(), 3);
        assert!(version(&conn).unwrap() > before);
        set_tracked(&conn, id, true).unwrap();
        let all = catalogue(&conn).unwrap();
        assert!(all.table("dbo", "ORDERS").unwrap().tracked_by_cdc);
        conn.execute_batch(r#"INSERT INTO "dbo.Orders" (id) VALUES (1)"#).unwrap();
        assert!(conn.execute_batch(r#"INSERT INTO "dbo.Orders" (id) VALUES (1)"#).is_err());
        drop_table(&conn, &all.table_by_id(id).unwrap()).unwrap();
        assert!(find_table(&conn, "dbo", "orders").unwrap().is_none());
    }
}
