//! Whether Redshift tells upper from lower case. A database or a column may be declared not to
//! (`COLLATE CASE_INSENSITIVE`): then two keys of the source that differ in case alone are one key
//! here, and rows are lost.

use super::connect::Session;
use super::ddl::Layout;
use super::error::{Kind, SqlError};
use super::names::{Names, Relation};
use super::types::RsType;
use crate::config::RedshiftSettings;
use crate::model::fault::rs;
use crate::model::{Fault, TableName, TableShape};

const OF_DATABASE: &str = "SELECT db_collation()";

/// What stands against the database and against production of each table, as far as it is there.
pub async fn check_all(settings: &RedshiftSettings, tables: &[(TableName, TableShape)]) -> Result<Vec<Fault>, Fault> {
    let mut session = Session::open(settings).await?;
    let mut faults: Vec<Fault> = database(&mut session, settings).await.err().into_iter().collect();
    for (table, shape) in tables {
        // What cannot be carried at all has a fault of its own.
        let Ok(layout) = Layout::new(table, shape) else { continue };
        if let Err(fault) = production(&mut session, &Names::new(settings, table), &layout).await {
            faults.push(fault.about(table));
        }
    }
    Ok(faults)
}

/// All that this program makes takes the collation of the database.
pub async fn database(session: &mut Session, settings: &RedshiftSettings) -> Result<(), Fault> {
    let collation = match session.run("read collation", OF_DATABASE).await {
        Ok(answer) => answer.text().unwrap_or_default().trim().to_owned(),
        // A version that does not know the function has one collation.
        Err(SqlError::Server(error)) if matches!(error.kind, Kind::Other | Kind::Missing) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !ignores_case(&collation) {
        return Ok(());
    }
    Err(Fault::new(&rs::CASE_INSENSITIVE, format!("database {} compares without regard to case", settings.database))
        .evidence("database", &settings.database)
        .evidence("collation", collation)
        .next("CREATE DATABASE <name> COLLATE CASE_SENSITIVE, and name it as redshift.database"))
}

/// The text columns of the key in a production that is there. What could not be learnt is told in
/// words: it is no reason to refuse.
pub async fn production(session: &mut Session, names: &Names, layout: &Layout) -> Result<Option<String>, Fault> {
    let key = layout.columns.iter().take(layout.key_len);
    let texts: Vec<&str> =
        key.filter(|column| matches!(column.rs, RsType::VarChar(_) | RsType::Char(_))).map(|column| column.name.as_str()).collect();
    if texts.is_empty() {
        return Ok(None);
    }
    let definition = match definition(session, &names.production).await {
        Ok(Some(definition)) => definition,
        Ok(None) => return Ok(None),
        Err(SqlError::Server(error)) if error.kind == Kind::Other => {
            return Ok(Some(format!(
                "could not read the collations of {} ({}): see that no column of its key is COLLATE CASE_INSENSITIVE",
                names.production.sql(),
                SqlError::Server(error)
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let blind = case_insensitive_columns(&definition);
    let wrong: Vec<&str> = texts.into_iter().filter(|name| blind.iter().any(|blind| blind == name)).collect();
    if wrong.is_empty() {
        return Ok(None);
    }
    let table = names.production.sql();
    Err(Fault::new(&rs::CASE_INSENSITIVE, format!("key columns of {table} compare without regard to case"))
        .evidence("table", table)
        .evidence("columns", wrong.join(", "))
        .next("make the table again with these columns COLLATE CASE_SENSITIVE"))
}

/// The statement that would make a table, with the collations of its columns; `None` for a table
/// that is not there.
async fn definition(session: &mut Session, relation: &Relation) -> Result<Option<String>, SqlError> {
    match session.run("show table", &format!("SHOW TABLE {}", relation.sql())).await {
        Ok(answer) => {
            let lines: Vec<String> = answer.rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
            Ok(Some(lines.join("\n")))
        }
        Err(SqlError::Server(error)) if error.kind == Kind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

fn ignores_case(collation: &str) -> bool {
    collation.eq_ignore_ascii_case("case_insensitive") || collation.eq_ignore_ascii_case("ci")
}

/// Names of the columns that a definition declares so, as the catalogue spells them.
fn case_insensitive_columns(definition: &str) -> Vec<String> {
    columns_of(definition)
        .into_iter()
        .filter_map(|words| {
            let (name, rest) = words.split_first()?;
            let declared = rest.windows(2).any(|pair| pair[0].eq_ignore_ascii_case("collate") && ignores_case(&pair[1]));
            declared.then(|| name.clone())
        })
        .collect()
}

/// The items between the outer parentheses, each as its words: names without their quotes, literals
/// and what stands in inner parentheses left out.
fn columns_of(definition: &str) -> Vec<Vec<String>> {
    let (mut items, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
    let mut depth = 0_u32;
    let mut chars = definition.chars().peekable();
    let end_word = |word: &mut String, words: &mut Vec<String>| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => {
                let mut quoted = String::new();
                while let Some(inner) = chars.next() {
                    if inner == c && chars.next_if_eq(&c).is_none() {
                        break;
                    }
                    quoted.push(inner);
                }
                if c == '"' && depth == 1 {
                    end_word(&mut word, &mut words);
                    words.push(quoted);
                }
            }
            '(' => {
                depth += 1;
                end_word(&mut word, &mut words);
                if depth == 1 {
                    words.clear();
                }
            }
            ')' => {
                end_word(&mut word, &mut words);
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    items.push(words);
                    return items;
                }
            }
            ',' if depth == 1 => {
                end_word(&mut word, &mut words);
                items.push(std::mem::take(&mut words));
            }
            c if depth == 1 && c.is_whitespace() => end_word(&mut word, &mut words),
            c if depth == 1 => word.push(c),
            _ => {}
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_that_ignore_case_are_found() {
        let definition = "CREATE TABLE \"pub(lic\".orders (\n id integer NOT NULL ENCODE az64,\n code character varying(10) ENCODE lzo COLLATE \
                          case_insensitive,\n \"it's, \"\"odd\"\"\" character(3) COLLATE CASE_INSENSITIVE DEFAULT ','::character(1),\n name \
                          character varying(60) ENCODE lzo COLLATE case_sensitive,\n note character varying(9) DEFAULT \
                          'collate case_insensitive',\n amount numeric(8,2)\n)\nDISTSTYLE AUTO SORTKEY ( code collate case_insensitive );";
        assert_eq!(case_insensitive_columns(definition), ["code", "it's, \"odd\""]);
        assert!(case_insensitive_columns("CREATE TABLE t (a integer)").is_empty() && case_insensitive_columns("").is_empty());
    }
}
