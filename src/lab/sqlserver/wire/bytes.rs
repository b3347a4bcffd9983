//! Reading and writing the small pieces that every TDS structure is made of.

/// A client's bytes that do not read as the protocol says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// A cursor over one message. Every read is checked against the end.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length or offset of four bytes.
    pub(super) fn length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.u32()?).map_err(|_| Malformed)
    }

    /// Text of `units` UTF-16 units; only for names, where a lone surrogate has no meaning.
    pub(super) fn text(&mut self, units: usize) -> Result<String, Malformed> {
        Ok(String::from_utf16_lossy(&utf16_units(self.take(units * 2)?)))
    }

    /// B_VARCHAR: one byte of length in units, then the text.
    pub(super) fn short_text(&mut self) -> Result<String, Malformed> {
        let units = usize::from(self.u8()?);
        self.text(units)
    }

    /// Skips ALL_HEADERS, whose first four bytes are its length with themselves.
    pub(super) fn skip_all_headers(&mut self) -> Result<(), Malformed> {
        let length = self.length()?;
        self.take(length.checked_sub(4).ok_or(Malformed)?)?;
        Ok(())
    }

    pub(super) fn remaining(self) -> &'a [u8] {
        self.rest
    }
}

/// UTF-16LE bytes as units; an odd last byte is dropped.
pub(super) fn utf16_units(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

pub(super) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// B_VARCHAR. A name longer than its length byte can say is cut there.
pub(super) fn put_short_text(out: &mut Vec<u8>, text: &str) {
    let units: Vec<u16> = text.encode_utf16().take(255).collect();
    out.push(u8::try_from(units.len()).unwrap_or(u8::MAX));
    put_units(out, &units);
}

/// US_VARCHAR. Cut at 4000 units, so that the token around it keeps within its own length field.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let units: Vec<u16> = text.encode_utf16().take(4000).collect();
    put_u16(out, u16::try_from(units.len()).unwrap_or(u16::MAX));
    put_units(out, &units);
}

pub(super) fn put_units(out: &mut Vec<u8>, units: &[u16]) {
    out.reserve(units.len() * 2);
    for unit in units {
        out.extend_from_slice(&unit.to_le_bytes());
    }
}

/// Writes a block behind a length of two bytes that counts the block alone.
pub(super) fn put_block(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    put_u16(out, 0);
    write(out);
    let length = u16::try_from(out.len() - at - 2).unwrap_or(u16::MAX);
    out[at..at + 2].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_past_the_end_is_malformed() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0201));
        assert_eq!(reader.u16(), Err(Malformed));
        assert_eq!(reader.u8(), Ok(3));
        assert!(reader.is_empty());
    }

    #[test]
    fn all_headers_count_themselves() {
        let mut reader = Reader::new(&[6, 0, 0, 0, 9, 9, 7]);
        reader.skip_all_headers().unwrap();
        assert_eq!(reader.remaining(), [7]);
        assert_eq!(Reader::new(&[3, 0, 0, 0]).skip_all_headers(), Err(Malformed));
    }

    #[test]
    fn texts_carry_their_length_in_units() {
        let mut out = Vec::new();
        put_short_text(&mut out, "a🙂");
        assert_eq!(out, [3, b'a', 0, 0x3D, 0xD8, 0x42, 0xDE]);
        out.clear();
        put_text(&mut out, "é");
        assert_eq!(out, [1, 0, 0xE9, 0]);
        assert_eq!(Reader::new(&[3, b'a', 0, 0x3D, 0xD8, 0x42, 0xDE]).short_text().unwrap(), "a🙂");
    }

    #[test]
    fn a_block_counts_what_follows() {
        let mut out = vec![0xAA];
        put_block(&mut out, |out| out.extend_from_slice(b"xyz"));
        assert_eq!(out, [0xAA, 3, 0, b'x', b'y', b'z']);
    }
}
