//! The answer to one request: what the session says becomes tokens in the right order.

use super::super::session::{Cancelled, Message, Sink};
use super::super::types::{DataType, Datum, ResultColumn};
use super::down_level;
use super::login::Version;
use super::output::Output;
use super::tokens::{self, Change, DoneKind, command, done};
use super::values::{self, Mismatch};

/// Severity from which SQL Server closes the connection.
const FATAL: u8 = 20;

/// A DONE that waits: whether more follows is known only when it does.
struct Waiting {
    kind: DoneKind,
    status: u16,
    command: u16,
    rows: u64,
}

pub(super) struct Reply<'a> {
    output: &'a mut Output,
    version: Version,
    /// DONE in a batch, DONEINPROC in a procedure.
    statement_kind: DoneKind,
    waiting: Option<Waiting>,
    /// The columns as they are sent, and whether they may be NULL.
    columns: Vec<(DataType, bool)>,
    /// The columns as the engine declared them; only for clients that lack the newer types.
    declared: Vec<DataType>,
    in_rows: bool,
    /// An error since the last DONE.
    failed_statement: bool,
    /// The number of the last error of the call or batch.
    last_error: Option<i32>,
    fatal: bool,
    /// OUTPUT parameters of the call by name: their place in it.
    outputs: Vec<(String, u16)>,
    /// RETURNVALUE tokens: they follow the return status.
    return_values: Vec<u8>,
    /// The database that a statement changed to.
    database: Option<String>,
}

impl<'a> Reply<'a> {
    pub(super) fn new(output: &'a mut Output, version: Version) -> Self {
        Self {
            output,
            version,
            statement_kind: DoneKind::Done,
            waiting: None,
            columns: Vec::new(),
            declared: Vec::new(),
            in_rows: false,
            failed_statement: false,
            last_error: None,
            fatal: false,
            outputs: Vec::new(),
            return_values: Vec::new(),
            database: None,
        }
    }

    /// Begins a call: its OUTPUT parameters with their places.
    pub(super) fn begin_call(&mut self, outputs: Vec<(String, u16)>) {
        self.statement_kind = DoneKind::DoneInProc;
        self.outputs = outputs;
        self.last_error = None;
        self.failed_statement = false;
    }

    /// Ends a call: return status, OUTPUT parameters, DONEPROC.
    pub(super) fn end_call(&mut self, status: i32) {
        self.settle(done::MORE);
        tokens::put_return_status(&mut self.output.tokens, status);
        self.output.tokens.append(&mut self.return_values);
        let status = if self.last_error.is_some() { done::ERROR } else { done::FINAL };
        self.waiting = Some(Waiting { kind: DoneKind::DoneProc, status, command: command::NONE, rows: 0 });
        self.statement_kind = DoneKind::Done;
        self.in_rows = false;
        self.failed_statement = false;
    }

    pub(super) fn last_error(&self) -> Option<i32> {
        self.last_error
    }

    /// Whether a statement lost a deadlock amid its rows.
    pub(super) fn lost_a_deadlock(&mut self) -> bool {
        self.output.take_victim()
    }

    pub(super) fn take_database(&mut self) -> Option<String> {
        self.database.take()
    }

    pub(super) fn change(&mut self, change: Change<'_>) {
        self.settle(done::MORE);
        tokens::put_change(&mut self.output.tokens, change);
    }

    /// A change that happened during the last statement: it stands before that statement's DONE.
    pub(super) fn change_before_done(&mut self, change: Change<'_>) {
        tokens::put_change(&mut self.output.tokens, change);
    }

    /// An error of the wire's own, outside any statement.
    pub(super) fn error(&mut self, message: &Message) {
        self.settle(done::MORE);
        self.note(message);
    }

    /// Ends the message. Returns whether the connection may go on.
    pub(super) fn finish(mut self) -> bool {
        let in_call = self.statement_kind == DoneKind::DoneInProc;
        if self.waiting.is_none() || self.failed_statement || in_call {
            self.settle(done::MORE);
            let status = if self.failed_statement { done::ERROR } else { done::FINAL };
            // A call that was broken off ends here.
            let kind = if in_call { DoneKind::DoneProc } else { DoneKind::Done };
            self.waiting = Some(Waiting { kind, status, command: command::NONE, rows: 0 });
        }
        self.settle(done::FINAL);
        self.output.send_end().is_ok() && !self.fatal
    }

    /// Ends the message of a request that an attention stopped.
    pub(super) fn finish_with_attention(mut self) -> bool {
        self.settle(done::MORE);
        tokens::put_done(&mut self.output.tokens, DoneKind::Done, done::ATTENTION, command::NONE, 0);
        self.output.send_end().is_ok()
    }

    /// Writes the DONE that waits.
    fn settle(&mut self, more: u16) {
        if let Some(waiting) = self.waiting.take() {
            tokens::put_done(&mut self.output.tokens, waiting.kind, waiting.status | more, waiting.command, waiting.rows);
        }
    }

    fn note(&mut self, message: &Message) {
        if message.class > 10 {
            self.failed_statement = true;
            self.last_error = Some(message.number);
            self.fatal |= message.class >= FATAL;
        }
        tokens::put_message(&mut self.output.tokens, message);
    }

    /// The engine gave what its own metadata forbid: said aloud, and the batch ends.
    fn refuse(&mut self, place: &str, mismatch: Mismatch) -> Cancelled {
        let text = format!("The lab's engine is at fault: {place}: {}.", mismatch.0);
        self.note(&Message::error(50000, text));
        Cancelled
    }

    fn sent_type(&self, data_type: &DataType) -> DataType {
        let old = if self.version.has_new_times() { None } else { down_level::data_type(data_type) };
        old.unwrap_or_else(|| data_type.clone())
    }

