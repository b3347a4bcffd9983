//! The table-valued functions of an instance: all changes and net changes of a closed LSN range.

use rusqlite::Connection;

use super::arguments::binary10;
use super::errors::internal;
use super::instance::{self, Known};
use super::sql::each;
use crate::lab::sqlserver::engine::catalog::{Table, quote};
use crate::lab::sqlserver::engine::extension::Relation;
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum, ResultColumn};

const ALL: &str = "cdc.fn_cdc_get_all_changes_";
const NET: &str = "cdc.fn_cdc_get_net_changes_";

/// The function of that name, if it is one of these. 208 for an instance that is unknown.
pub fn find(connection: &Connection, name: &str, arguments: &[(DataType, Datum)]) -> Option<Result<Relation, Message>> {
    let (net, wanted) = match (name.strip_prefix(ALL), name.strip_prefix(NET)) {
        (Some(wanted), _) => (false, wanted),
        (_, Some(wanted)) => (true, wanted),
        _ => return None,
    };
    Some(call(connection, net, wanted, name, arguments))
}

fn call(connection: &Connection, net: bool, wanted: &str, name: &str, arguments: &[(DataType, Datum)]) -> Result<Relation, Message> {
    let unknown = || Message::error(208, format!("Invalid object name '{name}'."));
    let known = instance::find(connection, wanted).map_err(|e| internal(&e))?.ok_or_else(unknown)?;
    if net && !known.supports_net_changes {
        return Err(unknown());
    }
    if is_hidden(connection, &known.instance.name).map_err(|e| internal(&e))? {
        return Err(closed(net, name));
    }
    let table = instance::change_table(connection, &known).map_err(|e| internal(&e))?.ok_or_else(unknown)?;
    // Native wording: the functions say this for a range or an option that they do not accept.
    let refused = || Message {
        state: 3,
        ..Message::error(
            313,
            format!(
                "An insufficient number of arguments were supplied for the procedure or function {} ... .",
                if net { NET } else { ALL }
            ),
        )
    };
    let [from, to, option] = arguments else { return Err(refused()) };
    let lsn = |value: &Datum| match value {
        Datum::Bytes(bytes) => Some(binary10(bytes)),
        _ => None,
    };
    let option = match &option.1 {
        Datum::Text(units) => String::from_utf16_lossy(units).trim_end().to_lowercase(),
        _ => return Err(refused()),
    };
    let (Some(from), Some(to)) = (lsn(&from.1), lsn(&to.1)) else { return Err(refused()) };
    let max: Option<Vec<u8>> =
        connection.query_row("SELECT max(start_lsn) FROM \"cdc.lsn_time_mapping\"", [], |row| row.get(0)).map_err(|e| internal(&e))?;
    let low = known.start_lsn.as_deref().is_some_and(|min| from.as_slice() >= min);
    let high = max.is_some_and(|max| to.as_slice() <= max.as_slice());
    if !low || !high || from > to {
        return Err(refused());
    }
    super::sql::register(connection).map_err(|e| internal(&e))?;
    if net { net_changes(&known, &table, from, to, &option) } else { all_changes(&known, &table, from, to, &option) }.ok_or_else(refused)
}

/// Whether the instance is closed: to every reader, as a test can order, or to this login.
fn is_hidden(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let hidden = connection.query_row("SELECT EXISTS (SELECT 1 FROM __lab_cdc_hidden WHERE instance = ?1)", [name], |row| row.get(0))?;
    Ok(hidden || !instance::is_open(connection, name)?)
}

/// Without permission: 229 from the one function, 208 from the other.
fn closed(net: bool, name: &str) -> Message {
    if net {
        return Message::error(208, format!("Invalid object name '{name}'."));
    }
    let function = name.trim_start_matches("cdc.");
    Message {
        class: 14,
        state: 5,
        ..Message::error(229, format!("The SELECT permission was denied on the object '{function}', database 'lab', schema 'cdc'."))
    }
}

/// `x'0000…'`.
fn literal(lsn: [u8; 10]) -> String {
    format!("x'{}'", crate::model::Lsn::from_bytes(lsn))
}

fn head(names: &[&str], table: &Table, known: &Known) -> Vec<ResultColumn> {
    let column = |name: &str| {
        table.column(name).map(|c| ResultColumn { name: c.name.clone(), data_type: c.data_type.clone(), nullable: c.nullable })
    };
    let captured = known.instance.columns.iter().filter_map(|c| column(&c.name));
    names.iter().filter_map(|name| column(name)).chain(captured).collect()
}

