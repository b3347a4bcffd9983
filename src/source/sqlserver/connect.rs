//! Opening a connection: TCP, TLS, login, redirection, session settings.

use std::time::Duration;

use tiberius::error::Error;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};
use tracing::debug;

use super::error::Place;
use super::session::SESSION;
use crate::config::{SourceSettings, Tls};
use crate::model::Fault;
use crate::model::fault::src;

pub type Driver = Client<Compat<TcpStream>>;

const TCP_TIMEOUT: Duration = Duration::from_secs(15);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Shorter than what address translators on the way forget a quiet connection after (350 s at
/// the shortest that we know of).
const KEEPALIVE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Bytes of one TDS packet. The limit for encrypted connections is 16,383.
const PACKET_BYTES: u32 = 16_000;

/// An Azure gateway sends us to the node that holds the database; that node may have moved.
const REDIRECTIONS: usize = 3;

/// A connection that is logged in and set up. `silence` is how long the server may send nothing
/// while we wait for it.
pub async fn open(settings: &SourceSettings, silence: Duration) -> Result<Driver, Fault> {
    let authority = authority(settings).await?;
    let (mut host, mut port) = (settings.host.clone(), settings.port);
    for _ in 0..=REDIRECTIONS {
        let place = Place::new(format!("no connection to SQL Server at {host}:{port}"));
        let socket = tcp(&host, port, &place).await?;
        let mut config = config(settings, &host, port, authority.as_deref());
        // Runs only while we wait for the server, so a slow reader of a long stream never meets it.
        config.command_timeout(Some(silence));
        // The handshake's state is large; nobody who opens a connection should carry it.
        match Box::pin(Client::connect(config, socket.compat_write())).await {
            Ok(client) => return set_up(client, settings, &place).await,
            Err(Error::Routing { host: new_host, port: new_port }) => {
                debug!(%new_host, new_port, "the server sends us on");
                (host, port) = (new_host, new_port);
            }
            Err(error) => {
                let fault = place.not_connected(&error, &settings.user);
                return Err(fault.evidence("database", &settings.database).evidence("user", &settings.user));
            }
        }
    }
    Err(Place::new(format!("SQL Server at {}:{} sent us on and on", settings.host, settings.port)).fault(&src::CONNECT))
}

async fn tcp(host: &str, port: u16, place: &Place) -> Result<TcpStream, Fault> {
    let failed = |error: std::io::Error| place.fault(&src::CONNECT).evidence("io", error.kind()).evidence("message", &error);
    let socket = timeout(TCP_TIMEOUT, TcpStream::connect((host, port)))
        .await
        .map_err(|_| place.fault(&src::CONNECT).evidence("waited", format!("{TCP_TIMEOUT:?}")))?
        .map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL);
    socket2::SockRef::from(&socket).set_tcp_keepalive(&keepalive).map_err(failed)?;
    Ok(socket)
}

/// The bytes of the CA file: read here, so that a missing file is told apart from a bad one.
async fn authority(settings: &SourceSettings) -> Result<Option<Vec<u8>>, Fault> {
    let Tls::Verify { ca_file: Some(path) } = &settings.tls else { return Ok(None) };
    let bytes = tokio::fs::read(path).await.map_err(|error| {
        Fault::new(&src::CA_FILE, format!("{} cannot be read", path.display())).evidence("io", error.kind()).evidence("message", &error)
    })?;
    Ok(Some(bytes))
}

fn config(settings: &SourceSettings, host: &str, port: u16, authority: Option<&[u8]>) -> Config {
    let mut config = Config::new();
    config.host(host);
    config.port(port);
    config.database(&settings.database);
    config.application_name("db-to-redshift");
    config.authentication(AuthMethod::sql_server(&settings.user, settings.password.expose()));
    config.packet_size(PACKET_BYTES);
    config.handshake_timeout(Some(HANDSHAKE_TIMEOUT));
    // A lone surrogate in a value must not end the whole read; keys that hold one are refused
    // where they are decoded.
    config.lossy_utf16_decoding(true);
    match &settings.tls {
        Tls::Verify { .. } => {
            config.encryption(EncryptionLevel::Required);
            if let Some(bytes) = authority {
                config.trust_cert_ca_bundle(bytes);
            }
        }
        Tls::TrustAny => {
            config.encryption(EncryptionLevel::Required);
            config.trust_cert();
        }
        // Plain from the first byte. A server that insists on encryption gets it; whom we talk
        // to was not to be verified in this mode.
        Tls::Off => {
            config.encryption(EncryptionLevel::NotSupported);
            config.trust_cert();
        }
    }
    config
}

async fn set_up(mut client: Driver, settings: &SourceSettings, place: &Place) -> Result<Driver, Fault> {
    let run = async { client.simple_query(SESSION).await?.into_results().await };
    match timeout(settings.timeout, run).await {
        Ok(Ok(_)) => Ok(client),
        Ok(Err(error)) => Err(place.failed(&error, &settings.user)),
        Err(_) => Err(place.fault(&src::TIMED_OUT)),
    }
}
