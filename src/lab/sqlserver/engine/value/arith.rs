//! Arithmetic on numbers: result types and exact results.
#![expect(clippy::many_single_char_names, reason = "letters as the rules of arithmetic and the calendar write them")]

use super::convert::overflow;
use super::rank::{as_decimal, is_integer, precedence};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// Brings an unscaled value to another scale, rounding half away from zero; `None` on overflow.
#[must_use]
pub fn rescale(unscaled: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return unscaled.checked_mul(10_i128.checked_pow(u32::from(to - from))?);
    }
    let divisor = 10_i128.checked_pow(u32::from(from - to))?;
    let (quotient, rest) = (unscaled / divisor, unscaled % divisor);
    Some(if rest.unsigned_abs() * 2 >= divisor.unsigned_abs() { quotient + unscaled.signum() } else { quotient })
}

/// The type of `a op b`, or `None` when the types do not calculate.
#[must_use]
pub fn result_type(op: Op, a: &DataType, b: &DataType) -> Option<DataType> {
    let high = if precedence(a) >= precedence(b) { a } else { b };
    match high {
        DataType::Float | DataType::Real | DataType::Money | DataType::SmallMoney => Some(high.clone()),
        DataType::Decimal { .. } => {
            let ((p1, s1), (p2, s2)) = (as_decimal(a)?, as_decimal(b)?);
            let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
            let (mut precision, mut scale) = match op {
                Op::Add | Op::Subtract => (s1.max(s2) + (p1 - s1).max(p2 - s2) + 1, s1.max(s2)),
                Op::Multiply => (p1 + p2 + 1, s1 + s2),
                Op::Divide => (p1 - s1 + s2 + 6.max(s1 + p2 + 1), 6.max(s1 + p2 + 1)),
                Op::Modulo => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
            };
            if precision > 38 {
                // Whole digits win; at least six decimals are kept for * and /.
                let whole = precision - scale;
                scale = match op {
                    Op::Multiply | Op::Divide => scale.min((38 - whole).max(6.min(scale))),
                    _ => scale.min((38 - whole).max(0)),
                };
                precision = 38;
            }
            Some(DataType::Decimal { precision: u8::try_from(precision).ok()?, scale: u8::try_from(scale).ok()? })
        }
        _ if is_integer(high) => Some(if high == &DataType::Bit { DataType::Int } else { high.clone() }),
        // A string or binary beside a number takes the number's type; here both are not numbers.
        _ => None,
    }
}

