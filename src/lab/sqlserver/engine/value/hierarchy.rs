//! hierarchyid: its bytes and its text.
//!
//! A path is a run of labels, each written by one of these bit patterns, in whose `x` stands the
//! label less the pattern's first value. `T` is 1 where a slash follows; 0 where a dot does, and
//! then the label is written one greater, so that 1.1 sorts behind 1 and before 2. Zero bits fill
//! the last byte. (MS-SSCLRT, hierarchyid; bytes sort as the tree does.)

const PATTERNS: &[(i64, i64, &str)] = &[
    (-281_479_271_682_120, -4_294_971_465, "000100xxxxxxxxxxxxxx0xxxxxxxxxxxxxxxxxxxxx0xxxxxx0xxx0x1xxxT"),
    (-4_294_971_464, -4_169, "000101xxxxxxxxxxxxxxxxxxx0xxxxxx0xxx0x1xxxT"),
    (-4_168, -73, "000110xxxxx0xxx0x1xxxT"),
    (-72, -9, "0010xx0x1xxxT"),
    (-8, -1, "00111xxxT"),
    (0, 3, "01xxT"),
    (4, 7, "100xxT"),
    (8, 15, "101xxxT"),
    (16, 79, "110xx0x1xxxT"),
    (80, 1_103, "1110xxx0xxx0x1xxxT"),
    (1_104, 5_199, "11110xxxxx0xxx0x1xxxT"),
    (5_200, 4_294_972_495, "111110xxxxxxxxxxxxxxxxxxx0xxxxxx0xxx0x1xxxT"),
    (4_294_972_496, 281_479_271_683_151, "111111xxxxxxxxxxxxxx0xxxxxxxxxxxxxxxxxxxxx0xxxxxx0xxx0x1xxxT"),
];
/// The most bytes of a value.
pub const MOST: usize = 892;

/// `/1/2.1/` as bytes; `None` when it is no such path.
#[must_use]
pub fn parse(text: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix('/')?;
    let mut bits = String::new();
    for level in inner.split_terminator('/') {
        let labels: Vec<&str> = level.split('.').collect();
        for (at, label) in labels.iter().enumerate() {
            let last = at + 1 == labels.len();
            let stored = label.parse::<i64>().ok()? + i64::from(!last);
            let (first, _, pattern) = PATTERNS.iter().find(|(first, most, _)| (*first..=*most).contains(&stored))?;
            let digits = format!("{:0width$b}", stored - first, width = pattern.matches('x').count());
            let mut digits = digits.chars();
            bits.extend(pattern.chars().map(|c| match c {
                'x' => digits.next().unwrap_or('0'),
                'T' => {
                    if last {
                        '1'
                    } else {
                        '0'
                    }
                }
                fixed => fixed,
            }));
        }
    }
    let closed = inner.is_empty() || inner.ends_with('/');
    let bytes: Vec<u8> =
        bits.as_bytes().chunks(8).map(|eight| eight.iter().enumerate().fold(0, |byte, (at, bit)| byte | (bit & 1) << (7 - at))).collect();
    (closed && bytes.len() <= MOST).then_some(bytes)
}

/// The path of bytes; `None` when they are not a value of the type.
#[must_use]
pub fn show(bytes: &[u8]) -> Option<String> {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).map(move |at| byte >> (7 - at) & 1)).collect();
    let mut text = String::from("/");
    let mut rest = bits.as_slice();
    while rest.contains(&1) {
        let (label, last, used) = PATTERNS.iter().find_map(|(first, _, pattern)| label(rest, *first, pattern))?;
        text.push_str(&label.to_string());
        text.push(if last { '/' } else { '.' });
        rest = &rest[used..];
    }
    text.ends_with('/').then_some(text)
}

fn label(bits: &[u8], first: i64, pattern: &str) -> Option<(i64, bool, usize)> {
    let (mut offset, mut last) = (0_i64, false);
    for (at, c) in pattern.bytes().enumerate() {
        let bit = *bits.get(at)?;
        match c {
            b'x' => offset = offset << 1 | i64::from(bit),
            b'T' => last = bit == 1,
            fixed if fixed & 1 == bit => {}
            _ => return None,
        }
    }
    Some((first + offset - i64::from(!last), last, pattern.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_in_bits_and_read_back() {
        assert_eq!(parse("/"), Some(vec![]));
        assert_eq!(parse("/1/"), Some(vec![0x58]));
        assert_eq!(parse("/1/1/"), Some(vec![0x5A, 0xC0]));
        for path in ["/", "/0/", "/1/2/3/", "/1.1/", "/-1/", "/7.8.15/16/79/80/1103/1104/", "/5200/4294972496/", "/-9/-73/-4169/"] {
            assert_eq!(show(&parse(path).unwrap()).as_deref(), Some(path));
        }
        for wrong in ["", "1/", "/1", "//", "/a/", "/1./"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert!(parse("/1/").unwrap() < parse("/1.1/").unwrap() && parse("/1.1/").unwrap() < parse("/2/").unwrap());
    }
}
