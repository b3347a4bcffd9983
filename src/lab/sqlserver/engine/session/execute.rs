//! EXEC: sp_executesql, and the procedures that the extensions bring.

use super::super::extension::{Argument, Outcome};
use super::super::function::string::shown;
use super::super::parse::{self, ArgumentValue, Body, Execute};
use super::super::value::convert::convert;
use super::super::value::{text, text_type};
use super::plan::must_declare;
use super::{EngineSession, Run, Variables};
use crate::lab::sqlserver::session::{Message, Parameter, Sink};
use crate::lab::sqlserver::types::{DataType, Datum};
use sqlparser::ast::Expr;

/// How deep EXEC may nest, as in SQL Server.
const NESTING: u32 = 32;

/// Procedures that drivers call and that change nothing here.
const NOTHING_TO_DO: &[&str] = &["sp_reset_connection", "sys.sp_reset_connection"];

impl EngineSession {
    pub(super) fn execute_call(&mut self, execute: &Execute, sink: &mut dyn Sink) -> Run<()> {
        let mut arguments = vec![];
        let mut variables = vec![];
        for argument in &execute.arguments {
            let (data_type, value) = match &argument.value {
                ArgumentValue::Expr(e) => self.value_of(e)?,
                ArgumentValue::Word(word) => (text_type(word), text(word)),
                ArgumentValue::Default => {
                    variables.push(None);
                    continue;
                }
            };
            variables.push(match &argument.value {
                ArgumentValue::Expr(Expr::Identifier(i)) if argument.output => Some(i.value.to_lowercase()),
                _ if argument.output => {
                    return Err(Message::error(179, "Cannot use the OUTPUT option when passing a constant to a stored procedure.").into());
                }
                _ => None,
            });
            arguments.push(Argument { name: argument.name.clone(), data_type, value, output: argument.output });
        }
        let name = self.procedure_name(&execute.name);
        if matches!(name.as_str(), "sp_executesql" | "sys.sp_executesql") {
            return self.inner_sql(&arguments, &variables, sink);
        }
        let outcome = self.run_procedure(&name, &execute.name.join("."), &arguments)?;
        let outputs = outcome.outputs.clone();
        let status = outcome.status;
        send(outcome, sink)?;
        for (i, argument) in arguments.iter().enumerate().filter(|(_, a)| a.output) {
            let found = outputs.iter().enumerate().find(|(at, (n, ..))| {
                if argument.name.is_empty() { *at == 0 && outputs.len() == 1 || i == *at } else { n.eq_ignore_ascii_case(&argument.name) }
            });
            if let (Some((_, (_, from, value))), Some(Some(variable))) = (found, variables.get(i)) {
                self.set_variable(variable, from, value)?;
            }
        }
        if let Some(variable) = &execute.status {
            self.set_variable(variable, &DataType::Int, &Datum::Int(status.into()))?;
        }
        sink.done(None)?;
        Ok(())
    }

    fn set_variable(&mut self, name: &str, from: &DataType, value: &Datum) -> Run<()> {
        let slot = self.variables.get_mut(name).ok_or_else(|| must_declare(name))?;
        slot.1 = convert(value, from, &slot.0, 0)?;
        Ok(())
    }

    /// Lower case; a database's name in front is left out when it is the current one.
    fn procedure_name(&self, parts: &[String]) -> String {
        let lower: Vec<String> = parts.iter().map(|p| p.to_lowercase()).collect();
        match lower.as_slice() {
            [database, schema, name] if *database == self.database.name.to_lowercase() => {
                format!("{}.{name}", if schema.is_empty() { "dbo" } else { schema })
            }
            parts => parts.join("."),
        }
    }

    fn run_procedure(&mut self, name: &str, as_written: &str, arguments: &[Argument]) -> Run<Outcome> {
        if NOTHING_TO_DO.contains(&name) {
            return Ok(Outcome::default());
        }
        let found = self.server.extensions().iter().find_map(|e| e.procedure(name));
        let procedure = found.ok_or_else(|| Message::error(2812, format!("Could not find stored procedure '{as_written}'.")))?;
        let named =
            |m: Message| Message { procedure: if m.procedure.is_empty() { as_written.to_owned() } else { m.procedure.clone() }, ..m };
        if procedure.transactional {
            self.write(|s| {
                let outcome = (procedure.run)(&s.call(), arguments).map_err(named)?;
                s.refresh_catalogue()?;
                Ok(outcome)
            })
        } else {
            let outcome = (procedure.run)(&self.call(), arguments).map_err(named)?;
            self.refresh_catalogue()?;
            Ok(outcome)
        }
    }

