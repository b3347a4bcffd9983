//! DDL.

use super::super::catalog::{self, Column, Index, ObjectKind, ROWID, Table, TableDef, quote, same_name};
use super::super::compile::from::Name;
use super::super::compile::mask::default_mask;
use super::super::extension::{Ddl, DdlKind};
use super::super::parse::{self, AlterChange, AlterTable, Body, CreateTable};
use super::super::value::large;
use super::super::{codec, type_name};
use super::computed::ALL_ROWS;
use super::insert::{stored_value, unique};
use super::{EngineSession, Run};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};
use rusqlite::types::Value;
use std::sync::Arc;

impl EngineSession {
    pub(super) fn define(&mut self, body: &Body) -> Run<()> {
        match body {
            Body::CreateSchema(name) => {
                if self.catalogue.schema(name).is_some() {
                    return Err(Message::error(2714, format!("There is already an object named '{name}' in the database.")).into());
                }
                catalog::create_schema(&self.conn, name)?;
            }
            Body::CreateTable(table) => self.create_table(table)?,
            Body::CreateIndex { table, index } => {
                let table = self.stored_table(table)?;
                let names = index.columns.iter().map(String::as_str);
                check_columns(&table.columns, names)?;
                if index.clustered && table.indexes.iter().any(|i| i.clustered) {
                    let text = format!(
                        "Cannot create more than one clustered index on table '{}.{}'. Drop the existing clustered index before creating another.",
                        table.schema, table.name
                    );
                    return Err(Message::error(1902, text).into());
                }
                if table.indexes.iter().any(|i| same_name(&i.name, &index.name)) {
                    let text = format!(
                        "The operation failed because an index or statistics with name '{}' already exists on table '{}.{}'.",
                        index.name, table.schema, table.name
                    );
                    return Err(Message::error(1913, text).into());
                }
                self.around(&table, DdlKind::CreateIndex, "CREATE INDEX", |s| s.make_index(&table, index))?;
            }
            Body::DropIndex { table, name, if_exists } => {
                let table = self.stored_table(table)?;
                let Some(index) = table.indexes.iter().find(|i| same_name(&i.name, name)) else {
                    if *if_exists {
                        return Ok(());
                    }
                    let text =
                        format!("Cannot drop the index '{}.{name}', because it does not exist or you do not have permission.", table.name);
                    return Err(Message::error(3701, text).into());
                };
                let name = index.name.clone();
                self.around(&table, DdlKind::DropIndex, "DROP INDEX", |s| Ok(catalog::drop_index(&s.conn, &table, &name)?))?;
            }
            Body::DropTable { names, if_exists } => {
                for name in names {
                    let found = Name::of_parts(name, &self.database.name)?;
                    let Some(table) = self.catalogue.table(&found.schema, &found.name) else {
                        if *if_exists {
                            continue;
                        }
                        let text =
                            format!("Cannot drop the table '{}', because it does not exist or you do not have permission.", found.shown);
                        return Err(Message::error(3701, text).into());
                    };
                    self.around(&table, DdlKind::DropTable, "DROP TABLE", |s| Ok(catalog::drop_table(&s.conn, &table)?))?;
                }
            }
            Body::AlterTable(alter) => self.alter_table(alter)?,
            Body::Truncate(name) => {
                let table = self.stored_table(name)?;
                if table.tracked_by_cdc {
                    let text = format!(
                        "Cannot truncate table '{}' because it is published for replication or enabled for Change Data Capture.",
                        table.name
                    );
                    return Err(Message::error(4711, text).into());
                }
                self.conn.execute(&format!("DELETE FROM {}", table.sql_name()), [])?;
                catalog::set_identity_last(&self.conn, table.object_id, None)?;
            }
            Body::AllowSnapshot { database, on } => {
                let current = database.eq_ignore_ascii_case("current") || same_name(database, &self.database.name);
                if current {
                    catalog::set_snapshot_allowed(&self.conn, *on)?;
                } else {
                    let other = self.server.database(database).ok_or_else(|| {
                        Message::error(5011, format!("User does not have permission to alter database '{database}', the database does not exist, or the database is not in a state that allows access checks."))
                    })?;
                    catalog::set_snapshot_allowed(&other.connect()?, *on)?;
                }
            }
            _ => {}
        }
        self.refresh_catalogue()
    }

