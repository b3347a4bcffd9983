//! The batch log: one line for each event of a batch, appended and never changed.

use std::collections::{BTreeMap, BTreeSet};

use super::connect::Session;
use super::names::Relation;
use super::quote::{literal, optional};
use crate::model::fault::rs;
use crate::model::state::{Diverged, StagedRange};
use crate::model::{Epoch, Fault, Seq, TableName};
use crate::target::{LogLine, LoggedState, POSITION_EVENTS, SKIPPED_EVENT, STAGED_EVENT};

/// Appends a line. Repeated after a lost answer it makes a double, which readers drop.
#[must_use]
pub fn insert(log: &Relation, pipeline: &str, line: &LogLine) -> String {
    format!(
        r#"INSERT INTO {} (
  "pipeline", "table_name", "event", "epoch", "seq_from", "seq_to", "lsn_to",
  "staged_rows", "deleted_rows", "inserted_rows", "run", "logged_at",
  "capture_instance", "diverged_why"
) VALUES (
  {}, {}, {}, {}, {}, {}, '{}',
  {}, {}, {}, '{}', GETDATE(),
  {}, {}
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
        optional(line.instance.as_deref()),
        optional(line.diverged.as_deref()),
    )
}

/// What [`line`] reads, in its order.
const COLUMNS: &str = r#""table_name", "event", "epoch", "seq_from", "seq_to", "lsn_to", "staged_rows", "deleted_rows", "inserted_rows", "run", "logged_at", "capture_instance", "diverged_why""#;

/// How many columns these are.
const WIDTH: usize = 13;

/// The newest lines, newest first, of one table or of all. Of doubles the first that was written
/// counts. The clock has whole seconds: within one the batches tell the order, and a batch is staged
/// before it is applied.
#[must_use]
pub fn select(log: &Relation, pipeline: &str, table: Option<&TableName>, most: usize) -> String {
    let one = table.map_or_else(String::new, |table| format!(" AND \"table_name\" = {}", literal(&table.to_string())));
    format!(
        r#"SELECT {COLUMNS}
  FROM (
        SELECT *,
               ROW_NUMBER() OVER (PARTITION BY "table_name", "epoch", "seq_from", "seq_to", "lsn_to", "event"
                                  ORDER BY "logged_at", "run") AS "__d2r_double"
          FROM {}
         WHERE "pipeline" = {}{one}
       ) AS "l"
 WHERE "__d2r_double" = 1
 ORDER BY "logged_at" DESC, "epoch" DESC, "seq_to" DESC, CASE WHEN "event" = {} THEN 0 ELSE 1 END DESC, "table_name", "event"
 LIMIT {most}"#,
        log.sql(),
        literal(pipeline),
        literal(STAGED_EVENT),
    )
}

/// The newest lines of every table of a pipeline, at most three a table: that of production's
/// position, that of staging, and that of another event, whose own seq says nothing; and every
/// line of a skip. The clock has whole seconds: of two lines of one second the one with the longer
/// reason counts, since a reason is added to the older ones.
#[must_use]
pub fn newest(log: &Relation, pipeline: &str) -> String {
    let list: Vec<_> = POSITION_EVENTS.iter().map(|event| literal(event)).collect();
    format!(
        r#"SELECT {COLUMNS}, "__d2r_newest"
  FROM (
        SELECT *,
               ROW_NUMBER() OVER (PARTITION BY "table_name", "__d2r_kind"
                                  ORDER BY "epoch" DESC, "__d2r_seq" DESC, "logged_at" DESC,
                                           COALESCE(LEN("diverged_why"), 0) DESC, "run") AS "__d2r_newest"
          FROM (
                SELECT *,
                       CASE WHEN "event" IN ({}) THEN 0 WHEN "event" = {} THEN 1 ELSE 2 END AS "__d2r_kind",
                       CASE WHEN "event" IN ({}, {}) THEN "seq_to" ELSE 0 END AS "__d2r_seq"
                  FROM {}
                 WHERE "pipeline" = {}
               ) AS "k"
       ) AS "l"
 WHERE "__d2r_newest" = 1 OR "event" = {}"#,
        list.join(", "),
        literal(STAGED_EVENT),
        list.join(", "),
        literal(STAGED_EVENT),
        log.sql(),
        literal(pipeline),
        literal(SKIPPED_EVENT),
    )
}

/// Reads the answer to [`newest`].
pub async fn states(session: &mut Session, log: &Relation, pipeline: &str) -> Result<BTreeMap<TableName, LoggedState>, Fault> {
    let answer = session.run("read batch log", &newest(log, pipeline)).await?;
    let unreadable = || Fault::new(&rs::ANSWER, format!("a line of {} cannot be read", log.sql()));
    let mut lines: BTreeMap<TableName, Vec<LogLine>> = BTreeMap::new();
    let mut skipped: BTreeMap<TableName, BTreeSet<(Epoch, Seq)>> = BTreeMap::new();
    for row in &answer.rows {
        let (columns, newest) = row.split_at_checked(WIDTH).ok_or_else(unreadable)?;
        let line = line(columns).ok_or_else(unreadable)?;
        if line.event == SKIPPED_EVENT {
            skipped.entry(line.table.clone()).or_default().extend((line.from..=line.to).map(|seq| (line.epoch, seq)));
        }
        if newest.first().and_then(Option::as_deref) == Some("1") {
            lines.entry(line.table.clone()).or_default().push(line);
        }
    }
    let state = |(table, lines): (TableName, Vec<LogLine>)| {
        let skipped = skipped.remove(&table).unwrap_or_default();
        (table, LoggedState { skipped, ..state(&lines) })
    };
    Ok(lines.into_iter().map(state).collect())
}

