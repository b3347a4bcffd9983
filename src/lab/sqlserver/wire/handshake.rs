//! A stream that carries the TLS handshake inside PRELOGIN packets and everything after it bare.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::packet::{DEFAULT_PACKET_SIZE, Framer, HEADER, kind};

pub(super) struct HandshakeStream {
    tcp: TcpStream,
    /// Packets are peeled off while set.
    wrapping: bool,
    header: [u8; HEADER],
    header_read: usize,
    /// Bytes of the packet that are still to be read.
    payload_left: usize,
    /// Handshake bytes written and not yet framed.
    unframed: Vec<u8>,
    /// Framed bytes not yet taken by the socket.
    framed: Vec<u8>,
}

impl HandshakeStream {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self { tcp, wrapping: true, header: [0; HEADER], header_read: 0, payload_left: 0, unframed: Vec::new(), framed: Vec::new() }
    }

    /// The handshake is over: TLS records travel bare from here.
    pub(super) fn unwrap_packets(&mut self) {
        self.wrapping = false;
    }

    pub(super) fn into_tcp(self) -> TcpStream {
        self.tcp
    }

    /// Reads until the next packet's payload begins; `false` at the end of the stream.
    fn poll_header(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.payload_left == 0 {
            let mut buffer = ReadBuf::new(&mut self.header[self.header_read..]);
            ready!(Pin::new(&mut self.tcp).poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(false));
            }
            self.header_read += read;
            if self.header_read == HEADER {
                let length = usize::from(u16::from_be_bytes([self.header[2], self.header[3]]));
                if self.header[0] != kind::PRELOGIN || length < HEADER {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "expected a PRELOGIN packet in the TLS handshake")));
                }
                self.payload_left = length - HEADER;
                self.header_read = 0;
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl AsyncRead for HandshakeStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.wrapping {
            return Pin::new(&mut this.tcp).poll_read(context, buffer);
        }
        if !ready!(this.poll_header(context))? {
            return Poll::Ready(Ok(()));
        }
        let wanted = this.payload_left.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(wanted));
        ready!(Pin::new(&mut this.tcp).poll_read(context, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        this.payload_left -= read;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HandshakeStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.wrapping {
            return Pin::new(&mut self.tcp).poll_write(context, bytes);
        }
        // One flight of the handshake becomes one message: it goes out at the flush.
        self.unframed.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.unframed.is_empty() {
            Framer::new(kind::PRELOGIN, DEFAULT_PACKET_SIZE, 0).frame(&mut this.unframed, true, &mut this.framed);
        }
        while !this.framed.is_empty() {
            let written = ready!(Pin::new(&mut this.tcp).poll_write(context, &this.framed))?;
            this.framed.drain(..written);
        }
        Pin::new(&mut this.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
