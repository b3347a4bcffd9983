//! The row of a state table, read.

use jiff::civil::DateTime;

use super::names::{Names, Relation};
use crate::model::fault::rs;
use crate::model::state::{Diverged, StagedRange, StreamIdentity};
use crate::model::{CaptureIdentity, Epoch, Fault, Lsn, Seq, SourceIdentity, TargetState};

/// State with the two facts that only the row knows.
#[derive(Clone, PartialEq, Debug)]
pub struct StateRow {
    pub state: TargetState,
    pub source_table: String,
    pub production: String,
}

/// Reads the answer to [`super::state::select`]: exactly one row (rule L8).
pub fn read(names: &Names, rows: &[Vec<Option<String>>]) -> Result<StateRow, Fault> {
    let [row] = rows else {
        return Err(Fault::new(&rs::STATE_ROWS, format!("{} holds {} rows", names.state.sql(), rows.len()))
            .evidence("state", names.state.sql())
            .evidence("rows", rows.len()));
    };
    Fields { row, at: 0, state: &names.state }.state_row()
}

/// The values of one row, one after the other.
struct Fields<'a> {
    row: &'a [Option<String>],
    at: usize,
    state: &'a Relation,
}

impl Fields<'_> {
    fn next(&mut self) -> Option<String> {
        let value = self.row.get(self.at).cloned().flatten();
        self.at += 1;
        // A CHAR comes back padded.
        value.map(|text| text.trim_end().to_owned())
    }

    fn unreadable(&self) -> Fault {
        Fault::new(&rs::ANSWER, format!("value {} of {} cannot be read", self.at, self.state.sql())).evidence("state", self.state.sql())
    }

    fn need(&mut self) -> Result<String, Fault> {
        self.next().ok_or_else(|| self.unreadable())
    }

    fn parse<T: std::str::FromStr>(&mut self) -> Result<Option<T>, Fault> {
        self.next().map(|text| text.parse().map_err(|_| self.unreadable())).transpose()
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, Fault> {
        self.parse()?.ok_or_else(|| self.unreadable())
    }

    fn state_row(mut self) -> Result<StateRow, Fault> {
        let pipeline = self.need()?;
        let source =
            SourceIdentity { server: self.need()?, database: self.need()?, database_guid: self.next(), recovery_fork_guid: self.next() };
        let identity = StreamIdentity { pipeline, source, root: self.need()? };
        let source_table = self.need()?;
        let production = self.need()?;
        let epoch = self.number::<Epoch>()?;
        let applied_seq = Seq::try_from(self.number::<i64>()?).ok();
        let applied_lsn = self.parse::<Lsn>()?;
        let staged = (self.parse::<Epoch>()?, self.parse::<Seq>()?, self.parse::<Seq>()?, self.parse::<u64>()?, self.parse::<Lsn>()?);
        let staged = match staged {
            (Some(epoch), Some(from), Some(to), Some(rows), Some(lsn_to)) => Some(StagedRange { epoch, from, to, rows, lsn_to }),
            (None, None, None, None, None) => None,
            _ => return Err(self.unreadable()),
        };
        let fence = self.number()?;
        let capture = match (self.next(), self.parse::<i32>()?, self.parse::<DateTime>()?) {
            (Some(instance), Some(object_id), Some(create_date)) => Some(CaptureIdentity { instance, object_id, create_date }),
            (None, None, None) => None,
            _ => return Err(self.unreadable()),
        };
        let column_hash = self.next();
        let production_oid = self.number()?;
        let staging_oid = self.number()?;
        let diverged = match (self.next(), self.next()) {
            (Some(why), since) => Some(Diverged { why, since: since.unwrap_or_default() }),
            (None, _) => None,
        };
        let applied_at = self.next();
        let state = TargetState {
            identity,
            epoch,
            applied_seq,
            applied_lsn,
            staged,
            fence,
            capture,
            column_hash,
            production_oid,
            staging_oid,
            diverged,
            applied_at,
        };
        Ok(StateRow { state, source_table, production })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ddl::tests::orders;
    use super::*;

    fn row() -> Vec<Option<String>> {
        let text = |text: &str| Some(text.to_owned());
        vec![
            text("main"),
            text("SQL1"),
            text("shop"),
            None,
            None,
            text("s3://b/v1/main/"),
            text("dbo.Orders"),
            text("\"sales\".\"orders\""),
            text("2"),
            text("41"),
            text("0000002a000000ffffff"),
            text("2"),
            text("42"),
            text("43"),
            text("7"),
            text("0000002b000000ffffff"),
            text("5"),
            text("dbo_Orders"),
            text("99"),
            text("2026-11-23T08:00:00.123"),
            text("ab"),
            text("16400"),
            text("16401"),
            None,
            None,
            text("2026-11-23 08:00:01"),
        ]
    }

    #[test]
    fn a_row_reads_back() {
        let (names, _) = orders();
        let read = read(&names, &[row()]).unwrap();
        assert_eq!((read.state.epoch, read.state.applied_seq), (2, Some(41)));
        let lsn_to = "0000002b000000ffffff".parse().unwrap();
        assert_eq!(read.state.staged, Some(StagedRange { epoch: 2, from: 42, to: 43, rows: 7, lsn_to }));
        assert_eq!(read.state.capture.unwrap().instance, "dbo_Orders");
        assert_eq!(read.source_table, "dbo.Orders");
    }

    #[test]
    fn before_record_0_there_is_no_position() {
        let (names, _) = orders();
        let mut row = row();
        row[9] = Some("-1".into());
        row[10] = None;
        row[11..16].fill(None);
        row[17..21].fill(None);
        let state = read(&names, &[row]).unwrap().state;
        assert_eq!((state.applied_seq, state.applied_lsn, state.staged, state.capture), (None, None, None, None));
    }

    #[test]
    fn any_number_of_rows_but_one_is_a_fault() {
        let (names, _) = orders();
        for rows in [vec![], vec![row(), row()]] {
            assert_eq!(read(&names, &rows).unwrap_err().code(), rs::STATE_ROWS.code);
        }
        let mut half = row();
        half[12] = None;
        assert_eq!(read(&names, &[half]).unwrap_err().code(), rs::ANSWER.code, "half a staged range");
    }
}
