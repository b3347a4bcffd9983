//! Names of several parts.

/// `a.b.[c d]` in its parts, without quotes.
#[must_use]
pub fn name_parts(name: &str) -> Vec<String> {
    let (mut parts, mut part, mut closing) = (vec![], String::new(), None);
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match (closing, c) {
            (Some(end), c) if c == end => {
                if chars.peek() == Some(&end) {
                    part.push(c);
                    chars.next();
                } else {
                    closing = None;
                }
            }
            (None, '[') if part.is_empty() => closing = Some(']'),
            (None, '"') if part.is_empty() => closing = Some('"'),
            (None, '.') => parts.push(std::mem::take(&mut part)),
            (_, c) => part.push(c),
        }
    }
    parts.push(part);
    parts
}
