//! Conversion of a value from one type to another, with the server's errors.

use super::super::codec::DATETIME_TICKS_A_DAY;
use super::super::type_name;
use super::arith::{integer_range, rescale};
use super::format::to_text;
use super::moment::to_moment;
use super::parse;
use super::rank::{is_binary, is_text, is_time};
use super::text;
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

/// 8115: the result does not fit.
#[must_use]
pub fn overflow(what: &str, to: &DataType) -> Message {
    let name = if matches!(to, DataType::Decimal { .. }) { "numeric" } else { type_name::name(to) };
    Message::error(8115, format!("Arithmetic overflow error converting {what} to data type {name}."))
}

fn failed(value: &str, from: &DataType, to: &DataType) -> Message {
    let (from, name) = (type_name::name(from), type_name::name(to));
    match to {
        DataType::Decimal { .. } => Message::error(8114, format!("Error converting data type {from} to numeric.")),
        DataType::Float | DataType::Real => Message::error(8114, format!("Error converting data type {from} to {name}.")),
        DataType::UniqueIdentifier => {
            Message::error(8169, "Conversion failed when converting from a character string to uniqueidentifier.")
        }
        DataType::Money | DataType::SmallMoney => {
            Message::error(235, "Cannot convert a char value to money. The char value has incorrect syntax.")
        }
        _ => Message::error(245, format!("Conversion failed when converting the {from} value '{value}' to data type {name}.")),
    }
}

pub(super) fn not_allowed(from: &DataType, to: &DataType) -> Message {
    let (from, to) = (type_name::name(from), type_name::name(to));
    Message::error(529, format!("Explicit conversion from data type {from} to {to} is not allowed."))
}

/// CAST: strings and binaries that are too long are cut; numbers that do not fit are errors.
pub fn convert(value: &Datum, from: &DataType, to: &DataType, style: i32) -> Result<Datum, Message> {
    if matches!(value, Datum::Null) {
        return Ok(Datum::Null);
    }
    if is_text(to) {
        to_characters(value, from, to, style)
    } else if is_binary(to) {
        to_binary(value, from, to, style)
    } else if is_time(to) {
        to_moment(value, from, to)
    } else if to == &DataType::UniqueIdentifier {
        to_guid(value, from, to)
    } else {
        to_number(value, from, to)
    }
}

fn to_characters(value: &Datum, from: &DataType, to: &DataType, style: i32) -> Result<Datum, Message> {
    let mut units = match value {
        Datum::Text(units) => units.clone(),
        // Into the n-types the bytes are UTF-16 little-endian.
        Datum::Bytes(bytes) if style == 0 && matches!(to, DataType::NChar(_) | DataType::NVarChar(_)) => {
            bytes.chunks(2).map(|c| u16::from(c[0]) | c.get(1).map_or(0, |b| u16::from(*b) << 8)).collect()
        }
        _ => {
            let shown = to_text(value, from, style).ok_or_else(|| {
                Message::error(
                    281,
                    format!("{style} is not a valid style number when converting from {} to a character string.", type_name::name(from)),
                )
            })?;
            let units: Vec<u16> = shown.encode_utf16().collect();
            let limit = super::rank::length(to).map_or(usize::MAX, usize::from);
            if units.len() > limit {
                match value {
                    Datum::Bit(_) | Datum::Int(_) if matches!(to, DataType::Char(_) | DataType::VarChar(_)) => return Ok(text("*")),
                    Datum::Bytes(_)
                    | Datum::Date(_)
                    | Datum::Time(_)
                    | Datum::DateTime { .. }
                    | Datum::SmallDateTime { .. }
                    | Datum::DateTime2 { .. }
                    | Datum::DateTimeOffset { .. } => {}
                    _ => return Err(overflow(type_name::name(from), to)),
                }
            }
            units
        }
    };
    if matches!(to, DataType::Char(_) | DataType::VarChar(_)) && !matches!(from, DataType::Char(_) | DataType::VarChar(_)) {
        to_code_page(&mut units);
    }
    let fixed = matches!(to, DataType::Char(_) | DataType::NChar(_));
    if let Some(limit) = super::rank::length(to).map(usize::from) {
        units.truncate(limit);
        if fixed {
            units.resize(limit, u16::from(b' '));
        }
    }
    Ok(Datum::Text(units))
}

/// Code page 1252: what it lacks becomes a question mark.
fn to_code_page(units: &mut [u16]) {
    const UPPER: &[u16] = &[
        0x20AC, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x017D, 0x2018, 0x2019, 0x201C,
        0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x017E, 0x0178,
    ];
    for unit in units.iter_mut() {
        if *unit > 0xFF && !UPPER.contains(unit) {
            *unit = u16::from(b'?');
        }
    }
}