    /// A row as a client that lacks the newer types reads it.
    fn put_down_level_row(&mut self, row: &[Datum]) -> Result<(), (usize, Mismatch)> {
        let old: Vec<Datum> = self
            .declared
            .iter()
            .zip(row)
            .map(|(data_type, value)| down_level::value(data_type, value).unwrap_or_else(|| value.clone()))
            .collect();
        self.put_row(if old.len() == row.len() { &old } else { row })
    }

    fn put_row(&mut self, row: &[Datum]) -> Result<(), (usize, Mismatch)> {
        let out = &mut self.output.tokens;
        if row.len() != self.columns.len() {
            return Err((row.len(), Mismatch("a row of another number of columns")));
        }
        let bitmap = if self.version.has_null_bitmap_rows() { null_bitmap(&self.columns, row) } else { None };
        match &bitmap {
            None => out.push(tokens::ROW),
            Some(bitmap) => {
                out.push(tokens::ROW_WITH_NULL_BITMAP);
                out.extend_from_slice(bitmap);
            }
        }
        for (at, ((data_type, nullable), value)) in self.columns.iter().zip(row).enumerate() {
            if bitmap.is_some() && *nullable && matches!(value, Datum::Null) {
                continue;
            }
            values::put(out, data_type, *nullable, value).map_err(|mismatch| (at, mismatch))?;
        }
        Ok(())
    }
}

/// The bitmap of NULLs, if it is shorter than writing the NULLs out.
fn null_bitmap(columns: &[(DataType, bool)], row: &[Datum]) -> Option<Vec<u8>> {
    if !row.iter().any(|value| matches!(value, Datum::Null)) {
        return None;
    }
    let mut bitmap = vec![0_u8; row.len().div_ceil(8)];
    let mut saved = 0;
    for (at, ((data_type, _), value)) in columns.iter().zip(row).enumerate() {
        if matches!(value, Datum::Null) {
            bitmap[at / 8] |= 1 << (at % 8);
            saved += values::null_size(data_type);
        }
    }
    (saved > bitmap.len()).then_some(bitmap)
}

impl Sink for Reply<'_> {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Cancelled> {
        self.output.check()?;
        self.settle(done::MORE);
        self.in_rows = true;
        if self.version.has_new_times() {
            self.columns = columns.iter().map(|column| (column.data_type.clone(), column.nullable)).collect();
            tokens::put_columns(&mut self.output.tokens, columns);
        } else {
            self.declared = columns.iter().map(|column| column.data_type.clone()).collect();
            let mut old = columns.to_vec();
            for column in &mut old {
                column.data_type = self.sent_type(&column.data_type);
            }
            self.columns = old.iter().map(|column| (column.data_type.clone(), column.nullable)).collect();
            tokens::put_columns(&mut self.output.tokens, &old);
        }
        Ok(())
    }

    fn row(&mut self, row: &[Datum]) -> Result<(), Cancelled> {
        self.output.check()?;
        if self.output.loses_a_deadlock() {
            return Err(Cancelled);
        }
        let start = self.output.tokens.len();
        let put = if self.declared.is_empty() { self.put_row(row) } else { self.put_down_level_row(row) };
        if let Err((column, mismatch)) = put {
            self.output.tokens.truncate(start);
            return Err(self.refuse(&format!("column {}", column + 1), mismatch));
        }
        self.output.send_when_full()
    }

    fn done(&mut self, rows: Option<u64>) -> Result<(), Cancelled> {
        self.output.check()?;
        self.settle(done::MORE);
        let mut status = rows.map_or(done::FINAL, |_| done::COUNT);
        if std::mem::take(&mut self.failed_statement) {
            status = done::ERROR;
        }
        let command = match (self.in_rows, rows) {
            (true, _) => command::SELECT,
            (false, Some(_)) => command::UPDATE,
            (false, None) => command::NONE,
        };
        self.in_rows = false;
        self.waiting = Some(Waiting { kind: self.statement_kind, status, command, rows: rows.unwrap_or(0) });
        self.output.send_when_full()
    }

    fn message(&mut self, message: &Message) -> Result<(), Cancelled> {
        self.output.check()?;
        self.settle(done::MORE);
        self.note(message);
        self.output.send_when_full()
    }

    fn database_changed(&mut self, from: &str, to: &str) -> Result<(), Cancelled> {
        self.output.check()?;
        self.change(Change::Database { from, to });
        self.note(&changed_database(to));
        self.database = Some(to.to_owned());
        Ok(())
    }

    fn output(&mut self, name: &str, data_type: &DataType, value: &Datum) -> Result<(), Cancelled> {
        self.output.check()?;
        // A client may give parameters of a procedure by their place: the next of those it is.
        let named = self.outputs.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some(at) = named.or_else(|| self.outputs.iter().position(|(known, _)| known.is_empty())) else {
            return Err(self.refuse(name, Mismatch("not an OUTPUT parameter of this call")));
        };
        let (_, ordinal) = self.outputs.remove(at);
        let start = self.return_values.len();
        let sent_type = self.sent_type(data_type);
        let old = if self.version.has_new_times() { None } else { down_level::value(data_type, value) };
        let sent = old.as_ref().unwrap_or(value);
        if let Err(mismatch) = tokens::put_return_value(&mut self.return_values, ordinal, name, &sent_type, sent) {
            self.return_values.truncate(start);
            return Err(self.refuse(name, mismatch));
        }
        Ok(())
    }
}

/// What SQL Server says beside the change of a database.
pub(super) fn changed_database(to: &str) -> Message {
    let text = format!("Changed database context to '{to}'.");
    Message { number: 5701, class: 0, state: 2, text, line: 1, procedure: String::new() }
}
