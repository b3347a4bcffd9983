//! Change rows of one instance: the change table page by page, or the net function.

use tiberius::{ColumnData, Row};

use super::connect::Driver;
use super::decode::RowDecoder;
use super::error::Place;
use super::pages::{Stream, Writer};
use super::session::{self, Parameter, Sessions};
use super::{columns, counted, quote};
use crate::model::fault::src;
use crate::model::{ChangeRow, Fault, Lsn, Operation, TableShape};
use crate::source::{ChangesMode, ChangesRequest};

/// Whether a change table has `__$command_id` (older servers lack it). `@P1` is the instance.
pub const HAS_COMMAND_ID: &str = "\
SELECT COUNT(*) AS found
  FROM cdc.change_tables AS ct
 INNER JOIN sys.columns AS c ON c.object_id = ct.object_id
 WHERE ct.capture_instance = @P1 AND c.name = N'__$command_id';";

/// Where a page starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// At the beginning of the range.
    Nothing,
    /// Behind a row that has a command id, or in a table without the column.
    Row,
    /// Behind a row whose command id is NULL. NULLs stand first in SQL Server's order.
    RowWithoutCommand,
}

/// One page of a change table. Order and predicate are in the same terms, so that nothing lies
/// between two pages, and in the terms of the table's clustered index, so that no page sorts.
///
/// `@P1` rows, `@P2` from, `@P3` to, then the last row's LSN `@P4`, seqval `@P5`, operation `@P6`
/// and, for [`After::Row`], command id `@P7`. Behind the first page `@P2` is the last LSN.
#[must_use]
pub fn page(instance: &str, shape: &TableShape, has_command_id: bool, after: After) -> String {
    let command = if has_command_id { "ct.__$command_id" } else { "CAST(NULL AS int)" };
    let order = if has_command_id { "ct.__$command_id, " } else { "" };
    let behind = match (after, has_command_id) {
        (After::Nothing, _) => String::new(),
        (_, false) => behind("", ""),
        (After::Row, true) => behind("ct.__$command_id = @P7 AND ", "ct.__$command_id > @P7"),
        (After::RowWithoutCommand, true) => behind("ct.__$command_id IS NULL AND ", "ct.__$command_id IS NOT NULL"),
    };
    format!(
        "\
SELECT TOP (@P1)
       ct.__$start_lsn, {command} AS __$command_id, ct.__$seqval, ct.__$operation, ct.__$update_mask,
       {}
  FROM {} AS ct
 WHERE ct.__$start_lsn >= @P2 AND ct.__$start_lsn <= @P3{behind}
 ORDER BY ct.__$start_lsn, {order}ct.__$seqval, ct.__$operation;",
        columns::select_list(shape.columns(), "ct"),
        quote::change_table(instance)
    )
}

fn behind(same_command: &str, later_command: &str) -> String {
    let later = if later_command.is_empty() { String::new() } else { format!("\n     OR (ct.__$start_lsn = @P4 AND {later_command})") };
    format!(
        "
   AND (ct.__$start_lsn > @P4{later}
     OR (ct.__$start_lsn = @P4 AND {same_command}ct.__$seqval > @P5)
     OR (ct.__$start_lsn = @P4 AND {same_command}ct.__$seqval = @P5 AND ct.__$operation > @P6))"
    )
}

/// The net function over a whole range, deletes of an LSN first. `@P1` from, `@P2` to.
#[must_use]
pub fn net(instance: &str, shape: &TableShape) -> String {
    format!(
        "\
SELECT ct.__$start_lsn, ct.__$operation, ct.__$update_mask,
       {}
  FROM {}(@P1, @P2, N'all with mask') AS ct
 ORDER BY ct.__$start_lsn, ct.__$operation;",
        columns::select_list(shape.columns(), "ct"),
        quote::net_function(instance)
    )
}

pub(super) fn place(request: &ChangesRequest) -> Place {
    Place::new(format!("the changes of {} could not be read from {}", request.table, request.instance)).needs("SELECT ON SCHEMA::[cdc]")
}

/// Starts a stream of change rows on a connection of its own.
pub async fn stream(sessions: &Sessions, request: &ChangesRequest, page_rows: u32) -> Result<Stream<ChangeRow>, Fault> {
    let place = place(request);
    let (driver, has_command_id) = match request.mode {
        ChangesMode::Net => (sessions.open_patient().await?, false),
        ChangesMode::All => {
            let mut driver = sessions.open().await?;
            let found = has_command_id(sessions, &mut driver, &place, &request.instance).await?;
            (driver, found)
        }
    };
    let reader = Reader::new(place.clone(), sessions.settings().user.clone(), request, has_command_id, page_rows)?;
    Ok(Stream::start(place, move |writer| async move {
        match reader.request.mode {
            ChangesMode::All => reader.all(driver, writer).await,
            ChangesMode::Net => reader.net(driver, writer).await,
        }
    }))
}

