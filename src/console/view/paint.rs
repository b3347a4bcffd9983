//! Putting text on the screen, and the words for spans, counts and sizes.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// Writes a text into `width` columns from `x`; what does not fit ends in `…`. Gives the columns
/// that were used.
pub fn put(buf: &mut Buffer, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
    let area = buf.area;
    if y < area.top() || y >= area.bottom() || x >= area.right() {
        return 0;
    }
    let width = width.min(area.right() - x);
    let wanted = text.width();
    if wanted <= usize::from(width) {
        return buf.set_stringn(x, y, text, usize::from(width), style).0 - x;
    }
    if width == 0 {
        return 0;
    }
    let end = buf.set_stringn(x, y, text, usize::from(width - 1), style).0;
    buf.set_stringn(end, y, "…", 1, style).0 - x
}

/// The same at the right end of the columns.
pub fn put_right(buf: &mut Buffer, x: u16, y: u16, width: u16, text: &str, style: Style) {
    let wanted = u16::try_from(text.width()).unwrap_or(u16::MAX);
    let indent = width.saturating_sub(wanted);
    put(buf, x + indent, y, width - indent, text, style);
}

/// Texts in their styles, one behind the other. Gives the columns that were used.
pub fn run<'a>(buf: &mut Buffer, area: Rect, parts: impl IntoIterator<Item = (&'a str, Style)>) -> u16 {
    let mut x = area.x;
    for (text, style) in parts {
        x += put(buf, x, area.y, area.right().saturating_sub(x), text, style);
    }
    x - area.x
}

/// Our own signs in ASCII. What comes from data stays as it is.
pub fn ascii(buf: &mut Buffer) {
    for cell in &mut buf.content {
        let plain = match cell.symbol() {
            "…" => "~",
            "█" => "_",
            "↓" => "v",
            _ => continue,
        };
        cell.set_symbol(plain);
    }
}

/// Fills a line with a style.
pub fn fill(buf: &mut Buffer, area: Rect, style: Style) {
    buf.set_style(area.intersection(buf.area), style);
}

/// Lines of at most `width` columns, broken at blanks where there are any.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let mut word = word;
            let gap = usize::from(!line.is_empty());
            if line.width() + gap + word.width() <= width {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(word);
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            while word.width() > width {
                let cut = cut(word, width);
                lines.push(word[..cut].to_owned());
                word = &word[cut..];
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// Bytes of the longest beginning of at most `width` columns; at least one character.
fn cut(text: &str, width: usize) -> usize {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        if end > 0 && text[..next].width() > width {
            break;
        }
        end = next;
    }
    end
}

/// A span of time in its two largest units, as in `2h 5m`.
#[must_use]
pub fn span(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// How long ago, as in `3s ago`.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(now.duration_since(then).as_secs().max(0)))
}

/// A number with separators.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// As in `1 table` and `2,000 tables`.
#[must_use]
pub fn many(number: impl TryInto<u64>, what: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A size, as in `3.4 MB`.
#[must_use]
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if size < 1_000 {
        return format!("{size} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = size as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_at_blanks_and_inside_long_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("表表表", 4), ["表表", "表"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!((count(1_234_567), count(12)), ("1,234,567".into(), "12".into()));
        assert_eq!((bytes(999), bytes(3_400_000), bytes(999_960_000)), ("999 B".into(), "3.4 MB".into(), "1.0 GB".into()));
        assert_eq!((span(59), span(61), span(7_500), span(90_000)), ("59s".into(), "1m 1s".into(), "2h 5m".into(), "1d 1h".into()));
    }
}
