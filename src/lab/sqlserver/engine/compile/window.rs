//! Aggregates and window functions.

use super::super::functions::sum_type;
use super::super::value::{rank, type_code};
use super::call::arguments;
use super::{Compiler, Result, Scope, Typed, not_supported, push, sortable};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;
use sqlparser::ast::{DuplicateTreatment, Expr, Function, FunctionArguments, OrderByExpr, WindowType};

impl Compiler<'_> {
    /// An aggregate or a window function; `None` when the name is neither.
    pub(super) fn aggregate(&mut self, name: &str, function: &Function, scope: &Scope<'_>) -> Result<Option<Typed>> {
        let windowed = function.over.is_some();
        let list = match name {
            "COUNT" | "COUNT_BIG" | "SUM" | "AVG" | "MIN" | "MAX" | "STRING_AGG" => arguments(function)?,
            "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "NTILE" | "LAG" | "LEAD" | "FIRST_VALUE" | "LAST_VALUE" if windowed => {
                arguments(function)?
            }
            _ => return Ok(None),
        };
        let distinct = match &function.args {
            FunctionArguments::List(l) if l.duplicate_treatment == Some(DuplicateTreatment::Distinct) => "DISTINCT ",
            _ => "",
        };
        let over = self.over(function, scope)?;
        let mut values = vec![];
        for argument in list.iter().copied().flatten() {
            values.push(self.expr(argument, scope)?);
        }
        let count_type = if name == "COUNT_BIG" { DataType::BigInt } else { DataType::Int };
        let first = values.first();
        let need = || first.ok_or_else(|| Message::error(174, format!("The {} function requires 1 argument(s).", name.to_lowercase())));
        Ok(Some(match name {
            "COUNT" | "COUNT_BIG" => {
                let inner = first.map_or_else(|| "*".into(), sortable);
                Typed { nullable: false, ..Typed::new(format!("count({distinct}{inner}){over}"), count_type) }
            }
            "SUM" | "AVG" => {
                let value = need()?;
                let mean = name == "AVG";
                let result = sum_type(&value.data_type, mean).ok_or_else(|| {
                    let t = super::super::type_name::name(&value.data_type);
                    Message::error(8117, format!("Operand data type {t} is invalid for {} operator.", name.to_lowercase()))
                })?;
                let sql = if windowed {
                    // SQLite's own sum, which is exact for what is stored as INTEGER.
                    if !(rank::is_integer(&value.data_type) || matches!(value.data_type, DataType::Float | DataType::Money)) || mean {
                        return Err(not_supported(&format!("{name} of this type with OVER")));
                    }
                    format!("sum({distinct}{}){over}", value.sql)
                } else {
                    if !distinct.is_empty() {
                        return Err(not_supported(&format!("{name}(DISTINCT …)")));
                    }
                    let function = if mean { "lab_avg" } else { "lab_sum" };
                    format!("{function}({}, {})", value.sql, type_code(&value.data_type))
                };
                Typed::new(sql, result)
            }
            "MIN" | "MAX" => {
                let value = need()?;
                let inner = if rank::is_text(&value.data_type) { sortable(value) } else { value.sql.clone() };
                Typed {
                    collation: value.collation,
                    ..Typed::new(format!("{}({inner}){over}", name.to_lowercase()), value.data_type.clone())
                }
            }
            "STRING_AGG" => {
                let value = super::converted(need()?.clone(), &DataType::NVarChar(None))?;
                let separator = values.get(1).map_or_else(|| "''".into(), |s| s.sql.clone());
                let order = self.order_list(&function.within_group, scope)?;
                let order = if order.is_empty() { order } else { format!(" ORDER BY {order}") };
                Typed::new(format!("group_concat({}, {separator}{order})", value.sql), DataType::NVarChar(None))
            }
            "LAG" | "LEAD" | "FIRST_VALUE" | "LAST_VALUE" => {
                let value = need()?.clone();
                let list: Vec<&str> = values.iter().map(|v| v.sql.as_str()).collect();
                Typed {
                    collation: value.collation,
                    ..Typed::new(format!("{}({}){over}", name.to_lowercase(), list.join(", ")), value.data_type)
                }
            }
            _ => {
                let list: Vec<&str> = values.iter().map(|v| v.sql.as_str()).collect();
                Typed::new(format!("{}({}){over}", name.to_lowercase(), list.join(", ")), DataType::BigInt)
            }
        }))
    }

    fn over(&mut self, function: &Function, scope: &Scope<'_>) -> Result<String> {
        let Some(over) = &function.over else { return Ok(String::new()) };
        let WindowType::WindowSpec(spec) = over else { return Err(not_supported("A named window")) };
        let partition = spec.partition_by.iter().map(|e| self.expr(e, scope).map(|v| sortable(&v))).collect::<Result<Vec<_>>>()?;
        let mut sql = String::from(" OVER (");
        if !partition.is_empty() {
            push(&mut sql, format_args!("PARTITION BY {} ", partition.join(", ")));
        }
        let order = self.order_list(&spec.order_by, scope)?;
        if !order.is_empty() {
            push(&mut sql, format_args!("ORDER BY {order} "));
        }
        if let Some(frame) = &spec.window_frame {
            let end = frame.end_bound.as_ref();
            match end {
                Some(end) => push(&mut sql, format_args!("{} BETWEEN {} AND {end}", frame.units, frame.start_bound)),
                None => push(&mut sql, format_args!("{} {}", frame.units, frame.start_bound)),
            }
        }
        sql.push(')');
        Ok(sql)
    }

    pub(super) fn order_list(&mut self, list: &[OrderByExpr], scope: &Scope<'_>) -> Result<String> {
        let mut out = vec![];
        for item in list {
            // `ORDER BY (SELECT NULL)` is the idiom for no order.
            let sql = match &item.expr {
                Expr::Subquery(_) => "NULL".into(),
                e => sortable(&self.expr(e, scope)?),
            };
            out.push(format!("{sql}{}", direction(item)));
        }
        Ok(out.join(", "))
    }
}

pub(super) fn direction(item: &OrderByExpr) -> &'static str {
    use sqlparser::ast::OrderBySort;
    match &item.options.sort {
        Some(OrderBySort::Desc) => " DESC",
        _ => "",
    }
}
