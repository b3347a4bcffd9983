//! Errors of the server and the driver as faults: one table.

use std::io::ErrorKind;

use tiberius::error::Error;

use crate::model::Fault;
use crate::model::fault::{Page, src};

/// What was being done when it failed.
#[derive(Clone, Debug)]
pub struct Place {
    /// One sentence without a full stop, as in `the change table of dbo_Orders could not be read`.
    what: String,
    /// What to grant when permission is missing, as in `SELECT ON SCHEMA::[cdc]`.
    grant: Option<String>,
}

impl Place {
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), grant: None }
    }

    #[must_use]
    pub fn needs(mut self, grant: impl Into<String>) -> Self {
        self.grant = Some(grant.into());
        self
    }

    /// A fault of this place that no server error stands behind.
    #[must_use]
    pub fn fault(&self, page: &'static Page) -> Fault {
        Fault::new(page, self.what.as_str())
    }

    /// The fault of a driver error. `user` is who would be granted something.
    #[must_use]
    pub fn failed(&self, error: &Error, user: &str) -> Fault {
        self.as_page(page(error), error, user)
    }

    /// As [`Self::failed`], before the login is through: a broken or silent connection is then one
    /// that was never made.
    #[must_use]
    pub fn not_connected(&self, error: &Error, user: &str) -> Fault {
        let page = page(error);
        let never_made = page.code == src::CONNECTION_LOST.code || page.code == src::TIMED_OUT.code;
        self.as_page(if never_made { &src::CONNECT } else { page }, error, user)
    }

    fn as_page(&self, page: &'static Page, error: &Error, user: &str) -> Fault {
        let mut fault = self.fault(page);
        match error {
            Error::Server(token) => {
                fault = fault.evidence("number", token.code()).evidence("state", token.state());
                if !token.procedure().is_empty() {
                    fault = fault.evidence("procedure", token.procedure());
                }
                if !quotes_values(token.code()) {
                    fault = fault.evidence("message", token.message());
                }
            }
            Error::Io { kind, message } => fault = fault.evidence("io", kind).evidence("message", message),
            // What follows are hints for programmers of the driver.
            Error::Tls(text) => fault = fault.evidence("tls", text.split(" To connect anyway").next().unwrap_or_default()),
            // Their texts may hold pieces of values.
            Error::Conversion(_) | Error::Encoding(_) => {}
            other => fault = fault.evidence("driver", other),
        }
        match &self.grant {
            Some(grant) if page.code == src::PERMISSION.code => fault.next(format!("GRANT {grant} TO {};", super::quote::name(user))),
            _ => fault,
        }
    }
}

/// Messages of these numbers show the value that offended.
#[must_use]
pub fn quotes_values(number: u32) -> bool {
    matches!(number, 220 | 241 | 242 | 244 | 245 | 248 | 2601 | 2627 | 2628 | 8114 | 8115 | 8152)
}

fn page(error: &Error) -> &'static Page {
    match error {
        Error::Server(token) => page_of_number(token.code()),
        Error::Io { kind, .. } => page_of_io(*kind),
        Error::Tls(_) => &src::CERTIFICATE,
        Error::Protocol(text) if text.contains("requested encryption level") => &src::ENCRYPTION,
        Error::Routing { .. } => &src::CONNECT,
        _ => &src::PROTOCOL,
    }
}

fn page_of_io(kind: ErrorKind) -> &'static Page {
    match kind {
        ErrorKind::TimedOut => &src::TIMED_OUT,
        // A TLS record that makes no sense: versions or ciphers do not meet.
        ErrorKind::InvalidData => &src::ENCRYPTION,
        ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
            &src::CONNECT
        }
        _ => &src::CONNECTION_LOST,
    }
}

