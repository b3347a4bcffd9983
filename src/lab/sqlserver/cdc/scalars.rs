//! The scalar functions of CDC: `sys.fn_cdc_…`.

use std::sync::Arc;

use super::arguments::binary10;
use super::instance::GATE;
use super::sql::is_bit_set;
use crate::lab::sqlserver::engine::extension::{ScalarBody, ScalarFunction};
use crate::lab::sqlserver::types::{DataType, Datum};
use crate::model::Lsn;

const LSN: DataType = DataType::Binary(10);
const SYSNAME: DataType = DataType::NVarChar(Some(128));
const MASK: DataType = DataType::VarBinary(Some(128));

/// The function of that name (`sys.fn_cdc_get_min_lsn`, in lower case).
pub fn find(name: &str) -> Option<ScalarFunction> {
    Some(match name {
        "sys.fn_cdc_get_max_lsn" => sql(&[], LSN, |_| "(SELECT max(start_lsn) FROM \"cdc.lsn_time_mapping\")".into()),
        "sys.fn_cdc_get_min_lsn" => sql(&[SYSNAME], LSN, |a| min_lsn(&a[0])),
        "sys.fn_cdc_increment_lsn" => step(Lsn::next),
        "sys.fn_cdc_decrement_lsn" => step(Lsn::prev),
        "sys.fn_cdc_map_time_to_lsn" => sql(&[DataType::NVarChar(Some(60)), DataType::DateTime], LSN, |a| time_to_lsn(&a[0], &a[1])),
        "sys.fn_cdc_map_lsn_to_time" => {
            sql(&[LSN], DataType::DateTime, |a| format!("(SELECT tran_end_time FROM \"cdc.lsn_time_mapping\" WHERE start_lsn = {})", a[0]))
        }
        "sys.fn_cdc_get_column_ordinal" => sql(&[SYSNAME, SYSNAME], DataType::Int, |a| ordinal(&a[0], &a[1])),
        "sys.fn_cdc_is_bit_set" => ScalarFunction {
            arguments: vec![DataType::Int, MASK],
            result: DataType::Bit,
            body: ScalarBody::Pure(Arc::new(|a| {
                Ok(match (&a[0], &a[1]) {
                    (Datum::Int(position), Datum::Bytes(mask)) => Datum::Bit(is_bit_set(*position, mask)),
                    _ => Datum::Null,
                })
            })),
        },
        "sys.fn_cdc_has_column_changed" => sql(&[SYSNAME, SYSNAME, MASK], DataType::Bit, |a| bit_of(&ordinal(&a[0], &a[1]), &a[2])),
        _ => return None,
    })
}

fn sql(arguments: &[DataType], result: DataType, body: impl Fn(&[String]) -> String + Send + Sync + 'static) -> ScalarFunction {
    ScalarFunction { arguments: arguments.to_vec(), result, body: ScalarBody::Sql(Arc::new(body)) }
}

fn step(by: fn(Lsn) -> Lsn) -> ScalarFunction {
    let body = move |arguments: &[Datum]| {
        Ok(match &arguments[0] {
            Datum::Bytes(bytes) => Datum::Bytes(by(Lsn::from_bytes(binary10(bytes))).as_bytes().to_vec()),
            _ => Datum::Null,
        })
    };
    ScalarFunction { arguments: vec![LSN], result: LSN, body: ScalarBody::Pure(Arc::new(body)) }
}

/// Zero, not NULL, when the instance is unknown, closed to the caller, or not yet begun.
pub fn min_lsn(instance: &str) -> String {
    format!(
        "ifnull((SELECT ct.start_lsn FROM \"cdc.change_tables\" ct
                  WHERE ct.capture_instance = {instance} COLLATE LAB_CI
                    AND ct.capture_instance NOT IN (SELECT h.instance FROM __lab_cdc_hidden h) AND {GATE}), zeroblob(10))"
    )
}

fn ordinal(instance: &str, column: &str) -> String {
    format!(
        "(SELECT cc.column_ordinal FROM \"cdc.captured_columns\" cc
            JOIN \"cdc.change_tables\" ct ON ct.object_id = cc.object_id
           WHERE ct.capture_instance = {instance} COLLATE LAB_CI AND cc.column_name = {column} COLLATE LAB_CI)"
    )
}

/// The bit of an ordinal in a mask, by SQLite's own means; NULL where either is NULL.
fn bit_of(ordinal: &str, mask: &str) -> String {
    format!(
        "(SELECT CASE WHEN (x.o - 1) / 8 >= length(x.m) THEN 0
                      ELSE ((instr('0123456789ABCDEF', substr(hex(substr(x.m, length(x.m) - (x.o - 1) / 8, 1)), 1, 1)) - 1) * 16
                          + instr('0123456789ABCDEF', substr(hex(substr(x.m, length(x.m) - (x.o - 1) / 8, 1)), 2, 1)) - 1) >> ((x.o - 1) % 8) & 1
                 END
            FROM (SELECT {ordinal} AS o, {mask} AS m) x WHERE x.o IS NOT NULL AND x.m IS NOT NULL)"
    )
}

/// The four relational operators; NULL for any other word, and when no row fits.
fn time_to_lsn(operator: &str, time: &str) -> String {
    let pick = |aggregate: &str, comparison: &str| {
        format!("(SELECT {aggregate}(m.start_lsn) FROM \"cdc.lsn_time_mapping\" m WHERE m.tran_end_time {comparison} x.t)")
    };
    format!(
        "(SELECT CASE lower(x.o)
                      WHEN 'largest less than' THEN {}
                      WHEN 'largest less than or equal' THEN {}
                      WHEN 'smallest greater than' THEN {}
                      WHEN 'smallest greater than or equal' THEN {}
                 END
            FROM (SELECT {operator} AS o, {time} AS t) x)",
        pick("max", "<"),
        pick("max", "<="),
        pick("min", ">"),
        pick("min", ">="),
    )
}

#[cfg(test)]
mod tests {
    use super::bit_of;

    #[test]
    fn the_bit_in_sql_is_the_bit_in_rust() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for mask in [[0x01, 0x04], [0xa5, 0x3c], [0x00, 0xff]] {
            for ordinal in 1..=18_i64 {
                let sql = format!("SELECT {}", bit_of(&ordinal.to_string(), &format!("x'{:02x}{:02x}'", mask[0], mask[1])));
                let bit: bool = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
                assert_eq!(bit, super::is_bit_set(ordinal, &mask), "{ordinal} {mask:?}");
            }
        }
    }
}
