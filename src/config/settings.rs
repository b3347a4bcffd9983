//! The settings of one profile, complete and checked: what the machines and the engine read.
//!
//! They are a document of an incident bundle: secrets and key ids show only that they are set.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::Secret;
use crate::model::{TableName, Unfit};

/// The settings in use, defaults included. Secrets and key ids show only that they are set; times are
/// in seconds.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Settings {
    /// Name of the stream: part of every key in S3 and of the state in Redshift. Letters, digits,
    /// `_` and `-`, at most 100.
    pub pipeline: String,
    /// The profile's name; `default` without profiles.
    pub profile: String,
    /// The console only reads until the profile's name is typed. Commands do not ask.
    pub protected: bool,
    /// The database that changes come from.
    pub source: SourceSettings,
    /// Where change files stand.
    pub s3: S3Settings,
    /// The database that changes go to.
    pub redshift: RedshiftSettings,
    /// How changes are read.
    pub extract: ExtractSettings,
    /// How batches are loaded.
    pub load: LoadSettings,
    /// How long objects stay in S3.
    pub store: StoreSettings,
    /// Rules for tables: of those that match one, the last counts.
    pub tables: Vec<TableRule>,
    /// How the console looks.
    pub console: ConsoleSettings,
    /// What `check` should say about the file, as of a password in plain text.
    pub warnings: Vec<String>,
}

impl Settings {
    /// How the rows of a table are asked for: the last rule that matches decides.
    #[must_use]
    pub fn changes_of(&self, table: &TableName) -> Changes {
        self.rule_of(table).map_or(Changes::default(), |rule| rule.changes)
    }

    /// Whether `mode = "skip"` holds for a table: the last rule that matches decides.
    #[must_use]
    pub fn is_skipped(&self, table: &TableName) -> bool {
        self.rule_of(table).is_some_and(|rule| rule.skip)
    }

    /// The policies for values that are too long, by column.
    #[must_use]
    pub fn policies_of(&self, table: &TableName) -> &[(String, Unfit)] {
        self.rule_of(table).map(|rule| rule.columns.as_slice()).unwrap_or_default()
    }

    /// Whether an operator vouches that security policies hide no row of a table.
    #[must_use]
    pub fn sees_all_rows(&self, table: &TableName) -> bool {
        self.rule_of(table).is_some_and(|rule| rule.sees_all_rows)
    }

    /// The last rule that matches: it alone holds for the table.
    #[must_use]
    pub fn rule_of(&self, table: &TableName) -> Option<&TableRule> {
        last_match(&self.tables, table)
    }
}

/// The last rule that matches a table.
#[must_use]
pub fn last_match<'a>(rules: &'a [TableRule], table: &TableName) -> Option<&'a TableRule> {
    rules.iter().rev().find(|rule| matches(&rule.name, &table.to_string()))
}

/// Whether a name matches a pattern in which `*` stands for any run of characters. Letter case
/// does not matter, as in the names of most source databases.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

/// How a database connection is protected.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Tls {
    /// Encrypted, the server's certificate verified against the system's roots or `ca_file`.
    Verify {
        /// Certificates that are trusted; null: the system's.
        ca_file: Option<PathBuf>,
    },
    /// Encrypted, anybody may answer. Every screen shows it.
    TrustAny,
    /// Not encrypted. Every screen shows it.
    Off,
}

/// `[source]`: SQL Server.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SourceSettings {
    /// Name or address of the server.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// The database that is read.
    pub database: String,
    /// The login.
    pub user: String,
    /// Of the login.
    pub password: Secret,
    pub tls: Tls,
    pub cleanup: CleanUpPolicy,
    /// How long one statement may take before it is given up. Reads of change tables have none.
    #[serde(serialize_with = "seconds")]
    #[schemars(with = "f64")]
    pub timeout: Duration,
}

/// Who cleans up change history (section 6 of the protocol).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CleanUpPolicy {
    /// SQL Server's own job.
    #[default]
    Never,
    /// This program, once changes stand in S3.
    AfterExtract,
    /// This program, once changes stand in production.
    AfterLoad,
}

/// `[s3]`: the store of change files.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct S3Settings {
    /// Name of the bucket.
    pub bucket: String,
    /// Without slashes at the ends; may be empty.
    pub prefix: String,
    /// The bucket's region; null: as the AWS SDK finds it.
    pub region: Option<String>,
    /// For other stores than AWS.
    pub endpoint_url: Option<String>,
    /// The bucket stands in the path of URLs, not in the host name.
    pub force_path_style: bool,
    /// Null: the AWS SDK's own chain (environment, profile files, web identity, container,
    /// instance role).
    pub credentials: Option<S3Credentials>,
    /// How long one try of one request may take.
    #[serde(serialize_with = "seconds")]
    #[schemars(with = "f64")]
    pub timeout: Duration,
}

