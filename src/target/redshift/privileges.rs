//! Privileges of the user, asked for by name: three statements whatever the number of tables.
//!
//! The functions run on the leader node beside the catalogue. A table is looked up by its name,
//! which takes USAGE on its schema: without it the tables are asked for once that is granted.

use std::collections::BTreeMap;

use super::connect::Session;
use super::names::{self, Names, Relation};
use super::prepare;
use super::quote::{ident, literal};
use crate::config::RedshiftSettings;
use crate::model::fault::rs;
use crate::model::privilege::Lacking;
use crate::model::{Fault, TableName};

/// Who we are, and whether schemas may be made.
fn user_sql(database: &str) -> String {
    format!(
        "SELECT u.usename, u.usesuper, HAS_DATABASE_PRIVILEGE({}, 'CREATE')\n  FROM pg_user u\n WHERE u.usename = CURRENT_USER",
        literal(database)
    )
}

fn schemas_sql<'a>(schemas: impl IntoIterator<Item = &'a str>) -> String {
    format!(
        "SELECT n.nspname, HAS_SCHEMA_PRIVILEGE(n.nspname, 'USAGE'), HAS_SCHEMA_PRIVILEGE(n.nspname, 'CREATE')\n  FROM pg_namespace n\n WHERE n.nspname IN ({})",
        literals(schemas)
    )
}

/// Owner and privileges of the relations that exist. Not empty.
fn tables_sql(relations: &[&Relation]) -> String {
    let mut by_schema: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for relation in relations {
        by_schema.entry(&relation.schema).or_default().push(&relation.name);
    }
    let groups: Vec<_> = by_schema
        .into_iter()
        .map(|(schema, names)| format!("(n.nspname = {} AND c.relname IN ({}))", literal(schema), literals(names)))
        .collect();
    let full = "QUOTE_IDENT(n.nspname) || '.' || QUOTE_IDENT(c.relname)";
    let asked: Vec<_> = PRIVILEGES.iter().map(|privilege| format!("HAS_TABLE_PRIVILEGE({full}, '{privilege}')")).collect();
    format!(
        "SELECT n.nspname, c.relname, PG_GET_USERBYID(c.relowner),\n       {}\n  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\n WHERE {}",
        asked.join(",\n       "),
        groups.join("\n    OR ")
    )
}

const PRIVILEGES: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

fn literals<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(literal).collect::<Vec<_>>().join(", ")
}

/// A boolean of the server; its manual also speaks of texts.
fn holds(cell: Option<&Option<String>>) -> bool {
    matches!(cell.and_then(Option::as_deref), Some("t" | "true" | "1"))
}

/// A table that exists.
struct Found {
    owner: String,
    held: Vec<&'static str>,
}

struct User {
    name: String,
    superuser: bool,
}

impl User {
    fn lacks(&self, what: &str, missing: &[&str], object: &str) -> Option<Fault> {
        let list = missing.join(", ");
        (!missing.is_empty()).then(|| {
            Fault::new(&rs::PERMISSION, format!("{} lacks {list} on {what}", self.name))
                .evidence("missing", format!("{list} ON {object}"))
                .next(format!("GRANT {list} ON {object} TO {};", ident(&self.name)))
        })
    }

