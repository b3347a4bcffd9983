//! Columns, keys and capture instances of tables: the texts, and how the answers fit together.

use std::collections::{HashMap, HashSet};

use tiberius::Row;

use super::catalog;
use super::cells::Cells;
use super::columns;
use super::error::Place;
use super::quote;
use super::session::Sessions;
use super::withheld::{self, Withheld};
use crate::model::{CaptureIdentity, Column, Fault, Lsn, SqlType, TableName, TableShape, Unfit};
use crate::source::{CaptureInstance, SourceTable, TableFacts};

/// Columns of the tables whose object ids are given. A name of an alias type says nothing about
/// the values, so the base type goes with it; a CLR type has none.
#[must_use]
pub fn columns(object_ids: &[i32]) -> String {
    format!(
        "\
SELECT c.object_id, c.column_id, c.name AS column_name,
       own.name AS type_name,
       ISNULL(base.name, own.name) AS base_type_name,
       c.max_length, c.precision, c.scale, c.collation_name, c.is_nullable, c.is_computed
  FROM sys.columns AS c
 INNER JOIN sys.types AS own ON own.user_type_id = c.user_type_id
  LEFT JOIN sys.types AS base ON base.user_type_id = c.system_type_id
 WHERE c.object_id IN ({})
 ORDER BY c.object_id, c.column_id;",
        id_list(object_ids)
    )
}

/// Capture instances of the given source tables. `object_id` is that of the change table.
#[must_use]
pub fn instances(object_ids: &[i32]) -> String {
    format!(
        "\
SELECT ct.object_id, ct.source_object_id, ct.capture_instance, ct.start_lsn,
       ct.supports_net_changes, ct.role_name, ct.create_date
  FROM cdc.change_tables AS ct
 WHERE ISNULL(ct.has_drop_pending, 0) = 0 AND ct.source_object_id IN ({})
 ORDER BY ct.source_object_id, ct.create_date DESC, ct.capture_instance DESC;",
        id_list(object_ids)
    )
}

#[must_use]
pub fn captured_columns(object_ids: &[i32]) -> String {
    format!(
        "\
SELECT cc.object_id, cc.column_id, cc.column_name, cc.column_type, cc.column_ordinal, cc.is_computed
  FROM cdc.captured_columns AS cc
 INNER JOIN cdc.change_tables AS ct ON ct.object_id = cc.object_id
 WHERE ct.source_object_id IN ({})
 ORDER BY cc.object_id, cc.column_ordinal;",
        id_list(object_ids)
    )
}

/// The key of each instance: the primary key, or the unique index that capture was told to use.
#[must_use]
pub fn key_columns(object_ids: &[i32]) -> String {
    format!(
        "\
SELECT ic.object_id, ic.column_id, ic.index_ordinal
  FROM cdc.index_columns AS ic
 INNER JOIN cdc.change_tables AS ct ON ct.object_id = ic.object_id
 WHERE ct.source_object_id IN ({})
 ORDER BY ic.object_id, ic.index_ordinal;",
        id_list(object_ids)
    )
}

/// The newest DDL that capture saw, by source table.
#[must_use]
pub fn ddl_history(object_ids: &[i32]) -> String {
    format!(
        "\
SELECT h.source_object_id, MAX(h.ddl_lsn) AS ddl_lsn
  FROM cdc.ddl_history AS h
 WHERE h.source_object_id IN ({})
 GROUP BY h.source_object_id;",
        id_list(object_ids)
    )
}

/// Object ids are numbers that the server gave us: they may stand in the text, and no limit of
/// parameters binds them.
fn id_list(object_ids: &[i32]) -> String {
    object_ids.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")
}

/// A row of `sys.columns`.
struct SourceColumn {
    id: i32,
    name: String,
    type_name: String,
    base_type_name: String,
    sql_type: SqlType,
    collation: Option<String>,
    nullable: bool,
    computed: bool,
}

impl SourceColumn {
    fn column(&self, ordinal: i32, key_ordinal: Option<u8>) -> Column {
        let Self { id, name, sql_type, collation, nullable, .. } = self;
        Column {
            name: name.clone(),
            column_id: *id,
            ordinal,
            sql_type: sql_type.clone(),
            nullable: *nullable,
            collation: collation.clone(),
            key_ordinal,
            unfit: Unfit::Fail,
        }
    }

