//! Identifiers: folding, Redshift's 127 bytes and PostgreSQL's 63.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::super::wire::auth::hex;
use super::lexer::{Kind, Token};

/// Redshift cuts longer names.
const REDSHIFT_MOST: usize = 127;
/// PostgreSQL cuts longer names, which could make two of them one.
const POSTGRES_MOST: usize = 63;
const KEPT: usize = 40;

/// Names too long for PostgreSQL, by the short name that stands for them there.
#[derive(Default)]
pub(in super::super) struct LongNames(Mutex<HashMap<String, String>>);

impl LongNames {
    /// The name that PostgreSQL gets.
    fn stand_in(&self, name: &str) -> String {
        let digest = Sha256::digest(name.as_bytes());
        let short = format!("{}~{}", cut(name, KEPT), hex(&digest[..10]));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(short.clone(), name.to_owned());
        short
    }

    /// Whether any name ever was too long.
    pub fn any(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Puts the long names back into a text of the server's.
    pub fn restore(&self, text: &str) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().fold(
            text.to_owned(),
            |text, (short, long)| if text.contains(short.as_str()) { text.replace(short.as_str(), long) } else { text },
        )
    }
}

/// At most `most` bytes, whole characters.
pub(in super::super) fn cut(name: &str, most: usize) -> &str {
    &name[..name.floor_char_boundary(most)]
}

/// What a name means: folded as Redshift folds it.
pub(in super::super) fn meaning(token: &Token, case_sensitive: bool) -> String {
    let name = match token.kind {
        Kind::Quoted => {
            let inner = token.text[1..token.text.len() - 1].replace("\"\"", "\"");
            if case_sensitive { inner } else { inner.to_ascii_lowercase() }
        }
        _ => token.text.to_ascii_lowercase(),
    };
    cut(&name, REDSHIFT_MOST).to_owned()
}

/// A name in double quotes.
pub(in super::super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Rewrites a name token in place for PostgreSQL.
pub(in super::super) fn for_postgres(token: &mut Token, case_sensitive: bool, long: &LongNames) {
    match token.kind {
        Kind::Quoted => {
            let name = meaning(token, case_sensitive);
            token.text = quote(&fit(name, long));
        }
        // A word without quotes that is short enough needs nothing: PostgreSQL folds it alike.
        Kind::Word if token.text.len() > POSTGRES_MOST => {
            let name = meaning(token, case_sensitive);
            *token = Token::new(Kind::Quoted, quote(&fit(name, long)));
        }
        _ => {}
    }
}

/// What PostgreSQL's catalogue holds for a name that a literal spells.
pub(super) fn catalogued(name: &str, long: &LongNames) -> Option<String> {
    (POSTGRES_MOST + 1..=REDSHIFT_MOST).contains(&name.len()).then(|| long.stand_in(name))
}

fn fit(name: String, long: &LongNames) -> String {
    if name.len() > POSTGRES_MOST { long.stand_in(&name) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &str, kind: Kind, case_sensitive: bool) -> String {
        let mut token = Token::new(kind, text);
        for_postgres(&mut token, case_sensitive, &LongNames::default());
        token.text
    }

    #[test]
    fn quoted_names_fold_unless_the_session_says_otherwise() {
        assert_eq!(through("\"Ord\"\"Er É\"", Kind::Quoted, false), "\"ord\"\"er É\"");
        assert_eq!(through("\"OrdEr\"", Kind::Quoted, true), "\"OrdEr\"");
    }

    #[test]
    fn long_names_stay_apart_and_come_back() {
        let long = LongNames::default();
        let names: Vec<_> = ["a", "b"].iter().map(|end| format!("{}{end}", "x".repeat(100))).collect();
        let short: Vec<_> = names
            .iter()
            .map(|name| {
                let mut token = Token::new(Kind::Quoted, quote(name));
                for_postgres(&mut token, false, &long);
                assert!(token.text.len() <= POSTGRES_MOST + 2);
                token.text
            })
            .collect();
        assert_ne!(short[0], short[1]);
        assert_eq!(long.restore(&format!("relation {} is gone", short[1])), format!("relation {} is gone", quote(&names[1])));
        assert_eq!(
            through(&"É".repeat(80), Kind::Word, false).len(),
            through(&"É".repeat(63), Kind::Word, false).len(),
            "cut at 127 bytes"
        );
    }
}
