//! CSV as COPY reads it: fed in pieces, one record at a time.
//!
//! Quoted fields may hold delimiters and line ends, a quote is doubled inside, and white space
//! between a delimiter and a quote is ignored.

use super::errors::{ValueError, code};

/// Bytes of a record that are kept for the load-error views.
const RAW_MOST: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// At the front of a field; white space may still turn out to stand before a quote.
    Front,
    Bare,
    Quoted,
    /// A quote inside a quoted field: its end, or the first of two.
    Quote,
    /// Behind a closing quote.
    Behind,
}

/// One record: fields lie one behind the other in `data`.
pub(super) struct Record {
    data: Vec<u8>,
    ends: Vec<usize>,
    /// Line of the file on which it begins, from 1.
    pub line: u64,
    pub raw: Vec<u8>,
    any_quote: bool,
}

impl Record {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn field(&self, at: usize) -> &[u8] {
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.data[from..self.ends[at]]
    }

    /// A line with nothing on it, not even quotes.
    pub fn is_blank(&self) -> bool {
        self.ends.len() == 1 && self.data.is_empty() && !self.any_quote
    }
}

pub(super) struct CsvReader {
    quote: u8,
    delimiter: u8,
    state: State,
    line: u64,
    started: bool,
    record: Record,
}

impl CsvReader {
    pub fn new(quote: u8, delimiter: u8) -> Self {
        let record = Record { data: Vec::new(), ends: Vec::new(), line: 1, raw: Vec::new(), any_quote: false };
        Self { quote, delimiter, state: State::Front, line: 1, started: false, record }
    }

    /// The record that is being read, for an error inside it.
    pub fn current(&self) -> &Record {
        &self.record
    }

    /// Reads up to the end of a record. Returns how many bytes were used, and whether a record is
    /// complete; then `take` gives it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(usize, bool), ValueError> {
        for (at, &byte) in bytes.iter().enumerate() {
            if !self.started {
                self.started = true;
                self.record.line = self.line;
            }
            if byte == b'\n' {
                self.line += 1;
            }
            if byte == b'\n' && self.state != State::Quoted {
                self.end_record();
                return Ok((at + 1, true));
            }
            if self.record.raw.len() < RAW_MOST {
                self.record.raw.push(byte);
            }
            self.byte(byte)?;
        }
        Ok((bytes.len(), false))
    }

    /// The end of the file: whether a last record without a line end is complete.
    pub fn finish(&mut self) -> Result<bool, ValueError> {
        if !self.started {
            return Ok(false);
        }
        if self.state == State::Quoted {
            return Err(ValueError::new(code::INVALID_LINE, "End-of-file reached inside a quoted field"));
        }
        self.end_record();
        Ok(true)
    }

    /// Makes room for the next record.
    pub fn clear(&mut self) {
        self.record.data.clear();
        self.record.ends.clear();
        self.record.raw.clear();
        self.record.any_quote = false;
        self.started = false;
        self.state = State::Front;
    }

    fn byte(&mut self, byte: u8) -> Result<(), ValueError> {
        match self.state {
            State::Quoted if byte == self.quote => self.state = State::Quote,
            State::Quoted => self.record.data.push(byte),
            State::Quote if byte == self.quote => {
                self.record.data.push(byte);
                self.state = State::Quoted;
            }
            State::Front | State::Bare | State::Quote | State::Behind if byte == self.delimiter => self.end_field(),
            State::Front if byte == self.quote => {
                let from = self.record.ends.last().copied().unwrap_or(0);
                self.record.data.truncate(from); // white space before the quote
                self.record.any_quote = true;
                self.state = State::Quoted;
            }
            State::Front if byte == b' ' || byte == b'\t' => self.record.data.push(byte),
            State::Front | State::Bare => {
                self.record.data.push(byte);
                self.state = State::Bare;
            }
            State::Quote | State::Behind if byte == b' ' || byte == b'\t' || byte == b'\r' => self.state = State::Behind,
            State::Quote | State::Behind => {
                return Err(ValueError::new(
                    code::INVALID_LINE,
                    "Invalid quote formatting for CSV. Please verify that quote character is specified correctly",
                ));
            }
        }
        Ok(())
    }

    fn end_field(&mut self) {
        self.record.ends.push(self.record.data.len());
        self.state = State::Front;
    }

    fn end_record(&mut self) {
        // A line may end in CR LF.
        if matches!(self.state, State::Bare) && self.record.data.last() == Some(&b'\r') {
            self.record.data.pop();
        }
        self.end_field();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All records, fed in pieces of `step` bytes.
    fn records(text: &str, step: usize) -> Result<Vec<(u64, Vec<String>)>, ValueError> {
        let mut reader = CsvReader::new(b'"', b',');
        let mut found = Vec::new();
        let take = |reader: &mut CsvReader, found: &mut Vec<_>| {
            let record = reader.current();
            let fields = (0..record.len()).map(|at| String::from_utf8(record.field(at).to_vec()).unwrap()).collect();
            found.push((record.line, fields));
            reader.clear();
        };
        for piece in text.as_bytes().chunks(step) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (used, complete) = reader.feed(rest)?;
                rest = &rest[used..];
                if complete {
                    take(&mut reader, &mut found);
                }
            }
        }
        if reader.finish()? {
            take(&mut reader, &mut found);
        }
        Ok(found)
    }

    #[test]
    fn fields_and_lines() {
        for step in [1, 2, 3, 100] {
            let found = records("a,\"b,\"\"x\"\"\nc\", \"d\" \r\n  e ,,\"\"\r\nlast", step).unwrap();
            assert_eq!(
                found,
                [
                    (1, vec!["a".to_owned(), "b,\"x\"\nc".to_owned(), "d".to_owned()]),
                    (3, vec!["  e ".to_owned(), String::new(), String::new()]),
                    (4, vec!["last".to_owned()]),
                ],
                "in pieces of {step}"
            );
        }
    }

    #[test]
    fn broken_quotes_are_errors() {
        assert_eq!(records("\"a\"b\n", 10).unwrap_err().code, code::INVALID_LINE);
        assert_eq!(records("\"a\n", 10).unwrap_err().code, code::INVALID_LINE);
    }

    proptest::proptest! {
        #[test]
        fn what_is_quoted_comes_back(rows in proptest::collection::vec(proptest::collection::vec("[a\",\n\r \té]{0,6}", 1..4), 0..5), step in 1_usize..9) {
            let text: String = rows.iter().map(|row| {
                row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect::<Vec<_>>().join(",") + "\n"
            }).collect();
            let found: Vec<_> = records(&text, step).unwrap().into_iter().map(|(_, fields)| fields).collect();
            proptest::prop_assert_eq!(found, rows);
        }
    }
}
