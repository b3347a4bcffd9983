//! The messages that the proxy reads into or writes itself.

use bytes::{BufMut, Bytes, BytesMut};

/// A refusal in the server's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct SqlError {
    pub severity: &'static str,
    pub code: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl SqlError {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { severity: "ERROR", code: code.to_owned(), message: message.into(), detail: None, hint: None }
    }

    pub fn syntax(near: &str) -> Self {
        Self::new("42601", format!("syntax error at or near \"{near}\""))
    }

    /// Redshift would do it; the lab does not.
    pub fn not_served(what: impl std::fmt::Display) -> Self {
        Self::new("0A000", format!("the lab's Redshift does not serve {what}"))
    }

    pub fn fatal(mut self) -> Self {
        self.severity = "FATAL";
        self
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The body of an ErrorResponse or NoticeResponse.
    pub fn body(&self) -> BytesMut {
        let mut body = BytesMut::new();
        let fields = [
            (b'S', Some(self.severity)),
            (b'C', Some(&*self.code)),
            (b'M', Some(&*self.message)),
            (b'D', self.detail.as_deref()),
            (b'H', self.hint.as_deref()),
        ];
        for (tag, value) in fields {
            if let Some(value) = value {
                body.put_u8(tag);
                text(&mut body, value);
            }
        }
        body.put_u8(0);
        body
    }
}

/// A string and its zero byte.
pub(in super::super) fn text(body: &mut BytesMut, value: &str) {
    body.put_slice(value.as_bytes());
    body.put_u8(0);
}

/// A body that is one string.
pub(in super::super) fn one_text(value: &str) -> BytesMut {
    let mut body = BytesMut::with_capacity(value.len() + 1);
    text(&mut body, value);
    body
}

/// INFO and WARNING to the client.
pub(in super::super) fn notice(severity: &'static str, message: impl Into<String>) -> BytesMut {
    let mut said = SqlError::new("00000", message);
    said.severity = severity;
    said.body()
}

/// Takes a string off the front; `None` when there is no zero byte or no UTF-8.
pub(in super::super) fn take_text<'a>(body: &mut &'a [u8]) -> Option<&'a str> {
    let end = body.iter().position(|byte| *byte == 0)?;
    let value = std::str::from_utf8(&body[..end]).ok()?;
    *body = &body[end + 1..];
    Some(value)
}

pub(in super::super) fn take_i16(body: &mut &[u8]) -> Option<i16> {
    let (front, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(i16::from_be_bytes(*front))
}

pub(in super::super) fn take_i32(body: &mut &[u8]) -> Option<i32> {
    let (front, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(i32::from_be_bytes(*front))
}

/// The values of a DataRow.
pub(in super::super) fn row_values(body: &Bytes) -> Option<Vec<Option<Bytes>>> {
    let mut rest = &body[..];
    let count = take_i16(&mut rest)?;
    let mut values = Vec::new();
    for _ in 0..count {
        let length = take_i32(&mut rest)?;
        let Ok(length) = usize::try_from(length) else {
            values.push(None);
            continue;
        };
        values.push(Some(body.slice_ref(rest.get(..length)?)));
        rest = &rest[length..];
    }
    Some(values)
}

/// A DataRow of these values.
pub(in super::super) fn row(values: &[Option<Bytes>]) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_i16(i16::try_from(values.len()).unwrap_or(i16::MAX));
    for value in values {
        match value {
            Some(value) => {
                body.put_i32(i32::try_from(value.len()).unwrap_or(i32::MAX));
                body.put_slice(value);
            }
            None => body.put_i32(-1),
        }
    }
    body
}

/// One column of a RowDescription.
#[derive(Clone, Debug)]
pub(in super::super) struct RowColumn {
    pub name: String,
    /// Table and column number.
    pub origin: [u8; 6],
    pub type_oid: i32,
    /// Length, modifier and format.
    pub rest: [u8; 8],
}

pub(in super::super) fn row_columns(mut body: &[u8]) -> Option<Vec<RowColumn>> {
    let count = take_i16(&mut body)?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let name = take_text(&mut body)?.to_owned();
        let (origin, after) = body.split_first_chunk()?;
        body = after;
        let type_oid = take_i32(&mut body)?;
        let (rest, after) = body.split_first_chunk()?;
        body = after;
        columns.push(RowColumn { name, origin: *origin, type_oid, rest: *rest });
    }
    Some(columns)
}

pub(in super::super) fn row_description(columns: &[RowColumn]) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_i16(i16::try_from(columns.len()).unwrap_or(i16::MAX));
    for column in columns {
        text(&mut body, &column.name);
        body.put_slice(&column.origin);
        body.put_i32(column.type_oid);
        body.put_slice(&column.rest);
    }
    body
}

/// The fields of an ErrorResponse or NoticeResponse, in order.
pub(in super::super) fn fields(mut body: &[u8]) -> Vec<(u8, String)> {
    let mut found = Vec::new();
    while let Some((&tag, rest)) = body.split_first() {
        body = rest;
        if tag == 0 {
            break;
        }
        let Some(end) = body.iter().position(|byte| *byte == 0) else { break };
        found.push((tag, String::from_utf8_lossy(&body[..end]).into_owned()));
        body = &body[end + 1..];
    }
    found
}
