//! What other parts of the lab add to the engine: procedures, functions, relations, hooks.

use super::catalog::Table;
use super::security::Rights;
use super::server::Database;
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum, ResultColumn};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::sync::Arc;

/// Where a call happens.
pub struct Call<'a> {
    /// The session's connection. Inside a transaction if the session is in one, or if the
    /// procedure asked for one.
    pub conn: &'a Connection,
    pub database: &'a Arc<Database>,
    pub user: &'a str,
    /// What the login may do in this database.
    pub rights: &'a Rights,
}

/// An argument of EXEC or of an RPC call, in the order of the call.
#[derive(Clone, PartialEq, Debug)]
pub struct Argument {
    /// With the leading `@`; empty when positional.
    pub name: String,
    pub data_type: DataType,
    pub value: Datum,
    pub output: bool,
}

/// A result set of a procedure, in encoded-free form.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ResultSet {
    pub columns: Vec<ResultColumn>,
    pub rows: Vec<Vec<Datum>>,
}

/// How a procedure ended.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Outcome {
    /// The return status: 0 is success.
    pub status: i32,
    pub results: Vec<ResultSet>,
    /// Values of OUTPUT parameters, by parameter name with `@`.
    pub outputs: Vec<(String, DataType, Datum)>,
    /// Messages that do not end the procedure.
    pub messages: Vec<Message>,
}

/// The work of a procedure, once.
pub type ProcedureFn = Box<dyn FnOnce(&Call<'_>, &[Argument]) -> Result<Outcome, Message> + Send>;

/// A procedure, found by [`Extension::procedure`].
pub struct Procedure {
    /// Runs in a write transaction (the session's own, or one that ends with the call). A
    /// procedure that commits in steps says false and refuses to run inside a transaction if it must.
    pub transactional: bool,
    pub run: ProcedureFn,
}

/// What a pure scalar function computes: arguments already converted to the declared types.
pub type PureFn = Arc<dyn Fn(&[Datum]) -> Result<Datum, Message> + Send + Sync>;
/// Builds SQLite SQL from the SQL of the (converted) arguments.
pub type SqlFn = Arc<dyn Fn(&[String]) -> String + Send + Sync>;

#[derive(Clone)]
pub enum ScalarBody {
    Pure(PureFn),
    /// An expression of SQLite over stored values, such as a subquery in parentheses.
    Sql(SqlFn),
}

/// A scalar function such as `sys.fn_cdc_get_max_lsn`.
#[derive(Clone)]
pub struct ScalarFunction {
    pub arguments: Vec<DataType>,
    pub result: DataType,
    pub body: ScalarBody,
}

/// A query over stored values with declared types: the answer of a table-valued function, or a
/// computed relation.
#[derive(Clone, PartialEq, Debug)]
pub struct Relation {
    pub columns: Vec<ResultColumn>,
    /// A SELECT of SQLite whose columns have these names in this order. Values are spliced with
    /// [`super::codec::literal`].
    pub sql: String,
}

impl Relation {
    /// A relation of these rows, for facts that live in memory.
    #[must_use]
    pub fn of_rows(columns: Vec<ResultColumn>, rows: &[Vec<Datum>]) -> Self {
        let names = |values: Vec<String>| {
            let list: Vec<String> =
                values.iter().zip(&columns).map(|(value, c)| format!("{value} AS {}", super::catalog::quote(&c.name))).collect();
            list.join(", ")
        };
        let nulls = names(columns.iter().map(|_| "NULL".into()).collect());
        let mut sql = format!("SELECT {nulls} WHERE 0");
        for row in rows {
            let values = row.iter().zip(&columns).map(|(value, c)| super::codec::literal(&c.data_type, value)).collect();
            sql.push_str(" UNION ALL SELECT ");
            sql.push_str(&names(values));
        }
        Self { columns, sql }
    }
}

/// One row of a key update: stored values in the order of `table.columns`.
#[derive(Clone, PartialEq, Debug)]
pub struct RowChange {
    pub before: Vec<Value>,
    pub after: Vec<Value>,
}

/// A change of a table's definition, told after it was made, in its transaction.
#[derive(Clone, PartialEq, Debug)]
pub struct Ddl<'a> {
    pub kind: DdlKind,
    /// As it stood before.
    pub table: &'a Table,
    /// The statement as it was sent.
    pub command: &'a str,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DdlKind {
    AddColumn { column_id: i32 },
    DropColumn { column_id: i32 },
    AlterColumn { column_id: i32 },
    CreateIndex,
    DropIndex,
    DropTable,
}

/// A part that adds to the engine. Every method has an empty default.
///
/// Names come in lower case, with the schema when one was written: `sys.sp_cdc_enable_db`,
/// `sp_cdc_enable_db`, `cdc.fn_cdc_get_all_changes_dbo_orders`.
pub trait Extension: Send + Sync {
    fn procedure(&self, _name: &str) -> Option<Procedure> {
        None
    }

    fn scalar(&self, _name: &str) -> Option<ScalarFunction> {
        None
    }

    /// A table-valued function with evaluated arguments (types as written in the call: variables
    /// keep theirs). It is asked once for every execution, on the session's connection.
    fn table_function(&self, _call: &Call<'_>, _name: &str, _arguments: &[(DataType, Datum)]) -> Option<Result<Relation, Message>> {
        None
    }

    /// A computed relation such as `sys.dm_cdc_errors`; asked once for every execution.
    fn relation(&self, _call: &Call<'_>, _name: &str) -> Option<Relation> {
        None
    }

    /// In the SQLite transaction of a session that wrote, just before its COMMIT.
    fn before_commit(&self, _call: &Call<'_>) -> Result<(), Message> {
        Ok(())
    }

    /// After such a COMMIT.
    fn after_commit(&self, _database: &Arc<Database>) {}

    /// Rows of a tracked table whose nonclustered key changed as a set: to be logged as
    /// before/after pairs, since no trigger fired. `touched`: the columns of the SET list.
    fn key_update(&self, _call: &Call<'_>, _table: &Table, _changes: &[RowChange], _touched: &[i32]) -> Result<(), Message> {
        Ok(())
    }

    /// Before a change of a table's definition: refuse it, or drop triggers that stand in its way.
    fn before_ddl(&self, _call: &Call<'_>, _ddl: &Ddl<'_>) -> Result<(), Message> {
        Ok(())
    }

    /// After it: note it, make triggers again.
    fn after_ddl(&self, _call: &Call<'_>, _ddl: &Ddl<'_>) -> Result<(), Message> {
        Ok(())
    }
}
