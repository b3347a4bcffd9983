//! Tokens of the server's replies (MS-TDS 2.2.7), except rows.

use super::super::session::Message;
use super::super::types::{DataType, Datum, ResultColumn};
use super::bytes::{put_block, put_short_text, put_text, put_u16, put_u32, put_u64};
use super::login::Version;
use super::prelogin::PRODUCT_VERSION;
use super::type_info::{self, COLLATION};
use super::values::{self, Mismatch};

/// The name by which messages say where they come from.
pub(super) const SERVER_NAME: &str = "LAB";
/// The longest identifier; a column's name is cut there.
const NAME_UNITS: usize = 128;

const RETURN_STATUS: u8 = 0x79;
const COLUMN_METADATA: u8 = 0x81;
const ERROR: u8 = 0xAA;
const INFO: u8 = 0xAB;
const RETURN_VALUE: u8 = 0xAC;
const LOGIN_ACK: u8 = 0xAD;
pub(super) const ROW: u8 = 0xD1;
pub(super) const ROW_WITH_NULL_BITMAP: u8 = 0xD2;
const ENVIRONMENT_CHANGE: u8 = 0xE3;

/// Which DONE it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DoneKind {
    /// After a statement of a batch.
    Done = 0xFD,
    /// After a procedure.
    DoneProc = 0xFE,
    /// After a statement inside a procedure.
    DoneInProc = 0xFF,
}

/// Bits of DONE.
pub(super) mod done {
    pub const FINAL: u16 = 0;
    pub const MORE: u16 = 0x01;
    pub const ERROR: u16 = 0x02;
    pub const COUNT: u16 = 0x10;
    pub const ATTENTION: u16 = 0x20;
}

/// The command that a DONE reports: the protocol leaves the numbers to the server, and the
/// engine does not tell which statement it ran, so rows are a SELECT and counts an UPDATE.
pub(super) mod command {
    pub const NONE: u16 = 0;
    pub const SELECT: u16 = 0xC1;
    pub const UPDATE: u16 = 0xC5;
}

pub(super) fn put_done(out: &mut Vec<u8>, kind: DoneKind, status: u16, command: u16, rows: u64) {
    out.push(kind as u8);
    put_u16(out, status);
    put_u16(out, command);
    put_u64(out, rows);
}

pub(super) fn put_return_status(out: &mut Vec<u8>, status: i32) {
    out.push(RETURN_STATUS);
    out.extend_from_slice(&status.to_le_bytes());
}

/// INFO up to severity 10, ERROR above.
pub(super) fn put_message(out: &mut Vec<u8>, message: &Message) {
    out.push(if message.class > 10 { ERROR } else { INFO });
    put_block(out, |out| {
        put_message_head(out, message);
        put_u32(out, message.line);
    });
}

/// A refused login and its end as clients before TDS 7.2 read them: with a short line number and
/// a short row count.
pub(super) fn put_old_refusal(out: &mut Vec<u8>, message: &Message) {
    out.push(ERROR);
    put_block(out, |out| {
        put_message_head(out, message);
        put_u16(out, 1);
    });
    out.push(DoneKind::Done as u8);
    put_u16(out, done::ERROR);
    put_u16(out, command::NONE);
    put_u32(out, 0);
}

fn put_message_head(out: &mut Vec<u8>, message: &Message) {
    out.extend_from_slice(&message.number.to_le_bytes());
    out.push(message.state);
    out.push(message.class);
    put_text(out, &message.text);
    put_short_text(out, SERVER_NAME);
    put_short_text(out, &message.procedure);
}

/// What changed in the client's environment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change<'a> {
    Database { from: &'a str, to: &'a str },
    Language,
    PacketSize { from: usize, to: usize },
    Collation,
    Begin { transaction: u64 },
    Commit { transaction: u64 },
    Rollback { transaction: u64 },
    Reset,
}

pub(super) fn put_change(out: &mut Vec<u8>, change: Change<'_>) {
    out.push(ENVIRONMENT_CHANGE);
    put_block(out, |out| {
        let texts = |out: &mut Vec<u8>, kind: u8, to: &str, from: &str| {
            out.push(kind);
            put_short_text(out, to);
            put_short_text(out, from);
        };
        let ended = |out: &mut Vec<u8>, kind: u8, transaction: u64| {
            out.extend_from_slice(&[kind, 0, 8]);
            put_u64(out, transaction);
        };
        match change {
            Change::Database { from, to } => texts(out, 1, to, from),
            Change::Language => texts(out, 2, "us_english", ""),
            Change::PacketSize { from, to } => texts(out, 4, &to.to_string(), &from.to_string()),
            Change::Collation => {
                out.extend_from_slice(&[7, 5]);
                out.extend_from_slice(&COLLATION);
                out.push(0);
            }
            Change::Begin { transaction } => {
                out.extend_from_slice(&[8, 8]);
                put_u64(out, transaction);
                out.push(0);
            }
            Change::Commit { transaction } => ended(out, 9, transaction),
            Change::Rollback { transaction } => ended(out, 10, transaction),
            Change::Reset => out.extend_from_slice(&[18, 0, 0]),
        }
    });
}