    fn lacks_on(&self, relation: &Relation, found: Option<&Found>, needed: &[&'static str]) -> Option<Fault> {
        let found = found?;
        let missing: Vec<_> = needed.iter().copied().filter(|privilege| !found.held.contains(privilege)).collect();
        self.lacks(&relation.sql(), &missing, &format!("TABLE {}", relation.sql()))
    }

    /// TRUNCATE, and the DDL of prepare, are the owner's.
    fn must_own(&self, relation: &Relation, found: Option<&Found>) -> Option<Fault> {
        let owner = &found?.owner;
        (!self.superuser && *owner != self.name).then(|| {
            Fault::new(&rs::PERMISSION, format!("{} does not own {}, so it may not truncate or alter it", self.name, relation.sql()))
                .evidence("owner", owner)
                .next(format!("ALTER TABLE {} OWNER TO {};", relation.sql(), ident(&self.name)))
        })
    }
}

pub async fn lacking(settings: &RedshiftSettings, tables: &[TableName]) -> Result<Lacking, Fault> {
    let mut session = Session::open(settings).await?;
    let answer = session.run("read own privileges", &user_sql(&settings.database)).await?;
    let row = answer.rows.first().ok_or_else(|| Fault::new(&rs::ANSWER, "the catalogue does not have the user of this session"))?;
    let user = User { name: row.first().cloned().flatten().unwrap_or_default(), superuser: holds(row.get(1)) };
    let may_create_schemas = holds(row.get(2));
    let schemas = prepare::schemas(settings);
    let answer = session.run("read schema privileges", &schemas_sql(schemas.iter().map(|(_, schema)| schema.as_str()))).await?;
    let open: BTreeMap<String, (bool, bool)> =
        answer.rows.iter().filter_map(|row| Some((row.first()?.clone()?, (holds(row.get(1)), holds(row.get(2)))))).collect();

    let all: Vec<Names> = tables.iter().map(|table| Names::new(settings, table)).collect();
    let log = names::log(settings);
    let relations = all.iter().flat_map(|names| [&names.production, &names.staging, &names.state]).chain([&log]);
    let visible: Vec<&Relation> = relations.filter(|relation| open.get(&relation.schema).is_some_and(|(usage, _)| *usage)).collect();
    let mut found: BTreeMap<Relation, Found> = BTreeMap::new();
    if !visible.is_empty() {
        for row in session.run("read table privileges", &tables_sql(&visible)).await?.rows {
            let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
            let held = PRIVILEGES.iter().enumerate().filter(|(at, _)| holds(row.get(3 + at))).map(|(_, privilege)| *privilege).collect();
            found.insert(Relation { schema: text(0), name: text(1) }, Found { owner: text(2), held });
        }
    }

    let mut lacking = Lacking::default();
    for (what, schema) in &schemas {
        let sql = ident(schema);
        let Some((usage, create)) = open.get(schema) else {
            if !may_create_schemas {
                let object = format!("DATABASE {}", ident(&settings.database));
                lacking.shared.extend(user.lacks(&format!("the database, where {what} schema {sql} is missing"), &["CREATE"], &object));
            }
            continue;
        };
        // Nothing is made in the target schema where every production is there.
        let complete = *what == "target" && !all.is_empty() && all.iter().all(|names| found.contains_key(&names.production));
        let missing: Vec<_> = [("USAGE", !usage), ("CREATE", !create && !complete)]
            .into_iter()
            .filter(|(_, missing)| *missing)
            .map(|(name, _)| name)
            .collect();
        lacking.shared.extend(user.lacks(&format!("{what} schema {sql}"), &missing, &format!("SCHEMA {sql}")));
    }
    lacking.shared.extend(user.lacks_on(&log, found.get(&log), &["SELECT", "INSERT"]));
    for names in &all {
        let faults = [
            user.lacks_on(&names.production, found.get(&names.production), &["SELECT", "INSERT", "DELETE"]),
            user.must_own(&names.staging, found.get(&names.staging)),
            user.lacks_on(&names.state, found.get(&names.state), &["SELECT", "UPDATE"]),
        ];
        lacking.tables.push(faults.into_iter().flatten().collect());
    }
    Ok(lacking)
}

#[cfg(test)]
mod tests {
    use super::super::names::tests::settings;
    use super::*;

    #[test]
    fn one_statement_asks_for_all_tables() {
        let names = Names::new(&settings(), &TableName::new("dbo", "It's"));
        insta::assert_snapshot!(tables_sql(&[&names.production, &names.staging]), @r#"
        SELECT n.nspname, c.relname, PG_GET_USERBYID(c.relowner),
               HAS_TABLE_PRIVILEGE(QUOTE_IDENT(n.nspname) || '.' || QUOTE_IDENT(c.relname), 'SELECT'),
               HAS_TABLE_PRIVILEGE(QUOTE_IDENT(n.nspname) || '.' || QUOTE_IDENT(c.relname), 'INSERT'),
               HAS_TABLE_PRIVILEGE(QUOTE_IDENT(n.nspname) || '.' || QUOTE_IDENT(c.relname), 'UPDATE'),
               HAS_TABLE_PRIVILEGE(QUOTE_IDENT(n.nspname) || '.' || QUOTE_IDENT(c.relname), 'DELETE')
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE (n.nspname = 'sales' AND c.relname IN ('it''s'))
            OR (n.nspname = 'staging' AND c.relname IN ('dbo__it''s'))
        "#);
    }

    #[test]
    fn a_superuser_owns_everything() {
        let names = Names::new(&settings(), &TableName::new("dbo", "t"));
        let found = Found { owner: "somebody".into(), held: Vec::new() };
        let user = |superuser| User { name: "load\"er".into(), superuser };
        assert!(user(true).must_own(&names.staging, Some(&found)).is_none());
        let fault = user(false).must_own(&names.staging, Some(&found)).unwrap();
        assert_eq!(fault.actions().next(), Some(r#"ALTER TABLE "staging"."dbo__t" OWNER TO "load""er";"#));
    }
}
