//! Why a COPY failed: file, line, column and code, never the value.

use std::time::Duration;

use super::connect::Session;
use super::error::{SqlError, without_quoted};
use super::names::Relation;
use super::quote::literal;
use crate::config::RedshiftSettings;
use crate::model::Fault;
use crate::target::LoadError;

/// What tells the load errors of a coming COPY from all others.
#[derive(Debug)]
pub struct Mark {
    pid: String,
    /// The server's clock before the COPY, UTC.
    since: String,
}

impl Mark {
    pub async fn take(session: &mut Session) -> Result<Self, SqlError> {
        let answer = session.run("mark before the copy", "SELECT PG_BACKEND_PID(), GETDATE()").await?;
        let text = |at: usize| answer.rows.first().and_then(|row| row.get(at).cloned().flatten()).unwrap_or_default();
        Ok(Self { pid: text(0), since: text(1) })
    }

    fn sql(&self) -> Option<String> {
        let pid: i64 = self.pid.trim().parse().ok()?;
        Some(format!(
            r#"SELECT "file_name", "line_number", "column_name", "column_type", "column_length", "position", "error_code", "error_message"
  FROM sys_load_error_detail
 WHERE "session_id" = {pid} AND "start_time" >= {}
 ORDER BY "start_time" DESC
 LIMIT 1"#,
            literal(&self.since)
        ))
    }
}

/// The view lags behind the error: it is read this often, with a second between.
const ATTEMPTS: u32 = 5;

/// Ends the failed transaction and reads what the view says about it.
pub async fn fault(session: &mut Session, mark: &Mark, into: &Relation, error: SqlError) -> Fault {
    let fault = Fault::from(error).evidence("table", into.sql());
    let Some(sql) = mark.sql() else { return fault };
    if session.run("rollback", "ROLLBACK").await.is_err() {
        return fault;
    }
    for attempt in 1..=ATTEMPTS {
        match session.run("read load errors", &sql).await {
            Ok(answer) => {
                if let Some(row) = answer.rows.first() {
                    return describe(fault, row);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "load errors cannot be read");
                return fault.next("grant redshift.user SELECT on sys_load_error_detail to see file, line and column here");
            }
        }
        if attempt < ATTEMPTS {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    fault
}

/// The newest load errors of files under a URL, newest first.
///
/// Only `stl_load_errors` knows the raw field, and only clusters have it: a serverless workgroup
/// answers without.
pub async fn list(settings: &RedshiftSettings, root: &str, most: usize, values: bool) -> Result<Vec<LoadError>, Fault> {
    let mut session = Session::open(settings).await?;
    // A prefix is compared as text: `%` and `_` in it mean themselves.
    let sql = format!(
        r#"SELECT "start_time", "table_id", "file_name", "line_number", "column_name", "column_type", "column_length", "position", "error_code",
       "error_message"
  FROM sys_load_error_detail
 WHERE SUBSTRING("file_name", 1, {}) = {}
 ORDER BY "start_time" DESC
 LIMIT {most}"#,
        root.chars().count(),
        literal(root)
    );
    let rows = session.run("read load errors", &sql).await?.rows;
    let mut found: Vec<LoadError> = rows.iter().map(|row| line(row)).collect();
    if values && !found.is_empty() {
        let sql = format!(
            r#"SELECT "filename", "line_number", "raw_field_value"
  FROM stl_load_errors
 WHERE SUBSTRING("filename", 1, {}) = {}
 ORDER BY "starttime" DESC
 LIMIT {most}"#,
            root.chars().count(),
            literal(root)
        );
        let raw = session.run("read raw fields", &sql).await?.rows;
        for error in &mut found {
            let same = |row: &&Vec<Option<String>>| text(row, 0) == error.file && text(row, 1) == error.line;
            error.raw_field = raw.iter().find(same).map(|row| text(row, 2));
        }
    }
    Ok(found)
}

/// Trimmed: the views pad their texts.
fn text(row: &[Option<String>], at: usize) -> String {
    row.get(at).and_then(Option::as_deref).unwrap_or_default().trim().to_owned()
}

fn line(row: &[Option<String>]) -> LoadError {
    let code = text(row, 8);
    LoadError {
        at: text(row, 0),
        table: text(row, 1),
        file: text(row, 2),
        line: text(row, 3),
        column: text(row, 4),
        column_type: text(row, 5),
        limit: text(row, 6),
        position: text(row, 7),
        meaning: meaning(&code).map(str::to_owned),
        code,
        reason: without_quoted(&text(row, 9)),
        raw_field: None,
    }
}

fn describe(fault: Fault, row: &[Option<String>]) -> Fault {
    let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default().trim().to_owned();
    let names = ["file", "line", "column", "type", "length", "position", "code"];
    let fault = names.iter().enumerate().fold(fault, |fault, (at, name)| match text(at) {
        empty if empty.is_empty() => fault,
        value => fault.evidence(*name, value),
    });
    let fault = match meaning(&text(6)) {
        Some(meaning) => fault.evidence("meaning", meaning),
        None => fault,
    };
    match without_quoted(&text(7)) {
        empty if empty.is_empty() => fault,
        reason => fault.evidence("reason", reason),
    }
}

/// Redshift's load error reference, in our words.
#[must_use]
pub fn meaning(code: &str) -> Option<&'static str> {
    Some(match code {
        "1200" => "unknown parse error",
        "1201" | "1214" => "a field delimiter is missing",
        "1202" => "more fields than columns",
        "1203" => "fewer fields than columns",
        "1204" => "the value is out of range, or the string is longer than the column in bytes",
        "1205" => "not a date",
        "1206" => "not a timestamp",
        "1207" => "not an integer",
        "1208" => "not a floating-point number",
        "1209" => "not a decimal number",
        "1210" => "not a boolean",
        "1211" => "an empty line",
        "1212" => "the file was not found",
        "1213" => "NULL for a NOT NULL column",
        "1215" => "not a CHAR value: single-byte characters only",
        "1216" => "the line cannot be read",
        "1217" => "not an identity value",
        "1218" => "a NUL character that the NULL marker does not allow",
        "1219" => "invalid UTF-8",
        "1220" => "a code point that UTF-8 does not allow",
        "1221" => "the file has another encoding",
        "1222" => "integer overflow",
        "1223" => "the data type does not allow the value",
        "1224" => "not JSON",
        "8001" => "the manifest or prefix was not found",
        "9005" => "the end key is invalid",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::rs;

    #[test]
    fn an_error_row_becomes_evidence_without_values() {
        let row = ["s3://b/part-1.csv.zst ", "17", "customer  ", "varchar", "60", "12", "1204", "String 'card 4711' exceeds DDL length"];
        let fault = describe(Fault::new(&rs::LOAD_FAILED, "x"), &row.map(|text| Some(text.to_owned())));
        let text = fault.to_string();
        assert!(
            text.contains("file=s3://b/part-1.csv.zst, line=17, column=customer, type=varchar, length=60, position=12, code=1204"),
            "{text}"
        );
        assert!(text.contains("longer than the column") && !text.contains("4711"), "{text}");
    }

    #[test]
    fn the_view_is_asked_for_this_copy_only() {
        let mark = Mark { pid: "4711".into(), since: "2026-11-23 08:00:00".into() };
        let sql = mark.sql().unwrap();
        assert!(sql.contains(r#""session_id" = 4711 AND "start_time" >= '2026-11-23 08:00:00'"#), "{sql}");
        assert!(Mark { pid: "1; DROP".into(), since: String::new() }.sql().is_none());
    }
}
