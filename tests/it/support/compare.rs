//! The comparison script and the Python that it runs on.

use std::path::Path;
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
