//! Code page 1252, in which char and varchar travel under the lab's Latin1 collation.

/// The characters of bytes 0x80 to 0x9F. The five bytes without a character stand for the
/// control character of the same number, as Windows maps them.
const HIGH: [u16; 32] = [
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090,
    0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
];

/// The byte of a UTF-16 unit; `?` for what the code page lacks. Each half of a surrogate pair
/// counts by itself, as in SQL Server's conversion.
pub(super) fn encode(unit: u16) -> u8 {
    match unit {
        0..=0x7F | 0xA0..=0xFF => unit.to_le_bytes()[0],
        _ => (0x80_u8..).zip(HIGH).find(|(_, high)| *high == unit).map_or(b'?', |(byte, _)| byte),
    }
}

pub(super) fn decode(byte: u8) -> u16 {
    match byte {
        0x80..=0x9F => HIGH[usize::from(byte - 0x80)],
        _ => u16::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_goes_there_and_back() {
        for byte in 0..=u8::MAX {
            assert_eq!(encode(decode(byte)), byte);
        }
    }

    #[test]
    fn known_characters() {
        assert_eq!("€é–™".encode_utf16().map(encode).collect::<Vec<_>>(), [0x80, 0xE9, 0x96, 0x99]);
        assert_eq!("ł🙂".encode_utf16().map(encode).collect::<Vec<_>>(), b"???");
    }
}
