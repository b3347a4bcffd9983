//! Functions on dates and times.

use super::super::codec::TICKS_A_DAY;
use super::super::value::format::{Parts, parts};
use super::super::value::moment::of_parts;
use super::super::value::rank::{is_text, is_time};
use super::super::value::{calendar, text};
use super::{Builtin, Run, Signature, strict};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

/// The date parts; the number travels through SQLite as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i64)]
pub(super) enum Part {
    Year,
    Quarter,
    Month,
    DayOfYear,
    Day,
    Week,
    Weekday,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Offset,
}

const PARTS: &[(Part, &[&str])] = &[
    (Part::Year, &["year", "yy", "yyyy"]),
    (Part::Quarter, &["quarter", "qq", "q"]),
    (Part::Month, &["month", "mm", "m"]),
    (Part::DayOfYear, &["dayofyear", "dy", "y"]),
    (Part::Day, &["day", "dd", "d"]),
    (Part::Week, &["week", "wk", "ww"]),
    (Part::Weekday, &["weekday", "dw", "w"]),
    (Part::Hour, &["hour", "hh"]),
    (Part::Minute, &["minute", "mi", "n"]),
    (Part::Second, &["second", "ss", "s"]),
    (Part::Millisecond, &["millisecond", "ms"]),
    (Part::Microsecond, &["microsecond", "mcs"]),
    (Part::Nanosecond, &["nanosecond", "ns"]),
    (Part::Offset, &["tzoffset", "tz"]),
];

impl Part {
    pub(super) fn by_name(word: &str) -> Option<Self> {
        PARTS.iter().find(|(_, names)| names.iter().any(|n| n.eq_ignore_ascii_case(word))).map(|(part, _)| *part)
    }

    fn of(d: &Datum) -> Result<Self, Message> {
        let Datum::Int(i) = d else { return Err(bad_part()) };
        PARTS.iter().map(|(p, _)| *p).find(|p| *p as i64 == *i).ok_or_else(bad_part)
    }

    /// 100 ns in one, for the parts of fixed length (nanoseconds apart).
    fn ticks(self) -> Option<i128> {
        Some(match self {
            Self::Week => 7 * i128::from(TICKS_A_DAY),
            Self::DayOfYear | Self::Day | Self::Weekday => TICKS_A_DAY.into(),
            Self::Hour => 36_000_000_000,
            Self::Minute => 600_000_000,
            Self::Second => 10_000_000,
            Self::Millisecond => 10_000,
            Self::Microsecond => 10,
            _ => return None,
        })
    }
}

const fn with_part(name: &'static str, least: usize, signature: fn(&[DataType]) -> Signature, run: Run) -> Builtin {
    Builtin { name, least, most: least, strict: true, date_part: true, signature, run }
}

pub(super) const FUNCTIONS: &[Builtin] = &[
    with_part(
        "DATEADD",
        3,
        |a| {
            let moment = moment_type(&a[2]);
            Signature { arguments: vec![DataType::Int, DataType::Int, moment.clone()], result: moment }
        },
        |v, _, t| add(Part::of(&v[0])?, int(&v[1]), &v[2], t),
    ),
    with_part(
        "DATEDIFF",
        3,
        |a| difference(a, DataType::Int),
        |v, _, _| {
            let n = differ(Part::of(&v[0])?, &v[1], &v[2])?;
            i32::try_from(n).map(|n| Datum::Int(n.into())).map_err(|_| Message::error(535,
            "The datediff function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use datediff with a less precise datepart."))
        },
    ),
    with_part(
        "DATEDIFF_BIG",
        3,
        |a| difference(a, DataType::BigInt),
        |v, _, _| Ok(i64::try_from(differ(Part::of(&v[0])?, &v[1], &v[2])?).map_or(Datum::Null, Datum::Int)),
    ),
    with_part(
        "DATEPART",
        2,
        |a| Signature { arguments: vec![DataType::Int, part_type(&a[1])], result: DataType::Int },
        |v, _, _| part(Part::of(&v[0])?, &v[1]).map(Datum::Int),
    ),
    with_part(
        "DATENAME",
        2,
        |a| Signature { arguments: vec![DataType::Int, part_type(&a[1])], result: DataType::NVarChar(Some(30)) },
        |v, _, _| {
            let which = Part::of(&v[0])?;
            let n = part(which, &v[1])?;
            Ok(text(&match which {
                Part::Month => name_of(MONTHS, n),
                Part::Weekday => name_of(DAYS, n),
                Part::Offset => format!("{}{:02}:{:02}", if n < 0 { '-' } else { '+' }, n.abs() / 60, n.abs() % 60),
                _ => n.to_string(),
            }))
        },
    ),
    strict("YEAR", 1, 1, one_part, |v, _, _| part(Part::Year, &v[0]).map(Datum::Int)),
    strict("MONTH", 1, 1, one_part, |v, _, _| part(Part::Month, &v[0]).map(Datum::Int)),
    strict("DAY", 1, 1, one_part, |v, _, _| part(Part::Day, &v[0]).map(Datum::Int)),
    strict(
        "EOMONTH",
        1,
        1,
        |_| Signature { arguments: vec![DataType::Date], result: DataType::Date },
        |v, _, _| {
            let (year, month, _) = calendar::date(moment(&v[0])?.days);
            Ok(calendar::days(year, month, calendar::days_in_month(year, month)).map_or(Datum::Null, Datum::Date))
        },
    ),
    strict(
        "DATEFROMPARTS",
        3,
        3,
        |_| Signature { arguments: vec![DataType::Int; 3], result: DataType::Date },
        |v, _, _| {
            let small = |d: &Datum| u32::try_from(int(d)).unwrap_or(0);
            i32::try_from(int(&v[0])).ok().and_then(|y| calendar::days(y, small(&v[1]), small(&v[2]))).map(Datum::Date).ok_or_else(|| {
                Message::error(289, "Cannot construct data type date, some of the arguments have values which are not valid.")
            })
        },
    ),
    strict(
        "TODATETIMEOFFSET",
        2,
        2,
        |a| offset_signature(a, DataType::DateTime2(7)),
        |v, _, t| {
            let at = moment(&v[0])?;
            let offset = zone(&v[1])?;
            of_parts(Parts { offset: Some(offset), ..at }, t).ok_or_else(out_of_range)
        },
    ),
    strict(
        "SWITCHOFFSET",
        2,
        2,
        |a| offset_signature(a, DataType::DateTimeOffset(7)),
        |v, _, _| {
            let offset = zone(&v[1])?;
            Ok(match v[0] {
                Datum::DateTimeOffset { days, ticks, .. } => Datum::DateTimeOffset { days, ticks, offset },
                _ => Datum::Null,
            })
        },
    ),
];

