//! Check: connections, permissions, what must be initialised, unfinished work. Changes nothing
//! but a probe object that it removes again.

mod instances;
mod privileges;
mod work;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{Changes, Tls, matches};
use crate::engine::{Engine, policy};
use crate::model::fault::{FaultDocument, s3, sync};
use crate::model::{Fault, SqlType, TableName, TableShape};
use crate::source::{CaptureHealth, ServerFacts, Source, TableFacts};
use crate::store::ChangeStore;
use crate::target::Target;

/// One line of a check.
#[derive(Clone, Debug)]
pub struct Finding {
    /// `source`, `store`, `target`, or the table.
    pub area: String,
    /// What was looked at, as in `capture`.
    pub what: String,
    pub result: Found,
}

#[derive(Clone, Debug)]
pub enum Found {
    /// Green, with what was seen.
    Good(String),
    /// The work can go on.
    Warning(String),
    Fault(Fault),
}

/// A line as documents hold it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct FindingDocument {
    /// `source`, `store`, `target`, or the table as schema.table.
    pub area: String,
    /// What was looked at, as in `capture`.
    pub what: String,
    pub result: FoundKind,
    /// What was seen, for a person.
    pub text: String,
    /// The fault; null unless `result` is `fault`.
    pub fault: Option<FaultDocument>,
}

/// How a line of a check reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FoundKind {
    /// As it should be.
    Good,
    /// The work can go on.
    Warning,
    /// Something must be done first.
    Fault,
}

impl From<&Finding> for FindingDocument {
    fn from(finding: &Finding) -> Self {
        let (result, text, fault) = match &finding.result {
            Found::Good(text) => (FoundKind::Good, text.clone(), None),
            Found::Warning(text) => (FoundKind::Warning, text.clone(), None),
            Found::Fault(fault) => (FoundKind::Fault, fault.what().to_owned(), Some(fault.into())),
        };
        Self { area: finding.area.clone(), what: finding.what.clone(), result, text, fault }
    }
}

