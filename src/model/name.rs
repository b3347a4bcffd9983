//! Names of source tables.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A source table in the spelling of `sys.tables`.
///
/// Shown as `schema.table`; a part that holds a dot, a bracket or a blank is shown in brackets
/// with `]` doubled, so that the text reads back to the same name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    pub schema: String,
    pub name: String,
}

/// A text that does not read as `schema.table`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a table name: write schema.table, with brackets around a part that holds a dot, as in [odd.schema].[my table]")]
pub struct TableNameError(pub String);

impl TableName {
    #[must_use]
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

fn write_part(f: &mut impl fmt::Write, part: &str) -> fmt::Result {
    let plain = !part.is_empty() && !part.chars().any(|c| matches!(c, '.' | '[' | ']') || c.is_whitespace());
    if plain { f.write_str(part) } else { write!(f, "[{}]", part.replace(']', "]]")) }
}

fn read_part(text: &str) -> Option<(String, &str)> {
    let Some(rest) = text.strip_prefix('[') else {
        let end = text.find('.').unwrap_or(text.len());
        let (part, rest) = text.split_at(end);
        return (!part.is_empty() && !part.contains(['[', ']'])).then(|| (part.to_owned(), rest));
    };
    let mut part = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != ']' {
            part.push(c);
        } else if chars.next_if(|(_, next)| *next == ']').is_some() {
            part.push(']');
        } else {
            return (!part.is_empty()).then(|| (part, &rest[at + 1..]));
        }
    }
    None
}

/// `{:#}` is the name as a POSIX shell takes it, for commands that people copy.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return self.spell(f);
        }
        let mut plain = String::new();
        self.spell(&mut plain)?;
        f.write_str(&super::typed::shell(&plain))
    }
}

impl TableName {
    fn spell(&self, to: &mut impl fmt::Write) -> fmt::Result {
        write_part(to, &self.schema)?;
        to.write_str(".")?;
        write_part(to, &self.name)
    }
}

impl fmt::Debug for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableName({self})")
    }
}

impl FromStr for TableName {
    type Err = TableNameError;

    fn from_str(text: &str) -> Result<Self, TableNameError> {
        let error = || TableNameError(text.to_owned());
        let (schema, rest) = read_part(text).ok_or_else(error)?;
        let (name, rest) = rest.strip_prefix('.').and_then(read_part).ok_or_else(error)?;
        if rest.is_empty() { Ok(Self { schema, name }) } else { Err(error()) }
    }
}

impl Serialize for TableName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TableName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for TableName {
    fn schema_name() -> Cow<'static, str> {
        "TableName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "schema.table as the source spells it; a part with a dot, a bracket or a blank stands in brackets." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_takes_a_name_with_any_quote() {
        let table = TableName::new("dbo", "it's");
        assert_eq!(format!("{table} {table:#}"), r"dbo.it's 'dbo.it'\''s'");
    }

    #[test]
    fn reads_plain_and_bracketed_names() {
        assert_eq!("dbo.Orders".parse(), Ok(TableName::new("dbo", "Orders")));
        assert_eq!("[a.b].[c]]d]".parse(), Ok(TableName::new("a.b", "c]d")));
        for text in ["", "dbo", "dbo.", ".t", "a.b.c", "[a.b", "[].t", "[a]x.t"] {
            assert!(text.parse::<TableName>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_name_reads_back(schema in "\\PC{1,20}", name in "\\PC{1,20}") {
            let table = TableName::new(schema, name);
            prop_assert_eq!(table.to_string().parse::<TableName>().unwrap(), table);
        }
    }
}