    /// A change of a table with the extensions' hooks before and after.
    fn around(&mut self, table: &Arc<Table>, kind: DdlKind, command: &str, work: impl FnOnce(&mut Self) -> Run<()>) -> Run<()> {
        let ddl = Ddl { kind, table, command };
        for extension in self.server.extensions() {
            extension.before_ddl(&self.call(), &ddl)?;
        }
        work(self)?;
        for extension in self.server.extensions() {
            extension.after_ddl(&self.call(), &ddl)?;
        }
        Ok(())
    }

    fn create_table(&mut self, create: &CreateTable) -> Run<()> {
        let name = Name::of_parts(&create.name, &self.database.name)?;
        if name.name.starts_with('#') {
            return Err(Message::error(40510, "A temporary table is not supported in this version of SQL Server.").into());
        }
        if self.catalogue.schema(&name.schema).is_none() {
            let text =
                format!("The specified schema name \"{}\" either does not exist or you do not have permission to use it.", name.schema);
            return Err(Message::error(2760, text).into());
        }
        if self.catalogue.table(&name.schema, &name.name).is_some() {
            return Err(Message::error(2714, format!("There is already an object named '{}' in the database.", name.name)).into());
        }
        let mut columns = create.columns.clone();
        if !columns.iter().any(Column::is_stored) {
            return Err(Message::error(40510, "A table of computed columns alone is not supported in this version of SQL Server.").into());
        }
        for (i, column) in columns.iter().enumerate() {
            if columns[..i].iter().any(|c| same_name(&c.name, &column.name)) {
                let text = format!(
                    "Column names in each table must be unique. Column name '{}' in table '{}' is specified more than once.",
                    column.name, name.shown
                );
                return Err(Message::error(2705, text).into());
            }
            check_column(column)?;
        }
        columns = self.define_computed("CREATE TABLE", &name.name, &columns)?;
        for key in &create.keys {
            check_columns(&columns, key.columns.iter().map(String::as_str))?;
            check_key(&columns, key, &name.shown)?;
            for column in &mut columns {
                if key.primary_key && key.columns.iter().any(|n| same_name(n, &column.name)) {
                    column.nullable = false;
                }
            }
        }
        let schema = self.catalogue.schema(&name.schema).map_or(name.schema, |s| s.0.clone());
        let def =
            TableDef { schema, name: name.name, kind: ObjectKind::UserTable, ms_shipped: false, columns, indexes: create.keys.clone() };
        catalog::create_table(&self.conn, &def)?;
        Ok(())
    }

    fn make_index(&mut self, table: &Table, index: &Index<String>) -> Run<()> {
        check_key(&table.columns, index, &table.name)?;
        catalog::create_index(&self.conn, table, index).map_err(|e| {
            if super::super::failure::is_unique_violation(&e) {
                let text = format!("The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name '{}.{}' and the index name '{}'.", table.schema, table.name, index.name);
                Message::error(1505, text)
            } else {
                unique(table, &[], &e)
            }
        })?;
        Ok(())
    }

    fn alter_table(&mut self, alter: &AlterTable) -> Run<()> {
        let table = self.stored_table(&alter.name)?;
        match &alter.change {
            AlterChange::Add { columns, keys } => {
                for column in columns {
                    let table = self.stored_table(&alter.name)?;
                    self.add_column(&table, column, &alter.text)?;
                    self.refresh_catalogue()?;
                }
                let table = self.stored_table(&alter.name)?;
                for key in keys {
                    check_columns(&table.columns, key.columns.iter().map(String::as_str))?;
                    self.around(&table, DdlKind::CreateIndex, &alter.text, |s| s.make_index(&table, key))?;
                }
            }
            AlterChange::Drop { columns } => {
                for name in columns {
                    let table = self.stored_table(&alter.name)?;
                    let column = found(&table, name)?;
                    if table.indexes.iter().any(|i| i.columns.contains(&column.id)) {
                        let text = format!("ALTER TABLE DROP COLUMN {name} failed because one or more objects access this column.");
                        return Err(Message::error(4922, text).into());
                    }
                    self.keep_for_computed(&table, column, "DROP COLUMN")?;
                    let kind = DdlKind::DropColumn { column_id: column.id };
                    self.around(&table, kind, &alter.text, |s| Ok(catalog::drop_column(&s.conn, &table, column)?))?;
                    self.refresh_catalogue()?;
                }
            }
            AlterChange::DropConstraint(name) => {
                let index = table.indexes.iter().find(|i| same_name(&i.name, name));
                let index = index.ok_or_else(|| Message::error(3728, format!("'{name}' is not a constraint.")))?;
                let name = index.name.clone();
                self.around(&table, DdlKind::DropIndex, &alter.text, |s| Ok(catalog::drop_index(&s.conn, &table, &name)?))?;
            }
            AlterChange::Alter { column, data_type, nullable } => {
                let column = found(&table, column)?;
                if !column.is_stored() {
                    return Err(Message::error(4928, format!("Cannot alter column '{}' because it is 'COMPUTED'.", column.name)).into());
                }
                self.keep_for_computed(&table, column, "ALTER COLUMN")?;
                let kind = DdlKind::AlterColumn { column_id: column.id };
                self.around(&table, kind, &alter.text, |s| s.alter_column(&table, column, data_type, *nullable))?;
            }
            AlterChange::Mask { column, function } => {
                let (column, function) = (found(&table, column)?, function.as_deref());
                check_mask(&table, column, function)?;
                self.keep_for_computed(&table, column, "ALTER COLUMN")?;
                let (object_id, column_id) = (table.object_id, column.id);
                let kind = DdlKind::AlterColumn { column_id };
                self.around(&table, kind, &alter.text, |s| Ok(catalog::set_mask(&s.conn, object_id, column_id, function)?))?;
            }
        }
        Ok(())
    }

