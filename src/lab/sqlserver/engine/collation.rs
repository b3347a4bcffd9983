//! Collations: how text compares. All ignore trailing blanks, as SQL Server does everywhere.

use rusqlite::Connection;
use std::cmp::Ordering;

/// The collation of a database unless a column says otherwise.
pub const DEFAULT: &str = "SQL_Latin1_General_CP1_CI_AS";

/// The SQLite collation for a collation name of SQL Server: by its `_CI_`, `_CS_`, `_BIN` part.
#[must_use]
pub fn sqlite_name(collation: &str) -> &'static str {
    let upper = collation.to_ascii_uppercase();
    if upper.ends_with("_BIN") || upper.ends_with("_BIN2") {
        "LAB_BIN"
    } else if upper.contains("_CS_") {
        "LAB_CS"
    } else {
        "LAB_CI"
    }
}

/// Whether narrow text under this collation holds all of Unicode, and is as long as its UTF-8.
#[must_use]
pub fn is_utf8(collation: &str) -> bool {
    collation.to_ascii_uppercase().ends_with("_UTF8")
}

/// Whether `name` has the form of a collation that the lab can follow.
#[must_use]
pub fn is_known(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    upper == "DATABASE_DEFAULT" || ["_CI_", "_CS_", "_BIN"].iter().any(|part| upper.contains(part))
}

/// Simple case folding of one character; what has no single counterpart stays.
#[must_use]
pub fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn ignoring_case(a: &str, b: &str) -> Ordering {
    a.trim_end_matches(' ').chars().map(fold).cmp(b.trim_end_matches(' ').chars().map(fold))
}

/// Letters first by themselves, then lower before upper case.
fn with_case(a: &str, b: &str) -> Ordering {
    ignoring_case(a, b).then_with(|| b.trim_end_matches(' ').cmp(a.trim_end_matches(' ')))
}

fn binary(a: &str, b: &str) -> Ordering {
    a.trim_end_matches(' ').cmp(b.trim_end_matches(' '))
}

/// Whether two texts are the same under a collation's SQLite name.
#[must_use]
pub fn same(sqlite_name: &str, a: &str, b: &str) -> bool {
    let order = match sqlite_name {
        "LAB_BIN" => binary(a, b),
        "LAB_CS" => with_case(a, b),
        _ => ignoring_case(a, b),
    };
    order == Ordering::Equal
}

/// Makes the collations known to a connection.
pub fn register(conn: &Connection) -> rusqlite::Result<()> {
    conn.create_collation("LAB_CI", ignoring_case)?;
    conn.create_collation("LAB_CS", with_case)?;
    conn.create_collation("LAB_BIN", binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_trailing_blanks() {
        assert_eq!(ignoring_case("Straße  ", "sTRAßE"), Ordering::Equal);
        assert_eq!(ignoring_case("É", "é "), Ordering::Equal);
        assert_ne!(ignoring_case("e", "é"), Ordering::Equal);
        assert_eq!(with_case("a", "A"), Ordering::Less);
        assert_eq!(with_case("A ", "A"), Ordering::Equal);
        assert_eq!(sqlite_name("Latin1_General_100_BIN2"), "LAB_BIN");
    }
}
