//! Words inside commands and statements that people copy.

/// A word as a POSIX shell takes it.
#[must_use]
pub fn shell(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Text as a literal of T-SQL.
#[must_use]
pub fn tsql(text: &str) -> String {
    format!("N'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_end_nothing() {
        assert_eq!(shell("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(tsql("it's"), "N'it''s'");
    }
}
