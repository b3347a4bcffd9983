//! Values that are too long for their column, by the column's policy.

use std::borrow::Cow;

use crate::model::Unfit;

/// What is written of a text.
pub enum Fitted<'a> {
    Whole(&'a str),
    Cut(&'a str),
    /// As a JSON string.
    Json(String),
    Null,
}

impl Fitted<'_> {
    pub fn text(&self) -> &str {
        match self {
            Self::Whole(text) | Self::Cut(text) => text,
            Self::Json(text) => text,
            Self::Null => "",
        }
    }
}

/// NUL, which Redshift's documents disagree about, becomes U+FFFD; with how many there were.
pub fn without_nuls(text: &str) -> (Cow<'_, str>, u64) {
    let nuls = text.bytes().filter(|byte| *byte == 0).count();
    if nuls == 0 { (Cow::Borrowed(text), 0) } else { (Cow::Owned(text.replace('\0', "\u{fffd}")), nuls as u64) }
}

/// `limit` in bytes of UTF-8, which is how the target counts.
pub fn fit_text(text: &str, policy: Unfit, limit: Option<usize>) -> Fitted<'_> {
    let too_long = limit.filter(|limit| text.len() > *limit);
    match (policy, too_long) {
        // A text column that is SUPER takes JSON only: a bare 12 would become a number there.
        (Unfit::Super, _) => Fitted::Json(serde_json::Value::from(text).to_string()),
        (Unfit::Truncate, Some(limit)) => Fitted::Cut(&text[..text.floor_char_boundary(limit)]),
        (Unfit::Null, Some(_)) => Fitted::Null,
        _ => Fitted::Whole(text),
    }
}

/// `None` is NULL.
pub fn fit_bytes(bytes: &[u8], policy: Unfit, limit: Option<usize>) -> Option<&[u8]> {
    match (policy, limit.filter(|limit| bytes.len() > *limit)) {
        (Unfit::Truncate, Some(limit)) => Some(&bytes[..limit]),
        (Unfit::Null, Some(_)) => None,
        _ => Some(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        let cut = |text, limit| match fit_text(text, Unfit::Truncate, Some(limit)) {
            Fitted::Whole(text) => (text, false),
            Fitted::Cut(text) => (text, true),
            Fitted::Json(_) | Fitted::Null => ("", false),
        };
        assert_eq!(cut("abcd", 4), ("abcd", false));
        assert_eq!(cut("abcde", 4), ("abcd", true));
        assert_eq!(cut("ab\u{1F600}", 5), ("ab", true), "a character of four bytes stays whole or goes");
        assert_eq!(cut("ab\u{1F600}", 6), ("ab\u{1F600}", false));
        assert_eq!(cut("\u{1F600}", 3), ("", true));
    }

    #[test]
    fn only_what_is_too_long_is_changed() {
        assert!(matches!(fit_text("abc", Unfit::Null, Some(3)), Fitted::Whole(_)));
        assert!(matches!(fit_text("abcd", Unfit::Null, Some(3)), Fitted::Null));
        assert!(matches!(fit_text("abcd", Unfit::Fail, Some(3)), Fitted::Whole(_)), "COPY says where it does not fit");
        assert_eq!(fit_bytes(&[1, 2, 3], Unfit::Truncate, Some(2)), Some([1, 2].as_slice()));
        assert_eq!(fit_bytes(&[1, 2, 3], Unfit::Null, Some(2)), None);
        assert_eq!(fit_bytes(&[1, 2, 3], Unfit::Null, None), Some([1, 2, 3].as_slice()));
        assert_eq!(fit_bytes(&[1, 2, 3], Unfit::Fail, Some(2)), Some([1, 2, 3].as_slice()));
    }

    #[test]
    fn a_super_takes_json_strings() {
        let json = |text| fit_text(text, Unfit::Super, Some(16)).text().to_owned();
        assert_eq!(json("12"), r#""12""#);
        assert_eq!(json("null"), r#""null""#);
        assert_eq!(json("a\"b\\c\n\u{1}\u{1F600}"), "\"a\\\"b\\\\c\\n\\u0001\u{1F600}\"");
    }
}
