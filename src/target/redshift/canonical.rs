//! One text for equal values of both sides: a source value as production holds it, and what
//! production answers, each turned into the same words.

use std::fmt::Write as _;

use jiff::ToSpan;
use jiff::civil::Date;

use super::types::{self, RsType, VARCHAR_MAX};
use crate::model::{Column, SqlType, Unfit, Value, hex};
use crate::target::Held;

const TICKS_PER_SECOND: u64 = 10_000_000;

/// What production holds of a source value.
#[must_use]
pub fn of_value(column: &Column, value: &Value) -> Held {
    Some(match value {
        Value::Null => return None,
        Value::Bool(bit) => if *bit { "t" } else { "f" }.to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Decimal(number) if is_text(column) => number.to_string(),
        Value::Decimal(number) => decimal(&number.to_string()),
        Value::Real(number) => real(*number),
        Value::Float(number) => float(*number),
        Value::Text(text) => return held_text(column, text),
        // COPY takes an empty field for NULL in every type but CHAR and VARCHAR.
        Value::Bytes(bytes) if bytes.is_empty() => return None,
        Value::Bytes(bytes) => match policy_for(column, bytes.len()) {
            Some((Unfit::Truncate, limit)) => hex(&bytes[..limit]),
            Some((Unfit::Null, _)) => return None,
            _ => hex(bytes),
        },
        Value::Date(days) => date(*days),
        Value::Time(ticks) => time(*ticks),
        // An offset is lost: production keeps the instant.
        Value::Timestamp { days, ticks } | Value::TimestampTz { days, ticks, .. } => format!("{} {}", date(*days), time(*ticks)),
        Value::Uuid(guid) => guid.hyphenated().to_string(),
    })
}

/// The answer of the server, or the text of a part file, in the same words. A text that does not
/// read as the column's type stays as it is, and so equals nothing else.
#[must_use]
pub fn of_text(column: &Column, text: Option<&str>) -> Held {
    let text = text?;
    if column.unfit == Unfit::Super {
        // What is no JSON string equals nothing.
        return Some(serde_json::from_str(text).unwrap_or_else(|_| format!("not a JSON string: {text}")));
    }
    let bare = text.trim();
    let read = match &column.sql_type {
        SqlType::Bit => match bare {
            "t" | "true" | "1" => Some("t".to_owned()),
            "f" | "false" | "0" => Some("f".to_owned()),
            _ => None,
        },
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => bare.parse::<i64>().ok().map(|number| number.to_string()),
        SqlType::Decimal { .. } if is_text(column) => None,
        SqlType::Decimal { .. } | SqlType::Money | SqlType::SmallMoney => is_decimal(bare).then(|| decimal(bare)),
        #[expect(clippy::cast_possible_truncation, reason = "production was asked for the double that equals its real")]
        SqlType::Real => bare.parse::<f64>().ok().map(|number| real(number as f32)),
        SqlType::Float => bare.parse::<f64>().ok().map(float),
        SqlType::Binary { .. } | SqlType::VarBinary { .. } | SqlType::VarBinaryMax | SqlType::Image | SqlType::RowVersion => {
            let digits = bare.strip_prefix("\\x").unwrap_or(bare);
            if digits.is_empty() {
                return None;
            }
            Some(digits.to_ascii_lowercase())
        }
        SqlType::Time { .. } | SqlType::DateTime | SqlType::SmallDateTime | SqlType::DateTime2 { .. } => micros(bare),
        SqlType::DateTimeOffset { .. } => micros(bare.strip_suffix("+00").unwrap_or(bare)),
        SqlType::Date => Some(bare.to_owned()),
        // A CHAR comes back padded. Another letter case is another text: no key would meet it.
        SqlType::UniqueIdentifier => Some(text.trim_end_matches(' ').to_owned()),
        _ => None,
    };
    Some(read.unwrap_or_else(|| text.to_owned()))
}

/// The policy that meets a value of so many bytes, with the column's limit, if it is too long.
fn policy_for(column: &Column, bytes: usize) -> Option<(Unfit, usize)> {
    let limit = usize::try_from(types::byte_limit(column)?).ok()?;
    (bytes > limit && !column.is_key()).then_some((column.unfit, limit))
}

