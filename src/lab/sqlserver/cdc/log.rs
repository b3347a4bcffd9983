//! The transaction log, as far as change data capture reads it: rows written by triggers.
//!
//! One log table for each tracked table, `__lab_cdc_log_<object id>`, holds a record for each
//! changed row: its position, the statement's number in the transaction, the columns that an
//! update's SET list named, and the images before (`o<column id>`) and after (`n<column id>`).
//! `__lab_cdc_commit` holds one record for each committed transaction. Positions of one transaction
//! lie between its `first_p` and its `p`: SQLite has one writer at a time, so transactions do not
//! interleave. All of it lives in the transaction's own file: a rollback undoes it.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::position::Position;
use super::sql::each;

/// Everything the log and the capture job need in a database.
const CREATE: &str = "
CREATE TABLE IF NOT EXISTS __lab_cdc_state (
    last     INTEGER NOT NULL, -- the last position that was used
    captured INTEGER NOT NULL, -- the commit position up to which the capture job has read
    -- Of the open transaction; NULL outside: rolled back with it, as everything here.
    first_p  INTEGER,          -- its first position
    command  INTEGER,          -- the connection's statement counter at its first row
    began    INTEGER           -- datetime at its first record
);
CREATE TABLE IF NOT EXISTS __lab_cdc_commit (
    p        INTEGER PRIMARY KEY,
    first_p  INTEGER NOT NULL,
    command  INTEGER,          -- the statement counter at its first row; NULL: metadata only
    began    INTEGER NOT NULL, -- datetime: 1/300 s since 1900-01-01
    ended    INTEGER NOT NULL,
    tran_id  BLOB    NOT NULL
);
CREATE TABLE IF NOT EXISTS __lab_cdc_marker (
    p         INTEGER PRIMARY KEY,
    kind      TEXT    NOT NULL, -- enable, ddl
    source_id INTEGER NOT NULL,
    ct_id     INTEGER,
    command   TEXT,
    noted     INTEGER NOT NULL,
    column_update INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS __lab_cdc_hidden (
    instance TEXT PRIMARY KEY COLLATE LAB_CI -- closed to every reader: a fault that tests ask for
);
INSERT INTO __lab_cdc_state (last, captured)
SELECT ?START, 0 WHERE NOT EXISTS (SELECT 1 FROM __lab_cdc_state);
";

/// Makes the log's own tables in a database; harmless when they exist.
pub fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&CREATE.replace("?START", &Position::START.0.to_string()))
}

/// A column of a tracked table, by its place in the catalogue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogColumn {
    pub id: i32,
    pub name: String,
}

/// `"name"` for SQLite.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[must_use]
pub fn table(source_id: i32) -> String {
    format!("__lab_cdc_log_{source_id}")
}

/// Begins, or goes on, to log the changes of the SQLite table `source`. Called again after DDL:
/// images of new columns are added, triggers are written anew.
pub fn track(connection: &Connection, source_id: i32, source: &str, columns: &[LogColumn]) -> rusqlite::Result<()> {
    let log = table(source_id);
    // With the images of now: ALTER TABLE would read the whole schema again for each.
    let images = each(columns, |c| format!(", o{id}, n{id}", id = c.id));
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {log} (p INTEGER PRIMARY KEY, kind TEXT NOT NULL, command INTEGER NOT NULL, touched TEXT{images})"
    ))?;
    let mut known = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let known: Vec<String> = known.query_map([&log], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for column in columns {
        for image in ["o", "n"] {
            let name = format!("{image}{}", column.id);
            if !known.contains(&name) {
                connection.execute_batch(&format!("ALTER TABLE {log} ADD COLUMN {name}"))?;
            }
        }
    }
    untrack(connection, source_id)?;
    connection.execute_batch(&triggers(source_id, source, columns))
}

/// Ends the logging of a table. What was logged stays until the capture job has read it.
pub fn untrack(connection: &Connection, source_id: i32) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "DROP TRIGGER IF EXISTS __lab_cdc_i_{source_id};
         DROP TRIGGER IF EXISTS __lab_cdc_d_{source_id};
         DROP TRIGGER IF EXISTS __lab_cdc_u_{source_id};"
    ))
}

