//! Messages on a socket: a tag, a length, a body.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::{Decoder, FramedRead};

/// A message may not be larger; a statement may have 16 MB, a row 4 MB.
const MOST: usize = 64 << 20;
/// How much is gathered before it is sent.
const SEND_AT: usize = 64 << 10;

#[derive(Clone, Debug)]
pub(in super::super) struct Frame {
    pub tag: u8,
    pub body: Bytes,
}

struct FrameCodec;

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Frame>> {
        if buffer.len() < 5 {
            return Ok(None);
        }
        let length = u32::from_be_bytes([buffer[1], buffer[2], buffer[3], buffer[4]]) as usize;
        if !(4..=MOST).contains(&length) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of impossible length"));
        }
        if buffer.len() <= length {
            buffer.reserve(length + 1 - buffer.len());
            return Ok(None);
        }
        let mut whole = buffer.split_to(length + 1);
        let tag = whole.get_u8();
        whole.advance(4);
        Ok(Some(Frame { tag, body: whole.freeze() }))
    }
}

/// The reading half. Waiting for a message may be given up without losing a part of it: what has
/// arrived stays in the decoder's buffer.
pub(in super::super) struct FrameReader(FramedRead<Box<dyn AsyncRead + Send + Unpin>, FrameCodec>);

impl FrameReader {
    pub fn new(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self(FramedRead::with_capacity(Box::new(stream), FrameCodec, SEND_AT))
    }

    /// The next message; `None` at the end of the stream.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        self.0.next().await.transpose()
    }

    /// Nothing that has arrived waits to be read.
    pub fn drained(&self) -> bool {
        self.0.read_buffer().is_empty()
    }
}

/// The writing half: gathers messages until [`FrameWriter::flush`].
pub(in super::super) struct FrameWriter {
    stream: Box<dyn AsyncWrite + Send + Unpin>,
    buffer: BytesMut,
}

impl FrameWriter {
    pub fn new(stream: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: BytesMut::with_capacity(SEND_AT) }
    }

    pub async fn send(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        put(&mut self.buffer, tag, body)?;
        if self.buffer.len() >= SEND_AT { self.write_out().await } else { Ok(()) }
    }

    /// Bytes that are no message: the answers before the start-up packet.
    pub async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.put_slice(bytes);
        self.flush().await
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        self.write_out().await?;
        self.stream.flush().await
    }

    async fn write_out(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        Ok(())
    }
}

fn put(buffer: &mut BytesMut, tag: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 4).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a message too long to send"))?;
    buffer.put_u8(tag);
    buffer.put_u32(length);
    buffer.put_slice(body);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_in_pieces_survives_an_abandoned_wait() {
        let (mut near, far) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(far);
        near.write_all(b"Q\0\0\0\x06a").await.unwrap();
        tokio::select! { biased; _ = reader.next() => panic!("half a message"), () = tokio::task::yield_now() => {} }
        near.write_all(b"b").await.unwrap();
        let frame = reader.next().await.unwrap().unwrap();
        assert_eq!((frame.tag, &frame.body[..]), (b'Q', &b"ab"[..]));
        assert!(reader.drained());
    }

    #[tokio::test]
    async fn an_impossible_length_is_an_error() {
        let (mut near, far) = tokio::io::duplex(64);
        near.write_all(b"Q\0\0\0\x01").await.unwrap();
        assert!(FrameReader::new(far).next().await.is_err());
    }
}
