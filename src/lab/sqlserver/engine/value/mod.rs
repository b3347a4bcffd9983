//! Values: conversion between types, text forms, arithmetic.

pub mod arith;
pub mod calendar;
pub mod convert;
pub mod format;
pub mod moment;
pub mod parse;
pub mod rank;
pub mod store;

use crate::lab::sqlserver::types::{DataType, Datum};

/// A type as a number, to stand as an argument in SQLite's SQL.
#[must_use]
pub fn type_code(data_type: &DataType) -> i64 {
    let (kind, a, b): (i64, i64, i64) = match data_type {
        DataType::Bit => (1, 0, 0),
        DataType::TinyInt => (2, 0, 0),
        DataType::SmallInt => (3, 0, 0),
        DataType::Int => (4, 0, 0),
        DataType::BigInt => (5, 0, 0),
        DataType::Decimal { precision, scale } => (6, i64::from(*precision), i64::from(*scale)),
        DataType::Money => (7, 0, 0),
        DataType::SmallMoney => (8, 0, 0),
        DataType::Real => (9, 0, 0),
        DataType::Float => (10, 0, 0),
        DataType::Char(n) => (11, i64::from(*n), 0),
        DataType::VarChar(n) => (12, n.map_or(0, i64::from), 0),
        DataType::NChar(n) => (13, i64::from(*n), 0),
        DataType::NVarChar(n) => (14, n.map_or(0, i64::from), 0),
        DataType::Binary(n) => (15, i64::from(*n), 0),
        DataType::VarBinary(n) => (16, n.map_or(0, i64::from), 0),
        DataType::Date => (17, 0, 0),
        DataType::Time(s) => (18, 0, i64::from(*s)),
        DataType::DateTime => (19, 0, 0),
        DataType::SmallDateTime => (20, 0, 0),
        DataType::DateTime2(s) => (21, 0, i64::from(*s)),
        DataType::DateTimeOffset(s) => (22, 0, i64::from(*s)),
        DataType::UniqueIdentifier => (23, 0, 0),
        DataType::RowVersion => (24, 0, 0),
    };
    kind << 32 | a << 8 | b
}

/// The reverse of [`type_code`].
#[must_use]
pub fn type_of_code(code: i64) -> Option<DataType> {
    let length = u16::try_from(code >> 8 & 0xFFFF).ok()?;
    let open = (length > 0).then_some(length);
    let scale = u8::try_from(code & 0xFF).ok()?;
    Some(match code >> 32 {
        1 => DataType::Bit,
        2 => DataType::TinyInt,
        3 => DataType::SmallInt,
        4 => DataType::Int,
        5 => DataType::BigInt,
        6 => DataType::Decimal { precision: u8::try_from(length).ok()?, scale },
        7 => DataType::Money,
        8 => DataType::SmallMoney,
        9 => DataType::Real,
        10 => DataType::Float,
        11 => DataType::Char(length),
        12 => DataType::VarChar(open),
        13 => DataType::NChar(length),
        14 => DataType::NVarChar(open),
        15 => DataType::Binary(length),
        16 => DataType::VarBinary(open),
        17 => DataType::Date,
        18 => DataType::Time(scale),
        19 => DataType::DateTime,
        20 => DataType::SmallDateTime,
        21 => DataType::DateTime2(scale),
        22 => DataType::DateTimeOffset(scale),
        23 => DataType::UniqueIdentifier,
        24 => DataType::RowVersion,
        _ => return None,
    })
}

/// Text from a Rust string.
#[must_use]
pub fn text(s: &str) -> Datum {
    Datum::Text(s.encode_utf16().collect())
}

/// A `nvarchar` wide enough for the text.
#[must_use]
pub fn text_type(s: &str) -> DataType {
    let n = s.encode_utf16().count().max(1);
    DataType::NVarChar(u16::try_from(n).ok().filter(|n| *n <= 4000))
}
