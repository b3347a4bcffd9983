//! Putting text on the screen.

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
}
