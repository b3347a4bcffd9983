//! One value against the declared type, by Redshift's rules; what passes is written as PostgreSQL's
//! COPY text.

use super::dates;
use super::errors::{ValueError, code};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Bool,
    /// With its name for people and its limits.
    Integer(&'static str, i64, i64),
    Decimal {
        precision: u32,
        scale: u32,
    },
    Real,
    Double,
    Varchar(usize),
    Char(usize),
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Varbyte(usize),
    Super,
}

/// A column of the target.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub name: String,
    pub kind: Kind,
    pub not_null: bool,
}

/// How the statement wants values to be read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub null_as: Vec<u8>,
    pub accept_invalid: Option<char>,
    pub truncate_columns: bool,
}

impl Target {
    /// The type's name and the length, as the load-error views show them.
    pub fn described(&self) -> (&'static str, String) {
        match self.kind {
            Kind::Bool => ("bool", String::new()),
            Kind::Integer(name, ..) => (name, String::new()),
            Kind::Decimal { precision, scale } => ("numeric", format!("{precision}, {scale}")),
            Kind::Real => ("float4", String::new()),
            Kind::Double => ("float8", String::new()),
            Kind::Varchar(most) => ("varchar", most.to_string()),
            Kind::Char(most) => ("char", most.to_string()),
            Kind::Date => ("date", String::new()),
            Kind::Time => ("time", String::new()),
            Kind::TimeTz => ("timetz", String::new()),
            Kind::Timestamp => ("timestamp", String::new()),
            Kind::TimestampTz => ("timestamptz", String::new()),
            Kind::Varbyte(most) => ("varbyte", most.to_string()),
            Kind::Super => ("super", String::new()),
        }
    }

    /// Writes the value behind `out`.
    pub fn write(&self, field: &[u8], reading: &Reading, out: &mut Vec<u8>) -> Result<(), ValueError> {
        // Whether a quoted marker is a value is nowhere said; it is not here.
        let is_string = matches!(self.kind, Kind::Varchar(_) | Kind::Char(_));
        if field == reading.null_as || (field.is_empty() && !is_string) {
            if self.not_null {
                return Err(ValueError::new(code::NOT_NULL, "Missing data for not-null field"));
            }
            out.extend_from_slice(b"\\N");
            return Ok(());
        }
        if is_string {
            return self.string(field, reading, out);
        }
        let text = str::from_utf8(field).map_err(|_| invalid_utf8(field))?.trim();
        let value = match self.kind {
            Kind::Bool => boolean(text)?.to_owned(),
            Kind::Integer(name, least, most) => integer(text, name, least, most)?,
            Kind::Decimal { precision, scale } => decimal(text, precision, scale)?,
            Kind::Real => real(text)?,
            Kind::Double => double(text)?,
            Kind::Date => {
                dates::date(text).ok_or_else(|| ValueError::new(code::DATE, "Invalid Date Format - length must be 10 or more"))?
            }
            Kind::Time => dates::time(text).ok_or_else(|| ValueError::new(code::TIMESTAMP, "Invalid time format or value [HH24:MI:SS]"))?,
            Kind::TimeTz => {
                dates::time_tz(text).ok_or_else(|| ValueError::new(code::TIMESTAMP, "Invalid time format or value [HH24:MI:SSOF]"))?
            }
            Kind::Timestamp => dates::timestamp(text).ok_or_else(moment)?,
            Kind::TimestampTz => dates::timestamp_tz(text).ok_or_else(moment)?,
            Kind::Varbyte(most) => varbyte(text, most)?,
            Kind::Super => json(text)?,
            Kind::Varchar(_) | Kind::Char(_) => String::new(),
        };
        escape(value.as_bytes(), out);
        Ok(())
    }

    fn string(&self, field: &[u8], reading: &Reading, out: &mut Vec<u8>) -> Result<(), ValueError> {
        let mended;
        let mut text = match (str::from_utf8(field), reading.accept_invalid) {
            (Ok(text), _) => text,
            (Err(_), Some(with)) => {
                mended = mend(field, with);
                &mended
            }
            (Err(_), None) => return Err(invalid_utf8(field)),
        };
        if let Some(at) = text.find('\0') {
            return Err(ValueError::new(code::NUL, "Invalid null byte in field").at(at));
        }
        let (most, what) = match self.kind {
            Kind::Char(most) => (most, "Char"),
            Kind::Varchar(most) => (most, "String"),
            _ => (usize::MAX, "String"),
        };
        if matches!(self.kind, Kind::Char(_))
            && let Some((at, c)) = text.char_indices().find(|(_, c)| !c.is_ascii())
        {
            return Err(ValueError::new(
                code::CHAR,
                format!("Multibyte character not supported for CHAR (Hint: try using VARCHAR). Invalid char: {}", bytes_of(c)),
            )
            .at(at));
        }
        if text.len() > most {
            let kept = text.floor_char_boundary(most);
            if !reading.truncate_columns && !text[kept..].bytes().all(|byte| byte == b' ') {
                return Err(ValueError::new(code::OUT_OF_RANGE, format!("{what} length exceeds DDL length")).at(most));
            }
            text = &text[..kept];
        }
        escape(text.as_bytes(), out);
        Ok(())
    }
}

