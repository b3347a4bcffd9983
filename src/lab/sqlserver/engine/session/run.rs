//! Statement after statement.

use super::super::function::string::shown;
use super::super::parse::{Body, SetOption, Statement};
use super::super::value::convert::convert;
use super::plan::must_declare;
use super::{EngineSession, Run, Stop};
use crate::lab::sqlserver::session::{Message, Sink};
use crate::lab::sqlserver::types::{DataType, Datum};
use sqlparser::ast::Expr;

/// Where control goes after a statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return,
}

/// Errors that end the batch, not only their statement: of names, conversion and transactions.
const ENDS_BATCH: &[i32] = &[
    102, 137, 195, 207, 208, 209, 235, 241, 242, 243, 245, 313, 911, 1222, 3902, 3903, 3952, 3960, 4104, 4121, 8114, 8144, 8169, 40510,
    50_000,
];

impl EngineSession {
    pub(super) fn run_list(&mut self, list: &[Statement], sink: &mut dyn Sink) -> Run<Flow> {
        for statement in list {
            match self.run_statement(statement, sink)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    /// Runs a statement; outside TRY its error is reported here.
    fn run_statement(&mut self, statement: &Statement, sink: &mut dyn Sink) -> Run<Flow> {
        match self.run(statement, sink) {
            Err(Stop::Raised(mut message)) => {
                if message.line <= 1 {
                    message.line = statement.line;
                }
                self.error = message.number;
                self.row_count = 0;
                if self.tries > 0 {
                    return Err(Stop::Raised(message));
                }
                let thrown = matches!(statement.body, Body::Throw(_));
                sink.message(&message)?;
                sink.done(None)?;
                if self.options.xact_abort && !matches!(statement.body, Body::Raiserror(_)) {
                    self.rollback_all();
                    return Err(Stop::BatchEnded);
                }
                if thrown || ENDS_BATCH.contains(&message.number) || message.class >= 17 {
                    return Err(Stop::BatchEnded);
                }
                Ok(Flow::Next)
            }
            Ok(flow) => {
                if !matches!(statement.body, Body::If { .. } | Body::While { .. } | Body::Block(_) | Body::Try { .. }) {
                    self.error = 0;
                }
                Ok(flow)
            }
            Err(other) => Err(other),
        }
    }

    fn counted(&mut self, rows: u64, sink: &mut dyn Sink) -> Run<Flow> {
        self.row_count = rows;
        sink.done((!self.options.nocount).then_some(rows))?;
        Ok(Flow::Next)
    }

    fn uncounted(sink: &mut dyn Sink) -> Run<Flow> {
        sink.done(None)?;
        Ok(Flow::Next)
    }

    fn run(&mut self, statement: &Statement, sink: &mut dyn Sink) -> Run<Flow> {
        match &statement.body {
            Body::Declare(list) => {
                for (name, data_type, value) in list {
                    let value = match value {
                        None => Datum::Null,
                        Some(e) => self.assigned(e, data_type)?,
                    };
                    self.variables.insert(name.clone(), (data_type.clone(), value));
                }
                Ok(Flow::Next)
            }
            Body::Assign(name, expr) => {
                let data_type = self.variables.get(name).map(|v| v.0.clone()).ok_or_else(|| must_declare(name))?;
                let value = self.assigned(expr, &data_type)?;
                self.variables.insert(name.clone(), (data_type, value));
                Ok(Flow::Next)
            }
            Body::SetOption(option) => {
                self.set_option(option)?;
                Self::uncounted(sink)
            }
            Body::Select(query) => {
                self.begin_read()?;
                let plan = self.kept_plan(statement, |c| c.query(query, None))?;
                if plan.query.assigns.is_empty() {
                    let rows = self.send(&plan, sink)?;
                    return self.counted(rows, sink);
                }
                let mut last = None;
                let rows = self.each_row(&plan, |row| {
                    last = Some(row.to_vec());
                    Ok(())
                })?;
                for ((name, column), value) in plan.query.assigns.iter().zip(&plan.query.columns).zip(last.into_iter().flatten()) {
                    let data_type = self.variables.get(name).map(|v| v.0.clone()).ok_or_else(|| must_declare(name))?;
                    let value = convert(&value, &column.data_type, &data_type, 0)?;
                    self.variables.insert(name.clone(), (data_type, value));
                }
                self.counted(rows, sink)
            }
            Body::Insert(insert) => {
                let rows = self.write(|s| s.insert(insert))?;
                self.counted(rows, sink)
            }
            Body::Update(update) => {
                let rows = self.write(|s| s.update(update))?;
                self.counted(rows, sink)
            }
            Body::Delete(delete) => {
                let rows = self.write(|s| s.delete(delete))?;
                self.counted(rows, sink)
            }
            Body::If { condition, then, otherwise } => {
                if self.condition(statement, condition)? {
                    self.run_statement(then, sink)
                } else if let Some(otherwise) = otherwise {
                    self.run_statement(otherwise, sink)
                } else {
                    Ok(Flow::Next)
                }
            }
            Body::While { condition, body } => {
                while self.condition(statement, condition)? {
                    match self.run_statement(body, sink)? {
                        Flow::Break => break,
                        Flow::Return => return Ok(Flow::Return),
                        Flow::Next | Flow::Continue => {}
                    }
                }
                Ok(Flow::Next)
            }
            Body::Block(list) => self.run_list(list, sink),
            Body::Try { body, catch } => {
                self.tries += 1;
                let outcome = self.run_list(body, sink);
                self.tries -= 1;
                match outcome {
                    Err(Stop::Raised(message)) => {
                        let outer = self.caught.replace(message);
                        let outcome = self.run_list(catch, sink);
                        self.caught = outer;
                        outcome
                    }
                    other => other,
                }
            }
            Body::Break => Ok(Flow::Break),
            Body::Continue => Ok(Flow::Continue),
            Body::Return => Ok(Flow::Return),
            Body::Print(expr) => {
                let (data_type, value) = self.value_of(expr)?;
                sink.message(&Message { class: 0, line: statement.line, ..Message::error(0, shown(&value, &data_type)) })?;
                Ok(Flow::Next)
            }
            Body::Raiserror(list) => {
                let message = self.raiserror(list)?;
                let message = Message { line: statement.line, ..message };
                if message.class > 10 {
                    return Err(message.into());
                }
                sink.message(&message)?;
                Ok(Flow::Next)
            }
            Body::Throw(list) => Err(self.throw(list)?.into()),
            Body::Use(name) => {
                self.change_database(name, sink)?;
                Self::uncounted(sink)
            }
            Body::BeginTransaction(_) => {
                self.transaction.depth += 1;
                Self::uncounted(sink)
            }
            Body::Commit => {
                self.commit()?;
                Self::uncounted(sink)
            }
            Body::Rollback(name) => {
                self.rollback(name.as_deref())?;
                Self::uncounted(sink)
            }
            Body::Save(name) => {
                self.save(name)?;
                Self::uncounted(sink)
            }
            Body::Execute(execute) => {
                self.execute_call(execute, sink)?;
                Ok(Flow::Next)
            }
            Body::ExecuteText(expr) => {
                let (data_type, value) = self.value_of(expr)?;
                self.nested(&shown(&value, &data_type), super::Variables::new(), sink)?;
                Ok(Flow::Next)
            }
            Body::Security(statement) => {
                self.rights.run(statement)?;
                Self::uncounted(sink)
            }
            Body::CreateSchema(_)
            | Body::CreateTable(_)
            | Body::CreateIndex { .. }
            | Body::DropIndex { .. }
            | Body::DropTable { .. }
            | Body::AlterTable(_)
            | Body::Truncate(_)
            | Body::AllowSnapshot { .. } => {
                self.require_ddl(&statement.body)?;
                self.write(|s| s.define(&statement.body))?;
                Self::uncounted(sink)
            }
        }
    }

    /// Definitions are for owners of the database, and but for databases for db_ddladmin.
    fn require_ddl(&self, body: &Body) -> Run<()> {
        let permission = match body {
            Body::CreateTable(_) => "CREATE TABLE",
            Body::CreateSchema(_) => "CREATE SCHEMA",
            Body::AllowSnapshot { .. } => "ALTER DATABASE",
            _ => "ALTER",
        };
        if permission != "ALTER DATABASE" && self.rights.is_member("db_ddladmin") == Some(true) {
            return Ok(());
        }
        Ok(self.rights.require_in_database(permission)?)
    }

    /// An expression's value as the type of the variable that takes it.
    fn assigned(&mut self, expr: &Expr, to: &DataType) -> Run<Datum> {
        let (from, value) = self.value_of(expr)?;
        Ok(convert(&value, &from, to, 0)?)
    }

    fn set_option(&mut self, option: &SetOption) -> Run<()> {
        match option {
            SetOption::NoCount(on) => self.options.nocount = *on,
            SetOption::XactAbort(on) => self.options.xact_abort = *on,
            SetOption::LockTimeout(milliseconds) => self.set_lock_timeout(*milliseconds),
            SetOption::Isolation(isolation) => self.options.isolation = *isolation,
            SetOption::IdentityInsert(table, on) => {
                self.refresh_catalogue()?;
                let table = self.stored_table(table)?;
                if *on && self.options.identity_insert.is_some_and(|id| id != table.object_id) {
                    let text = format!(
                        "IDENTITY_INSERT is already ON for another table. Cannot perform SET operation for table '{}'.",
                        table.name
                    );
                    return Err(Message::error(8107, text).into());
                }
                self.options.identity_insert = on.then_some(table.object_id);
            }
            SetOption::Ignored => {}
        }
        Ok(())
    }

    fn raiserror(&mut self, list: &[Expr]) -> Run<Message> {
        let values = self.values_of(list)?;
        let number = |i: usize| match values.get(i) {
            Some((_, Datum::Int(n))) => *n,
            _ => 0,
        };
        let (number_of, format) = match values.first() {
            Some((_, Datum::Int(n))) => (i32::try_from(*n).unwrap_or(50_000), format!("Error {n}, severity %d, state %d was raised.")),
            Some((t, v)) => (50_000, shown(v, t)),
            None => (50_000, String::new()),
        };
        let mut arguments = values.iter().skip(3).map(|(t, v)| shown(v, t));
        let mut text = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            match c {
                '%' => match chars.next() {
                    Some('s' | 'd' | 'i' | 'u' | 'x' | 'X' | 'o') => text.push_str(&arguments.next().unwrap_or_else(|| "(null)".into())),
                    Some('%') | None => text.push('%'),
                    Some(other) => text.extend(['%', other]),
                },
                c => text.push(c),
            }
        }
        let class = u8::try_from(number(1)).unwrap_or(16);
        let state = u8::try_from(number(2)).unwrap_or(1);
        Ok(Message { class, state, ..Message::error(number_of, text) })
    }

    fn throw(&mut self, list: &[Expr]) -> Run<Message> {
        if list.is_empty() {
            let rethrown = self.caught.clone();
            return Ok(rethrown
                .unwrap_or_else(|| Message::error(10704, "To rethrow an error, a THROW statement must be used inside a CATCH block.")));
        }
        let values = self.values_of(list)?;
        match values.as_slice() {
            [(_, Datum::Int(number)), (t, text), (_, Datum::Int(state))] => Ok(Message {
                state: u8::try_from(*state).unwrap_or(1),
                ..Message::error(i32::try_from(*number).unwrap_or(50_000), shown(text, t))
            }),
            _ => Err(Message { class: 15, ..Message::error(102, "Incorrect syntax near 'THROW'.") }.into()),
        }
    }
}
