//! RPC requests: which procedure with which parameters (MS-TDS 2.2.6.6).

use super::super::session::{Message, Parameter};
use super::super::types::Datum;
use super::bytes::{Malformed, Reader};
use super::parameters::{self, ParameterError};

/// What a call asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Procedure {
    ExecuteSql,
    Prepare,
    Execute,
    PrepareAndExecute,
    Unprepare,
    ResetConnection,
    /// Any other, as it was named.
    Named(String),
    /// A well-known number that the lab does not serve.
    Unserved(u16, &'static str),
}

/// The procedures that have numbers.
const NUMBERED: [(u16, &str); 15] = [
    (1, "sp_cursor"),
    (2, "sp_cursoropen"),
    (3, "sp_cursorprepare"),
    (4, "sp_cursorexecute"),
    (5, "sp_cursorprepexec"),
    (6, "sp_cursorunprepare"),
    (7, "sp_cursorfetch"),
    (8, "sp_cursoroption"),
    (9, "sp_cursorclose"),
    (10, "sp_executesql"),
    (11, "sp_prepare"),
    (12, "sp_execute"),
    (13, "sp_prepexec"),
    (14, "sp_prepexecrpc"),
    (15, "sp_unprepare"),
];

impl Procedure {
    fn numbered(number: u16) -> Self {
        let name = NUMBERED.iter().find(|(known, _)| *known == number).map_or("unknown", |(_, name)| name);
        Self::served(name).unwrap_or(Self::Unserved(number, name))
    }

    fn named(name: String) -> Self {
        // The system procedures answer to any qualification: sys.sp_prepare, master..sp_prepare.
        let last = name.rsplit('.').next().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        if let Some(served) = Self::served(&last) {
            return served;
        }
        NUMBERED.iter().find(|(_, known)| *known == last).map_or(Self::Named(name), |(number, name)| Self::Unserved(*number, name))
    }

    fn served(name: &str) -> Option<Self> {
        Some(match name {
            "sp_executesql" => Self::ExecuteSql,
            "sp_prepare" => Self::Prepare,
            "sp_execute" => Self::Execute,
            "sp_prepexec" => Self::PrepareAndExecute,
            "sp_unprepare" => Self::Unprepare,
            "sp_reset_connection" => Self::ResetConnection,
            _ => return None,
        })
    }
}

/// One call of a request.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Call {
    pub procedure: Procedure,
    pub parameters: Vec<Parameter>,
    /// The client took the call back after writing it.
    pub withdrawn: bool,
}

const BY_NUMBER: u16 = 0xFFFF;
const NEXT_CALL: u8 = 0xFF;
const WITHDRAWN: u8 = 0xFE;

const FLAG_OUTPUT: u8 = 0x01;
const FLAG_DEFAULT: u8 = 0x02;

/// Reads all calls of a request.
pub(super) fn read(body: &[u8]) -> Result<Vec<Call>, Message> {
    let mut reader = Reader::new(body);
    reader.skip_all_headers().map_err(malformed)?;
    let mut calls = Vec::new();
    while !reader.is_empty() {
        calls.push(read_call(&mut reader)?);
    }
    if calls.is_empty() { Err(malformed(Malformed)) } else { Ok(calls) }
}

fn read_call(reader: &mut Reader<'_>) -> Result<Call, Message> {
    let name_length = reader.u16().map_err(malformed)?;
    let procedure = if name_length == BY_NUMBER {
        Procedure::numbered(reader.u16().map_err(malformed)?)
    } else {
        Procedure::named(reader.text(usize::from(name_length)).map_err(malformed)?)
    };
    reader.u16().map_err(malformed)?;
    let mut call = Call { procedure, parameters: Vec::new(), withdrawn: false };
    loop {
        match reader.peek() {
            None => return Ok(call),
            Some(separator @ (NEXT_CALL | WITHDRAWN)) => {
                reader.u8().map_err(malformed)?;
                call.withdrawn = separator == WITHDRAWN;
                return Ok(call);
            }
            Some(_) => {
                let number = call.parameters.len() + 1;
                if let Some(parameter) = read_parameter(reader, number)? {
                    call.parameters.push(parameter);
                }
            }
        }
    }
}

