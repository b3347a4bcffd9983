//! Value expressions.

use super::super::value::arith::{self, Op};
use super::super::value::{rank, type_code};
use super::super::{catalog::same_name, collation, type_name};
use super::{Compiler, Param, Result, Scope, System, Typed, converted, converted_with, not_supported, push};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};
use sqlparser::ast::{self, BinaryOperator, CastKind, Expr, Ident, UnaryOperator};

/// The declared type behind the parser's; `default_length` as in [`type_name::parse`].
pub(in super::super) fn declared(data_type: &ast::DataType, default_length: u16) -> Result<DataType> {
    let shown = data_type.to_string().replace(['[', ']', '"'], "");
    let (name, sizes) = match shown.split_once('(') {
        None => (shown.as_str(), vec![]),
        Some((name, rest)) => {
            let sizes = rest.trim_end_matches(')').split(',').map(str::trim);
            let size = |s: &str| {
                if s.eq_ignore_ascii_case("max") { Some(type_name::Size::Max) } else { s.parse().ok().map(type_name::Size::Number) }
            };
            (name.trim(), sizes.filter_map(size).collect())
        }
    };
    let name = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    let name = match name.as_str() {
        "character varying" | "char varying" => "varchar",
        "double precision" | "double" => "float",
        other => other,
    };
    type_name::parse(name, &sizes, default_length).map_err(|_| Message::error(243, format!("Type {name} is not a defined system type.")))
}

