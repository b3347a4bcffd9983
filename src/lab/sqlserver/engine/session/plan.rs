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

#[cfg(test)]
mod tests {
    use super::super::super::parse::{self, Body};
    use super::super::super::server::{Server, User};
    use super::super::{EngineSession, EngineSessions};
    use crate::lab::direct::Direct;
    use crate::lab::sqlserver::cdc::Cdc;
    use crate::lab::sqlserver::types::Datum;
    use std::sync::Arc;

    /// SQLite's plan of the last statement, after its declarations.
    fn steps(session: &mut EngineSession, sql: &str) -> Vec<String> {
        for statement in parse::parse(sql).unwrap() {
            match statement.body {
                Body::Declare(list) => {
                    for (name, data_type, _) in list {
                        session.variables.insert(name, (data_type, Datum::Null));
                    }
                }
                Body::Select(query) => {
                    let plan = session.plan(|compiler| compiler.query(&query, None)).unwrap();
                    let mut explained = session.conn.prepare(&format!("EXPLAIN QUERY PLAN {}", plan.query.sql)).unwrap();
                    let count = explained.parameter_count();
                    let nothing = rusqlite::params_from_iter(vec![rusqlite::types::Null; count]);
                    return explained.query_map(nothing, |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
                }
                other => panic!("{other:?} was not expected"),
            }
        }
        Vec::new()
    }

    #[test]
    fn a_page_of_a_change_table_begins_at_its_place_in_the_index_and_sorts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let user = User { name: "sa".into(), password: "right".into() };
        let server = Arc::new(Server::open(dir.path(), &["Shop"], vec![user]).unwrap());
        let _cdc = Cdc::attach(&server).unwrap();
        let mut direct = Direct::login(&EngineSessions::new(server.clone(), false), "sa", "right", "Shop").unwrap();
        let batches = [
            "EXEC sys.sp_cdc_enable_db",
            "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, note nvarchar(max) NULL)",
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't', @role_name = NULL, @supports_net_changes = 0",
        ];
        direct.run_all(batches).unwrap();
        let database = server.database("Shop").unwrap();
        let mut session = EngineSession::open(server, database, "sa", "test", 99, false).unwrap();
        let page = |behind: &str| {
            format!(
                "DECLARE @n bigint, @from varbinary(10), @to varbinary(10), @lsn varbinary(10), @seq varbinary(10), @op bigint, @command bigint;
                 SELECT TOP (@n) ct.__$start_lsn, ct.__$command_id, ct.__$seqval, ct.__$operation, ct.id, ct.note FROM cdc.dbo_t_CT AS ct
                  WHERE ct.__$start_lsn >= @from AND ct.__$start_lsn <= @to {behind}
                  ORDER BY ct.__$start_lsn, ct.__$command_id, ct.__$seqval, ct.__$operation"
            )
        };
        let index = "USING INDEX cdc.dbo_t_CT.dbo_t_CT_clustered_idx";
        let first = steps(&mut session, &page(""));
        assert_eq!(first, [format!("SEARCH a1 {index} (__$start_lsn>? AND __$start_lsn<?)")]);
        let next = "AND (ct.__$start_lsn > @lsn OR (ct.__$start_lsn = @lsn AND ct.__$command_id > @command)
            OR (ct.__$start_lsn = @lsn AND ct.__$command_id = @command AND ct.__$seqval > @seq)
            OR (ct.__$start_lsn = @lsn AND ct.__$command_id = @command AND ct.__$seqval = @seq AND ct.__$operation > @op))";
        let next = steps(&mut session, &page(next));
        let place = "((__$start_lsn,__$command_id,__$seqval,__$operation)>(?,?,?,?) AND __$start_lsn<?)";
        assert_eq!(next, [format!("SEARCH a1 {index} {place}")]);
    }
}