fn held_text(column: &Column, text: &str) -> Held {
    // A key is never altered (rule E8).
    if column.is_key() {
        return Some(text.to_owned());
    }
    let mut text = text.replace('\0', "\u{fffd}");
    match policy_for(column, text.len()) {
        Some((Unfit::Truncate, limit)) => text.truncate(text.floor_char_boundary(limit)),
        Some((Unfit::Null, _)) => return None,
        _ => {}
    }
    if column.unfit == Unfit::Super {
        return Some(text);
    }
    // Surplus blanks at the end of a string that is too long are cut by COPY, without a word.
    let most = VARCHAR_MAX as usize;
    if text.len() > most && text.as_bytes()[most..].iter().all(|byte| *byte == b' ') {
        text.truncate(most);
    }
    Some(text)
}

/// A decimal that no number of the target holds stands as text, so each of its digits counts.
fn is_text(column: &Column) -> bool {
    matches!(types::map(column).map(|mapped| mapped.rs), Ok(RsType::VarChar(_)))
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Without zeros that say nothing: columns of another scale hold the same number.
fn decimal(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return "0".to_owned();
    }
    let lead = if digits.starts_with('.') { "0" } else { "" };
    format!("{sign}{lead}{digits}")
}

/// Both zeros are one number on both sides.
fn real(number: f32) -> String {
    if number == 0.0 { "0".to_owned() } else { format!("{number:?}") }
}

fn float(number: f64) -> String {
    if number == 0.0 { "0".to_owned() } else { format!("{number:?}") }
}

fn date(days: i32) -> String {
    match Date::constant(1, 1, 1).checked_add(days.days()) {
        Ok(date) => date.strftime("%Y-%m-%d").to_string(),
        Err(_) => format!("day {days}"),
    }
}

