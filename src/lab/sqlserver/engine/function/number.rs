//! Functions on numbers.

use super::super::value::arith::rescale;
use super::super::value::convert::overflow;
use super::super::value::rank::is_text;
use super::{Builtin, Signature, strict};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

pub(super) const FUNCTIONS: &[Builtin] = &[
    strict("ABS", 1, 1, same, |v, _, t| {
        Ok(match &v[0] {
            Datum::Int(i) => Datum::Int(i.checked_abs().ok_or_else(|| overflow("expression", t))?),
            Datum::Money(m) => Datum::Money(m.checked_abs().ok_or_else(|| overflow("expression", t))?),
            Datum::Decimal { unscaled, scale } => Datum::Decimal { unscaled: unscaled.abs(), scale: *scale },
            Datum::Float(f) => Datum::Float(f.abs()),
            Datum::Real(f) => Datum::Real(f.abs()),
            other => other.clone(),
        })
    }),
    strict("SIGN", 1, 1, same, |v, _, _| {
        Ok(match &v[0] {
            Datum::Int(i) => Datum::Int(i.signum()),
            Datum::Money(m) => Datum::Money(m.signum() * 10_000),
            Datum::Decimal { unscaled, scale } => {
                Datum::Decimal { unscaled: unscaled.signum() * 10_i128.pow(u32::from(*scale)), scale: *scale }
            }
            Datum::Float(f) => Datum::Float(if *f == 0.0 { 0.0 } else { f.signum() }),
            other => other.clone(),
        })
    }),
    strict("FLOOR", 1, 1, whole, |v, _, _| Ok(to_whole(&v[0], false))),
    strict("CEILING", 1, 1, whole, |v, _, _| Ok(to_whole(&v[0], true))),
    strict(
        "ROUND",
        2,
        3,
        |a| {
            let mut arguments = same(&a[..1]).arguments;
            arguments.extend(vec![DataType::Int; a.len() - 1]);
            Signature { result: arguments[0].clone(), arguments }
        },
        |v, _, t| {
            let digits = i32::try_from(int(&v[1])).unwrap_or(0);
            let cut = v.get(2).is_some_and(|f| int(f) != 0);
            let round = |unscaled: i128, scale: u8| -> Option<i128> {
                let keep = i32::from(scale) - digits;
                let Ok(drop) = u32::try_from(keep) else { return Some(unscaled) };
                let unit = 10_i128.checked_pow(drop)?;
                let rounded = if cut { unscaled / unit } else { rescale(unscaled, u8::try_from(drop).ok()?, 0)? };
                rounded.checked_mul(unit)
            };
            let too_large = || overflow("expression", t);
            Ok(match &v[0] {
                Datum::Int(i) => Datum::Int(round((*i).into(), 0).and_then(|r| r.try_into().ok()).ok_or_else(too_large)?),
                Datum::Money(m) => Datum::Money(round((*m).into(), 4).and_then(|r| r.try_into().ok()).ok_or_else(too_large)?),
                Datum::Decimal { unscaled, scale } => {
                    Datum::Decimal { unscaled: round(*unscaled, *scale).ok_or_else(too_large)?, scale: *scale }
                }
                Datum::Float(f) => {
                    let unit = 10_f64.powi(digits);
                    Datum::Float(if cut { (f * unit).trunc() } else { (f * unit).round() } / unit)
                }
                other => other.clone(),
            })
        },
    ),
    strict(
        "POWER",
        2,
        2,
        |a| {
            let first = same(&a[..1]).arguments.remove(0);
            Signature { arguments: vec![first.clone(), DataType::Float], result: first }
        },
        |v, _, t| {
            let Datum::Float(exponent) = v[1] else { return Ok(Datum::Null) };
            match &v[0] {
                Datum::Int(base) => {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a small whole number")]
                    let value = if exponent.fract() == 0.0 && (0.0..64.0).contains(&exponent) {
                        base.checked_pow(exponent as u32)
                    } else {
                        Some(0)
                    };
                    let (low, high) = super::super::value::arith::integer_range(t);
                    value.filter(|r| (low..=high).contains(r)).map(Datum::Int).ok_or_else(|| overflow("expression", t))
                }
                Datum::Float(base) => Some(base.powf(exponent))
                    .filter(|f| f.is_finite())
                    .map(Datum::Float)
                    .ok_or_else(|| Message::error(3623, "An invalid floating point operation occurred.")),
                other => {
                    let base = super::super::value::convert::convert(other, t, &DataType::Float, 0)?;
                    let Datum::Float(base) = base else { return Ok(Datum::Null) };
                    super::super::value::convert::convert(&Datum::Float(base.powf(exponent)), &DataType::Float, t, 0)
                }
            }
        },
    ),
    strict(
        "SQRT",
        1,
        1,
        |_| Signature { arguments: vec![DataType::Float], result: DataType::Float },
        |v, _, _| match v[0] {
            Datum::Float(f) if f >= 0.0 => Ok(Datum::Float(f.sqrt())),
            _ => Err(Message::error(3623, "An invalid floating point operation occurred.")),
        },
    ),
];

/// Numbers keep their type; text becomes float.
fn same(a: &[DataType]) -> Signature {
    let t = match &a[0] {
        t if is_text(t) => DataType::Float,
        DataType::Real => DataType::Float,
        DataType::Bit | DataType::TinyInt | DataType::SmallInt => DataType::Int,
        other => other.clone(),
    };
    Signature { arguments: vec![t.clone()], result: t }
}

fn whole(a: &[DataType]) -> Signature {
    let mut signature = same(a);
    if let DataType::Decimal { precision, .. } = signature.result {
        signature.result = DataType::Decimal { precision, scale: 0 };
    }
    signature
}

fn to_whole(value: &Datum, up: bool) -> Datum {
    let step = |unscaled: i128, unit: i128| if up { -(-unscaled).div_euclid(unit) } else { unscaled.div_euclid(unit) };
    match value {
        Datum::Decimal { unscaled, scale } => Datum::Decimal { unscaled: step(*unscaled, 10_i128.pow(u32::from(*scale))), scale: 0 },
        Datum::Money(m) => Datum::Money(i64::try_from(step((*m).into(), 10_000) * 10_000).unwrap_or(*m)),
        Datum::Float(f) => Datum::Float(if up { f.ceil() } else { f.floor() }),
        other => other.clone(),
    }
}

fn int(d: &Datum) -> i64 {
    if let Datum::Int(i) = d { *i } else { 0 }
}
