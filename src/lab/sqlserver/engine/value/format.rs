//! Values as text, by SQL Server's conversion styles.
#![expect(clippy::many_single_char_names, reason = "letters as the rules of arithmetic and the calendar write them")]

use super::super::codec::{DAYS_TO_1900, TICKS_A_DAY};
use super::calendar;
use crate::lab::sqlserver::types::{DataType, Datum};
use std::fmt::Write as _;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A decimal in plain digits with a point: `-0.50`.
#[must_use]
pub fn decimal(unscaled: i128, scale: u8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{part}")
}

/// Binary style 0 of float: at most six digits, exponent form when large or small.
fn float(value: f64, style: i32, digits: usize) -> String {
    if style == 3 {
        return format!("{value:e}").replace('e', "e");
    }
    let digits = match style {
        1 => 8,
        2 => 16,
        _ => digits,
    };
    if value == 0.0 {
        return "0".into();
    }
    let text = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if style == 0 && (-5..i32::try_from(digits).unwrap_or(6)).contains(&exponent) {
        let decimals = usize::try_from(i32::try_from(digits).unwrap_or(6) - 1 - exponent).unwrap_or(0);
        let plain = format!("{value:.decimals$}");
        return if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.').into() } else { plain };
    }
    let mantissa = if style == 0 { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:03}", exponent.abs())
}

/// The text form under a style; `None` for a style that the lab does not know.
#[must_use]
pub fn to_text(value: &Datum, data_type: &DataType, style: i32) -> Option<String> {
    Some(match value {
        Datum::Null => return None,
        Datum::Bit(b) => if *b { "1" } else { "0" }.into(),
        Datum::Int(i) => i.to_string(),
        Datum::Decimal { unscaled, scale } => decimal(*unscaled, *scale),
        Datum::Money(m) => match style {
            2 | 126 => decimal(i128::from(*m), 4),
            // Two decimals, rounded half away from zero.
            _ => decimal(i128::from((m + m.signum() * 50) / 100), 2),
        },
        Datum::Real(f) => float(f64::from(*f), style, 6),
        Datum::Float(f) => float(*f, style, 6),
        Datum::Text(units) => String::from_utf16_lossy(units),
        Datum::Bytes(bytes) => match style {
            1 | 2 => {
                let mut out = String::from(if style == 1 { "0x" } else { "" });
                for b in bytes {
                    let _ = write!(out, "{b:02X}");
                }
                out
            }
            _ => bytes.iter().map(|b| char::from(*b)).collect(),
        },
        Datum::Guid(g) => guid(g),
        Datum::Variant(inner) => return to_text(&inner.1, &inner.0, style),
        _ => return date_time(value, data_type, style),
    })
}

/// Upper case, as the server writes it.
#[must_use]
pub fn guid(bytes: &[u8; 16]) -> String {
    let mut out = String::with_capacity(36);
    for (i, b) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let _ = write!(out, "{b:02X}");
    }
    out
}

/// A moment taken apart: local date and time, with an offset for `datetimeoffset`.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    pub days: u32,
    /// 100 ns of the day.
    pub ticks: u64,
    pub offset: Option<i16>,
}

/// The parts of a date or time value; times fall on 1900-01-01, dates on midnight.
#[must_use]
pub fn parts(value: &Datum) -> Option<Parts> {
    let of_1900 = |days: i64| u32::try_from(days + DAYS_TO_1900).ok();
    let (days, ticks, offset) = match value {
        Datum::Date(days) => (*days, 0, None),
        Datum::Time(ticks) => (of_1900(0)?, *ticks, None),
        // 1/300 s to 100 ns, rounded: .003 is shown for one unit, and .0033333 as datetime2.
        Datum::DateTime { days, ticks } => (of_1900(i64::from(*days))?, (u64::from(*ticks) * 100_000 + 1) / 3, None),
        Datum::SmallDateTime { days, minutes } => (of_1900(i64::from(*days))?, u64::from(*minutes) * 600_000_000, None),
        Datum::DateTime2 { days, ticks } => (*days, *ticks, None),
        Datum::DateTimeOffset { days, ticks, offset } => {
            let utc = u64::from(*days) * TICKS_A_DAY + ticks;
            let local = utc.saturating_add_signed(i64::from(*offset) * 600_000_000);
            (u32::try_from(local / TICKS_A_DAY).ok()?, local % TICKS_A_DAY, Some(*offset))
        }
        _ => return None,
    };
    Some(Parts { days, ticks, offset })
}