    fn add_column(&mut self, table: &Arc<Table>, column: &Column, text: &str) -> Run<()> {
        if table.column(&column.name).is_some() {
            let text = format!(
                "Column names in each table must be unique. Column name '{}' in table '{}.{}' is specified more than once.",
                column.name, table.schema, table.name
            );
            return Err(Message::error(2705, text).into());
        }
        check_column(column)?;
        if !column.is_stored() {
            return self.add_computed(table, column, text);
        }
        let empty: bool = self.conn.query_row(&format!("SELECT NOT EXISTS (SELECT 1 FROM {})", table.sql_name()), [], |r| r.get(0))?;
        if !empty && (column.identity.is_some() || column.data_type == DataType::RowVersion) {
            return Err(Message::error(
                40510,
                "Adding an identity or rowversion column to a table with rows is not supported in this version of SQL Server.",
            )
            .into());
        }
        let mut fill = Value::Null;
        if !column.nullable && !empty {
            let Some(default) = &column.default else {
                let text = format!(
                    "ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT definition specified, or the column being added is an identity or timestamp column, or alternatively if none of the previous conditions are satisfied the table must be empty to allow addition of this column. Column '{}' cannot be added to non-empty table '{}' because it does not satisfy these conditions.",
                    column.name, table.name
                );
                return Err(Message::error(4901, text).into());
            };
            let (from, value) = self.value_of(&parse::expression(default)?)?;
            fill = stored_value(table, column, &from, &value, "ALTER TABLE")?;
        }
        let kind = DdlKind::AddColumn { column_id: self.next_column_id(table)? };
        self.around(table, kind, text, |s| {
            catalog::add_column(&s.conn, table, column, &fill)?;
            Ok(())
        })
    }

    fn add_computed(&mut self, table: &Arc<Table>, column: &Column, text: &str) -> Run<()> {
        let mut columns = table.columns.clone();
        columns.push(column.clone());
        let columns = self.define_computed("ALTER TABLE", &table.name, &columns)?;
        let Some(column) = columns.last().cloned() else { return Ok(()) };
        let after = Table { columns, ..Table::clone(table) };
        if let Some(persisted) = self.persisted(&after)? {
            persisted.check(self, &after, &ALL_ROWS, "ALTER TABLE")?;
        }
        let kind = DdlKind::AddColumn { column_id: self.next_column_id(table)? };
        self.around(table, kind, text, |s| {
            catalog::add_column(&s.conn, table, &column, &Value::Null)?;
            Ok(())
        })
    }

    fn next_column_id(&self, table: &Table) -> Run<i32> {
        let sql = "SELECT max_column_id + 1 FROM __lab_objects WHERE object_id = ?1";
        Ok(self.conn.query_row(sql, [table.object_id], |r| r.get(0))?)
    }

