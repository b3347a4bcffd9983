//! The lab's T-SQL engine on its session contract, and answers as text.

use db_to_redshift::lab::sqlserver::engine::server::{Server, User};
use db_to_redshift::lab::sqlserver::engine::session::EngineSessions;
use db_to_redshift::lab::sqlserver::session::{Cancelled, Message, Session, Sessions, Sink};
use db_to_redshift::lab::sqlserver::types::{DataType, Datum, ResultColumn};
use std::fmt::Write as _;
use std::sync::Arc;

#[derive(Default)]
pub struct Collected {
    pub columns: Vec<Vec<ResultColumn>>,
    pub rows: Vec<Vec<Datum>>,
    pub counts: Vec<Option<u64>>,
    pub messages: Vec<Message>,
    pub outputs: Vec<(String, Datum)>,
}

impl Sink for Collected {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Cancelled> {
        self.columns.push(columns.to_vec());
        Ok(())
    }

    fn row(&mut self, row: &[Datum]) -> Result<(), Cancelled> {
        self.rows.push(row.to_vec());
        Ok(())
    }

    fn done(&mut self, rows: Option<u64>) -> Result<(), Cancelled> {
        self.counts.push(rows);
        Ok(())
    }

    fn message(&mut self, message: &Message) -> Result<(), Cancelled> {
        self.messages.push(message.clone());
        Ok(())
    }

    fn database_changed(&mut self, _: &str, _: &str) -> Result<(), Cancelled> {
        Ok(())
    }

    fn output(&mut self, name: &str, _: &DataType, value: &Datum) -> Result<(), Cancelled> {
        self.outputs.push((name.to_owned(), value.clone()));
        Ok(())
    }
}

pub struct Lab {
    pub server: Arc<Server>,
    pub sessions: EngineSessions,
    _dir: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let users = vec![User { name: "sa".into(), password: "right".into() }];
        let server = Arc::new(Server::open(dir.path(), &["Shop"], users).unwrap());
        Self { sessions: EngineSessions::new(server.clone(), true), server, _dir: dir }
    }

    pub fn session_of(&self, login: &str, password: &str) -> Result<Box<dyn Session>, Message> {
        Ok(self.sessions.login(login, password, "shop", "test")?.0)
    }

    pub fn session(&self) -> Box<dyn Session> {
        self.sessions.login("sa", "right", "shop", "test").unwrap().0
    }
}

pub fn run(session: &mut Box<dyn Session>, sql: &str) -> Collected {
    let mut sink = Collected::default();
    session.batch(sql, &mut sink).unwrap();
    sink
}

/// The rows as text, one a line, values parted by blanks; errors as `!number`.
pub fn shown(session: &mut Box<dyn Session>, sql: &str) -> String {
    let sink = run(session, sql);
    let mut out = String::new();
    for row in &sink.rows {
        let cells: Vec<String> = row.iter().map(cell).collect();
        let _ = writeln!(out, "{}", cells.join(" "));
    }
    for message in sink.messages.iter().filter(|m| m.class > 10) {
        let _ = writeln!(out, "!{}", message.number);
    }
    out.trim_end().to_owned()
}

fn cell(value: &Datum) -> String {
    match value {
        Datum::Null => "NULL".into(),
        Datum::Bit(b) => u8::from(*b).to_string(),
        Datum::Int(i) => i.to_string(),
        Datum::Text(t) => String::from_utf16_lossy(t),
        Datum::Bytes(b) => b.iter().fold("0x".to_owned(), |mut s, b| {
            let _ = write!(s, "{b:02x}");
            s
        }),
        Datum::Decimal { unscaled, scale } => format!("{unscaled}e-{scale}"),
        Datum::Money(m) => format!("${m}"),
        Datum::Float(f) => f.to_string(),
        Datum::Real(f) => f.to_string(),
        other => format!("{other:?}"),
    }
}

pub fn expect(session: &mut Box<dyn Session>, cases: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (sql, expected) in cases {
        let got = shown(session, sql);
        if got != *expected {
            let _ = writeln!(wrong, "{sql}\n  expected {expected:?}\n  got      {got:?}");
        }
    }
    assert_eq!(wrong, "", "{wrong}");
}
