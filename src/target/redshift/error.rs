//! Redshift's errors, sorted in one place.
//!
//! Many of them arrive with SQLSTATE `XX000`, so the number or the text at the beginning of the
//! message and of the detail decides. A message may quote cell values; what is shown of it has
//! everything in quotes taken out, unless its class can only quote names.

use std::fmt;

use tokio_postgres::error::DbError;

use super::load_errors;
use crate::model::Fault;
use crate::model::fault::{Page, rs};

/// What an error means to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Rolled back because of another transaction: try the whole transaction again.
    Conflict,
    /// `statement_timeout`, or cancelled by somebody.
    Cancelled,
    /// A value did not fit; `sys_load_error_detail` says which.
    LoadFailed,
    /// A string is longer than the column that an INSERT puts it in.
    TooLong,
    /// The files of a COPY could not be read.
    CopySource,
    /// The keys or the role's session of a COPY have expired.
    CopyExpired,
    Permission,
    /// User, password or database.
    Login,
    AlreadyExists,
    Missing,
    /// A column that the statement names.
    NoColumn,
    Full,
    /// The session was ended: shut down, or `pg_terminate_backend`.
    Ended,
    Other,
}

/// Sorts an error by SQLSTATE, message and detail.
#[must_use]
pub fn classify(sqlstate: &str, message: &str, detail: &str) -> Kind {
    let message = message.to_ascii_lowercase();
    let detail = detail.to_ascii_lowercase();
    let text = |part: &str| message.contains(part) || detail.contains(part);
    let number = |number: &str| {
        let starts = |text: &str| {
            let text = text.trim_start().trim_start_matches("error:").trim_start();
            text.strip_prefix(number).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        starts(&message) || starts(&detail)
    };
    match sqlstate {
        "40001" | "40P01" => return Kind::Conflict,
        "57014" => return Kind::Cancelled,
        "57P01" | "57P02" | "57P03" => return Kind::Ended,
        "28000" | "28P01" | "3D000" => return Kind::Login,
        "42501" => return Kind::Permission,
        "42P06" | "42P07" | "42710" => return Kind::AlreadyExists,
        "42P01" | "3F000" => return Kind::Missing,
        "42703" => return Kind::NoColumn,
        "53100" | "53200" => return Kind::Full,
        // Two sessions creating one name at once: the unique index of the catalogue speaks.
        "23505" if text("pg_class_") || text("pg_type_") || text("pg_namespace_") => return Kind::AlreadyExists,
        _ => {}
    }
    if number("1023")
        || number("1018")
        || text("serializable isolation violation")
        || text("conflict with concurrent transaction")
        || text("deadlock detected")
    {
        Kind::Conflict
    } else if message.starts_with("load into table") && message.contains("failed") {
        Kind::LoadFailed
    } else if sqlstate == "22001" || text("value too long for type") {
        Kind::TooLong
    } else if text("error expiredtoken") || text("the provided token has expired") {
        Kind::CopyExpired
    } else if number("8001")
        || number("9005")
        || text("s3serviceexception")
        || text("specified s3 prefix")
        || text("manifest")
        || text("iam role")
    {
        Kind::CopySource
    } else if text("statement timeout") || text("cancelled on user's request") || text("canceled on user's request") {
        Kind::Cancelled
    } else if text("disk full") || text("out of memory") {
        Kind::Full
    } else if text("permission denied") {
        Kind::Permission
    } else if text("already exists") {
        Kind::AlreadyExists
    } else if text("password authentication failed") {
        Kind::Login
    } else {
        Kind::Other
    }
}

/// Steps whose statements name the columns of production.
const OVER_PRODUCTION: [&str; 5] =
    ["delete staged keys", "insert survivors", "keep values of production", "read production", "read a row of production"];

/// A statement that failed.
#[derive(Debug)]
pub enum SqlError {
    /// The server answered with an error; its transaction, if any, is aborted.
    Server(ServerError),
    /// No answer: the connection broke, or the answer did not come in time.
    NoAnswer { step: &'static str, why: String },
}

/// An error of the server without anything that may be a cell value.
#[derive(Debug)]
pub struct ServerError {
    /// Which statement, in our words.
    pub step: &'static str,
    pub kind: Kind,
    pub sqlstate: String,
    pub message: String,
    /// The load error code that the server gives where the files of a COPY could not be read: the
    /// views of load errors hold only rows that were refused.
    pub code: Option<u16>,
    /// The table that the server names, where it does.
    pub table: Option<String>,
    pub column: Option<String>,
}

impl ServerError {
    #[must_use]
    pub fn new(step: &'static str, error: &DbError) -> Self {
        let detail = error.detail().unwrap_or_default();
        let kind = classify(error.code().code(), error.message(), detail);
        Self {
            step,
            kind,
            code: if kind == Kind::CopySource { load_error_code(error.message(), detail) } else { None },
            sqlstate: error.code().code().to_owned(),
            message: shown(error.code().code(), kind, error.message(), error.detail()),
            table: error.table().map(str::to_owned),
            column: error.column().map(str::to_owned),
        }
    }
}

/// What may be shown of a message and its detail.
fn shown(sqlstate: &str, kind: Kind, message: &str, detail: Option<&str>) -> String {
    // Classes that quote names and syntax only.
    let names_only = ["40", "42", "57", "28", "3D", "3F", "53"].iter().any(|class| sqlstate.starts_with(class));
    let mut text = if names_only { message.to_owned() } else { without_quoted(message) };
    if kind == Kind::Conflict
        && let Some(detail) = detail
    {
        text.push_str(": ");
        text.push_str(&without_quoted(detail));
    }
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ").chars().take(500).collect()
}

/// `code:  8001` of a detail, or the number that the message begins with.
fn load_error_code(message: &str, detail: &str) -> Option<u16> {
    let digits = |text: &str| text.trim_start().chars().take_while(char::is_ascii_digit).collect::<String>();
    let told = detail.split_once("code:").map(|(_, rest)| digits(rest));
    told.into_iter().chain([digits(message)]).find_map(|code| code.parse().ok())
}

/// Takes out everything between quotes, and everything after the first quote without a partner.
#[must_use]
pub fn without_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open = None;
    for c in text.chars() {
        match open {
            None if c == '\'' || c == '"' => {
                open = Some(c);
                out.push('…');
            }
            None => out.push(c),
            Some(quote) if c == quote => open = None,
            Some(_) => {}
        }
    }
    out
}

impl SqlError {
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Server(error) => Some(error.kind),
            Self::NoAnswer { .. } => None,
        }
    }

    fn page(&self) -> &'static Page {
        match self.kind() {
            Some(Kind::NoColumn) if self.is_over_production() => &rs::PRODUCTION_DIFFERS,
            None | Some(Kind::Ended) => &rs::LOST,
            Some(Kind::Conflict) => &rs::CONFLICT,
            Some(Kind::Cancelled) => &rs::TIMEOUT,
            Some(Kind::LoadFailed) => &rs::LOAD_FAILED,
            Some(Kind::TooLong) => &rs::TOO_LONG,
            Some(Kind::CopySource) => &rs::COPY_SOURCE,
            Some(Kind::CopyExpired) => &rs::COPY_EXPIRED,
            Some(Kind::Permission) => &rs::PERMISSION,
            Some(Kind::Login) => &rs::LOGIN,
            Some(Kind::Full) => &rs::FULL,
            Some(Kind::AlreadyExists | Kind::Missing | Kind::NoColumn | Kind::Other) => &rs::STATEMENT,
        }
    }

    /// The statement names the columns of production, which somebody may have altered.
    fn is_over_production(&self) -> bool {
        matches!(self, Self::Server(error) if OVER_PRODUCTION.contains(&error.step))
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => write!(f, "{}: {}", error.step, error.message),
            Self::NoAnswer { step, why } => write!(f, "{step}: {why}"),
        }
    }
}

