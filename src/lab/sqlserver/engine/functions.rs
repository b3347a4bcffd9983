//! What SQLite calls back: conversion, arithmetic, built-in functions, LIKE, exact sums.

use super::codec;
use super::collation;
use super::extension::ScalarBody;
use super::function::{self, like, name};
use super::server::Server;
use super::value::arith::{self, Op};
use super::value::{convert, rank, type_of_code};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, Error, Result};
use std::sync::Arc;

/// Marks an error text that carries a [`Message`] through SQLite.
const MARK: char = '\u{1}';

/// A message as an SQLite error.
#[must_use]
pub fn carry(message: &Message) -> Error {
    let Message { number, class, state, text, .. } = message;
    Error::UserFunctionError(format!("{MARK}{number}{MARK}{class}{MARK}{state}{MARK}{text}").into())
}

/// The message in an SQLite error, if it is one of ours.
#[must_use]
pub fn carried(error: &Error) -> Option<Message> {
    let shown = error.to_string();
    let mut fields = shown.get(shown.find(MARK)? + 1..)?.splitn(4, MARK);
    let number = fields.next()?.parse().ok()?;
    let class = fields.next()?.parse().ok()?;
    let state = fields.next()?.parse().ok()?;
    Some(Message { class, state, ..Message::error(number, fields.next()?) })
}

fn value_at(ctx: &Context<'_>, index: usize, data_type: &DataType) -> Result<Datum> {
    codec::decode(data_type, ctx.get_raw(index)).map_err(|e| Error::UserFunctionError(e.into()))
}

fn type_at(ctx: &Context<'_>, index: usize) -> Result<DataType> {
    type_of_code(ctx.get(index)?).ok_or_else(|| Error::UserFunctionError("bad type code".into()))
}

fn output(data_type: &DataType, value: std::result::Result<Datum, Message>) -> Result<ToSqlOutput<'static>> {
    match value {
        Ok(value) => Ok(ToSqlOutput::Owned(codec::encode(data_type, &value))),
        Err(message) => Err(carry(&message)),
    }
}

fn op_of(code: i64) -> Op {
    match code {
        0 => Op::Add,
        1 => Op::Subtract,
        2 => Op::Multiply,
        3 => Op::Divide,
        _ => Op::Modulo,
    }
}

/// `lab_conv(value, from, to, style)`, `lab_try(…)`, `lab_op(op, result, a, type, b, type)`,
/// `lab_call(index, result, value, type, …)`, `lab_like(value, pattern, escape, fold)`,
/// `lab_sum(value, type)`, `lab_avg(value, type)`, `lab_part(name, n)`, `lab_newid()`.
pub fn register(conn: &Connection) -> Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("lab_conv", 4, pure, |ctx| {
        let (from, to) = (type_at(ctx, 1)?, type_at(ctx, 2)?);
        output(&to, convert::convert(&value_at(ctx, 0, &from)?, &from, &to, ctx.get(3)?))
    })?;
    conn.create_scalar_function("lab_try", 4, pure, |ctx| {
        let (from, to) = (type_at(ctx, 1)?, type_at(ctx, 2)?);
        output(&to, Ok(convert::convert(&value_at(ctx, 0, &from)?, &from, &to, ctx.get(3)?).unwrap_or(Datum::Null)))
    })?;
    conn.create_scalar_function("lab_op", 6, pure, |ctx| {
        let result = type_at(ctx, 1)?;
        let (a, b) = (value_at(ctx, 2, &type_at(ctx, 3)?)?, value_at(ctx, 4, &type_at(ctx, 5)?)?);
        output(&result, arith::calculate(op_of(ctx.get(0)?), &a, &b, &result))
    })?;
    conn.create_scalar_function("lab_call", -1, pure, |ctx| {
        let builtin = usize::try_from(ctx.get::<i64>(0)?)
            .ok()
            .and_then(function::by_index)
            .ok_or_else(|| Error::UserFunctionError("no such function".into()))?;
        let result = type_at(ctx, 1)?;
        let (mut values, mut types) = (vec![], vec![]);
        for at in (2..ctx.len()).step_by(2) {
            let data_type = type_at(ctx, at + 1)?;
            let value = value_at(ctx, at, &data_type)?;
            if builtin.strict && value == Datum::Null {
                return Ok(ToSqlOutput::Owned(Value::Null));
            }
            values.push(value);
            types.push(data_type);
        }
        output(&result, (builtin.run)(&values, &types, &result))
    })?;
    conn.create_scalar_function("lab_like", 4, pure, |ctx| {
        let any = DataType::NVarChar(None);
        let (value, pattern, escape) = (value_at(ctx, 0, &any)?, value_at(ctx, 1, &any)?, value_at(ctx, 2, &any)?);
        let (Datum::Text(value), Datum::Text(pattern)) = (value, pattern) else { return Ok(None) };
        let escape = if let Datum::Text(e) = escape { e.first().copied() } else { None };
        let fold = |u: u16| char::from_u32(u.into()).map_or(u, |c| u16::try_from(u32::from(collation::fold(c))).unwrap_or(u));
        let same = |u: u16| u;
        let by_case = ctx.get::<bool>(3)?;
        // Trailing blanks of the value do not count against a pattern without them.
        let matches = |value: &[u16]| like::like(value, &pattern, escape, if by_case { &fold } else { &same });
        let trimmed = value.iter().rposition(|u| *u != 32).map_or(0, |last| last + 1);
        Ok(Some(matches(&value) || matches(&value[..trimmed])))
    })?;
    conn.create_scalar_function("lab_part", 2, pure, |ctx| {
        let name: Option<String> = ctx.get(0)?;
        let from_end = usize::try_from(ctx.get::<i64>(1)?).unwrap_or(0);
        Ok(name.and_then(|n| name::name_parts(&n).into_iter().rev().nth(from_end.wrapping_sub(1))).filter(|p| !p.is_empty()))
    })?;
    conn.create_scalar_function("lab_newid", 0, FunctionFlags::SQLITE_UTF8, |_| {
        output(&DataType::UniqueIdentifier, Ok(Datum::Guid(*uuid::Uuid::new_v4().as_bytes())))
    })?;
    conn.create_aggregate_function("lab_sum", 2, pure, Sum { mean: false })?;
    conn.create_aggregate_function("lab_avg", 2, pure, Sum { mean: true })
}