fn to_binary(value: &Datum, from: &DataType, to: &DataType, style: i32) -> Result<Datum, Message> {
    let left_pad; // Integers keep their low bytes, others their first ones.
    let mut bytes = match value {
        Datum::Bytes(b) => {
            left_pad = false;
            b.clone()
        }
        Datum::Text(units) if style == 1 || style == 2 => {
            left_pad = false;
            let shown = String::from_utf16_lossy(units);
            let digits = if style == 1 { shown.strip_prefix("0x").or_else(|| shown.strip_prefix("0X")) } else { Some(shown.as_str()) };
            digits.and_then(parse::hex).ok_or_else(|| Message::error(8114, "Error converting data type varchar to varbinary."))?
        }
        Datum::Text(units) => {
            left_pad = false;
            if matches!(from, DataType::NChar(_) | DataType::NVarChar(_)) {
                units.iter().flat_map(|u| u.to_le_bytes()).collect()
            } else {
                units.iter().map(|u| u8::try_from(*u).unwrap_or(b'?')).collect()
            }
        }
        Datum::Guid(g) => {
            left_pad = false;
            vec![g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]]
        }
        Datum::Int(_) | Datum::Bit(_) | Datum::Money(_) => {
            left_pad = true;
            let number = match value {
                Datum::Int(i) | Datum::Money(i) => *i,
                Datum::Bit(b) => i64::from(*b),
                _ => 0,
            };
            let width = match from {
                DataType::Bit | DataType::TinyInt => 1,
                DataType::SmallInt => 2,
                DataType::Int | DataType::SmallMoney => 4,
                _ => 8,
            };
            number.to_be_bytes()[8 - width..].to_vec()
        }
        _ => return Err(not_allowed(from, to)),
    };
    if let Some(limit) = super::rank::length(to).map(usize::from) {
        if bytes.len() > limit {
            bytes = if left_pad { bytes[bytes.len() - limit..].to_vec() } else { bytes[..limit].to_vec() };
        } else if matches!(to, DataType::Binary(_) | DataType::RowVersion) {
            let missing = limit - bytes.len();
            if left_pad {
                bytes.splice(0..0, std::iter::repeat_n(0, missing));
            } else {
                bytes.resize(limit, 0);
            }
        }
    }
    Ok(Datum::Bytes(bytes))
}

fn to_guid(value: &Datum, from: &DataType, to: &DataType) -> Result<Datum, Message> {
    match value {
        Datum::Guid(g) => Ok(Datum::Guid(*g)),
        Datum::Text(units) => {
            let shown = String::from_utf16_lossy(units);
            parse::guid(&shown).map(Datum::Guid).ok_or_else(|| failed(&shown, from, to))
        }
        Datum::Bytes(b) if b.len() >= 16 => {
            let g: [u8; 16] = std::array::from_fn(|i| b[[3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15][i]]);
            Ok(Datum::Guid(g))
        }
        _ => Err(not_allowed(from, to)),
    }
}

/// Any number as unscaled decimal, or `None` for floats and non-numbers.
fn exact(value: &Datum) -> Option<(i128, u8)> {
    match value {
        Datum::Bit(b) => Some((i128::from(*b), 0)),
        Datum::Int(i) => Some((i128::from(*i), 0)),
        Datum::Decimal { unscaled, scale } => Some((*unscaled, *scale)),
        Datum::Money(m) => Some((i128::from(*m), 4)),
        _ => None,
    }
}

