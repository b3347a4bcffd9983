//! The private PostgreSQL behind the proxy: found, prepared once, copied for each start.

mod account;
mod process;
mod programs;
mod template;

use std::path::PathBuf;

use tokio_postgres::NoTls;

pub(super) use self::process::Postmaster;
use self::programs::Programs;
use super::error::{StartError, While};

/// The superuser of the private server, named as Redshift names its own.
pub(super) const SUPERUSER: &str = "rdsdb";

/// Starts a server on a fresh copy of the template. Its only door is a socket in a directory
/// that nobody else may enter.
pub(super) async fn start() -> Result<Postmaster, StartError> {
    let programs = Programs::find().await?;
    let account = account::choose()?;
    let template = template::ready(&programs, &account).await?;
    let home = template::copy(&template, &account).await?;
    Postmaster::launch(&programs, &account, home, process::End::Remove).await
}

/// A superuser's connection to one database of the private server.
pub(super) async fn connect(socket: &PathBuf, database: &str) -> Result<tokio_postgres::Client, StartError> {
    let stream = tokio::net::UnixStream::connect(socket).await.during("connecting to the private PostgreSQL")?;
    let (client, connection) = tokio_postgres::Config::new().user(SUPERUSER).dbname(database).connect_raw(stream, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the private postgresql ended");
        }
    });
    Ok(client)
}