/// The page of an error number of SQL Server.
#[must_use]
pub fn page_of_number(number: u32) -> &'static Page {
    match number {
        // Logins: refused, untrusted, password expired or to be changed, locked, firewall.
        18450 | 18452 | 18456 | 18470 | 18486 | 18487 | 18488 | 40532 | 40615 | 40914 => &src::LOGIN,
        4060 | 4063 | 4064 | 911 => &src::DATABASE,
        229 | 230 | 262 | 297 | 300 | 371 | 916 | 22981 => &src::PERMISSION,
        22902 | 22904 | 22914 => &src::ADMINISTRATION,
        22901 | 22910 | 22920 | 22960 | 22985 => &src::CDC_OFF,
        // 40515: another database (msdb) in Azure SQL Database.
        207 | 208 | 2812 | 4121 | 40515 => &src::OBJECT_GONE,
        313 => &src::OUT_OF_RANGE,
        // NOLOCK page movement, deadlock victim, lock time-out, a moved version of a row, a
        // changed definition, no application lock.
        601 | 1204 | 1205 | 1222 | 3948 | 3960 | 3961 | 3966 | 22840
        // Shutting down, starting, upgrading, being restored, moving to another replica.
        | 596 | 922 | 926 | 927 | 945 | 976 | 978 | 983 | 6005 | 17142 | 17188 | 18401
        // Azure: moving, throttled, out of sessions or workers.
        | 4221 | 10928 | 10929 | 10936 | 40143 | 40197 | 40501 | 40540 | 40613 | 49918 | 49919 | 49920
        // Out of memory for the moment.
        | 701 | 802 | 8645 | 8651 => &src::INTERRUPTED,
        3952 => &src::SNAPSHOT_OFF,
        22955 | 22956 => &src::CAPTURE_STARTING,
        22850..=22853 => &src::CLEAN_UP_FAILED,
        22830..=22839 | 22854..=22857 | 22903 | 22905..=22909 | 22911..=22913 | 22915..=22919 | 22921..=22949 | 22961 | 22962 | 22974
        | 22975 | 22979 | 22980 | 22983 | 22988 | 22989 => &src::ENABLE_REFUSED,
        _ => &src::STATEMENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::Class;

    /// The documented numbers and what an operator is told. The pages decide about retries.
    #[test]
    fn native_numbers_have_their_pages() {
        let table: &[(u32, &str, Class)] = &[
            (18456, "SRC-002", Class::Config),
            (18452, "SRC-002", Class::Config),
            (40532, "SRC-002", Class::Config),
            (4060, "SRC-003", Class::Config),
            (229, "SRC-006", Class::Failed),
            (22981, "SRC-006", Class::Failed),
            (22902, "SRC-007", Class::Failed),
            (22904, "SRC-007", Class::Failed),
            (22901, "SRC-008", Class::Human),
            (22985, "SRC-008", Class::Human),
            (22960, "SRC-008", Class::Human),
            (22920, "SRC-008", Class::Human),
            (208, "SRC-009", Class::Human),
            (313, "SRC-010", Class::Failed),
            (1205, "SRC-011", Class::Transient),
            (601, "SRC-011", Class::Transient),
            (1222, "SRC-011", Class::Transient),
            (22840, "SRC-011", Class::Transient),
            (40501, "SRC-011", Class::Transient),
            (3952, "SRC-014", Class::Config),
            (22955, "SRC-015", Class::Transient),
            (22956, "SRC-015", Class::Transient),
            (22962, "SRC-020", Class::Failed),
            (22926, "SRC-020", Class::Failed),
            (22852, "SRC-021", Class::Transient),
            (8134, "SRC-022", Class::Failed),
        ];
        for (number, code, class) in table {
            let page = page_of_number(*number);
            assert_eq!((page.code, page.class), (*code, *class), "{number}");
        }
    }

    #[test]
    fn broken_and_slow_connections_are_worth_a_retry() {
        for (kind, code) in [
            (ErrorKind::TimedOut, "SRC-013"),
            (ErrorKind::ConnectionRefused, "SRC-001"),
            (ErrorKind::ConnectionReset, "SRC-012"),
            (ErrorKind::BrokenPipe, "SRC-012"),
            (ErrorKind::UnexpectedEof, "SRC-012"),
        ] {
            let fault = Place::new("x").failed(&Error::Io { kind, message: "m".into() }, "u");
            assert_eq!((fault.code(), fault.class()), (code, Class::Transient), "{kind:?}");
        }
    }

    #[test]
    fn tls_and_encryption_are_told_apart() {
        let failed = |error| Place::new("x").failed(&error, "u").code();
        assert_eq!(failed(Error::Tls("unknown issuer".into())), "SRC-004");
        assert_eq!(failed(Error::Protocol("Server does not allow the requested encryption level.".into())), "SRC-005");
        assert_eq!(failed(Error::Protocol("invalid token type ff".into())), "SRC-023");
    }

    #[test]
    fn pieces_of_values_stay_out() {
        let fault = Place::new("x").failed(&Error::Conversion("cannot read 'card 4711'".into()), "u");
        assert!(!format!("{fault:?}").contains("4711"));
        assert!(quotes_values(8114) && quotes_values(2628) && !quotes_values(229));
    }
}
