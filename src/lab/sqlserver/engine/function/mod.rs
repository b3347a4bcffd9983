//! The built-in scalar functions that depend on their arguments alone.

mod date;
pub mod like;
pub mod name;
mod number;
pub mod string;

use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

/// What the arguments are converted to, and what comes out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    pub arguments: Vec<DataType>,
    pub result: DataType,
}

/// A function: looked up by name at translation, called by its index from SQLite.
pub struct Builtin {
    /// In upper case.
    pub name: &'static str,
    pub least: usize,
    pub most: usize,
    /// NULL when any argument is NULL.
    pub strict: bool,
    /// The first argument is a date part, written as a bare word.
    pub date_part: bool,
    pub signature: fn(&[DataType]) -> Signature,
    pub run: Run,
}

/// Values, their types, and the type of the result.
pub type Run = fn(&[Datum], &[DataType], &DataType) -> Result<Datum, Message>;

const fn strict(name: &'static str, least: usize, most: usize, signature: fn(&[DataType]) -> Signature, run: Run) -> Builtin {
    Builtin { name, least, most, strict: true, date_part: false, signature, run }
}

/// The function of that name and its index.
#[must_use]
pub fn find(name: &str) -> Option<(usize, &'static Builtin)> {
    all().enumerate().find(|(_, b)| b.name.eq_ignore_ascii_case(name))
}

/// By the index that [`find`] gave.
#[must_use]
pub fn by_index(index: usize) -> Option<&'static Builtin> {
    all().nth(index)
}

fn all() -> impl Iterator<Item = &'static Builtin> {
    string::FUNCTIONS.iter().chain(number::FUNCTIONS).chain(date::FUNCTIONS)
}

/// The number of the date part that a word names, for `date::part_of`.
#[must_use]
pub fn date_part(word: &str) -> Option<i64> {
    date::Part::by_name(word).map(|p| p as i64)
}
