//! A tiny session behind the wire: it answers a handful of words, so that the tests see the wire
//! alone.

use std::sync::Arc;

use db_to_redshift::lab::sqlserver::session::{Cancelled, Message, Parameter, Session, Sessions, Sink, TransactionRequest};
use db_to_redshift::lab::sqlserver::types::{DataType, Datum, ResultColumn};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub const USER: &str = "reader";
pub const PASSWORD: &str = "Tür&Tor 1";
pub const DATABASE: &str = "Shop";

/// What a session went through, for tests that wait on it.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    Login { user: String, database: String, application: String },
    Statement(String),
    Cancelled { rows: u64 },
    Reset,
    Transaction(TransactionRequest),
    Ended,
}

pub struct Echo {
    events: UnboundedSender<Event>,
}

impl Echo {
    pub fn new() -> (Arc<Self>, UnboundedReceiver<Event>) {
        let (events, seen) = unbounded_channel();
        (Arc::new(Self { events }), seen)
    }
}

impl Sessions for Echo {
    fn login(&self, user: &str, password: &str, database: &str, application: &str) -> Result<(Box<dyn Session>, String), Message> {
        let refused = |number, text| Message { number, class: 14, state: 1, text, line: 1, procedure: String::new() };
        if user != USER || password != PASSWORD {
            return Err(refused(18456, format!("Login failed for user '{user}'.")));
        }
        if !database.is_empty() && !database.eq_ignore_ascii_case(DATABASE) {
            return Err(refused(4060, format!("Cannot open database \"{database}\" requested by the login. The login failed.")));
        }
        let login = Event::Login { user: user.into(), database: database.into(), application: application.into() };
        self.events.send(login).ok();
        Ok((Box::new(EchoSession { events: self.events.clone(), depth: 0, database: DATABASE.into() }), DATABASE.into()))
    }
}

struct EchoSession {
    events: UnboundedSender<Event>,
    depth: u32,
    database: String,
}

impl Drop for EchoSession {
    fn drop(&mut self) {
        self.events.send(Event::Ended).ok();
    }
}

pub fn column(name: &str, data_type: DataType, nullable: bool) -> ResultColumn {
    ResultColumn { name: name.into(), data_type, nullable }
}

pub fn text(value: &str) -> Datum {
    Datum::Text(value.encode_utf16().collect())
}

/// A row for throughput: twelve columns of the usual kinds.
pub fn wide_columns() -> Vec<ResultColumn> {
    vec![
        column("id", DataType::BigInt, false),
        column("n", DataType::Int, true),
        column("price", DataType::Decimal { precision: 18, scale: 4 }, true),
        column("name", DataType::NVarChar(Some(60)), true),
        column("code", DataType::VarChar(Some(20)), true),
        column("made", DataType::DateTime2(7), true),
        column("day", DataType::Date, true),
        column("flag", DataType::Bit, false),
        column("key", DataType::UniqueIdentifier, true),
        column("raw", DataType::VarBinary(Some(16)), true),
        column("note", DataType::NVarChar(None), true),
        column("rate", DataType::Float, true),
    ]
}

pub fn wide_row() -> Vec<Datum> {
    vec![
        Datum::Int(0),
        Datum::Int(999),
        Datum::Decimal { unscaled: 10_001, scale: 4 },
        text("Kaffeekanne, groß"),
        text("K-0042"),
        Datum::DateTime2 { days: 738_000, ticks: 36_000_000_007 },
        Datum::Date(738_000),
        Datum::Bit(true),
        Datum::Guid([7; 16]),
        Datum::Bytes(vec![1, 2, 3, 4]),
        Datum::Null,
        Datum::Float(0.5),
    ]
}

impl EchoSession {
    fn stream(&self, count: u64, sink: &mut dyn Sink) -> Result<(), Cancelled> {
        sink.columns(&wide_columns())?;
        let mut row = wide_row();
        for sent in 0..count {
            row[0] = Datum::Int(i64::try_from(sent).unwrap());
            row[10] = if sent % 3 == 0 { Datum::Null } else { Datum::Text(vec![0x17C; 6]) };
            if let Err(cancelled) = sink.row(&row) {
                self.events.send(Event::Cancelled { rows: sent }).ok();
                return Err(cancelled);
            }
        }
        sink.done(Some(count))
    }

    fn one_number(value: i64, sink: &mut dyn Sink) -> Result<(), Cancelled> {
        sink.columns(&[column("v", DataType::Int, false)])?;
        sink.row(&[Datum::Int(value)])?;
        sink.done(Some(1))
    }
}