fn moment() -> ValueError {
    ValueError::new(code::TIMESTAMP, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]")
}

fn bytes_of(c: char) -> String {
    c.to_string().bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Backslash and the characters that end a value or a line in COPY's text form.
fn escape(value: &[u8], out: &mut Vec<u8>) {
    for &byte in value {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.push(other),
        }
    }
}

fn invalid_utf8(field: &[u8]) -> ValueError {
    let at = str::from_utf8(field).err().map_or(0, |error| error.valid_up_to());
    let bad = &field[at..field.len().min(at + 4)];
    let hex = bad.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    // ED A0 … ED BF: a surrogate written as if it were a character.
    let surrogate = matches!(bad, [0xed, 0xa0..=0xbf, ..]);
    let (code, kind) = if surrogate { (code::CODE_POINT, 4) } else { (code::UTF8, 3) };
    ValueError::new(code, format!("String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: {hex} (error {kind})"))
        .at(at)
}

/// Every byte that belongs to no character is replaced.
fn mend(field: &[u8], with: char) -> String {
    let mut text = String::with_capacity(field.len());
    for chunk in field.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| with));
    }
    text
}

fn boolean(text: &str) -> Result<&'static str, ValueError> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "1" | "y" | "yes" => Ok("t"),
        "f" | "false" | "0" | "n" | "no" => Ok("f"),
        _ => Err(ValueError::new(code::BOOLEAN, "Unknown boolean format")),
    }
}

fn integer(text: &str, name: &str, least: i64, most: i64) -> Result<String, ValueError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let skipped = text.len() - digits.len();
    if let Some((at, c)) = digits.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        return Err(
            ValueError::new(code::INTEGER, format!("Invalid digit, Value '{c}', Pos {}, Type: {name}", at + skipped)).at(at + skipped)
        );
    }
    if digits.is_empty() {
        return Err(ValueError::new(code::INTEGER, format!("Invalid digit, Pos 0, Type: {name}")));
    }
    match text.parse::<i64>() {
        Ok(value) if (least..=most).contains(&value) => Ok(value.to_string()),
        _ => Err(ValueError::new(code::INTEGER_OVERFLOW, format!("Overflow, Column type: {name}"))),
    }
}

/// Digits past the scale are cut, as COPY does without ROUNDEC.
fn decimal(text: &str, precision: u32, scale: u32) -> Result<String, ValueError> {
    let wrong = |at: usize| ValueError::new(code::DECIMAL, format!("Invalid digit, Pos {at}, Type: Decimal")).at(at);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(wrong(0));
    }
    if let Some(at) = digits.find(|c: char| !c.is_ascii_digit() && c != '.') {
        return Err(wrong(at + text.len() - digits.len()));
    }
    if fraction.contains('.') {
        return Err(wrong(whole.len() + 1));
    }
    let whole = whole.trim_start_matches('0');
    let fraction = &fraction[..fraction.len().min(scale as usize)];
    let overflow = || ValueError::new(code::OUT_OF_RANGE, format!("Overflow for NUMERIC({precision},{scale})"));
    if whole.len() > (precision - scale) as usize {
        return Err(overflow());
    }
    if precision == 19 {
        // Stored as int64.
        let unscaled = format!("{whole}{fraction:0<width$}", width = scale as usize);
        if unscaled.parse::<i128>().is_ok_and(|value| value > i128::from(i64::MAX)) {
            return Err(overflow());
        }
    }
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(format!("{sign}{whole:0>1}{point}{fraction}"))
}

fn real(text: &str) -> Result<String, ValueError> {
    let value: f32 = text.parse().map_err(|_| ValueError::new(code::FLOAT, "Invalid digit, Type: Real"))?;
    if value.is_infinite() { Err(ValueError::new(code::OUT_OF_RANGE, "Overflow, Column type: Real")) } else { Ok(format!("{value:e}")) }
}

fn double(text: &str) -> Result<String, ValueError> {
    let value: f64 = text.parse().map_err(|_| ValueError::new(code::FLOAT, "Invalid digit, Type: Double"))?;
    if value.is_infinite() { Err(ValueError::new(code::OUT_OF_RANGE, "Overflow, Column type: Double")) } else { Ok(format!("{value:e}")) }
}

/// Hex digits without 0x.
fn varbyte(text: &str, most: usize) -> Result<String, ValueError> {
    if let Some(at) = text.find(|c: char| !c.is_ascii_hexdigit()) {
        return Err(ValueError::new(code::DATA_TYPE, "Invalid hexadecimal digit, Type: Varbyte").at(at));
    }
    if !text.len().is_multiple_of(2) {
        return Err(ValueError::new(code::DATA_TYPE, "Odd number of hexadecimal digits, Type: Varbyte"));
    }
    if text.len() / 2 > most {
        return Err(ValueError::new(code::OUT_OF_RANGE, "Varbyte length exceeds DDL length").at(most));
    }
    Ok(format!("\\x{text}"))
}

