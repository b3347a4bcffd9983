//! What a value may look like. The errors never show the value: it may be a secret in the wrong
//! place.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::document::kind;

type Read<T> = Result<T, String>;

fn str_of<'v>(value: &'v DeValue<'_>) -> Read<&'v str> {
    value.as_str().ok_or_else(|| format!("must be a text in quotes, not {}", kind(value)))
}

/// A text that is not empty.
pub fn text(value: &DeValue<'_>) -> Read<String> {
    let text = str_of(value)?;
    if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// One text, or a list of them.
pub fn texts(value: &DeValue<'_>) -> Read<Vec<String>> {
    match value {
        DeValue::Array(list) => list.iter().map(|value| text(value.get_ref())).collect(),
        one => text(one).map(|text| vec![text]),
    }
}

pub fn path(value: &DeValue<'_>) -> Read<PathBuf> {
    text(value).map(PathBuf::from)
}

pub fn boolean(value: &DeValue<'_>) -> Read<bool> {
    value.as_bool().ok_or_else(|| format!("must be true or false, not {}", kind(value)))
}

/// A whole number within bounds.
pub fn number<T>(bounds: RangeInclusive<u64>) -> impl FnOnce(&DeValue<'_>) -> Read<T>
where
    T: TryFrom<u64>,
{
    move |value| {
        let integer = value.as_integer().ok_or_else(|| format!("must be a whole number, not {}", kind(value)))?;
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| bounds.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("must lie between {} and {}", bounds.start(), bounds.end()))
    }
}

/// One of a few words.
pub fn choice<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&DeValue<'_>) -> Read<T> {
    move |value| {
        let text = str_of(value)?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("must be one of {}", words.join(", "))
        })
    }
}

/// As in `"30s"`, `"15m"`, `"2h"`, `"7d"`, `"500ms"`.
pub fn duration(bounds: RangeInclusive<Duration>) -> impl FnOnce(&DeValue<'_>) -> Read<Duration> {
    move |value| bounded(str_of(value)?, &bounds)
}

/// A duration outside the file, as on the command line.
pub fn bounded(text: &str, bounds: &RangeInclusive<Duration>) -> Read<Duration> {
    const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let millis = amount(text, UNITS).ok_or("must be a duration, as in \"30s\", \"15m\", \"2h\" or \"7d\"")?;
    let duration = Duration::from_millis(millis);
    if bounds.contains(&duration) { Ok(duration) } else { Err(format!("must lie between {:?} and {:?}", bounds.start(), bounds.end())) }
}

/// Bytes, as in `"64MB"` (million bytes) or `"64MiB"` (2^20 bytes).
pub fn size(bounds: RangeInclusive<u64>) -> impl FnOnce(&DeValue<'_>) -> Read<u64> {
    const UNITS: &[(&str, u64)] = &[
        ("B", 1),
        ("kB", 1000),
        ("KB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    move |value| {
        let bytes = amount(str_of(value)?, UNITS).ok_or("must be a size, as in \"64MB\" or \"64MiB\"")?;
        if bounds.contains(&bytes) { Ok(bytes) } else { Err(format!("must lie between {} and {} bytes", bounds.start(), bounds.end())) }
    }
}

/// A whole number with its unit, a blank between them allowed.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Letters, digits, `_` and `-`.
pub fn word(most: usize) -> impl FnOnce(&DeValue<'_>) -> Read<String> {
    move |value| {
        let text = text(value)?;
        let plain = text.len() <= most && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if plain { Ok(text) } else { Err(format!("must consist of letters, digits, _ and -, at most {most}")) }
    }
}

/// The rules of S3 for bucket names.
pub fn bucket(value: &DeValue<'_>) -> Read<String> {
    let text = text(value)?;
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let fits = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| inside(*b) || matches!(b, b'-' | b'.'))
        && bytes.first().is_some_and(|b| inside(*b))
        && bytes.last().is_some_and(|b| inside(*b))
        && !text.contains("..");
    if fits {
        Ok(text)
    } else {
        Err("must be a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens, without s3://".to_owned())
    }
}

/// Folders between single slashes, none at the ends.
pub fn prefix(value: &DeValue<'_>) -> Read<String> {
    let text = str_of(value)?;
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!-_.*'()=".contains(&b));
    if text.is_empty() || text.split('/').all(plain) {
        Ok(text.to_owned())
    } else {
        Err("must be folders of plain characters, as in \"cdc/shop\", without slashes at the ends".to_owned())
    }
}

pub fn url(value: &DeValue<'_>) -> Read<String> {
    let text = text(value)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    // It would stand in messages and in state; and nobody would read the password.
    if rest.is_some_and(|rest| rest.split('/').next().unwrap_or_default().contains('@')) {
        return Err("must hold no user and no password: access keys are set under [s3] or come from the AWS configuration".to_owned());
    }
    if rest.is_some_and(|rest| !rest.is_empty()) { Ok(text) } else { Err("must begin with https:// or http://".to_owned()) }
}

/// A schema of Redshift: up to 127 bytes.
pub fn schema(value: &DeValue<'_>) -> Read<String> {
    let text = text(value)?;
    if text.len() <= 127 && !text.contains('\0') { Ok(text) } else { Err("must have at most 127 bytes".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_password() {
        let read = |text: &str| url(&DeValue::String(text.to_owned().into()));
        assert!(read("https://s3.example.com:9000/path@here").is_ok());
        let refused = read("https://user:hunter2@s3.example.com").unwrap_err();
        assert!(refused.contains("no password") && !refused.contains("hunter2"), "{refused}");
    }

    #[test]
    fn amounts_need_a_number_and_a_known_unit() {
        let units: &[(&str, u64)] = &[("s", 1000), ("ms", 1)];
        assert_eq!(amount("30s", units), Some(30_000));
        assert_eq!(amount("30 ms", units), Some(30));
        for wrong in ["", "30", "s", "-1s", "1.5s", "1S", "1s ", "99999999999999999999s", "18446744073709551615s"] {
            assert_eq!(amount(wrong, units), None, "{wrong:?}");
        }
    }

    fn of<T>(toml: &str, reader: impl FnOnce(&DeValue<'_>) -> Read<T>) -> Option<T> {
        reader(DeValue::parse(toml).unwrap().get_ref()).ok()
    }

    #[test]
    fn names_follow_their_rules() {
        assert!(of("\"my-bucket.x1\"", bucket).is_some());
        for wrong in ["\"My\"", "\"ab\"", "\"a..b\"", "\"-ab\"", "\"s3://ab\"", "\"a_b\"", "3"] {
            assert!(of(wrong, bucket).is_none(), "{wrong}");
        }
        assert!(of("\"\"", prefix).is_some() && of("\"a/b=c\"", prefix).is_some());
        for wrong in ["\"/a\"", "\"a/\"", "\"a//b\"", "\"a b\"", "\"\u{e4}\""] {
            assert!(of(wrong, prefix).is_none(), "{wrong}");
        }
        assert_eq!(of::<u16>("0x10", number(1..=65_535)), Some(16));
        assert_eq!(of::<u16>("1_000", number(1..=65_535)), Some(1000));
        for wrong in ["0", "65536", "-1", "1.0", "\"5\""] {
            assert!(of::<u16>(wrong, number(1..=65_535)).is_none(), "{wrong}");
        }
        assert!(of("\"ftp://x\"", url).is_none() && of("\"http://\"", url).is_none() && of("\"http://x\"", url).is_some());
    }
}