    /// Whether capture recorded this very column. It may know an alias type by either name, and
    /// `rowversion` by both of its own.
    fn is_captured_as(&self, captured: &Captured) -> bool {
        let same = |name: &str| name.eq_ignore_ascii_case(&captured.type_name);
        let rowversion = self.sql_type == SqlType::RowVersion && ["timestamp", "rowversion"].iter().any(|name| same(name));
        let decimal = matches!(self.sql_type, SqlType::Decimal { .. }) && ["decimal", "numeric"].iter().any(|name| same(name));
        self.name == captured.name && (same(&self.type_name) || same(&self.base_type_name) || rowversion || decimal)
    }
}

/// A row of `cdc.captured_columns`.
struct Captured {
    id: i32,
    name: String,
    type_name: String,
    ordinal: i32,
    computed: bool,
}

/// A row of `cdc.change_tables`.
struct Instance {
    identity: CaptureIdentity,
    start_lsn: Option<Lsn>,
    supports_net_changes: bool,
    role: Option<String>,
}

/// Everything that the queries brought, by object id: of the source table or of the change table.
#[derive(Default)]
struct Found {
    columns: HashMap<i32, Vec<SourceColumn>>,
    instances: HashMap<i32, Vec<Instance>>,
    captured: HashMap<i32, Vec<Captured>>,
    keys: HashMap<i32, HashMap<i32, u8>>,
    ddl: HashMap<i32, Lsn>,
    withheld: Withheld,
}

pub async fn tables(sessions: &Sessions, names: &[TableName]) -> Result<Vec<Result<TableFacts, Fault>>, Fault> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = catalog::named(sessions, names).await?;
    let ids: Vec<i32> = wanted.iter().flatten().map(|table| table.object_id).collect();
    if ids.is_empty() {
        return Ok(wanted.into_iter().map(|table| table.map(|table| Found::default().facts(&table))).collect());
    }
    let mut found = Found::default();
    let place = Place::new("the columns of the source could not be read");
    for row in sessions.run(&place, &columns(&ids), Vec::new()).await?.iter().flatten() {
        found.add_column(Cells::new(row, &place))?;
    }
    if catalog::cdc_enabled(sessions).await? {
        let place = Place::new("the capture instances could not be read").needs("SELECT ON SCHEMA::[cdc]");
        let rows = async |sql: String| Ok::<Vec<Row>, Fault>(sessions.run(&place, &sql, Vec::new()).await?.into_iter().flatten().collect());
        for row in rows(instances(&ids)).await? {
            found.add_instance(Cells::new(&row, &place))?;
        }
        for row in rows(captured_columns(&ids)).await? {
            found.add_captured(Cells::new(&row, &place))?;
        }
        for row in rows(key_columns(&ids)).await? {
            let row = Cells::new(&row, &place);
            found.keys.entry(row.number("object_id")?).or_default().insert(row.number("column_id")?, row.number("index_ordinal")?);
        }
        for row in rows(ddl_history(&ids)).await? {
            let row = Cells::new(&row, &place);
            if let Some(lsn) = row.lsn_or_null("ddl_lsn")? {
                found.ddl.insert(row.number("source_object_id")?, lsn);
            }
        }
    }
    found.withheld = withheld::read(sessions).await?;
    Ok(wanted.into_iter().map(|table| table.map(|table| found.facts(&table))).collect())
}

impl Found {
    fn add_column(&mut self, row: Cells<'_>) -> Result<(), Fault> {
        let base_type_name = row.text("base_type_name")?;
        let sql_type = columns::sql_type(&base_type_name, row.number("max_length")?, row.number("precision")?, row.number("scale")?);
        self.columns.entry(row.number("object_id")?).or_default().push(SourceColumn {
            id: row.number("column_id")?,
            name: row.text("column_name")?,
            type_name: row.text("type_name")?,
            base_type_name,
            sql_type,
            collation: row.text_or_null("collation_name")?,
            nullable: row.flag("is_nullable")?,
            computed: row.flag("is_computed")?,
        });
        Ok(())
    }

    fn add_instance(&mut self, row: Cells<'_>) -> Result<(), Fault> {
        let identity = CaptureIdentity {
            instance: row.text("capture_instance")?,
            object_id: row.number("object_id")?,
            create_date: row.time("create_date")?,
        };
        self.instances.entry(row.number("source_object_id")?).or_default().push(Instance {
            identity,
            start_lsn: row.lsn_or_null("start_lsn")?,
            supports_net_changes: row.flag("supports_net_changes")?,
            role: row.text_or_null("role_name")?,
        });
        Ok(())
    }