/// Microseconds: the seventh digit is cut, never rounded.
fn time(ticks: u64) -> String {
    let (seconds, micros) = (ticks / TICKS_PER_SECOND, ticks % TICKS_PER_SECOND / 10);
    let mut text = String::with_capacity(15);
    let _ = write!(text, "{:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    text
}

/// A time of day, or a date and one, with exactly six digits of fraction.
fn micros(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = whole.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'-' | b' '));
    (plain && fraction.len() <= 6 && fraction.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("{whole}.{fraction:0<6}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Decimal;
    use proptest::prelude::*;

    fn column(sql_type: SqlType) -> Column {
        Column {
            name: "c".into(),
            column_id: 1,
            ordinal: 1,
            sql_type,
            nullable: true,
            collation: None,
            key_ordinal: None,
            unfit: Unfit::Fail,
        }
    }

    /// The value, and what the server answers for it, are one text.
    fn same(sql_type: SqlType, value: &Value, answer: Option<&str>) {
        let column = column(sql_type);
        assert_eq!(of_value(&column, value), of_text(&column, answer), "{}", column.sql_type);
    }

    #[test]
    fn what_the_mapping_loses_is_lost_on_both_sides() {
        same(SqlType::Bit, &Value::Bool(true), Some("t"));
        same(SqlType::Int, &Value::Int(-7), Some("-7"));
        same(SqlType::Money, &Value::Decimal(Decimal { unscaled: -5000, scale: 4 }), Some("-0.5000"));
        same(SqlType::Decimal { precision: 9, scale: 2 }, &Value::Decimal(Decimal { unscaled: 0, scale: 2 }), Some("0.0000"));
        same(SqlType::Decimal { precision: 9, scale: 0 }, &Value::Decimal(Decimal { unscaled: 100, scale: 0 }), Some("100"));
        same(SqlType::Real, &Value::Real(0.1), Some("0.10000000149011612"));
        same(SqlType::Float, &Value::Float(-0.0), Some("0"));
        same(SqlType::NVarChar { length: 9 }, &Value::Text("a\0b ".into()), Some("a\u{fffd}b "));
        same(SqlType::VarBinary { length: 9 }, &Value::Bytes(Vec::new()), None);
        same(SqlType::VarBinary { length: 9 }, &Value::Bytes(vec![0xab, 1]), Some("AB01"));
        same(SqlType::Date, &Value::Date(0), Some("0001-01-01"));
        same(SqlType::Time { scale: 7 }, &Value::Time(863_999_999_999), Some("23:59:59.999999"));
        same(SqlType::DateTime, &Value::Timestamp { days: 3_652_058, ticks: 30_000 }, Some("9999-12-31 00:00:00.003"));
        same(SqlType::SmallDateTime, &Value::Timestamp { days: 1, ticks: 0 }, Some("0001-01-02 00:00:00"));
        let instant = Value::TimestampTz { days: 1, ticks: 19, offset_minutes: 840 };
        same(SqlType::DateTimeOffset { scale: 7 }, &instant, Some("0001-01-02 00:00:00.000001+00"));
        same(SqlType::UniqueIdentifier, &Value::Uuid(uuid::Uuid::from_u128(171)), Some("00000000-0000-0000-0000-0000000000ab "));
        let long = Value::Text(format!("{}  ", "x".repeat(VARCHAR_MAX as usize)));
        same(SqlType::NVarCharMax, &long, Some(&"x".repeat(VARCHAR_MAX as usize)));
    }

    #[test]
    fn case_blanks_digits_and_empty_text_are_differences() {
        let text = |value: &str| of_value(&column(SqlType::NVarChar { length: 9 }), &Value::Text(value.into()));
        let all = [text("abc"), text("ABC"), text("abc "), text(""), None];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one), "{one:?}");
        }
        let micros = |ticks| of_value(&column(SqlType::Time { scale: 7 }), &Value::Time(ticks));
        assert_eq!(micros(10), micros(19));
        assert_ne!(micros(19), micros(20));
        let guid = column(SqlType::UniqueIdentifier);
        let held = of_value(&guid, &Value::Uuid(uuid::Uuid::from_u128(171)));
        assert_ne!(of_text(&guid, Some("00000000-0000-0000-0000-0000000000AB")), held, "a delete would pass it by");
        let small = column(SqlType::Decimal { precision: 38, scale: 38 });
        let half = of_value(&small, &Value::Decimal(Decimal { unscaled: 5 * 10_i128.pow(37), scale: 38 }));
        assert_ne!(of_text(&small, Some("0.5")), half, "a delete would pass it by");
        assert_eq!(of_text(&small, half.as_deref()), half);
        let odd = column(SqlType::Int);
        assert_eq!(of_text(&odd, Some("seven")).as_deref(), Some("seven"), "what does not read stays");
    }

    proptest! {
        #[test]
        fn doubles_come_back_from_seventeen_digits(number: f64) {
            prop_assume!(number.is_finite());
            let column = column(SqlType::Float);
            prop_assert_eq!(of_value(&column, &Value::Float(number)), of_text(&column, Some(&format!("{number:.17e}"))));
        }

        #[test]
        fn reals_come_back_as_doubles(number: f32) {
            prop_assume!(number.is_finite());
            let column = column(SqlType::Real);
            prop_assert_eq!(of_value(&column, &Value::Real(number)), of_text(&column, Some(&format!("{:.17e}", f64::from(number)))));
        }
    }

    #[test]
    fn policies_decide_what_production_holds_of_a_long_value() {
        let of = |unfit, text: &str| {
            let column = Column { unfit, ..column(SqlType::NVarCharMax) };
            of_value(&column, &Value::Text(text.to_owned()))
        };
        let long = "\u{e4}".repeat(40_000);
        let cut = "\u{e4}".repeat(32_767);
        assert_eq!(of(Unfit::Truncate, &long), Some(cut));
        assert_eq!(of(Unfit::Null, &long), None);
        assert_eq!(of(Unfit::Fail, &long), Some(long.clone()), "it cannot stand in production, and equals nothing");
        assert_eq!(of(Unfit::Truncate, "short"), Some("short".to_owned()));
        let super_column = Column { unfit: Unfit::Super, ..column(SqlType::NVarCharMax) };
        assert_eq!(of_value(&super_column, &Value::Text(long.clone())), Some(long));
        assert_eq!(of_text(&super_column, Some(r#""a\"b""#)), Some("a\"b".to_owned()));
        assert_ne!(of_text(&super_column, Some("12")), Some("12".to_owned()));
    }
}