fn scale_of(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Time(s) | DataType::DateTime2(s) | DataType::DateTimeOffset(s) => *s,
        DataType::DateTime => 3,
        _ => 0,
    }
}

fn date_time(value: &Datum, data_type: &DataType, style: i32) -> Option<String> {
    let Parts { days, ticks, offset } = parts(value)?;
    let (year, month, day) = calendar::date(days);
    let (h, m, s) = (ticks / 36_000_000_000, ticks / 600_000_000 % 60, ticks / 10_000_000 % 60);
    let scale = scale_of(data_type);
    let fraction = match value {
        // Milliseconds as the server rounds them: 0, 3, 7.
        Datum::DateTime { ticks, .. } => format!(".{:03}", (u64::from(*ticks) % 300 * 10 + 1) / 3),
        _ if scale > 0 => format!(".{}", &format!("{:07}", ticks % 10_000_000)[..usize::from(scale)]),
        _ => String::new(),
    };
    let zone = |space: &str| {
        offset.map_or_else(String::new, |o| {
            let sign = if o < 0 { '-' } else { '+' };
            format!("{space}{sign}{:02}:{:02}", o.abs() / 60, o.abs() % 60)
        })
    };
    let old = matches!(data_type, DataType::DateTime | DataType::SmallDateTime);
    let date = format!("{year:04}-{month:02}-{day:02}");
    let hms = format!("{h:02}:{m:02}:{s:02}");
    let is_date = matches!(data_type, DataType::Date);
    let is_time = matches!(data_type, DataType::Time(_));
    let month_name = MONTHS.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    Some(match style {
        // The default of the old types; the newer ones write ODBC form.
        0 | 100 if old => {
            let hour = if h % 12 == 0 { 12 } else { h % 12 };
            format!("{month_name} {day:>2} {year:04} {hour:>2}:{m:02}{}", if h < 12 { "AM" } else { "PM" })
        }
        0 | 20 | 21 | 25 | 120 | 121 | 126 | 127 if is_date => date,
        0 | 21 | 25 | 121 | 126 | 127 if is_time => format!("{hms}{fraction}"),
        20 | 120 if is_time => hms,
        20 | 120 => format!("{date} {hms}{}", zone(" ")),
        0 | 21 | 25 | 121 => format!("{date} {hms}{}{}", if data_type == &DataType::SmallDateTime { ".000" } else { &fraction }, zone(" ")),
        23 => date,
        101 => format!("{month:02}/{day:02}/{year:04}"),
        102 => format!("{year:04}.{month:02}.{day:02}"),
        103 => format!("{day:02}/{month:02}/{year:04}"),
        104 => format!("{day:02}.{month:02}.{year:04}"),
        112 => format!("{year:04}{month:02}{day:02}"),
        108 | 8 => hms,
        126 => format!("{date}T{hms}{fraction}{}", zone("")),
        127 => {
            let utc = (u64::from(days) * TICKS_A_DAY + ticks).saturating_add_signed(-i64::from(offset.unwrap_or(0)) * 600_000_000);
            let (year, month, day) = calendar::date(u32::try_from(utc / TICKS_A_DAY).ok()?);
            let t = utc % TICKS_A_DAY;
            let z = if offset.is_some() { "Z" } else { "" };
            format!(
                "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}{z}",
                t / 36_000_000_000,
                t / 600_000_000 % 60,
                t / 10_000_000 % 60
            )
        }
        _ => return None,
    })
}