impl Compiler<'_> {
    pub(super) fn expr(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Typed> {
        if let Some(constant) = Typed::of_constant(expr) {
            return constant;
        }
        match expr {
            Expr::Identifier(name) => self.name(std::slice::from_ref(name), scope),
            Expr::CompoundIdentifier(names) => self.name(names, scope),
            Expr::Nested(inner) => {
                let value = self.expr(inner, scope)?;
                Ok(Typed { sql: format!("({})", value.sql), ..value })
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                let value = self.expr(expr, scope)?;
                let zero = Typed::literal(Datum::Int(0), DataType::Int);
                calculate(Op::Subtract, zero, value)
            }
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => self.expr(expr, scope),
            Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr } => {
                let value = self.expr(expr, scope)?;
                Ok(Typed::new(format!("(~{})", value.sql), value.data_type))
            }
            Expr::BinaryOp { left, op, right } => {
                let (a, b) = (self.expr(left, scope)?, self.expr(right, scope)?);
                binary(op, a, b)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let mut tests = vec![];
                let mut results = vec![];
                for when in conditions {
                    tests.push(match operand {
                        None => self.predicate(&when.condition, scope)?,
                        Some(operand) => {
                            let (a, b) = (self.expr(operand, scope)?, self.expr(&when.condition, scope)?);
                            super::predicate::compare(a, "=", b)?
                        }
                    });
                    results.push(self.expr(&when.result, scope)?);
                }
                results.push(match else_result {
                    Some(e) => self.expr(e, scope)?,
                    None => Typed::literal(Datum::Null, DataType::Int),
                });
                let (data_type, results) = unified(results)?;
                let mut sql = String::from("CASE");
                for (test, result) in tests.iter().zip(&results) {
                    push(&mut sql, format_args!(" WHEN {test} THEN {}", result.sql));
                }
                push(&mut sql, format_args!(" ELSE {} END", results.last().map_or("NULL", |r| &r.sql)));
                let collation = results.iter().find_map(|r| r.collation);
                Ok(Typed { collation, ..Typed::new(format!("({sql})"), data_type) })
            }
            Expr::Cast { kind, expr, data_type, .. } => {
                let value = self.expr(expr, scope)?;
                cast(value, &declared(data_type, 30)?, 0, matches!(kind, CastKind::TryCast | CastKind::SafeCast))
            }
            Expr::Convert { is_try, expr, data_type: Some(data_type), styles, .. } => {
                let value = self.expr(expr, scope)?;
                let style = match styles.first() {
                    None => 0,
                    Some(style) => match Typed::of_constant(style).transpose()?.and_then(|s| s.literal) {
                        Some(Datum::Int(i)) => i32::try_from(i).unwrap_or(-1),
                        _ => return Err(not_supported("A CONVERT style that is not a constant")),
                    },
                };
                cast(value, &declared(data_type, 30)?, style, *is_try)
            }
            Expr::Collate { expr, collation: name } => {
                let value = self.expr(expr, scope)?;
                let name = name.to_string();
                if !collation::is_known(&name) {
                    return Err(Message::error(448, format!("Invalid collation '{name}'.")));
                }
                Ok(Typed { collation: Some(collation::sqlite_name(&name)), literal: None, ..value })
            }
            Expr::Subquery(query) => {
                let query = self.query(query, Some(scope))?;
                let [column] = query.columns.as_slice() else {
                    return Err(Message::error(
                        116,
                        "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
                    ));
                };
                Ok(Typed { collation: column.collation, ..Typed::new(format!("({})", query.sql), column.data_type.clone()) })
            }
            Expr::Function(function) => self.function(function, scope),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![self.expr(expr, scope)?];
                for part in [substring_from, substring_for].into_iter().flatten() {
                    arguments.push(self.expr(part, scope)?);
                }
                super::call::builtin("SUBSTRING", arguments)
            }
            Expr::Trim { expr, trim_where: None, trim_what: None, .. } => super::call::builtin("TRIM", vec![self.expr(expr, scope)?]),
            Expr::Floor { expr, .. } => super::call::builtin("FLOOR", vec![self.expr(expr, scope)?]),
            Expr::Ceil { expr, .. } => super::call::builtin("CEILING", vec![self.expr(expr, scope)?]),
            Expr::Exists { .. } | Expr::IsNull(_) | Expr::Like { .. } | Expr::InList { .. } => Err(super::syntax(&expr.to_string())),
            other => Err(not_supported(&format!("The expression '{other}'"))),
        }
    }

    pub(super) fn name(&mut self, names: &[Ident], scope: &Scope<'_>) -> Result<Typed> {
        if let [one] = names
            && one.quote_style.is_none()
            && one.value.starts_with('@')
        {
            return self.variable(&one.value);
        }
        if let [one] = names
            && one.quote_style.is_none()
            && let Some(system) = niladic(&one.value)
        {
            return Ok(self.system(system));
        }
        let (column, qualifiers) = names.split_last().ok_or_else(|| super::syntax("."))?;
        let mut at = Some(scope);
        while let Some(here) = at {
            let mut found = vec![];
            for table in here.tables.iter().filter(|t| matches(t, qualifiers)) {
                found.extend(table.columns.iter().filter(|c| same_name(&c.name, &column.value)).map(|c| (table, c)));
            }
            match found.as_slice() {
                [] => at = here.parent,
                [(table, one)] => {
                    return self.column(table, one);
                }
                _ => return Err(Message::error(209, format!("Ambiguous column name '{}'.", column.value))),
            }
        }
        if qualifiers.is_empty() {
            return Err(Message::error(207, format!("Invalid column name '{}'.", column.value)));
        }
        let known = |s: &Scope<'_>| s.tables.iter().any(|t| matches(t, qualifiers));
        let shown: Vec<&str> = names.iter().map(|n| n.value.as_str()).collect();
        let table_is_there = std::iter::successors(Some(scope), |s| s.parent).any(known);
        Err(if table_is_there {
            Message::error(207, format!("Invalid column name '{}'.", column.value))
        } else {
            Message::error(4104, format!("The multi-part identifier \"{}\" could not be bound.", shown.join(".")))
        })
    }

    fn variable(&mut self, name: &str) -> Result<Typed> {
        let lower = name.to_lowercase();
        if lower.starts_with("@@") {
            let system = global(&lower).ok_or_else(|| must_declare(name))?;
            return Ok(self.system(system));
        }
        let data_type = self.context.variables.get(&lower).cloned().ok_or_else(|| must_declare(name))?;
        Ok(Typed::new(self.param(Param::Variable(lower)), data_type))
    }

    pub(super) fn system(&mut self, system: System) -> Typed {
        let sql = self.param(Param::System(system));
        Typed::new(sql, system_type(system))
    }
}

fn must_declare(name: &str) -> Message {
    Message { class: 15, ..Message::error(137, format!("Must declare the scalar variable \"{name}\".")) }
}

/// `CURRENT_TIMESTAMP` and the like: functions without parentheses.
fn niladic(name: &str) -> Option<System> {
    Some(match name.to_ascii_uppercase().as_str() {
        "CURRENT_TIMESTAMP" => System::GetDate,
        "CURRENT_USER" | "SESSION_USER" | "USER" => System::UserName,
        "SYSTEM_USER" => System::LoginName,
        _ => return None,
    })
}

