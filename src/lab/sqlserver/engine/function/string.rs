//! Functions on character strings and binaries. Lengths count UTF-16 units.

use super::super::value::rank::{is_binary, is_text, length};
use super::super::value::{parse, text};
use super::super::{collation, value::convert};
use super::{Builtin, Signature, strict};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

pub(super) const FUNCTIONS: &[Builtin] = &[
    strict(
        "LEN",
        1,
        1,
        |a| count(vec![as_text(&a[0])]),
        |v, _, _| {
            let units = units(&v[0]);
            Ok(int(units.iter().rposition(|u| *u != 32).map_or(0, |last| last + 1)))
        },
    ),
    strict(
        "DATALENGTH",
        1,
        1,
        |a| count(vec![a[0].clone()]),
        |v, t, _| {
            let (bytes, _, _) = super::super::type_name::sizes(&t[0]);
            Ok(match &v[0] {
                Datum::Text(u) if matches!(t[0], DataType::NChar(_) | DataType::NVarChar(_)) => int(u.len() * 2),
                Datum::Text(u) => int(u.len()),
                Datum::Bytes(b) => int(b.len()),
                _ => Datum::Int(bytes.into()),
            })
        },
    ),
    strict(
        "LEFT",
        2,
        2,
        |a| same_text(a, &[DataType::Int]),
        |v, _, _| {
            let n = usize::try_from(number(&v[1])).map_err(|_| bad_length("left"))?;
            Ok(cut(&v[0], 0, n))
        },
    ),
    strict(
        "RIGHT",
        2,
        2,
        |a| same_text(a, &[DataType::Int]),
        |v, _, _| {
            let n = usize::try_from(number(&v[1])).map_err(|_| bad_length("right"))?;
            Ok(cut(&v[0], size(&v[0]).saturating_sub(n), n))
        },
    ),
    strict(
        "SUBSTRING",
        3,
        3,
        |a| same_text(a, &[DataType::Int, DataType::Int]),
        |v, _, _| {
            let (start, count) = (number(&v[1]), number(&v[2]));
            if count < 0 {
                return Err(Message::error(537, "Invalid length parameter passed to the LEFT or SUBSTRING function."));
            }
            // A start below 1 eats into the length.
            let end = usize::try_from(start.saturating_add(count) - 1).unwrap_or(0);
            let from = usize::try_from(start - 1).unwrap_or(0);
            Ok(cut(&v[0], from, end.saturating_sub(from)))
        },
    ),
    strict(
        "REPLACE",
        3,
        3,
        |a| Signature { arguments: vec![as_text(&a[0]), as_text(&a[1]), as_text(&a[2])], result: widest(a) },
        |v, _, _| {
            let (whole, what, with) = (units(&v[0]), folded(&v[1]), units(&v[2]));
            if what.is_empty() {
                return Ok(v[0].clone());
            }
            let lower = folded(&v[0]);
            let (mut out, mut at) = (vec![], 0);
            while at < whole.len() {
                if lower[at..].starts_with(&what) {
                    out.extend_from_slice(with);
                    at += what.len();
                } else {
                    out.push(whole[at]);
                    at += 1;
                }
            }
            Ok(Datum::Text(out))
        },
    ),
    strict("UPPER", 1, 1, |a| same_text(a, &[]), |v, _, _| Ok(map_chars(&v[0], |c| single(c.to_uppercase(), c)))),
    strict("LOWER", 1, 1, |a| same_text(a, &[]), |v, _, _| Ok(map_chars(&v[0], collation::fold))),
    strict("LTRIM", 1, 1, |a| same_text(a, &[]), |v, _, _| Ok(trim(&v[0], true, false))),
    strict("RTRIM", 1, 1, |a| same_text(a, &[]), |v, _, _| Ok(trim(&v[0], false, true))),
    strict("TRIM", 1, 1, |a| same_text(a, &[]), |v, _, _| Ok(trim(&v[0], true, true))),
    strict("REVERSE", 1, 1, |a| same_text(a, &[]), |v, _, _| Ok(Datum::Text(units(&v[0]).iter().rev().copied().collect()))),
    strict(
        "REPLICATE",
        2,
        2,
        |a| Signature { arguments: vec![as_text(&a[0]), DataType::Int], result: unbounded(&a[0]) },
        |v, t, _| {
            // The result is cut at 8,000 bytes unless the string is of a max type.
            let Ok(times) = usize::try_from(number(&v[1])) else { return Ok(Datum::Null) };
            let one = units(&v[0]);
            let limit = match t[0] {
                DataType::VarChar(None) | DataType::NVarChar(None) => 64 << 20,
                DataType::NVarChar(_) | DataType::NChar(_) => 4000,
                _ => 8000,
            };
            Ok(Datum::Text(one.iter().copied().cycle().take(one.len().saturating_mul(times).min(limit)).collect()))
        },
    ),
    strict(
        "SPACE",
        1,
        1,
        |_| Signature { arguments: vec![DataType::Int], result: DataType::VarChar(Some(8000)) },
        |v, _, _| Ok(usize::try_from(number(&v[0])).map_or(Datum::Null, |n| Datum::Text(vec![32; n.min(8000)]))),
    ),
    strict(
        "STUFF",
        4,
        4,
        |a| Signature { arguments: vec![as_text(&a[0]), DataType::Int, DataType::Int, as_text(&a[3])], result: widest(a) },
        |v, _, _| {
            let whole = units(&v[0]);
            let (start, count) = (number(&v[1]), number(&v[2]));
            match (usize::try_from(start - 1), usize::try_from(count)) {
                (Ok(start), Ok(count)) if start < whole.len() => {
                    let mut out = whole.to_vec();
                    let end = (start + count).min(out.len());
                    out.splice(start..end, units(&v[3]).iter().copied());
                    Ok(Datum::Text(out))
                }
                _ => Ok(Datum::Null),
            }
        },
    ),
    strict(
        "CHARINDEX",
        2,
        3,
        |a| count(vec![as_text(&a[0]), as_text(&a[1]), DataType::Int][..a.len()].to_vec()),
        |v, _, _| {
            let (what, whole) = (folded(&v[0]), folded(&v[1]));
            let from = v.get(2).map_or(0, |s| usize::try_from(number(s) - 1).unwrap_or(0));
            let at = if what.is_empty() { None } else { whole.get(from..).and_then(|w| w.windows(what.len()).position(|w| w == what)) };
            Ok(at.map_or(Datum::Int(0), |at| int(at + from + 1)))
        },
    ),
    strict(
        "QUOTENAME",
        1,
        2,
        |a| Signature {
            arguments: vec![DataType::NVarChar(Some(128)), DataType::NVarChar(Some(1))][..a.len()].to_vec(),
            result: DataType::NVarChar(Some(258)),
        },
        |v, _, _| {
            let name = String::from_utf16_lossy(units(&v[0]));
            let quote = v.get(1).map_or_else(|| "[".to_owned(), |q| String::from_utf16_lossy(units(q)));
            Ok(match quote.as_str() {
                "[" | "]" => text(&format!("[{}]", name.replace(']', "]]"))),
                "'" => text(&format!("'{}'", name.replace('\'', "''"))),
                "\"" => text(&format!("\"{}\"", name.replace('"', "\"\""))),
                _ => Datum::Null,
            })
        },
    ),
    Builtin {
        name: "CONCAT",
        least: 2,
        most: 254,
        strict: false,
        date_part: false,
        signature: |a| Signature { arguments: a.iter().map(as_text).collect(), result: widest(a) },
        run: |v, _, _| Ok(Datum::Text(v.iter().flat_map(|d| units(d).iter().copied()).collect())),
    },
    strict(
        "ASCII",
        1,
        1,
        |_| count(vec![DataType::VarChar(None)]),
        |v, _, _| Ok(units(&v[0]).first().map_or(Datum::Null, |u| Datum::Int(i64::from(*u)))),
    ),
    strict(
        "UNICODE",
        1,
        1,
        |_| count(vec![DataType::NVarChar(None)]),
        |v, _, _| Ok(units(&v[0]).first().map_or(Datum::Null, |u| Datum::Int(i64::from(*u)))),
    ),
    strict(
        "CHAR",
        1,
        1,
        |_| Signature { arguments: vec![DataType::Int], result: DataType::Char(1) },
        |v, _, _| Ok(u8::try_from(number(&v[0])).map_or(Datum::Null, |b| Datum::Text(vec![b.into()]))),
    ),
    strict(
        "NCHAR",
        1,
        1,
        |_| Signature { arguments: vec![DataType::Int], result: DataType::NChar(1) },
        |v, _, _| Ok(u16::try_from(number(&v[0])).map_or(Datum::Null, |u| Datum::Text(vec![u]))),
    ),
    strict(
        "PARSENAME",
        2,
        2,
        |_| Signature { arguments: vec![DataType::NVarChar(Some(4000)), DataType::Int], result: DataType::NVarChar(Some(128)) },
        |v, _, _| {
            let parts = super::name::name_parts(&String::from_utf16_lossy(units(&v[0])));
            let from_end = usize::try_from(number(&v[1])).unwrap_or(0);
            Ok(parts.iter().rev().nth(from_end.wrapping_sub(1)).filter(|p| !p.is_empty()).map_or(Datum::Null, |p| text(p)))
        },
    ),
    strict(
        "ISNUMERIC",
        1,
        1,
        |_| count(vec![DataType::NVarChar(None)]),
        |v, _, _| {
            let shown = String::from_utf16_lossy(units(&v[0]));
            let numeric = !shown.trim().is_empty() && (parse::float(&shown).is_some() || parse::money(&shown).is_some());
            Ok(Datum::Int(numeric.into()))
        },
    ),
    strict(
        "LAB_CONCAT_BINARY",
        2,
        2,
        |a| Signature { arguments: a.to_vec(), result: DataType::VarBinary(None) },
        |v, _, _| match (&v[0], &v[1]) {
            (Datum::Bytes(a), Datum::Bytes(b)) => Ok(Datum::Bytes([a.as_slice(), b].concat())),
            _ => Ok(Datum::Null),
        },
    ),
];