    fn add_captured(&mut self, row: Cells<'_>) -> Result<(), Fault> {
        self.captured.entry(row.number("object_id")?).or_default().push(Captured {
            id: row.number("column_id")?,
            name: row.text("column_name")?,
            type_name: row.text("column_type")?,
            ordinal: row.number("column_ordinal")?,
            computed: row.flag("is_computed")?,
        });
        Ok(())
    }

    fn facts(&self, table: &SourceTable) -> TableFacts {
        let of_table = |instances: &Vec<Instance>| {
            let mut instances: Vec<_> = instances.iter().map(|instance| self.instance(table.object_id, instance)).collect();
            instances.sort_by(|a, b| b.identity.create_date.cmp(&a.identity.create_date).then(b.start_lsn.cmp(&a.start_lsn)));
            instances
        };
        TableFacts {
            name: table.name.clone(),
            object_id: table.object_id,
            tracked: table.tracked,
            altered: table.altered,
            columns: self.of_table(table.object_id).iter().filter(|column| !column.computed).map(|column| column.name.clone()).collect(),
            instances: self.instances.get(&table.object_id).map(of_table).unwrap_or_default(),
            withheld: self.withheld(table),
        }
    }

    /// From the captured columns of the table, and from its change tables.
    fn withheld(&self, table: &SourceTable) -> Vec<Fault> {
        let (name, id) = (&table.name, table.object_id);
        let instances = self.instances.get(&id).map(Vec::as_slice).unwrap_or_default();
        let captured = |instance: &Instance| self.captured.get(&instance.identity.object_id).into_iter().flatten().map(|one| one.id);
        let captured: HashSet<i32> = instances.iter().flat_map(captured).collect();
        let mut faults = self.withheld.of(&name.to_string(), &quote::table(name), id, |column| captured.contains(&column));
        for CaptureIdentity { instance, object_id, .. } in instances.iter().map(|instance| &instance.identity) {
            faults.extend(self.withheld.of(&format!("the changes of {name}"), &quote::change_table(instance), *object_id, |_| true));
        }
        faults
    }

