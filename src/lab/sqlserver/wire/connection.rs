//! One connection: PRELOGIN, TLS, LOGIN7, then requests in and packets out.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::super::session::Message;
use super::Shared;
use super::bytes::Malformed;
use super::calls::malformed;
use super::faults::ConnectionInfo;
use super::handshake::HandshakeStream;
use super::login::{Login, Version};
use super::output::{BUFFERS_IN_FLIGHT, Output, Signals};
use super::packet::{self, DEFAULT_PACKET_SIZE, Framer, kind, read_message};
use super::prelogin::{self, Encryption};
use super::reply::changed_database;
use super::runner::Runner;
use super::tokens::{self, Change, DoneKind, command, done};
use super::worker::{Input, Worker};

/// Requests that a client may send ahead. One runs at a time; more than one waits only when the
/// client does not wait for answers.
const REQUESTS_AHEAD: usize = 4;

/// Serves a connection to its end.
pub(super) async fn serve(shared: Arc<Shared>, mut tcp: TcpStream, kill: CancellationToken) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let id = shared.faults.next_id();
    let Some(first) = read_message(&mut tcp).await? else { return Ok(()) };
    if first.kind == kind::LOGIN7 {
        // A client of TDS 7.0 begins with its login.
        return Connection { shared, id, kill }.login(tcp, &first.body).await;
    }
    let client =
        prelogin::client_encryption(&first.body).ok().filter(|_| first.kind == kind::PRELOGIN).ok_or_else(|| bad("no PRELOGIN"))?;
    let agreed = Encryption::negotiate(client, shared.tls.is_some(), shared.require_encryption);
    send(&mut tcp, prelogin::answer(client, agreed)).await?;
    let connection = Connection { shared, id, kill };
    match (agreed, connection.shared.tls.clone()) {
        (Encryption::Impossible(_), _) => Ok(()),
        (Encryption::LoginOnly | Encryption::Full, Some(tls)) => {
            let mut stream = TlsAcceptor::from(tls).accept(HandshakeStream::new(tcp)).await?;
            stream.get_mut().0.unwrap_packets();
            let login = read_login(&mut stream).await?;
            if agreed == Encryption::Full {
                connection.login(stream, &login).await
            } else {
                connection.login(stream.into_inner().0.into_tcp(), &login).await
            }
        }
        _ => {
            let login = read_login(&mut tcp).await?;
            connection.login(tcp, &login).await
        }
    }
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

async fn read_login<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    match read_message(stream).await? {
        Some(packet::Message { kind: kind::LOGIN7, body, .. }) => Ok(body),
        _ => Err(bad("no LOGIN7")),
    }
}

/// Sends one message of tokens before the session has its thread.
async fn send<S: AsyncWrite + Unpin>(stream: &mut S, mut tokens: Vec<u8>) -> io::Result<()> {
    let mut packets = Vec::new();
    Framer::new(kind::REPLY, DEFAULT_PACKET_SIZE, 0).frame(&mut tokens, true, &mut packets);
    stream.write_all(&packets).await?;
    stream.flush().await
}

struct Connection {
    shared: Arc<Shared>,
    id: u16,
    kill: CancellationToken,
}

impl Connection {
    async fn login<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S, body: &[u8]) -> io::Result<()> {
        match check_login(body) {
            Ok((login, version)) => self.run(stream, login, version).await,
            Err(Refused { message, old_client }) => {
                let mut tokens = Vec::new();
                if old_client {
                    tokens::put_old_refusal(&mut tokens, &message);
                } else {
                    put_refusal(&mut tokens, &message);
                }
                send(&mut stream, tokens).await?;
                stream.shutdown().await
            }
        }
    }

    /// Gives the session its thread and moves requests and packets between it and the socket,
    /// until one side ends or the connection is killed.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S, login: Login, version: Version) -> io::Result<()> {
        let signals = Arc::new(Signals::default());
        let (requests, inputs) = mpsc::channel(REQUESTS_AHEAD);
        let (packets, outgoing) = mpsc::channel(BUFFERS_IN_FLIGHT);
        let output = Output::new(packets, DEFAULT_PACKET_SIZE, self.id, Arc::clone(&signals), Arc::clone(&self.shared.faults));
        let Self { shared, id, kill } = self;
        let worker_shared = Arc::clone(&shared);
        let worker_signals = Arc::clone(&signals);
        std::thread::Builder::new()
            .name(format!("lab session {id}"))
            .spawn(move || session_thread(&worker_shared, id, kill, worker_signals, output, inputs, &login, version))?;
        let _disconnect = DisconnectOnDrop(Arc::clone(&signals));
        let (reader, writer) = tokio::io::split(stream);
        tokio::select! {
            read = read_requests(reader, requests, &signals) => read,
            written = write_packets(writer, outgoing) => written,
        }
    }
}

