//! How to reach the lab: a configuration for this program, and a line for each of the usual
//! clients.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::start::{Lab, LabError};

/// The bucket when the lab was told to make none.
const BUCKET: &str = "lab-changes";

/// How to connect with one client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    /// The program, as `psql`.
    pub program: &'static str,
    /// A line for a shell, credentials included.
    pub line: String,
}

impl Lab {
    /// The text of a `db-to-redshift.toml` for this lab. Certificates and secrets are files in the
    /// lab's folder, so that the configuration itself holds none.
    pub fn config_toml(&self) -> Result<String, LabError> {
        let options = self.options();
        let source_password = self.file("sqlserver-password", &options.source_password)?;
        let redshift_password = self.file("redshift-password", &options.redshift_password)?;
        let secret_key = self.file("s3-secret-key", &options.s3.secret_key)?;
        let source_tls = self.tls("sqlserver-ca.pem", self.sqlserver.certificate_pem.as_deref())?;
        let redshift_tls = self.tls("redshift-ca.pem", self.redshift.ca_pem())?;
        Ok(format!(
            "\
# The lab's own configuration; it is good for as long as the lab runs.
pipeline = {pipeline}

[source]
host = \"127.0.0.1\"
port = {source_port}
database = {source_database}
user = {source_user}
password = {source_password}
{source_tls}

[s3]
bucket = {bucket}
prefix = \"cdc\"
region = {region}
endpoint_url = {endpoint}
force_path_style = true
access_key_id = {access_key}
secret_access_key = {secret_key}

[redshift]
host = \"127.0.0.1\"
port = {redshift_port}
database = {redshift_database}
user = {redshift_user}
password = {redshift_password}
{redshift_tls}
",
            pipeline = quoted(&options.pipeline),
            source_port = self.sqlserver.address().port(),
            source_database = quoted(&options.source_database),
            source_user = quoted(&options.source_user),
            source_password = secret(&source_password),
            bucket = quoted(options.bucket.as_deref().unwrap_or(BUCKET)),
            region = quoted(&options.s3.region),
            endpoint = quoted(&self.s3.endpoint()),
            access_key = quoted(&options.s3.access_key),
            secret_key = secret(&secret_key),
            redshift_port = self.redshift.addr().port(),
            redshift_database = quoted(&options.redshift_database),
            redshift_user = quoted(&options.redshift_user),
            redshift_password = secret(&redshift_password),
        ))
    }

    /// Writes [`Lab::config_toml`] into the lab's folder.
    pub fn write_config(&self) -> Result<PathBuf, LabError> {
        self.file("db-to-redshift.toml", &self.config_toml()?).map(PathBuf::from)
    }

    /// A line each for tsql, aws and psql.
    #[must_use]
    pub fn clients(&self) -> Vec<Client> {
        let options = self.options();
        let (source, redshift) = (self.sqlserver.address().port(), self.redshift.addr().port());
        let tsql = format!(
            "TDSVER=7.4 tsql -H 127.0.0.1 -p {source} -U {} -P {} -D {}",
            shell(&options.source_user),
            shell(&options.source_password),
            shell(&options.source_database)
        );
        let aws = format!(
            "AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_DEFAULT_REGION={} aws --endpoint-url {} s3 ls --recursive s3://{}/",
            shell(&options.s3.access_key),
            shell(&options.s3.secret_key),
            shell(&options.s3.region),
            self.s3.endpoint(),
            options.bucket.as_deref().unwrap_or(BUCKET)
        );
        let psql = format!(
            "PGPASSWORD={} psql -h 127.0.0.1 -p {redshift} -U {} -d {}",
            shell(&options.redshift_password),
            shell(&options.redshift_user),
            shell(&options.redshift_database)
        );
        vec![Client { program: "tsql", line: tsql }, Client { program: "aws", line: aws }, Client { program: "psql", line: psql }]
    }

    /// The line that says how a connection is verified.
    fn tls(&self, name: &str, certificate: Option<&str>) -> Result<String, LabError> {
        Ok(match certificate {
            Some(pem) => format!("ca_file = {}", quoted(&self.file(name, pem)?)),
            None => "tls = \"off\"".to_owned(),
        })
    }

    /// Writes a file that only this user may read; returns its path as text.
    fn file(&self, name: &str, text: &str) -> Result<String, LabError> {
        let path = self.folder().join(name);
        write_private(&path, text).map_err(LabError::Folder)?;
        path.into_os_string().into_string().map_err(|_| LabError::Folder(io::Error::other("its path is not UTF-8")))
    }
}

fn write_private(path: &std::path::Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A secret that stands in a file.
fn secret(path: &str) -> String {
    quoted(&format!("file:{path}"))
}

/// A word for a POSIX shell.
fn shell(text: &str) -> String {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@".contains(&b));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(shell("Lab-1"), "Lab-1");
        assert_eq!(shell("it's $1"), "'it'\\''s $1'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn texts_survive_toml() {
        let text = "a\"b\\c\nü";
        let read: toml::Table = format!("k = {}", quoted(text)).parse().unwrap();
        assert_eq!(read["k"].as_str(), Some(text));
    }
}
