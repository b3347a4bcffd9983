//! The LSN of a time, by the server's own function.

use jiff::civil::DateTime;
use tiberius::ColumnData;
use tiberius::time::DateTime as WireDateTime;

use super::cells;
use super::decode::DAYS_TO_1900;
use super::error::Place;
use super::session::Sessions;
use crate::model::fault::src;
use crate::model::{Fault, Lsn};

/// `@P1` a datetime in the server's local zone.
pub const LSN_AT: &str = "SELECT sys.fn_cdc_map_time_to_lsn(N'largest less than or equal', @P1) AS lsn;";

fn place() -> Place {
    Place::new("the time mapping could not be read").needs("SELECT ON SCHEMA::[cdc]")
}

pub async fn lsn_at(sessions: &Sessions, time: DateTime) -> Result<Option<Lsn>, Fault> {
    let place = place();
    let parameter = wire(time).ok_or_else(|| place.fault(&src::UNREADABLE).evidence("time", time).evidence("earliest", "1753-01-01"))?;
    let results = sessions.run(&place, LSN_AT, vec![parameter]).await?;
    cells::one(&results, 0, &place)?.lsn_or_null("lsn")
}

/// A `datetime` of the wire: days since 1900 and the last unit of 1/300 s whose time is, as the
/// server shows it (.000, .003, .007 and so on), not later.
fn wire(time: DateTime) -> Option<ColumnData<'static>> {
    // Before 1753 there is no datetime.
    if time.year() < 1753 {
        return None;
    }
    let epoch = jiff::civil::date(1, 1, 1);
    let days = i32::try_from(time.date().duration_since(epoch).as_hours() / 24).ok()?;
    let midnight = time.date().to_datetime(jiff::civil::Time::midnight());
    let milliseconds = u32::try_from(time.duration_since(midnight).as_millis()).ok()?;
    let units = (milliseconds * 3 + 1) / 10;
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
        for (shown, last) in [(2, 0), (3, 1), (6, 1), (7, 2), (9, 2), (10, 3), (13, 4), (996, 298), (997, 299), (999, 299)] {
            let time = jiff::civil::date(2026, 3, 2).at(0, 0, 0, shown * 1_000_000);
            assert_eq!(wire(time), Some(ColumnData::DateTime(Some(WireDateTime::new(46_081, last)))), "{shown} ms");
        }
        assert!(wire(jiff::civil::date(1752, 12, 31).at(0, 0, 0, 0)).is_none());
    }
}