    fn of_table(&self, source_object_id: i32) -> &[SourceColumn] {
        self.columns.get(&source_object_id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Compares what is captured with the table of today, column id by column id.
    fn instance(&self, source_object_id: i32, instance: &Instance) -> CaptureInstance {
        let source = self.of_table(source_object_id);
        let captured = self.captured.get(&instance.identity.object_id).map(Vec::as_slice).unwrap_or_default();
        let key = self.keys.get(&instance.identity.object_id);
        let (mut shape, mut missing, mut computed) = (Vec::new(), Vec::new(), Vec::new());
        // Change rows hold NULL for a computed column: what is left of a key with one tells rows not apart.
        let key = key.filter(|key| !source.iter().any(|column| column.computed && key.contains_key(&column.id)));
        for one in captured {
            let now = source.iter().find(|column| column.id == one.id && column.is_captured_as(one));
            match now {
                // One that was dropped is missed by nobody.
                None if one.computed => {}
                None => missing.push(one.name.clone()),
                Some(column) if column.computed || one.computed => computed.push(one.name.clone()),
                Some(column) => shape.push(column.column(one.ordinal, key.and_then(|key| key.get(&one.id)).copied())),
            }
        }
        let uncaptured: Vec<Column> = source
            .iter()
            .filter(|column| !column.computed && !captured.iter().any(|one| one.id == column.id))
            .map(|column| column.column(0, None))
            .collect();
        let ddl_lsn = self.ddl.get(&source_object_id).copied();
        // Column ids only grow; and without DDL no column can have come.
        let last = captured.iter().map(|one| one.id).max().unwrap_or_default();
        let came = |column: &&Column| ddl_lsn.is_some() && column.column_id > last;
        let beyond = uncaptured.iter().filter(came).map(|column| column.name.clone()).collect();
        CaptureInstance {
            identity: instance.identity.clone(),
            start_lsn: instance.start_lsn,
            supports_net_changes: instance.supports_net_changes,
            role: instance.role.clone(),
            shape: TableShape::new(shape),
            missing,
            uncaptured,
            beyond,
            computed,
            ddl_lsn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn source(id: i32, name: &str, sql_type: SqlType, computed: bool) -> SourceColumn {
        let type_name = sql_type.to_string();
        let type_name = type_name.split('(').next().unwrap_or_default().to_owned();
        SourceColumn {
            id,
            name: name.into(),
            base_type_name: type_name.clone(),
            type_name,
            sql_type,
            collation: None,
            nullable: true,
            computed,
        }
    }

    fn captured(id: i32, ordinal: i32, name: &str, type_name: &str, computed: bool) -> Captured {
        Captured { id, name: name.into(), type_name: type_name.into(), ordinal, computed }
    }

    fn instance(object_id: i32, name: &str, day: i8) -> Instance {
        let identity = CaptureIdentity { instance: name.into(), object_id, create_date: date(2026, 11, day).at(8, 0, 0, 0) };
        Instance { identity, start_lsn: None, supports_net_changes: false, role: None }
    }

    fn facts(found: &Found) -> TableFacts {
        found.facts(&SourceTable { name: TableName::new("dbo", "t"), object_id: 1, tracked: true, has_key: true, altered: None })
    }

    #[test]
    fn capture_and_table_are_compared_by_column_id() {
        let mut found = Found::default();
        found.columns.insert(
            1,
            vec![
                source(1, "id", SqlType::Int, false),
                // Dropped and added again under its name: another column.
                source(5, "note", SqlType::NVarChar { length: 10 }, false),
                source(3, "amount", SqlType::BigInt, false),
                source(4, "twice", SqlType::Int, true),
                source(6, "version", SqlType::RowVersion, false),
            ],
        );
        found.instances.insert(1, vec![instance(70, "dbo_t", 1)]);
        found.captured.insert(
            70,
            vec![
                captured(1, 1, "id", "int", false),
                captured(2, 2, "note", "nvarchar", false),
                captured(3, 3, "amount", "int", false),
                captured(4, 4, "twice", "int", true),
                captured(6, 5, "version", "timestamp", false),
                captured(7, 6, "thrice", "int", true),
            ],
        );
        found.keys.insert(70, HashMap::from([(1, 1)]));
        let facts = facts(&found);
        let instance = &facts.instances[0];
        let names: Vec<_> = instance.shape.columns().iter().map(|column| (column.name.as_str(), column.ordinal)).collect();
        assert_eq!(names, [("id", 1), ("version", 5)]);
        assert_eq!(instance.shape.key_len(), 1);
        assert_eq!(instance.missing, ["note", "amount"]);
        assert_eq!(instance.computed, ["twice"]);
        assert_eq!(instance.uncaptured.iter().map(|column| column.column_id).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_key_with_a_computed_column_is_none() {
        let mut found = Found::default();
        found.columns.insert(1, vec![source(1, "tenant", SqlType::Int, false), source(2, "folded", SqlType::Int, true)]);
        found.instances.insert(1, vec![instance(70, "dbo_t", 1)]);
        found.captured.insert(70, vec![captured(1, 1, "tenant", "int", false), captured(2, 2, "folded", "int", true)]);
        found.keys.insert(70, HashMap::from([(1, 1), (2, 2)]));
        let facts = facts(&found);
        let instance = &facts.instances[0];
        assert_eq!((instance.shape.key_len(), instance.shape.columns().len(), instance.computed.len()), (0, 1, 1));
    }

    #[test]
    fn alias_types_are_known_by_either_name_and_the_newest_instance_comes_first() {
        let mut found = Found::default();
        let mut alias = source(1, "phone", SqlType::VarChar { length: 20 }, false);
        alias.type_name = "PhoneNumber".into();
        found.columns.insert(1, vec![alias]);
        found.instances.insert(1, vec![instance(70, "dbo_t", 1), instance(71, "dbo_t_2", 2)]);
        found.captured.insert(70, vec![captured(1, 1, "phone", "PhoneNumber", false)]);
        found.captured.insert(71, vec![captured(1, 1, "phone", "varchar", false)]);
        let facts = facts(&found);
        assert_eq!(facts.instances.iter().map(|i| i.identity.instance.as_str()).collect::<Vec<_>>(), ["dbo_t_2", "dbo_t"]);
        assert!(facts.instances.iter().all(|i| i.missing.is_empty() && i.shape.columns().len() == 1 && i.shape.key_len() == 0));
    }
}
