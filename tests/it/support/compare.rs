//! The comparison script and the Python that it runs on.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python with the drivers that `./run test` sets up; without it the one on PATH.
pub fn python() -> Command {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-python/bin/python");
    let mut command = match std::env::var_os("D2R_TEST_PYTHON") {
        Some(path) => Command::new(path),
        None if own.is_file() => Command::new(own),
        None => Command::new("python3"),
    };
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Where one of the two databases is.
#[derive(Clone)]
pub struct Endpoint {
    pub port: u16,
    pub user: String,
    pub password: String,
    pub database: String,
    /// Encrypted and verified with this file; `None`: in the open.
    pub ca: Option<PathBuf>,
}

impl Endpoint {
    /// A connection by PostgreSQL's protocol, in the open.
    pub async fn connect(&self) -> tokio_postgres::Client {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user(&self.user).password(&self.password).dbname(&self.database);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        // Ends when the client is dropped.
        tokio::spawn(connection);
        client
    }
}

/// What the comparison found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compared {
    /// 0 all equal, 1 a difference, 2 no comparison.
    pub exit: i32,
    pub report: String,
}

/// Compares the tables of a mapping (JSON, see `tests/compare/compare.py`).
pub async fn compare(source: &Endpoint, target: &Endpoint, mapping: &str, more: &[&str]) -> Compared {
    let mut command = python();
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare/compare.py"));
    for (side, end) in [("source", source), ("target", target)] {
        // python-tds compares certificates with DNS names only.
        command.arg(format!("--{side}-host={}", if end.ca.is_some() { "localhost" } else { "127.0.0.1" }));
        command.args([format!("--{side}-port={}", end.port), format!("--{side}-user={}", end.user)]);
        command.arg(format!("--{side}-database={}", end.database));
        command.args(end.ca.iter().map(|file| format!("--{side}-ca={}", file.display())));
        command.env(format!("D2R_COMPARE_{}_PASSWORD", side.to_uppercase()), &end.password);
    }
    command.arg("--mapping").arg(mapping).args(more);
    let ran = tokio::process::Command::from(command).kill_on_drop(true).output().await.unwrap();
    let exit = ran.status.code().unwrap();
    let report = String::from_utf8(ran.stdout).unwrap();
    if exit > 1 {
        eprintln!("{}", String::from_utf8_lossy(&ran.stderr));
    }
    Compared { exit, report }
}
