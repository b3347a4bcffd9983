//! Conversion to dates and times.

use super::super::codec::{DAYS_TO_1900, TICKS_A_DAY};
use super::super::{clock, type_name};
use super::calendar;
use super::convert::{not_allowed, overflow};
use super::format::{Parts, parts};
use super::parse::{self, BadMoment};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

pub(super) fn to_moment(value: &Datum, from: &DataType, to: &DataType) -> Result<Datum, Message> {
    let moment = match value {
        Datum::Text(units) => parse::moment(&String::from_utf16_lossy(units)).map_err(|bad| match bad {
            BadMoment::Form => Message::error(241, "Conversion failed when converting date and/or time from character string."),
            BadMoment::Range => out_of_range(from, to),
        })?,
        // Old style: a number of days since 1900.
        Datum::Int(days) if matches!(to, DataType::DateTime | DataType::SmallDateTime) => {
            let days = u32::try_from(days + DAYS_TO_1900).map_err(|_| overflow("expression", to))?;
            Parts { days, ticks: 0, offset: None }
        }
        Datum::Date(_) if matches!(to, DataType::Time(_)) => return Err(not_allowed(from, to)),
        Datum::Time(_) if matches!(to, DataType::Date) => return Err(not_allowed(from, to)),
        _ => parts(value).ok_or_else(|| not_allowed(from, to))?,
    };
    of_parts(moment, to).ok_or_else(|| out_of_range(from, to))
}

fn out_of_range(from: &DataType, to: &DataType) -> Message {
    let (from, to) = (type_name::name(from), type_name::name(to));
    Message::error(242, format!("The conversion of a {from} data type to a {to} data type resulted in an out-of-range value."))
}

/// A moment (local date and time) as a value of a date or time type; `None` out of range.
#[must_use]
pub fn of_parts(moment: Parts, to: &DataType) -> Option<Datum> {
    let total = u64::from(moment.days) * TICKS_A_DAY + moment.ticks;
    let rounded = |scale: u8| {
        let unit = 10_u64.pow(u32::from(7 - scale.min(7)));
        (total + unit / 2) / unit * unit
    };
    let split = |ticks: u64| {
        let days = u32::try_from(ticks / TICKS_A_DAY).ok().filter(|d| *d <= calendar::LAST_DAY)?;
        Some((days, ticks % TICKS_A_DAY))
    };
    Some(match to {
        DataType::Date => Datum::Date(moment.days),
        DataType::Time(s) => {
            let unit = 10_u64.pow(u32::from(7 - s));
            Datum::Time((moment.ticks + unit / 2) / unit * unit % TICKS_A_DAY)
        }
        DataType::DateTime => {
            let value = clock::to_datetime(total);
            // From 1753-01-01, the first year of the Gregorian calendar in Britain.
            match value {
                Datum::DateTime { days, .. } if (-53_690..=2_958_463).contains(&days) => value,
                _ => return None,
            }
        }
        DataType::SmallDateTime => {
            let minutes = (total + 300_000_000) / 600_000_000;
            let days = i64::try_from(minutes / 1440).ok()? - DAYS_TO_1900;
            Datum::SmallDateTime { days: u16::try_from(days).ok()?, minutes: u16::try_from(minutes % 1440).ok()? }
        }
        DataType::DateTime2(s) => {
            let (days, ticks) = split(rounded(*s))?;
            Datum::DateTime2 { days, ticks }
        }
        DataType::DateTimeOffset(s) => {
            let offset = moment.offset.unwrap_or(0);
            let utc = rounded(*s).checked_add_signed(-i64::from(offset) * 600_000_000)?;
            let (days, ticks) = split(utc)?;
            Datum::DateTimeOffset { days, ticks, offset }
        }
        _ => return None,
    })
}
