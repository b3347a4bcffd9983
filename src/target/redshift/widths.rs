//! How wide the columns of production and staging are, and how they are stored.

use super::catalogue::{self, FoundColumn};
use super::connect::Session;
use super::ddl::Layout;
use super::error::SqlError;
use super::names::{Names, Relation};
use super::quote::{ident, literal};
use super::types::{RsType, SUPER_MAX};
use crate::config::RedshiftSettings;
use crate::model::fault::sync;
use crate::model::{Fault, TableName, TableShape};
use crate::target::ColumnWidth;

/// The captured columns of a table, in the order of the shape.
pub async fn read(settings: &RedshiftSettings, names: &Names, table: &TableName, shape: &TableShape) -> Result<Vec<ColumnWidth>, Fault> {
    let layout = Layout::new(table, shape)?;
    let mut session = Session::open(settings).await?;
    let production = catalogue::columns(&mut session, &names.production).await?;
    let staging = catalogue::columns(&mut session, &names.staging).await?;
    let encodings = encodings(&mut session, &names.production).await?;
    let find = |columns: &[FoundColumn], relation: &Relation, name: &str| {
        columns
            .iter()
            .find(|column| column.name == name)
            .cloned()
            .ok_or_else(|| Fault::new(&sync::DIVERGED, format!("{} has no column {name}", relation.sql())).evidence("column", name))
    };
    let mut out = Vec::with_capacity(layout.columns.len());
    for (column, want) in shape.columns().iter().zip(&layout.columns) {
        let held = find(&production, &names.production, &want.name)?;
        let staged = find(&staging, &names.staging, &want.name)?;
        out.push(ColumnWidth {
            column: column.name.clone(),
            name: want.name.clone(),
            production_bytes: held.rs.and_then(bytes),
            staging_bytes: staged.rs.and_then(bytes),
            needed_bytes: bytes(want.rs),
            production: held.type_text,
            staging: staged.type_text,
            needed: want.rs.to_string(),
            encoding: encodings.iter().find(|(name, _)| *name == want.name).map(|(_, encoding)| encoding.clone()),
            has_default: held.has_default,
        });
    }
    Ok(out)
}

/// `None` for a type without a length, and for a VARBYTE whose length the catalogue does not say.
fn bytes(rs: RsType) -> Option<u32> {
    match rs {
        RsType::VarChar(bytes) | RsType::Char(bytes) | RsType::VarByte(bytes) => Some(bytes).filter(|bytes| *bytes > 0),
        RsType::Super => Some(SUPER_MAX),
        _ => None,
    }
}

/// `pg_table_def` lists the tables of the search path only.
async fn encodings(session: &mut Session, relation: &Relation) -> Result<Vec<(String, String)>, SqlError> {
    session.run("look up encodings", &format!("SET search_path TO {}", ident(&relation.schema))).await?;
    let sql = format!(
        "SELECT \"column\", \"encoding\"\n  FROM pg_table_def\n WHERE \"schemaname\" = {} AND \"tablename\" = {}",
        literal(&relation.schema),
        literal(&relation.name)
    );
    let rows = session.run("look up encodings", &sql).await?.rows;
    let text = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten().unwrap_or_default().trim().to_ascii_lowercase();
    Ok(rows.iter().map(|row| (text(row, 0), text(row, 1))).collect())
}
