//! A fault as documents and run records hold it.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};

use super::Fault;

/// One fact of a fault: a number, a name, an LSN, a time. Never a cell value or a secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// What the fact is about.
    pub name: String,
    /// As text.
    pub value: String,
}

/// Everything that a fault tells. Owned, so that it survives the run that met it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FaultDocument {
    /// Stable code, as in `SRC-012`: `db-to-redshift explain` prints its page.
    pub code: String,
    /// The code in words.
    pub title: String,
    /// What happened, where, in one sentence.
    pub what: String,
    /// In the order in which it was gathered; a name may stand twice.
    pub evidence: Vec<Fact>,
    /// What it means for the data.
    pub meaning: String,
    /// Commands or acts, the safest first.
    pub next: Vec<String>,
}

impl From<&Fault> for FaultDocument {
    fn from(fault: &Fault) -> Self {
        let fact = |(name, value): &(String, String)| Fact { name: name.clone(), value: value.clone() };
        Self {
            code: fault.code().to_owned(),
            title: fault.page().title.to_owned(),
            what: fault.what().to_owned(),
            evidence: fault.facts().iter().map(fact).collect(),
            meaning: fault.page().meaning.to_owned(),
            next: fault.actions().map(str::to_owned).collect(),
        }
    }
}

/// As the fault itself shows.
impl fmt::Display for FaultDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.evidence.iter().map(|fact| (fact.name.as_str(), fact.value.as_str()));
        line(f, &self.code, &self.what, facts)
    }
}

/// A fault in one line.
pub(super) fn line<'a>(f: &mut fmt::Formatter<'_>, code: &str, what: &str, facts: impl Iterator<Item = (&'a str, &'a str)>) -> fmt::Result {
    write!(f, "{code}: {what}")?;
    let mut before = " (";
    for (name, value) in facts {
        write!(f, "{before}{name}={value}")?;
        before = ", ";
    }
    if before == ", " { f.write_str(")") } else { Ok(()) }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FaultDocument::from(self).serialize(serializer)
    }
}

impl JsonSchema for Fault {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        FaultDocument::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::sync;

    #[test]
    fn a_document_keeps_every_fact_in_its_order() {
        let fault = Fault::new(&sync::GAP, "changes are gone").evidence("snapshot at", "a").evidence("snapshot at", "b").next("do this");
        let document: FaultDocument = serde_json::from_str(&serde_json::to_string(&fault).unwrap()).unwrap();
        assert_eq!(document, FaultDocument::from(&fault));
        assert_eq!(document.evidence.iter().map(|fact| fact.value.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(document.next[0], "do this");
        assert_eq!(document.to_string(), fault.to_string());
        assert_eq!(fault.to_string(), "SYNC-002: changes are gone (snapshot at=a, snapshot at=b)");
        assert_eq!(Fault::new(&sync::GAP, "gone").to_string(), "SYNC-002: gone");
    }
}
