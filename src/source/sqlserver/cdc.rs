//! Bounds of what can be read: low and high water marks, the time mapping, probes, windows.

use std::fmt::Write as _;

use super::cells::{self, Cells};
use super::error::Place;
use super::quote;
use super::session::{self, Sessions};
use crate::model::fault::src;
use crate::model::{Fault, Lsn, MappingRow, hex};
use crate::source::{MappingFacts, ProbeRange, Watermarks};

/// Parts of one UNION: a statement of thousands would take long to plan.
const RANGES: usize = 200;
const INSTANCES: usize = 200;

/// Low-water marks first, then the newest LSN, each a statement of its own: a bound that rises
/// between the two never hides a gap, and a probe that runs afterwards sees all up to the maximum.
/// `@P1` .. `@Pn` are the names of the instances.
#[must_use]
fn watermarks_sql(instances: usize) -> String {
    let parts: Vec<_> = (0..instances).map(|n| format!("SELECT {n} AS n, sys.fn_cdc_get_min_lsn(@P{}) AS min_lsn", n + 1)).collect();
    if parts.is_empty() { MAX_LSN.to_owned() } else { format!("{};\n{MAX_LSN}", parts.join("\nUNION ALL\n")) }
}

/// The function fails where CDC is off, so it is only called where it is on.
pub const MAX_LSN: &str = "\
SELECT d.is_cdc_enabled,
       CASE WHEN d.is_cdc_enabled = 1 THEN sys.fn_cdc_get_max_lsn() END AS max_lsn
  FROM sys.databases AS d
 WHERE d.database_id = DB_ID();";

/// The first commit LSN of every range that holds a change row. Range n has its ends in the n-th
/// LSN of `@P1` and of `@P2`, so the text depends on the tables alone and its plan is used again.
/// One request takes it whole (65,536 packets), as many statements of a size that plans quickly.
#[must_use]
fn first_changes_sql<'a>(instances: impl IntoIterator<Item = &'a str>) -> String {
    let mut sql = String::new();
    for (n, instance) in instances.into_iter().enumerate() {
        if n > 0 {
            sql.push_str(if n.is_multiple_of(RANGES) { ";\n" } else { "\nUNION ALL\n" });
        }
        let (table, from, to) = (quote::change_table(instance), quote::lsn_at("@P1", n), quote::lsn_at("@P2", n));
        // Writing to a String cannot fail.
        let _ = write!(
            sql,
            "SELECT {n} AS n, MIN(ct.__$start_lsn) AS first_lsn FROM {table} AS ct \
             WHERE ct.__$start_lsn >= {from} AND ct.__$start_lsn <= {to}"
        );
    }
    sql.push(';');
    sql
}

/// `@P1` from, `@P2` max, `@P3` how many. Rows of an idle log (`tran_id` 0x00) are no
/// transactions.
pub const WINDOW_END: &str = "\
SELECT COUNT(*) AS transactions, MAX(w.start_lsn) AS last_lsn
  FROM (SELECT TOP (@P3) m.start_lsn
          FROM cdc.lsn_time_mapping AS m
         WHERE m.start_lsn >= @P1 AND m.start_lsn <= @P2 AND m.tran_id <> 0x00
         ORDER BY m.start_lsn) AS w;";

/// The newest row at or below each LSN of `@P1`, of which there are `@P2`; then, in a statement of
/// its own, the oldest LSN. In this order a clean-up in between can only hide a row that counts no
/// more.
///
/// The LSNs are counted out by digits, so that the text, and with it the plan, hangs on the count's
/// number of digits alone; each costs two seeks in the mapping's clustered index.
#[must_use]
fn mappings_sql(count: usize) -> String {
    let digits = count.max(1).to_string().len();
    let lists: Vec<_> = (0..digits)
        .map(|d| {
            let list: Vec<_> = (0..10).map(|digit| format!("SELECT {digit}{}", if digit == 0 { " AS d" } else { "" })).collect();
            format!("({}) AS d{d}", list.join(" UNION ALL "))
        })
        .collect();
    let number: Vec<_> = (0..digits).map(|d| format!("{} * d{d}.d", 10_usize.pow(u32::try_from(d).unwrap_or(0)))).collect();
    let lsn = quote::lsn_at("@P1", "w.n");
    format!(
        "\
SELECT v.n, m.start_lsn, ISNULL(m.tran_end_time, m.tran_begin_time) AS end_time, m.tran_id
  FROM (SELECT w.n,
               (SELECT MAX(i.start_lsn)
                  FROM cdc.lsn_time_mapping AS i
                 WHERE i.start_lsn <= {lsn}) AS start_lsn
          FROM (SELECT {} AS n
                  FROM {}) AS w
         WHERE w.n < @P2) AS v
 INNER JOIN cdc.lsn_time_mapping AS m ON m.start_lsn = v.start_lsn;
SELECT MIN(m.start_lsn) AS oldest_lsn
  FROM cdc.lsn_time_mapping AS m;",
        number.join(" + "),
        lists.join("\n                 CROSS JOIN ")
    )
}

/// `@P1`: the limit.
pub const CLEAN_UP_MARK: &str = "\
SELECT MAX(m.start_lsn) AS mark
  FROM cdc.lsn_time_mapping AS m
 WHERE m.start_lsn <= @P1;";

/// The server's clock in its local zone, the zone of the time mapping.
pub const CLOCK: &str = "SELECT SYSDATETIME() AS now;";

fn place(what: &str) -> Place {
    Place::new(what).needs("SELECT ON SCHEMA::[cdc]")
}

