//! One COPY: columns from the catalogue, files from the store, values checked, rows into the
//! session's own transaction.

use std::io;
use std::sync::Arc;

use tokio_postgres::types::ToSql;

use super::super::Shared;
use super::super::backend::{Backend, Row};
use super::super::sql::names::quote;
use super::super::sql::rewrite::quote as literal;
use super::super::wire::message::SqlError;
use super::csv::{CsvReader, Record};
use super::errors::{LoadError, ValueError, code};
use super::files::{self, File};
use super::options::CopyStatement;
use super::source::{ObjectSource, S3Source};
use super::values::{Kind, Reading, Target};
use super::zstd::Unpacker;

/// Rows are handed on in pieces of about this many bytes.
const PIECE: usize = 64 << 10;

/// Whose COPY it is.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Who<'a> {
    pub pid: i32,
    pub user: &'a str,
}

/// How a COPY ended.
#[derive(Debug)]
pub(in super::super) struct Ended {
    /// Set once the load had begun; then `pg_last_copy_id()` becomes this.
    pub id: Option<i64>,
    pub result: Result<u64, SqlError>,
}

impl Ended {
    fn before(error: SqlError) -> Self {
        Self { id: None, result: Err(error) }
    }
}

struct Table {
    oid: u32,
    name: String,
    columns: Vec<Target>,
}

