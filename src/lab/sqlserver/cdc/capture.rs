//! One scan of the log: whole committed transactions move into the change tables.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::log;
use super::log::quoted;
use super::sql::{each, full_mask};

/// How far one scan may go: `maxtrans` transactions, `maxscans` times over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub maxtrans: i64,
    pub maxscans: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { maxtrans: 500, maxscans: 10 }
    }
}

/// What a scan has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scan {
    /// Transactions with rows of tracked tables.
    pub transactions: u64,
    /// Rows written into change tables.
    pub rows: u64,
    /// Schema changes noted in `cdc.ddl_history`.
    pub schema_changes: u64,
    /// The first and the last commit position read; 0 when there was nothing.
    pub first_p: i64,
    pub last_p: i64,
    /// Commit time of the last transaction, 1/300 s since 1900-01-01.
    pub last_commit: i64,
    /// More committed transactions wait.
    pub more: bool,
}

/// A captured column of an instance: its id in the source, its name in the change table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captured {
    pub column_id: i32,
    pub name: String,
    /// A MAX, xml or spatial type: left NULL where the update did not touch it.
    pub large: bool,
    /// text, ntext, image: NULL in operations 1 and 3, always.
    pub old_large: bool,
    /// Every update changes it.
    pub rowversion: bool,
}

/// A capture instance, as far as the scan needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    pub name: String,
    pub ct_id: i32,
    pub source_id: i32,
    /// In the order of the ordinals.
    pub columns: Vec<Captured>,
}

impl Instance {
    /// The SQLite table of the change table.
    #[must_use]
    pub fn change_table(&self) -> String {
        format!("cdc.{}_CT", self.name)
    }
}

/// Reads up to `limits` committed transactions from the log and writes them to every instance, with
/// their rows of `cdc.lsn_time_mapping`. The caller holds a write transaction: either all of it
/// becomes visible, or nothing.
pub fn scan(connection: &Connection, instances: &[Instance], limits: Limits) -> rusqlite::Result<Scan> {
    let captured: i64 = connection.query_row("SELECT captured FROM __lab_cdc_state", [], |row| row.get(0))?;
    let most = limits.maxtrans.saturating_mul(limits.maxscans).max(1);
    let upto: Option<i64> = connection
        .query_row("SELECT max(p) FROM (SELECT p FROM __lab_cdc_commit WHERE p > ?1 ORDER BY p LIMIT ?2)", [captured, most], |row| {
            row.get(0)
        })
        .optional()?
        .flatten();
    let Some(upto) = upto else { return Ok(Scan::default()) };
    let mut scan = connection.query_row(
        "SELECT count(command), min(p), max(ended) FROM __lab_cdc_commit WHERE p > ?1 AND p <= ?2",
        [captured, upto],
        |row| {
            let transactions: i64 = row.get(0)?;
            Ok(Scan {
                transactions: transactions.cast_unsigned(),
                first_p: row.get(1)?,
                last_p: upto,
                last_commit: row.get(2)?,
                ..Scan::default()
            })
        },
    )?;
    start_instances(connection, captured, upto)?;
    let instances: Vec<&Instance> = logged(connection, instances)?;
    for instance in &instances {
        scan.rows += move_rows(connection, instance, captured, upto)?;
    }
    connection.execute(MAP_TRANSACTIONS, [captured, upto])?;
    scan.schema_changes = connection.execute(NOTE_DDL, [captured, upto])? as u64;
    let mut sources: Vec<i32> = instances.iter().map(|i| i.source_id).collect();
    sources.dedup();
    for source in sources {
        connection.execute(&format!("DELETE FROM {} WHERE p <= ?1", log::table(source)), [upto])?;
    }
    connection.execute("DELETE FROM __lab_cdc_marker WHERE p <= ?1", [upto])?;
    connection.execute("DELETE FROM __lab_cdc_commit WHERE p <= ?1", [upto])?;
    connection.execute("UPDATE __lab_cdc_state SET captured = ?1", [upto])?;
    scan.more = connection.query_row("SELECT EXISTS (SELECT 1 FROM __lab_cdc_commit WHERE p > ?1)", [upto], |row| row.get(0))?;
    Ok(scan)
}

/// The instances whose table has a log; `super::many` makes tables without.
fn logged<'a>(connection: &Connection, instances: &'a [Instance]) -> rusqlite::Result<Vec<&'a Instance>> {
    let mut query =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '\\_\\_lab\\_cdc\\_log\\_%' ESCAPE '\\'")?;
    let logs: HashSet<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(instances.iter().filter(|instance| logs.contains(&log::table(instance.source_id))).collect())
}

