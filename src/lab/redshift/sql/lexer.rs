//! Text to tokens. Every byte of the text stands in exactly one token, so that what is not
//! understood passes unchanged. Backslash is an escape in an ordinary literal.

use super::super::wire::message::SqlError;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Kind {
    /// White space and comments.
    Space,
    /// A key word or a name without quotes.
    Word,
    /// A name in double quotes, quotes included.
    Quoted,
    /// A literal in single quotes, quotes included.
    Literal,
    /// A literal between dollar signs.
    Dollar,
    Number,
    /// `$1`.
    Parameter,
    /// Everything else, one character each; `::` is one.
    Symbol,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Token {
    pub kind: Kind,
    pub text: String,
}

impl Token {
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// The key word, whatever its case.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    pub fn symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    pub fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted)
    }
}

pub(in super::super) fn text(tokens: &[Token]) -> String {
    tokens.iter().map(|token| token.text.as_str()).collect()
}

/// Tokens without space: what grammar looks at.
pub(in super::super) fn dense(tokens: &[Token]) -> Vec<Token> {
    tokens.iter().filter(|token| token.kind != Kind::Space).cloned().collect()
}

/// Tokens in words, one blank between two.
pub(in super::super) fn spaced(tokens: &[Token]) -> String {
    tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
}

pub(in super::super) fn lex(sql: &str) -> Result<Vec<Token>, SqlError> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next(rest, first)?;
        let (token, after) = rest.split_at(length);
        tokens.push(Token::new(kind, token));
        rest = after;
    }
    Ok(tokens)
}

fn next(rest: &str, first: char) -> Result<(Kind, usize), SqlError> {
    Ok(match first {
        c if c.is_whitespace() => (Kind::Space, run(rest, char::is_whitespace)),
        '-' if rest.starts_with("--") => (Kind::Space, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => (Kind::Space, comment(rest).ok_or_else(|| unterminated("/* comment", rest))?),
        '"' => (Kind::Quoted, quoted(rest, '"', false).ok_or_else(|| unterminated("quoted identifier", rest))?),
        '\'' => (Kind::Literal, quoted(rest, '\'', true).ok_or_else(|| unterminated("quoted string", rest))?),
        '$' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (Kind::Parameter, 1 + run(&rest[1..], |c| c.is_ascii_digit())),
        '$' => match dollar(rest) {
            Some(length) => (Kind::Dollar, length),
            None => (Kind::Symbol, 1),
        },
        c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) => (Kind::Number, number(rest)),
        c if c.is_alphabetic() || c == '_' || c == '#' || !c.is_ascii() => {
            (Kind::Word, c.len_utf8() + run(&rest[c.len_utf8()..], |c| c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()))
        }
        ':' if rest.starts_with("::") => (Kind::Symbol, 2),
        c => (Kind::Symbol, c.len_utf8()),
    })
}

fn unterminated(what: &str, rest: &str) -> SqlError {
    SqlError::new("42601", format!("unterminated {what} at or near \"{}\"", rest.chars().take(40).collect::<String>()))
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Comments nest.
fn comment(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
    None
}

/// Length of a quoted piece with its quotes, where a doubled quote stands for one.
fn quoted(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

/// `$$ … $$` or `$tag$ … $tag$`.
fn dollar(text: &str) -> Option<usize> {
    let tag = 1 + run(&text[1..], |c| c.is_alphanumeric() || c == '_');
    let delimiter = text.get(..=tag)?;
    if !delimiter.ends_with('$') {
        return None;
    }
    text[delimiter.len()..].find(delimiter).map(|end| end + 2 * delimiter.len())
}

fn number(text: &str) -> usize {
    let whole = run(text, |c| c.is_ascii_digit() || c == '.');
    let rest = &text[whole..];
    if !rest.starts_with(['e', 'E']) {
        return whole;
    }
    let sign = usize::from(rest[1..].starts_with(['+', '-']));
    let digits = run(&rest[1 + sign..], |c| c.is_ascii_digit());
    if digits == 0 { whole } else { whole + 1 + sign + digits }
}

/// The statements of a query, split at the semicolons outside parentheses; empty ones dropped.
pub(in super::super) fn statements(tokens: Vec<Token>) -> Vec<Vec<Token>> {
    let mut found = vec![Vec::new()];
    for token in tokens {
        if token.symbol(";") {
            found.push(Vec::new());
        } else if let Some(last) = found.last_mut() {
            last.push(token);
        }
    }
    found.retain(|statement: &Vec<Token>| statement.iter().any(|token| token.kind != Kind::Space));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense_texts(sql: &str) -> Vec<String> {
        let tokens = lex(sql).unwrap();
        assert_eq!(text(&tokens), sql, "no byte is lost");
        dense(&tokens).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn a_backslash_hides_a_quote() {
        assert_eq!(dense_texts(r"'a\'b' 'c''d' '\\' x"), [r"'a\'b'", "'c''d'", r"'\\'", "x"]);
        assert!(lex(r"'a\'").is_err());
    }

    #[test]
    fn the_usual_pieces() {
        assert_eq!(
            dense_texts("a.\"B\"\"c\"::varchar(3) /* x /* y */ */ -- z\n1.5e-3 $1 .5"),
            ["a", ".", "\"B\"\"c\"", "::", "varchar", "(", "3", ")", "1.5e-3", "$1", ".5"]
        );
        assert_eq!(dense_texts("$$ a;b $$ $x$'$x$"), ["$$ a;b $$", "$x$'$x$"]);
        assert_eq!(dense_texts("é_1 #tmp"), ["é_1", "#tmp"]);
    }

    #[test]
    fn statements_end_at_semicolons() {
        let found = statements(lex("begin; ; select ';' ;").unwrap());
        assert_eq!(found.iter().map(|s| text(s).trim().to_owned()).collect::<Vec<_>>(), ["begin", "select ';'"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_loses_a_byte(sql in ".*") {
            if let Ok(tokens) = lex(&sql) {
                proptest::prop_assert_eq!(text(&tokens), sql);
            }
        }
    }
}