/// Tells the session's thread however the connection ends: a kill drops the task where it stands.
struct DisconnectOnDrop(Arc<Signals>);

impl Drop for DisconnectOnDrop {
    fn drop(&mut self) {
        self.0.disconnect();
    }
}

async fn read_requests<R: AsyncRead + Unpin>(reader: R, requests: mpsc::Sender<Input>, signals: &Signals) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    while let Some(message) = read_message(&mut reader).await? {
        let input = if message.kind == kind::ATTENTION {
            signals.attention_arrived();
            Input::Attention
        } else {
            Input::Request(message)
        };
        if requests.send(input).await.is_err() {
            // The session has ended: what it still has to say is being written.
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

async fn write_packets<W: AsyncWrite + Unpin>(mut writer: W, mut outgoing: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(packets) = outgoing.recv().await {
        writer.write_all(&packets).await?;
        if outgoing.is_empty() {
            writer.flush().await?;
        }
    }
    writer.shutdown().await
}

/// The login and then the requests of a session.
#[expect(clippy::too_many_arguments, reason = "the whole of a thread's world, handed over once")]
fn session_thread(
    shared: &Shared,
    id: u16,
    kill: CancellationToken,
    signals: Arc<Signals>,
    mut output: Output,
    inputs: mpsc::Receiver<Input>,
    login: &Login,
    version: Version,
) {
    let opened = shared.sessions.login(&login.user, &login.password, &login.database, &login.application);
    let (session, database) = match opened {
        Ok(opened) => opened,
        Err(message) => {
            put_refusal(&mut output.tokens, &message);
            // A client that is gone already needs no answer.
            let _ = output.send_end();
            return;
        }
    };
    let info =
        ConnectionInfo { id, user: login.user.clone(), application: login.application.clone(), database: database.clone(), requests: 0 };
    shared.faults.opened(info, kill);
    let _listed = Listed { shared, id };
    put_welcome(&mut output.tokens, version, &database, login.packet_size);
    if output.send_end().is_ok() {
        output.set_packet_size(login.packet_size);
        let faults = Arc::clone(&shared.faults);
        Worker { id, runner: Runner::new(session, database), output, signals, faults, version }.run(inputs);
    }
}

/// Takes the session off the list of open connections, even if its thread panics.
struct Listed<'a> {
    shared: &'a Shared,
    id: u16,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.shared.faults.closed(self.id);
    }
}

struct Refused {
    message: Message,
    /// The client reads tokens as they were before TDS 7.2.
    old_client: bool,
}

fn check_login(body: &[u8]) -> Result<(Login, Version), Refused> {
    let login = Login::read(body).map_err(|Malformed| Refused { message: malformed(Malformed), old_client: false })?;
    let Some(version) = login.version.negotiated() else {
        let text = format!("The lab serves TDS 7.2 to 7.4; the client asks for version 0x{:08X}.", login.version.0);
        return Err(Refused { message: login_error(17832, text), old_client: true });
    };
    if login.integrated {
        let text = "Login failed. The login is from an untrusted domain and cannot be used with Integrated authentication.";
        return Err(Refused { message: login_error(18452, text.into()), old_client: false });
    }
    Ok((login, version))
}

fn login_error(number: i32, text: String) -> Message {
    Message { class: 14, ..Message::error(number, text) }
}

fn put_refusal(tokens: &mut Vec<u8>, message: &Message) {
    tokens::put_message(tokens, message);
    tokens::put_done(tokens, DoneKind::Done, done::ERROR, command::NONE, 0);
}

/// The answer to a good login.
fn put_welcome(tokens: &mut Vec<u8>, version: Version, database: &str, packet_size: usize) {
    tokens::put_change(tokens, Change::Database { from: "master", to: database });
    tokens::put_message(tokens, &changed_database(database));
    tokens::put_change(tokens, Change::Collation);
    tokens::put_change(tokens, Change::Language);
    tokens::put_message(tokens, &changed_language());
    tokens::put_login_ack(tokens, version);
    tokens::put_change(tokens, Change::PacketSize { from: DEFAULT_PACKET_SIZE, to: packet_size });
    tokens::put_done(tokens, DoneKind::Done, done::FINAL, command::NONE, 0);
}

fn changed_language() -> Message {
    let text = "Changed language setting to us_english.".into();
    Message { number: 5703, class: 0, state: 1, text, line: 1, procedure: String::new() }
}