fn count(arguments: Vec<DataType>) -> Signature {
    Signature { arguments, result: DataType::Int }
}

/// The argument as it is when text, else as text.
fn as_text(t: &DataType) -> DataType {
    if is_text(t) { t.clone() } else { DataType::VarChar(Some(8000)) }
}

/// First argument text or binary, result of the same kind.
fn same_text(a: &[DataType], rest: &[DataType]) -> Signature {
    let first = if is_binary(&a[0]) { a[0].clone() } else { as_text(&a[0]) };
    let result = match &first {
        DataType::Char(n) => DataType::VarChar(Some(*n)),
        DataType::NChar(n) => DataType::NVarChar(Some(*n)),
        DataType::Binary(n) => DataType::VarBinary(Some(*n)),
        DataType::RowVersion => DataType::VarBinary(Some(8)),
        other => other.clone(),
    };
    let mut arguments = vec![first];
    arguments.extend_from_slice(rest);
    Signature { arguments, result }
}

fn unbounded(t: &DataType) -> DataType {
    match as_text(t) {
        DataType::NVarChar(None) => DataType::NVarChar(None),
        DataType::NVarChar(_) | DataType::NChar(_) => DataType::NVarChar(Some(4000)),
        DataType::VarChar(None) => DataType::VarChar(None),
        _ => DataType::VarChar(Some(8000)),
    }
}

