//! Requests at work: each becomes calls of the session, and its outcome goes to the reply.

use std::collections::HashMap;

use super::super::session::{Cancelled, Message, Parameter, Session, Sink, TransactionRequest};
use super::super::types::{DataType, Datum};
use super::calls::{Call, Procedure};
use super::declarations;
use super::packet::status;
use super::reply::Reply;
use super::request::{Prepared, Request, Work, handle_of, text_of};
use super::tokens::Change;

/// A session and what the wire remembers for it between requests.
pub(super) struct Runner {
    session: Box<dyn Session>,
    prepared: HashMap<i32, Prepared>,
    next_handle: i32,
    /// The transaction that the client knows of.
    open_transaction: Option<u64>,
    transactions: u64,
    /// The database of the login, to which a reset goes back.
    login_database: String,
    database: String,
}

impl Runner {
    pub(super) fn new(session: Box<dyn Session>, database: String) -> Self {
        Self {
            session,
            prepared: HashMap::new(),
            next_handle: 1,
            open_transaction: None,
            transactions: 0,
            login_database: database.clone(),
            database,
        }
    }

    pub(super) fn prepared(&self) -> &HashMap<i32, Prepared> {
        &self.prepared
    }

    pub(super) fn run(&mut self, flags: u8, request: &Request, reply: &mut Reply<'_>) -> Result<(), Cancelled> {
        let ran = self.run_work(flags, request, reply);
        self.note_transaction(&request.text, reply);
        if let Some(database) = reply.take_database() {
            self.database = database;
        }
        ran
    }

