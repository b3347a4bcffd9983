//! Packets: eight bytes of header, then a slice of a message (MS-TDS 2.2.3).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

pub(super) const HEADER: usize = 8;
/// The size before LOGIN7 has negotiated another.
pub(super) const DEFAULT_PACKET_SIZE: usize = 4096;
pub(super) const PACKET_SIZES: std::ops::RangeInclusive<usize> = 512..=32767;
/// A message of a client may not be longer than this: the lab holds it in memory.
const MAX_MESSAGE: usize = 256 << 20;

/// Packet types.
pub(super) mod kind {
    pub const SQL_BATCH: u8 = 1;
    pub const OLD_LOGIN: u8 = 2;
    pub const RPC: u8 = 3;
    pub const REPLY: u8 = 4;
    pub const ATTENTION: u8 = 6;
    pub const BULK_LOAD: u8 = 7;
    pub const TRANSACTION: u8 = 14;
    pub const LOGIN7: u8 = 16;
    pub const SSPI: u8 = 17;
    pub const PRELOGIN: u8 = 18;
}

/// Bits of the status byte.
pub(super) mod status {
    pub const END_OF_MESSAGE: u8 = 0x01;
    /// Together with the end: the client gave the message up while sending it.
    pub const IGNORE: u8 = 0x02;
    pub const RESET_CONNECTION: u8 = 0x08;
    pub const RESET_KEEPING_TRANSACTION: u8 = 0x10;
}

/// A whole message of a client.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub kind: u8,
    /// The status bits of all its packets together.
    pub status: u8,
    pub body: Vec<u8>,
}

/// Reads the next message; `None` when the client closed the connection between messages.
pub(super) async fn read_message<R: AsyncRead + Unpin>(stream: &mut R) -> io::Result<Option<Message>> {
    let mut message = Message::default();
    loop {
        let mut header = [0; HEADER];
        let first = stream.read(&mut header).await?;
        if first == 0 {
            return if message.body.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        stream.read_exact(&mut header[first..]).await?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let payload =
            length.checked_sub(HEADER).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "packet shorter than its header"))?;
        if message.kind != header[0] {
            // An attention may come between the packets of a message that was given up.
            message = Message { kind: header[0], ..Message::default() };
        }
        message.status |= header[1];
        let at = message.body.len();
        if at + payload > MAX_MESSAGE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "message longer than the lab takes"));
        }
        message.body.resize(at + payload, 0);
        stream.read_exact(&mut message.body[at..]).await?;
        if header[1] & status::END_OF_MESSAGE != 0 {
            return Ok(Some(message));
        }
    }
}

/// Cuts messages into packets of the negotiated size.
#[derive(Debug)]
pub(super) struct Framer {
    pub kind: u8,
    pub packet_size: usize,
    pub process: u16,
    next: u8,
}

impl Framer {
    pub(super) fn new(kind: u8, packet_size: usize, process: u16) -> Self {
        Self { kind, packet_size, process, next: 1 }
    }

    /// Moves the full packets of `body` to `out`, and with `last` the rest as the end of the
    /// message. Without `last` at least a byte stays behind, since the end needs a packet.
    pub(super) fn frame(&mut self, body: &mut Vec<u8>, last: bool, out: &mut Vec<u8>) {
        let room = self.packet_size - HEADER;
        let mut at = 0;
        while body.len() - at > room {
            self.packet(&body[at..at + room], 0, out);
            at += room;
        }
        if last {
            self.packet(&body[at..], status::END_OF_MESSAGE, out);
            self.next = 1;
            body.clear();
        } else {
            body.drain(..at);
        }
    }

    fn packet(&mut self, payload: &[u8], status: u8, out: &mut Vec<u8>) {
        // The packet size is at most 32767.
        let length = u16::try_from(payload.len() + HEADER).unwrap_or(u16::MAX).to_be_bytes();
        let process = self.process.to_be_bytes();
        out.extend_from_slice(&[self.kind, status, length[0], length[1], process[0], process[1], self.next, 0]);
        out.extend_from_slice(payload);
        self.next = self.next.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(length: usize, size: usize) -> Vec<u8> {
        let mut out = Vec::new();
        Framer::new(kind::REPLY, size, 51).frame(&mut vec![7; length], true, &mut out);
        out
    }

    #[test]
    fn a_message_ends_with_the_last_packet_only() {
        let out = framed(1008, 512);
        assert_eq!(out[..8], [4, 0, 2, 0, 0, 51, 1, 0]);
        assert_eq!(out[512..520], [4, 1, 2, 0, 0, 51, 2, 0]);
        assert_eq!(out.len(), 1024);
        let out = framed(505, 512);
        assert_eq!(out[512..], [4, 1, 0, 9, 0, 51, 2, 0, 7]);
    }

    #[test]
    fn an_unfinished_message_keeps_a_byte_for_the_end() {
        let mut body = vec![7; 504];
        let mut out = Vec::new();
        Framer::new(kind::REPLY, 512, 0).frame(&mut body, false, &mut out);
        assert_eq!((body.len(), out.len()), (504, 0));
        body.push(7);
        Framer::new(kind::REPLY, 512, 0).frame(&mut body, false, &mut out);
        assert_eq!((body.len(), out.len()), (1, 512));
    }

    #[tokio::test]
    async fn packets_join_to_messages() {
        let mut bytes = framed(1300, 512);
        bytes.extend([6, 1, 0, 8, 0, 0, 1, 0]);
        let mut stream = bytes.as_slice();
        let message = read_message(&mut stream).await.unwrap().unwrap();
        assert_eq!((message.kind, message.body.len()), (4, 1300));
        let attention = read_message(&mut stream).await.unwrap().unwrap();
        assert_eq!((attention.kind, attention.body.len()), (kind::ATTENTION, 0));
        assert!(read_message(&mut stream).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_torn_packet_is_an_error() {
        let bytes = framed(100, 512);
        assert_eq!(read_message(&mut &bytes[..50]).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read_message(&mut [4, 1, 0, 7, 0, 0, 0, 0].as_slice()).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
