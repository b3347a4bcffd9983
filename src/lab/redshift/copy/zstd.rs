//! Decompression in pieces.

use std::io;

use zstd::stream::raw::{Decoder, Operation};

use super::options::Compression;

/// Bytes given out at a time.
const PIECE: usize = 256 << 10;

pub(super) enum Unpacker {
    Plain,
    Zstd { decoder: Decoder<'static>, inside_frame: bool, piece: Vec<u8> },
}

impl Unpacker {
    pub fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::Plain,
            Compression::Zstd => Self::Zstd { decoder: Decoder::new()?, inside_frame: false, piece: vec![0; PIECE] },
        })
    }

    /// Unpacks some of `input`; returns how much of it was used, and the bytes. To be called until
    /// all input is used and nothing comes out.
    pub fn step<'a>(&'a mut self, input: &'a [u8]) -> io::Result<(usize, &'a [u8])> {
        match self {
            Self::Plain => Ok((input.len(), input)),
            Self::Zstd { decoder, inside_frame, piece } => {
                if input.is_empty() && !*inside_frame {
                    return Ok((0, &[]));
                }
                let status = decoder.run_on_buffers(input, piece)?;
                if status.bytes_read > 0 || status.bytes_written > 0 {
                    *inside_frame = status.remaining != 0;
                }
                Ok((status.bytes_read, &piece[..status.bytes_written]))
            }
        }
    }

    /// The file ended: fails when it ended inside a frame.
    pub fn finish(&self) -> io::Result<()> {
        match self {
            Self::Zstd { inside_frame: true, .. } => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends inside a zstd frame")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(packed: &[u8], step: usize) -> io::Result<Vec<u8>> {
        let mut unpacker = Unpacker::new(Compression::Zstd)?;
        let mut all = Vec::new();
        for mut input in packed.chunks(step) {
            loop {
                let (used, bytes) = unpacker.step(input)?;
                all.extend_from_slice(bytes);
                let done = bytes.is_empty() && used == input.len();
                input = &input[used..];
                if done {
                    break;
                }
            }
        }
        unpacker.finish()?;
        Ok(all)
    }

    #[test]
    fn two_frames_in_pieces_and_a_cut_file() {
        let plain = "0123456789".repeat(100_000).into_bytes();
        let frame = zstd::encode_all(&plain[..], 3).unwrap();
        let twice = [&frame[..], &frame[..]].concat();
        for step in [7, 1000, twice.len()] {
            assert!(unpack(&twice, step).unwrap() == [&plain[..], &plain[..]].concat());
        }
        assert!(unpack(&frame[..frame.len() - 1], 64).is_err());
        assert!(unpack(b"no zstd at all", 64).is_err());
    }
}
