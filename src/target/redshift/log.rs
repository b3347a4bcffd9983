//! The batch log: one line for each event of a batch, appended and never changed.

use super::connect::Session;
use super::names::Relation;
use super::quote::literal;
use crate::model::Fault;
use crate::model::fault::rs;
use crate::target::LogLine;

/// Appends a line. Repeated after a lost answer it makes a double, which readers drop.
#[must_use]
pub fn insert(log: &Relation, pipeline: &str, line: &LogLine) -> String {
    format!(
        r#"INSERT INTO {} (
  "pipeline", "table_name", "event", "epoch", "seq_from", "seq_to", "lsn_to",
  "staged_rows", "deleted_rows", "inserted_rows", "run", "logged_at"
) VALUES (
  {}, {}, {}, {}, {}, {}, '{}',
  {}, {}, {}, '{}', GETDATE()
)"#,
        log.sql(),
        literal(pipeline),
        literal(&line.table.to_string()),
        literal(&line.event),
        line.epoch,
        line.from,
        line.to,
        line.lsn_to,
        line.rows,
        line.deleted,
        line.inserted,
        line.run,
    )
}

/// The newest lines, newest first. Of doubles the first that was written counts.
#[must_use]
pub fn select(log: &Relation, most: usize) -> String {
    format!(
        r#"SELECT "table_name", "event", "epoch", "seq_from", "seq_to", "lsn_to", "staged_rows", "deleted_rows", "inserted_rows", "run", "logged_at"
  FROM (
        SELECT *,
               ROW_NUMBER() OVER (PARTITION BY "pipeline", "table_name", "epoch", "seq_from", "seq_to", "event"
                                  ORDER BY "logged_at", "run") AS "__d2r_double"
          FROM {}
       ) AS "l"
 WHERE "__d2r_double" = 1
 ORDER BY "logged_at" DESC, "epoch" DESC, "seq_to" DESC
 LIMIT {most}"#,
        log.sql()
    )
}

pub async fn read(session: &mut Session, log: &Relation, most: usize) -> Result<Vec<LogLine>, Fault> {
    let answer = session.run("read batch log", &select(log, most)).await?;
    let unreadable = || Fault::new(&rs::ANSWER, format!("a line of {} cannot be read", log.sql()));
    answer.rows.iter().map(|row| line(row).ok_or_else(unreadable)).collect()
}

fn line(row: &[Option<String>]) -> Option<LogLine> {
    fn parse<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
        text?.parse().ok()
    }
    let text = |at: usize| row.get(at).and_then(Option::as_deref).map(str::trim_end);
    Some(LogLine {
        table: parse(text(0))?,
        event: text(1)?.to_owned(),
        epoch: parse(text(2))?,
        from: parse(text(3))?,
        to: parse(text(4))?,
        lsn_to: parse(text(5))?,
        rows: parse(text(6))?,
        deleted: parse(text(7))?,
        inserted: parse(text(8))?,
        run: parse(text(9))?,
        at: text(10)?.to_owned(),
    })
}
