//! Log sequence numbers of SQL Server.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A log sequence number: ten bytes, ordered as bytes, shown as 20 lowercase hex digits.
///
/// The same form serves `__$start_lsn` (the commit LSN of a transaction) and `__$seqval`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn([u8; 10]);

/// A text or byte string that is not an LSN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an LSN: expected ten bytes or 20 hex digits, got {0:?}")]
pub struct LsnError(pub String);

impl Lsn {
    /// All zero: what `fn_cdc_get_min_lsn` returns for an instance that is unknown or closed to
    /// the caller. Never a real LSN.
    pub const ZERO: Self = Self([0; 10]);
    /// All ones: above every real LSN.
    pub const MAX: Self = Self([0xff; 10]);

    #[must_use]
    pub const fn from_bytes(bytes: [u8; 10]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }

    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The LSN plus one, as `fn_cdc_increment_lsn` computes it. Stays at [`Lsn::MAX`].
    #[must_use]
    pub fn next(self) -> Self {
        let mut bytes = self.0;
        for byte in bytes.iter_mut().rev() {
            let (sum, carry) = byte.overflowing_add(1);
            *byte = sum;
            if !carry {
                return Self(bytes);
            }
        }
        Self::MAX
    }

    /// The LSN minus one, as `fn_cdc_decrement_lsn` computes it. Stays at [`Lsn::ZERO`].
    #[must_use]
    pub fn prev(self) -> Self {
        let mut bytes = self.0;
        for byte in bytes.iter_mut().rev() {
            let (difference, borrow) = byte.overflowing_sub(1);
            *byte = difference;
            if !borrow {
                return Self(bytes);
            }
        }
        Self::ZERO
    }
}

impl TryFrom<&[u8]> for Lsn {
    type Error = LsnError;

    fn try_from(bytes: &[u8]) -> Result<Self, LsnError> {
        <[u8; 10]>::try_from(bytes).map(Self).map_err(|_| LsnError(format!("{} bytes", bytes.len())))
    }
}

impl FromStr for Lsn {
    type Err = LsnError;

    /// Accepts 20 hex digits in either case, with or without a leading `0x`.
    fn from_str(text: &str) -> Result<Self, LsnError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len() != 20 || !digits.is_ascii() {
            return Err(LsnError(text.to_owned()));
        }
        let mut bytes = [0; 10];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| LsnError(text.to_owned()))?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| LsnError(text.to_owned()))?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::hex(&self.0))
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lsn({self})")
    }
}

impl Serialize for Lsn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lsn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Lsn {
    fn schema_name() -> Cow<'static, str> {
        "Lsn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-f]{20}$", "description": "Log sequence number: ten bytes as hex digits; order is that of the text." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn carries_and_borrows_over_bytes() {
        let lsn: Lsn = "0000002a000000ffffff".parse().unwrap();
        assert_eq!(lsn.next().to_string(), "0000002a000001000000");
        assert_eq!(lsn.next().prev(), lsn);
        assert_eq!(Lsn::MAX.next(), Lsn::MAX);
        assert_eq!(Lsn::ZERO.prev(), Lsn::ZERO);
    }

    #[test]
    fn refuses_what_is_not_an_lsn() {
        for text in ["", "0x", "00", "0000002a000000ffffzz", "0000002a000000ffffff00", "é000002a000000fffff"] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
        assert!(Lsn::try_from(&[1u8, 2][..]).is_err());
    }

    proptest! {
        #[test]
        fn text_and_bytes_round_trip(a: [u8; 10], b: [u8; 10]) {
            let (x, y) = (Lsn::from_bytes(a), Lsn::from_bytes(b));
            prop_assert_eq!(x.to_string().parse::<Lsn>().unwrap(), x);
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.cmp(&y), x.to_string().cmp(&y.to_string()));
        }

        #[test]
        fn next_is_the_smallest_larger(a: [u8; 10]) {
            let x = Lsn::from_bytes(a);
            prop_assume!(x != Lsn::MAX);
            prop_assert!(x < x.next());
            prop_assert_eq!(x.next().prev(), x);
        }
    }
}
