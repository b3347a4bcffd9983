//! Translating statements for this session, keeping translations, running queries.

use super::super::codec;
use super::super::compile::{Compiled, Compiler, Context, Param, Plan};
use super::super::parse::Statement;
use super::{EngineSession, Run, Stop};
use crate::lab::sqlserver::session::{Message, Sink};
use crate::lab::sqlserver::types::{DataType, Datum};
use rusqlite::types::{Value, ValueRef};
use sqlparser::ast::Expr;
use std::collections::HashMap;
use std::sync::Arc;

/// A translation with what it depends on.
pub(super) struct Kept {
    version: i64,
    database: i32,
    types: Vec<(String, Option<DataType>)>,
    plan: Arc<Plan>,
}

impl EngineSession {
    /// Translates with this session's variables and catalogue.
    pub(super) fn translate<T>(&self, work: impl FnOnce(Compiler<'_>) -> Result<T, Message>) -> Result<T, Message> {
        let variables: HashMap<String, DataType> = self.variables.iter().map(|(n, (t, _))| (n.clone(), t.clone())).collect();
        let extensions = self.server.extensions();
        let call = self.call();
        let bind = |param: &Param| self.param_value(param);
        let server_relation = |name: &str| self.server_relation(name);
        let context = Context {
            catalogue: &self.catalogue,
            variables: &variables,
            call: &call,
            extensions: &extensions,
            bind: &bind,
            server_relation: &server_relation,
            server_name: &self.server.name,
        };
        work(Compiler::new(&context))
    }

    fn plan(&self, work: impl FnOnce(&mut Compiler<'_>) -> Result<Compiled, Message>) -> Result<Plan, Message> {
        self.translate(|mut compiler| {
            let compiled = work(&mut compiler)?;
            Ok(compiler.plan(compiled))
        })
    }

    /// The kept translation of a statement, or a new one.
    pub(super) fn kept_plan(
        &mut self,
        statement: &Statement,
        work: impl FnOnce(&mut Compiler<'_>) -> Result<Compiled, Message>,
    ) -> Result<Arc<Plan>, Message> {
        if let Some(kept) = self.plans.get(&statement.id)
            && kept.version == self.catalogue.version
            && kept.database == self.database.id
            && kept.types.iter().all(|(name, t)| self.variables.get(name).map(|v| &v.0) == t.as_ref())
        {
            return Ok(kept.plan.clone());
        }
        let plan = Arc::new(self.plan(work)?);
        if plan.reusable {
            let types = plan
                .params
                .iter()
                .filter_map(|p| match p {
                    Param::Variable(name) => Some((name.clone(), self.variables.get(name).map(|v| v.0.clone()))),
                    Param::System(_) => None,
                })
                .collect();
            self.plans
                .insert(statement.id, Kept { version: self.catalogue.version, database: self.database.id, types, plan: plan.clone() });
        }
        Ok(plan)
    }

    pub(super) fn param_value(&self, param: &Param) -> Result<Value, Message> {
        match param {
            Param::Variable(name) => {
                let (data_type, value) = self.variables.get(name).ok_or_else(|| must_declare(name))?;
                Ok(codec::encode(data_type, value))
            }
            Param::System(system) => {
                let (data_type, value) = self.system_value(*system);
                Ok(codec::encode(&data_type, &value))
            }
        }
    }

    pub(super) fn param_values(&self, plan: &Plan) -> Result<Vec<Value>, Message> {
        plan.params.iter().map(|p| self.param_value(p)).collect()
    }

    /// Steps through the rows of a plan.
    pub(super) fn each_row(&self, plan: &Plan, mut row: impl FnMut(&[Datum]) -> Run<()>) -> Run<u64> {
        let types: Vec<&DataType> = plan.query.columns.iter().map(|c| &c.data_type).collect();
        let mut buffer = vec![Datum::Null; types.len()];
        self.each_stored_row(plan, |stored| {
            for (i, (slot, data_type)) in buffer.iter_mut().zip(&types).enumerate() {
                *slot = codec::decode(data_type, stored.get_ref(i)?).map_err(|e| Message::error(50_000, e.to_string()))?;
            }
            row(&buffer)
        })
    }

    /// As [`Self::each_row`], with the values as they are stored.
    pub(super) fn each_stored_row(&self, plan: &Plan, mut row: impl FnMut(&rusqlite::Row<'_>) -> Run<()>) -> Run<u64> {
        let mut statement = self.conn.prepare_cached(&plan.query.sql)?;
        for (i, value) in self.param_values(plan)?.into_iter().enumerate() {
            statement.raw_bind_parameter(i + 1, value)?;
        }
        let mut rows = statement.raw_query();
        let mut count = 0;
        while let Some(stored) = rows.next()? {
            row(stored)?;
            count += 1;
        }
        Ok(count)
    }

    /// Sends a query's result set.
    pub(super) fn send(&self, plan: &Plan, sink: &mut dyn Sink) -> Run<u64> {
        let columns: Vec<_> = plan.query.columns.iter().map(super::super::compile::Output::result).collect();
        sink.columns(&columns)?;
        self.each_row(plan, |row| sink.row(row).map_err(Stop::from))
    }

    /// The value of an expression that stands alone.
    pub(super) fn value_of(&mut self, expr: &Expr) -> Run<(DataType, Datum)> {
        Ok(self.values_of(std::slice::from_ref(expr))?.pop().unwrap_or((DataType::Int, Datum::Null)))
    }

    pub(super) fn values_of(&mut self, list: &[Expr]) -> Run<Vec<(DataType, Datum)>> {
        let constants: Option<Vec<_>> = list.iter().map(super::super::compile::constant).collect();
        if let Some(constants) = constants {
            return constants.into_iter().map(|c| c.map(|(v, t)| (t, v)).map_err(Stop::from)).collect();
        }
        self.begin_read()?;
        let plan = self.plan(|c| c.scalars(list))?;
        let mut values = vec![];
        self.each_row(&plan, |row| {
            values = row.to_vec();
            Ok(())
        })?;
        Ok(plan.query.columns.iter().map(|c| c.data_type.clone()).zip(values).collect())
    }

    pub(super) fn condition(&mut self, statement: &Statement, expr: &Expr) -> Run<bool> {
        self.begin_read()?;
        let plan = self.kept_plan(statement, |c| c.condition(expr))?;
        let mut holds = false;
        self.each_stored_row(&plan, |row| {
            holds = matches!(row.get_ref(0)?, ValueRef::Integer(1));
            Ok(())
        })?;
        Ok(holds)
    }
}

pub(super) fn must_declare(name: &str) -> Message {
    Message { class: 15, ..Message::error(137, format!("Must declare the scalar variable \"{name}\".")) }
}