impl Session for EchoSession {
    fn batch(&mut self, sql: &str, sink: &mut dyn Sink) -> Result<(), Cancelled> {
        self.events.send(Event::Statement(sql.into())).ok();
        let mut words = sql.split_whitespace();
        match (words.next().unwrap_or_default().to_ascii_lowercase().as_str(), words.next()) {
            ("number", Some(value)) => Self::one_number(value.parse().unwrap(), sink),
            ("stream", Some(count)) => self.stream(count.parse().unwrap(), sink),
            ("types", _) => super::values::send(sink),
            ("surrogate", _) => {
                sink.columns(&[column("n", DataType::NVarChar(Some(3)), true), column("c", DataType::VarChar(Some(3)), true)])?;
                let units = Datum::Text(vec![u16::from(b'a'), 0xD83D, u16::from(b'b')]);
                sink.row(&[units.clone(), units])?;
                sink.done(Some(1))
            }
            ("two", _) => {
                Self::one_number(1, sink)?;
                sink.columns(&[column("a", DataType::VarChar(Some(10)), true)])?;
                sink.row(&[text("x")])?;
                sink.row(&[Datum::Null])?;
                sink.done(Some(2))
            }
            ("update", Some(count)) => sink.done(Some(count.parse().unwrap())),
            ("raise", Some(number)) => {
                sink.message(&Message { class: 10, ..Message::error(50001, "just so you know") })?;
                sink.message(&Message::error(number.parse().unwrap(), "Invalid object name 'dbo.nothing'."))?;
                sink.done(None)
            }
            ("rows-then-error", _) => {
                sink.columns(&[column("v", DataType::Int, false)])?;
                sink.row(&[Datum::Int(1)])?;
                sink.message(&Message::error(8134, "Divide by zero error encountered."))?;
                sink.done(None)
            }
            ("fatal", _) => sink.message(&Message { class: 21, ..Message::error(3624, "A system assertion check has failed.") }),
            ("liar", _) => {
                sink.columns(&[column("a", DataType::Int, false), column("b", DataType::TinyInt, true)])?;
                sink.row(&[Datum::Int(1), Datum::Int(2)])?;
                sink.row(&[Datum::Int(1), Datum::Int(256)])?;
                sink.done(Some(2))
            }
            ("use", Some(to)) => {
                let from = std::mem::replace(&mut self.database, to.into());
                sink.database_changed(&from, to)?;
                sink.done(None)
            }
            ("begin", _) => {
                self.depth += 1;
                sink.done(None)
            }
            ("commit" | "rollback", _) => {
                self.depth = 0;
                sink.done(None)
            }
            ("nothing", _) => Ok(()),
            _ => {
                sink.message(&Message::error(102, format!("Incorrect syntax near '{sql}'.")))?;
                sink.done(None)
            }
        }
    }

    /// `echo` shows the parameters; anything else runs as a batch.
    fn execute_sql(&mut self, sql: &str, declarations: &str, parameters: &[Parameter], sink: &mut dyn Sink) -> Result<(), Cancelled> {
        if !sql.starts_with("echo") {
            return self.batch(sql, sink);
        }
        let max = || DataType::NVarChar(None);
        sink.columns(&[
            column("name", max(), false),
            column("type", max(), false),
            column("value", max(), true),
            column("declared", max(), false),
        ])?;
        for parameter in parameters {
            let (data_type, value) = (format!("{:?}", parameter.data_type), format!("{:?}", parameter.value));
            sink.row(&[text(&parameter.name), text(&data_type), text(&value), text(declarations)])?;
            if parameter.output {
                sink.output(&parameter.name, &parameter.data_type, &parameter.value)?;
            }
        }
        sink.done(Some(parameters.len() as u64))
    }

    fn procedure(&mut self, name: &str, parameters: &[Parameter], sink: &mut dyn Sink) -> Result<i32, Cancelled> {
        if name != "dbo.twice" {
            sink.message(&Message::error(2812, format!("Could not find stored procedure '{name}'.")))?;
            return Ok(2812);
        }
        Self::one_number(7, sink)?;
        let Datum::Int(value) = parameters[0].value else { panic!("no number") };
        sink.output("@result", &DataType::Int, &Datum::Int(value * 2))?;
        Ok(3)
    }

    fn transaction(&mut self, request: &TransactionRequest) -> Result<u32, Message> {
        self.events.send(Event::Transaction(request.clone())).ok();
        match request {
            TransactionRequest::Begin { .. } => self.depth += 1,
            _ if self.depth == 0 => {
                return Err(Message::error(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."));
            }
            TransactionRequest::Commit => self.depth -= 1,
            TransactionRequest::Rollback { savepoint: None } => self.depth = 0,
            TransactionRequest::Rollback { .. } | TransactionRequest::Save { .. } => {}
        }
        Ok(self.depth)
    }

    fn transaction_depth(&self) -> u32 {
        self.depth
    }

    fn reset(&mut self) {
        self.depth = 0;
        self.database = DATABASE.into();
        self.events.send(Event::Reset).ok();
    }
}