/// Collects the lines.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    /// What a fault of a table advises names the table.
    fn add(&mut self, area: impl Into<String>, what: &str, result: Found) {
        let area = area.into();
        let result = match (result, area.parse::<TableName>()) {
            (Found::Fault(fault), Ok(table)) => Found::Fault(fault.about(&table)),
            (result, _) => result,
        };
        self.0.push(Finding { area, what: what.to_owned(), result });
    }

    fn good(&mut self, area: impl Into<String>, what: &str, seen: impl Into<String>) {
        self.add(area, what, Found::Good(seen.into()));
    }

    fn warn(&mut self, area: impl Into<String>, what: &str, text: impl Into<String>) {
        self.add(area, what, Found::Warning(text.into()));
    }
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// One line each, in the order in which a person would look.
    pub async fn check(self: &Arc<Self>, tables: &[TableName]) -> Vec<Finding> {
        let mut found = Findings::default();
        for text in &self.settings.warnings {
            found.warn("configuration", "secrets", text);
        }
        let source = self.check_source(tables, &mut found).await;
        let store = self.check_store(&mut found).await;
        let target = self.check_target(tables, &mut found).await;
        if let Some(facts) = source.filter(|_| store && target) {
            self.check_work(tables, &facts, &mut found).await;
        }
        found.0
    }

    /// What the source says of the tables; `None` when it cannot be read at all.
    async fn check_source(&self, tables: &[TableName], found: &mut Findings) -> Option<Vec<TableFacts>> {
        let server = match self.source.start_up().await {
            Ok(server) => server,
            Err(fault) => {
                found.add("source", "connection", Found::Fault(fault));
                return None;
            }
        };
        found.good("source", "connection", format!("{} {} as {}", server.identity.server, server.version, server.identity.database));
        tls_line("source", &self.settings.source.tls, server.encrypted, found);
        if server.cdc_enabled {
            found.good("source", "CDC", "on for the database");
        } else {
            let fault =
                Fault::new(&sync::NOT_TRACKED, format!("CDC is off for {}", server.identity.database)).next("db-to-redshift enable");
            found.add("source", "CDC", Found::Fault(fault));
        }
        if server.snapshot_isolation {
            found.good("source", "snapshot isolation", "allowed");
        } else {
            found.warn("source", "snapshot isolation", "not allowed: prepare can only open an epoch with --mode start");
        }
        if let Some(grant) = &server.policies_unseen {
            found.warn("source", "security policies", format!("not visible to this login, so one that filters rows goes unseen: {grant}"));
        }
        match self.source.health().await {
            Ok(health) => health_lines(&health, found),
            Err(fault) => found.warn("source", "capture", format!("its state cannot be read: {fault}")),
        }
        self.check_rules(found).await;
        let mut facts = Vec::new();
        match self.describe(tables).await {
            Ok(described) => {
                for (table, described) in tables.iter().zip(described) {
                    match described {
                        Ok(described) => facts.push(described),
                        Err(fault) => found.add(table.to_string(), "table", Found::Fault(fault)),
                    }
                }
                self.check_tables(&server, &facts, found).await;
            }
            Err(fault) => found.add("source", "tables", Found::Fault(fault)),
        }
        Some(facts)
    }

    /// A rule with a slip in its name holds for nobody.
    async fn check_rules(&self, found: &mut Findings) {
        if self.settings.tables.is_empty() {
            return;
        }
        match self.source.tables().await {
            Ok(known) => {
                let matched = |pattern: &str| known.iter().any(|table| matches(pattern, &table.name.to_string()));
                for rule in self.settings.tables.iter().filter(|rule| !matched(&rule.name)) {
                    found.warn("configuration", "[[table]]", format!("name = {:?} matches no table that this login sees", rule.name));
                }
            }
            Err(fault) => found.warn("configuration", "[[table]]", format!("the tables cannot be listed: {fault}")),
        }
    }

    async fn check_tables(&self, server: &ServerFacts, facts: &[TableFacts], found: &mut Findings) {
        let mut shapes = Vec::new();
        let names: Vec<TableName> = facts.iter().map(|table| table.name.clone()).collect();
        if server.cdc_enabled {
            privileges::lines("source", "SELECT on tables and change tables", &names, self.source.lacking(facts).await, found);
        }
        let instances: Vec<String> = facts.iter().filter_map(|table| Some(table.instances.first()?.identity.instance.clone())).collect();
        let marks = self.source.watermarks(&instances).await;
        for table in facts {
            let name = table.name.to_string();
            for fault in &table.withheld {
                found.add(&name, "rows and values", Found::Fault(fault.clone()));
            }
            let Some(instance) = table.instances.first() else {
                let command = if server.cdc_enabled {
                    format!("db-to-redshift enable --table {:#}", table.name)
                } else {
                    "db-to-redshift enable".into()
                };
                found.add(
                    &name,
                    "capture",
                    Found::Fault(Fault::new(&sync::NOT_TRACKED, format!("{name} has no capture instance")).next(command)),
                );
                continue;
            };
            self.check_instances(table, instance, found).await;
            if self.settings.changes_of(&table.name) == Changes::Net
                && let Some(why) = net_refusal(&instance.shape, instance.supports_net_changes)
            {
                found.add(
                    &name,
                    "net changes",
                    Found::Fault(Fault::new(&sync::NET_REFUSED, format!("{name} cannot be read by net changes: {why}"))),
                );
            }
            if let Some(fault) = policy::unknown_column(&self.settings, &table.name, &instance.shape) {
                found.add(&name, "columns", Found::Fault(fault));
            }
            shapes.push((table.name.clone(), instance.shape.clone()));
            match &marks {
                Ok(marks) => {
                    let at = instances.iter().position(|other| *other == instance.identity.instance);
                    let min = at.and_then(|at| marks.min.get(at)).copied().unwrap_or_default();
                    match crate::engine::extract::guards::readable(&table.name, instance, min, marks.max) {
                        Ok(_) => found.good(&name, "capture", format!("instance {}, from {min}", instance.identity.instance)),
                        Err(fault) if fault.is(&sync::WARMING_UP) => found.warn(&name, "capture", fault.to_string()),
                        Err(fault) => found.add(&name, "capture", Found::Fault(fault)),
                    }
                }
                Err(fault) => found.add(&name, "capture", Found::Fault(fault.clone())),
            }
        }
        for refused in self.target.check_shapes(&shapes) {
            let area = refused.tables.first().filter(|_| refused.tables.len() == 1).map_or_else(|| "tables".into(), TableName::to_string);
            found.add(area, "columns", Found::Fault(refused.fault));
        }
        // A target that does not answer has a line of its own.
        for fault in self.target.check_collations(&shapes).await.unwrap_or_default() {
            found.add("target", "collation", Found::Fault(fault));
        }
    }

    async fn check_store(&self, found: &mut Findings) -> bool {
        let facts = match self.store.bucket().await {
            Ok(facts) => facts,
            Err(fault) => {
                found.add("store", "bucket", Found::Fault(fault));
                return false;
            }
        };
        if !facts.exists {
            let fault =
                Fault::new(&s3::NO_BUCKET, format!("bucket {} does not exist", self.settings.s3.bucket)).next("db-to-redshift prepare");
            found.add("store", "bucket", Found::Fault(fault));
            return false;
        }
        found.good("store", "bucket", self.store.root());
        if facts.public_access_blocked == Some(false) {
            found.warn(
                "store",
                "public access",
                "not blocked: db-to-redshift prepare blocks it for a bucket that it makes; block it for this one by hand",
            );
        }
        if facts.aborts_incomplete_uploads == Some(false) {
            found.warn("store", "lifecycle", "no rule ends incomplete uploads: their bytes cost money until one does");
        }
        match self.store.probe().await {
            Ok(()) => found.good("store", "conditional writes", "honoured"),
            Err(fault) => {
                found.add("store", "conditional writes", Found::Fault(fault));
                return false;
            }
        }
        true
    }

    async fn check_target(&self, tables: &[TableName], found: &mut Findings) -> bool {
        let facts = match self.target.start_up().await {
            Ok(facts) => facts,
            Err(fault) => {
                found.add("target", "connection", Found::Fault(fault));
                return false;
            }
        };
        found.good("target", "connection", format!("{} as {} in {}", facts.version, facts.user, facts.database));
        tls_line("target", &self.settings.redshift.tls, Some(facts.encrypted), found);
        let missing: Vec<_> = facts.schemas.iter().filter(|(_, there)| !there).map(|(name, _)| name.as_str()).collect();
        if missing.is_empty() {
            found.good("target", "schemas", "there");
        } else {
            found.warn("target", "schemas", format!("prepare will create {}", missing.join(", ")));
        }
        let lacking = self.target.lacking(tables).await;
        privileges::lines("target", "schemas, production, staging, state", tables, lacking, found);
        match self.target.check_hidden(tables).await {
            Ok(hidden) => {
                for (table, fault) in hidden {
                    found.add(table.to_string(), "row-level security", Found::Fault(fault));
                }
            }
            Err(fault) => found.warn("target", "row-level security", format!("it cannot be asked for: {fault}")),
        }
        true
    }
}