impl From<SqlError> for Fault {
    fn from(error: SqlError) -> Self {
        let fault = Self::new(error.page(), error.to_string());
        match error {
            SqlError::Server(error) => {
                let mut fault = fault.evidence("sqlstate", error.sqlstate);
                if fault.is(&rs::PRODUCTION_DIFFERS) {
                    fault = fault.next("db-to-redshift prepare --table <table> # says how production is mended, and changes no row");
                }
                if let Some(code) = error.code {
                    fault = fault.evidence("code", code);
                    if let Some(meaning) = load_errors::meaning(&code.to_string()) {
                        fault = fault.evidence("meaning", meaning);
                    }
                }
                if let Some(table) = error.table {
                    fault = fault.evidence("table", table);
                }
                if let Some(column) = error.column {
                    fault = fault.evidence("column", column);
                }
                fault
            }
            SqlError::NoAnswer { .. } => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_number_and_text() {
        let cases = [
            ("XX000", "1023", "Serializable isolation violation on table in Redshift", Kind::Conflict),
            ("XX000", "ERROR: 1023 DETAIL: Serializable isolation violation on table - 100123", "", Kind::Conflict),
            ("XX000", "1018", "Relation does not exist", Kind::Conflict),
            ("XX000", "could not complete because of conflict with concurrent transaction", "", Kind::Conflict),
            ("40001", "could not serialize access due to concurrent update", "", Kind::Conflict),
            ("40P01", "deadlock detected", "", Kind::Conflict),
            ("XX000", "Load into table 'orders' failed. Check 'sys_load_error_detail' system table for details.", "", Kind::LoadFailed),
            ("22001", "value too long for type character varying(10)", "", Kind::TooLong),
            ("XX000", "S3ServiceException:Access Denied,Status 403,Error AccessDenied", "", Kind::CopySource),
            ("XX000", "S3ServiceException:The provided token has expired.,Status 400,Error ExpiredToken,Rid 1", "", Kind::CopyExpired),
            ("XX000", "The specified S3 prefix 'a/b' does not exist", "", Kind::CopySource),
            ("XX000", "Problem reading manifest file - S3ServiceException", "", Kind::CopySource),
            ("57014", "Query (12) cancelled on user's request", "", Kind::Cancelled),
            ("XX000", "Query (12) cancelled on user's request", "", Kind::Cancelled),
            ("57014", "canceling statement due to statement timeout", "", Kind::Cancelled),
            ("57P01", "terminating connection due to administrator command", "", Kind::Ended),
            ("42501", "permission denied for relation orders", "", Kind::Permission),
            ("42P07", "Relation \"x\" already exists", "", Kind::AlreadyExists),
            ("23505", "duplicate key value violates unique constraint \"pg_type_typname_nsp_index\"", "", Kind::AlreadyExists),
            ("23505", "duplicate key value violates unique constraint \"orders_pkey\"", "", Kind::Other),
            ("42P01", "relation \"x\" does not exist", "", Kind::Missing),
            ("XX000", "Disk Full", "", Kind::Full),
            ("28P01", "password authentication failed for user \"x\"", "", Kind::Login),
            // A number only counts where it begins the text, and whole.
            ("22003", "value 1023 out of range", "", Kind::Other),
            ("XX000", "10231", "", Kind::Other),
        ];
        for (sqlstate, message, detail, kind) in cases {
            assert_eq!(classify(sqlstate, message, detail), kind, "{sqlstate} {message} {detail}");
        }
    }

    #[test]
    fn the_code_of_unreadable_files_is_found() {
        let detail = "\n  error:  S3ServiceException:Not Found\n  code:      8001\n  context:   x";
        assert_eq!(load_error_code("S3ServiceException:Not Found", detail), Some(8001));
        assert_eq!(load_error_code("9005 Invalid endkey", ""), Some(9005));
        assert_eq!(load_error_code("Problem reading manifest file", "code: none"), None);
    }

    #[test]
    fn cell_values_are_not_shown() {
        let message = shown("22P02", Kind::Other, "invalid input syntax for type integer: \"card 4711\"", Some("card 4711"));
        assert_eq!(message, "invalid input syntax for type integer: …");
        let message = shown("XX000", Kind::Other, "Invalid digit, Value 'x', Pos 0, Type: Integer, text: 'card 47", None);
        assert_eq!(message, "Invalid digit, Value …, Pos 0, Type: Integer, text: …");
        assert_eq!(shown("42P01", Kind::Missing, "relation \"x\" does not exist", None), "relation \"x\" does not exist");
    }

    #[test]
    fn only_conflicts_and_lost_connections_are_worth_a_retry() {
        use crate::model::fault::Class;
        let server = |kind| {
            let (sqlstate, message) = (String::new(), String::new());
            Fault::from(SqlError::Server(ServerError { step: "copy", kind, sqlstate, message, code: None, table: None, column: None }))
        };
        assert_eq!(server(Kind::Conflict).class(), Class::Transient);
        assert_eq!(server(Kind::LoadFailed).class(), Class::Human);
        assert_eq!(Fault::from(SqlError::NoAnswer { step: "copy", why: "closed".into() }).code(), rs::LOST.code);
    }
}