/// Why a load stopped.
enum Stop {
    /// The statement fails with this.
    Error(SqlError),
    /// A value was refused.
    Value(Box<LoadError>),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(in super::super) async fn run(backend: &mut Backend, shared: &Shared, copy: &CopyStatement, who: Who<'_>) -> io::Result<Ended> {
    let table = match table(backend, copy).await? {
        Ok(table) => table,
        Err(error) => return Ok(Ended::before(error)),
    };
    let source: Arc<dyn ObjectSource> = match &shared.source {
        Some(source) => Arc::clone(source),
        None => Arc::new(S3Source::new(&shared.s3, copy.keys.as_ref(), copy.region.as_deref())),
    };
    let files = match files::find(copy, source.as_ref()).await {
        Ok(files) => files,
        Err(error) => return Ok(Ended::before(error)),
    };
    let id: i64 = shared.admin.query_one("SELECT nextval('pg_catalog.lab_query_id')", &[]).await.map_err(io::Error::other)?.get(0);
    let names: Vec<_> = table.columns.iter().map(|column| quote(&column.name)).collect();
    backend.send_query(&format!("COPY {} ({}) FROM STDIN", copy.table, names.join(", "))).await?;
    loop {
        let frame = backend.next().await?;
        match frame.tag {
            b'G' => break,
            b'E' => {
                let error = super::super::backend::translate(&frame.body);
                let _ = backend.answer().await?;
                return Ok(Ended::before(error));
            }
            _ => {}
        }
    }
    let began = std::time::SystemTime::now();
    let streamed = stream(backend, copy, &table, &files, source.as_ref()).await;
    let result = match streamed {
        Ok(rows) if !copy.no_load => {
            backend.writer.send(b'c', &[]).await?;
            backend.writer.flush().await?;
            backend.answer().await?.map(|_| rows)
        }
        Ok(_) => {
            give_up(backend).await?;
            Err(SqlError::not_served("COPY NOLOAD beyond a check of the files, which found nothing"))
        }
        Err(stop) => {
            give_up(backend).await?;
            Err(match stop {
                Stop::Io(error) => return Err(error),
                Stop::Error(error) => error,
                Stop::Value(error) => {
                    note_error(shared, &table, &error, id, who).await.map_err(io::Error::other)?;
                    SqlError::new(
                        "XX000",
                        format!("Load into table '{}' failed.  Check 'sys_load_error_detail' system table for details.", table.name),
                    )
                }
            })
        }
    };
    note_load(shared, &table, copy, files.len(), result.as_ref().ok().copied(), began, id, who).await.map_err(io::Error::other)?;
    Ok(Ended { id: Some(id), result })
}

/// Ends the server's COPY by an error, which fails an open transaction too.
async fn give_up(backend: &mut Backend) -> io::Result<()> {
    backend.writer.send(b'f', b"lab: load failed\0").await?;
    backend.writer.flush().await?;
    let _ = backend.answer().await?;
    Ok(())
}

async fn table(backend: &mut Backend, copy: &CopyStatement) -> io::Result<Result<Table, SqlError>> {
    let sql = format!(
        "SELECT c.oid, c.relname, c.relkind, has_table_privilege(c.oid, 'INSERT'), a.attname, t.typname, a.atttypmod, a.attnotnull, a.attidentity,
                pg_catalog.lab_type_name(c.oid, a.attnum, a.atttypid, a.atttypmod)
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
           JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          WHERE c.oid = {}::regclass AND a.attnum > 0 AND NOT a.attisdropped
          ORDER BY a.attnum",
        literal(&copy.table)
    );
    let rows = match backend.query(&sql).await? {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    Ok(columns(&rows, copy))
}

fn columns(rows: &[Row], copy: &CopyStatement) -> Result<Table, SqlError> {
    let text = |row: &Row, at: usize| {
        row.get(at).and_then(Option::as_ref).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    let Some(first) = rows.first() else {
        return Err(SqlError::new("42P01", format!("Cannot COPY into nonexistent table {}", copy.table)));
    };
    let name = text(first, 1);
    if text(first, 2) != "r" {
        return Err(SqlError::new("42809", format!("Cannot COPY into {name}: it is no table")));
    }
    if text(first, 3) != "t" {
        return Err(SqlError::new("42501", format!("permission denied for relation {name}")));
    }
    let mut all = Vec::new();
    for row in rows {
        let target = Target {
            name: text(row, 4),
            kind: kind(&text(row, 5), text(row, 6).parse().unwrap_or(-1), &text(row, 9))?,
            not_null: text(row, 7) == "t",
        };
        all.push((target, text(row, 8) == "a"));
    }
    let columns = match &copy.columns {
        None => all.into_iter().filter(|(_, always)| !always).map(|(target, _)| target).collect(),
        Some(names) => names
            .iter()
            .map(|wanted| {
                let (target, always) = all
                    .iter()
                    .find(|(target, _)| target.name == *wanted)
                    .ok_or_else(|| SqlError::new("42703", format!("column \"{wanted}\" of relation \"{name}\" does not exist")))?;
                if *always {
                    Err(SqlError::new("0A000", format!("cannot load identity column \"{wanted}\" without EXPLICIT_IDS")))
                } else {
                    Ok(target.clone())
                }
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(Table { oid: text(first, 0).parse().unwrap_or(0), name, columns })
}

fn kind(name: &str, modifier: i32, full: &str) -> Result<Kind, SqlError> {
    let length = usize::try_from(modifier - 4).ok();
    Ok(match name {
        "bool" => Kind::Bool,
        "int2" => Kind::Integer("Short", i16::MIN.into(), i16::MAX.into()),
        "int4" => Kind::Integer("Integer", i32::MIN.into(), i32::MAX.into()),
        "int8" => Kind::Integer("Long", i64::MIN, i64::MAX),
        "numeric" => {
            let packed = u32::try_from(modifier - 4).unwrap_or(18 << 16);
            Kind::Decimal { precision: packed >> 16, scale: packed & 0x7ff }
        }
        "float4" => Kind::Real,
        "float8" => Kind::Double,
        "varchar" | "text" => Kind::Varchar(length.unwrap_or(65_535)),
        "bpchar" => Kind::Char(length.unwrap_or(1)),
        "date" => Kind::Date,
        "time" => Kind::Time,
        "timetz" => Kind::TimeTz,
        "timestamp" => Kind::Timestamp,
        "timestamptz" => Kind::TimestampTz,
        "bytea" => Kind::Varbyte(full.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(64_000)),
        "jsonb" => Kind::Super,
        other => return Err(SqlError::not_served(format!("COPY into columns of type {other}"))),
    })
}

/// Reads all files into the server's COPY; returns the rows.
async fn stream(
    backend: &mut Backend,
    copy: &CopyStatement,
    table: &Table,
    files: &[File],
    source: &dyn ObjectSource,
) -> Result<u64, Stop> {
    let reading = Reading {
        null_as: copy.null_as.clone().into_bytes(),
        accept_invalid: copy.accept_invalid,
        truncate_columns: copy.truncate_columns,
    };
    let mut out = Vec::with_capacity(2 * PIECE);
    let mut rows = 0;
    for file in files {
        let Some(mut object) = files::open(file, source).await.map_err(Stop::Error)? else { continue };
        let mut unpacker = Unpacker::new(copy.compression)?;
        let mut reader = CsvReader::new(copy.quote, copy.delimiter);
        let mut header = copy.ignore_header;
        let mut take = |reader: &mut CsvReader, out: &mut Vec<u8>| -> Result<(), Stop> {
            if header > 0 {
                header -= 1;
            } else {
                write_row(reader.current(), table, &reading, out)
                    .map_err(|(at, error)| refused(file, reader.current(), table, at, error))?;
                rows += 1;
            }
            reader.clear();
            Ok(())
        };
        while let Some(piece) = object.body.next().await.map_err(|error| Stop::Error(files::service(&error)))? {
            let mut input = &piece[..];
            loop {
                let (used, mut bytes) = unpacker.step(input).map_err(|error| broken(file, &error))?;
                let done = used == input.len() && (bytes.is_empty() || matches!(copy.compression, super::options::Compression::None));
                while !bytes.is_empty() {
                    let (read, complete) = reader.feed(bytes).map_err(|error| refused(file, reader.current(), table, None, error))?;
                    bytes = &bytes[read..];
                    if complete {
                        take(&mut reader, &mut out)?;
                    }
                }
                if out.len() >= PIECE {
                    backend.writer.send(b'd', &out).await?;
                    out.clear();
                }
                input = &input[used..];
                if done {
                    break;
                }
            }
        }
        unpacker.finish().map_err(|error| broken(file, &error))?;
        if reader.finish().map_err(|error| refused(file, reader.current(), table, None, error))? {
            take(&mut reader, &mut out)?;
        }
    }
    backend.writer.send(b'd', &out).await?;
    Ok(rows)
}

fn broken(file: &File, error: &io::Error) -> Stop {
    Stop::Error(SqlError::new("XX000", format!("Reading '{}' failed: {error}", file.url())))
}

fn write_row(record: &Record, table: &Table, reading: &Reading, out: &mut Vec<u8>) -> Result<(), (Option<usize>, ValueError)> {
    if record.len() > table.columns.len() {
        return Err((None, ValueError::new(code::EXTRA_FIELDS, "Extra column(s) found")));
    }
    if record.len() < table.columns.len() {
        let (code, reason) =
            if record.is_blank() { (code::EMPTY_LINE, "Empty line") } else { (code::FEWER_FIELDS, "Fewer fields than columns") };
        return Err((None, ValueError::new(code, reason)));
    }
    for (at, column) in table.columns.iter().enumerate() {
        if at > 0 {
            out.push(b'\t');
        }
        column.write(record.field(at), reading, out).map_err(|error| (Some(at), error))?;
    }
    out.push(b'\n');
    Ok(())
}

fn refused(file: &File, record: &Record, table: &Table, at: Option<usize>, error: ValueError) -> Stop {
    let column = at.and_then(|at| table.columns.get(at));
    let (kind, length) = column.map(Target::described).unwrap_or_default();
    // NUL cannot be shown, and neither PostgreSQL nor Redshift would keep it.
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).replace('\0', "\u{fffd}");
    Stop::Value(Box::new(LoadError {
        file: file.url(),
        line: record.line,
        column: column.map(|column| column.name.clone()).unwrap_or_default(),
        kind: kind.to_owned(),
        length,
        raw_line: shown(&record.raw),
        raw_field: at.map(|at| shown(record.field(at))).unwrap_or_default(),
        error,
    }))
}

/// Written on another connection, so that it outlives the transaction that fails.
async fn note_error(shared: &Shared, table: &Table, error: &LoadError, id: i64, who: Who<'_>) -> Result<(), tokio_postgres::Error> {
    const INSERT: &str = "INSERT INTO pg_catalog.lab_load_error
        SELECT $1, r.oid::integer, $2, current_database(), $3, clock_timestamp() AT TIME ZONE 'UTC', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
          FROM pg_catalog.pg_roles r WHERE r.rolname = $14";
    let line = i64::try_from(error.line).unwrap_or(i64::MAX);
    let position = i32::try_from(error.error.position).unwrap_or(i32::MAX);
    let oid = table.oid.cast_signed();
    let values: [&(dyn ToSql + Sync); 14] = [
        &id,
        &who.pid,
        &oid,
        &error.file,
        &line,
        &error.column,
        &error.kind,
        &error.length,
        &position,
        &error.raw_line,
        &error.raw_field,
        &error.error.code,
        &error.error.reason,
        &who.user,
    ];
    shared.admin.execute(INSERT, &values).await.map(drop)
}

#[expect(clippy::too_many_arguments, reason = "one row of the history")]
async fn note_load(
    shared: &Shared,
    table: &Table,
    copy: &CopyStatement,
    files: usize,
    rows: Option<u64>,
    began: std::time::SystemTime,
    id: i64,
    who: Who<'_>,
) -> Result<(), tokio_postgres::Error> {
    const INSERT: &str = "INSERT INTO pg_catalog.lab_load
        SELECT $1, r.oid::integer, r.rolname, $2, current_database(), $3, $4, $5, $6::timestamptz AT TIME ZONE 'UTC', clock_timestamp() AT TIME ZONE 'UTC',
               $7, $8, NULL, $9, $10
          FROM pg_catalog.pg_roles r WHERE r.rolname = $11";
    let status = if rows.is_some() { "completed" } else { "aborted" };
    let loaded = rows.map_or(0, |rows| i64::try_from(rows).unwrap_or(i64::MAX));
    let files = i64::try_from(files).unwrap_or(i64::MAX);
    let errors = i64::from(rows.is_none());
    let oid = table.oid.cast_signed();
    let values: [&(dyn ToSql + Sync); 11] =
        [&id, &who.pid, &oid, &table.name, &status, &began, &copy.url, &loaded, &files, &errors, &who.user];
    shared.admin.execute(INSERT, &values).await.map(drop)
}
