//! INSERT.

use super::super::catalog::{self, Column, ROWID, Table, quote, same_name};
use super::super::compile::Plan;
use super::super::compile::from::Name;
use super::super::parse::{Insert, Source};
use super::super::value::store::{StoreError, store, store_utf8};
use super::super::{codec, collation, failure, parse};
use super::computed::Persisted;
use super::{EngineSession, Run};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};
use rusqlite::types::Value;
use sqlparser::ast::Expr;
use std::sync::Arc;

/// Where a column's value comes from.
#[expect(clippy::large_enum_variant, reason = "one for each column of one statement")]
enum Fill {
    Given(usize),
    Identity,
    RowVersion,
    Default(Expr),
    Null,
    /// No row holds a value of it.
    Computed,
}

impl EngineSession {
    /// The table of a name; 208 when there is none.
    pub(super) fn stored_table(&self, name: &[String]) -> Run<Arc<Table>> {
        let name = Name::of_parts(name, &self.database.name)?;
        Ok(self.catalogue.table(&name.schema, &name.name).ok_or_else(|| name.invalid())?)
    }

    pub(super) fn insert(&mut self, insert: &Insert) -> Run<u64> {
        let table = self.stored_table(&insert.table)?;
        self.rights.require("INSERT", &table.schema, &table.name)?;
        let fills = self.fills(&table, insert)?;
        let given = fills.iter().filter(|f| matches!(f, Fill::Given(_))).count();
        let listed = !insert.columns.is_empty();
        self.state.begin_statement(vec![]);
        let mut writer = Writer::new(self, &table, fills)?;
        let check_width = |width: usize| -> Run<()> {
            if width == given {
                return Ok(());
            }
            let (number, text) = match (listed, width < given) {
                (false, _) => (213, "Column name or number of supplied values does not match table definition."),
                (true, true) => (
                    109,
                    "There are more columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.",
                ),
                (true, false) => (
                    110,
                    "There are fewer columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.",
                ),
            };
            Err(Message::error(number, text).into())
        };
        match &insert.source {
            Source::Defaults => writer.write(self, &[])?,
            Source::Values(rows) => {
                for row in rows {
                    check_width(row.len())?;
                    let row = self.row_of(&table, &writer, row)?;
                    writer.write(self, &row)?;
                }
            }
            Source::Query(query) => {
                self.begin_read()?;
                let plan: Plan = self.translate(|mut c| {
                    let compiled = c.query(query, None)?;
                    Ok(c.plan(compiled))
                })?;
                check_width(plan.query.columns.len())?;
                let types: Vec<DataType> = plan.query.columns.iter().map(|c| c.data_type.clone()).collect();
                let with_types = |row: &[Datum]| types.iter().cloned().zip(row.iter().cloned()).collect::<Vec<_>>();
                // A query over the target itself is read to its end first.
                if query.to_string().to_lowercase().contains(&table.name.to_lowercase()) || writer.evaluates() {
                    let mut rows = vec![];
                    self.each_row(&plan, |row| {
                        rows.push(with_types(row));
                        Ok(())
                    })?;
                    for row in rows {
                        writer.write(self, &row)?;
                    }
                } else {
                    self.each_row(&plan, |row| writer.write_plain(self, &with_types(row)))?;
                }
            }
        }
        self.identity = writer.finish(self)?.or(self.identity);
        Ok(writer.rows)
    }

    fn row_of(&mut self, table: &Table, writer: &Writer, row: &[Option<Expr>]) -> Run<Vec<(DataType, Datum)>> {
        let constants: Option<Vec<_>> = row.iter().map(|e| e.as_ref().and_then(super::super::compile::constant)).collect();
        if let Some(constants) = constants {
            return constants.into_iter().map(|c| Ok(c.map(|(v, t)| (t, v))?)).collect();
        }
        let mut values = vec![];
        for (i, e) in row.iter().enumerate() {
            values.push(match e {
                Some(e) => self.value_of(e)?,
                None => match writer.column_of(table, i).and_then(|c| c.default.as_deref()) {
                    Some(text) => {
                        let default = parse::expression(text)?;
                        self.value_of(&default)?
                    }
                    None => (DataType::Int, Datum::Null),
                },
            });
        }
        Ok(values)
    }

