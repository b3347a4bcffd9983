//! Present rows by their keys, many keys in one statement.

use std::collections::HashSet;
use std::sync::Arc;

use tiberius::ColumnData;
use tiberius::time::{Date, DateTime, DateTime2, DateTimeOffset, SmallDateTime, Time};

use super::counted;
use super::decode::{DAYS_TO_1900, RowDecoder};
use super::error::Place;
use super::pages::Stream;
use super::session::{Parameter, Sessions};
use super::{columns, quote};
use crate::model::fault::src;
use crate::model::{Column, Fault, SqlType, TableName, TableShape, Value};

/// A request takes 2,100 parameters; a plan over more rows of constants takes long to make.
const PARAMETERS: usize = 2_000;
const KEYS: usize = 400;

/// Rows of `table` whose key equals one of `keys` rows of parameters under the server's own
/// comparison, which may be more than bytewise equality. Parameters run row by row.
#[must_use]
pub fn by_keys(table: &TableName, shape: &TableShape, keys: usize) -> String {
    let width = shape.key_len();
    let tuples: Vec<_> = (0..keys)
        .map(|row| {
            let parameters: Vec<_> = (0..width).map(|n| format!("@P{}", row * width + n + 1)).collect();
            format!("({})", parameters.join(", "))
        })
        .collect();
    let names: Vec<_> = (0..width).map(|n| format!("c{n}")).collect();
    let equal: Vec<_> = shape
        .key()
        .iter()
        .enumerate()
        .map(|(n, column)| format!("t.{} = {}", quote::name(&column.name), columns::key_expression(column, &format!("k.c{n}"))))
        .collect();
    format!(
        "\
SELECT {}
  FROM (VALUES {}) AS k ({})
 INNER JOIN {} AS t ON {};",
        columns::select_list(shape.columns(), "t"),
        tuples.join(", "),
        names.join(", "),
        quote::table(table),
        equal.join(" AND ")
    )
}

/// A statement with its parameters.
type Statement = (String, Vec<Parameter>);

/// The present rows whose key equals one of `keys` bytewise, in pages. Few statements, one after
/// the other, on one connection, which is kept for the next.
pub fn stream(sessions: &Arc<Sessions>, table: &TableName, shape: &TableShape, keys: &[Vec<Value>]) -> Result<Stream<Vec<Value>>, Fault> {
    let place = Place::new(format!("rows of {table} could not be read by key")).needs(format!("SELECT ON {}", quote::table(table)));
    let decoder = RowDecoder::new(table, shape)?;
    let mut wanted: HashSet<Vec<u8>> = HashSet::with_capacity(keys.len());
    let mut once: Vec<&Vec<Value>> = keys.iter().filter(|key| wanted.insert(shape.key_identity(key))).collect();
    // A key has no NULL: no row can equal one that does.
    once.retain(|key| !key.iter().take(shape.key_len()).any(Value::is_null));
    let statements = if shape.key_len() == 0 { Vec::new() } else { statements(&place, table, shape, &once)? };
    let (sessions, shape) = (Arc::clone(sessions), shape.clone());
    Ok(Stream::start(place.clone(), move |mut writer| async move {
        if statements.is_empty() {
            return Ok(writer);
        }
        let failed = |error: tiberius::error::Error| sessions.failed(&place, &error);
        let mut driver = sessions.lend().await?;
        for (sql, parameters) in statements {
            let mut answer = counted::run(&mut driver, &sql, parameters).await.map_err(failed)?;
            while let Some(row) = answer.next().await.map_err(failed)? {
                let (values, bytes) = decoder.row(row.into_iter())?;
                // The server finds more than bytewise equals, and finds a row once for every key
                // that its collation holds equal.
                if wanted.remove(&shape.key_identity(&values)) {
                    writer.push(values, bytes).await?;
                }
            }
            // A row that is missing here would pass for one that was deleted.
            answer.whole(&place)?;
        }
        sessions.give_back(driver);
        Ok(writer)
    }))
}

fn statements(place: &Place, table: &TableName, shape: &TableShape, keys: &[&Vec<Value>]) -> Result<Vec<Statement>, Fault> {
    let mut statements = Vec::new();
    for chunk in keys.chunks((PARAMETERS / shape.key_len()).clamp(1, KEYS)) {
        let mut parameters = Vec::with_capacity(chunk.len() * shape.key_len());
        for key in chunk {
            for (n, column) in shape.key().iter().enumerate() {
                let value = key.get(n).and_then(|value| parameter(&column.sql_type, value));
                parameters.push(value.ok_or_else(|| unfit(place, column))?);
            }
        }
        statements.push((by_keys(table, shape, chunk.len()), parameters));
    }
    Ok(statements)
}

fn unfit(place: &Place, column: &Column) -> Fault {
    place.fault(&src::UNREADABLE).evidence("key column", &column.name).evidence("type", &column.sql_type)
}