fn global(lower: &str) -> Option<System> {
    Some(match lower {
        "@@rowcount" => System::RowCount,
        "@@error" => System::Error,
        "@@trancount" => System::TranCount,
        "@@spid" => System::Spid,
        "@@version" => System::Version,
        "@@servername" => System::ServerName,
        "@@dbts" => System::Dbts,
        "@@identity" => System::Identity,
        "@@lock_timeout" => System::LockTimeout,
        "@@fetch_status" => System::FetchStatus,
        _ => return None,
    })
}

/// The declared type of a system value.
#[must_use]
pub fn system_type(system: System) -> DataType {
    match system {
        System::RowCount
        | System::Error
        | System::TranCount
        | System::ErrorNumber
        | System::ErrorSeverity
        | System::ErrorState
        | System::ErrorLine
        | System::LockTimeout
        | System::FetchStatus => DataType::Int,
        System::Spid | System::XactState | System::DbId => DataType::SmallInt,
        System::Version => DataType::NVarChar(Some(300)),
        System::ErrorMessage => DataType::NVarChar(Some(4000)),
        System::ServerName | System::UserName | System::LoginName | System::DbName | System::AppName => DataType::NVarChar(Some(128)),
        System::Dbts => DataType::VarBinary(Some(8)),
        System::Identity | System::ScopeIdentity => DataType::Decimal { precision: 38, scale: 0 },
        System::GetDate | System::GetUtcDate => DataType::DateTime,
        System::SysDateTime | System::SysUtcDateTime => DataType::DateTime2(7),
        System::SysDateTimeOffset => DataType::DateTimeOffset(7),
    }
}

fn matches(table: &super::ScopeTable, qualifiers: &[Ident]) -> bool {
    match qualifiers {
        [] => true,
        [name] => same_name(&table.name, &name.value),
        [.., schema, name] => same_name(&table.name, &name.value) && table.schema.as_ref().is_some_and(|s| same_name(s, &schema.value)),
    }
}

/// The common type of several expressions, and the expressions as that type.
pub(super) fn unified(list: Vec<Typed>) -> Result<(DataType, Vec<Typed>)> {
    let types = list.iter().filter(|t| !t.is_null()).map(|t| t.data_type.clone());
    let common = types.reduce(|a, b| rank::common(&a, &b)).unwrap_or(DataType::Int);
    let list = list.into_iter().map(|t| converted(t, &common)).collect::<Result<Vec<_>>>()?;
    Ok((common, list))
}

fn cast(value: Typed, to: &DataType, style: i32, is_try: bool) -> Result<Typed> {
    if let Some(literal) = &value.literal {
        let folded = super::super::value::convert::convert(literal, &value.data_type, to, style);
        return Ok(match folded {
            Ok(folded) => Typed::literal(folded, to.clone()),
            Err(_) if is_try => Typed::literal(Datum::Null, to.clone()),
            Err(message) => return Err(message),
        });
    }
    if value.data_type == *to {
        return Ok(value);
    }
    Ok(converted_with(&value, to, style, if is_try { "lab_try" } else { "lab_conv" }))
}

fn binary(op: &BinaryOperator, a: Typed, b: Typed) -> Result<Typed> {
    match op {
        BinaryOperator::Plus if textual(&a) && textual(&b) && !(a.is_null() && b.is_null()) => concat(a, b),
        BinaryOperator::Plus if rank::is_binary(&a.data_type) && rank::is_binary(&b.data_type) => {
            super::call::builtin("LAB_CONCAT_BINARY", vec![a, b])
        }
        BinaryOperator::Plus => calculate(Op::Add, a, b),
        BinaryOperator::Minus => calculate(Op::Subtract, a, b),
        BinaryOperator::Multiply => calculate(Op::Multiply, a, b),
        BinaryOperator::Divide => calculate(Op::Divide, a, b),
        BinaryOperator::Modulo => calculate(Op::Modulo, a, b),
        BinaryOperator::BitwiseAnd | BinaryOperator::BitwiseOr | BinaryOperator::BitwiseXor => bits(op, a, b),
        other => Err(super::syntax(&other.to_string())),
    }
}

