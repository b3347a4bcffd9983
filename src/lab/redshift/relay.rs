//! What the server behind says, as Redshift would say it.

use std::io;

use bytes::Bytes;

use super::backend::translate;
use super::sql::names::LongNames;
use super::wire::frame::{Frame, FrameWriter};
use super::wire::message::{row, row_columns, row_description, row_values, take_text};

const BYTEA: i32 = 17;
const VARBYTE: i32 = 6551;
const JSONB: i32 = 3802;
const SUPER: i32 = 4000;

/// Parameters that Redshift reports at the start and when they change.
const REPORTED: &[&str] =
    &["client_encoding", "DateStyle", "integer_datetimes", "is_superuser", "server_encoding", "session_authorization", "TimeZone"];

/// Remembers what the rows that follow look like.
#[derive(Default)]
pub(super) struct Relay {
    varbytes: Vec<usize>,
    text_rows: bool,
    /// Rows may hold names that stand for longer ones.
    names_in_rows: bool,
}

impl Relay {
    /// Whether rows come in text form; the binary form of VARBYTE needs no change.
    pub fn text_rows(&mut self, text: bool) {
        self.text_rows = text;
    }

    /// Whether the statement reads the catalogue while there are long names.
    pub fn names_in_rows(&mut self, names: bool) {
        self.names_in_rows = names;
    }

    pub async fn forward(&mut self, frame: Frame, names: &LongNames, out: &mut FrameWriter) -> io::Result<()> {
        match frame.tag {
            b'S' => {
                let reported = take_text(&mut &frame.body[..]).is_some_and(|name| REPORTED.contains(&name));
                if reported { out.send(b'S', &frame.body).await } else { Ok(()) }
            }
            b'T' => {
                let Some(mut columns) = row_columns(&frame.body) else { return out.send(b'T', &frame.body).await };
                self.varbytes.clear();
                for (at, column) in columns.iter_mut().enumerate() {
                    column.name = names.restore(&column.name);
                    match column.type_oid {
                        BYTEA => {
                            column.type_oid = VARBYTE;
                            self.varbytes.push(at);
                        }
                        JSONB => column.type_oid = SUPER,
                        _ => {}
                    }
                }
                out.send(b'T', &row_description(&columns)).await
            }
            b'D' if self.text_rows && (self.names_in_rows || !self.varbytes.is_empty()) => {
                let Some(mut values) = row_values(&frame.body) else { return out.send(b'D', &frame.body).await };
                for at in &self.varbytes {
                    if let Some(Some(value)) = values.get_mut(*at)
                        && value.starts_with(b"\\x")
                    {
                        *value = value.slice(2..);
                    }
                }
                if self.names_in_rows {
                    for value in values.iter_mut().flatten() {
                        if let Ok(text) = str::from_utf8(value) {
                            *value = Bytes::from(names.restore(text));
                        }
                    }
                }
                out.send(b'D', &row(&values)).await
            }
            b'E' | b'N' => {
                let mut said = translate(&frame.body);
                said.message = names.restore(&said.message);
                out.send(frame.tag, &said.body()).await
            }
            tag => out.send(tag, &Bytes::clone(&frame.body)).await,
        }
    }
}
