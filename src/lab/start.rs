//! Starts the three servers as one lab, joined to each other.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::redshift::{self, Redshift, RedshiftOptions, S3Access};
use super::s3::{self, S3Options, S3Server};
use super::sqlserver::cdc::CdcError;
use super::sqlserver::{self, SqlServer, SqlServerOptions};

/// What the lab is made with. The defaults suit a test; nothing of it is a secret, since the
/// servers listen on loopback only.
#[derive(Clone)]
pub struct LabOptions {
    /// The pipeline's name in the configuration.
    pub pipeline: String,
    /// The database of the SQL Server.
    pub source_database: String,
    pub source_user: String,
    pub source_password: String,
    /// The port of the SQL Server; 0 lets the system choose.
    pub source_port: u16,
    /// Runs the capture job, with a dummy row after each such time without a commit. `None`:
    /// changes move when somebody calls [`SqlServer::capture_now`].
    pub capture_every: Option<Duration>,
    pub s3: S3Options,
    /// Created at the start; `None` leaves that to the client.
    pub bucket: Option<String>,
    pub redshift_database: String,
    pub redshift_user: String,
    pub redshift_password: String,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            pipeline: "lab".to_owned(),
            source_database: "shop".to_owned(),
            source_user: "lab_reader".to_owned(),
            source_password: "Lab-Source-1".to_owned(),
            source_port: 0,
            capture_every: None,
            s3: S3Options::default(),
            bucket: Some("lab-changes".to_owned()),
            redshift_database: "dwh".to_owned(),
            redshift_user: "lab_loader".to_owned(),
            redshift_password: "Lab-Target-1".to_owned(),
        }
    }
}

/// Why the lab could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error("the lab needs a folder for its files: {0}")]
    Folder(#[source] std::io::Error),
    #[error("the lab's S3 could not listen: {0}")]
    S3(#[source] std::io::Error),
    #[error(transparent)]
    SqlServer(#[from] sqlserver::StartError),
    #[error("the lab's capture job could not be started: {0}")]
    Capture(#[from] CdcError),
    #[error("the lab's Redshift could not be started: {0}")]
    Redshift(#[from] redshift::StartError),
}

/// The three servers. Dropping it stops them and removes their files.
pub struct Lab {
    pub sqlserver: SqlServer,
    pub s3: S3Server,
    pub redshift: Redshift,
    options: LabOptions,
    /// Removed last: the servers' files lie in it.
    folder: TempDir,
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab")
            .field("sqlserver", &self.sqlserver.address())
            .field("s3", &self.s3.address())
            .field("redshift", &self.redshift.addr())
            .finish_non_exhaustive()
    }
}

impl Lab {
    /// Starts the three on loopback, inside this process (and a private PostgreSQL beside it).
    pub async fn start(options: LabOptions) -> Result<Self, LabError> {
        let folder = tempfile::Builder::new().prefix("db-to-redshift-lab-").tempdir().map_err(LabError::Folder)?;
        let s3 = s3::start(options.s3.clone()).await.map_err(LabError::S3)?;
        if let Some(bucket) = &options.bucket {
            s3.create_bucket(bucket);
        }
        let access = S3Access {
            endpoint: s3.endpoint(),
            access_key: options.s3.access_key.clone(),
            secret_key: options.s3.secret_key.clone(),
            region: options.s3.region.clone(),
        };
        let wanted = RedshiftOptions {
            s3: access,
            source: None,
            database: options.redshift_database.clone(),
            user: options.redshift_user.clone(),
            password: options.redshift_password.clone(),
            tls: true,
        };
        let source = SqlServerOptions {
            database: options.source_database.clone(),
            user: options.source_user.clone(),
            password: options.source_password.clone(),
            tls: true,
            require_encryption: false,
            dir: Some(folder.path().to_owned()),
            port: options.source_port,
        };
        let (redshift, sqlserver) = tokio::join!(redshift::start(wanted), sqlserver::start(source));
        let (redshift, sqlserver) = (redshift?, sqlserver?);
        if let Some(idle) = options.capture_every {
            sqlserver.cdc.start_capture(&options.source_database, idle)?;
        }
        Ok(Self { sqlserver, s3, redshift, options, folder })
    }

    #[must_use]
    pub fn options(&self) -> &LabOptions {
        &self.options
    }

    /// The folder of the lab's files, for as long as it lives.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the three and waits until they have ended.
    pub async fn stop(self) -> Result<(), LabError> {
        self.sqlserver.stop().await;
        self.redshift.stop().await?;
        Ok(())
    }
}
