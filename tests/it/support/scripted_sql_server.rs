//! A SQL Server that answers statements from a script: the lab's wire with no engine behind it.
//!
//! For what a real engine does not do on order: odd types, errors amid rows, silence.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use db_to_redshift::config::{CleanUpPolicy, Secret, SourceSettings, Tls};
use db_to_redshift::lab::sqlserver::session::{Cancelled, Message, Parameter, Session, Sessions, Sink, TransactionRequest};
use db_to_redshift::lab::sqlserver::types::{DataType, Datum, ResultColumn};
use db_to_redshift::lab::sqlserver::wire::{self, Options, Server};

pub const USER: &str = "reader";
pub const PASSWORD: &str = "p\"w'd;1";
pub const DATABASE: &str = "Shop";

type Answer = dyn Fn(&[Parameter], &mut dyn Sink) -> Result<(), Cancelled> + Send + Sync;

#[derive(Default)]
struct Script {
    /// By a part of the statement's text. The longest part that fits answers.
    answers: BTreeMap<String, Arc<Answer>>,
    statements: Vec<String>,
    logins: usize,
}

/// The script, shared with every session.
#[derive(Clone, Default)]
pub struct Scripted(Arc<Mutex<Script>>);

impl Scripted {
    pub fn on(&self, part: &str, answer: impl Fn(&[Parameter], &mut dyn Sink) -> Result<(), Cancelled> + Send + Sync + 'static) {
        self.0.lock().unwrap().answers.insert(part.into(), Arc::new(answer));
    }

    /// One result set for every such statement.
    pub fn on_rows(&self, part: &str, columns: Vec<(&'static str, DataType)>, rows: Vec<Vec<Datum>>) {
        self.on(part, move |_, sink| result_set(&columns, &rows, sink));
    }

    pub fn on_error(&self, part: &str, number: i32, text: &'static str) {
        self.on(part, move |_, sink| {
            sink.message(&Message::error(number, text))?;
            sink.done(None)
        });
    }

    pub fn statements(&self) -> Vec<String> {
        self.0.lock().unwrap().statements.clone()
    }

    pub fn logins(&self) -> usize {
        self.0.lock().unwrap().logins
    }

    pub async fn serve(&self, options: Options) -> Server {
        wire::serve(Arc::new(self.clone()), options).await.unwrap()
    }
}

pub fn result_set(columns: &[(&'static str, DataType)], rows: &[Vec<Datum>], sink: &mut dyn Sink) -> Result<(), Cancelled> {
    begin(columns, sink)?;
    for row in rows {
        sink.row(row)?;
    }
    sink.done(Some(rows.len() as u64))
}

pub fn begin(columns: &[(&'static str, DataType)], sink: &mut dyn Sink) -> Result<(), Cancelled> {
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, data_type)| ResultColumn { name: (*name).into(), data_type: data_type.clone(), nullable: true })
        .collect();
    sink.columns(&columns)
}

pub fn settings(server: &Server, tls: Tls) -> SourceSettings {
    SourceSettings {
        host: "127.0.0.1".into(),
        port: server.port(),
        database: DATABASE.into(),
        user: USER.into(),
        password: Secret::new(PASSWORD),
        tls,
        cleanup: CleanUpPolicy::Never,
        timeout: Duration::from_secs(20),
    }
}

pub fn trusting(file: PathBuf) -> Tls {
    Tls::Verify { ca_file: Some(file) }
}

impl Sessions for Scripted {
    fn login(&self, user: &str, password: &str, database: &str, _application: &str) -> Result<(Box<dyn Session>, String), Message> {
        if (user, password) != (USER, PASSWORD) {
            return Err(Message { class: 14, ..Message::error(18456, format!("Login failed for user '{user}'.")) });
        }
        if database != DATABASE {
            let text = format!("Cannot open database \"{database}\" requested by the login. The login failed.");
            return Err(Message { class: 11, ..Message::error(4060, text) });
        }
        self.0.lock().unwrap().logins += 1;
        Ok((Box::new(ScriptedSession(self.clone())), DATABASE.into()))
    }
}

struct ScriptedSession(Scripted);

impl Session for ScriptedSession {
    fn batch(&mut self, sql: &str, sink: &mut dyn Sink) -> Result<(), Cancelled> {
        self.execute_sql(sql, "", &[], sink)
    }

    fn execute_sql(&mut self, sql: &str, _declarations: &str, parameters: &[Parameter], sink: &mut dyn Sink) -> Result<(), Cancelled> {
        let answer = {
            let mut script = self.0.0.lock().unwrap();
            script.statements.push(sql.into());
            let fits = script.answers.iter().filter(|(part, _)| sql.contains(part.as_str()));
            fits.max_by_key(|(part, _)| part.len()).map(|(_, answer)| Arc::clone(answer))
        };
        match answer {
            Some(answer) => answer(parameters, sink),
            // Session settings and transactions; anything else is not in the script.
            None if sql.starts_with("SET ") || sql.starts_with("BEGIN ") || sql.starts_with("COMMIT ") => sink.done(None),
            None => {
                sink.message(&Message::error(102, format!("not in the script: {sql}")))?;
                sink.done(None)
            }
        }
    }

    fn procedure(&mut self, name: &str, _: &[Parameter], sink: &mut dyn Sink) -> Result<i32, Cancelled> {
        sink.message(&Message::error(2812, format!("not in the script: {name}")))?;
        Ok(1)
    }

    fn transaction(&mut self, _: &TransactionRequest) -> Result<u32, Message> {
        Err(Message::error(102, "not in the script"))
    }

    fn transaction_depth(&self) -> u32 {
        0
    }

    fn reset(&mut self) {}
}