pub(super) fn put_login_ack(out: &mut Vec<u8>, version: Version) {
    out.push(LOGIN_ACK);
    put_block(out, |out| {
        // The T-SQL interface; the version stands here with its high byte first.
        out.push(1);
        out.extend_from_slice(&version.0.to_be_bytes());
        put_short_text(out, "Microsoft SQL Server");
        out.extend_from_slice(&PRODUCT_VERSION);
    });
}

pub(super) fn put_columns(out: &mut Vec<u8>, columns: &[ResultColumn]) {
    /// The column may be written to, as far as the server knows.
    const UPDATEABLE: u16 = 0x08;
    out.push(COLUMN_METADATA);
    put_u16(out, u16::try_from(columns.len()).unwrap_or(u16::MAX));
    for column in columns {
        put_u32(out, type_info::user_type(&column.data_type));
        put_u16(out, UPDATEABLE | u16::from(column.nullable));
        type_info::put(out, &column.data_type, !column.nullable);
        if type_info::names_its_table(&column.data_type) {
            // One part without a name: the engine does not say which table a column came from.
            out.push(1);
            put_text(out, "");
        }
        let units: Vec<u16> = column.name.encode_utf16().take(NAME_UNITS).collect();
        put_short_text(out, &String::from_utf16_lossy(&units));
    }
}

pub(super) fn put_return_value(out: &mut Vec<u8>, ordinal: u16, name: &str, data_type: &DataType, value: &Datum) -> Result<(), Mismatch> {
    /// An OUTPUT parameter, as opposed to the result of a function.
    const OUTPUT: u8 = 1;
    out.push(RETURN_VALUE);
    put_u16(out, ordinal);
    put_short_text(out, name);
    out.push(OUTPUT);
    put_u32(out, type_info::user_type(data_type));
    put_u16(out, 1);
    type_info::put(out, data_type, false);
    values::put(out, data_type, true, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn severity_decides_between_error_and_information() {
        let mut message = Message::error(208, "no");
        let error = written(|out| put_message(out, &message));
        let expected = [&[0xAA, 24, 0, 208, 0, 0, 0, 1, 16, 2, 0][..], b"n\0o\0", &[3], b"L\0A\0B\0", &[0, 1, 0, 0, 0]].concat();
        assert_eq!(error, expected);
        message.class = 10;
        assert_eq!(written(|out| put_message(out, &message))[0], 0xAB);
    }

    #[test]
    fn transactions_change_the_environment() {
        assert_eq!(written(|out| put_change(out, Change::Begin { transaction: 7 })), [0xE3, 11, 0, 8, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(written(|out| put_change(out, Change::Commit { transaction: 7 })), [0xE3, 11, 0, 9, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(written(|out| put_change(out, Change::Rollback { transaction: 7 }))[3], 10);
    }

    #[test]
    fn done_carries_a_long_count() {
        let out = written(|out| put_done(out, DoneKind::Done, done::COUNT, command::SELECT, 258));
        assert_eq!(out, [0xFD, 0x10, 0, 0xC1, 0, 2, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn metadata_says_whether_null_may_come() {
        let column = |nullable| ResultColumn { name: "a".into(), data_type: DataType::Int, nullable };
        let out = written(|out| put_columns(out, &[column(true), column(false)]));
        assert_eq!(out, [0x81, 2, 0, 0, 0, 0, 0, 9, 0, 0x26, 4, 1, b'a', 0, 0, 0, 0, 0, 8, 0, 0x38, 1, b'a', 0]);
    }

    #[test]
    fn a_return_value_is_nullable() {
        let out = written(|out| put_return_value(out, 0, "@h", &DataType::Int, &Datum::Int(5)).unwrap());
        assert_eq!(out, [0xAC, 0, 0, 2, b'@', 0, b'h', 0, 1, 0, 0, 0, 0, 1, 0, 0x26, 4, 4, 5, 0, 0, 0]);
    }
}
