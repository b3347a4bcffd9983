//! A relay before the lab's Redshift that writes down the statements of its clients.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

pub struct Recorder {
    pub port: u16,
    statements: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let statements = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&statements);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = TcpStream::connect(server).await.unwrap().into_split();
                tokio::spawn(relay(from_client, to_server, Arc::clone(&seen)));
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            }
        });
        Self { port, statements }
    }

    /// What was run since the last call, over all connections.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.statements.lock().unwrap())
    }
}

/// Frame by frame: the first has no type.
async fn relay(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, seen: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut kind = None;
    loop {
        let length = client.read_u32().await?;
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        client.read_exact(&mut body).await?;
        if kind == Some(b'Q') {
            seen.lock().unwrap().push(String::from_utf8_lossy(&body[..body.len() - 1]).into_owned());
        }
        if let Some(kind) = kind {
            server.write_u8(kind).await?;
        }
        server.write_u32(length).await?;
        server.write_all(&body).await?;
        kind = Some(client.read_u8().await?);
    }
}
