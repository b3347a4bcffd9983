//! The text form of rows in part files (section 4 of the design).
//!
//! Text is always quoted, quotes doubled; in a SUPER column it is a JSON string, quoted once more;
//! every other value is written bare; NULL is the epoch's
//! marker, bare. Lines end in `\n`. COPY reads the files with
//! `FORMAT AS CSV QUOTE AS '"' DELIMITER ',' NULL AS '<marker>'`.

use std::io::Write as _;

use crate::model::change::{KEEP_GONE, KEEP_KEPT, OP_DELETE, OP_UPSERT};
use crate::model::fault::sync::{KEY_UNFIT, MARKER_MET, ROW_UNFIT};
use crate::model::record::{Layout, RowCounts};
use crate::model::{Fault, Keep, Seq, StagedOp, StagedRow, TableShape, Unfit, Value};

use super::unfit::{Fitted, fit_bytes, fit_text, without_nuls};

/// 0001-01-01 to 9999-12-31.
const DAYS: i32 = 3_652_059;
/// 100 ns units in a day.
const TICKS_PER_DAY: u64 = 864_000_000_000;
const REPLACEMENT: char = '\u{fffd}';

/// How the rows of one batch are written: columns, layout, marker, batch number.
#[derive(Clone, Debug)]
pub struct RowFormat {
    columns: Vec<ColumnPlan>,
    large: usize,
    layout: Layout,
    marker: String,
    batch: Seq,
}

#[derive(Clone, Debug)]
struct ColumnPlan {
    name: String,
    key: bool,
    /// Position among the keep flags.
    large: Option<usize>,
    unfit: Unfit,
    /// Bytes that the target column takes.
    limit: Option<usize>,
}

