//! Data type precedence, and the type that two types have in common.
#![expect(clippy::many_single_char_names, reason = "letters as the rules of arithmetic and the calendar write them")]

use crate::lab::sqlserver::types::DataType;

/// SQL Server's precedence: in a mixed expression the lower one is converted to the higher.
#[must_use]
pub fn precedence(data_type: &DataType) -> u8 {
    match data_type {
        DataType::HierarchyId | DataType::Geography | DataType::Geometry => 29,
        DataType::SqlVariant => 28,
        DataType::Xml => 27,
        DataType::DateTimeOffset(_) => 26,
        DataType::DateTime2(_) => 25,
        DataType::DateTime => 24,
        DataType::SmallDateTime => 23,
        DataType::Date => 22,
        DataType::Time(_) => 21,
        DataType::Float => 20,
        DataType::Real => 19,
        DataType::Decimal { .. } => 18,
        DataType::Money => 17,
        DataType::SmallMoney => 16,
        DataType::BigInt => 15,
        DataType::Int => 14,
        DataType::SmallInt => 13,
        DataType::TinyInt => 12,
        DataType::Bit => 11,
        DataType::NText | DataType::Text | DataType::Image => 10,
        DataType::RowVersion => 9,
        DataType::UniqueIdentifier => 8,
        DataType::NVarChar(_) => 7,
        DataType::NChar(_) => 6,
        DataType::VarChar(_) => 5,
        DataType::Char(_) => 4,
        DataType::VarBinary(_) => 3,
        DataType::Binary(_) => 2,
    }
}

/// Integer types and bit as the decimal that holds them.
#[must_use]
pub fn as_decimal(data_type: &DataType) -> Option<(u8, u8)> {
    Some(match data_type {
        DataType::Decimal { precision, scale } => (*precision, *scale),
        DataType::Bit => (1, 0),
        DataType::TinyInt => (3, 0),
        DataType::SmallInt => (5, 0),
        DataType::Int => (10, 0),
        DataType::BigInt => (19, 0),
        DataType::SmallMoney => (10, 4),
        DataType::Money => (19, 4),
        _ => return None,
    })
}

#[must_use]
pub fn is_text(data_type: &DataType) -> bool {
    (4..=7).contains(&precedence(data_type))
}

#[must_use]
pub fn is_integer(data_type: &DataType) -> bool {
    (11..=15).contains(&precedence(data_type))
}

#[must_use]
pub fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary(_) | DataType::VarBinary(_) | DataType::RowVersion)
}

#[must_use]
pub fn is_time(data_type: &DataType) -> bool {
    (21..=26).contains(&precedence(data_type))
}

/// The declared length of a character or binary type; `None` is max.
#[must_use]
pub fn length(data_type: &DataType) -> Option<u16> {
    match data_type {
        DataType::Char(n) | DataType::NChar(n) | DataType::Binary(n) => Some(*n),
        DataType::VarChar(n) | DataType::NVarChar(n) | DataType::VarBinary(n) => *n,
        DataType::RowVersion => Some(8),
        _ => Some(0),
    }
}

/// The type to which both sides of a comparison, the branches of CASE, or the columns of UNION go.
#[must_use]
pub fn common(a: &DataType, b: &DataType) -> DataType {
    if a == b {
        return a.clone();
    }
    let (low, high) = if precedence(a) <= precedence(b) { (a, b) } else { (b, a) };
    let longest = || match (length(low), length(high)) {
        (Some(a), Some(b)) => Some(a.max(b)),
        _ => None,
    };
    match high {
        DataType::Decimal { precision, scale } => match as_decimal(low) {
            Some((p, s)) => {
                let whole = (precision - scale).max(p - s);
                let scale = (*scale).max(s).min(38_u8.saturating_sub(whole));
                DataType::Decimal { precision: (whole + scale).min(38), scale }
            }
            None => high.clone(),
        },
        DataType::NVarChar(_) if is_text(low) => DataType::NVarChar(longest().filter(|n| *n <= 4000)),
        DataType::NChar(_) if matches!(low, DataType::VarChar(_)) => DataType::NVarChar(longest().filter(|n| *n <= 4000)),
        DataType::NChar(n) if is_text(low) => DataType::NChar(length(low).unwrap_or(4000).max(*n).min(4000)),
        DataType::VarChar(_) if is_text(low) => DataType::VarChar(longest()),
        DataType::Char(n) if is_text(low) => DataType::Char(length(low).unwrap_or(8000).max(*n)),
        DataType::VarBinary(_) if is_binary(low) => DataType::VarBinary(longest()),
        DataType::Binary(n) if is_binary(low) => DataType::Binary(length(low).unwrap_or(8000).max(*n)),
        DataType::Time(s) => DataType::Time(fraction(low).max(*s)),
        DataType::DateTime2(s) => DataType::DateTime2(fraction(low).max(*s)),
        DataType::DateTimeOffset(s) => DataType::DateTimeOffset(fraction(low).max(*s)),
        _ => high.clone(),
    }
}

fn fraction(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Time(s) | DataType::DateTime2(s) | DataType::DateTimeOffset(s) => *s,
        DataType::DateTime => 7,
        _ => 0,
    }
}

/// Whether stored values of both types are the same bytes for the same value, so that they can be
/// compared without a conversion. (Not the same as assignable: lengths are not looked at.)
#[must_use]
pub fn same_storage(a: &DataType, b: &DataType) -> bool {
    use super::super::codec::SMALL_DECIMAL;
    match (a, b) {
        (DataType::Decimal { precision: p, scale: s }, DataType::Decimal { precision: q, scale: t }) => {
            s == t && (*p <= SMALL_DECIMAL) == (*q <= SMALL_DECIMAL)
        }
        (DataType::Money | DataType::SmallMoney, DataType::Money | DataType::SmallMoney)
        | (DataType::DateTime2(_), DataType::DateTime2(_))
        | (DataType::Time(_), DataType::Time(_))
        | (DataType::DateTimeOffset(_), DataType::DateTimeOffset(_)) => true,
        _ => a == b || (is_integer(a) && is_integer(b)) || (is_text(a) && is_text(b)) || (is_binary(a) && is_binary(b)),
    }
}
