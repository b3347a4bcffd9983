//! Dates and times as COPY reads them under 'auto': the ISO forms. Answers are texts that
//! PostgreSQL reads one way only.

/// Redshift's last year.
const LAST_YEAR: u32 = 294_276;

/// The digits at the front, between `least` and `most` of them.
fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    (length >= least).then_some(())?;
    Some((text[..length].parse().ok()?, &text[length..]))
}

fn month_days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `YYYY-MM-DD`, `YYYY/MM/DD` or `YYYYMMDD`, and what follows.
fn front(text: &str) -> Option<(String, &str)> {
    let whole = text.bytes().take_while(u8::is_ascii_digit).count();
    let (year, month, day, rest) = if whole == 8 {
        (text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..8].parse().ok()?, &text[8..])
    } else {
        let (year, rest) = digits(text, 4, 6)?;
        let mark = rest.chars().next().filter(|c| matches!(c, '-' | '/'))?;
        let (month, rest) = digits(&rest[1..], 1, 2)?;
        let (day, rest) = digits(rest.strip_prefix(mark)?, 1, 2)?;
        (year, month, day, rest)
    };
    ((1..=LAST_YEAR).contains(&year) && (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day))
        .then(|| (format!("{year:04}-{month:02}-{day:02}"), rest))
}

/// `HH:MI[:SS[.ffffff]]` and what follows.
fn clock(text: &str) -> Option<(String, &str)> {
    let (hour, rest) = digits(text, 1, 2)?;
    let (minute, mut rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
    let mut second = 0;
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix(':') {
        (second, rest) = digits(after, 2, 2)?;
        if let Some(after) = rest.strip_prefix('.') {
            let length = after.bytes().take_while(u8::is_ascii_digit).count();
            // More than microseconds does not fit and is not rounded.
            (1..=6).contains(&length).then_some(())?;
            (fraction, rest) = after.split_at(length);
        }
    }
    (hour < 24 && minute < 60 && second < 60).then_some(())?;
    let point = if fraction.is_empty() { "" } else { "." };
    Some((format!("{hour:02}:{minute:02}:{second:02}{point}{fraction}"), rest))
}

/// `Z`, `UTC`, `+HH`, `+HH:MM`, `+HHMM`; nothing is UTC.
fn zone(text: &str) -> Option<String> {
    let text = text.trim_start();
    if text.is_empty() || text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("gmt") {
        return Some("+00:00".to_owned());
    }
    let sign = text.chars().next().filter(|c| matches!(c, '+' | '-'))?;
    let (hours, rest) = digits(&text[1..], 2, 2)?;
    let (minutes, rest) = if rest.is_empty() { (0, rest) } else { digits(rest.strip_prefix(':').unwrap_or(rest), 2, 2)? };
    (rest.is_empty() && hours <= 15 && minutes < 60).then(|| format!("{sign}{hours:02}:{minutes:02}"))
}

/// A DATE; a time behind it is cut silently.
pub(super) fn date(text: &str) -> Option<String> {
    let (date, rest) = front(text.trim())?;
    if rest.is_empty() {
        return Some(date);
    }
    let (_, rest) = clock(rest.strip_prefix(['T', ' '])?.trim_start())?;
    zone(rest).map(|_| date)
}

/// A TIMESTAMP; a zone behind it is ignored.
pub(super) fn timestamp(text: &str) -> Option<String> {
    whole(text).map(|(moment, _)| moment)
}

/// A TIMESTAMPTZ.
pub(super) fn timestamp_tz(text: &str) -> Option<String> {
    whole(text).map(|(moment, zone)| moment + &zone)
}

fn whole(text: &str) -> Option<(String, String)> {
    let (date, rest) = front(text.trim())?;
    if rest.is_empty() {
        return Some((format!("{date} 00:00:00"), "+00:00".to_owned()));
    }
    let (clock, rest) = clock(rest.strip_prefix(['T', ' '])?.trim_start())?;
    Some((format!("{date} {clock}"), zone(rest)?))
}

pub(super) fn time(text: &str) -> Option<String> {
    let (clock, rest) = clock(text.trim())?;
    zone(rest).map(|_| clock)
}

pub(super) fn time_tz(text: &str) -> Option<String> {
    let (clock, rest) = clock(text.trim())?;
    zone(rest).map(|zone| clock + &zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (text, expected) in [
            ("2024-02-29", Some("2024-02-29")),
            ("20240131", Some("2024-01-31")),
            ("2024-01-31 23:59:59.123", Some("2024-01-31")),
            ("0001-01-01", Some("0001-01-01")),
            ("2023-02-29", None),
            ("2024-13-01", None),
            ("0000-01-01", None),
            ("24-01-01", None),
            ("2024-01-01x", None),
            ("", None),
        ] {
            assert_eq!(date(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn moments() {
        assert_eq!(timestamp("2024-01-02T03:04:05.123456+05:30").unwrap(), "2024-01-02 03:04:05.123456");
        assert_eq!(timestamp_tz("2024-01-02 03:04:05.1+0530").unwrap(), "2024-01-02 03:04:05.1+05:30");
        assert_eq!(timestamp_tz("2024-01-02 03:04:05.123456+00").unwrap(), "2024-01-02 03:04:05.123456+00:00");
        assert_eq!(timestamp("9999-12-31").unwrap(), "9999-12-31 00:00:00");
        for wrong in ["2024-01-02 03:04:05.1234567", "2024-01-02 24:00:00", "2024-01-02 03:60:00", "2024-01-02 03:04:05 nonsense"] {
            assert_eq!(timestamp(wrong), None, "{wrong}");
        }
        assert_eq!(time("23:59:59.999999").unwrap(), "23:59:59.999999");
        assert_eq!(time("24:00:00"), None);
    }
}