/// `None` for a named parameter whose default is asked for: as if it were left out.
fn read_parameter(reader: &mut Reader<'_>, number: usize) -> Result<Option<Parameter>, Message> {
    let name = reader.short_text().map_err(malformed)?;
    let flags = reader.u8().map_err(malformed)?;
    let (data_type, value) = parameters::read(reader).map_err(|error| match error {
        ParameterError::Malformed => malformed(Malformed),
        ParameterError::UnknownType(code) => Message::error(
            8009,
            format!(
                "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream is incorrect. \
                 Parameter {number} (\"{name}\"): Data type 0x{code:02X} is unknown."
            ),
        ),
    })?;
    if flags & FLAG_DEFAULT != 0 && !name.is_empty() {
        return Ok(None);
    }
    let value = if flags & FLAG_DEFAULT != 0 { Datum::Null } else { value };
    Ok(Some(Parameter { name, data_type, value, output: flags & FLAG_OUTPUT != 0 }))
}

/// What SQL Server says to a request that it cannot read.
pub(super) fn malformed(_: Malformed) -> Message {
    Message::error(4002, "The incoming tabular data stream (TDS) protocol stream is incorrect. The stream ended unexpectedly.")
}

#[cfg(test)]
mod tests {
    use super::super::super::types::DataType;
    use super::*;

    const HEADERS: [u8; 4] = [4, 0, 0, 0];
    /// Parameter without a name, by value: int 7.
    const SEVEN: [u8; 9] = [0, 0, 0x26, 4, 4, 7, 0, 0, 0];

    #[test]
    fn several_calls_stand_in_one_request() {
        let mut body = HEADERS.to_vec();
        body.extend([0xFF, 0xFF, 12, 0, 0, 0]);
        body.extend(SEVEN);
        body.push(NEXT_CALL);
        body.extend([2, 0, b'p', 0, b'q', 0, 0, 0]);
        body.push(WITHDRAWN);
        body.extend([0xFF, 0xFF, 2, 0, 0, 0]);
        let calls = read(&body).unwrap();
        assert_eq!(calls.len(), 3);
        assert_eq!((&calls[0].procedure, calls[0].withdrawn), (&Procedure::Execute, false));
        assert_eq!(calls[0].parameters[0].value, Datum::Int(7));
        assert_eq!((&calls[1].procedure, calls[1].withdrawn), (&Procedure::Named("pq".into()), true));
        assert_eq!(calls[2].procedure, Procedure::Unserved(2, "sp_cursoropen"));
    }

    #[test]
    fn system_procedures_answer_to_any_qualification() {
        assert_eq!(Procedure::named("SYS.[sp_ExecuteSql]".into()), Procedure::ExecuteSql);
        assert_eq!(Procedure::named("sp_cursorclose".into()), Procedure::Unserved(9, "sp_cursorclose"));
        assert_eq!(Procedure::named("sys.sp_cdc_enable_db".into()), Procedure::Named("sys.sp_cdc_enable_db".into()));
    }

    #[test]
    fn flags_tell_output_and_default() {
        let mut body = HEADERS.to_vec();
        body.extend([1, 0, b'p', 0, 0, 0]);
        body.extend([2, b'@', 0, b'o', 0, FLAG_OUTPUT, 0x26, 4, 0]);
        body.extend([2, b'@', 0, b'd', 0, FLAG_DEFAULT, 0x26, 4, 0]);
        let calls = read(&body).unwrap();
        let output = Parameter { name: "@o".into(), data_type: DataType::Int, value: Datum::Null, output: true };
        assert_eq!(calls[0].parameters, [output]);
    }

    #[test]
    fn an_unknown_type_is_named() {
        let mut body = HEADERS.to_vec();
        body.extend([1, 0, b'p', 0, 0, 0, 0, 0, 0xF3]);
        let message = read(&body).unwrap_err();
        assert_eq!(message.number, 8009);
        assert!(message.text.contains("0xF3"));
        assert_eq!(read(&HEADERS).unwrap_err().number, 4002);
    }
}
