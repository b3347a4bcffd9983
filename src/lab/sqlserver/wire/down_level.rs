//! date, time, datetime2 and datetimeoffset for clients of TDS 7.2, which do not know them: they
//! get the text, as SQL Server sends it to them.

use jiff::Span;
use jiff::civil::{self, DateTime};

use super::super::types::{DataType, Datum};

/// The type as a client of TDS 7.2 sees it; `None` when it knows the type.
pub(super) fn data_type(data_type: &DataType) -> Option<DataType> {
    let units = match data_type {
        DataType::Date => 10,
        DataType::Time(_) => 16,
        DataType::DateTime2(_) => 27,
        DataType::DateTimeOffset(_) => 34,
        _ => return None,
    };
    Some(DataType::NVarChar(Some(units)))
}

/// The text of a value of `data_type`; `None` when the client knows the type. A value outside the
/// calendar is passed on as it is, for the check of values to name.
pub(super) fn value(data_type: &DataType, value: &Datum) -> Option<Datum> {
    let text = match (data_type, value) {
        (DataType::Date, Datum::Date(days)) => at(*days, 0)?.date().to_string(),
        (DataType::Time(scale), Datum::Time(ticks)) => clock(at(0, *ticks)?, *ticks, *scale),
        (DataType::DateTime2(scale), Datum::DateTime2 { days, ticks }) => {
            let moment = at(*days, *ticks)?;
            format!("{} {}", moment.date(), clock(moment, *ticks, *scale))
        }
        (DataType::DateTimeOffset(scale), Datum::DateTimeOffset { days, ticks, offset }) => {
            let local = at(*days, *ticks)?.checked_add(Span::new().try_minutes(i64::from(*offset)).ok()?).ok()?;
            let sign = if *offset < 0 { '-' } else { '+' };
            let minutes = offset.unsigned_abs();
            format!("{} {} {sign}{:02}:{:02}", local.date(), clock(local, *ticks, *scale), minutes / 60, minutes % 60)
        }
        _ => return None,
    };
    Some(Datum::Text(text.encode_utf16().collect()))
}

fn at(days: u32, ticks: u64) -> Option<DateTime> {
    let seconds = i64::try_from(ticks / 10_000_000).ok()?;
    let span = Span::new().try_days(i64::from(days)).ok()?.try_seconds(seconds).ok()?;
    civil::datetime(1, 1, 1, 0, 0, 0, 0).checked_add(span).ok()
}

/// The time of day, its fraction with as many digits as the scale says.
fn clock(moment: DateTime, ticks: u64, scale: u8) -> String {
    let time = format!("{:02}:{:02}:{:02}", moment.hour(), moment.minute(), moment.second());
    let fraction = format!("{:07}", ticks % 10_000_000);
    match fraction.get(..usize::from(scale)) {
        None | Some("") => time,
        Some(digits) => format!("{time}.{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(data_type: &DataType, datum: &Datum) -> String {
        match value(data_type, datum) {
            Some(Datum::Text(units)) => String::from_utf16(&units).unwrap(),
            other => panic!("no text: {other:?}"),
        }
    }

    #[test]
    fn times_become_text() {
        assert_eq!(shown(&DataType::Date, &Datum::Date(738_000)), "2021-07-30");
        assert_eq!(shown(&DataType::Date, &Datum::Date(0)), "0001-01-01");
        assert_eq!(shown(&DataType::Time(0), &Datum::Time(36_610_000_000)), "01:01:01");
        assert_eq!(shown(&DataType::Time(7), &Datum::Time(863_999_999_999)), "23:59:59.9999999");
        let moment = Datum::DateTime2 { days: 3_652_058, ticks: 1_230_000 };
        assert_eq!(shown(&DataType::DateTime2(3), &moment), "9999-12-31 00:00:00.123");
        let offset = Datum::DateTimeOffset { days: 738_000, ticks: 0, offset: -330 };
        assert_eq!(shown(&DataType::DateTimeOffset(0), &offset), "2021-07-29 18:30:00 -05:30");
    }

    #[test]
    fn other_types_and_null_stay() {
        assert_eq!(data_type(&DataType::DateTime), None);
        assert_eq!(value(&DataType::DateTime, &Datum::DateTime { days: 1, ticks: 1 }), None);
        assert_eq!(value(&DataType::Date, &Datum::Null), None);
        assert_eq!(value(&DataType::Date, &Datum::Date(u32::MAX)), None);
    }
}
