//! Many small tracked tables made at once, for tests of size.
//!
//! To a client they are what CREATE TABLE and `sp_cdc_enable_table` make. Behind it SQLite reads
//! its whole schema for each statement that changes it, so each has two SQLite tables and nothing
//! more: no index, no log. Their changes come from [`super::Cdc::fill_change_table`].

use std::sync::Arc;

use super::agent::Agent;
use super::{database, enable, log};
use crate::lab::sqlserver::engine::catalog::{self, Column, Index, ObjectKind, TableDef};
use crate::lab::sqlserver::engine::extension::Call;
use crate::lab::sqlserver::engine::security::{Rights, Security};
use crate::lab::sqlserver::types::DataType;

/// Tables `<schema>.t00001 (id int PRIMARY KEY, n int)` to `count`, each captured by an instance
/// `<schema>_t00001`, in one transaction, which the capture job has not read yet.
pub fn make(agent: &Agent, schema: &str, count: usize) -> rusqlite::Result<Vec<String>> {
    agent.write(|connection| {
        // Inside the server, past all permissions.
        let security = Arc::new(Security::of_administrators([("lab".to_owned(), String::new())]));
        let rights = Rights::new(&security, agent.database.id, &agent.database.name, "lab");
        let call = Call { conn: connection, database: &agent.database, user: "lab", rights: &rights };
        database::switch_on_if_off(&call)?;
        let mut names = Vec::with_capacity(count);
        for number in 1..=count {
            let name = format!("t{number:05}");
            let object_id = catalog::create_table(connection, &definition(schema, &name))?;
            let made = || catalog::table_by_id(connection, object_id)?.ok_or(rusqlite::Error::QueryReturnedNoRows);
            catalog::note_index(connection, &*made()?, &key(schema, &name))?;
            enable::capture_without_log(&call, &*made()?)?;
            names.push(name);
        }
        log::commit(connection)?;
        Ok(names)
    })
}

fn definition(schema: &str, name: &str) -> TableDef {
    TableDef {
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: ObjectKind::UserTable,
        ms_shipped: false,
        columns: vec![Column::new("id", DataType::Int, false), Column::new("n", DataType::Int, true)],
        indexes: Vec::new(),
    }
}

fn key(schema: &str, name: &str) -> Index<String> {
    Index {
        name: format!("PK_{schema}_{name}"),
        primary_key: true,
        unique_constraint: false,
        unique: true,
        clustered: true,
        columns: vec!["id".to_owned()],
    }
}