/// `lab_pure(name, result, value, type, …)`: the pure functions of a server's extensions.
pub fn register_pure(conn: &Connection, server: &Arc<Server>) -> Result<()> {
    let server = Arc::downgrade(server);
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("lab_pure", -1, pure, move |ctx| {
        let name: String = ctx.get(0)?;
        let result = type_at(ctx, 1)?;
        let found = server.upgrade().and_then(|s| s.extensions().iter().find_map(|e| e.scalar(&name)));
        let Some(ScalarBody::Pure(run)) = found.map(|f| f.body) else {
            return Err(Error::UserFunctionError("no such function".into()));
        };
        let mut values = vec![];
        for at in (2..ctx.len()).step_by(2) {
            values.push(value_at(ctx, at, &type_at(ctx, at + 1)?)?);
        }
        output(&result, run(&values))
    })
}

/// The result type of SUM or AVG over a type.
#[must_use]
pub fn sum_type(data_type: &DataType, mean: bool) -> Option<DataType> {
    Some(match data_type {
        DataType::TinyInt | DataType::SmallInt | DataType::Int => DataType::Int,
        DataType::BigInt => DataType::BigInt,
        DataType::Decimal { scale, .. } => DataType::Decimal { precision: 38, scale: if mean { (*scale).max(6) } else { *scale } },
        DataType::Money | DataType::SmallMoney => DataType::Money,
        DataType::Real | DataType::Float => DataType::Float,
        _ => return None,
    })
}

/// Exact sum or mean.
struct Sum {
    mean: bool,
}

/// The running sum.
struct Total {
    data_type: DataType,
    sum: Datum,
    rows: i64,
}

impl Aggregate<Option<Total>, ToSqlOutput<'static>> for Sum {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<Total>> {
        Ok(None)
    }

    fn step(&self, ctx: &mut Context<'_>, total: &mut Option<Total>) -> Result<()> {
        let data_type = type_at(ctx, 1)?;
        let value = value_at(ctx, 0, &data_type)?;
        if value == Datum::Null {
            return Ok(());
        }
        let result = sum_type(&data_type, false).ok_or_else(|| Error::UserFunctionError("not summable".into()))?;
        let value = convert::convert(&value, &data_type, &result, 0).map_err(|m| carry(&m))?;
        *total = Some(match total.take() {
            None => Total { data_type, sum: value, rows: 1 },
            Some(t) => {
                let sum = arith::calculate(Op::Add, &t.sum, &value, &result).map_err(|m| carry(&m))?;
                Total { data_type, sum, rows: t.rows + 1 }
            }
        });
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, total: Option<Option<Total>>) -> Result<ToSqlOutput<'static>> {
        let Some(Total { data_type, sum, rows }) = total.flatten() else { return Ok(ToSqlOutput::Owned(Value::Null)) };
        let Some(result) = sum_type(&data_type, self.mean) else { return Ok(ToSqlOutput::Owned(Value::Null)) };
        if !self.mean {
            return output(&result, Ok(sum));
        }
        let count = match (&sum, rank::as_decimal(&data_type)) {
            (Datum::Decimal { .. }, _) => Datum::Decimal { unscaled: rows.into(), scale: 0 },
            (Datum::Money(_), _) => Datum::Money(rows.saturating_mul(10_000)),
            #[expect(clippy::cast_precision_loss, reason = "a row count")]
            (Datum::Float(_), _) => Datum::Float(rows as f64),
            _ => Datum::Int(rows),
        };
        output(&result, arith::calculate(Op::Divide, &sum, &count, &result))
    }
}