/// An instance's low endpoint is NULL until the scan has read the transaction that made it.
fn start_instances(connection: &Connection, captured: i64, upto: i64) -> rusqlite::Result<()> {
    let mut made = connection.prepare(
        "SELECT m.ct_id, __lab_lsn(min(c.p))
           FROM __lab_cdc_marker m JOIN __lab_cdc_commit c ON c.p > m.p
          WHERE m.kind = 'enable' AND m.p > ?1 AND m.p <= ?2
          GROUP BY m.ct_id",
    )?;
    let made: Vec<(i32, Vec<u8>)> = made.query_map([captured, upto], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (ct_id, lsn) in made {
        connection
            .execute("UPDATE \"cdc.change_tables\" SET start_lsn = ?2 WHERE object_id = ?1 AND start_lsn IS NULL", params![ct_id, lsn])?;
    }
    Ok(())
}

const MAP_TRANSACTIONS: &str = "
INSERT INTO \"cdc.lsn_time_mapping\" (start_lsn, tran_begin_time, tran_end_time, tran_id, tran_begin_lsn)
SELECT __lab_lsn(p), began, ended, tran_id, __lab_lsn(first_p)
  FROM __lab_cdc_commit
 WHERE p > ?1 AND p <= ?2 AND command IS NOT NULL
 ORDER BY p";

const NOTE_DDL: &str = "
INSERT INTO \"cdc.ddl_history\" (source_object_id, object_id, required_column_update, ddl_command, ddl_lsn, ddl_time)
SELECT m.source_id, ct.object_id, m.column_update, m.command, __lab_lsn(m.p), m.noted
  FROM __lab_cdc_marker m JOIN \"cdc.change_tables\" ct ON ct.source_object_id = m.source_id
 WHERE m.kind = 'ddl' AND m.p > ?1 AND m.p <= ?2
 ORDER BY m.p";

fn move_rows(connection: &Connection, instance: &Instance, captured: i64, upto: i64) -> rusqlite::Result<u64> {
    let log = log::table(instance.source_id);
    let known: Vec<String> =
        connection.prepare("SELECT name FROM pragma_table_info(?1)")?.query_map([&log], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let values: String = each(&instance.columns, |column| format!(",\n       {}", value(column, &known)));
    let names: String = each(&instance.columns, |column| format!(", {}", quoted(&column.name)));
    let sql = format!(
        "INSERT INTO {ct} (\"__$start_lsn\", \"__$seqval\", \"__$operation\", \"__$update_mask\"{names}, \"__$command_id\")
SELECT __lab_lsn(c.p), __lab_lsn(l.p), op.operation,
       CASE WHEN l.kind = 'U' THEN __lab_mask(l.touched, ?3) ELSE ?4 END{values},
       l.command - c.command + 1
  FROM {log} l
  CROSS JOIN __lab_cdc_commit c ON c.p = (SELECT min(x.p) FROM __lab_cdc_commit x WHERE x.p > l.p)
  CROSS JOIN (SELECT 'D' AS kind, 1 AS operation UNION ALL SELECT 'I', 2 UNION ALL SELECT 'U', 3 UNION ALL SELECT 'U', 4) op ON op.kind = l.kind
 WHERE l.p > ?1 AND l.p <= ?2
   AND __lab_lsn(c.p) > (SELECT start_lsn FROM \"cdc.change_tables\" WHERE object_id = ?5)
 ORDER BY l.p, op.operation",
        ct = quoted(&instance.change_table()),
    );
    let ids: Vec<u8> = instance
        .columns
        .iter()
        .flat_map(|column| {
            let id = u16::try_from(column.column_id).unwrap_or_default();
            (if column.rowversion { id | 0x8000 } else { id }).to_be_bytes()
        })
        .collect();
    let rows = connection.execute(&sql, params![captured, upto, ids, full_mask(instance.columns.len()), instance.ct_id])?;
    Ok(rows as u64)
}

/// The value of a captured column for the four operations.
fn value(column: &Captured, known: &[String]) -> String {
    let (id, before, after) = (column.column_id, format!("l.o{}", column.column_id), format!("l.n{}", column.column_id));
    if !known.contains(&format!("n{id}")) {
        // Never logged: a computed column, or one that was dropped before the log began.
        return "NULL".to_owned();
    }
    if column.old_large {
        format!("CASE WHEN op.operation IN (1, 3) OR (l.kind = 'U' AND NOT __lab_touched(l.touched, {id})) THEN NULL ELSE {after} END")
    } else if column.large {
        format!(
            "CASE WHEN l.kind = 'U' AND NOT __lab_touched(l.touched, {id}) THEN NULL WHEN op.operation IN (1, 3) THEN {before} ELSE {after} END"
        )
    } else {
        format!("CASE WHEN op.operation IN (1, 3) THEN {before} ELSE {after} END")
    }
}

/// While the log is idle the capture process adds a dummy row (tran_id 0x00), so that
/// `fn_cdc_get_max_lsn` goes on. `at` is the position it stands for.
pub fn note_idle(connection: &Connection, at: i64, now: i64) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO \"cdc.lsn_time_mapping\" (start_lsn, tran_begin_time, tran_end_time, tran_id, tran_begin_lsn)
         VALUES (__lab_lsn(?1), ?2, ?2, x'00', NULL)",
        [at, now],
    )?;
    Ok(())
}