/// Keys that stand in the configuration: for stores that the AWS chain knows nothing of.
#[derive(Clone, Serialize, JsonSchema)]
pub struct S3Credentials {
    /// Only whether it is set.
    #[serde(serialize_with = "hidden")]
    #[schemars(with = "Secret")]
    pub access_key_id: String,
    /// The secret of the key.
    pub secret_access_key: Secret,
    /// Of temporary keys.
    pub session_token: Option<Secret>,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3Credentials(secret)")
    }
}

/// `[redshift]`: the target.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RedshiftSettings {
    /// Name or address of the endpoint.
    pub host: String,
    /// TCP port of the endpoint.
    pub port: u16,
    /// The database that is loaded.
    pub database: String,
    /// Who loads it.
    pub user: String,
    /// Of the user.
    pub password: Secret,
    pub tls: Tls,
    /// IAM role of the COPY, or `default`. Null: the credentials that this program uses itself.
    pub copy_role: Option<String>,
    /// Schema of production tables.
    pub target_schema: String,
    /// Schema of staging tables.
    pub staging_schema: String,
    /// Schema of state and batch log.
    pub control_schema: String,
    /// How long one statement may take, queue included.
    #[serde(serialize_with = "seconds")]
    #[schemars(with = "f64")]
    pub timeout: Duration,
    /// How long `LOCK state` may wait before the holder's pid is looked up.
    #[serde(serialize_with = "seconds")]
    #[schemars(with = "f64")]
    pub lock_timeout: Duration,
}

/// `[extract]`
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ExtractSettings {
    /// Tables at once.
    pub parallel: usize,
    /// Tries after the first of a step that met a transient fault: a deadlock, a lost connection.
    pub retries: u32,
    /// Source transactions in one batch at the most (rule E4).
    pub max_transactions: u32,
    /// Compressed bytes after which a new part file begins.
    pub part_bytes: u64,
    /// Rows that one page of a change table holds.
    pub page_rows: u32,
    /// zstd level, 1 to 19.
    pub compression_level: i32,
}

/// `[load]`
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LoadSettings {
    /// Tables at once.
    pub parallel: usize,
    /// Tries after the first of a whole transaction that met a conflict or a lost connection.
    pub retries: u32,
    /// Batches that one stage may join; 1 switches coalescing off.
    pub coalesce_batches: u32,
    /// Rows at which a joined range ends.
    pub coalesce_rows: u64,
}

/// `[store]`
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StoreSettings {
    /// How long part files stay after their load; zero deletes them at once.
    #[serde(serialize_with = "seconds")]
    #[schemars(with = "f64")]
    pub keep: Duration,
    /// How long it is known who ran what.
    #[serde(serialize_with = "seconds")]
    #[schemars(with = "f64")]
    pub keep_runs: Duration,
}

/// How the console looks and which keys it takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct ConsoleSettings {
    /// `auto` asks the terminal for its background.
    pub theme: &'static str,
    /// It takes the mouse.
    pub mouse: bool,
    /// No character beyond ASCII.
    pub ascii: bool,
    /// Spinners turn.
    pub motion: bool,
    /// Keys instead of the default ones, by the name of the action.
    pub keys: Vec<(String, Vec<String>)>,
}

/// `[[table]]`: what holds for the tables whose `schema.table` matches `name`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct TableRule {
    /// A name, or a pattern with `*`.
    pub name: String,
    /// `mode = "skip"` leaves the tables out.
    pub skip: bool,
    /// Which rows are asked for.
    pub changes: Changes,
    /// What becomes of values that are too long for the target, by column.
    pub columns: Vec<(String, Unfit)>,
    /// An operator vouches that the security policies on the tables let this login see every row.
    pub sees_all_rows: bool,
}

/// Which rows are asked for (rule E5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Changes {
    /// Every change, netted in the target.
    #[default]
    All,
    /// The net changes that SQL Server makes of them.
    Net,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// A key id is no secret, but a bundle goes to people who need not know it.
fn hidden<S: Serializer>(_: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("(set)")
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, name) in
            [("dbo.Orders", "DBO.orders"), ("*", "a.b"), ("dbo.*", "dbo.x"), ("*.order*s", "s.orders"), ("a*b*c", "a1b2b3c")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("dbo.Orders", "dbo.Orders2"), ("dbo.*", "sales.x"), ("a*b", "a"), ("", "a"), ("ab*bc", "abc")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
