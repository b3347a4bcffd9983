//! One cell of a source row, exactly as the source holds it.

use std::fmt;

use uuid::Uuid;

/// A value in a form that loses nothing of what SQL Server holds.
///
/// `Debug` shows the kind only: cell values never reach a log or an error by accident.
#[derive(Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// tinyint, smallint, int, bigint.
    Int(i64),
    /// decimal, numeric, money (scale 4), smallmoney (scale 4).
    Decimal(Decimal),
    Real(f32),
    Float(f64),
    /// All character types. A lone surrogate of the source stands here as U+FFFD.
    Text(String),
    /// binary, varbinary, rowversion.
    Bytes(Vec<u8>),
    /// Days since 0001-01-01.
    Date(i32),
    /// 100 ns units since midnight.
    Time(u64),
    /// datetime, smalldatetime, datetime2: days since 0001-01-01 and 100 ns units since
    /// midnight. A datetime is held in whole milliseconds, as SQL Server shows it
    /// (.000 / .003 / .007).
    Timestamp {
        days: i32,
        ticks: u64,
    },
    /// datetimeoffset: the UTC instant (days and 100 ns units) and the offset that was written.
    TimestampTz {
        days: i32,
        ticks: u64,
        offset_minutes: i16,
    },
    Uuid(Uuid),
}

/// A decimal number: `unscaled` / 10^`scale`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    pub unscaled: i128,
    pub scale: u8,
}

impl Value {
    /// Bytes that it holds beyond its own size: what a large value costs in memory.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Appends a self-delimiting encoding: two values have equal bytes exactly when they are
    /// bytewise equal, whatever the source's collation says. Keys are compared by it (rule E6).
    pub fn write_identity(&self, out: &mut Vec<u8>) {
        fn block(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
            out.push(tag);
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        match self {
            Self::Null => out.push(0),
            Self::Bool(v) => out.extend_from_slice(&[1, u8::from(*v)]),
            Self::Int(v) => block(out, 2, &v.to_le_bytes()),
            Self::Decimal(v) => {
                block(out, 3, &v.unscaled.to_le_bytes());
                out.push(v.scale);
            }
            Self::Real(v) => block(out, 4, &v.to_bits().to_le_bytes()),
            Self::Float(v) => block(out, 5, &v.to_bits().to_le_bytes()),
            Self::Text(v) => block(out, 6, v.as_bytes()),
            Self::Bytes(v) => block(out, 7, v),
            Self::Date(v) => block(out, 8, &v.to_le_bytes()),
            Self::Time(v) => block(out, 9, &v.to_le_bytes()),
            Self::Timestamp { days, ticks } => {
                block(out, 10, &days.to_le_bytes());
                out.extend_from_slice(&ticks.to_le_bytes());
            }
            Self::TimestampTz { days, ticks, offset_minutes } => {
                block(out, 11, &days.to_le_bytes());
                out.extend_from_slice(&ticks.to_le_bytes());
                out.extend_from_slice(&offset_minutes.to_le_bytes());
            }
            Self::Uuid(v) => block(out, 12, v.as_bytes()),
        }
    }
}

impl Value {
    /// [`Value::write_identity`] of the class of values that a server may take for one key: trailing
    /// blanks of text count in neither, a datetimeoffset is its instant, -0 equals 0, and SQL Server
    /// pads binary values with zeros when it compares them. A class too wide does no harm: its keys
    /// are read again from the source (rule E6).
    pub fn write_class(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(v) => Self::Text(v.trim_end_matches(' ').to_owned()).write_identity(out),
            Self::Bytes(v) => {
                let length = v.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                Self::Bytes(v[..length].to_vec()).write_identity(out);
            }
            Self::TimestampTz { days, ticks, .. } => {
                Self::TimestampTz { days: *days, ticks: *ticks, offset_minutes: 0 }.write_identity(out);
            }
            // The sum with 0 is 0 for both zeros.
            Self::Real(v) => Self::Real(v + 0.0).write_identity(out),
            Self::Float(v) => Self::Float(v + 0.0).write_identity(out),
            other => other.write_identity(out),
        }
    }

