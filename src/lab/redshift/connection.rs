//! From an accepted socket to a session: encryption, password, start-up.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::backend::Backend;
use super::postgres::SUPERUSER;
use super::relay::Relay;
use super::session::Session;
use super::wire::auth;
use super::wire::frame::{FrameReader, FrameWriter};
use super::wire::message::{SqlError, take_i32, take_text};
use super::wire::startup::{self, Opening};

/// Parameters of the start-up packet that Redshift takes.
const PARAMETERS: &[&str] =
    &["user", "database", "client_encoding", "application_name", "datestyle", "timezone", "extra_float_digits", "options"];

pub(super) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        match startup::read(&mut stream).await? {
            Opening::Tls => match &shared.tls {
                Some((acceptor, _)) => {
                    stream.write_all(b"S").await?;
                    let acceptor = acceptor.clone();
                    let mut stream = acceptor.accept(stream).await?;
                    return match startup::read(&mut stream).await? {
                        Opening::Start(parameters) => session(stream, parameters, shared).await,
                        Opening::Cancel(packet) => cancel(&packet, &shared).await,
                        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "no start-up packet after encryption")),
                    };
                }
                None => stream.write_all(b"N").await?,
            },
            Opening::Gss => stream.write_all(b"N").await?,
            Opening::Cancel(packet) => return cancel(&packet, &shared).await,
            Opening::Start(parameters) => return session(stream, parameters, shared).await,
            Opening::Unknown(version) => {
                let mut writer = FrameWriter::new(stream);
                return refuse(
                    &mut writer,
                    &SqlError::new("0A000", format!("unsupported frontend protocol {}.{}", version >> 16, version & 0xffff)),
                )
                .await;
            }
        }
    }
}

/// The server behind knows the key: it is the one that it gave out.
async fn cancel(packet: &[u8], shared: &Shared) -> io::Result<()> {
    let mut behind = UnixStream::connect(&shared.socket).await?;
    behind.write_all(packet).await?;
    behind.shutdown().await
}

async fn refuse(writer: &mut FrameWriter, error: &SqlError) -> io::Result<()> {
    writer.send(b'E', &error.clone().fatal().body()).await?;
    writer.flush().await
}

async fn session<S>(stream: S, parameters: BTreeMap<String, String>, shared: Arc<Shared>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
    let user = parameters.get("user").cloned().unwrap_or_default();
    let database = parameters.get("database").unwrap_or(&user).clone();
    if let Err(error) = accepted(&parameters) {
        return refuse(&mut writer, &error).await;
    }
    if !authenticated(&user, &shared, &mut reader, &mut writer).await? {
        return refuse(&mut writer, &SqlError::new("28000", format!("password authentication failed for user \"{user}\""))).await;
    }
    let mut given = vec![("user", user.as_str()), ("database", database.as_str()), ("client_encoding", "UTF8")];
    for name in ["application_name", "datestyle", "timezone", "extra_float_digits"] {
        if let Some((key, value)) = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            given.push((key, value));
        }
    }
    let mut backend = Backend::connect(&shared.socket, &given).await?;
    let mut relay = Relay::default();
    let mut pid = 0;
    loop {
        let frame = backend.next().await?;
        let tag = frame.tag;
        if tag == b'K' {
            pid = take_i32(&mut &frame.body[..]).unwrap_or(0);
            writer.send(b'S', b"server_version\x008.0.2\0").await?;
        }
        relay.forward(frame, &shared.long_names, &mut writer).await?;
        if tag == b'E' {
            return writer.flush().await;
        }
        if tag == b'Z' {
            break;
        }
    }
    writer.flush().await?;
    let killed = CancellationToken::new();
    shared.opened(pid, &user, killed.clone());
    let session = Session::new(Arc::clone(&shared), user, pid, reader, writer, backend);
    let ended = tokio::select! {
        ended = session.run() => ended,
        () = killed.cancelled() => Ok(()),
    };
    shared.closed(pid);
    ended
}

fn accepted(parameters: &BTreeMap<String, String>) -> Result<(), SqlError> {
    for (name, value) in parameters {
        let lower = name.to_ascii_lowercase();
        if !PARAMETERS.contains(&lower.as_str()) && !lower.starts_with("_pq_.") {
            return Err(SqlError::new("42704", format!("unrecognized configuration parameter \"{lower}\"")));
        }
        if lower == "extra_float_digits" && !value.parse::<i32>().is_ok_and(|digits| (-15..=2).contains(&digits)) {
            return Err(SqlError::new(
                "22023",
                format!("{value} is outside the valid range for parameter \"extra_float_digits\" (-15 .. 2)"),
            ));
        }
        if lower == "options" && !value.trim().is_empty() {
            return Err(SqlError::not_served("start-up options"));
        }
        if lower == "client_encoding" && !["utf8", "utf-8", "unicode"].contains(&value.to_ascii_lowercase().trim_matches('\'')) {
            return Err(SqlError::not_served(format!("client_encoding {value}")));
        }
    }
    Ok(())
}

/// PostgreSQL's md5 challenge against what the catalogue stores for the user.
async fn authenticated(user: &str, shared: &Shared, reader: &mut FrameReader, writer: &mut FrameWriter) -> io::Result<bool> {
    const STORED: &str = "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin";
    let salt: [u8; 4] = rand::random();
    writer.send(b'R', &[&[0, 0, 0, 5][..], &salt].concat()).await?;
    writer.flush().await?;
    let Some(frame) = reader.next().await? else { return Ok(false) };
    let answer = take_text(&mut &frame.body[..]).unwrap_or_default().to_owned();
    let row = shared.admin.query_opt(STORED, &[&user]).await.map_err(io::Error::other)?;
    let stored: Option<String> = row.and_then(|row| row.get(0));
    let expected = stored.and_then(|stored| auth::expected(&stored, salt));
    Ok(frame.tag == b'p' && user != SUPERUSER && expected.is_some_and(|expected| expected == answer))
}
