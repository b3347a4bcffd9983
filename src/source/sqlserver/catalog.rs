//! What the server and its catalogue say: identity, tables, columns, keys, capture instances.

use super::cells::{self, Cells};
use super::error::Place;
use super::health;
use super::quote;
use super::session::{self, Sessions};
use crate::model::fault::src;
use crate::model::{Fault, SourceIdentity, TableName};
use crate::source::{ServerFacts, SourceTable};

/// Who answers. `SERVERPROPERTY` gives a sql_variant, hence the casts.
///
/// Security policies show to ALTER ANY SECURITY POLICY and to VIEW DEFINITION (manual:
/// sys.security_policies). A permission that the server does not know is NULL.
pub const SERVER: &str = "\
SELECT ISNULL(@@SERVERNAME, CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(128))) AS server_name,
       d.name AS database_name,
       CAST(SERVERPROPERTY(N'ProductVersion') AS nvarchar(128)) AS version,
       CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) AS edition,
       d.is_cdc_enabled,
       d.snapshot_isolation_state,
       HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'VIEW DEFINITION') AS views_definitions,
       HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'ALTER ANY SECURITY POLICY') AS alters_policies,
       USER_NAME() AS user_name
  FROM sys.databases AS d
 WHERE d.database_id = DB_ID();";

/// Guids of the database and of its line of restores. Not open to every login, and not there in
/// Azure SQL Database.
pub const RECOVERY: &str = "\
SELECT r.database_guid, r.recovery_fork_guid
  FROM sys.database_recovery_status AS r
 WHERE r.database_id = DB_ID();";

/// Whether this very connection is encrypted: `TRUE` or `FALSE`. Needs VIEW SERVER STATE.
pub const ENCRYPTED: &str = "\
SELECT CAST(c.encrypt_option AS nvarchar(40)) AS encrypt_option
  FROM sys.dm_exec_connections AS c
 WHERE c.session_id = @@SPID;";

pub const CDC_ENABLED: &str = "\
SELECT d.is_cdc_enabled
  FROM sys.databases AS d
 WHERE d.database_id = DB_ID();";

const TABLES: &str = "\
SELECT s.name AS schema_name,
       t.name AS table_name,
       t.object_id,
       t.is_tracked_by_cdc,
       CASE WHEN EXISTS (SELECT 1 FROM sys.indexes AS i
                          WHERE i.object_id = t.object_id AND i.is_primary_key = 1)
            THEN 1 ELSE 0 END AS has_key,
       CASE WHEN t.modify_date > t.create_date THEN t.modify_date END AS altered
  FROM sys.tables AS t
 INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
 WHERE t.is_ms_shipped = 0 AND s.name <> N'cdc'";

/// Every user table. A key is a primary key here; [`KEYED_INSTANCES`] adds the unique indexes
/// that capture was told to use.
fn all_tables() -> String {
    format!("{TABLES}\n ORDER BY s.name, t.name;")
}

/// The user tables of these names, under the server's comparison. Table n has its schema in
/// `@P{2n+1}` and its name in `@P{2n+2}`.
fn tables_named(count: usize) -> String {
    let pairs: Vec<_> = (0..count).map(|n| format!("(s.name = @P{} AND t.name = @P{})", 2 * n + 1, 2 * n + 2)).collect();
    format!("{TABLES}\n   AND ({});", pairs.join(" OR "))
}

/// Names in one statement: a condition of more parts would take long to plan.
const NAMES: usize = 100;

pub const KEYED_INSTANCES: &str = "\
SELECT DISTINCT ct.source_object_id
  FROM cdc.change_tables AS ct
 INNER JOIN cdc.index_columns AS ic ON ic.object_id = ct.object_id;";

pub async fn start_up(sessions: &Sessions) -> Result<ServerFacts, Fault> {
    let place = Place::new(format!("{} did not say who it is", sessions.settings().host));
    let results = sessions.run(&place, SERVER, Vec::new()).await?;
    let row = cells::one(&results, 0, &place)?;
    let (mut database_guid, mut recovery_fork_guid) = (None, None);
    if let Some(row) = health::ask(sessions, &place, RECOVERY).await? {
        let row = Cells::new(&row, &place);
        database_guid = row.text_or_null("database_guid")?;
        recovery_fork_guid = row.text_or_null("recovery_fork_guid")?;
    }
    let encrypted = match health::ask(sessions, &place, ENCRYPTED).await? {
        Some(row) => Cells::new(&row, &place).text_or_null("encrypt_option")?.map(|option| option.eq_ignore_ascii_case("TRUE")),
        None => None,
    };
    let sees_policies = row.flag("views_definitions")? || row.number_or_null("alters_policies")? != Some(0);
    let user = row.text_or_null("user_name")?.unwrap_or_default();
    Ok(ServerFacts {
        identity: SourceIdentity {
            server: row.text("server_name")?,
            database: row.text("database_name")?,
            database_guid,
            recovery_fork_guid,
        },
        version: row.text("version")?,
        edition: row.text("edition")?,
        cdc_enabled: row.flag("is_cdc_enabled")?,
        // 0 off, 1 on, 2 and 3 on the way.
        snapshot_isolation: row.number_or_null("snapshot_isolation_state")? == Some(1),
        encrypted,
        policies_unseen: (!sees_policies).then(|| format!("GRANT VIEW DEFINITION TO {};", quote::name(&user))),
    })
}

