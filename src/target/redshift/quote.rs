//! Quoting by Redshift's rules, which are not PostgreSQL's.
//!
//! Inside an ordinary `'…'` literal Redshift takes a backslash as an escape, and it has no
//! `E'…'`: both characters are doubled. Identifiers are always quoted.

/// A quoted identifier.
#[must_use]
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `"schema"."name"`.
#[must_use]
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// A string literal.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A string literal, or `NULL`.
#[must_use]
pub fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), literal)
}

/// A comma list of quoted identifiers.
pub fn ident_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_escape_characters_of_a_literal_are_doubled() {
        assert_eq!(literal(r"O'Brien \"), r"'O''Brien \\'");
        assert_eq!(literal(r"\' OR 1=1 --"), r"'\\'' OR 1=1 --'");
        assert_eq!(optional(None), "NULL");
    }

    #[test]
    fn identifiers_double_the_quote_and_leave_the_backslash() {
        assert_eq!(ident(r#"a"b\c"#), r#""a""b\c""#);
        assert_eq!(qualified("s", "t"), r#""s"."t""#);
        assert_eq!(ident_list(["a", "b"]), r#""a", "b""#);
    }
}
