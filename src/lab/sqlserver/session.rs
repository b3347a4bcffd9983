//! What the wire asks of the engine, and how the engine answers.

use super::types::{DataType, Datum, ResultColumn};

/// An error or information message with SQL Server's own number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub number: i32,
    /// Severity: up to 10 is information, 11 to 16 the caller's mistake, 20 and above ends the
    /// connection.
    pub class: u8,
    pub state: u8,
    pub text: String,
    pub line: u32,
    pub procedure: String,
}

impl Message {
    /// An error of severity 16.
    #[must_use]
    pub fn error(number: i32, text: impl Into<String>) -> Self {
        Self { number, class: 16, state: 1, text: text.into(), line: 1, procedure: String::new() }
    }
}

/// The receiver went away or sent an attention: stop the batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancelled;

/// What a statement sends back, in order. The wire turns it into tokens.
pub trait Sink {
    /// Begins a result set.
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Cancelled>;
    fn row(&mut self, row: &[Datum]) -> Result<(), Cancelled>;
    /// Ends a statement; `rows` is the count for DONE, `None` under SET NOCOUNT ON or for DDL.
    fn done(&mut self, rows: Option<u64>) -> Result<(), Cancelled>;
    /// Severity up to 10 becomes INFO, above it ERROR (the statement's DONE carries the flag).
    fn message(&mut self, message: &Message) -> Result<(), Cancelled>;
    /// The database of the session changed (USE): ENVCHANGE.
    fn database_changed(&mut self, from: &str, to: &str) -> Result<(), Cancelled>;
    /// An OUTPUT parameter of an RPC call.
    fn output(&mut self, name: &str, data_type: &DataType, value: &Datum) -> Result<(), Cancelled>;
}

/// A parameter of an RPC call, or of the batch inside sp_executesql.
#[derive(Clone, PartialEq, Debug)]
pub struct Parameter {
    /// With the leading `@`; empty when positional.
    pub name: String,
    pub data_type: DataType,
    pub value: Datum,
    pub output: bool,
}

/// Transaction manager requests (packet type 14).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransactionRequest {
    /// The isolation level byte of the request: 0 keeps, 1 read uncommitted, 2 read committed,
    /// 3 repeatable read, 4 serializable, 5 snapshot.
    Begin {
        isolation: u8,
    },
    Commit,
    Rollback {
        savepoint: Option<String>,
    },
    Save {
        name: String,
    },
}

/// One connection's session. Lives on a thread of its own: calls may block.
pub trait Session: Send {
    /// Runs a batch. An error inside goes to the sink as a message; the batch then ends or goes
    /// on as SQL Server would. `Err` means the sink was cancelled.
    fn batch(&mut self, sql: &str, sink: &mut dyn Sink) -> Result<(), Cancelled>;

    /// sp_executesql: `declarations` is the `@params` text, empty when there are none.
    fn execute_sql(&mut self, sql: &str, declarations: &str, parameters: &[Parameter], sink: &mut dyn Sink) -> Result<(), Cancelled>;

    /// Any other procedure called by RPC, by its name as sent. Returns the return status.
    fn procedure(&mut self, name: &str, parameters: &[Parameter], sink: &mut dyn Sink) -> Result<i32, Cancelled>;

    /// Returns the depth of open transactions after it.
    fn transaction(&mut self, request: &TransactionRequest) -> Result<u32, Message>;

    /// Open transactions (`@@TRANCOUNT`).
    fn transaction_depth(&self) -> u32;

    /// sp_reset_connection: the header flag RESETCONNECTION.
    fn reset(&mut self);
}

/// Opens sessions for the wire.
pub trait Sessions: Send + Sync + 'static {
    /// After the wire has read LOGIN7. An error (18456, 4060) becomes the answer to the login.
    /// Returns the session and the name of its database in catalogue spelling.
    fn login(&self, user: &str, password: &str, database: &str, application: &str) -> Result<(Box<dyn Session>, String), Message>;
}
