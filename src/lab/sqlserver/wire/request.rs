//! Requests: what a message of a client asks for.

use std::collections::HashMap;

use super::super::session::{Message, TransactionRequest};
use super::super::types::Datum;
use super::bytes::{Reader, utf16_units};
use super::calls::{self, Call, Procedure, malformed};
use super::packet::{self, kind};
use super::transactions;

/// A statement behind a handle.
pub(super) struct Prepared {
    pub sql: String,
    pub declarations: String,
}

pub(super) enum Work {
    Batch(String),
    Calls(Vec<Call>),
    Transaction(Vec<TransactionRequest>),
}

pub(super) struct Request {
    pub work: Work,
    /// The statement, for faults that look for a text.
    pub text: String,
}

impl Request {
    pub(super) fn read(message: &packet::Message, prepared: &HashMap<i32, Prepared>) -> Result<Self, Message> {
        match message.kind {
            kind::SQL_BATCH => {
                let mut reader = Reader::new(&message.body);
                reader.skip_all_headers().map_err(malformed)?;
                let text = String::from_utf16_lossy(&utf16_units(reader.remaining()));
                Ok(Self { work: Work::Batch(text.clone()), text })
            }
            kind::RPC => {
                let calls = calls::read(&message.body)?;
                let text = calls.iter().map(|call| describe(call, prepared)).collect::<Vec<_>>().join("\n");
                Ok(Self { work: Work::Calls(calls), text })
            }
            kind::TRANSACTION => {
                let requests = transactions::read(&message.body)?;
                let text = requests.iter().map(transactions::describe).collect::<Vec<_>>().join("\n");
                Ok(Self { work: Work::Transaction(requests), text })
            }
            other => {
                let name = match other {
                    kind::BULK_LOAD => "bulk load",
                    kind::SSPI => "SSPI",
                    kind::OLD_LOGIN | kind::LOGIN7 | kind::PRELOGIN => "login",
                    _ => "unknown",
                };
                Err(Message::error(50000, format!("The lab does not serve requests of type {other} ({name}).")))
            }
        }
    }
}

/// The statement of a call, or the name of its procedure.
fn describe(call: &Call, prepared: &HashMap<i32, Prepared>) -> String {
    let text = |at: usize| call.parameters.get(at).and_then(|parameter| text_of(&parameter.value));
    match &call.procedure {
        Procedure::ExecuteSql => text(0).unwrap_or_default(),
        Procedure::Prepare | Procedure::PrepareAndExecute => text(2).unwrap_or_default(),
        Procedure::Execute => handle_of(call).and_then(|handle| prepared.get(&handle)).map(|found| found.sql.clone()).unwrap_or_default(),
        Procedure::Unprepare => "sp_unprepare".into(),
        Procedure::ResetConnection => "sp_reset_connection".into(),
        Procedure::Named(name) => name.clone(),
        Procedure::Unserved(_, name) => (*name).into(),
    }
}

pub(super) fn text_of(value: &Datum) -> Option<String> {
    match value {
        Datum::Text(units) => Some(String::from_utf16_lossy(units)),
        _ => None,
    }
}

pub(super) fn handle_of(call: &Call) -> Option<i32> {
    match call.parameters.first()?.value {
        Datum::Int(handle) => i32::try_from(handle).ok(),
        _ => None,
    }
}