/// The bytes of one SUPER value. A string inside may be as long: the lab's cluster has large
/// strings switched on; without them Redshift takes 65,535 bytes of one.
const SUPER_MOST: usize = 16_000_000;

fn json(text: &str) -> Result<String, ValueError> {
    if text.len() > SUPER_MOST {
        return Err(ValueError::new(code::SUPER, "SUPER value exceeds the maximum size"));
    }
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| ValueError::new(code::SUPER, "Invalid JSON for SUPER").at(error.column()))?;
    Ok(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(kind: Kind, field: &str) -> Result<String, i32> {
        let reading = Reading { null_as: b"@null".to_vec(), accept_invalid: None, truncate_columns: false };
        let mut out = Vec::new();
        Target { name: "c".to_owned(), kind, not_null: false }.write(field.as_bytes(), &reading, &mut out).map_err(|error| error.code)?;
        Ok(String::from_utf8(out).unwrap())
    }

    const SMALL: Kind = Kind::Integer("Short", -32_768, 32_767);
    const BIG: Kind = Kind::Integer("Long", i64::MIN, i64::MAX);

    #[test]
    fn each_type_at_its_edges() {
        let money = Kind::Decimal { precision: 6, scale: 2 };
        let nineteen = Kind::Decimal { precision: 19, scale: 0 };
        for (kind, field, expected) in [
            (Kind::Varchar(3), "", Ok("")),
            (Kind::Varchar(3), "@null", Ok("\\N")),
            (Kind::Varchar(3), "é1", Ok("é1")),
            (Kind::Varchar(3), "éé", Err(1204)),
            (Kind::Varchar(3), "abc   ", Ok("abc")),
            (Kind::Varchar(3), "abc\t", Err(1204)),
            (Kind::Varchar(9), "a\\b\tc\nd", Ok("a\\\\b\\tc\\nd")),
            (Kind::Varchar(9), "a\0", Err(1218)),
            (Kind::Char(3), "é", Err(1215)),
            (Kind::Char(3), "ab", Ok("ab")),
            (SMALL, "", Ok("\\N")),
            (SMALL, "-32768", Ok("-32768")),
            (SMALL, "32768", Err(1222)),
            (SMALL, "1.0", Err(1207)),
            (SMALL, "-", Err(1207)),
            (BIG, "9223372036854775807", Ok("9223372036854775807")),
            (BIG, "9223372036854775808", Err(1222)),
            (money, "-0.5", Ok("-0.5")),
            (money, "1234.999", Ok("1234.99")),
            (money, "12345", Err(1204)),
            (money, ".5", Ok("0.5")),
            (money, "1,5", Err(1209)),
            (money, "1e2", Err(1209)),
            (nineteen, "9223372036854775807", Ok("9223372036854775807")),
            (nineteen, "9223372036854775808", Err(1204)),
            (Kind::Bool, "Y", Ok("t")),
            (Kind::Bool, "2", Err(1210)),
            (Kind::Double, "1.5e300", Ok("1.5e300")),
            (Kind::Double, "x", Err(1208)),
            (Kind::Real, "1e39", Err(1204)),
            (Kind::Date, "2024-02-30", Err(1205)),
            (Kind::Timestamp, "2024-02-03 25:00", Err(1206)),
            (Kind::Varbyte(2), "00fF", Ok("\\\\x00fF")),
            (Kind::Varbyte(2), "000000", Err(1204)),
            (Kind::Varbyte(2), "0x", Err(1223)),
            (Kind::Super, "{\"a\": 1}", Ok("{\"a\":1}")),
            (Kind::Super, "{", Err(1224)),
            (Kind::Super, "\"12\"", Ok("\"12\"")),
            (Kind::Super, "twelve", Err(1224)),
            (Kind::Super, "@null", Ok("\\N")),
        ] {
            assert_eq!(write(kind, field), expected.map(str::to_owned), "{kind:?} {field:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text() {
        let column = |not_null| Target { name: "c".to_owned(), kind: Kind::Varchar(20), not_null };
        let mut reading = Reading { null_as: b"\\N".to_vec(), accept_invalid: None, truncate_columns: false };
        let mut out = Vec::new();
        assert_eq!(column(false).write(b"a\xff", &reading, &mut out).unwrap_err(), invalid_utf8(b"a\xff"));
        assert_eq!(column(false).write(b"\xed\xa0\x80", &reading, &mut out).unwrap_err().code, 1220);
        assert_eq!(column(true).write(b"\\N", &reading, &mut out).unwrap_err().code, 1213);
        reading.accept_invalid = Some('?');
        column(false).write(b"a\xff\xfeb", &reading, &mut out).unwrap();
        assert_eq!(out, b"a??b");
    }
}
