//! Names of tables and columns in the target.
//!
//! Redshift folds identifiers to lower case, quoted ones too, unless a session says otherwise.
//! We fold them ourselves, so that catalogue look-ups see the same text whatever the session
//! does. The rule for a source table `schema.table`:
//!
//! | table | name |
//! |---|---|
//! | production | `<target_schema>.<table>` |
//! | staging | `<staging_schema>.<schema>__<table>` |
//! | state | `<control_schema>.<target_schema>__<table>__state` |
//! | batch log | `<control_schema>.batch_log` |
//!
//! The state is named after the production table that it guards, not after the stream. Whoever
//! wants to load the same production through the same control schema (another pipeline, another
//! source database, a table of another source schema) meets the same state row, and there the
//! comparison of identities refuses it. A state per stream would let two streams write one table.

use sha2::{Digest, Sha256};

use super::quote::qualified;
use crate::config::RedshiftSettings;
use crate::model::{TableName, hex};
use crate::target::TargetNames;

/// Longest identifier, in bytes.
const LONGEST: usize = 127;
/// Bytes of the hash suffix of a shortened name, without its two underscores.
const SUFFIX: usize = 12;

pub const OP: &str = "__d2r_op";
pub const BATCH: &str = "__d2r_batch";
pub const ORDER: &str = "__d2r_order";
/// Beginning of every internal name; no source column may have it.
pub const INTERNAL: &str = "__d2r_";

/// The keep flag of the n-th large column, counted from 1.
#[must_use]
pub fn keep(number: usize) -> String {
    format!("__d2r_keep_{number}")
}

/// A name as the target spells it: folded, and shortened with a hash suffix when it is too long.
#[must_use]
pub fn fold(name: &str) -> String {
    let folded: String = name.chars().flat_map(char::to_lowercase).collect();
    if folded.len() <= LONGEST {
        return folded;
    }
    let hash = hex(&Sha256::digest(folded.as_bytes()));
    let mut end = LONGEST - SUFFIX - 2;
    while !folded.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}__{}", &folded[..end], &hash[..SUFFIX])
}

/// A table in the target: folded, not yet quoted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Relation {
    pub schema: String,
    pub name: String,
}

impl Relation {
    fn new(schema: &str, name: &str) -> Self {
        Self { schema: fold(schema), name: fold(name) }
    }

    /// `"schema"."name"`.
    #[must_use]
    pub fn sql(&self) -> String {
        qualified(&self.schema, &self.name)
    }
}

/// The tables that belong to one source table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    pub production: Relation,
    pub staging: Relation,
    pub state: Relation,
    pub log: Relation,
}

impl Names {
    #[must_use]
    pub fn new(settings: &RedshiftSettings, table: &TableName) -> Self {
        let state = format!("{}__{}__state", settings.target_schema, table.name);
        Self {
            production: Relation::new(&settings.target_schema, &table.name),
            staging: Relation::new(&settings.staging_schema, &format!("{}__{}", table.schema, table.name)),
            state: Relation::new(&settings.control_schema, &state),
            log: log(settings),
        }
    }

    #[must_use]
    pub fn quoted(&self) -> TargetNames {
        TargetNames { production: self.production.sql(), staging: self.staging.sql(), state: self.state.sql() }
    }
}

/// The batch log that all tables of a control schema share.
#[must_use]
pub fn log(settings: &RedshiftSettings) -> Relation {
    Relation::new(&settings.control_schema, "batch_log")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::{Secret, Tls};
    use std::time::Duration;

    pub fn settings() -> RedshiftSettings {
        RedshiftSettings {
            host: "127.0.0.1".into(),
            port: 5439,
            database: "dev".into(),
            user: "loader".into(),
            password: Secret::new("secret"),
            tls: Tls::Off,
            copy_role: None,
            target_schema: "Sales".into(),
            staging_schema: "staging".into(),
            control_schema: "d2r".into(),
            timeout: Duration::from_mins(1),
            lock_timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn names_follow_the_table_above() {
        let names = Names::new(&settings(), &TableName::new("dbo", "Order \"Lines\"")).quoted();
        assert_eq!(names.production, r#""sales"."order ""lines""""#);
        assert_eq!(names.staging, r#""staging"."dbo__order ""lines""""#);
        assert_eq!(names.state, r#""d2r"."sales__order ""lines""__state""#);
    }

    #[test]
    fn long_names_are_shortened_without_meeting() {
        let a = fold(&format!("{}A", "ä".repeat(90)));
        let b = fold(&format!("{}B", "ä".repeat(90)));
        assert!(a.len() <= LONGEST && b.len() <= LONGEST && a != b, "{a} {b}");
        assert_eq!(fold(&"x".repeat(127)), "x".repeat(127));
    }
}
