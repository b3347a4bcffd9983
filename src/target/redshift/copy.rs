//! COPY: part files into a table, by one manifest.

use std::fmt;

use futures::future::BoxFuture;

use super::connect::Session;
use super::error::{Kind, SqlError};
use super::load_errors;
use super::names::Relation;
use super::quote::{ident_list, literal};
use crate::config::Secret;
use crate::model::Fault;
use crate::model::fault::rs;

/// How Redshift reaches the bucket in one COPY.
#[derive(Clone, Debug)]
pub struct CopyAccess {
    pub login: CopyLogin,
    /// The bucket's region; needed when it is not the cluster's.
    pub region: Option<String>,
}

/// Gives the access of the COPY that is about to run. Temporary keys end, so they are asked for
/// at each COPY and never kept.
pub trait CopyAccessSource: Send + Sync {
    fn access(&self) -> BoxFuture<'_, Result<CopyAccess, Fault>>;
}

/// Access that never ends: a role, or lasting keys.
impl CopyAccessSource for CopyAccess {
    fn access(&self) -> BoxFuture<'_, Result<CopyAccess, Fault>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

#[derive(Clone)]
pub enum CopyLogin {
    /// ARN of an IAM role (several, comma-separated, are chained), or `default`.
    Role(String),
    /// Keys. Temporary ones must outlive the COPY that they were fetched for.
    Keys { access_key_id: String, secret_access_key: Secret, session_token: Option<Secret> },
}

impl fmt::Debug for CopyLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => f.debug_tuple("Role").field(role).finish(),
            Self::Keys { .. } => f.write_str("Keys(secret)"),
        }
    }
}

impl CopyAccess {
    fn clause(&self) -> String {
        match &self.login {
            CopyLogin::Role(role) if role.eq_ignore_ascii_case("default") => "IAM_ROLE default".to_owned(),
            CopyLogin::Role(role) => format!("IAM_ROLE {}", literal(role)),
            CopyLogin::Keys { access_key_id, secret_access_key, session_token } => {
                let mut clause =
                    format!("ACCESS_KEY_ID {} SECRET_ACCESS_KEY {}", literal(access_key_id), literal(secret_access_key.expose()));
                if let Some(token) = session_token {
                    clause.push_str(" SESSION_TOKEN ");
                    clause.push_str(&literal(token.expose()));
                }
                clause
            }
        }
    }

    /// Takes the secrets out of a text that came back from the server.
    fn hide(&self, text: &str) -> String {
        let CopyLogin::Keys { access_key_id, secret_access_key, session_token } = &self.login else { return text.to_owned() };
        let secrets = [Some(access_key_id.as_str()), Some(secret_access_key.expose()), session_token.as_ref().map(Secret::expose)];
        secrets
            .into_iter()
            .flatten()
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "(secret)"))
    }
}

/// Rows that the last COPY of the session loaded.
pub const COUNT: &str = "SELECT PG_LAST_COPY_COUNT()";

/// One COPY.
#[derive(Clone, Debug)]
pub struct Copy<'a> {
    pub into: &'a Relation,
    /// In the order of the fields in the files.
    pub columns: Vec<&'a str>,
    pub manifest_url: &'a str,
    pub null_marker: &'a str,
}

