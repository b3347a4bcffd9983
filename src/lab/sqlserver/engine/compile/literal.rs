//! Literals and their types.

use super::super::value::parse;
use super::{Typed, syntax};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};
use sqlparser::ast::{Expr, UnaryOperator, Value};

/// The value and type of a literal, also a negated number; `None` when it is no literal.
#[must_use]
pub fn constant(expr: &Expr) -> Option<Result<(Datum, DataType), Message>> {
    match expr {
        Expr::Value(v) => literal(&v.value),
        Expr::Nested(inner) => constant(inner),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => constant(expr),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Some(match constant(expr)? {
            Ok((Datum::Int(i), _)) => Ok((Datum::Int(-i), DataType::Int)),
            // 2147483648 is a decimal by itself, and so is its negative.
            Ok((Datum::Decimal { unscaled, scale }, t)) => Ok((Datum::Decimal { unscaled: -unscaled, scale }, t)),
            Ok((Datum::Float(f), t)) => Ok((Datum::Float(-f), t)),
            Ok((Datum::Money(m), t)) => Ok((Datum::Money(-m), t)),
            _ => return None,
        }),
        Expr::Prefixed { prefix, value } if prefix.value.eq_ignore_ascii_case("n") => match value.as_ref() {
            Expr::Value(v) => match &v.value {
                Value::SingleQuotedString(s) => Some(Ok(national(s))),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn national(s: &str) -> (Datum, DataType) {
    let units: Vec<u16> = s.encode_utf16().collect();
    let length = u16::try_from(units.len().max(1)).ok().filter(|n| *n <= 4000);
    (Datum::Text(units), DataType::NVarChar(length))
}

fn literal(value: &Value) -> Option<Result<(Datum, DataType), Message>> {
    Some(match value {
        Value::Null => Ok((Datum::Null, DataType::Int)),
        Value::Number(n, _) => number(n),
        Value::NationalStringLiteral(s) => Ok(national(s)),
        Value::SingleQuotedString(s) => {
            let (datum, _) = national(s);
            let units = if let Datum::Text(u) = &datum { u.len() } else { 0 };
            let length = u16::try_from(units.max(1)).ok().filter(|n| *n <= 8000);
            // A plain literal is in the code page: what it lacks is lost at once.
            let wide = DataType::NVarChar(None);
            let narrow = DataType::VarChar(length);
            super::super::value::convert::convert(&datum, &wide, &narrow, 0).map(|d| (d, narrow))
        }
        Value::HexStringLiteral(digits) => {
            let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.clone() };
            match parse::hex(&even) {
                Some(bytes) => {
                    let length = u16::try_from(bytes.len().max(1)).ok().filter(|n| *n <= 8000);
                    Ok((Datum::Bytes(bytes), DataType::VarBinary(length)))
                }
                None => Err(syntax(digits)),
            }
        }
        Value::Placeholder(text) if text.starts_with('$') => {
            parse::money(text).map(|m| (Datum::Money(m), DataType::Money)).ok_or_else(|| syntax(text))
        }
        _ => return None,
    })
}

fn number(text: &str) -> Result<(Datum, DataType), Message> {
    if text.contains(['e', 'E']) {
        return parse::float(text).map(|f| (Datum::Float(f), DataType::Float)).ok_or_else(|| syntax(text));
    }
    if let Some(money) = text.strip_prefix('$') {
        return parse::money(money).map(|m| (Datum::Money(m), DataType::Money)).ok_or_else(|| syntax(text));
    }
    if let Ok(i) = text.parse::<i32>() {
        return Ok((Datum::Int(i.into()), DataType::Int));
    }
    let (unscaled, scale) = parse::decimal(text).ok_or_else(|| syntax(text))?;
    let digits = unscaled.unsigned_abs().to_string().len().max(usize::from(scale)).max(1);
    match u8::try_from(digits) {
        Ok(precision) if precision <= 38 => Ok((Datum::Decimal { unscaled, scale }, DataType::Decimal { precision, scale })),
        _ => Err(Message {
            class: 15,
            ..Message::error(1007, format!("The number '{text}' is out of the range for numeric representation (maximum precision 38)."))
        }),
    }
}

impl Typed {
    pub(super) fn of_constant(expr: &Expr) -> Option<Result<Self, Message>> {
        Some(constant(expr)?.map(|(value, data_type)| Self::literal(value, data_type)))
    }
}