    /// EXEC sp_executesql @stmt, @params, …
    fn inner_sql(&mut self, arguments: &[Argument], variables: &[Option<String>], sink: &mut dyn Sink) -> Run<()> {
        let as_text = |a: &Argument| shown(&a.value, &a.data_type);
        let Some((statement, rest)) = arguments.split_first() else {
            return Err(Message::error(
                201,
                "Procedure or function 'sp_executesql' expects parameter '@statement', which was not supplied.",
            )
            .into());
        };
        let declarations = rest.first().map(as_text).unwrap_or_default();
        let given: Vec<Parameter> = rest
            .iter()
            .skip(1)
            .map(|a| Parameter { name: a.name.clone(), data_type: a.data_type.clone(), value: a.value.clone(), output: a.output })
            .collect();
        let inner = bind_parameters(&declarations, &given)?;
        let names = declared_names(&declarations);
        let after = self.nested(&as_text(statement), inner, sink)?;
        for (i, parameter) in given.iter().enumerate().filter(|(_, p)| p.output) {
            let name = if parameter.name.is_empty() { names.get(i).cloned().unwrap_or_default() } else { parameter.name.to_lowercase() };
            if let (Some((from, value)), Some(Some(variable))) = (after.get(&name), variables.get(i + 2)) {
                self.set_variable(variable, from, value)?;
            }
        }
        Ok(())
    }

    /// Runs a text with variables of its own; returns them.
    pub(super) fn nested(&mut self, sql: &str, variables: Variables, sink: &mut dyn Sink) -> Run<Variables> {
        if self.nesting >= NESTING {
            return Err(
                Message::error(217, "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).").into()
            );
        }
        let list = self.parse(sql)?;
        let outer = std::mem::replace(&mut self.variables, variables);
        self.nesting += 1;
        let options = self.options;
        let outcome = self.run_list(&list, sink);
        self.restore_options(options);
        self.nesting -= 1;
        let inner = std::mem::replace(&mut self.variables, outer);
        outcome.map(|_| inner)
    }

    pub(super) fn call_by_rpc(&mut self, name: &str, parameters: &[Parameter], sink: &mut dyn Sink) -> Run<i32> {
        let parts = super::super::function::name::name_parts(name);
        let found = self.procedure_name(&parts);
        let arguments: Vec<Argument> = parameters
            .iter()
            .map(|p| Argument { name: p.name.clone(), data_type: p.data_type.clone(), value: p.value.clone(), output: p.output })
            .collect();
        let outcome = self.run_procedure(&found, name, &arguments)?;
        let (status, outputs) = (outcome.status, outcome.outputs.clone());
        send(outcome, sink)?;
        for (name, data_type, value) in &outputs {
            let wanted = parameters.iter().any(|p| p.output && (p.name.is_empty() || p.name.eq_ignore_ascii_case(name)));
            if wanted {
                sink.output(name, data_type, value)?;
            }
        }
        Ok(status)
    }
}

fn send(outcome: Outcome, sink: &mut dyn Sink) -> Run<()> {
    for message in &outcome.messages {
        sink.message(message)?;
    }
    for set in outcome.results {
        sink.columns(&set.columns)?;
        for row in &set.rows {
            sink.row(row)?;
        }
        sink.done(Some(u64::try_from(set.rows.len()).unwrap_or(0)))?;
    }
    Ok(())
}

fn declarations(text: &str) -> Result<Vec<(String, DataType)>, Message> {
    if text.trim().is_empty() {
        return Ok(vec![]);
    }
    let joined = text_parts(text).iter().map(|p| without_output(p)).collect::<Vec<_>>().join(", ");
    match parse::parse(&format!("DECLARE {joined}"))?.pop().map(|s| s.body) {
        Some(Body::Declare(list)) => Ok(list.into_iter().map(|(n, t, _)| (n, t)).collect()),
        _ => Err(Message::error(102, "Incorrect syntax in the parameter declarations.")),
    }
}

/// OUTPUT and OUT say how a parameter is passed; DECLARE does not know them.
fn without_output(part: &str) -> String {
    let words: Vec<&str> =
        part.split_whitespace().filter(|w| !matches!(w.to_ascii_uppercase().as_str(), "OUTPUT" | "OUT" | "READONLY")).collect();
    words.join(" ")
}

/// The declarations apart: a comma inside parentheses belongs to a type.
fn text_parts(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0_i32);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

/// The names of `@params`, in order and lower case.
pub(super) fn declared_names(text: &str) -> Vec<String> {
    declarations(text).map(|list| list.into_iter().map(|(n, _)| n).collect()).unwrap_or_default()
}

/// The variables of a parameterised text: declared types, values given by name or position.
pub(super) fn bind_parameters(text: &str, parameters: &[Parameter]) -> Result<Variables, Message> {
    let declared = declarations(text)?;
    let mut variables: Variables = declared.iter().map(|(n, t)| (n.clone(), (t.clone(), Datum::Null))).collect();
    for (i, parameter) in parameters.iter().enumerate() {
        let name = if parameter.name.is_empty() { declared.get(i).map(|d| d.0.clone()) } else { Some(parameter.name.to_lowercase()) };
        let slot = name
            .as_ref()
            .and_then(|n| variables.get_mut(n))
            .ok_or_else(|| Message::error(8145, format!("{} is not a parameter for procedure sp_executesql.", parameter.name)))?;
        slot.1 = convert(&parameter.value, &parameter.data_type, &slot.0, 0)?;
    }
    let missing = declared.iter().enumerate().find(|(i, (n, _))| {
        !parameters.iter().enumerate().any(|(at, p)| if p.name.is_empty() { at == *i } else { p.name.eq_ignore_ascii_case(n) })
    });
    match missing {
        Some((_, (name, _))) => {
            Err(Message::error(8178, format!("The parameterized query '({text})' expects the parameter '{name}', which was not supplied.")))
        }
        None => Ok(variables),
    }
}