impl Copy<'_> {
    /// The statement. With keys in it, it must never be shown: see [`Self::redacted`].
    #[must_use]
    pub fn sql(&self, access: &CopyAccess) -> String {
        self.text(&access.clause(), access.region.as_deref())
    }

    /// The statement as it may be shown.
    #[must_use]
    pub fn redacted(&self, access: &CopyAccess) -> String {
        let region = access.region.as_deref();
        match &access.login {
            CopyLogin::Role(_) => self.sql(access),
            CopyLogin::Keys { session_token: None, .. } => self.text("ACCESS_KEY_ID '***' SECRET_ACCESS_KEY '***'", region),
            CopyLogin::Keys { .. } => self.text("ACCESS_KEY_ID '***' SECRET_ACCESS_KEY '***' SESSION_TOKEN '***'", region),
        }
    }

    /// Strings are quoted in the files and NULL is a marker that no value can equal, so that an
    /// empty string stays one. Nothing is cut, guessed or skipped: no TRUNCATECOLUMNS, no
    /// ACCEPTINVCHARS, no EMPTYASNULL, MAXERROR 0.
    fn text(&self, access: &str, region: Option<&str>) -> String {
        format!(
            r#"COPY {} ({})
FROM {}
{access}
MANIFEST{}
FORMAT AS CSV QUOTE AS '"' DELIMITER AS ',' NULL AS {} ZSTD
DATEFORMAT 'auto' TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF MAXERROR 0"#,
            self.into.sql(),
            ident_list(self.columns.iter().copied()),
            literal(self.manifest_url),
            region.map_or_else(String::new, |region| format!(" REGION {}", literal(region))),
            literal(self.null_marker),
        )
    }

    /// Runs the COPY inside the open transaction and compares the rows that it loaded.
    pub async fn run(&self, session: &mut Session, source: &dyn CopyAccessSource, rows: u64) -> Result<(), Fault> {
        fail_point!("copy.before");
        let access = &source.access().await?;
        let mark = load_errors::Mark::take(session).await?;
        tracing::debug!(statement = %self.redacted(access), "copy");
        match session.run("copy", &self.sql(access)).await {
            Ok(_) => {}
            Err(error) if error.kind() == Some(Kind::LoadFailed) => return Err(load_errors::fault(session, &mark, self.into, error).await),
            Err(SqlError::Server(mut error)) => {
                error.message = access.hide(&error.message);
                return Err(Fault::from(SqlError::Server(error)).evidence("manifest", self.manifest_url));
            }
            Err(error) => return Err(error.into()),
        }
        let loaded = session.run("count of the copy", COUNT).await?.number();
        fail_point!("copy.after");
        if loaded == Some(rows) {
            return Ok(());
        }
        Err(Fault::new(&rs::COPY_COUNT, format!("COPY into {} did not load what the records say", self.into.sql()))
            .evidence("recorded", rows)
            .evidence("loaded", loaded.map_or_else(|| "unknown".to_owned(), |loaded| loaded.to_string()))
            .evidence("manifest", self.manifest_url))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ddl::tests::orders;
    use super::*;

    fn keys() -> CopyAccess {
        let login = CopyLogin::Keys {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new(r"se'cr\et"),
            session_token: Some(Secret::new("token")),
        };
        CopyAccess { login, region: Some("eu-west-1".into()) }
    }

    #[test]
    fn the_statement_names_everything_and_hides_the_keys() {
        let (names, layout) = orders();
        let staging = layout.staging_columns();
        let columns = staging.iter().map(|column| column.name.as_str()).collect();
        let copy = Copy { into: &names.staging, columns, manifest_url: "s3://b/v1/main/loads/x.manifest", null_marker: "3c1f" };
        insta::assert_snapshot!(copy.sql(&keys()), @r#"
        COPY "staging"."dbo__orders" ("__d2r_op", "__d2r_batch", "__d2r_order", "id", "customer", "notes", "__d2r_keep_1")
        FROM 's3://b/v1/main/loads/x.manifest'
        ACCESS_KEY_ID 'AKIDEXAMPLE' SECRET_ACCESS_KEY 'se''cr\\et' SESSION_TOKEN 'token'
        MANIFEST REGION 'eu-west-1'
        FORMAT AS CSV QUOTE AS '"' DELIMITER AS ',' NULL AS '3c1f' ZSTD
        DATEFORMAT 'auto' TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF MAXERROR 0
        "#);
        let shown = copy.redacted(&keys());
        assert!(!shown.contains("AKID") && !shown.contains("cr") || !shown.contains("et'"), "{shown}");
        assert!(!shown.contains("token") && shown.contains("SESSION_TOKEN '***'"), "{shown}");
        assert_eq!(keys().hide(r"bad key AKIDEXAMPLE / se'cr\et"), "bad key (secret) / (secret)");
        let role = |role: &str| CopyAccess { login: CopyLogin::Role(role.into()), region: None };
        assert!(copy.sql(&role("default")).contains("\nIAM_ROLE default\nMANIFEST\n"));
        assert!(copy.sql(&role("arn:aws:iam::123456789012:role/r")).contains("\nIAM_ROLE 'arn:aws:iam::123456789012:role/r'\n"));
    }
}
