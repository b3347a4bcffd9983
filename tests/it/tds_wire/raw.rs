//! Byte by byte: what no driver at hand lets a test send or see.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const BATCH: u8 = 1;
const RPC: u8 = 3;
const ATTENTION: u8 = 6;
const BULK: u8 = 7;
const END: u8 = 1;
const IGNORE: u8 = 2;
const RESET: u8 = 8;

/// ALL_HEADERS with nothing but the transaction, as every request of TDS 7.2 and later has it.
const HEADERS: [u8; 22] = [22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];

struct Raw(TcpStream);

impl Raw {
    async fn connect(server: &Server) -> Self {
        Self::connect_as(server, 0x7400_0004).await.0
    }

    /// Logs in with this version of the protocol; gives the answer too.
    async fn connect_as(server: &Server, version: u32) -> (Self, Vec<u8>) {
        let mut raw = Self(TcpStream::connect(server.address()).await.unwrap());
        raw.send(18, END, &[1, 0, 6, 0, 1, 0xFF, 2]).await;
        raw.reply().await;
        let mut login = vec![0; 94];
        login[4..8].copy_from_slice(&version.to_le_bytes());
        login[8..12].copy_from_slice(&4096_u32.to_le_bytes());
        for (at, text) in [(40, USER), (44, PASSWORD), (68, DATABASE)] {
            let offset = u16::try_from(login.len()).unwrap();
            login[at..at + 2].copy_from_slice(&offset.to_le_bytes());
            login[at + 2] = u8::try_from(text.encode_utf16().count()).unwrap();
            login.extend(
                text.encode_utf16().flat_map(u16::to_le_bytes).map(|byte| if at == 44 { byte.rotate_left(4) ^ 0xA5 } else { byte }),
            );
        }
        raw.send(16, END, &login).await;
        let answer = raw.reply().await;
        (raw, answer)
    }

    async fn send(&mut self, kind: u8, status: u8, body: &[u8]) {
        let length = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
        let packet = [&[kind, status, length[0], length[1], 0, 0, 1, 0], body].concat();
        self.0.write_all(&packet).await.unwrap();
    }

    async fn batch(&mut self, status: u8, sql: &str) {
        let text: Vec<u8> = sql.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.send(BATCH, status, &[&HEADERS[..], &text].concat()).await;
    }

    /// The tokens of the next message.
    async fn reply(&mut self) -> Vec<u8> {
        let mut tokens = Vec::new();
        loop {
            let mut header = [0; 8];
            self.0.read_exact(&mut header).await.unwrap();
            assert_eq!(header[0], 4, "a server sends replies only");
            let mut payload = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]])) - 8];
            self.0.read_exact(&mut payload).await.unwrap();
            tokens.extend(payload);
            if header[1] & END != 0 {
                return tokens;
            }
        }
    }
}

/// A DONE of the kind with these bits.
fn done(kind: u8, status: u8, command: u8, rows: u8) -> Vec<u8> {
    vec![kind, status, 0, command, 0, rows, 0, 0, 0, 0, 0, 0, 0]
}

