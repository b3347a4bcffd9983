//! The template that every start copies: `initdb` and the Redshift catalogue, made once per
//! PostgreSQL version, account and text of our catalogue.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::account::Account;
use super::process::{End, Postmaster};
use super::programs::Programs;
use super::{SUPERUSER, StartError, While, connect};

/// The catalogue of Redshift in terms of PostgreSQL.
const CATALOGUE: &str = include_str!("catalogue.sql");

/// Small and fast; nothing in the lab must survive a crash of the machine.
const CONFIGURATION: &str = "
listen_addresses = ''
port = 5432
max_connections = 200
shared_buffers = 32MB
shared_memory_type = mmap
dynamic_shared_memory_type = mmap
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
min_wal_size = 2MB
max_wal_size = 256MB
jit = off
max_parallel_workers_per_gather = 0
log_min_messages = log
lc_messages = 'C'
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'ISO, MDY'
password_encryption = 'md5'
";

/// Where the finished template lies; made if it is not there yet. Safe when many processes ask
/// at once: one builds under a lock, and a rename makes it exist.
pub(super) async fn ready(programs: &Programs, account: &Account) -> Result<PathBuf, StartError> {
    let mut hasher = DefaultHasher::new();
    (&programs.version, &programs.postgres, CATALOGUE, CONFIGURATION).hash(&mut hasher);
    let base = std::env::temp_dir();
    let template = base.join(format!("db-to-redshift-lab-{}-{:016x}", account.uid, hasher.finish()));
    if usable(&template, account)? {
        return Ok(template);
    }
    let lock_path = template.with_extension("lock");
    let lock = tokio::task::spawn_blocking(move || {
        let file = fs::File::options().create(true).append(true).open(lock_path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    })
    .await
    .map_err(std::io::Error::other)
    .flatten()
    .during("locking the PostgreSQL template")?;
    if !usable(&template, account)? {
        build(programs, account, &template).await?;
    }
    drop(lock);
    Ok(template)
}

fn usable(template: &Path, account: &Account) -> Result<bool, StartError> {
    match fs::metadata(template) {
        // The name can be guessed, and the folder for temporary files is open to all.
        Ok(found) if found.uid() != account.uid => {
            Err(StartError::ForeignTemplate { path: template.to_owned(), owner: found.uid(), wanted: account.uid })
        }
        Ok(_) => Ok(true),
        Err(_) => Ok(false),
    }
}

async fn build(programs: &Programs, account: &Account, template: &Path) -> Result<(), StartError> {
    let home = private_folder(account)?;
    let built = build_in(programs, account, &home).await;
    if built.is_err() {
        // What failed is said already; a folder left behind is no second failure.
        let _ = fs::remove_dir_all(&home);
    }
    built?;
    fs::rename(&home, template).during("putting the PostgreSQL template in place")
}

async fn build_in(programs: &Programs, account: &Account, home: &Path) -> Result<(), StartError> {
    let data = home.join("data");
    let output = account
        .command(&programs.initdb)
        .args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--wal-segsize=1", "--no-sync", "--no-instructions", "-D"])
        .arg(&data)
        .output()
        .await
        .during("running initdb")?;
    if !output.status.success() {
        return Err(StartError::Program { what: "initdb", output: String::from_utf8_lossy(&output.stderr).into_owned() });
    }
    let conf = data.join("postgresql.conf");
    let mut text = fs::read_to_string(&conf).during("reading postgresql.conf")?;
    text.push_str(CONFIGURATION);
    fs::write(&conf, text).during("writing postgresql.conf")?;

    let server = Postmaster::launch(programs, account, home.to_owned(), End::Keep).await?;
    let client = connect(&server.socket(), "template1").await?;
    let done = client.batch_execute(CATALOGUE).await;
    drop(client);
    server.stop().await?;
    Ok(done?)
}

/// A copy of the template in a folder of its own.
pub(super) async fn copy(template: &Path, account: &Account) -> Result<PathBuf, StartError> {
    let home = private_folder(account)?;
    let output = account
        .command(Path::new("cp"))
        .arg("-R")
        .arg(template.join("data"))
        .arg(home.join("data"))
        .output()
        .await
        .during("copying the PostgreSQL template")?;
    if !output.status.success() {
        return Err(StartError::Program {
            what: "copying the PostgreSQL template",
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    fs::set_permissions(home.join("data"), fs::Permissions::from_mode(0o700)).during("closing the PostgreSQL folder to others")?;
    Ok(home)
}

/// A new folder that only the account may enter. The path stays short: a socket's name has
/// room for about a hundred bytes.
fn private_folder(account: &Account) -> Result<PathBuf, StartError> {
    let folder = tempfile::Builder::new().prefix("d2r-pg-").tempdir().during("creating a folder for PostgreSQL")?.keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).during("closing the PostgreSQL folder to others")?;
    account.own(&folder).during("giving the PostgreSQL folder away")?;
    Ok(folder)
}