impl RowFormat {
    /// `null_marker` is the marker in the epoch's record 0, `batch` the seq of the record to come.
    ///
    /// # Errors
    /// `ROW_UNFIT` for a marker that could not stand bare in a CSV line.
    pub fn new(shape: &TableShape, layout: Layout, null_marker: &str, batch: Seq) -> Result<Self, Fault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if null_marker.is_empty() || !null_marker.chars().all(plain) {
            return Err(Fault::new(&ROW_UNFIT, "the marker for NULL is not a plain word").evidence("length", null_marker.len()));
        }
        let mut large = 0;
        let mut next_large = || {
            large += 1;
            large - 1
        };
        let columns = shape
            .columns()
            .iter()
            .map(|column| ColumnPlan {
                name: column.name.clone(),
                key: column.is_key(),
                large: column.sql_type.is_large().then(&mut next_large),
                unfit: if column.is_key() { Unfit::Fail } else { column.unfit },
                limit: None,
            })
            .collect();
        Ok(Self { columns, large, layout, marker: null_marker.to_owned(), batch })
    }

    /// Bytes that the target column of each column takes, in the order of the shape: the measure of
    /// its policy. Without limits every value is written whole.
    #[must_use]
    pub fn with_limits(mut self, limits: &[Option<u32>]) -> Self {
        for (column, limit) in self.columns.iter_mut().zip(limits) {
            column.limit = limit.and_then(|limit| usize::try_from(limit).ok());
        }
        self
    }

    /// Appends one line and counts it. On a fault `out` may hold half a line and `counts` half a
    /// row: the batch is lost anyway.
    ///
    /// Of a delete only the key is written; its other cells are NULL.
    pub fn write(&self, row: &StagedRow, out: &mut Vec<u8>, counts: &mut RowCounts) -> Result<(), Fault> {
        self.check_widths(row)?;
        let delete = row.op == StagedOp::Delete;
        if self.layout == Layout::Changes {
            out.extend_from_slice(if delete { OP_DELETE } else { OP_UPSERT }.as_bytes());
            // Writing to a Vec cannot fail, here and below.
            let _ = write!(out, ",{},{}", self.batch, row.order);
        }
        for (at, (column, value)) in self.columns.iter().zip(&row.values).enumerate() {
            if at > 0 || self.layout == Layout::Changes {
                out.push(b',');
            }
            let kept = column.large.is_some_and(|at| row.keep[at] != Keep::Value);
            if column.key {
                self.key_cell(column, value, row.order, out)?;
            } else if delete || kept {
                out.extend_from_slice(self.marker.as_bytes());
            } else {
                self.cell(column, value, row.order, out, counts)?;
            }
        }
        if self.layout == Layout::Changes {
            for keep in &row.keep {
                out.push(b',');
                out.extend_from_slice(match keep {
                    _ if delete => self.marker.as_bytes(),
                    Keep::Value => self.marker.as_bytes(),
                    Keep::Kept => KEEP_KEPT.as_bytes(),
                    Keep::Gone => KEEP_GONE.as_bytes(),
                });
            }
        }
        out.push(b'\n');
        if delete {
            counts.deletes += 1;
        } else {
            counts.upserts += 1;
            counts.kept += count(&row.keep, Keep::Kept);
            counts.gone += count(&row.keep, Keep::Gone);
        }
        Ok(())
    }

    fn check_widths(&self, row: &StagedRow) -> Result<(), Fault> {
        let fits = row.values.len() == self.columns.len() && row.keep.len() == self.large;
        // The production layout has no room for an operation or a flag.
        let plain = row.op == StagedOp::Upsert && row.keep.iter().all(|keep| *keep == Keep::Value);
        if fits && (plain || self.layout == Layout::Changes) {
            return Ok(());
        }
        let what = if fits { "a row of a plain scan carries a delete or a keep flag" } else { "a row has another width than its table" };
        Err(Fault::new(&ROW_UNFIT, what)
            .evidence("order", row.order)
            .evidence("columns", self.columns.len())
            .evidence("values", row.values.len())
            .evidence("large_columns", self.large)
            .evidence("flags", row.keep.len()))
    }

    /// Rule E8: a key goes through unchanged or not at all.
    fn key_cell(&self, column: &ColumnPlan, value: &Value, order: i64, out: &mut Vec<u8>) -> Result<(), Fault> {
        let reason = match value {
            Value::Null => Some("is NULL"),
            Value::Text(text) if text.contains('\0') => Some("holds a NUL character"),
            Value::Text(text) if text.contains(REPLACEMENT) => Some("holds U+FFFD, which may stand for a broken surrogate"),
            Value::Bytes(bytes) if bytes.is_empty() => Some("is an empty binary, which COPY reads as NULL"),
            Value::Time(ticks) | Value::Timestamp { ticks, .. } | Value::TimestampTz { ticks, .. } if ticks % 10 != 0 => {
                Some("has a seventh fractional digit")
            }
            _ => None,
        };
        if let Some(reason) = reason {
            let what = format!("a value of the key column {:?} {reason}", column.name);
            return Err(Fault::new(&KEY_UNFIT, what).evidence("column", &column.name).evidence("order", order));
        }
        self.cell(column, value, order, out, &mut RowCounts::default())
    }

    fn cell(&self, column: &ColumnPlan, value: &Value, order: i64, out: &mut Vec<u8>, counts: &mut RowCounts) -> Result<(), Fault> {
        let from = out.len();
        let same = match value {
            Value::Null => self.null(out),
            Value::Text(text) => {
                let (text, nuls) = without_nuls(text);
                counts.replaced_nuls += nuls;
                counts.replacement_characters += (text.matches(REPLACEMENT).count() as u64).saturating_sub(nuls);
                match fit_text(&text, column.unfit, column.limit) {
                    Fitted::Null => {
                        counts.unfit.entry(column.name.clone()).or_default().nulled += 1;
                        self.null(out)
                    }
                    Fitted::Json(json) => {
                        write_text(&json, out);
                        false
                    }
                    fitted @ (Fitted::Whole(_) | Fitted::Cut(_)) => {
                        if let Fitted::Cut(_) = fitted {
                            counts.unfit.entry(column.name.clone()).or_default().truncated += 1;
                        }
                        let text = fitted.text();
                        write_text(text, out);
                        // Whether COPY tells a quoted marker from a bare one is documented nowhere.
                        *text == self.marker
                    }
                }
            }
            Value::Bytes(bytes) => match fit_bytes(bytes, column.unfit, column.limit) {
                None => {
                    counts.unfit.entry(column.name.clone()).or_default().nulled += 1;
                    self.null(out)
                }
                Some(kept) => {
                    counts.empty_binaries += u64::from(kept.is_empty());
                    if kept.len() < bytes.len() {
                        counts.unfit.entry(column.name.clone()).or_default().truncated += 1;
                    }
                    write_hex(kept, out);
                    out[from..] == *self.marker.as_bytes()
                }
            },
            bare => {
                write_bare(bare, out).map_err(|reason| {
                    let what = format!("a value of the column {:?} {reason}", column.name);
                    Fault::new(&ROW_UNFIT, what).evidence("column", &column.name).evidence("order", order)
                })?;
                out[from..] == *self.marker.as_bytes()
            }
        };
        if same {
            let what = format!("a value of the column {:?} equals the marker for NULL", column.name);
            return Err(Fault::new(&MARKER_MET, what).evidence("column", &column.name).evidence("order", order));
        }
        Ok(())
    }

    /// Writes NULL, which is not a value that equals the marker.
    fn null(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(self.marker.as_bytes());
        false
    }
}

fn count(flags: &[Keep], flag: Keep) -> u64 {
    flags.iter().map(|keep| u64::from(*keep == flag)).sum()
}

/// Quoted text.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut pieces = text.split('"');
    out.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
    for piece in pieces {
        out.extend_from_slice(b"\"\"");
        out.extend_from_slice(piece.as_bytes());
    }
    out.push(b'"');
}