/// Column metadata and row of the echo's `number`.
fn one_number(value: u8) -> Vec<u8> {
    vec![0x81, 1, 0, 0, 0, 0, 0, 8, 0, 0x38, 1, b'v', 0, 0xD1, value, 0, 0, 0]
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    let needle: Vec<u8> = needle.encode_utf16().flat_map(u16::to_le_bytes).collect();
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn only_the_last_done_says_that_nothing_follows() {
    let (server, _events) = plain_server().await;
    let mut raw = Raw::connect(&server).await;
    raw.batch(END, "two").await;
    let reply = raw.reply().await;
    let first = [one_number(1), done(0xFD, 0x11, 0xC1, 1)].concat();
    assert_eq!(reply[..first.len()], first);
    assert_eq!(reply[reply.len() - 13..], done(0xFD, 0x10, 0xC1, 2));
    raw.batch(END, "update 9").await;
    assert_eq!(raw.reply().await, done(0xFD, 0x10, 0xC5, 9));
    raw.batch(END, "nothing").await;
    assert_eq!(raw.reply().await, done(0xFD, 0, 0, 0));
    raw.batch(END, "raise 208").await;
    let reply = raw.reply().await;
    assert_eq!(reply[0], 0xAB, "the information comes first");
    assert_eq!(reply[reply.len() - 13..], done(0xFD, 2, 0, 0));
}

#[tokio::test]
async fn several_calls_of_one_request_are_answered_in_one_message() {
    let (server, _events) = plain_server().await;
    let mut raw = Raw::connect(&server).await;
    let execute_sql = |sql: &str| {
        let text: Vec<u8> = sql.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u8::try_from(text.len()).unwrap();
        // By number 10, no flags; one nvarchar(4000) without a name.
        [&[0xFF, 0xFF, 10, 0, 0, 0, 0, 0, 0xE7, 0x40, 0x1F, 9, 4, 0xD0, 0, 0x34, length, 0][..], &text].concat()
    };
    let next = [0xFF];
    let withdrawn = [0xFE];
    let calls = [execute_sql("number 1"), execute_sql("number 2"), execute_sql("update 3")];
    raw.send(RPC, END, &[&HEADERS[..], &calls[0], &next, &calls[1], &withdrawn, &calls[2]].concat()).await;
    let status = [0x79, 0, 0, 0, 0];
    let first = [&one_number(1)[..], &done(0xFF, 0x11, 0xC1, 1), &status, &done(0xFE, 1, 0, 0)].concat();
    let last = [&done(0xFF, 0x11, 0xC5, 3)[..], &status, &done(0xFE, 0, 0, 0)].concat();
    assert_eq!(raw.reply().await, [first, last].concat());
}

#[tokio::test]
async fn a_statement_that_begins_or_ends_a_transaction_says_so() {
    let (server, _events) = plain_server().await;
    let mut raw = Raw::connect(&server).await;
    for (sql, kind) in [("begin", 8), ("commit", 9), ("begin", 8), ("rollback", 10)] {
        raw.batch(END, sql).await;
        let reply = raw.reply().await;
        assert_eq!((reply[0], reply[3], reply.len()), (0xE3, kind, 14 + 13), "{sql}");
    }
}

#[tokio::test]
async fn a_reset_goes_before_the_request() {
    let (server, mut events) = plain_server().await;
    let mut raw = Raw::connect(&server).await;
    events.recv().await.unwrap();
    raw.batch(END, "use Elsewhere").await;
    assert!(contains(&raw.reply().await, "Elsewhere"));
    raw.batch(END, "begin").await;
    raw.reply().await;
    raw.batch(END | RESET, "number 4").await;
    let reply = raw.reply().await;
    assert_eq!(reply[..6], [0xE3, 3, 0, 18, 0, 0], "acknowledged");
    assert_eq!(reply[6 + 3], 10, "the transaction was rolled back");
    assert!(contains(&reply, DATABASE), "back in the database of the login");
    assert_eq!(reply[reply.len() - 13 - 18..], [one_number(4), done(0xFD, 0x10, 0xC1, 1)].concat());
    let seen: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    assert_eq!(seen[2..], [Event::Reset, Event::Statement("number 4".into())]);
}

#[tokio::test]
async fn an_idle_attention_gets_its_own_message() {
    let (server, _events) = plain_server().await;
    let mut raw = Raw::connect(&server).await;
    raw.send(ATTENTION, END, &[]).await;
    assert_eq!(raw.reply().await, done(0xFD, 0x20, 0, 0));
}

#[tokio::test]
async fn a_request_given_up_while_sending_does_not_run() {
    let (server, mut events) = plain_server().await;
    let mut raw = Raw::connect(&server).await;
    events.recv().await.unwrap();
    raw.batch(0, "update 1 of ").await;
    raw.send(BATCH, END | IGNORE, &[]).await;
    let reply = raw.reply().await;
    assert_eq!(reply[reply.len() - 13..], done(0xFD, 2, 0, 0));
    raw.batch(END, "update 2").await;
    assert_eq!(raw.reply().await, done(0xFD, 0x10, 0xC5, 2));
    assert_eq!(events.try_recv(), Ok(Event::Statement("update 2".into())));
}

#[tokio::test]
async fn requests_that_are_not_served_are_named_and_torn_ones_refused() {
    let (server, _events) = plain_server().await;
    let mut raw = Raw::connect(&server).await;
    raw.send(BULK, END, &[0x81]).await;
    assert!(contains(&raw.reply().await, "bulk load"));
    raw.send(BATCH, END, &[99, 0, 0, 0]).await;
    assert!(contains(&raw.reply().await, "The incoming tabular data stream (TDS) protocol stream is incorrect."));
    raw.send(RPC, END, &[&HEADERS[..], &[0xFF, 0xFF, 10]].concat()).await;
    assert!(contains(&raw.reply().await, "The incoming tabular data stream (TDS) protocol stream is incorrect."));
    raw.batch(END, "update 2").await;
    assert_eq!(raw.reply().await, done(0xFD, 0x10, 0xC5, 2));
}

#[tokio::test]
async fn the_login_answers_with_the_version_that_both_know() {
    let (server, _events) = plain_server().await;
    for (asked, answered) in [(0x7209_0002, 0x7209_0002_u32), (0x730B_0003, 0x730B_0003), (0x7400_0004, 0x7400_0004)] {
        let (_, answer) = Raw::connect_as(&server, asked).await;
        let acknowledged = [&[1][..], &answered.to_be_bytes(), &[20]].concat();
        assert!(answer.windows(6).any(|window| window == acknowledged), "{asked:x}");
        assert_eq!(answer[answer.len() - 13..], done(0xFD, 0, 0, 0));
    }
    let (_, refused) = Raw::connect_as(&server, 0x7100_0001).await;
    assert_eq!(refused[refused.len() - 9..], [0xFD, 2, 0, 0, 0, 0, 0, 0, 0], "with a count of four bytes");
}

#[tokio::test]
async fn what_is_no_tds_is_hung_up_on() {
    let (server, _events) = plain_server().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n").await.unwrap();
    drop(server);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}