    fn fills(&self, table: &Table, insert: &Insert) -> Run<Vec<Fill>> {
        for name in &insert.columns {
            if table.column(name).is_none() {
                return Err(Message::error(207, format!("Invalid column name '{name}'.")).into());
            }
        }
        let on = self.options.identity_insert == Some(table.object_id);
        let mut next = 0;
        let mut fills = vec![];
        for column in &table.columns {
            let named = insert.columns.iter().position(|n| same_name(n, &column.name));
            let generated = column.identity.is_some() && !on || column.data_type == DataType::RowVersion;
            let takes_value = !matches!(insert.source, Source::Defaults);
            fills.push(match named {
                _ if !column.is_stored() => {
                    if named.is_some() {
                        return Err(computed(column).into());
                    }
                    Fill::Computed
                }
                Some(at) if column.data_type == DataType::RowVersion => {
                    let _ = at;
                    return Err(Message::error(273, "Cannot insert an explicit value into a timestamp column. Use INSERT with a column list to exclude the timestamp column, or insert a DEFAULT into the timestamp column.").into());
                }
                Some(_) if column.identity.is_some() && !on => {
                    let text = format!("Cannot insert explicit value for identity column in table '{}' when IDENTITY_INSERT is set to OFF.", table.name);
                    return Err(Message::error(544, text).into());
                }
                Some(at) => Fill::Given(at),
                None if insert.columns.is_empty() && !generated && takes_value => {
                    next += 1;
                    Fill::Given(next - 1)
                }
                None if column.data_type == DataType::RowVersion => Fill::RowVersion,
                None if column.identity.is_some() && on => {
                    let text = format!("Explicit value must be specified for identity column in table '{}' either when IDENTITY_INSERT is set to ON or when a replication user is inserting into a NOT FOR REPLICATION identity column.", table.name);
                    return Err(Message::error(545, text).into());
                }
                None if column.identity.is_some() => Fill::Identity,
                None => match &column.default {
                    Some(text) => Fill::Default(parse::expression(text)?),
                    None => Fill::Null,
                },
            });
        }
        Ok(fills)
    }
}

/// Rows on their way into a table.
struct Writer {
    table: Arc<Table>,
    fills: Vec<Fill>,
    sql: String,
    persisted: Option<Persisted>,
    /// The last identity value, and whether one was given out or written here.
    last_identity: Option<i64>,
    used_identity: bool,
    rows: u64,
}

impl Writer {
    fn new(session: &EngineSession, table: &Arc<Table>, fills: Vec<Fill>) -> Run<Self> {
        let names: Vec<String> = table.columns.iter().filter(|c| c.is_stored()).map(|c| quote(&c.name)).collect();
        let marks: Vec<String> = (1..=names.len()).map(|i| format!("?{i}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.sql_name(), names.join(", "), marks.join(", "));
        let last_identity = if table.columns.iter().any(|c| c.identity.is_some()) {
            let stored = catalog::columns(&session.conn, table.object_id)?;
            stored.iter().find_map(|c| c.identity).and_then(|i| i.last)
        } else {
            None
        };
        let persisted = session.persisted(table)?;
        Ok(Self { table: table.clone(), fills, sql, persisted, last_identity, used_identity: false, rows: 0 })
    }

    /// Whether a row needs expressions evaluated.
    fn evaluates(&self) -> bool {
        self.fills.iter().any(|f| matches!(f, Fill::Default(_)))
    }

    fn column_of<'t>(&self, table: &'t Table, given: usize) -> Option<&'t Column> {
        self.fills.iter().position(|f| matches!(f, Fill::Given(i) if *i == given)).and_then(|i| table.columns.get(i))
    }

    fn write(&mut self, session: &mut EngineSession, row: &[(DataType, Datum)]) -> Run<()> {
        let mut defaults = vec![];
        for fill in &self.fills {
            defaults.push(match fill {
                Fill::Default(expr) => Some(session.value_of(expr)?),
                _ => None,
            });
        }
        self.write_with(session, row, &defaults)
    }

    fn write_plain(&mut self, session: &EngineSession, row: &[(DataType, Datum)]) -> Run<()> {
        self.write_with(session, row, &[])
    }

