//! Answers that are counted: a statement that breaks off without an error must not pass for one
//! that came to its end.
//!
//! Unless NOCOUNT is on, SQL Server says behind the rows of a statement how many it has sent
//! (DONEINPROC, MS-TDS 2.2.7.7). The driver shows that number for calls of procedures alone, hence
//! `sp_executesql` by its name.

use futures::TryStreamExt;
use tiberius::error::Error;
use tiberius::{ColumnData, Command, CommandItem, CommandStream, IntoSql, Row};

use super::connect::Driver;
use super::error::Place;
use super::session::{self, Parameter};
use crate::model::Fault;
use crate::model::fault::src;

/// The rows of one statement.
pub struct Counted<'a> {
    stream: CommandStream<'a>,
    received: u64,
    sent: u64,
}

/// A value that goes to the server as it is.
struct Bound(Parameter);

impl<'a> IntoSql<'a> for Bound {
    fn into_sql(self) -> ColumnData<'a> {
        self.0
    }
}

/// Starts a statement; its parameters are `@P1`, `@P2` and so on.
pub async fn run<'a>(driver: &'a mut Driver, sql: &str, parameters: Vec<Parameter>) -> Result<Counted<'a>, Error> {
    let mut command = Command::new("sp_executesql");
    command.bind_param("@stmt", Bound(session::text(sql)));
    let declared: Vec<_> = parameters.iter().enumerate().map(|(n, value)| format!("@P{} {}", n + 1, declaration(value))).collect();
    if !declared.is_empty() {
        command.bind_param("@params", Bound(session::text(declared.join(", "))));
    }
    for (n, value) in parameters.into_iter().enumerate() {
        command.bind_param(format!("@P{}", n + 1), Bound(value));
    }
    Ok(Counted { stream: command.exec(driver).await?, received: 0, sent: 0 })
}

impl Counted<'_> {
    /// The next row; `None` where the answer ends, which [`Self::whole`] is to judge.
    pub async fn next(&mut self) -> Result<Option<Row>, Error> {
        while let Some(item) = self.stream.try_next().await? {
            match item {
                CommandItem::Row(row) => {
                    self.received += 1;
                    return Ok(Some(row));
                }
                CommandItem::RowsAffected(rows) => self.sent += rows,
                _ => {}
            }
        }
        Ok(None)
    }

    /// Fails unless as many rows came as the server says that it sent.
    pub fn whole(self, place: &Place) -> Result<(), Fault> {
        if self.received == self.sent {
            return Ok(());
        }
        Err(place.fault(&src::SHORT_ANSWER).evidence("rows received", self.received).evidence("rows sent", self.sent))
    }
}

/// The type that a parameter is declared with: wide enough for each value of its kind.
fn declaration(value: &Parameter) -> &'static str {
    match value {
        ColumnData::U8(_) => "tinyint",
        ColumnData::I16(_) => "smallint",
        ColumnData::I32(_) => "int",
        ColumnData::I64(_) => "bigint",
        ColumnData::F32(_) => "real",
        ColumnData::F64(_) => "float",
        ColumnData::Bit(_) => "bit",
        ColumnData::String(text) if text.as_ref().is_none_or(|text| text.len() <= 4_000) => "nvarchar(4000)",
        ColumnData::String(_) | ColumnData::Xml(_) => "nvarchar(max)",
        ColumnData::Guid(_) => "uniqueidentifier",
        ColumnData::Binary(bytes) if bytes.as_ref().is_none_or(|bytes| bytes.len() <= 8_000) => "varbinary(8000)",
        ColumnData::Binary(_) => "varbinary(max)",
        ColumnData::Numeric(_) => "decimal(38,18)",
        ColumnData::DateTime(_) => "datetime",
        ColumnData::SmallDateTime(_) => "smalldatetime",
        ColumnData::Time(_) => "time",
        ColumnData::Date(_) => "date",
        ColumnData::DateTime2(_) => "datetime2",
        ColumnData::DateTimeOffset(_) => "datetimeoffset",
    }
}