fn bits(op: &BinaryOperator, a: Typed, b: Typed) -> Result<Typed> {
    let common = rank::common(&a.data_type, &b.data_type);
    if !rank::is_integer(&common) {
        let (left, right) = (type_name::name(&a.data_type), type_name::name(&b.data_type));
        return Err(Message::error(402, format!("The data types {left} and {right} are incompatible in the '{op}' operator.")));
    }
    let (a, b) = (converted(a, &common)?.sql, converted(b, &common)?.sql);
    let sql = match op {
        BinaryOperator::BitwiseAnd => format!("({a} & {b})"),
        BinaryOperator::BitwiseOr => format!("({a} | {b})"),
        _ => format!("(({a} | {b}) - ({a} & {b}))"),
    };
    Ok(Typed::new(sql, common))
}

fn concat(a: Typed, b: Typed) -> Result<Typed> {
    let national = [&a, &b].iter().any(|t| matches!(t.data_type, DataType::NChar(_) | DataType::NVarChar(_)));
    let limit: u16 = if national { 4000 } else { 8000 };
    let length = match (rank::length(&a.data_type), rank::length(&b.data_type)) {
        (Some(x), Some(y)) => Some(x.saturating_add(y).min(limit)),
        _ => None,
    };
    let data_type = if national { DataType::NVarChar(length) } else { DataType::VarChar(length) };
    let null = DataType::VarChar(Some(1));
    let (a, b) = (if a.is_null() { converted(a, &null)? } else { a }, if b.is_null() { converted(b, &null)? } else { b });
    let collation = a.collation.or(b.collation);
    Ok(Typed { collation, ..Typed::new(format!("({} || {})", a.sql, b.sql), data_type) })
}

fn calculate(op: Op, a: Typed, b: Typed) -> Result<Typed> {
    // The old date types add and subtract days.
    if let (Op::Add | Op::Subtract, DataType::DateTime | DataType::SmallDateTime) = (op, &a.data_type)
        && rank::is_integer(&b.data_type)
    {
        let days = if op == Op::Add { b } else { calculate(Op::Subtract, Typed::literal(Datum::Int(0), DataType::Int), b)? };
        let part = super::super::function::date_part("day").unwrap_or_default();
        return super::call::builtin("DATEADD", vec![Typed::literal(Datum::Int(part), DataType::Int), days, a]);
    }
    // Text and binary take the other side's type.
    let numeric = |t: &DataType| !rank::is_text(t) && !rank::is_binary(t);
    let (a, b) = match (numeric(&a.data_type), numeric(&b.data_type)) {
        (true, false) => {
            let t = a.data_type.clone();
            (a, converted(b, &t)?)
        }
        (false, true) => {
            let t = b.data_type.clone();
            (converted(a, &t)?, b)
        }
        _ => (a, b),
    };
    // An integer literal beside a decimal has as many digits as it shows.
    let decimal = [&a, &b].iter().any(|t| matches!(t.data_type, DataType::Decimal { .. }));
    let (a, b) = if decimal { (exact_literal(a)?, exact_literal(b)?) } else { (a, b) };
    let incompatible = || {
        let (left, right) = (type_name::name(&a.data_type), type_name::name(&b.data_type));
        let name = format!("{op:?}").to_lowercase();
        Message::error(402, format!("The data types {left} and {right} are incompatible in the {name} operator."))
    };
    let result = arith::result_type(op, &a.data_type, &b.data_type).ok_or_else(incompatible)?;
    let operand = |t: Typed| -> Result<Typed> {
        match (&result, rank::as_decimal(&t.data_type)) {
            // A decimal operand keeps its own scale: the exact result depends on it.
            (DataType::Decimal { .. }, Some((precision, scale))) => converted(t, &DataType::Decimal { precision, scale }),
            _ => converted(t, &result),
        }
    };
    let (a, b) = (operand(a)?, operand(b)?);
    let code = match op {
        Op::Add => 0,
        Op::Subtract => 1,
        Op::Multiply => 2,
        Op::Divide => 3,
        Op::Modulo => 4,
    };
    let sql =
        format!("lab_op({code}, {}, {}, {}, {}, {})", type_code(&result), a.sql, type_code(&a.data_type), b.sql, type_code(&b.data_type));
    Ok(Typed::new(sql, result))
}

fn exact_literal(value: Typed) -> Result<Typed> {
    match value.literal {
        Some(Datum::Int(i)) => {
            let precision = u8::try_from(i.unsigned_abs().to_string().len()).unwrap_or(19);
            converted(value, &DataType::Decimal { precision, scale: 0 })
        }
        _ => Ok(value),
    }
}

/// Text, or NULL that takes the other side's type.
fn textual(value: &Typed) -> bool {
    rank::is_text(&value.data_type) || value.is_null()
}
