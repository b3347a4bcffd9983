//! Where the machine keeps `initdb` and `postgres`.

use std::env;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::StartError;

/// Folders that hold one folder a version, as packagers lay PostgreSQL out.
const VERSIONED: &[(&str, &str)] =
    &[("/usr/lib/postgresql", "bin"), ("/usr", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr/local/opt", "bin")];

#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
    /// As `postgres --version` prints it.
    pub version: String,
}

impl Programs {
    /// The first folder with both programs, in the order PATH, `pg_config`, usual places.
    pub async fn find() -> Result<Self, StartError> {
        let mut folders: Vec<PathBuf> = env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        if let Ok(output) = Command::new("pg_config").arg("--bindir").output().await {
            folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        }
        folders.extend(usual());
        for folder in folders {
            if let Some(programs) = Self::inside(&folder).await {
                return Ok(programs);
            }
        }
        Err(StartError::NoPrograms)
    }

    async fn inside(folder: &Path) -> Option<Self> {
        // A link in /usr/local/bin points to the folder that also holds what initdb needs.
        let initdb = folder.join("initdb").canonicalize().ok()?;
        let postgres = folder.join("postgres").canonicalize().ok()?;
        let output = Command::new(&postgres).arg("--version").output().await.ok()?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(Self { initdb, postgres, version })
    }
}

/// `/usr/lib/postgresql/15/bin`, `/usr/pgsql-16/bin` and their like, newest first.
fn usual() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (root, bin) in VERSIONED {
        let Ok(entries) = std::fs::read_dir(root) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let bare = name.trim_start_matches(|c: char| !c.is_ascii_digit());
            let named = *root == "/usr/lib/postgresql" || name.starts_with("pgsql") || name.starts_with("postgresql");
            if let (true, Ok(version)) = (named, bare.parse()) {
                found.push((version, entry.path().join(bin)));
            }
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).chain([PathBuf::from("/usr/local/pgsql/bin")]).collect()
}
