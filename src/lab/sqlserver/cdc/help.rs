//! The procedures that describe instances, their columns and their schema changes.

use rusqlite::{Connection, params};

use super::arguments::Arguments;
use super::database::require_enabled;
use super::errors::{Trouble, internal};
use super::instance;
use crate::lab::sqlserver::engine::catalog::{self, Table, same_name};
use crate::lab::sqlserver::engine::codec;
use crate::lab::sqlserver::engine::extension::{Argument, Call, Outcome, ResultSet};
use crate::lab::sqlserver::engine::type_name;
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum, ResultColumn};

const SYSNAME: DataType = DataType::NVarChar(Some(128));
const LSN: DataType = DataType::Binary(10);

fn column(name: &str, data_type: DataType) -> ResultColumn {
    ResultColumn { name: name.into(), data_type, nullable: true }
}

fn text(text: &str) -> Datum {
    Datum::Text(text.encode_utf16().collect())
}

/// Runs a query whose columns have the types of `columns`.
fn rows(
    connection: &Connection,
    columns: &[ResultColumn],
    sql: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Vec<Datum>>, Message> {
    let work = || -> rusqlite::Result<Vec<Vec<Datum>>> {
        let mut query = connection.prepare(sql)?;
        let mut rows = query.query(parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(columns.len());
            for (at, column) in columns.iter().enumerate() {
                let value = codec::decode(&column.data_type, row.get_ref(at)?);
                values.push(value.map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Null, Box::new(e)))?);
            }
            found.push(values);
        }
        Ok(found)
    };
    work().map_err(|e| internal(&e))
}