    fn alter_column(&mut self, table: &Table, column: &Column, data_type: &DataType, nullable: bool) -> Run<()> {
        let indexed = table.indexes.iter().any(|i| i.columns.contains(&column.id));
        // Widening a variable-length key is allowed; anything else on a key is not.
        let widens = std::mem::discriminant(&column.data_type) == std::mem::discriminant(data_type)
            && super::super::value::rank::length(data_type) >= super::super::value::rank::length(&column.data_type);
        if indexed && !(widens && super::super::value::rank::length(data_type) != Some(0)) {
            let text = format!("ALTER TABLE ALTER COLUMN {} failed because one or more objects access this column.", column.name);
            return Err(Message::error(4922, text).into());
        }
        let to = Column { data_type: data_type.clone(), nullable, ..column.clone() };
        let name = quote(&column.name);
        let mut rewritten: Vec<(i64, Value)> = vec![];
        {
            let mut statement = self.conn.prepare(&format!("SELECT {ROWID}, {name} FROM {}", table.sql_name()))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let value = codec::decode(&column.data_type, row.get_ref(1)?).map_err(|e| Message::error(50_000, e.to_string()))?;
                let new = stored_value(table, &to, &column.data_type, &value, "UPDATE")?;
                if value != Datum::Null && row.get::<_, Value>(1)? != new {
                    rewritten.push((row.get(0)?, new));
                }
            }
        }
        self.state.set_logging(false);
        let outcome = self.rewrite(table, &name, rewritten);
        self.state.set_logging(true);
        outcome?;
        catalog::alter_column(&self.conn, table, column.id, data_type, nullable)?;
        Ok(())
    }

    fn rewrite(&self, table: &Table, column: &str, rows: Vec<(i64, Value)>) -> Run<()> {
        let mut statement = self.conn.prepare(&format!("UPDATE {} SET {column} = ?2 WHERE {ROWID} = ?1", table.sql_name()))?;
        for (row, value) in rows {
            statement.execute(rusqlite::params![row, value])?;
        }
        Ok(())
    }
}

fn found<'t>(table: &'t Table, name: &str) -> Result<&'t Column, Message> {
    table.column(name).ok_or_else(|| {
        Message::error(4924, format!("ALTER TABLE failed because column '{name}' does not exist in table '{}'.", table.name))
    })
}

fn check_columns<'n>(columns: &[Column], mut names: impl Iterator<Item = &'n str>) -> Result<(), Message> {
    match names.find(|n| !columns.iter().any(|c| same_name(&c.name, n))) {
        None => Ok(()),
        Some(name) => Err(Message::error(1911, format!("Column name '{name}' does not exist in the target table or view."))),
    }
}

/// 1919: a type that no index takes. A computed column, whose values no row holds, is no key here.
fn check_key(columns: &[Column], key: &Index<String>, table: &str) -> Result<(), Message> {
    let of_key = |column: &&Column| key.columns.iter().any(|name| same_name(&column.name, name));
    if let Some(column) = columns.iter().filter(of_key).find(|column| !column.is_stored()) {
        let text = format!("An index on the computed column '{}' is not supported in this version of SQL Server.", column.name);
        return Err(Message::error(40510, text));
    }
    match columns.iter().filter(of_key).find(|column| !large::is_comparable(&column.data_type)) {
        None => Ok(()),
        Some(column) => Err(Message::error(
            1919,
            format!("Column '{}' in table '{table}' is of a type that is invalid for use as a key column in an index.", column.name),
        )),
    }
}

/// Whether a mask may be added to a column, or taken away: it is a change of the table's schema that
/// an index of the column stands in the way of.
fn check_mask(table: &Table, column: &Column, function: Option<&str>) -> Result<(), Message> {
    let name = &column.name;
    if !column.is_stored() {
        return Err(Message::error(4928, format!("Cannot alter column '{name}' because it is 'COMPUTED'.")));
    }
    if function.is_none() && column.mask.is_none() {
        return Err(Message::error(16_007, format!("The column '{name}' does not have a data masking function.")));
    }
    if table.indexes.iter().any(|index| index.columns.contains(&column.id)) {
        let text = format!("ALTER TABLE ALTER COLUMN {name} failed because one or more objects access this column.");
        return Err(Message::error(4922, text));
    }
    check_column(&Column { mask: function.map(str::to_owned), ..column.clone() })
}

fn check_column(column: &Column) -> Result<(), Message> {
    if column.mask.is_some() && default_mask(&column.data_type).is_none() {
        let name = type_name::name(&column.data_type);
        return Err(Message::error(40510, format!("A mask of a column of type {name} is not supported in this version of SQL Server.")));
    }
    if column.name.eq_ignore_ascii_case(ROWID) {
        return Err(Message::error(40510, "This column name is not supported in this version of SQL Server."));
    }
    let integer = matches!(column.data_type, DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt);
    if column.identity.is_some() && !integer && !matches!(column.data_type, DataType::Decimal { scale: 0, .. }) {
        let text = format!(
            "Identity column '{}' must be of data type int, bigint, smallint, tinyint, or decimal or numeric with a scale of 0, unencrypted, and constrained to be nonnullable.",
            column.name
        );
        return Err(Message::error(2749, text));
    }
    Ok(())
}