    /// Reads one value of [`Value::write_identity`] from the front of `bytes` and moves past it.
    /// `None` when the bytes are not such an encoding.
    #[must_use]
    pub fn read_identity(bytes: &mut &[u8]) -> Option<Self> {
        fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
            let (head, tail) = bytes.split_at_checked(length)?;
            *bytes = tail;
            Some(head)
        }
        fn fixed<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
            take(bytes, N)?.try_into().ok()
        }
        fn block<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
            let length = u64::from_le_bytes(fixed(bytes)?);
            take(bytes, usize::try_from(length).ok()?)
        }
        Some(match fixed::<1>(bytes)?[0] {
            0 => Self::Null,
            1 => Self::Bool(fixed::<1>(bytes)?[0] != 0),
            2 => Self::Int(i64::from_le_bytes(block(bytes)?.try_into().ok()?)),
            3 => {
                let unscaled = i128::from_le_bytes(block(bytes)?.try_into().ok()?);
                Self::Decimal(Decimal { unscaled, scale: fixed::<1>(bytes)?[0] })
            }
            4 => Self::Real(f32::from_bits(u32::from_le_bytes(block(bytes)?.try_into().ok()?))),
            5 => Self::Float(f64::from_bits(u64::from_le_bytes(block(bytes)?.try_into().ok()?))),
            6 => Self::Text(String::from_utf8(block(bytes)?.to_vec()).ok()?),
            7 => Self::Bytes(block(bytes)?.to_vec()),
            8 => Self::Date(i32::from_le_bytes(block(bytes)?.try_into().ok()?)),
            9 => Self::Time(u64::from_le_bytes(block(bytes)?.try_into().ok()?)),
            10 => {
                let days = i32::from_le_bytes(block(bytes)?.try_into().ok()?);
                Self::Timestamp { days, ticks: u64::from_le_bytes(fixed(bytes)?) }
            }
            11 => {
                let days = i32::from_le_bytes(block(bytes)?.try_into().ok()?);
                let ticks = u64::from_le_bytes(fixed(bytes)?);
                Self::TimestampTz { days, ticks, offset_minutes: i16::from_le_bytes(fixed(bytes)?) }
            }
            12 => Self::Uuid(Uuid::from_slice(block(bytes)?).ok()?),
            _ => return None,
        })
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool(..)",
            Self::Int(_) => "Int(..)",
            Self::Decimal(_) => "Decimal(..)",
            Self::Real(_) => "Real(..)",
            Self::Float(_) => "Float(..)",
            Self::Text(_) => "Text(..)",
            Self::Bytes(_) => "Bytes(..)",
            Self::Date(_) => "Date(..)",
            Self::Time(_) => "Time(..)",
            Self::Timestamp { .. } => "Timestamp(..)",
            Self::TimestampTz { .. } => "TimestampTz(..)",
            Self::Uuid(_) => "Uuid(..)",
        })
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal(.., scale {})", self.scale)
    }
}

impl fmt::Display for Decimal {
    /// Plain digits with exactly `scale` fraction digits, as in `-0.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.unscaled.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if scale == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_show_sign_and_every_fraction_digit() {
        let show = |unscaled, scale| Decimal { unscaled, scale }.to_string();
        assert_eq!(show(-5, 1), "-0.5");
        assert_eq!(show(0, 4), "0.0000");
        assert_eq!(show(-12_345, 0), "-12345");
        assert_eq!(show(10_i128.pow(38) - 1, 38), format!("0.{}", "9".repeat(38)));
    }

    #[test]
    fn identity_is_bytewise_and_self_delimiting() {
        let identity = |values: &[Value]| {
            let mut out = Vec::new();
            for value in values {
                value.write_identity(&mut out);
            }
            out
        };
        let text = |s: &str| Value::Text(s.into());
        assert_ne!(identity(&[text("abc")]), identity(&[text("ABC")]));
        assert_ne!(identity(&[text("a"), text("b")]), identity(&[text("ab"), text("")]));
        assert_eq!(identity(&[Value::Int(7)]), identity(&[Value::Int(7)]));
    }

    #[test]
    fn identity_reads_back() {
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(-7),
            Value::Decimal(Decimal { unscaled: -12_345, scale: 2 }),
            Value::Real(1.5),
            Value::Float(-0.0),
            Value::Text("naïve \u{1F600}".into()),
            Value::Bytes(vec![0, 255]),
            Value::Date(738_000),
            Value::Time(863_999_999_999),
            Value::Timestamp { days: 1, ticks: 2 },
            Value::TimestampTz { days: 1, ticks: 2, offset_minutes: -840 },
            Value::Uuid(Uuid::from_u128(7)),
        ];
        let mut bytes = Vec::new();
        for value in &values {
            value.write_identity(&mut bytes);
        }
        let mut rest = bytes.as_slice();
        for value in &values {
            assert!(Value::read_identity(&mut rest).as_ref() == Some(value));
        }
        assert!(rest.is_empty() && Value::read_identity(&mut rest).is_none());
        assert!(Value::read_identity(&mut [6u8, 9, 0, 0, 0, 0, 0, 0, 0, b'a'].as_slice()).is_none());
    }

    #[test]
    fn debug_hides_the_value() {
        assert_eq!(format!("{:?}", Value::Text("card 4711".into())), "Text(..)");
    }
}
