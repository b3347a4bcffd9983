//! Transaction manager requests (MS-TDS 2.2.6.9).

use super::super::session::{Message, TransactionRequest};
use super::bytes::{Malformed, Reader};
use super::calls::malformed;

const BEGIN: u16 = 5;
const COMMIT: u16 = 7;
const ROLLBACK: u16 = 8;
const SAVE: u16 = 9;

/// The kinds that belong to distributed transactions.
const DISTRIBUTED: [(u16, &str); 3] = [(0, "TM_GET_DTC_ADDRESS"), (1, "TM_PROPAGATE_XACT"), (6, "TM_PROMOTE_XACT")];

/// The flag of COMMIT and ROLLBACK that begins a new transaction at once.
const BEGIN_NEXT: u8 = 0x01;

/// Reads a request: what to do, in order.
pub(super) fn read(body: &[u8]) -> Result<Vec<TransactionRequest>, Message> {
    let mut reader = Reader::new(body);
    reader.skip_all_headers().map_err(malformed)?;
    let kind = reader.u16().map_err(malformed)?;
    let parsed = match kind {
        BEGIN => begin(&mut reader).map(|request| vec![request]),
        COMMIT => name(&mut reader).and_then(|_| and_begin(TransactionRequest::Commit, &mut reader)),
        ROLLBACK => name(&mut reader).and_then(|savepoint| and_begin(TransactionRequest::Rollback { savepoint }, &mut reader)),
        SAVE => name(&mut reader).map(|name| vec![TransactionRequest::Save { name: name.unwrap_or_default() }]),
        other => {
            let name = DISTRIBUTED.iter().find(|(known, _)| *known == other).map_or("unknown", |(_, name)| name);
            return Err(Message::error(50000, format!("The lab does not serve the transaction manager request {other} ({name}).")));
        }
    };
    parsed.map_err(malformed)
}

/// How a request reads in the words of T-SQL, for faults that look for a text.
pub(super) fn describe(request: &TransactionRequest) -> String {
    match request {
        TransactionRequest::Begin { .. } => "BEGIN TRANSACTION".into(),
        TransactionRequest::Commit => "COMMIT TRANSACTION".into(),
        TransactionRequest::Rollback { savepoint: None } => "ROLLBACK TRANSACTION".into(),
        TransactionRequest::Rollback { savepoint: Some(name) } => format!("ROLLBACK TRANSACTION {name}"),
        TransactionRequest::Save { name } => format!("SAVE TRANSACTION {name}"),
    }
}

fn begin(reader: &mut Reader<'_>) -> Result<TransactionRequest, Malformed> {
    let isolation = reader.u8()?;
    name(reader)?;
    Ok(TransactionRequest::Begin { isolation })
}

fn name(reader: &mut Reader<'_>) -> Result<Option<String>, Malformed> {
    let name = reader.short_text()?;
    Ok((!name.is_empty()).then_some(name))
}

fn and_begin(request: TransactionRequest, reader: &mut Reader<'_>) -> Result<Vec<TransactionRequest>, Malformed> {
    // Some clients leave the flags out.
    if reader.is_empty() || reader.u8()? & BEGIN_NEXT == 0 {
        return Ok(vec![request]);
    }
    Ok(vec![request, begin(reader)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(rest: &[u8]) -> Result<Vec<TransactionRequest>, Message> {
        read(&[&[4, 0, 0, 0], rest].concat())
    }

    #[test]
    fn reads_each_kind() {
        assert_eq!(request(&[5, 0, 4, 0]).unwrap(), [TransactionRequest::Begin { isolation: 4 }]);
        assert_eq!(request(&[7, 0, 0, 0]).unwrap(), [TransactionRequest::Commit]);
        assert_eq!(request(&[8, 0, 0, 0]).unwrap(), [TransactionRequest::Rollback { savepoint: None }]);
        assert_eq!(request(&[8, 0, 1, b's', 0, 0]).unwrap(), [TransactionRequest::Rollback { savepoint: Some("s".into()) }]);
        assert_eq!(request(&[9, 0, 1, b's', 0]).unwrap(), [TransactionRequest::Save { name: "s".into() }]);
        let chained = request(&[7, 0, 0, 1, 2, 0]).unwrap();
        assert_eq!(chained, [TransactionRequest::Commit, TransactionRequest::Begin { isolation: 2 }]);
    }

    #[test]
    fn distributed_transactions_are_refused_by_name() {
        assert!(request(&[6, 0]).unwrap_err().text.contains("TM_PROMOTE_XACT"));
        assert_eq!(request(&[5]).unwrap_err().number, 4002);
    }
}