pub(super) async fn has_command_id(sessions: &Sessions, driver: &mut Driver, place: &Place, instance: &str) -> Result<bool, Fault> {
    let results = sessions.run_on(driver, place, HAS_COMMAND_ID, vec![session::text(instance)]).await?;
    let row = super::cells::one(&results, 0, place)?;
    Ok(row.number::<i64>("found")? > 0)
}

/// The position of a row in the order of a change table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Position {
    lsn: Lsn,
    /// NULL is kept apart from 0 here: the server orders by the column itself.
    command_id: Option<i32>,
    seqval: Lsn,
    operation: i32,
}

/// Reads rows of a change table.
pub(super) struct Reader {
    place: Place,
    user: String,
    decoder: RowDecoder,
    request: ChangesRequest,
    has_command_id: bool,
    page_rows: u32,
}

impl Reader {
    pub(super) fn new(place: Place, user: String, request: &ChangesRequest, has_command_id: bool, page_rows: u32) -> Result<Self, Fault> {
        let decoder = RowDecoder::new(&request.table, &request.shape)?;
        Ok(Self { place, user, decoder, request: request.clone(), has_command_id, page_rows: page_rows.max(1) })
    }

    async fn all(self, mut driver: Driver, mut writer: Writer<ChangeRow>) -> Result<Writer<ChangeRow>, Fault> {
        let mut last: Option<Position> = None;
        loop {
            let (sql, parameters) = self.page(last.as_ref());
            let mut rows = 0;
            let mut answer = counted::run(&mut driver, &sql, parameters).await.map_err(|error| self.failed(&error))?;
            while let Some(row) = answer.next().await.map_err(|error| self.failed(&error))? {
                let (position, row, bytes) = self.row(row)?;
                last = Some(position);
                rows += 1;
                writer.push(row, bytes).await?;
            }
            answer.whole(&self.place)?;
            // Only an empty page is the end: a short one would be no proof.
            if rows == 0 {
                return Ok(writer);
            }
        }
    }

    fn page(&self, last: Option<&Position>) -> (String, Vec<Parameter>) {
        let ChangesRequest { instance, shape, from, to, .. } = &self.request;
        let mut parameters = vec![session::number(self.page_rows), session::lsn(last.map_or(*from, |last| last.lsn)), session::lsn(*to)];
        let after = match last {
            None => After::Nothing,
            Some(last) => {
                parameters.extend([session::lsn(last.lsn), session::lsn(last.seqval), session::number(last.operation)]);
                match last.command_id {
                    Some(command_id) if self.has_command_id => {
                        parameters.push(session::number(command_id));
                        After::Row
                    }
                    Some(_) => After::Row,
                    None => After::RowWithoutCommand,
                }
            }
        };
        (page(instance, shape, self.has_command_id, after), parameters)
    }

    pub(super) fn change_row(&self, row: Row) -> Result<ChangeRow, Fault> {
        self.row(row).map(|(_, row, _)| row)
    }

    fn row(&self, row: Row) -> Result<(Position, ChangeRow, usize), Fault> {
        let mut cells = row.into_iter();
        let position = Position {
            lsn: self.lsn("__$start_lsn", cells.next().as_ref())?,
            command_id: self.int_or_null("__$command_id", cells.next().as_ref())?,
            seqval: self.lsn("__$seqval", cells.next().as_ref())?,
            operation: self.int("__$operation", cells.next().as_ref())?,
        };
        let mask = self.mask(cells.next())?;
        let (row, bytes) = self.change(position, mask, cells)?;
        Ok((position, row, bytes))
    }

    async fn net(self, mut driver: Driver, mut writer: Writer<ChangeRow>) -> Result<Writer<ChangeRow>, Fault> {
        let ChangesRequest { instance, shape, from, to, .. } = &self.request;
        let sql = net(instance, shape);
        let parameters = vec![session::lsn(*from), session::lsn(*to)];
        let mut answer = counted::run(&mut driver, &sql, parameters).await.map_err(|error| self.failed(&error))?;
        while let Some(row) = answer.next().await.map_err(|error| self.failed(&error))? {
            let mut cells = row.into_iter();
            let position = Position {
                lsn: self.lsn("__$start_lsn", cells.next().as_ref())?,
                command_id: None,
                seqval: Lsn::ZERO,
                operation: self.int("__$operation", cells.next().as_ref())?,
            };
            let mask = self.mask(cells.next())?;
            let (row, bytes) = self.change(position, mask, cells)?;
            writer.push(row, bytes).await?;
        }
        answer.whole(&self.place)?;
        Ok(writer)
    }

