//! One COPY: columns from the catalogue, files from the store, values checked, rows into the
//! session's own transaction.

use std::io;
use std::sync::Arc;

use super::super::Shared;
use super::super::backend::Backend;
use super::super::sql::names::quote;
use super::super::wire::message::SqlError;
use super::csv::{CsvReader, Record};
use super::errors::{LoadError, ValueError, code};
use super::files::{self, File};
use super::history::{Load, note_error, note_load};
use super::options::CopyStatement;
use super::source::{ObjectSource, S3Source};
use super::table::{self, Table};
use super::values::{Reading, Target};
use super::zstd::Unpacker;

/// Rows are handed on in pieces of about this many bytes.
const PIECE: usize = 64 << 10;

/// Where rows wait for a table with row-level security: PostgreSQL takes no COPY into such a table, and
/// Redshift's COPY knows no policy.
const WAITING: &str = "pg_temp.lab_copy";

/// Whose COPY it is.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Who<'a> {
    pub pid: i32,
    pub user: &'a str,
}

/// A column whose first value a planned fault refuses, and the load error code.
pub(in super::super) type Refused = (&'static str, i32);

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

pub(in super::super) async fn run(
    backend: &mut Backend,
    shared: &Shared,
    copy: &CopyStatement,
    who: Who<'_>,
    refuse: Option<Refused>,
) -> io::Result<Ended> {
    let table = match table::read(backend, copy).await? {
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
    let names = table.columns.iter().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ");
    if table.secured {
        let made = format!("CREATE TEMPORARY TABLE lab_copy AS SELECT {names} FROM {} WITH NO DATA", copy.table);
        if let Err(error) = backend.query(&format!("DROP TABLE IF EXISTS {WAITING}; {made}")).await? {
            return Ok(Ended::before(error));
        }
    }
    let into = if table.secured { WAITING } else { copy.table.as_str() };
    backend.send_query(&format!("COPY {into} ({names}) FROM STDIN")).await?;
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
    let streamed = stream(backend, copy, &table, &files, source.as_ref(), refuse).await;
    let result = match streamed {
        Ok(rows) => {
            backend.writer.send(b'c', &[]).await?;
            backend.writer.flush().await?;
            let ended = match backend.answer().await? {
                Ok(_) if table.secured => {
                    let moved = format!("INSERT INTO {} ({names}) SELECT {names} FROM {WAITING}; DROP TABLE {WAITING}", copy.table);
                    backend.query(&moved).await?
                }
                ended => ended,
            };
            ended.map(|_| rows)
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
    let load = Load { id, url: &copy.url, files: files.len(), rows: result.as_ref().ok().copied(), began };
    note_load(shared, &table, &load, who).await.map_err(io::Error::other)?;
    Ok(Ended { id: Some(id), result })
}

/// Ends the server's COPY by an error, which fails an open transaction too.
async fn give_up(backend: &mut Backend) -> io::Result<()> {
    backend.writer.send(b'f', b"lab: load failed\0").await?;
    backend.writer.flush().await?;
    let _ = backend.answer().await?;
    Ok(())
}

/// Reads all files into the server's COPY; returns the rows.
async fn stream(
    backend: &mut Backend,
    copy: &CopyStatement,
    table: &Table,
    files: &[File],
    source: &dyn ObjectSource,
    refuse: Option<Refused>,
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
            } else if let Some((name, code)) = refuse {
                let at = table.columns.iter().position(|column| column.name == name);
                return Err(refused(file, reader.current(), table, at, ValueError::new(code, "Refused by a planned fault")));
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
