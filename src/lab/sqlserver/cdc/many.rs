//! Many small tracked tables made at once, for tests of size: to a client they are what CREATE
//! TABLE and `sp_cdc_enable_table` make, without the cost of a parsed statement each.

use super::agent::Agent;
use super::{enable, log};
use crate::lab::sqlserver::engine::catalog::{self, Column, Index, ObjectKind, TableDef};
use crate::lab::sqlserver::engine::extension::Call;
use crate::lab::sqlserver::types::DataType;

/// Tables `<schema>.t00001 (id int PRIMARY KEY, n int)` to `count`, each captured by an instance
/// `<schema>_t00001`, in one transaction, which capture has not read yet.
pub fn make(agent: &Agent, schema: &str, count: usize) -> rusqlite::Result<Vec<String>> {
    agent.write(|connection| {
        let call = Call { conn: connection, database: &agent.database, user: "lab" };
        enable::switch_on_if_off(&call)?;
        let mut names = Vec::with_capacity(count);
        for number in 1..=count {
            let name = format!("t{number:05}");
            let object_id = catalog::create_table(connection, &definition(schema, &name))?;
            let table = catalog::table_by_id(connection, object_id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            enable::capture_all_columns(&call, &table)?;
            names.push(name);
        }
        log::commit(connection)?;
        Ok(names)
    })
}

fn definition(schema: &str, name: &str) -> TableDef {
    let key = Index {
        name: format!("PK_{schema}_{name}"),
        primary_key: true,
        unique_constraint: false,
        unique: true,
        clustered: true,
        columns: vec!["id".to_owned()],
    };
    TableDef {
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: ObjectKind::UserTable,
        ms_shipped: false,
        columns: vec![Column::new("id", DataType::Int, false), Column::new("n", DataType::Int, true)],
        indexes: vec![key],
    }
}
