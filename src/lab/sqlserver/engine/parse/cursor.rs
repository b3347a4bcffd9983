//! A position in the tokens of a batch.

use crate::lab::sqlserver::session::Message;
use sqlparser::ast::Expr;
use sqlparser::dialect::MsSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

pub type Result<T> = std::result::Result<T, Message>;

static DIALECT: MsSqlDialect = MsSqlDialect {};

pub struct Cursor<'a> {
    sql: &'a str,
    tokens: Vec<TokenWithSpan>,
    pub at: usize,
}

impl<'a> Cursor<'a> {
    /// Tokens without blanks and comments.
    pub fn new(sql: &'a str) -> Result<Self> {
        let tokens = Tokenizer::new(&DIALECT, sql).tokenize_with_location().map_err(|e| {
            let (number, text) = if e.message.to_lowercase().contains("unterminated") {
                (105, "Unclosed quotation mark after the character string.".to_owned())
            } else {
                (102, format!("Incorrect syntax: {}.", e.message))
            };
            Message { class: 15, line: line(e.location), ..Message::error(number, text) }
        })?;
        let mut tokens: Vec<_> = tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
        methods(&mut tokens);
        Ok(Self { sql, tokens, at: 0 })
    }

    pub fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub fn token(&self) -> &Token {
        self.token_at(self.at)
    }

    pub fn token_at(&self, at: usize) -> &Token {
        self.tokens.get(at).map_or(&Token::EOF, |t| &t.token)
    }

    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The line of the current token, from 1.
    pub fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| line(t.span.start))
    }

    /// The unquoted word at a position, in upper case.
    pub fn word_at(&self, at: usize) -> Option<String> {
        match self.token_at(at) {
            Token::Word(w) if w.quote_style.is_none() => Some(w.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    pub fn is(&self, word: &str) -> bool {
        self.is_at(self.at, word)
    }

    pub fn is_at(&self, at: usize, word: &str) -> bool {
        matches!(self.token_at(at), Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
    }

    pub fn eat(&mut self, word: &str) -> bool {
        let found = self.is(word);
        self.at += usize::from(found);
        found
    }

    pub fn eat_token(&mut self, token: &Token) -> bool {
        let found = self.token() == token;
        self.at += usize::from(found);
        found
    }

    pub fn expect(&mut self, word: &str) -> Result<()> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn expect_token(&mut self, token: &Token) -> Result<()> {
        if self.eat_token(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// 102, naming the current token.
    pub fn unexpected(&self) -> Message {
        let near = match self.token() {
            Token::EOF => self.tokens.last().map_or_else(String::new, |t| t.token.to_string()),
            other => other.to_string(),
        };
        Message { class: 15, line: self.line(), ..Message::error(102, format!("Incorrect syntax near '{near}'.")) }
    }

    /// An identifier, quoted or not.
    pub fn identifier(&mut self) -> Result<String> {
        match self.token() {
            Token::Word(w) => {
                let value = w.value.clone();
                self.at += 1;
                Ok(value)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `a`, `a.b`, `a..b`, `a.b.c`.
    pub fn name(&mut self) -> Result<Vec<String>> {
        let mut parts = vec![self.identifier()?];
        while self.eat_token(&Token::Period) {
            parts.push(if self.token() == &Token::Period { String::new() } else { self.identifier()? });
        }
        Ok(parts)
    }

    pub fn number(&mut self) -> Result<i64> {
        let negative = self.eat_token(&Token::Minus);
        match self.token() {
            Token::Number(n, _) => {
                let n: i64 = n.parse().map_err(|_| self.unexpected())?;
                self.at += 1;
                Ok(if negative { -n } else { n })
            }
            _ => Err(self.unexpected()),
        }
    }

    /// An expression, by sqlparser, up to where it ends.
    pub fn expr(&mut self) -> Result<Expr> {
        let end = self.expr_limit();
        let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(self.tokens[self.at..end].to_vec());
        let expr = parser.parse_expr().map_err(|e| self.syntax(&e))?;
        self.at += parser.index();
        Ok(expr)
    }

    /// Far enough for any expression, so that a long batch is not copied for each.
    fn expr_limit(&self) -> usize {
        let mut depth = 0_usize;
        for at in self.at..self.tokens.len() {
            match self.token_at(at) {
                Token::LParen => depth += 1,
                Token::RParen | Token::SemiColon | Token::Comma if depth == 0 => return at,
                Token::RParen => depth -= 1,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// sqlparser over a piece of the batch, which it must read to its end.
    pub fn parse_piece<T>(
        &self,
        tokens: Vec<TokenWithSpan>,
        parse: impl FnOnce(&mut Parser<'static>) -> std::result::Result<T, sqlparser::parser::ParserError>,
    ) -> Result<T> {
        let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens);
        let parsed = parse(&mut parser).map_err(|e| self.syntax(&e))?;
        match parser.peek_token().token {
            Token::EOF => Ok(parsed),
            other => Err(Message {
                class: 15,
                line: line(parser.peek_token().span.start),
                ..Message::error(102, format!("Incorrect syntax near '{other}'."))
            }),
        }
    }

    pub fn tokens(&self, from: usize, to: usize) -> &[TokenWithSpan] {
        &self.tokens[from.min(self.tokens.len())..to.min(self.tokens.len())]
    }

    fn syntax(&self, error: &sqlparser::parser::ParserError) -> Message {
        Message { class: 15, line: self.line(), ..Message::error(102, format!("Incorrect syntax: {error}")) }
    }

    /// The text as sent between two tokens.
    pub fn source(&self, from: usize, to: usize) -> String {
        let (Some(first), Some(last)) = (self.tokens.get(from), self.tokens.get(to.saturating_sub(1))) else { return String::new() };
        let start = offset(self.sql, first.span.start);
        let end = offset(self.sql, last.span.end);
        self.sql.get(start..end).unwrap_or_default().trim().to_owned()
    }
}

/// `hierarchyid::Parse(…)`: sqlparser takes the colons for a cast, so they become a point, and the
/// call one of a function `hierarchyid.Parse`.
fn methods(tokens: &mut [TokenWithSpan]) {
    for at in 1..tokens.len().saturating_sub(1) {
        let clr = matches!(&tokens[at - 1].token, Token::Word(w) if ["hierarchyid", "geography", "geometry"].iter().any(|name| w.value.eq_ignore_ascii_case(name)));
        if clr && tokens[at].token == Token::DoubleColon && matches!(tokens[at + 1].token, Token::Word(_)) {
            tokens[at].token = Token::Period;
        }
    }
}

fn line(location: Location) -> u32 {
    u32::try_from(location.line.max(1)).unwrap_or(1)
}

/// The byte at a location (line and column from 1, columns in characters).
fn offset(sql: &str, location: Location) -> usize {
    let mut start = 0;
    for _ in 1..location.line {
        start += sql[start..].find('\n').map_or(0, |n| n + 1);
    }
    let columns = usize::try_from(location.column.saturating_sub(1)).unwrap_or(0);
    sql[start..].char_indices().nth(columns).map_or(sql.len(), |(i, _)| start + i)
}