/// `sys.sp_cdc_help_change_data_capture`: all instances, or those of one table.
pub fn help_change_data_capture(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    let arguments = Arguments::new("sp_cdc_help_change_data_capture", &["@source_schema", "@source_name"], given)?;
    require_enabled(call)?;
    let name = |parameter: &str| Ok::<_, Message>(arguments.text(parameter)?.filter(|text| !text.is_empty()));
    let of = match (name("@source_schema")?, name("@source_name")?) {
        (None, None) => None,
        (Some(schema), Some(table)) => Some((schema, table)),
        _ => return Err(Trouble::BothOrNone.into()),
    };
    let columns = vec![
        column("source_schema", SYSNAME),
        column("source_table", SYSNAME),
        column("capture_instance", SYSNAME),
        column("object_id", DataType::Int),
        column("source_object_id", DataType::Int),
        column("start_lsn", LSN),
        column("end_lsn", LSN),
        column("supports_net_changes", DataType::Bit),
        column("has_drop_pending", DataType::Bit),
        column("role_name", SYSNAME),
        column("index_name", SYSNAME),
        column("filegroup_name", SYSNAME),
        column("create_date", DataType::DateTime),
        column("index_column_list", DataType::NVarChar(None)),
        column("captured_column_list", DataType::NVarChar(None)),
    ];
    let mut found = rows(
        call.conn,
        &columns,
        "SELECT s.name, o.name, ct.capture_instance, ct.object_id, ct.source_object_id, ct.start_lsn, ct.end_lsn,
                ct.supports_net_changes, ct.has_drop_pending, ct.role_name, ct.index_name, ct.filegroup_name, ct.create_date,
                (SELECT group_concat('[' || replace(i.column_name, ']', ']]') || ']', ', ' ORDER BY i.index_ordinal)
                   FROM \"cdc.index_columns\" i WHERE i.object_id = ct.object_id),
                (SELECT group_concat('[' || replace(c.column_name, ']', ']]') || ']', ', ' ORDER BY c.column_ordinal)
                   FROM \"cdc.captured_columns\" c WHERE c.object_id = ct.object_id)
           FROM \"cdc.change_tables\" ct
           JOIN __lab_objects o ON o.object_id = ct.source_object_id
           JOIN __lab_schemas s ON s.schema_id = o.schema_id
          WHERE lab_gate(ct.role_name, s.name, o.name,
                (SELECT group_concat(c.column_name, char(31)) FROM \"cdc.captured_columns\" c WHERE c.object_id = ct.object_id))
          ORDER BY ct.create_date, ct.object_id",
        &[],
    )?;
    if let Some((schema, table)) = of {
        let same = |value: &Datum, name: &str| matches!(value, Datum::Text(units) if same_name(&String::from_utf16_lossy(units), name));
        found.retain(|row| same(&row[0], &schema) && same(&row[1], &table));
        if found.is_empty() {
            return Err(Trouble::TableNotEnabled { schema, table }.into());
        }
    }
    Ok(Outcome { results: vec![ResultSet { columns, rows: found }], ..Outcome::default() })
}

/// The instance that `@capture_instance` names, with its source: 22981 when there is none.
fn instance_and_source(
    call: &Call<'_>,
    procedure: &'static str,
    given: &[Argument],
) -> Result<(instance::Known, std::sync::Arc<Table>), Message> {
    let arguments = Arguments::new(procedure, &["@capture_instance"], given)?;
    arguments.require("@capture_instance")?;
    require_enabled(call)?;
    let denied = || Message::from(Trouble::AccessDenied);
    let name = arguments.text("@capture_instance")?.ok_or_else(denied)?;
    let known = instance::find(call.conn, &name).map_err(|e| internal(&e))?.ok_or_else(denied)?;
    if !instance::is_open(call.conn, &known.instance.name).map_err(|e| internal(&e))? {
        return Err(denied());
    }
    let source = catalog::table_by_id(call.conn, known.instance.source_id).map_err(|e| internal(&e))?.ok_or_else(denied)?;
    Ok((known, source))
}

/// `sys.sp_cdc_get_captured_columns`.
pub fn captured_columns(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    let (known, source) = instance_and_source(call, "sp_cdc_get_captured_columns", given)?;
    let table = instance::change_table(call.conn, &known).map_err(|e| internal(&e))?;
    let columns = vec![
        column("source_schema", SYSNAME),
        column("source_table", SYSNAME),
        column("capture_instance", SYSNAME),
        column("column_name", SYSNAME),
        column("column_id", DataType::Int),
        column("column_ordinal", DataType::Int),
        column("data_type", SYSNAME),
        column("character_maximum_length", DataType::Int),
        column("numeric_precision", DataType::TinyInt),
        column("numeric_precision_radix", DataType::SmallInt),
        column("numeric_scale", DataType::Int),
        column("datetime_precision", DataType::SmallInt),
    ];
    let mut rows = Vec::new();
    for (ordinal, captured) in (1..).zip(&known.instance.columns) {
        let Some(declared) = table.as_ref().and_then(|t| t.column(&captured.name)) else { continue };
        let declared = source.column_by_id(captured.column_id).map_or(&declared.data_type, |c| &c.data_type);
        let mut row = vec![
            text(&source.schema),
            text(&source.name),
            text(&known.instance.name),
            text(&captured.name),
            Datum::Int(i64::from(captured.column_id)),
            Datum::Int(ordinal),
            text(type_name::name(declared)),
        ];
        row.extend(facets(declared));
        rows.push(row);
    }
    Ok(Outcome { results: vec![ResultSet { columns, rows }], ..Outcome::default() })
}

/// Length (-1 for MAX), precision, radix, scale, datetime precision, as INFORMATION_SCHEMA has them.
fn facets(data_type: &DataType) -> [Datum; 5] {
    use DataType as D;
    let [mut length, mut precision, mut radix, mut scale, mut fraction] = [const { Datum::Null }; 5];
    let int = |value: i64| Datum::Int(value);
    let max = |n: &Option<u16>| int(n.map_or(-1, i64::from));
    match data_type {
        D::Char(n) | D::NChar(n) | D::Binary(n) => length = int(i64::from(*n)),
        D::VarChar(n) | D::NVarChar(n) | D::VarBinary(n) => length = max(n),
        D::TinyInt => (precision, radix, scale) = (int(3), int(10), int(0)),
        D::SmallInt => (precision, radix, scale) = (int(5), int(10), int(0)),
        D::Int => (precision, radix, scale) = (int(10), int(10), int(0)),
        D::BigInt => (precision, radix, scale) = (int(19), int(10), int(0)),
        D::Decimal { precision: p, scale: s } => (precision, radix, scale) = (int(i64::from(*p)), int(10), int(i64::from(*s))),
        D::Money => (precision, radix, scale) = (int(19), int(10), int(4)),
        D::SmallMoney => (precision, radix, scale) = (int(10), int(10), int(4)),
        D::Real => (precision, radix) = (int(24), int(2)),
        D::Float => (precision, radix) = (int(53), int(2)),
        D::Date | D::SmallDateTime => fraction = int(0),
        D::DateTime => fraction = int(3),
        D::Time(s) | D::DateTime2(s) | D::DateTimeOffset(s) => fraction = int(i64::from(*s)),
        D::Text | D::Image => length = int(2_147_483_647),
        D::NText => length = int(1_073_741_823),
        D::Xml => length = int(-1),
        D::Bit | D::UniqueIdentifier | D::RowVersion | D::SqlVariant | D::HierarchyId | D::Geography | D::Geometry => {}
    }
    [length, precision, radix, scale, fraction]
}

/// `sys.sp_cdc_get_ddl_history`.
pub fn ddl_history(call: &Call<'_>, given: &[Argument]) -> Result<Outcome, Message> {
    let (known, source) = instance_and_source(call, "sp_cdc_get_ddl_history", given)?;
    let columns = vec![
        column("source_schema", SYSNAME),
        column("source_table", SYSNAME),
        column("capture_instance", SYSNAME),
        column("required_column_update", DataType::Bit),
        column("ddl_command", DataType::NVarChar(None)),
        column("ddl_lsn", LSN),
        column("ddl_time", DataType::DateTime),
    ];
    let found = rows(
        call.conn,
        &columns,
        "SELECT ?2, ?3, ?4, required_column_update, ddl_command, ddl_lsn, ddl_time
           FROM \"cdc.ddl_history\" WHERE object_id = ?1 ORDER BY ddl_lsn",
        params![known.instance.ct_id, source.schema, source.name, known.instance.name],
    )?;
    Ok(Outcome { results: vec![ResultSet { columns, rows: found }], ..Outcome::default() })
}
