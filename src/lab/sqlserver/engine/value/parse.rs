//! Text to values: numbers, dates, GUIDs, binary.

use super::calendar;
use super::format::Parts;

/// A decimal in plain or exponent form: unscaled value and scale.
#[must_use]
pub fn decimal(text: &str) -> Option<(i128, u8)> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && part.is_empty()) || !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) || part.len() > 38 {
        return None;
    }
    let unscaled: i128 = format!("0{whole}{part}").parse().ok()?;
    Some((if negative { -unscaled } else { unscaled }, u8::try_from(part.len()).ok()?))
}

/// An integer; the empty string is 0, as in SQL Server.
#[must_use]
pub fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

#[must_use]
pub fn float(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0.0);
    }
    // Rust also reads "inf" and "nan"; SQL Server has neither.
    text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')).then(|| text.parse().ok())?
}

/// Money: digits with optional sign, currency sign and thousands separators, to four decimals.
#[must_use]
pub fn money(text: &str) -> Option<i64> {
    let plain: String = text.trim().chars().filter(|c| !matches!(c, ',' | '$' | '€' | '£')).collect();
    if plain.is_empty() {
        return Some(0);
    }
    let (unscaled, scale) = decimal(&plain)?;
    i64::try_from(super::arith::rescale(unscaled, scale, 4)?).ok()
}

#[must_use]
pub fn guid(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let text = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
    let shape = text.len() >= 36 && text.is_ascii() && [8, 13, 18, 23].iter().all(|i| text.as_bytes()[*i] == b'-');
    if !shape {
        return None;
    }
    let digits: String = text[..36].chars().filter(|c| *c != '-').collect();
    hex(&digits)?.try_into().ok()
}

/// Hex digits, without a prefix.
#[must_use]
pub fn hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).ok()).collect()
}

/// Why a moment could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadMoment {
    /// 241: not the form of a date or time.
    Form,
    /// 242: the form of one, out of range.
    Range,
}

/// A date, a time, or both, in ISO 8601, ODBC and unseparated form, or `mon dd yyyy hh:mmAM`.
/// What is missing: 1900-01-01, midnight, no offset.
pub fn moment(text: &str) -> Result<Parts, BadMoment> {
    let text = text.trim();
    let mut days = calendar::days(1900, 1, 1).unwrap_or(0);
    if text.is_empty() {
        return Ok(Parts { days, ticks: 0, offset: None });
    }
    let bytes = text.as_bytes();
    let rest = if bytes.len() > 4 && bytes[4] == b'-'
        || bytes.len() > 4 && bytes[..4].iter().all(u8::is_ascii_digit) && matches!(bytes[4], b'/' | b'.')
    {
        let mut fields = text.splitn(3, ['-', '/', '.']);
        let year = number(fields.next())?;
        let month = number(fields.next())?;
        let tail = fields.next().ok_or(BadMoment::Form)?;
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        days = day(year, month, number(Some(&tail[..end]))?)?;
        &tail[end..]
    } else if bytes.len() >= 8 && bytes[..8].iter().all(u8::is_ascii_digit) {
        days = day(number(Some(&text[..4]))?, number(Some(&text[4..6]))?, number(Some(&text[6..8]))?)?;
        &text[8..]
    } else if bytes[0].is_ascii_alphabetic() {
        let mut words = text.split_ascii_whitespace();
        let month = month_by_name(words.next().unwrap_or_default())?;
        let of_month = number(words.next().map(|d| d.trim_end_matches(',')))?;
        let year = number(words.next())?;
        days = day(year, month, of_month)?;
        let after = words.next().map_or("", |first| text.rfind(first).map_or("", |at| &text[at..]));
        return time(after).map(|(ticks, offset)| Parts { days, ticks, offset });
    } else if let Some((a, tail)) = text.split_once(['/', '-']).filter(|(a, _)| a.len() <= 2) {
        // us_english: month first.
        let (b, tail) = tail.split_once(['/', '-']).ok_or(BadMoment::Form)?;
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        days = day(number(Some(&tail[..end]))?, number(Some(a))?, number(Some(b))?)?;
        &tail[end..]
    } else {
        text
    };
    let rest = rest.strip_prefix('T').unwrap_or(rest);
    time(rest).map(|(ticks, offset)| Parts { days, ticks, offset })
}

fn month_by_name(word: &str) -> Result<u32, BadMoment> {
    const NAMES: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let word = word.to_ascii_lowercase();
    (1..).zip(NAMES).find(|(_, name)| word.starts_with(name)).map(|(n, _)| n).ok_or(BadMoment::Form)
}

fn number(text: Option<&str>) -> Result<u32, BadMoment> {
    text.and_then(|t| t.parse().ok()).ok_or(BadMoment::Form)
}

fn day(year: u32, month: u32, of_month: u32) -> Result<u32, BadMoment> {
    i32::try_from(year).ok().and_then(|year| calendar::days(year, month, of_month)).ok_or(BadMoment::Range)
}

/// `hh:mm[:ss[.fffffff]] [AM|PM] [Z|+hh:mm]`.
fn time(text: &str) -> Result<(u64, Option<i16>), BadMoment> {
    let mut text = text.trim();
    if text.is_empty() {
        return Ok((0, None));
    }
    let mut offset = None;
    if let Some(rest) = text.strip_suffix(['Z', 'z']) {
        offset = Some(0);
        text = rest.trim_end();
    } else if let Some(at) = text.rfind(['+', '-']) {
        let (h, m) = text[at + 1..].split_once(':').ok_or(BadMoment::Form)?;
        let minutes = i16::try_from(number(Some(h))? * 60 + number(Some(m))?).map_err(|_| BadMoment::Range)?;
        if minutes > 840 {
            return Err(BadMoment::Range);
        }
        offset = Some(if text[at..].starts_with('-') { -minutes } else { minutes });
        text = text[..at].trim_end();
    }
    let upper = text.to_ascii_uppercase();
    let (clock, half) = match (upper.strip_suffix("AM"), upper.strip_suffix("PM")) {
        (Some(rest), _) => (rest.trim_end(), Some(0)),
        (_, Some(rest)) => (rest.trim_end(), Some(12)),
        _ => (upper.as_str(), None),
    };
    let mut fields = clock.splitn(3, ':');
    let mut hour = number(fields.next())?;
    let minute = match (fields.next(), half) {
        (None, Some(_)) => 0,
        (field, _) => number(field)?,
    };
    let (second, fraction) = match fields.next() {
        None => (0, 0),
        Some(field) => {
            let (second, fraction) = field.split_once(['.', ':']).unwrap_or((field, ""));
            if fraction.len() > 7 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
                return Err(BadMoment::Form);
            }
            (number(Some(second))?, format!("{fraction:0<7}").parse::<u64>().map_err(|_| BadMoment::Form)?)
        }
    };
    if let Some(noon) = half {
        hour = hour % 12 + noon;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(BadMoment::Range);
    }
    Ok((u64::from(hour * 3600 + minute * 60 + second) * 10_000_000 + fraction, offset))
}