fn list(columns: &[ResultColumn]) -> String {
    columns.iter().map(|c| quote(&c.name)).collect::<Vec<_>>().join(", ")
}

fn all_changes(known: &Known, table: &Table, from: [u8; 10], to: [u8; 10], option: &str) -> Option<Relation> {
    let operations = match option {
        "all" => "1, 2, 4",
        "all update old" => "1, 2, 3, 4",
        _ => return None,
    };
    let columns = head(&["__$start_lsn", "__$seqval", "__$operation", "__$update_mask"], table, known);
    let sql = format!(
        "SELECT {} FROM {}
          WHERE \"__$start_lsn\" BETWEEN {} AND {} AND \"__$operation\" IN ({operations})",
        list(&columns),
        table.sql_name(),
        literal(from),
        literal(to)
    );
    Some(Relation { columns, sql })
}

/// One row a key: the last state, or nothing for a row that was inserted and deleted inside the
/// range. A changed key is a delete and an insert. Keys compare by the collation of the column, so a
/// key that changes in case only is one key here.
fn net_changes(known: &Known, table: &Table, from: [u8; 10], to: [u8; 10], option: &str) -> Option<Relation> {
    let (mask, merge) = match option {
        "all" => (false, false),
        "all with mask" => (true, false),
        "all with merge" => (false, true),
        _ => return None,
    };
    let columns = head(&["__$start_lsn", "__$operation", "__$update_mask"], table, known);
    let data: String = each(&known.instance.columns, |c| format!(", c.{}", quote(&c.name)));
    let key: Vec<String> = known.key.iter().map(|name| quote(name)).collect();
    let partition = key.iter().map(|name| format!("c.{name}")).collect::<Vec<_>>().join(", ");
    let same = key.iter().map(|name| format!("p.{name} = c.{name}")).collect::<Vec<_>>().join(" AND ");
    let order = |direction: &str| {
        ["__$start_lsn", "__$command_id", "__$seqval", "__$operation"].map(|name| format!("c.{} {direction}", quote(name))).join(", ")
    };
    let operation =
        if merge { "CASE WHEN last_op = 1 THEN 1 ELSE 5 END" } else { "CASE WHEN last_op = 1 THEN 1 WHEN first_op = 2 THEN 2 ELSE 4 END" };
    let range = format!("\"__$start_lsn\" BETWEEN {} AND {}", literal(from), literal(to));
    let same_as = |other: &str| key.iter().map(|name| format!("{other}.{name} = w.{name}")).collect::<Vec<_>>().join(" AND ");
    let mask = if mask {
        format!(
            "CASE WHEN last_op <> 1 AND first_op <> 2 THEN
                  (SELECT __lab_mask_or(m.\"__$update_mask\") FROM {} m WHERE m.{range} AND m.\"__$operation\" = 4 AND {}) END",
            table.sql_name(),
            same_as("m")
        )
    } else {
        "NULL".to_owned()
    };
    let values: String = each(&known.instance.columns, |c| format!(", {}", quote(&c.name)));
    let sql = format!(
        "SELECT \"__$start_lsn\", {operation} AS \"__$operation\", {mask} AS \"__$update_mask\"{values}
           FROM (SELECT c.\"__$start_lsn\", c.op AS last_op{data},
                        first_value(c.op) OVER (PARTITION BY {partition} ORDER BY {up}) AS first_op,
                        row_number() OVER (PARTITION BY {partition} ORDER BY {down}) AS place
                   FROM (SELECT c.*,
                                CASE WHEN c.\"__$operation\" IN (1, 2) THEN c.\"__$operation\"
                                     WHEN EXISTS (SELECT 1 FROM {table} p
                                                   WHERE p.\"__$start_lsn\" = c.\"__$start_lsn\" AND p.\"__$command_id\" = c.\"__$command_id\"
                                                     AND p.\"__$seqval\" = c.\"__$seqval\" AND p.\"__$operation\" = 7 - c.\"__$operation\"
                                                     AND {same})
                                     THEN c.\"__$operation\"
                                     ELSE c.\"__$operation\" - 2
                                END AS op
                           FROM {table} c
                          WHERE c.{range}) c
                  WHERE c.op <> 3) w
          WHERE place = 1 AND NOT (first_op = 2 AND last_op = 1)",
        up = order("ASC"),
        down = order("DESC"),
        table = table.sql_name(),
    );
    Some(Relation { columns, sql })
}