fn to_number(value: &Datum, from: &DataType, to: &DataType) -> Result<Datum, Message> {
    match value {
        Datum::Text(units) => {
            let shown = String::from_utf16_lossy(units);
            return text_to_number(&shown, to)
                .ok_or_else(|| failed(&shown, from, to))?
                .map_or_else(|| Err(overflow(type_name::name(from), to)), Ok);
        }
        Datum::Bytes(bytes) => {
            let (bits, low) = match to {
                DataType::Bit => return Ok(Datum::Bit(bytes.iter().any(|b| *b != 0))),
                DataType::TinyInt => (8, bytes.last_chunk::<1>().map(|b| i64::from(b[0]))),
                DataType::SmallInt => (16, None),
                DataType::Int => (32, None),
                DataType::BigInt | DataType::Money => (64, None),
                _ => return Err(not_allowed(from, to)),
            };
            let number = low.unwrap_or_else(|| {
                let folded = bytes.iter().rev().take(bits / 8).rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
                let shift = 64 - bits;
                (folded << shift).cast_signed() >> shift
            });
            return Ok(if to == &DataType::Money { Datum::Money(number) } else { Datum::Int(number) });
        }
        Datum::DateTime { days, ticks } if matches!(to, DataType::Float | DataType::Int) => {
            #[expect(clippy::cast_precision_loss, reason = "a day number with fraction")]
            let days = f64::from(*days) + f64::from(*ticks) / DATETIME_TICKS_A_DAY as f64;
            return to_number(&Datum::Float(days), &DataType::Float, to);
        }
        _ => {}
    }
    let too_large = || overflow(type_name::name(from), to);
    match to {
        DataType::Float | DataType::Real => {
            #[expect(clippy::cast_precision_loss, reason = "floats are approximate")]
            let f = match (value, exact(value)) {
                (Datum::Float(f), _) => *f,
                (Datum::Real(f), _) => f64::from(*f),
                (_, Some((n, s))) if n.unsigned_abs() < 1 << 53 => n as f64 / 10_f64.powi(i32::from(s)),
                (_, Some((n, s))) => super::format::decimal(n, s).parse().unwrap_or(0.0),
                _ => return Err(not_allowed(from, to)),
            };
            #[expect(clippy::cast_possible_truncation, reason = "checked for infinity")]
            if to == &DataType::Real {
                Some(f as f32).filter(|r| r.is_finite()).map(Datum::Real).ok_or_else(too_large)
            } else {
                Ok(Datum::Float(f))
            }
        }
        DataType::Bit => match value {
            Datum::Float(f) => Ok(Datum::Bit(*f != 0.0)),
            Datum::Real(f) => Ok(Datum::Bit(*f != 0.0)),
            _ => exact(value).map(|(n, _)| Datum::Bit(n != 0)).ok_or_else(|| not_allowed(from, to)),
        },
        _ => {
            let scale = match to {
                DataType::Decimal { scale, .. } => *scale,
                DataType::Money | DataType::SmallMoney => 4,
                _ => 0,
            };
            let (unscaled, have) = match value {
                Datum::Float(f) => from_float(*f, scale).ok_or_else(too_large)?,
                Datum::Real(f) => from_float(f64::from(*f), scale).ok_or_else(too_large)?,
                _ => exact(value).ok_or_else(|| not_allowed(from, to))?,
            };
            // Integers are cut, decimals and money rounded.
            let integer = !matches!(to, DataType::Decimal { .. } | DataType::Money | DataType::SmallMoney);
            let cut = integer && !matches!(value, Datum::Money(_));
            let scaled = if cut && have > 0 { Some(unscaled / 10_i128.pow(u32::from(have))) } else { rescale(unscaled, have, scale) };
            number_of(scaled.ok_or_else(too_large)?, to).ok_or_else(|| match (to, value) {
                (DataType::TinyInt | DataType::SmallInt, Datum::Int(i)) => {
                    Message::error(220, format!("Arithmetic overflow error for data type {}, value = {i}.", type_name::name(to)))
                }
                _ => too_large(),
            })
        }
    }
}

/// A float in decimal digits: seventeen significant ones, cut to the scale by rounding later.
fn from_float(f: f64, scale: u8) -> Option<(i128, u8)> {
    let shown = format!("{f:.*}", usize::from(scale.min(37)) + 1);
    let (unscaled, have) = parse::decimal(&shown)?;
    Some((unscaled, have))
}

/// A value at the type's own scale, if it fits the type.
fn number_of(unscaled: i128, to: &DataType) -> Option<Datum> {
    match to {
        DataType::Decimal { precision, scale } => {
            let limit = 10_i128.checked_pow(u32::from(*precision))?;
            (unscaled.abs() < limit).then_some(Datum::Decimal { unscaled, scale: *scale })
        }
        DataType::Money => i64::try_from(unscaled).ok().map(Datum::Money),
        DataType::SmallMoney => i32::try_from(unscaled).ok().map(|m| Datum::Money(m.into())),
        _ => {
            let (low, high) = integer_range(to);
            i64::try_from(unscaled).ok().filter(|i| (low..=high).contains(i)).map(Datum::Int)
        }
    }
}

/// `None`: not a number; `Some(None)`: does not fit.
#[expect(clippy::option_option, reason = "two different failures")]
fn text_to_number(shown: &str, to: &DataType) -> Option<Option<Datum>> {
    Some(match to {
        DataType::Bit => match shown.trim().to_ascii_lowercase().as_str() {
            "true" => Some(Datum::Bit(true)),
            "false" => Some(Datum::Bit(false)),
            other => Some(Datum::Bit(parse::integer(other)? != 0)),
        },
        DataType::Decimal { scale, .. } => {
            let (unscaled, have) = parse::decimal(shown)?;
            rescale(unscaled, have, *scale).and_then(|n| number_of(n, to))
        }
        DataType::Money | DataType::SmallMoney => number_of(parse::money(shown)?.into(), to),
        DataType::Float => Some(Datum::Float(parse::float(shown)?)).filter(|d| matches!(d, Datum::Float(f) if f.is_finite())),
        #[expect(clippy::cast_possible_truncation, reason = "checked for infinity")]
        DataType::Real => Some(parse::float(shown)? as f32).filter(|f| f.is_finite()).map(Datum::Real),
        _ => {
            let trimmed = shown.trim();
            let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            parse::integer(shown).and_then(|i| number_of(i.into(), to))
        }
    })
}