pub async fn watermarks(sessions: &Sessions, instances: &[String]) -> Result<Watermarks, Fault> {
    let place = place("the bounds of capture could not be read");
    let mut min = Vec::with_capacity(instances.len());
    // All but the last chunk ask for a maximum too; the last one counts: it is read after every
    // minimum.
    let mut chunks: Vec<&[String]> = instances.chunks(INSTANCES).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let mut bounds = (false, None);
    for chunk in chunks {
        let parameters = chunk.iter().map(session::text).collect();
        let results = sessions.run(&place, &watermarks_sql(chunk.len()), parameters).await?;
        let marks = if chunk.is_empty() { Vec::new() } else { numbered(&results[..1], chunk.len(), "min_lsn", &place)? };
        min.extend(marks.into_iter().map(Option::unwrap_or_default));
        let row = cells::one(&results, usize::from(!chunk.is_empty()), &place)?;
        bounds = (row.flag("is_cdc_enabled")?, row.lsn_or_null("max_lsn")?);
    }
    Ok(Watermarks { cdc_enabled: bounds.0, max: bounds.1, min })
}

pub async fn first_changes(sessions: &Sessions, ranges: &[ProbeRange]) -> Result<Vec<Option<Lsn>>, Fault> {
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let place = place("change tables could not be probed for changes");
    let sql = first_changes_sql(ranges.iter().map(|range| range.instance.as_str()));
    let ends = vec![session::lsns(ranges.iter().map(|range| range.from)), session::lsns(ranges.iter().map(|range| range.to))];
    let results = sessions.run(&place, &sql, ends).await?;
    numbered(&results, ranges.len(), "first_lsn", &place)
}

/// The LSNs of UNIONs whose parts carry their number `n`: exactly one row for each, among result
/// sets that may hold other columns besides.
fn numbered(results: &[Vec<tiberius::Row>], count: usize, column: &str, place: &Place) -> Result<Vec<Option<Lsn>>, Fault> {
    let mut lsns: Vec<Option<Option<Lsn>>> = vec![None; count];
    for row in results.iter().flatten() {
        let row = Cells::new(row, place);
        let n: usize = row.number("n")?;
        let slot = lsns.get_mut(n).ok_or_else(|| place.fault(&src::UNREADABLE).evidence("n", n))?;
        *slot = Some(row.lsn_or_null(column)?);
    }
    let missing = || place.fault(&src::UNREADABLE).evidence("column", column).evidence("rows", count);
    lsns.into_iter().collect::<Option<_>>().ok_or_else(missing)
}

pub async fn window_end(sessions: &Sessions, from: Lsn, max: Lsn, transactions: u32) -> Result<Lsn, Fault> {
    let place = place("the time mapping could not be read");
    let parameters = vec![session::lsn(from), session::lsn(max), session::number(transactions)];
    let results = sessions.run(&place, WINDOW_END, parameters).await?;
    let row = cells::one(&results, 0, &place)?;
    let counted: u64 = row.number("transactions")?;
    let last = row.lsn_or_null("last_lsn")?;
    Ok(last.filter(|_| counted >= u64::from(transactions)).unwrap_or(max))
}

pub async fn mappings(sessions: &Sessions, at: &[Lsn]) -> Result<Vec<MappingFacts>, Fault> {
    if at.is_empty() {
        return Ok(Vec::new());
    }
    let place = place("the time mapping could not be read");
    let count = i64::try_from(at.len()).unwrap_or(i64::MAX);
    let parameters = vec![session::lsns(at.iter().copied()), session::number(count)];
    let results = sessions.run(&place, &mappings_sql(at.len()), parameters).await?;
    let oldest = cells::one(&results, 1, &place)?.lsn_or_null("oldest_lsn")?;
    let mut found = vec![MappingFacts { newest: None, oldest }; at.len()];
    for row in results.first().map(Vec::as_slice).unwrap_or_default() {
        let row = Cells::new(row, &place);
        let n: usize = row.number("n")?;
        let facts = found.get_mut(n).ok_or_else(|| place.fault(&src::UNREADABLE).evidence("n", n))?;
        let lsn = row.lsn_or_null("start_lsn")?.ok_or_else(|| place.fault(&src::UNREADABLE).evidence("column", "start_lsn"))?;
        let tran_id = hex(&row.bytes_or_null("tran_id")?.unwrap_or_default());
        facts.newest = Some(MappingRow { lsn, end_time: row.time("end_time")?, tran_id });
    }
    Ok(found)
}

pub async fn clean_up_mark(sessions: &Sessions, limit: Lsn) -> Result<Option<Lsn>, Fault> {
    let place = place("the time mapping could not be read");
    let results = sessions.run(&place, CLEAN_UP_MARK, vec![session::lsn(limit)]).await?;
    cells::one(&results, 0, &place)?.lsn_or_null("mark")
}

pub async fn clock(sessions: &Sessions) -> Result<jiff::civil::DateTime, Fault> {
    let place = Place::new("the server's clock could not be read");
    let results = sessions.run(&place, CLOCK, Vec::new()).await?;
    cells::one(&results, 0, &place)?.time("now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minima_are_read_before_the_maximum() {
        insta::assert_snapshot!(watermarks_sql(2));
        assert_eq!(watermarks_sql(0), MAX_LSN);
    }

    #[test]
    fn lsns_are_mapped_by_one_statement_of_a_text_that_hangs_on_the_digits_alone() {
        insta::assert_snapshot!(mappings_sql(10));
        assert_eq!(mappings_sql(10_000), mappings_sql(99_999));
        assert!(mappings_sql(0) == mappings_sql(9));
    }

    #[test]
    fn one_statement_probes_every_table() {
        insta::assert_snapshot!(first_changes_sql(["dbo_Orders", "dbo_odd]name"]));
    }
}
