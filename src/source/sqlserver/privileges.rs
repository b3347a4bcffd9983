//! Privileges of the login, asked for by name.
//!
//! `HAS_PERMS_BY_NAME` tells effective permissions: 1 yes, 0 no, NULL for an object that is not
//! there or that the login may not even see. Both others than 1 are missing.

use super::cells::Cells;
use super::error::Place;
use super::quote;
use super::session::{self, Sessions};
use crate::model::Fault;
use crate::model::fault::src;
use crate::model::privilege::Lacking;
use crate::source::TableFacts;

/// Parts of one UNION, each with one or two parameters.
const PARTS: usize = 200;

/// What bounds and windows are read from.
const TIME_MAPPING: &str = "[cdc].[lsn_time_mapping]";

/// Whether the n-th object, named in `@P{n+1}`, may be read.
fn objects_sql(count: usize) -> String {
    let part = |n| format!("SELECT {n} AS n, USER_NAME() AS user_name, HAS_PERMS_BY_NAME(@P{}, N'OBJECT', N'SELECT') AS permitted", n + 1);
    format!("{};", (0..count).map(part).collect::<Vec<_>>().join("\nUNION ALL\n"))
}

/// Whether the n-th column may be read: its table in `@P{2n+1}`, its name, without brackets, in
/// `@P{2n+2}`.
fn columns_sql(count: usize) -> String {
    let part = |n| {
        format!(
            "SELECT {n} AS n, USER_NAME() AS user_name, HAS_PERMS_BY_NAME(@P{}, N'OBJECT', N'SELECT', @P{}, N'COLUMN') AS permitted",
            2 * n + 1,
            2 * n + 2
        )
    };
    format!("{};", (0..count).map(part).collect::<Vec<_>>().join("\nUNION ALL\n"))
}

/// SELECT on every table, or on its captured columns, and on its newest change table: two round
/// trips for two hundred of them.
pub async fn lacking(sessions: &Sessions, tables: &[TableFacts]) -> Result<Lacking, Fault> {
    let change_table = |table: &TableFacts| Some(quote::change_table(&table.instances.first()?.identity.instance));
    let mut objects = vec![TIME_MAPPING.to_owned()];
    for table in tables {
        objects.push(quote::table(&table.name));
        objects.extend(change_table(table));
    }
    let parameters = objects.iter().map(|object| vec![object.clone()]).collect::<Vec<_>>();
    let (user, permitted) = ask(sessions, &parameters, objects_sql).await?;
    let denied = |object: &str| objects.iter().zip(&permitted).any(|(other, permitted)| other == object && !permitted);

    // A table may be open column by column. The functions of capture want all that is captured, so
    // also what is left out of the shape.
    let captured = |table: &TableFacts| -> Vec<String> {
        let Some(instance) = table.instances.first() else { return Vec::new() };
        instance.shape.columns().iter().map(|column| &column.name).chain(&instance.computed).cloned().collect()
    };
    let mut columns = Vec::new();
    for table in tables.iter().filter(|table| denied(&quote::table(&table.name))) {
        columns.extend(captured(table).into_iter().map(|column| vec![quote::table(&table.name), column]));
    }
    let (_, open) = ask(sessions, &columns, columns_sql).await?;
    let mut lacking = Lacking::default();
    if denied(TIME_MAPPING) {
        lacking.shared.push(fault(&user, "the time mapping of capture", TIME_MAPPING, &[]));
    }
    for table in tables {
        let name = quote::table(&table.name);
        let mut faults = Vec::new();
        let of_table: Vec<(&str, bool)> =
            columns.iter().zip(&open).filter(|(column, _)| column[0] == name).map(|(column, open)| (column[1].as_str(), *open)).collect();
        let closed: Vec<&str> = of_table.iter().filter(|(_, open)| !open).map(|(column, _)| *column).collect();
        if denied(&name) && (of_table.is_empty() || !closed.is_empty()) {
            let some = if closed.len() < of_table.len() { closed.as_slice() } else { &[] };
            faults.push(fault(&user, &table.name.to_string(), &name, some));
        }
        if let Some(change_table) = change_table(table).filter(|change_table| denied(change_table)) {
            faults.push(fault(&user, &format!("the changes of {}", table.name), &change_table, &[]));
        }
        lacking.tables.push(faults);
    }
    Ok(lacking)
}

fn fault(user: &str, what: &str, object: &str, columns: &[&str]) -> Fault {
    let list = columns.iter().map(|column| quote::name(column)).collect::<Vec<_>>().join(", ");
    let object = if list.is_empty() { object.to_owned() } else { format!("{object} ({list})") };
    Fault::new(&src::PERMISSION, format!("{user} may not read {what}"))
        .evidence("missing", format!("SELECT ON {object}"))
        .next(format!("GRANT SELECT ON OBJECT::{object} TO {};", quote::name(user)))
}

/// The database user, and the answer to each question.
async fn ask(sessions: &Sessions, questions: &[Vec<String>], sql: fn(usize) -> String) -> Result<(String, Vec<bool>), Fault> {
    let place = Place::new("the privileges of the login could not be read");
    let mut user = String::new();
    let mut answers = Vec::with_capacity(questions.len());
    for chunk in questions.chunks(PARTS) {
        let parameters = chunk.iter().flatten().map(session::text).collect();
        let results = sessions.run(&place, &sql(chunk.len()), parameters).await?;
        let mut permitted = vec![false; chunk.len()];
        for row in results.iter().flatten() {
            let row = Cells::new(row, &place);
            let n: usize = row.number("n")?;
            let slot = permitted.get_mut(n).ok_or_else(|| place.fault(&src::UNREADABLE).evidence("n", n))?;
            *slot = row.flag("permitted")?;
            user = row.text("user_name")?;
        }
        answers.extend(permitted);
    }
    Ok((user, answers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TableName;

    #[test]
    fn one_statement_asks_for_all() {
        insta::assert_snapshot!(objects_sql(2), @r"
        SELECT 0 AS n, USER_NAME() AS user_name, HAS_PERMS_BY_NAME(@P1, N'OBJECT', N'SELECT') AS permitted
        UNION ALL
        SELECT 1 AS n, USER_NAME() AS user_name, HAS_PERMS_BY_NAME(@P2, N'OBJECT', N'SELECT') AS permitted;
        ");
        insta::assert_snapshot!(columns_sql(1), @"SELECT 0 AS n, USER_NAME() AS user_name, HAS_PERMS_BY_NAME(@P1, N'OBJECT', N'SELECT', @P2, N'COLUMN') AS permitted;");
    }

    #[test]
    fn the_statement_that_grants_is_exact() {
        let table = TableName::new("odd]schema", "Order Lines");
        let fault = fault("DOM\\a]b", &table.to_string(), &quote::table(&table), &["id", "no]te"]);
        assert_eq!(
            fault.actions().next(),
            Some("GRANT SELECT ON OBJECT::[odd]]schema].[Order Lines] ([id], [no]]te]) TO [DOM\\a]]b];"),
            "{fault}"
        );
    }
}