    fn change(
        &self,
        position: Position,
        mask: Vec<u8>,
        cells: impl Iterator<Item = ColumnData<'static>>,
    ) -> Result<(ChangeRow, usize), Fault> {
        let Position { lsn, command_id, seqval, operation } = position;
        let operation = Operation::try_from(operation).map_err(|code| self.unfit("__$operation").evidence("code", code))?;
        let (values, bytes) = self.decoder.row(cells)?;
        let bytes = bytes + size_of::<ChangeRow>() + mask.len();
        Ok((ChangeRow { lsn, command_id: command_id.unwrap_or(0), seqval, operation, mask, values }, bytes))
    }

    pub(super) fn failed(&self, error: &tiberius::error::Error) -> Fault {
        let ChangesRequest { from, to, .. } = &self.request;
        self.place.failed(error, &self.user).evidence("from", from).evidence("to", to)
    }

    fn unfit(&self, column: &str) -> Fault {
        self.place.fault(&src::UNREADABLE).evidence("column", column)
    }

    fn lsn(&self, column: &str, cell: Option<&ColumnData<'static>>) -> Result<Lsn, Fault> {
        match cell {
            Some(ColumnData::Binary(Some(bytes))) => Lsn::try_from(bytes.as_ref()).map_err(|_| self.unfit(column)),
            _ => Err(self.unfit(column)),
        }
    }

    fn int_or_null(&self, column: &str, cell: Option<&ColumnData<'static>>) -> Result<Option<i32>, Fault> {
        match cell {
            Some(ColumnData::I32(value)) => Ok(*value),
            _ => Err(self.unfit(column)),
        }
    }

    fn int(&self, column: &str, cell: Option<&ColumnData<'static>>) -> Result<i32, Fault> {
        self.int_or_null(column, cell)?.ok_or_else(|| self.unfit(column))
    }

    /// NULL, where the server leaves the mask out, says nothing: like a mask that is too short.
    fn mask(&self, cell: Option<ColumnData<'static>>) -> Result<Vec<u8>, Fault> {
        match cell {
            Some(ColumnData::Binary(mask)) => Ok(mask.map(std::borrow::Cow::into_owned).unwrap_or_default()),
            _ => Err(self.unfit("__$update_mask")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, SqlType};

    fn shape() -> TableShape {
        let sql_type = SqlType::Int;
        TableShape::new(vec![Column {
            name: "id".into(),
            column_id: 1,
            ordinal: 1,
            sql_type,
            nullable: false,
            collation: None,
            key_ordinal: Some(1),
            unfit: crate::model::Unfit::Fail,
        }])
    }

    #[test]
    fn pages_order_and_continue_in_the_same_terms() {
        insta::assert_snapshot!(page("dbo_Orders", &shape(), true, After::Nothing));
        insta::assert_snapshot!(page("dbo_Orders", &shape(), true, After::Row));
        insta::assert_snapshot!(page("dbo_Orders", &shape(), true, After::RowWithoutCommand));
        insta::assert_snapshot!(page("dbo_Orders", &shape(), false, After::Row));
        insta::assert_snapshot!(net("dbo_Orders", &shape()));
    }

    /// The predicate of the page texts, on rows in memory: behind any row of the order stands
    /// exactly the rest.
    #[test]
    fn no_row_lies_between_two_pages() {
        type Row = (u8, Option<i32>, u8, i32);
        fn behind(row: &Row, last: &Row) -> bool {
            let same = row.0 == last.0 && row.1 == last.1;
            let later_command = match last.1 {
                None => row.1.is_some(),
                Some(command) => row.1.is_some_and(|c| c > command),
            };
            row.0 > last.0 || (row.0 == last.0 && later_command) || (same && row.2 > last.2) || (same && row.2 == last.2 && row.3 > last.3)
        }
        let mut rows: Vec<Row> = Vec::new();
        for lsn in 0..3 {
            for command in [None, Some(0), Some(1), Some(2)] {
                for seqval in 0..3 {
                    rows.extend((1..=4).map(|operation| (lsn, command, seqval, operation)));
                }
            }
        }
        // Option orders None first, as SQL Server orders NULL.
        rows.sort_unstable();
        for (at, last) in rows.iter().enumerate() {
            let rest: Vec<_> = rows.iter().filter(|row| behind(row, last)).collect();
            assert_eq!(rest, rows[at + 1..].iter().collect::<Vec<_>>());
        }
    }
}