const MONTHS: &[&str] =
    &["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: &[&str] = &["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

fn name_of(names: &[&str], n: i64) -> String {
    usize::try_from(n - 1).ok().and_then(|n| names.get(n)).map_or_else(String::new, |s| (*s).into())
}

fn int(d: &Datum) -> i64 {
    if let Datum::Int(i) = d { *i } else { 0 }
}

fn bad_part() -> Message {
    Message::error(155, "The date part is not a recognized option for this function.")
}

fn out_of_range() -> Message {
    Message::error(517, "Adding a value to a 'datetime' column caused an overflow.")
}

/// Text is read as datetime by the functions that give back their argument's type.
fn moment_type(t: &DataType) -> DataType {
    if is_time(t) { t.clone() } else { DataType::DateTime }
}

fn part_type(t: &DataType) -> DataType {
    if is_text(t) { DataType::DateTimeOffset(7) } else { moment_type(t) }
}

fn one_part(a: &[DataType]) -> Signature {
    Signature { arguments: vec![part_type(&a[0])], result: DataType::Int }
}

fn difference(a: &[DataType], result: DataType) -> Signature {
    Signature { arguments: vec![DataType::Int, part_type(&a[1]), part_type(&a[2])], result }
}

fn offset_signature(a: &[DataType], moment: DataType) -> Signature {
    let scale = match a[0] {
        DataType::DateTime2(s) | DataType::DateTimeOffset(s) | DataType::Time(s) => s,
        DataType::DateTime => 3,
        DataType::SmallDateTime | DataType::Date => 0,
        _ => 7,
    };
    let zone = if is_text(&a[1]) { a[1].clone() } else { DataType::Int };
    Signature { arguments: vec![moment, zone], result: DataType::DateTimeOffset(scale) }
}

fn zone(d: &Datum) -> Result<i16, Message> {
    let bad = || Message::error(9812, "The timezone provided to builtin function todatetimeoffset is invalid.");
    match d {
        Datum::Int(i) => i16::try_from(*i).ok().filter(|z| z.abs() <= 840).ok_or_else(bad),
        Datum::Text(units) => {
            let at = super::super::value::parse::moment(&format!("00:00 {}", String::from_utf16_lossy(units))).map_err(|_| bad())?;
            at.offset.ok_or_else(bad)
        }
        _ => Err(bad()),
    }
}

fn moment(d: &Datum) -> Result<Parts, Message> {
    parts(d).ok_or_else(|| Message::error(8116, "Argument data type is invalid for a date function."))
}

fn add(which: Part, count: i64, value: &Datum, t: &DataType) -> Result<Datum, Message> {
    let at = moment(value)?;
    if let (Datum::DateTime { days, ticks }, Some(unit)) = (value, which.ticks()) {
        // Whole 1/300 s stay exact: only the added span is rounded.
        let units = i128::from(*days) * 25_920_000 + i128::from(*ticks);
        let span = i128::from(count) * unit * 3;
        let sum = units + (span + if span < 0 { -50_000 } else { 50_000 }) / 100_000;
        let days = i32::try_from(sum.div_euclid(25_920_000)).ok().filter(|d| (-53_690..=2_958_463).contains(d)).ok_or_else(out_of_range)?;
        return Ok(Datum::DateTime { days, ticks: u32::try_from(sum.rem_euclid(25_920_000)).unwrap_or(0) });
    }
    let total = i128::from(at.days) * i128::from(TICKS_A_DAY) + i128::from(at.ticks);
    let sum = match which {
        Part::Year | Part::Quarter | Part::Month => {
            let months = count
                * match which {
                    Part::Year => 12,
                    Part::Quarter => 3,
                    _ => 1,
                };
            let (year, month, day) = calendar::date(at.days);
            let index = i64::from(year) * 12 + i64::from(month) - 1 + months;
            let year = i32::try_from(index.div_euclid(12)).map_err(|_| out_of_range())?;
            let month = u32::try_from(index.rem_euclid(12) + 1).unwrap_or(1);
            let day = day.min(calendar::days_in_month(year, month));
            let days = calendar::days(year, month, day).ok_or_else(out_of_range)?;
            i128::from(days) * i128::from(TICKS_A_DAY) + i128::from(at.ticks)
        }
        Part::Nanosecond => total + i128::from(count) / 100,
        _ => total + i128::from(count) * which.ticks().ok_or_else(bad_part)?,
    };
    let days = u32::try_from(sum.div_euclid(i128::from(TICKS_A_DAY)));
    let ticks = u64::try_from(sum.rem_euclid(i128::from(TICKS_A_DAY))).unwrap_or(0);
    // time wraps around midnight.
    let days = if matches!(t, DataType::Time(_)) { at.days } else { days.map_err(|_| out_of_range())? };
    of_parts(Parts { days, ticks, offset: at.offset }, t).ok_or_else(out_of_range)
}

/// Boundaries crossed between the two, each in UTC when it has an offset.
fn differ(which: Part, from: &Datum, to: &Datum) -> Result<i128, Message> {
    let utc = |d: &Datum| -> Result<(i128, u32), Message> {
        let at = moment(d)?;
        let total = i128::from(at.days) * i128::from(TICKS_A_DAY) + i128::from(at.ticks) - i128::from(at.offset.unwrap_or(0)) * 600_000_000;
        Ok((total, u32::try_from(total.div_euclid(i128::from(TICKS_A_DAY))).unwrap_or(0)))
    };
    let ((a, from_day), (b, to_day)) = (utc(from)?, utc(to)?);
    let months = |day: u32| {
        let (year, month, _) = calendar::date(day);
        i128::from(year) * 12 + i128::from(month) - 1
    };
    Ok(match which {
        Part::Year => months(to_day).div_euclid(12) - months(from_day).div_euclid(12),
        Part::Quarter => months(to_day).div_euclid(3) - months(from_day).div_euclid(3),
        Part::Month => months(to_day) - months(from_day),
        // Weeks begin on Sunday; 0001-01-01 was a Monday.
        Part::Week => i128::from((to_day + 1) / 7) - i128::from((from_day + 1) / 7),
        Part::Nanosecond => (b - a) * 100,
        _ => {
            let unit = which.ticks().ok_or_else(bad_part)?;
            b.div_euclid(unit) - a.div_euclid(unit)
        }
    })
}

fn part(which: Part, d: &Datum) -> Result<i64, Message> {
    let at = moment(d)?;
    let (year, month, day) = calendar::date(at.days);
    let of_year = at.days - calendar::days(year, 1, 1).unwrap_or(0);
    let fraction = at.ticks % 10_000_000;
    let value = match which {
        Part::Year => i64::from(year),
        Part::Quarter => i64::from((month - 1) / 3 + 1),
        Part::Month => month.into(),
        Part::DayOfYear => i64::from(of_year) + 1,
        Part::Day => day.into(),
        Part::Week => i64::from((of_year + (at.days - of_year + 1) % 7) / 7 + 1),
        Part::Weekday => i64::from((at.days + 1) % 7 + 1),
        Part::Hour => (at.ticks / 36_000_000_000).cast_signed(),
        Part::Minute => (at.ticks / 600_000_000 % 60).cast_signed(),
        Part::Second => (at.ticks / 10_000_000 % 60).cast_signed(),
        Part::Millisecond => (fraction / 10_000).cast_signed(),
        Part::Microsecond => (fraction / 10).cast_signed(),
        Part::Nanosecond => (fraction * 100).cast_signed(),
        Part::Offset => at.offset.unwrap_or(0).into(),
    };
    Ok(value)
}