fn tls_line(area: &str, tls: &Tls, encrypted: Option<bool>, found: &mut Findings) {
    match (tls, encrypted) {
        (Tls::Verify { .. }, Some(false)) => found.warn(area, "TLS", "asked for, but the server says the connection is not encrypted"),
        (Tls::Verify { .. }, _) => found.good(area, "TLS", "verified"),
        (Tls::TrustAny, _) => found.warn(area, "TLS", "encrypted, but anybody may answer: tls = \"trust-any\""),
        (Tls::Off, _) => found.warn(area, "TLS", "off: passwords and data cross the network in the clear"),
    }
}

fn health_lines(health: &CaptureHealth, found: &mut Findings) {
    match health.agent_running {
        Some(true) => found.good("source", "SQL Server Agent", "running"),
        Some(false) => found.warn("source", "SQL Server Agent", "stopped: capture is down, so no rows does not mean no changes"),
        None => found.warn("source", "SQL Server Agent", "not visible to this login: GRANT VIEW SERVER STATE shows it"),
    }
    if let Some((number, message)) = &health.last_error {
        found.warn("source", "capture", format!("last error {number}: {message}"));
    }
    if let Some(latency) = health.latency_seconds {
        found.good("source", "capture", format!("{latency} s behind the log"));
    }
    if let Some(retention) = health.retention {
        found.good("source", "retention", format!("{} minutes", retention.as_secs() / 60));
    }
}

/// Why a table cannot be read by net changes (rule E5).
pub(crate) fn net_refusal(shape: &TableShape, supported: bool) -> Option<String> {
    if !supported {
        return Some("its capture instance does not support them".into());
    }
    let large: Vec<_> = shape.large_columns().map(|(_, column)| column.name.as_str()).collect();
    if !large.is_empty() {
        return Some(format!("it has large columns ({})", large.join(", ")));
    }
    // Their rows come as rows of text: nobody says how net changes compare the values behind it.
    let odd = |sql_type: &SqlType| matches!(sql_type, SqlType::SqlVariant | SqlType::HierarchyId);
    let odd: Vec<_> = shape.columns().iter().filter(|column| odd(&column.sql_type)).map(|column| column.name.as_str()).collect();
    if !odd.is_empty() {
        return Some(format!("it has columns that are carried as text ({})", odd.join(", ")));
    }
    let exact = |sql_type: &SqlType| {
        use SqlType::{BigInt, Date, Decimal, Int, SmallInt, TinyInt, UniqueIdentifier};
        matches!(sql_type, TinyInt | SmallInt | Int | BigInt | Decimal { .. } | Date | UniqueIdentifier)
    };
    let odd: Vec<_> = shape.key().iter().filter(|column| !exact(&column.sql_type)).map(|column| column.name.as_str()).collect();
    (!odd.is_empty())
        .then(|| format!("its key has columns of other types than integer, decimal, date and uniqueidentifier ({})", odd.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, Unfit};

    #[test]
    fn net_changes_want_plain_columns() {
        let column = |name: &str, id, sql_type, key_ordinal| Column {
            name: name.into(),
            column_id: id,
            ordinal: id,
            sql_type,
            nullable: true,
            collation: None,
            key_ordinal,
            unfit: Unfit::Fail,
        };
        let refused =
            |sql_type| net_refusal(&TableShape::new(vec![column("id", 1, SqlType::Int, Some(1)), column("c", 2, sql_type, None)]), true);
        assert!(refused(SqlType::NVarChar { length: 9 }).is_none());
        for odd in [SqlType::Xml, SqlType::Text, SqlType::Image, SqlType::Geography, SqlType::SqlVariant, SqlType::HierarchyId] {
            assert!(refused(odd.clone()).is_some_and(|why| why.contains("(c)")), "{odd}");
        }
    }
}
