//! Why the lab's Redshift could not start.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "no PostgreSQL server programs (initdb, postgres) were found on PATH, by `pg_config --bindir` or in the usual places; \
         install them: `apt-get install postgresql` on Debian and Ubuntu, `dnf install postgresql-server` on Fedora, `brew install postgresql` on macOS"
    )]
    NoPrograms,
    #[error("PostgreSQL refuses to run as root, and neither `postgres` nor `nobody` is in /etc/passwd; run as an ordinary user")]
    NoAccount,
    #[error("{what} failed: {output}")]
    Program { what: &'static str, output: String },
    #[error("{} belongs to user id {owner}, not to {wanted}; remove it", .path.display())]
    ForeignTemplate { path: PathBuf, owner: u32, wanted: u32 },
    #[error("setting up the private PostgreSQL: {0}")]
    Setup(#[from] tokio_postgres::Error),
    #[error("making the certificate: {0}")]
    Certificate(String),
    #[error("{what}: {source}")]
    Io { what: &'static str, source: io::Error },
}

/// Says what was being done when the system refused.
pub(super) trait While<T> {
    fn during(self, what: &'static str) -> Result<T, StartError>;
}

impl<T> While<T> for io::Result<T> {
    fn during(self, what: &'static str) -> Result<T, StartError> {
        self.map_err(|source| StartError::Io { what, source })
    }
}