pub async fn cdc_enabled(sessions: &Sessions) -> Result<bool, Fault> {
    let place = Place::new("the database did not say whether capture is on");
    let results = sessions.run(&place, CDC_ENABLED, Vec::new()).await?;
    cells::one(&results, 0, &place)?.flag("is_cdc_enabled")
}

pub async fn tables(sessions: &Sessions) -> Result<Vec<SourceTable>, Fault> {
    let place = list_place();
    let results = sessions.run(&place, &all_tables(), Vec::new()).await?;
    let mut tables = results.iter().flatten().map(|row| table(Cells::new(row, &place))).collect::<Result<Vec<_>, _>>()?;
    if tables.iter().any(|table| table.tracked && !table.has_key) {
        // The list is worth showing without the right to read schema cdc.
        let keyed = match sessions.run(&place, KEYED_INSTANCES, Vec::new()).await {
            Err(fault) if fault.is(&src::PERMISSION) => Vec::new(),
            other => other?,
        };
        for row in keyed.iter().flatten() {
            let object_id: i32 = Cells::new(row, &place).number("source_object_id")?;
            tables.iter_mut().filter(|table| table.object_id == object_id).for_each(|table| table.has_key = true);
        }
    }
    Ok(tables)
}

/// The tables of exactly these names, in that order. One that is not there is a fault of its own
/// that names the nearest one.
pub async fn named(sessions: &Sessions, names: &[TableName]) -> Result<Vec<Result<SourceTable, Fault>>, Fault> {
    let place = list_place();
    let mut found = Vec::with_capacity(names.len());
    for chunk in names.chunks(NAMES) {
        let parameters = chunk.iter().flat_map(|name| [session::text(&name.schema), session::text(&name.name)]).collect();
        for row in sessions.run(&place, &tables_named(chunk.len()), parameters).await?.iter().flatten() {
            found.push(table(Cells::new(row, &place))?);
        }
    }
    let present = |name: &TableName| found.iter().find(|table| table.name == *name);
    // The whole list is only needed to name the nearest.
    let all = if names.iter().all(|name| present(name).is_some()) { Vec::new() } else { tables(sessions).await? };
    Ok(names.iter().map(|name| present(name).cloned().ok_or_else(|| not_there(name, &all))).collect())
}

fn list_place() -> Place {
    Place::new("the tables of the source could not be listed")
}

fn table(row: Cells<'_>) -> Result<SourceTable, Fault> {
    Ok(SourceTable {
        name: TableName::new(row.text("schema_name")?, row.text("table_name")?),
        object_id: row.number("object_id")?,
        tracked: row.flag("is_tracked_by_cdc")?,
        has_key: row.flag("has_key")?,
        altered: row.time_or_null("altered")?,
    })
}

fn not_there(name: &TableName, all: &[SourceTable]) -> Fault {
    let wanted = name.to_string().to_lowercase();
    let distance = |table: &&SourceTable| strsim::damerau_levenshtein(&wanted, &table.name.to_string().to_lowercase());
    let fault = Fault::new(&src::NO_TABLE, format!("{name} is not a table of the source"));
    match all.iter().min_by_key(distance) {
        Some(nearest) => fault.evidence("nearest", &nearest.name),
        None => fault.evidence("tables that this login sees", 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_table_names_the_nearest() {
        let table = |name: &str| SourceTable { name: name.parse().unwrap(), object_id: 1, tracked: true, has_key: true, altered: None };
        let all = [table("dbo.Customers"), table("dbo.Orders"), table("sales.Orders")];
        let fault = not_there(&TableName::new("dbo", "orders"), &all);
        assert_eq!(fault.facts(), [("nearest".to_owned(), "dbo.Orders".to_owned())]);
        assert!(not_there(&TableName::new("dbo", "x"), &[]).is(&src::NO_TABLE));
    }

    #[test]
    fn names_are_parameters() {
        insta::assert_snapshot!(tables_named(2));
    }
}