fn state(lines: &[LogLine]) -> LoggedState {
    let of = |wanted: fn(&str) -> bool| lines.iter().find(|line| wanted(&line.event));
    let at = of(|event| POSITION_EVENTS.contains(&event));
    let mark = of(|event| event != STAGED_EVENT && !POSITION_EVENTS.contains(&event));
    // The log's clock has whole seconds: of two lines of one second the worse one counts.
    let newest = match (at, mark) {
        (Some(at), Some(mark)) => {
            let (place, other) = ((mark.epoch, &mark.at), (at.epoch, &at.at));
            if place > other || place == other && at.diverged.is_none() { Some(mark) } else { Some(at) }
        }
        (at, mark) => at.or(mark),
    };
    let diverged = newest.and_then(|line| Some(Diverged { why: line.diverged.clone()?, since: line.at.clone() }));
    let staged = of(|event| event == STAGED_EVENT).filter(|staged| match at {
        Some(at) => staged.epoch == at.epoch && staged.from > at.to,
        None => true,
    });
    let staged = staged.map(|line| StagedRange { epoch: line.epoch, from: line.from, to: line.to, rows: line.rows, lsn_to: line.lsn_to });
    LoggedState {
        epoch: at.map_or(0, |line| line.epoch),
        applied_seq: at.map(|line| line.to),
        applied_lsn: at.map(|line| line.lsn_to),
        applied_at: at.map(|line| line.at.clone()),
        staged,
        diverged,
        instance: at.and_then(|line| line.instance.clone()),
        skipped: BTreeSet::new(),
    }
}

/// The highest batch of an epoch among the lines that move state.
fn select_last(log: &Relation, pipeline: &str, table: &TableName, epoch: Epoch) -> String {
    let moves: Vec<String> = POSITION_EVENTS.iter().map(|event| literal(event)).collect();
    format!(
        r#"SELECT MAX("seq_to")
  FROM {}
 WHERE "pipeline" = {} AND "table_name" = {} AND "epoch" = {epoch} AND "event" IN ({})"#,
        log.sql(),
        literal(pipeline),
        literal(&table.to_string()),
        moves.join(", ")
    )
}

pub async fn last(session: &mut Session, log: &Relation, pipeline: &str, table: &TableName, epoch: Epoch) -> Result<Option<Seq>, Fault> {
    let answer = session.run("find the last line of the batch log", &select_last(log, pipeline, table, epoch)).await?;
    let unreadable = || Fault::new(&rs::ANSWER, format!("the last line of {} cannot be read", log.sql()));
    answer.text().map(|text| text.parse().map_err(|_| unreadable())).transpose()
}

pub async fn read(
    session: &mut Session,
    log: &Relation,
    pipeline: &str,
    table: Option<&TableName>,
    most: usize,
) -> Result<Vec<LogLine>, Fault> {
    let answer = session.run("read batch log", &select(log, pipeline, table, most)).await?;
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
        instance: text(11).map(str::to_owned),
        diverged: text(12).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Lsn;
    use uuid::Uuid;

    fn line(event: &str, epoch: u32, from: u64, to: u64, at: &str, diverged: Option<&str>) -> LogLine {
        LogLine {
            table: TableName::new("dbo", "t"),
            event: event.into(),
            epoch,
            from,
            to,
            lsn_to: Lsn::ZERO,
            rows: 3,
            deleted: 0,
            inserted: 0,
            run: Uuid::nil(),
            at: at.into(),
            instance: Some("dbo_t".into()),
            diverged: diverged.map(str::to_owned),
        }
    }

    #[test]
    fn a_table_stands_where_its_newest_lines_say() {
        let applied = line("applied", 2, 4, 6, "2026-03-02 10:00:00", None);
        let waiting = state(&[applied.clone(), line("staged", 2, 7, 9, "2026-03-02 10:01:00", None)]);
        assert_eq!((waiting.epoch, waiting.applied_seq), (2, Some(6)));
        assert_eq!(waiting.staged, Some(StagedRange { epoch: 2, from: 7, to: 9, rows: 3, lsn_to: Lsn::ZERO }));
        // Applied since, or of an epoch that a snapshot has ended.
        for staged in [line("staged", 2, 4, 6, "2026-03-02 09:59:59", None), line("staged", 1, 8, 8, "2026-03-02 09:00:00", None)] {
            assert_eq!(state(&[applied.clone(), staged]).staged, None);
        }
    }

    #[test]
    fn the_newest_word_on_divergence_counts_and_the_worse_one_of_a_second() {
        let (ten, eleven) = ("2026-03-02 10:00:00", "2026-03-02 11:00:00");
        let why = |lines: &[LogLine]| state(lines).diverged.map(|diverged| diverged.why);
        let applied = |at, diverged| line("applied", 1, 1, 1, at, diverged);
        let mark = |at, diverged| line("verified", 1, 0, 0, at, diverged);
        assert_eq!(why(&[applied(ten, Some("a")), mark(eleven, None)]), None);
        assert_eq!(why(&[applied(eleven, Some("a")), mark(ten, None)]), Some("a".into()));
        assert_eq!(why(&[applied(ten, None), mark(ten, Some("b"))]), Some("b".into()));
        assert_eq!(why(&[applied(ten, Some("a")), mark(ten, None)]), Some("a".into()));
        assert_eq!(why(&[line("snapshot", 2, 0, 0, ten, None), mark(eleven, Some("b"))]), None, "a new epoch replaced production");
    }
}
