//! The lab's TDS server by itself, driven by clients that other people wrote.

mod clients;
mod deadlocks;
mod echo;
mod encryption;
mod interrupts;
mod raw;
mod requests;
mod silences;
mod types;
mod values;

use db_to_redshift::lab::sqlserver::wire::{self, Options, Server, tls};
use echo::{DATABASE, Echo, Event, PASSWORD, USER};
use tiberius::error::Error;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

type Tiberius = Client<Compat<TcpStream>>;

async fn plain_server() -> (Server, UnboundedReceiver<Event>) {
    let (echo, events) = Echo::new();
    (wire::serve(echo, Options::default()).await.unwrap(), events)
}

/// A server with its own certificate, and the certificate.
async fn tls_server(require_encryption: bool) -> (Server, String) {
    let identity = tls::self_signed().unwrap();
    let options = Options { tls: Some(identity.config), require_encryption, ..Options::default() };
    (wire::serve(Echo::new().0, options).await.unwrap(), identity.certificate_pem)
}

fn config(server: &Server, encryption: EncryptionLevel) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1");
    config.port(server.port());
    config.database(DATABASE);
    config.application_name("wire test");
    config.authentication(AuthMethod::sql_server(USER, PASSWORD));
    config.encryption(encryption);
    config
}

async fn connect(config: Config) -> tiberius::Result<Tiberius> {
    let tcp = TcpStream::connect(config.get_addr()).await.unwrap();
    Box::pin(Client::connect(config, tcp.compat_write())).await
}

async fn plain_client(server: &Server) -> Tiberius {
    Box::pin(connect(config(server, EncryptionLevel::NotSupported))).await.unwrap()
}

fn server_number(error: &Error) -> u32 {
    match error {
        Error::Server(error) => error.code(),
        other => panic!("not an error of the server: {other}"),
    }
}
