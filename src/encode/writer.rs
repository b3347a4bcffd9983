//! Lines of a batch, compressed and cut into parts.

use std::io::Write as _;

use bytes::Bytes;
use zstd::stream::write::Encoder;

use super::RowFormat;
use crate::model::fault::sync::ROW_UNFIT;
use crate::model::record::RowCounts;
use crate::model::{Fault, StagedRow};

/// Lines gathered before they are compressed.
const LINES: usize = 64 * 1024;
/// Compressed bytes gathered before they are handed out.
const CHUNK: usize = 256 * 1024;

/// Writes the rows of one batch, part after part.
///
/// ```text
/// writer.push(&row)?;
/// while let Some(chunk) = writer.take_chunk() { upload.write(chunk).await?; }
/// if writer.should_rotate() {
///     let end = writer.finish_part()?;
///     upload.write(end.rest).await?;
///     parts.push(upload.finish(end.rows).await?);
/// }
/// ```
/// After the last row, a part with rows in it ([`BatchWriter::part_rows`]) is finished likewise.
/// Memory: about 300 KiB beside zstd's own window, whatever the number of rows.
pub struct BatchWriter {
    format: RowFormat,
    level: i32,
    part_bytes: u64,
    lines: Vec<u8>,
    part: Option<Part>,
    counts: RowCounts,
}

struct Part {
    encoder: Encoder<'static, Vec<u8>>,
    rows: u64,
    handed_out: u64,
}

/// The end of a part.
#[derive(Clone, Debug)]
pub struct PartEnd {
    /// The compressed bytes not yet handed out; never empty.
    pub rest: Bytes,
    /// Rows of the whole part.
    pub rows: u64,
}

impl BatchWriter {
    /// `part_bytes`: compressed size after which a part is full. `level`: of zstd.
    #[must_use]
    pub fn new(format: RowFormat, part_bytes: u64, level: i32) -> Self {
        Self { format, level, part_bytes, lines: Vec::with_capacity(LINES + 4096), part: None, counts: RowCounts::default() }
    }

    /// Adds a row to the current part; the first row opens one.
    pub fn push(&mut self, row: &StagedRow) -> Result<(), Fault> {
        let mut part = match self.part.take() {
            Some(part) => part,
            None => Part::open(self.level).map_err(broken)?,
        };
        self.format.write(row, &mut self.lines, &mut self.counts)?;
        part.rows += 1;
        if self.lines.len() >= LINES {
            part.compress(&mut self.lines).map_err(broken)?;
        }
        self.part = Some(part);
        Ok(())
    }

    /// Compressed bytes to upload, once enough have gathered.
    pub fn take_chunk(&mut self) -> Option<Bytes> {
        let part = self.part.as_mut()?;
        (part.encoder.get_ref().len() >= CHUNK).then(|| part.take())
    }

    /// Whether the current part has reached its size.
    #[must_use]
    pub fn should_rotate(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.handed_out + part.encoder.get_ref().len() as u64 >= self.part_bytes)
    }

    /// Rows in the current part; 0 when none is open.
    #[must_use]
    pub fn part_rows(&self) -> u64 {
        self.part.as_ref().map_or(0, |part| part.rows)
    }

    /// Ends the current part. The next row opens another.
    ///
    /// # Errors
    /// `ROW_UNFIT` when no part is open.
    pub fn finish_part(&mut self) -> Result<PartEnd, Fault> {
        let Some(mut part) = self.part.take() else {
            return Err(Fault::new(&ROW_UNFIT, "a part without rows was to be ended"));
        };
        part.compress(&mut self.lines).map_err(broken)?;
        let rows = part.rows;
        let rest = part.encoder.finish().map_err(broken)?;
        Ok(PartEnd { rest: rest.into(), rows })
    }

    /// Rows of all parts so far.
    #[must_use]
    pub fn counts(&self) -> RowCounts {
        self.counts.clone()
    }
}

impl Part {
    fn open(level: i32) -> std::io::Result<Self> {
        let mut encoder = Encoder::new(Vec::new(), level)?;
        encoder.include_checksum(true)?;
        Ok(Self { encoder, rows: 0, handed_out: 0 })
    }

    fn compress(&mut self, lines: &mut Vec<u8>) -> std::io::Result<()> {
        self.encoder.write_all(lines)?;
        lines.clear();
        Ok(())
    }

    fn take(&mut self) -> Bytes {
        let chunk = std::mem::take(self.encoder.get_mut());
        self.handed_out += chunk.len() as u64;
        chunk.into()
    }
}

fn broken(error: std::io::Error) -> Fault {
    Fault::new(&ROW_UNFIT, "rows could not be compressed").caused_by(error)
}