/// nvarchar if any argument is, max if any is.
fn widest(a: &[DataType]) -> DataType {
    let national = a.iter().any(|t| matches!(t, DataType::NChar(_) | DataType::NVarChar(_)));
    let max = a.iter().any(|t| is_text(t) && length(t).is_none());
    match (national, max) {
        (true, true) => DataType::NVarChar(None),
        (true, false) => DataType::NVarChar(Some(4000)),
        (false, true) => DataType::VarChar(None),
        (false, false) => DataType::VarChar(Some(8000)),
    }
}

fn units(d: &Datum) -> &[u16] {
    if let Datum::Text(u) = d { u } else { &[] }
}

fn number(d: &Datum) -> i64 {
    if let Datum::Int(i) = d { *i } else { 0 }
}

fn int(n: usize) -> Datum {
    Datum::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn size(d: &Datum) -> usize {
    match d {
        Datum::Text(u) => u.len(),
        Datum::Bytes(b) => b.len(),
        _ => 0,
    }
}

fn cut(d: &Datum, from: usize, count: usize) -> Datum {
    let range = |len: usize| from.min(len)..from.saturating_add(count).min(len);
    match d {
        Datum::Text(u) => Datum::Text(u[range(u.len())].to_vec()),
        Datum::Bytes(b) => Datum::Bytes(b[range(b.len())].to_vec()),
        _ => Datum::Null,
    }
}

fn single(mut chars: impl Iterator<Item = char>, otherwise: char) -> char {
    match (chars.next(), chars.next()) {
        (Some(one), None) => one,
        _ => otherwise,
    }
}

fn map_chars(d: &Datum, f: impl Fn(char) -> char) -> Datum {
    let mut out = Vec::with_capacity(size(d));
    let mut buffer = [0; 2];
    for c in char::decode_utf16(units(d).iter().copied()) {
        match c {
            Ok(c) => out.extend_from_slice(f(c).encode_utf16(&mut buffer)),
            Err(lone) => out.push(lone.unpaired_surrogate()),
        }
    }
    Datum::Text(out)
}

/// Case folded, unit for unit.
fn folded(d: &Datum) -> Vec<u16> {
    units(d)
        .iter()
        .map(|u| char::from_u32(u32::from(*u)).map_or(*u, |c| u16::try_from(u32::from(collation::fold(c))).unwrap_or(*u)))
        .collect()
}

fn trim(d: &Datum, left: bool, right: bool) -> Datum {
    let mut rest = units(d);
    while let [32, tail @ ..] = rest {
        if !left {
            break;
        }
        rest = tail;
    }
    while let [head @ .., 32] = rest {
        if !right {
            break;
        }
        rest = head;
    }
    Datum::Text(rest.to_vec())
}

fn bad_length(function: &str) -> Message {
    if function == "left" {
        Message::error(537, "Invalid length parameter passed to the LEFT or SUBSTRING function.")
    } else {
        Message::error(536, format!("Invalid length parameter passed to the {function} function."))
    }
}

/// For callers that need text of any value (PRINT, CONCAT_NULL…).
#[must_use]
pub fn shown(value: &Datum, data_type: &DataType) -> String {
    match convert::convert(value, data_type, &DataType::NVarChar(None), 0) {
        Ok(Datum::Text(u)) => String::from_utf16_lossy(&u),
        _ => String::new(),
    }
}