/// Everything but NULL and text. The error says what is wrong with the value, never the value.
fn write_bare(value: &Value, out: &mut Vec<u8>) -> Result<(), &'static str> {
    match value {
        Value::Null | Value::Text(_) | Value::Bytes(_) => return Err("is not a bare value"),
        Value::Bool(v) => out.push(if *v { b't' } else { b'f' }),
        Value::Int(v) => {
            let _ = write!(out, "{v}");
        }
        Value::Decimal(v) => {
            let _ = write!(out, "{v}");
        }
        // `{:?}` is the shortest text that reads back to the same number, with an exponent only
        // where plain digits would be long.
        Value::Real(v) if v.is_finite() => {
            let _ = write!(out, "{v:?}");
        }
        Value::Float(v) if v.is_finite() => {
            let _ = write!(out, "{v:?}");
        }
        Value::Real(_) | Value::Float(_) => return Err("is not a finite number"),
        Value::Date(days) => write_date(*days, out)?,
        Value::Time(ticks) => write_time(*ticks, out)?,
        Value::Timestamp { days, ticks } => write_timestamp(*days, *ticks, out)?,
        Value::TimestampTz { days, ticks, .. } => {
            write_timestamp(*days, *ticks, out)?;
            out.extend_from_slice(b"+00");
        }
        Value::Uuid(v) => out.extend_from_slice(v.hyphenated().encode_lower(&mut [0; 36]).as_bytes()),
    }
    Ok(())
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

fn write_timestamp(days: i32, ticks: u64, out: &mut Vec<u8>) -> Result<(), &'static str> {
    write_date(days, out)?;
    out.push(b' ');
    write_time(ticks, out)
}

fn write_date(days: i32, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let (year, month, day) = civil(days).ok_or("is a date outside the years 0001 to 9999")?;
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
    Ok(())
}

/// `HH:MM:SS.ffffff`. The seventh digit is cut, never rounded: rounding can make 24:00:00.
fn write_time(ticks: u64, out: &mut Vec<u8>) -> Result<(), &'static str> {
    if ticks >= TICKS_PER_DAY {
        return Err("is a time past midnight");
    }
    let micros = ticks / 10;
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = write!(out, "{hour:02}:{minute:02}:{second:02}.{fraction:06}");
    Ok(())
}

/// Year, month and day of a day number (0 = 0001-01-01) in the proleptic Gregorian calendar.
fn civil(days: i32) -> Option<(i32, i32, i32)> {
    if !(0..DAYS).contains(&days) {
        return None;
    }
    // Years that begin in March put the leap day last: 0000-03-01 lies 306 days before day 0.
    let days = days + 306;
    let century = (4 * days + 3) / 146_097;
    let of_century = days - 146_097 * century / 4;
    let year = (4 * of_century + 3) / 1461;
    let of_year = of_century - 1461 * year / 4;
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = 100 * century + year;
    Some(if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan as _;
    use jiff::civil::date;

    fn bare(value: &Value) -> String {
        let mut out = Vec::new();
        write_bare(value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_day_has_its_date() {
        let mut day = date(1, 1, 1);
        for days in 0..DAYS {
            let civil = civil(days).unwrap();
            assert_eq!(civil, (i32::from(day.year()), i32::from(day.month()), i32::from(day.day())), "{days}");
            if days < DAYS - 1 {
                day = day.checked_add(1.day()).unwrap();
            }
        }
        assert_eq!((day, civil(DAYS), civil(-1)), (date(9999, 12, 31), None, None));
    }

    #[test]
    fn the_seventh_digit_is_cut_even_at_the_end_of_the_day() {
        assert_eq!(bare(&Value::Time(TICKS_PER_DAY - 1)), "23:59:59.999999");
        assert_eq!(bare(&Value::Time(19)), "00:00:00.000001");
        assert_eq!(bare(&Value::Timestamp { days: 0, ticks: 0 }), "0001-01-01 00:00:00.000000");
        let last = Value::TimestampTz { days: DAYS - 1, ticks: TICKS_PER_DAY - 1, offset_minutes: -840 };
        assert_eq!(bare(&last), "9999-12-31 23:59:59.999999+00");
    }

    #[test]
    fn numbers_are_shortest_and_plain() {
        assert_eq!(bare(&Value::Float(0.1)), "0.1");
        assert_eq!(bare(&Value::Float(f64::MIN)), "-1.7976931348623157e308");
        assert_eq!(bare(&Value::Float(f64::from_bits(1))), "5e-324");
        assert_eq!(bare(&Value::Real(f32::MAX)), "3.4028235e38");
        assert_eq!(bare(&Value::Int(i64::MIN)), "-9223372036854775808");
        assert_eq!(bare(&Value::Bool(true)), "t");
        assert!(write_bare(&Value::Float(f64::NAN), &mut Vec::new()).is_err());
        assert!(write_bare(&Value::Time(TICKS_PER_DAY), &mut Vec::new()).is_err());
    }
}
