//! From the session's thread to the connection's task: packets through a bounded channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::mpsc::Sender;

use super::super::session::Cancelled;
use super::faults::{ConnectionFaults, RowVerdict};
use super::packet::{Framer, HEADER, kind};

/// Tokens gather to about this much before they are sent.
const SEND_AT: usize = 64 << 10;
/// Buffers on the way to the socket. With [`SEND_AT`] this bounds the memory of a connection to
/// a few hundred kilobytes and one row.
pub(super) const BUFFERS_IN_FLIGHT: usize = 4;

/// What the connection's task tells the session's thread at any time.
#[derive(Default)]
pub(super) struct Signals {
    attentions: AtomicU32,
    gone: AtomicBool,
}

impl Signals {
    pub(super) fn attention_arrived(&self) {
        self.attentions.fetch_add(1, Ordering::Release);
    }

    pub(super) fn attention_answered(&self) {
        self.attentions.fetch_sub(1, Ordering::Release);
    }

    pub(super) fn attention_waits(&self) -> bool {
        self.attentions.load(Ordering::Acquire) > 0
    }

    /// The connection is closed.
    pub(super) fn disconnect(&self) {
        self.gone.store(true, Ordering::Release);
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.attention_waits() || self.is_gone() { Err(Cancelled) } else { Ok(()) }
    }
}

/// Gathers tokens and sends them on in packets.
pub(super) struct Output {
    /// Tokens that are not yet in packets. Whole tokens are appended; a part may have been sent.
    pub tokens: Vec<u8>,
    framer: Framer,
    sender: Sender<Vec<u8>>,
    signals: Arc<Signals>,
    faults: Arc<ConnectionFaults>,
    /// The answer is thrown away instead of sent.
    muted: bool,
    /// The connection is to be closed: nothing more is sent.
    cut: bool,
    /// A statement of the present request lost a deadlock amid its rows.
    victim: bool,
}

impl Output {
    pub(super) fn new(
        sender: Sender<Vec<u8>>,
        packet_size: usize,
        process: u16,
        signals: Arc<Signals>,
        faults: Arc<ConnectionFaults>,
    ) -> Self {
        let framer = Framer::new(kind::REPLY, packet_size, process);
        Self { tokens: Vec::new(), framer, sender, signals, faults, muted: false, cut: false, victim: false }
    }

    /// Holds from the next message on.
    pub(super) fn set_packet_size(&mut self, size: usize) {
        self.framer.packet_size = size;
    }

    /// From here on the client gets nothing, though the session goes on.
    pub(super) fn mute(&mut self) {
        self.muted = true;
    }

    /// Whether the connection must be closed.
    pub(super) fn is_cut(&self) -> bool {
        self.cut || self.muted
    }

    /// Whether the statement that is about to send a row loses a deadlock instead.
    pub(super) fn loses_a_deadlock(&mut self) -> bool {
        if !self.victim {
            match self.faults.on_row() {
                RowVerdict::Send => {}
                RowVerdict::Victim => self.victim = true,
                RowVerdict::Silent => {
                    // What has gathered is on its way. A cut shows at the next check.
                    let _ = self.send(false);
                    self.fall_silent();
                }
            }
        }
        self.victim
    }

    /// Waits until the silences are ended or the client is gone; an attention goes unheard, too.
    pub(super) fn fall_silent(&self) {
        self.faults.be_silent(|| self.signals.is_gone());
    }

    pub(super) fn take_victim(&mut self) -> bool {
        std::mem::take(&mut self.victim)
    }

    /// Fails when the client does not want the rest.
    pub(super) fn check(&self) -> Result<(), Cancelled> {
        if self.cut { Err(Cancelled) } else { self.signals.check() }
    }

    /// Sends full packets once enough has gathered; waits while the client reads slowly.
    pub(super) fn send_when_full(&mut self) -> Result<(), Cancelled> {
        if self.tokens.len() < SEND_AT { Ok(()) } else { self.send(false) }
    }

    /// Sends everything as the end of a message.
    pub(super) fn send_end(&mut self) -> Result<(), Cancelled> {
        self.send(true)
    }

    fn send(&mut self, last: bool) -> Result<(), Cancelled> {
        if self.cut {
            return Err(Cancelled);
        }
        if self.muted {
            self.tokens.clear();
            return Ok(());
        }
        let mut packets = Vec::with_capacity(self.tokens.len() + self.tokens.len() / 64 + HEADER);
        self.framer.frame(&mut self.tokens, last, &mut packets);
        let count = packets.len().div_ceil(self.framer.packet_size) as u64;
        if let Some(allowed) = self.faults.on_packets(count) {
            let bytes = usize::try_from(allowed).unwrap_or(usize::MAX).saturating_mul(self.framer.packet_size);
            packets.truncate(bytes);
            self.cut = true;
        }
        if !packets.is_empty() && self.sender.blocking_send(packets).is_err() {
            self.cut = true;
        }
        if self.cut { Err(Cancelled) } else { Ok(()) }
    }
}
