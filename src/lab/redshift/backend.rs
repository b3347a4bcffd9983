//! A session's own connection to the PostgreSQL behind.

use std::io;
use std::path::Path;

use bytes::Bytes;
use tokio::net::UnixStream;

use super::wire::frame::{Frame, FrameReader, FrameWriter};
use super::wire::message::{SqlError, fields, one_text, row_values};
use super::wire::startup;

/// Where the server stands between statements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    Idle,
    InTransaction,
    /// Only ROLLBACK helps.
    Failed,
}

impl Standing {
    pub fn letter(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }
}

pub(super) struct Backend {
    pub reader: FrameReader,
    pub writer: FrameWriter,
    pub standing: Standing,
}

pub(super) type Row = Vec<Option<Bytes>>;

impl Backend {
    pub async fn connect(socket: &Path, parameters: &[(&str, &str)]) -> io::Result<Self> {
        let (read, write) = UnixStream::connect(socket).await?.into_split();
        let mut backend = Self { reader: FrameReader::new(read), writer: FrameWriter::new(write), standing: Standing::Idle };
        backend.writer.raw(&startup::packet(parameters)).await?;
        Ok(backend)
    }

    /// The next message; the end of the connection is an error.
    pub async fn next(&mut self) -> io::Result<Frame> {
        let frame = self
            .reader
            .next()
            .await?
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the server behind closed the connection"))?;
        if frame.tag == b'Z' {
            self.standing = match frame.body.first() {
                Some(b'T') => Standing::InTransaction,
                Some(b'E') => Standing::Failed,
                _ => Standing::Idle,
            };
        }
        Ok(frame)
    }

    pub async fn send_query(&mut self, sql: &str) -> io::Result<()> {
        self.writer.send(b'Q', &one_text(sql)).await?;
        self.writer.flush().await
    }

    /// Runs a statement that the client does not see. The inner error is the server's.
    pub async fn query(&mut self, sql: &str) -> io::Result<Result<Vec<Row>, SqlError>> {
        self.send_query(sql).await?;
        self.answer().await
    }

    /// Gathers everything up to ReadyForQuery.
    pub async fn answer(&mut self) -> io::Result<Result<Vec<Row>, SqlError>> {
        let mut answer = Ok(Vec::new());
        loop {
            let frame = self.next().await?;
            match (frame.tag, &mut answer) {
                (b'Z', _) => return Ok(answer),
                (b'D', Ok(rows)) => rows.extend(row_values(&frame.body)),
                (b'E', _) => answer = Err(translate(&frame.body)),
                _ => {}
            }
        }
    }

    /// Makes an open transaction fail, as an error of Redshift's would.
    pub async fn fail(&mut self) -> io::Result<()> {
        if self.standing == Standing::InTransaction {
            let _ = self.query("SELECT pg_catalog.lab_fail()").await?;
        }
        Ok(())
    }
}

/// An error of PostgreSQL's in Redshift's words.
pub(super) fn translate(body: &[u8]) -> SqlError {
    let found = fields(body);
    let field = |tag: u8| found.iter().find(|(t, _)| *t == tag).map(|(_, value)| value.as_str());
    let code = field(b'C').unwrap_or("XX000");
    let mut error = SqlError::new(code, field(b'M').unwrap_or_default());
    error.detail = field(b'D').map(str::to_owned);
    error.hint = field(b'H').map(str::to_owned);
    error.severity = match field(b'S') {
        Some("FATAL") => "FATAL",
        Some("PANIC") => "PANIC",
        Some("WARNING") => "WARNING",
        Some("NOTICE") => "NOTICE",
        Some("INFO") => "INFO",
        Some("LOG") => "LOG",
        Some("DEBUG") => "DEBUG",
        _ => "ERROR",
    };
    match code {
        // Redshift's snapshot isolation aborts the later writer.
        "40001" => {
            let text = "could not complete because of conflict with concurrent transaction";
            return SqlError::new("XX000", text).detail(error.message);
        }
        "23502" => {
            error.detail = None;
            if let Some(column) = field(b'c') {
                error.message = format!("Cannot insert a NULL value into column {column}");
            }
        }
        // The detail would show the row.
        "23514" => {
            error.detail = None;
            if let Some(said) = field(b'n').and_then(guard) {
                return said;
            }
        }
        _ => {}
    }
    error
}

/// The violation of a CHECK that stands for a rule of Redshift's.
fn guard(constraint: &str) -> Option<SqlError> {
    let mut parts = constraint.strip_prefix("__lab_")?.split('_');
    let (kind, most) = (parts.next()?, parts.next()?);
    Some(match kind {
        "bytes" => SqlError::new("22001", format!("value too long for type character varying({most})")),
        "char" => SqlError::new("22001", format!("value too long for type character({most})")),
        "varbyte" => SqlError::new("22001", format!("value too long for type binary varying({most})")),
        "int64" => SqlError::new("22003", "Numeric data overflow (result precision)"),
        _ => return None,
    })
}