    fn write_with(&mut self, session: &EngineSession, row: &[(DataType, Datum)], defaults: &[Option<(DataType, Datum)>]) -> Run<()> {
        let mut values = Vec::with_capacity(self.fills.len());
        for (i, (fill, column)) in self.fills.iter().zip(&self.table.columns).enumerate() {
            values.push(match fill {
                Fill::Given(at) => {
                    let (data_type, value) = &row[*at];
                    let value = stored_value(&self.table, column, data_type, value, "INSERT")?;
                    if let (Some(_), Value::Integer(n)) = (column.identity, &value) {
                        self.last_identity = Some(self.last_identity.map_or(*n, |l| l.max(*n)));
                        self.used_identity = true;
                    }
                    value
                }
                Fill::Identity => {
                    let identity = column.identity.unwrap_or(catalog::Identity { seed: 1, increment: 1, last: None });
                    let next = self.last_identity.map_or(identity.seed, |l| l + identity.increment);
                    self.last_identity = Some(next);
                    self.used_identity = true;
                    stored_value(&self.table, column, &DataType::BigInt, &Datum::Int(next), "INSERT")?
                }
                Fill::RowVersion => Value::Blob(session.database.next_rowversion().to_be_bytes().to_vec()),
                Fill::Default(_) => match defaults.get(i) {
                    Some(Some((data_type, value))) => stored_value(&self.table, column, data_type, value, "INSERT")?,
                    _ => Value::Null,
                },
                Fill::Computed => Value::Null,
                Fill::Null => stored_value(&self.table, column, &DataType::Int, &Datum::Null, "INSERT")?,
            });
        }
        let mut statement = session.conn.prepare_cached(&self.sql)?;
        let stored = values.iter().zip(&self.table.columns).filter(|(_, c)| c.is_stored()).map(|(value, _)| value);
        statement.execute(rusqlite::params_from_iter(stored)).map_err(|e| unique(&self.table, &values, &e))?;
        if let Some(persisted) = &self.persisted {
            let row = session.conn.last_insert_rowid();
            persisted.check(session, &self.table, &(row..=row), "INSERT")?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Stores the last identity value; returns it when one was used.
    fn finish(&self, session: &EngineSession) -> Run<Option<i64>> {
        if !self.used_identity {
            return Ok(None);
        }
        catalog::set_identity_last(&session.conn, self.table.object_id, self.last_identity)?;
        Ok(self.last_identity)
    }
}

/// 271 for a statement that names a computed column as its target.
pub(super) fn computed(column: &Column) -> Message {
    let why = "because it is either a computed column or is the result of a UNION operator.";
    Message::error(271, format!("The column \"{}\" cannot be modified {why}", column.name))
}

/// A value in the stored form of its column, or the error of the server. `verb` is for 515.
pub(super) fn stored_value(table: &Table, column: &Column, from: &DataType, value: &Datum, verb: &str) -> Result<Value, Message> {
    if *value == Datum::Null {
        if column.nullable {
            return Ok(Value::Null);
        }
        return Err(Message::error(
            515,
            format!(
                "Cannot insert the value NULL into column '{}', table '{}.{}'; column does not allow nulls. {verb} fails.",
                column.name, table.schema, table.name
            ),
        ));
    }
    let utf8 =
        matches!(column.data_type, DataType::Char(_) | DataType::VarChar(_)) && column.collation.as_deref().is_some_and(collation::is_utf8);
    let stored = if utf8 { store_utf8(value, from, &column.data_type) } else { store(value, from, &column.data_type) };
    match stored {
        Ok(value) => Ok(codec::encode(&column.data_type, &value)),
        Err(StoreError::TooLong(cut)) => Err(Message::error(
            2628,
            format!(
                "String or binary data would be truncated in table '{}.{}', column '{}'. Truncated value: '{cut}'.",
                table.schema, table.name, column.name
            ),
        )),
        Err(StoreError::Conversion(message)) => Err(message),
    }
}

/// 2627 or 2601 for a row that a unique index refused.
pub(super) fn unique(table: &Table, values: &[Value], error: &rusqlite::Error) -> Message {
    if !failure::is_unique_violation(error) {
        return failure::message(error);
    }
    let columns = failure::violated_columns(error, &format!("{}.{}", table.schema, table.name));
    let index = table.indexes.iter().find(|i| {
        let names: Vec<&str> = i.columns.iter().filter_map(|id| table.column_by_id(*id)).map(|c| c.name.as_str()).collect();
        i.unique && names.len() == columns.len() && names.iter().zip(&columns).all(|(a, b)| a == b)
    });
    let Some(index) = index.or_else(|| table.indexes.iter().find(|i| i.unique)) else { return failure::message(error) };
    let shown: Vec<String> = index
        .columns
        .iter()
        .filter_map(|id| table.columns.iter().position(|c| c.id == *id))
        .map(|at| {
            let data_type = &table.columns[at].data_type;
            match values.get(at).map(|v| codec::decode(data_type, v.into())) {
                Some(Ok(Datum::Null)) => "<NULL>".into(),
                Some(Ok(value)) => super::super::function::string::shown(&value, data_type),
                _ => String::new(),
            }
        })
        .collect();
    let (object, key) = (format!("{}.{}", table.schema, table.name), shown.join(", "));
    let (number, text) = if index.primary_key || index.unique_constraint {
        let kind = if index.primary_key { "PRIMARY KEY" } else { "UNIQUE KEY" };
        let text = format!(
            "Violation of {kind} constraint '{}'. Cannot insert duplicate key in object '{object}'. The duplicate key value is ({key}).",
            index.name
        );
        (2627, text)
    } else {
        let text = format!(
            "Cannot insert duplicate key row in object '{object}' with unique index '{}'. The duplicate key value is ({key}).",
            index.name
        );
        (2601, text)
    };
    Message { class: 14, ..Message::error(number, text) }
}

/// Whether two stored values of a column are the same key.
pub(super) fn same_key(column: &Column, a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => {
            collation::same(collation::sqlite_name(column.collation.as_deref().unwrap_or(collation::DEFAULT)), a, b)
        }
        _ => a == b,
    }
}

/// The stored values of a row by its hidden key; NULL in the places of computed columns.
pub(super) fn read_row(session: &EngineSession, table: &Table, row: i64) -> Run<Vec<Value>> {
    let names: Vec<String> = table.columns.iter().map(|c| if c.is_stored() { quote(&c.name) } else { "NULL".into() }).collect();
    let sql = format!("SELECT {} FROM {} WHERE {ROWID} = ?1", names.join(", "), table.sql_name());
    let mut statement = session.conn.prepare_cached(&sql)?;
    Ok(statement.query_row([row], |r| (0..names.len()).map(|i| r.get(i)).collect())?)
}
