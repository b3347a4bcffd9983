//! The filter of the list: fuzzy words, and `state:failed lag>10m schema:dbo !archive` beside them.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::fleet::Row;

/// A filter as typed, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub text: String,
    terms: Vec<Term>,
    fuzzy: Option<Pattern>,
    /// What was not understood, in words.
    pub problem: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Term {
    State(String),
    Schema(String),
    /// More than, or with `false` less than, so many seconds behind.
    Lag(bool, i64),
    Not(String),
}

impl Filter {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (mut terms, mut words, mut problem) = (Vec::new(), Vec::new(), None);
        for word in text.split_whitespace() {
            if let Some(state) = word.strip_prefix("state:") {
                terms.push(Term::State(state.to_lowercase()));
            } else if let Some(schema) = word.strip_prefix("schema:") {
                terms.push(Term::Schema(schema.to_lowercase()));
            } else if let Some((more, span)) =
                word.strip_prefix("lag>").map(|span| (true, span)).or_else(|| word.strip_prefix("lag<").map(|span| (false, span)))
            {
                match seconds(span) {
                    Some(seconds) => terms.push(Term::Lag(more, seconds)),
                    None => problem = Some(format!("`{word}`: a time as in lag>10m")),
                }
            } else if let Some(not) = word.strip_prefix('!').filter(|not| !not.is_empty()) {
                terms.push(Term::Not(not.to_lowercase()));
            } else if word.contains(':')
                && word.split(':').next().is_some_and(|key| !key.is_empty() && key.chars().all(char::is_alphabetic))
            {
                problem = Some(format!("`{word}`: only state: schema: lag> lag< and !word are known"));
            } else {
                words.push(word);
            }
        }
        let fuzzy = (!words.is_empty()).then(|| Pattern::parse(&words.join(" "), CaseMatching::Ignore, Normalization::Smart));
        Self { text: text.to_owned(), terms, fuzzy, problem }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Whether a row stays. `matcher` and `buffer` are kept between rows.
    pub fn takes(&self, row: &Row, matcher: &mut Matcher, buffer: &mut Vec<char>) -> bool {
        let name = row.name.as_str();
        self.terms.iter().all(|term| match term {
            Term::State(state) => row.trouble.word().to_lowercase().contains(state.as_str()) || row.trouble.tag().contains(state.as_str()),
            Term::Schema(schema) => row.table.schema.to_lowercase() == *schema,
            Term::Lag(more, seconds) => row.lag.is_some_and(|lag| if *more { lag > *seconds } else { lag < *seconds }),
            Term::Not(word) => !name.to_lowercase().contains(word.as_str()),
        }) && self.fuzzy.as_ref().is_none_or(|pattern| {
            buffer.clear();
            pattern.score(Utf32Str::new(name, buffer), matcher).is_some()
        })
    }

    /// A matcher for [`Self::takes`].
    #[must_use]
    pub fn matcher() -> Matcher {
        Matcher::new(Config::DEFAULT)
    }
}

/// `90`, `90s`, `10m`, `2h`, `1d`.
fn seconds(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return text.parse().ok(),
    };
    text[..text.len() - 1].parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::state::fleet::Trouble;
    use crate::model::TableName;

    fn kept(filter: &str) -> Vec<String> {
        let row = |schema: &str, name: &str, trouble, lag| {
            let table = TableName::new(schema, name);
            Row { name: table.to_string(), table, trouble, lag, at: 0, waiting: 0 }
        };
        let rows = [
            row("dbo", "Orders", Trouble::Failed, Some(700)),
            row("dbo", "OrdersArchive", Trouble::Ok, Some(0)),
            row("sales", "Invoice", Trouble::Stuck, Some(7_200)),
        ];
        let (filter, mut matcher, mut buffer) = (Filter::new(filter), Filter::matcher(), Vec::new());
        rows.iter().filter(|row| filter.takes(row, &mut matcher, &mut buffer)).map(|row| row.name.clone()).collect()
    }

    #[test]
    fn terms_narrow_and_words_are_fuzzy() {
        assert_eq!(kept("ordrs"), ["dbo.Orders", "dbo.OrdersArchive"]);
        assert_eq!(kept("ord !archive"), ["dbo.Orders"]);
        assert_eq!(kept("state:failed"), ["dbo.Orders"]);
        assert_eq!(kept("lag>10m schema:sales"), ["sales.Invoice"]);
        assert_eq!(kept("lag<1m"), ["dbo.OrdersArchive"]);
        assert_eq!(kept("").len(), 3);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert!(Filter::new("lag>soon").problem.is_some());
        assert!(Filter::new("status:failed").problem.is_some());
        assert!(Filter::new("dbo.x").problem.is_none());
    }
}