/// The smallest and largest value of an integer type.
#[must_use]
pub fn integer_range(data_type: &DataType) -> (i64, i64) {
    match data_type {
        DataType::Bit => (0, 1),
        DataType::TinyInt => (0, 255),
        DataType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

fn divide_by_zero() -> Message {
    Message::error(8134, "Divide by zero error encountered.")
}

/// Both operands already converted to the common kind of `result` (decimals keep their scales).
pub fn calculate(op: Op, a: &Datum, b: &Datum, result: &DataType) -> Result<Datum, Message> {
    let too_large = || overflow("expression", result);
    match (a, b) {
        (Datum::Null, _) | (_, Datum::Null) => Ok(Datum::Null),
        (Datum::Int(x), Datum::Int(y)) => {
            let value = match op {
                Op::Add => x.checked_add(*y),
                Op::Subtract => x.checked_sub(*y),
                Op::Multiply => x.checked_mul(*y),
                Op::Divide | Op::Modulo if *y == 0 => return Err(divide_by_zero()),
                Op::Divide => x.checked_div(*y),
                Op::Modulo => x.checked_rem(*y),
            };
            let (low, high) = integer_range(result);
            value.filter(|v| (low..=high).contains(v)).map(Datum::Int).ok_or_else(too_large)
        }
        (Datum::Money(x), Datum::Money(y)) => {
            let (x, y) = (i128::from(*x), i128::from(*y));
            let value = match op {
                Op::Add => x + y,
                Op::Subtract => x - y,
                Op::Multiply => rescale(x * y, 8, 4).ok_or_else(too_large)?,
                Op::Divide | Op::Modulo if y == 0 => return Err(divide_by_zero()),
                Op::Divide => x * 10_000 / y,
                Op::Modulo => x % y,
            };
            i64::try_from(value).map(Datum::Money).map_err(|_| too_large())
        }
        (Datum::Real(x), Datum::Real(y)) => match float(op, f64::from(*x), f64::from(*y), result)? {
            #[expect(clippy::cast_possible_truncation, reason = "the result type is real")]
            Datum::Float(f) => Ok(Datum::Real(f as f32)),
            other => Ok(other),
        },
        (Datum::Float(x), Datum::Float(y)) => float(op, *x, *y, result),
        (Datum::Decimal { unscaled: x, scale: s }, Datum::Decimal { unscaled: y, scale: t }) => decimal(op, (*x, *s), (*y, *t), result),
        _ => Err(Message::error(402, "The data types are incompatible in the operator.")),
    }
}

fn float(op: Op, x: f64, y: f64, result: &DataType) -> Result<Datum, Message> {
    let value = match op {
        Op::Add => x + y,
        Op::Subtract => x - y,
        Op::Multiply => x * y,
        Op::Divide if y == 0.0 => return Err(divide_by_zero()),
        Op::Divide => x / y,
        Op::Modulo => return Err(Message::error(402, "The data types float and float are incompatible in the modulo operator.")),
    };
    if value.is_finite() { Ok(Datum::Float(value)) } else { Err(overflow("expression", result)) }
}

fn decimal(op: Op, (x, s): (i128, u8), (y, t): (i128, u8), result: &DataType) -> Result<Datum, Message> {
    let too_large = || overflow("expression", result);
    let DataType::Decimal { precision, scale } = *result else { return Err(too_large()) };
    let exact = || -> Option<(i128, u8)> {
        Some(match op {
            Op::Add | Op::Subtract | Op::Modulo => {
                let common = s.max(t);
                let (x, y) = (rescale(x, s, common)?, rescale(y, t, common)?);
                let value = match op {
                    Op::Add => x.checked_add(y)?,
                    Op::Subtract => x.checked_sub(y)?,
                    _ => x.checked_rem(y)?,
                };
                (value, common)
            }
            Op::Multiply => (x.checked_mul(y)?, s + t),
            Op::Divide => {
                // Scale the dividend so that the quotient has `scale` digits, truncated.
                let shift = i32::from(scale) + i32::from(t) - i32::from(s);
                let value = match u32::try_from(shift) {
                    Ok(up) => x.checked_mul(10_i128.checked_pow(up)?)?.checked_div(y)?,
                    Err(_) => x.checked_div(y.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?)?)?,
                };
                (value, scale)
            }
        })
    };
    if y == 0 && matches!(op, Op::Divide | Op::Modulo) {
        return Err(divide_by_zero());
    }
    let (value, have) = exact().ok_or_else(too_large)?;
    let unscaled = rescale(value, have, scale).ok_or_else(too_large)?;
    let fits = 10_i128.checked_pow(u32::from(precision)).is_none_or(|limit| unscaled.abs() < limit);
    if fits { Ok(Datum::Decimal { unscaled, scale }) } else { Err(too_large()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_types_follow_the_rules() {
        let d = |precision, scale| DataType::Decimal { precision, scale };
        assert_eq!(result_type(Op::Add, &d(10, 2), &d(5, 3)), Some(d(12, 3)));
        assert_eq!(result_type(Op::Multiply, &d(10, 2), &DataType::Int), Some(d(21, 2)));
        assert_eq!(result_type(Op::Divide, &d(10, 2), &d(5, 1)), Some(d(17, 8)));
        assert_eq!(result_type(Op::Multiply, &d(38, 10), &d(38, 10)), Some(d(38, 6)));
        assert_eq!(result_type(Op::Add, &DataType::TinyInt, &DataType::Int), Some(DataType::Int));
        assert_eq!(rescale(-15, 1, 0), Some(-2));
        assert_eq!(calculate(Op::Add, &Datum::Int(2_147_483_647), &Datum::Int(1), &DataType::Int).unwrap_err().number, 8115);
    }
}
