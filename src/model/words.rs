//! Numbers, sizes and times as people read them: one spelling for the command line and the console.

use jiff::Timestamp;

/// Units of a size, and with their first letter of a number, by powers of 1000.
const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

/// A span of time in its two largest units, as in `2h 5m`; from 100 days on in days alone.
#[must_use]
pub fn span(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        (100.., ..) => format!("{days}d"),
        _ => format!("{days}d {hours}h"),
    }
}

/// How long ago, as in `3s ago`.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(now.duration_since(then).as_secs().max(0)))
}

/// A number with separators.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number in at most five characters, as in `1.2M`.
#[must_use]
pub fn brief(number: u64) -> String {
    if number < 1_000 {
        return number.to_string();
    }
    let (value, unit) = scaled(number);
    // A factor of a thousand in one letter; `k` as in `kB`.
    format!("{value:.1}{}", &UNITS[unit][..1])
}

/// A number in at most `room` characters: with separators where they have room, else [`brief`].
#[must_use]
pub fn fitted(number: u64, room: usize) -> String {
    let whole = count(number);
    if whole.len() <= room { whole } else { brief(number) }
}

/// As in `1 table` and `2,000 tables`.
#[must_use]
pub fn many(number: impl TryInto<u64>, what: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A size, as in `3.4 MB`.
#[must_use]
pub fn bytes(size: u64) -> String {
    if size < 1_000 {
        return format!("{size} B");
    }
    let (value, unit) = scaled(size);
    format!("{value:.1} {}", UNITS[unit])
}

/// A number of 1000 or more in its unit, so that it is below 1000 with one decimal.
fn scaled(number: u64) -> (f64, usize) {
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mut value = number as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    (value, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!((count(0), count(999), count(1_234_567)), ("0".into(), "999".into(), "1,234,567".into()));
        assert_eq!((many(1_u64, "row"), many(2_000_u64, "row")), ("1 row".into(), "2,000 rows".into()));
        assert_eq!((span(59), span(61), span(7_500), span(90_000)), ("59s".into(), "1m 1s".into(), "2h 5m".into(), "1d 1h".into()));
        assert_eq!((span(99 * 86_400 + 7_200), span(100 * 86_400 + 7_200)), ("99d 2h".into(), "100d".into()));
    }

    #[test]
    fn sizes_have_one_spelling() {
        let shown = [0, 999, 1_000, 1_250_000, 3_400_000, 999_960_000, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "1.2 MB", "3.4 MB", "1.0 GB", "18.4 EB"]);
    }

    #[test]
    fn a_number_fits_where_it_stands() {
        assert_eq!([99_999, 100_000, 1_234_567, 999_949, 999_950].map(|n| fitted(n, 6)), ["99,999", "100.0k", "1.2M", "999.9k", "1.0M"]);
        for number in (0..64).map(|bit| u64::MAX >> bit) {
            assert!(fitted(number, 6).len() <= 6, "{}", fitted(number, 6));
        }
    }
}