fn triggers(source_id: i32, source: &str, columns: &[LogColumn]) -> String {
    let (log, source) = (table(source_id), quoted(source));
    let list = |image: &str| each(columns, |c| format!(", {image}{}", c.id));
    let values = |row: &str| each(columns, |c| format!(", {row}.{}", quoted(&c.name)));
    let highest = columns.iter().map(|c| c.id).max().unwrap_or_default();
    let touched: Vec<String> =
        (1..=highest).map(|id| if columns.iter().any(|c| c.id == id) { format!("lab_touched({id})") } else { "'0'".to_owned() }).collect();
    let touched = touched.join(" || ");
    format!(
        "CREATE TRIGGER __lab_cdc_i_{source_id} AFTER INSERT ON {source} WHEN lab_logging() BEGIN {TAKE_POSITION};
            INSERT INTO {log} (p, kind, command, touched{n}) VALUES ({POSITION}, 'I', lab_statement(), NULL{new}); END;
         CREATE TRIGGER __lab_cdc_d_{source_id} AFTER DELETE ON {source} WHEN lab_logging() BEGIN {TAKE_POSITION};
            INSERT INTO {log} (p, kind, command, touched{o}) VALUES ({POSITION}, 'D', lab_statement(), NULL{old}); END;
         CREATE TRIGGER __lab_cdc_u_{source_id} AFTER UPDATE ON {source} WHEN lab_logging() BEGIN {TAKE_POSITION};
            INSERT INTO {log} (p, kind, command, touched{o}{n}) VALUES ({POSITION}, 'U', lab_statement(), {touched}{old}{new}); END;",
        o = list("o"),
        n = list("n"),
        old = values("OLD"),
        new = values("NEW"),
    )
}

/// Before each record of a row.
const TAKE_POSITION: &str = "
UPDATE __lab_cdc_state
   SET last = last + 1, first_p = ifnull(first_p, last + 1),
       command = ifnull(command, lab_statement()), began = ifnull(began, lab_now())";

const POSITION: &str = "(SELECT last FROM __lab_cdc_state)";

/// Logs one row of an update that no trigger saw. `touched` and the images name column ids.
pub fn update(connection: &Connection, source_id: i32, touched: &[i32], images: &[(i32, Value, Value)]) -> rusqlite::Result<()> {
    connection.prepare_cached(TAKE_POSITION)?.execute([])?;
    let highest = images.iter().map(|(id, ..)| *id).max().unwrap_or_default();
    let touched: String = (1..=highest).map(|id| if touched.contains(&id) { '1' } else { '0' }).collect();
    let names: String = each(images, |(id, ..)| format!(", o{id}, n{id}"));
    let places = ", ?".repeat(images.len() * 2);
    let sql =
        format!("INSERT INTO {} (p, kind, command, touched{names}) VALUES ({POSITION}, 'U', lab_statement(), ?{places})", table(source_id));
    let text = Value::Text(touched);
    let values = images.iter().flat_map(|(_, before, after)| [before, after]);
    connection.prepare_cached(&sql)?.execute(params_from_iter(std::iter::once(&text).chain(values)))?;
    Ok(())
}

/// A record that is no row: the start of an instance, a change of a table's definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Marker<'a> {
    Enable { source_id: i32, ct_id: i32 },
    Ddl { source_id: i32, command: &'a str, column_update: bool },
}

pub fn mark(connection: &Connection, marker: Marker<'_>) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE __lab_cdc_state SET last = last + 1, first_p = ifnull(first_p, last + 1), began = ifnull(began, lab_now())", [])?;
    let (kind, source_id, ct_id, command, update) = match marker {
        Marker::Enable { source_id, ct_id } => ("enable", source_id, Some(ct_id), None, false),
        Marker::Ddl { source_id, command, column_update } => ("ddl", source_id, None, Some(command), column_update),
    };
    connection.execute(
        "INSERT INTO __lab_cdc_marker (p, kind, source_id, ct_id, command, noted, column_update)
         SELECT last, ?1, ?2, ?3, ?4, lab_now(), ?5 FROM __lab_cdc_state",
        params![kind, source_id, ct_id, command, update],
    )?;
    Ok(())
}

/// Ends the open transaction in the log; to be called inside it, just before its COMMIT.
/// False when it wrote nothing that the log notes.
pub fn commit(connection: &Connection) -> rusqlite::Result<bool> {
    type Open = (i64, Option<i64>, Option<i64>, i64, i64);
    let open: Option<Open> = connection
        .prepare_cached("SELECT last, first_p, command, began, lab_now() FROM __lab_cdc_state WHERE first_p IS NOT NULL")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((last, Some(first), command, began, now)) = open else { return Ok(false) };
    let at = last + 1;
    // The clock may have been set back in between.
    let began = began.min(now);
    // Transaction ids are a counter of the server; the first position serves as well.
    let tran_id = &first.to_be_bytes()[2..];
    connection
        .prepare_cached("INSERT INTO __lab_cdc_commit (p, first_p, command, began, ended, tran_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![at, first, command, began, now, tran_id])?;
    connection
        .prepare_cached("UPDATE __lab_cdc_state SET last = ?1, first_p = NULL, command = NULL, began = NULL")?
        .execute([Position(at).after_commit().0])?;
    Ok(true)
}

/// The table's last instance is gone: nobody will read what was logged.
pub fn forget(connection: &Connection, source_id: i32) -> rusqlite::Result<()> {
    untrack(connection, source_id)?;
    connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", table(source_id)))
}