    fn run_work(&mut self, flags: u8, request: &Request, reply: &mut Reply<'_>) -> Result<(), Cancelled> {
        if flags & status::RESET_KEEPING_TRANSACTION != 0 && self.session.transaction_depth() > 0 {
            reply.error(&Message::error(50000, "The lab does not serve RESETCONNECTIONSKIPTRAN while a transaction is open."));
            return Err(Cancelled);
        }
        if flags & (status::RESET_CONNECTION | status::RESET_KEEPING_TRANSACTION) != 0 {
            self.reset(reply);
        }
        match &request.work {
            Work::Batch(sql) => self.session.batch(sql, reply),
            Work::Calls(calls) => calls.iter().filter(|call| !call.withdrawn).try_for_each(|call| self.call(call, &request.text, reply)),
            Work::Transaction(requests) => {
                for request in requests {
                    if let Err(message) = self.transaction(request, reply) {
                        reply.error(&message);
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// Ends the transaction of a deadlock's victim.
    pub(super) fn roll_back(&mut self, reply: &mut Reply<'_>) {
        if self.session.transaction_depth() > 0
            && let Err(message) = self.session.transaction(&TransactionRequest::Rollback { savepoint: None })
        {
            reply.error(&message);
        }
        self.note_end(reply, true);
    }

    fn reset(&mut self, reply: &mut Reply<'_>) {
        self.session.reset();
        self.prepared.clear();
        reply.change(Change::Reset);
        self.note_end(reply, true);
        if self.database != self.login_database {
            reply.change(Change::Database { from: &self.database, to: &self.login_database });
            self.database.clone_from(&self.login_database);
        }
    }

    fn transaction(&mut self, request: &TransactionRequest, reply: &mut Reply<'_>) -> Result<(), Message> {
        self.session.transaction(request)?;
        self.note_begin(reply);
        self.note_end(reply, matches!(request, TransactionRequest::Rollback { .. }));
        Ok(())
    }

    /// Tells the client when a statement has begun or ended a transaction. The session tells only
    /// the depth: an end counts as a rollback if the request speaks of one or failed.
    fn note_transaction(&mut self, text: &str, reply: &mut Reply<'_>) {
        let rolled_back = reply.last_error().is_some() || text.to_ascii_lowercase().contains("rollback");
        self.note_begin(reply);
        self.note_end(reply, rolled_back);
    }

    fn note_begin(&mut self, reply: &mut Reply<'_>) {
        if self.open_transaction.is_none() && self.session.transaction_depth() > 0 {
            self.transactions += 1;
            self.open_transaction = Some(self.transactions);
            reply.change_before_done(Change::Begin { transaction: self.transactions });
        }
    }

    fn note_end(&mut self, reply: &mut Reply<'_>, rolled_back: bool) {
        if self.session.transaction_depth() > 0 {
            return;
        }
        if let Some(transaction) = self.open_transaction.take() {
            reply.change_before_done(if rolled_back { Change::Rollback { transaction } } else { Change::Commit { transaction } });
        }
    }

    fn call(&mut self, call: &Call, text: &str, reply: &mut Reply<'_>) -> Result<(), Cancelled> {
        let mut parameters = call.parameters.clone();
        if let Procedure::Execute | Procedure::PrepareAndExecute | Procedure::ExecuteSql = call.procedure {
            self.name_parameters(call, &mut parameters);
        }
        reply.begin_call(outputs(&parameters));
        let status = match self.dispatch(call, &parameters, reply)? {
            Ok(status) => status,
            Err(message) => {
                reply.error(&message);
                message.number
            }
        };
        self.note_transaction(text, reply);
        reply.end_call(status);
        Ok(())
    }

    /// Gives parameters without a name the one that the declarations have for their place.
    fn name_parameters(&self, call: &Call, parameters: &mut [Parameter]) {
        let (skip, declared) = match call.procedure {
            Procedure::ExecuteSql => (2, parameters.get(1).and_then(|declared| text_of(&declared.value))),
            Procedure::PrepareAndExecute => (3, parameters.get(1).and_then(|declared| text_of(&declared.value))),
            _ => (1, handle_of(call).and_then(|handle| self.prepared.get(&handle)).map(|found| found.declarations.clone())),
        };
        let names = declarations::names(&declared.unwrap_or_default());
        for (parameter, name) in parameters.iter_mut().skip(skip).zip(names) {
            if parameter.name.is_empty() {
                parameter.name = name;
            }
        }
    }

    fn dispatch(&mut self, call: &Call, parameters: &[Parameter], reply: &mut Reply<'_>) -> Result<Result<i32, Message>, Cancelled> {
        match &call.procedure {
            Procedure::ExecuteSql => {
                let (sql, declarations) = match (unicode(parameters, 0, "statement"), optional_text(parameters, 1)) {
                    (Ok(sql), declarations) => (sql, declarations),
                    (Err(message), _) => return Ok(Err(message)),
                };
                self.session.execute_sql(&sql, &declarations, parameters.get(2..).unwrap_or_default(), reply)?;
                Ok(Ok(reply.last_error().unwrap_or(0)))
            }
            Procedure::Prepare => match unicode(parameters, 2, "stmt") {
                Err(message) => Ok(Err(message)),
                Ok(sql) => {
                    let handle = self.keep(sql, optional_text(parameters, 1));
                    reply.output(&parameters[0].name, &DataType::Int, &Datum::Int(i64::from(handle)))?;
                    Ok(Ok(0))
                }
            },
            Procedure::PrepareAndExecute => match unicode(parameters, 2, "stmt") {
                Err(message) => Ok(Err(message)),
                Ok(sql) => {
                    let declarations = optional_text(parameters, 1);
                    let handle = self.keep(sql.clone(), declarations.clone());
                    self.session.execute_sql(&sql, &declarations, parameters.get(3..).unwrap_or_default(), reply)?;
                    reply.output(&parameters[0].name, &DataType::Int, &Datum::Int(i64::from(handle)))?;
                    Ok(Ok(reply.last_error().unwrap_or(0)))
                }
            },
            Procedure::Execute => {
                let Some(found) = handle_of(call).and_then(|handle| self.prepared.get(&handle)) else {
                    return Ok(Err(no_handle(call)));
                };
                self.session.execute_sql(&found.sql, &found.declarations, parameters.get(1..).unwrap_or_default(), reply)?;
                Ok(Ok(reply.last_error().unwrap_or(0)))
            }
            Procedure::Unprepare => {
                let removed = handle_of(call).and_then(|handle| self.prepared.remove(&handle));
                Ok(if removed.is_some() { Ok(0) } else { Err(no_handle(call)) })
            }
            Procedure::ResetConnection => {
                self.reset(reply);
                Ok(Ok(0))
            }
            Procedure::Named(name) => self.session.procedure(name, parameters, reply).map(Ok),
            Procedure::Unserved(number, name) => {
                Ok(Err(Message::error(50000, format!("The lab does not serve {name} (remote procedure call {number})."))))
            }
        }
    }

    fn keep(&mut self, sql: String, declarations: String) -> i32 {
        let handle = self.next_handle;
        self.next_handle += 1;
        self.prepared.insert(handle, Prepared { sql, declarations });
        handle
    }
}

/// The OUTPUT parameters of a call with their places.
fn outputs(parameters: &[Parameter]) -> Vec<(String, u16)> {
    (0..).zip(parameters).filter(|(_, parameter)| parameter.output).map(|(at, parameter)| (parameter.name.clone(), at)).collect()
}

/// A parameter that SQL Server takes as nvarchar only.
fn unicode(parameters: &[Parameter], at: usize, name: &str) -> Result<String, Message> {
    match parameters.get(at) {
        Some(Parameter { data_type: DataType::NVarChar(_) | DataType::NChar(_), value: Datum::Text(units), .. }) => {
            Ok(String::from_utf16_lossy(units))
        }
        _ => Err(Message::error(214, format!("Procedure expects parameter '@{name}' of type 'ntext/nchar/nvarchar'."))),
    }
}

fn optional_text(parameters: &[Parameter], at: usize) -> String {
    parameters.get(at).and_then(|parameter| text_of(&parameter.value)).unwrap_or_default()
}

fn no_handle(call: &Call) -> Message {
    let handle = handle_of(call).unwrap_or_default();
    Message::error(8179, format!("Could not find prepared statement with handle {handle}."))
}
