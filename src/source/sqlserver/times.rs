//! LSNs and commit times, converted by the server's own functions.

use jiff::civil::DateTime;
use tiberius::ColumnData;
use tiberius::time::DateTime as WireDateTime;

use super::cells::{self, Cells};
use super::decode::DAYS_TO_1900;
use super::error::Place;
use super::session::{self, Sessions};
use crate::model::fault::src;
use crate::model::{Fault, Lsn};

/// `@P1` a datetime in the server's local zone.
pub const LSN_AT: &str = "SELECT sys.fn_cdc_map_time_to_lsn(N'largest less than or equal', @P1) AS lsn;";

/// Parts of one UNION.
const LSNS: usize = 200;

/// LSN n is `@P{n+1}`.
fn times_sql(lsns: usize) -> String {
    let parts: Vec<_> = (0..lsns).map(|n| format!("SELECT {n} AS n, sys.fn_cdc_map_lsn_to_time(@P{}) AS end_time", n + 1)).collect();
    format!("{};", parts.join("\nUNION ALL\n"))
}

fn place() -> Place {
    Place::new("the time mapping could not be read").needs("SELECT ON SCHEMA::[cdc]")
}

pub async fn lsn_at(sessions: &Sessions, time: DateTime) -> Result<Option<Lsn>, Fault> {
    let place = place();
    let parameter = wire(time).ok_or_else(|| place.fault(&src::UNREADABLE).evidence("time", time).evidence("earliest", "1753-01-01"))?;
    let results = sessions.run(&place, LSN_AT, vec![parameter]).await?;
    cells::one(&results, 0, &place)?.lsn_or_null("lsn")
}

pub async fn times_of(sessions: &Sessions, lsns: &[Lsn]) -> Result<Vec<Option<DateTime>>, Fault> {
    let place = place();
    let mut times = vec![None; lsns.len()];
    for (chunk, lsns) in lsns.chunks(LSNS).enumerate() {
        let results = sessions.run(&place, &times_sql(lsns.len()), lsns.iter().map(|lsn| session::lsn(*lsn)).collect()).await?;
        for row in results.iter().flatten() {
            let row = Cells::new(row, &place);
            let n: usize = row.number("n")?;
            let slot = times.get_mut(chunk * LSNS + n).ok_or_else(|| place.fault(&src::UNREADABLE).evidence("n", n))?;
            *slot = row.time_or_null("end_time")?;
        }
    }
    Ok(times)
}

/// A `datetime` of the wire: days since 1900 and units of 1/300 s, rounded down.
fn wire(time: DateTime) -> Option<ColumnData<'static>> {
    // Before 1753 there is no datetime.
    if time.year() < 1753 {
        return None;
    }
    let epoch = jiff::civil::date(1, 1, 1);
    let days = i32::try_from(time.date().duration_since(epoch).as_hours() / 24).ok()?;
    let midnight = time.date().to_datetime(jiff::civil::Time::midnight());
    let nanoseconds = time.duration_since(midnight).as_nanos();
    let units = u32::try_from(nanoseconds * 300 / 1_000_000_000).ok()?;
    Some(ColumnData::DateTime(Some(WireDateTime::new(days - DAYS_TO_1900, units))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::sqlserver::decode;

    #[test]
    fn times_keep_their_day_and_their_three_hundredths() {
        let time = jiff::civil::date(2026, 3, 2).at(9, 30, 0, 7_000_000);
        let (days, ticks) = decode::timestamp(&wire(time).unwrap()).unwrap();
        let expected = jiff::civil::date(2026, 3, 2).duration_since(jiff::civil::date(1, 1, 1)).as_hours() / 24;
        assert_eq!((i64::from(days), ticks), (expected, (9 * 3600 + 30 * 60) * 10_000_000 + 70_000));
        assert!(wire(jiff::civil::date(1752, 12, 31).at(0, 0, 0, 0)).is_none());
        insta::assert_snapshot!(times_sql(2), @r"
        SELECT 0 AS n, sys.fn_cdc_map_lsn_to_time(@P1) AS end_time
        UNION ALL
        SELECT 1 AS n, sys.fn_cdc_map_lsn_to_time(@P2) AS end_time;
        ");
    }
}