/// The parameter that the key expression of the column turns back into exactly this value. `None`
/// when the value is not one of the type.
#[must_use]
pub fn parameter(sql_type: &SqlType, value: &Value) -> Option<Parameter> {
    Some(match (sql_type, value) {
        (SqlType::Bit, Value::Bool(bit)) => ColumnData::Bit(Some(*bit)),
        (SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt, Value::Int(n)) => ColumnData::I64(Some(*n)),
        // As text: parameters of decimal type differ in precision from row to row, and the type
        // that they would have in common may hold fewer digits.
        (SqlType::Decimal { .. } | SqlType::Money | SqlType::SmallMoney, Value::Decimal(decimal)) => {
            super::session::text(decimal.to_string())
        }
        (SqlType::Real, Value::Real(n)) => ColumnData::F32(Some(*n)),
        (SqlType::Float, Value::Float(n)) => ColumnData::F64(Some(*n)),
        (sql_type, Value::Text(text)) if sql_type.is_text() => super::session::text(text.as_str()),
        (SqlType::Binary { .. } | SqlType::VarBinary { .. } | SqlType::VarBinaryMax | SqlType::RowVersion, Value::Bytes(bytes)) => {
            ColumnData::Binary(Some(bytes.clone().into()))
        }
        (SqlType::Date, Value::Date(days)) => ColumnData::Date(Some(date(*days)?)),
        (SqlType::Time { .. }, Value::Time(ticks)) => ColumnData::Time(Some(Time::new(*ticks, 7))),
        (SqlType::DateTime, Value::Timestamp { days, ticks }) => {
            // Back from whole milliseconds to units of 1/300 s: .003 and .007 are 1 and 2.
            let fragments = u32::try_from((ticks / 10_000 * 3 + 5) / 10).ok()?;
            ColumnData::DateTime(Some(DateTime::new(days.checked_sub(DAYS_TO_1900)?, fragments)))
        }
        (SqlType::SmallDateTime, Value::Timestamp { days, ticks }) => {
            let days = u16::try_from(days.checked_sub(DAYS_TO_1900)?).ok()?;
            ColumnData::SmallDateTime(Some(SmallDateTime::new(days, u16::try_from(ticks / 600_000_000).ok()?)))
        }
        (SqlType::DateTime2 { .. }, Value::Timestamp { days, ticks }) => {
            ColumnData::DateTime2(Some(DateTime2::new(date(*days)?, Time::new(*ticks, 7))))
        }
        (SqlType::DateTimeOffset { .. }, Value::TimestampTz { days, ticks, offset_minutes }) => {
            let instant = DateTime2::new(date(*days)?, Time::new(*ticks, 7));
            ColumnData::DateTimeOffset(Some(DateTimeOffset::new(instant, *offset_minutes)))
        }
        (SqlType::UniqueIdentifier, Value::Uuid(guid)) => ColumnData::Guid(Some(*guid)),
        _ => return None,
    })
}

/// The driver's own constructor panics on days that do not fit three bytes.
fn date(days: i32) -> Option<Date> {
    u32::try_from(days).ok().filter(|days| days >> 24 == 0).map(Date::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::sqlserver::decode;

    fn column(id: i32, name: &str, sql_type: SqlType, key_ordinal: Option<u8>) -> Column {
        let collation = sql_type.is_text().then(|| "SQL_Latin1_General_CP1_CI_AS".to_owned());
        Column {
            name: name.into(),
            column_id: id,
            ordinal: id,
            sql_type,
            nullable: false,
            collation,
            key_ordinal,
            unfit: crate::model::Unfit::Fail,
        }
    }

    #[test]
    fn keys_are_a_list_of_rows() {
        let shape = TableShape::new(vec![
            column(1, "code", SqlType::VarChar { length: 10 }, Some(1)),
            column(2, "line", SqlType::Int, Some(2)),
            column(3, "note", SqlType::NVarCharMax, None),
        ]);
        insta::assert_snapshot!(by_keys(&TableName::new("dbo", "Order Lines"), &shape, 2));
    }

    #[test]
    fn every_datetime_of_a_second_comes_back_as_itself() {
        for fragment in 0..300_u32 {
            let cell = ColumnData::DateTime(Some(DateTime::new(7, fragment)));
            let (days, ticks) = decode::timestamp(&cell).unwrap();
            assert_eq!(parameter(&SqlType::DateTime, &Value::Timestamp { days, ticks }), Some(cell), "{fragment}");
        }
    }

    #[test]
    fn a_value_of_another_type_makes_no_parameter() {
        assert_eq!(parameter(&SqlType::Int, &Value::Text("1".into())), None);
        assert_eq!(parameter(&SqlType::Date, &Value::Date(-1)), None);
        assert_eq!(parameter(&SqlType::Date, &Value::Date(i32::MAX)), None);
    }
}
