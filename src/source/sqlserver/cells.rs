//! Cells of catalogue rows, by column name.
//!
//! A flag may be a bit or an int and a count an int or a bigint, from version to version: what
//! counts is the value. Anything else than expected is a fault that names the column.

use jiff::civil::{Date, DateTime, Time};
use tiberius::{ColumnData, Row};

use super::decode;
use super::error::Place;
use crate::model::fault::src;
use crate::model::{Fault, Lsn};

/// The only row of the n-th result set of an answer.
pub fn one<'a>(results: &'a [Vec<Row>], n: usize, place: &'a Place) -> Result<Cells<'a>, Fault> {
    match results.get(n).map(Vec::as_slice) {
        Some([row]) => Ok(Cells::new(row, place)),
        other => Err(place.fault(&src::UNREADABLE).evidence("result set", n).evidence("rows", other.map_or(0, <[Row]>::len))),
    }
}

/// A row with the place that is blamed when it does not fit.
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    row: &'a Row,
    place: &'a Place,
}

impl<'a> Cells<'a> {
    #[must_use]
    pub fn new(row: &'a Row, place: &'a Place) -> Self {
        Self { row, place }
    }

    fn unfit(&self, column: &str) -> Fault {
        self.place.fault(&src::UNREADABLE).evidence("column", column)
    }

    fn cell(&self, column: &str) -> Result<Option<&'a ColumnData<'static>>, Fault> {
        let data = self.row.get_column_data(column).map_err(|_| self.unfit(column))?;
        Ok(if decode::is_null(data) { None } else { Some(data) })
    }

    fn need<T>(&self, column: &str, value: Option<T>) -> Result<T, Fault> {
        value.ok_or_else(|| self.unfit(column))
    }

    pub fn text_or_null(&self, column: &str) -> Result<Option<String>, Fault> {
        match self.cell(column)? {
            None => Ok(None),
            Some(ColumnData::String(Some(text))) => Ok(Some(text.to_string())),
            Some(ColumnData::Guid(Some(guid))) => Ok(Some(guid.to_string())),
            Some(_) => Err(self.unfit(column)),
        }
    }

    pub fn text(&self, column: &str) -> Result<String, Fault> {
        self.need(column, self.text_or_null(column)?)
    }

    pub fn number_or_null(&self, column: &str) -> Result<Option<i64>, Fault> {
        match self.cell(column)? {
            None => Ok(None),
            Some(ColumnData::Bit(Some(bit))) => Ok(Some(i64::from(*bit))),
            Some(ColumnData::U8(Some(n))) => Ok(Some(i64::from(*n))),
            Some(ColumnData::I16(Some(n))) => Ok(Some(i64::from(*n))),
            Some(ColumnData::I32(Some(n))) => Ok(Some(i64::from(*n))),
            Some(ColumnData::I64(Some(n))) => Ok(Some(*n)),
            Some(_) => Err(self.unfit(column)),
        }
    }

    /// A number in the range of `T`.
    pub fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, Fault> {
        let number = self.need(column, self.number_or_null(column)?)?;
        T::try_from(number).map_err(|_| self.unfit(column))
    }

    /// NULL is no.
    pub fn flag(&self, column: &str) -> Result<bool, Fault> {
        Ok(self.number_or_null(column)?.is_some_and(|n| n != 0))
    }

    pub fn bytes_or_null(&self, column: &str) -> Result<Option<Vec<u8>>, Fault> {
        match self.cell(column)? {
            None => Ok(None),
            Some(ColumnData::Binary(Some(bytes))) => Ok(Some(bytes.to_vec())),
            Some(_) => Err(self.unfit(column)),
        }
    }

    pub fn lsn_or_null(&self, column: &str) -> Result<Option<Lsn>, Fault> {
        let bytes = self.bytes_or_null(column)?;
        bytes.map(|bytes| Lsn::try_from(bytes.as_slice()).map_err(|_| self.unfit(column))).transpose()
    }

    pub fn time_or_null(&self, column: &str) -> Result<Option<DateTime>, Fault> {
        let Some(data) = self.cell(column)? else { return Ok(None) };
        let (days, ticks) = decode::timestamp(data).ok_or_else(|| self.unfit(column))?;
        Ok(Some(self.need(column, civil(days, ticks))?))
    }

    pub fn time(&self, column: &str) -> Result<DateTime, Fault> {
        self.need(column, self.time_or_null(column)?)
    }
}

/// Days since 0001-01-01 and 100 ns units since midnight.
fn civil(days: i32, ticks: u64) -> Option<DateTime> {
    let date = Date::constant(1, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    let nanoseconds = jiff::Span::new().try_nanoseconds(i64::try_from(ticks).ok()?.checked_mul(100)?).ok()?;
    let time = Time::midnight().checked_add(nanoseconds).ok()?;
    Some(date.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiberius::ColumnType;
    use tiberius::time::DateTime as WireDateTime;

    fn row(value: ColumnData<'static>) -> Row {
        Row::builder().column("c", ColumnType::Null, value).build()
    }

    #[test]
    fn server_times_become_civil_times() {
        let place = Place::new("x");
        let read = |value| Cells::new(&row(value), &place).time("c").map(|time| time.to_string());
        assert_eq!(read(ColumnData::DateTime(Some(WireDateTime::new(0, 1)))).unwrap(), "1900-01-01T00:00:00.003");
        assert_eq!(read(ColumnData::DateTime(Some(WireDateTime::new(2_958_463, 25_919_999)))).unwrap(), "9999-12-31T23:59:59.997");
        assert!(read(ColumnData::I32(Some(1))).is_err() && read(ColumnData::DateTime(None)).is_err());
    }

    #[test]
    fn flags_and_numbers_come_in_any_width() {
        let place = Place::new("x");
        for value in [ColumnData::Bit(Some(true)), ColumnData::U8(Some(1)), ColumnData::I32(Some(1)), ColumnData::I64(Some(1))] {
            let row = row(value);
            let cells = Cells::new(&row, &place);
            assert!(cells.flag("c").unwrap());
            assert_eq!(cells.number::<u8>("c").unwrap(), 1);
        }
        let row = row(ColumnData::I32(Some(300)));
        assert!(Cells::new(&row, &place).number::<u8>("c").is_err());
        assert!(Cells::new(&row, &place).text("other").is_err());
    }
}
