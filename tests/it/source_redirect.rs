//! A gateway that sends the client on, as Azure SQL Database does.
//!
//! The bytes follow MS-TDS: PRELOGIN (2.2.6.5), ENVCHANGE of type 20 (2.2.7.9), DONE (2.2.7.6).

use std::net::Ipv4Addr;

use db_to_redshift::config::Tls;
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};
use db_to_redshift::lab::sqlserver::wire::Options;
use db_to_redshift::model::fault::src;
use db_to_redshift::source::Source;
use db_to_redshift::source::sqlserver::SqlServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::scripted_sql_server::{Scripted, settings};

const TABULAR: u8 = 4;

async fn read_message(client: &mut TcpStream) {
    loop {
        let mut header = [0; 8];
        client.read_exact(&mut header).await.unwrap();
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let mut payload = vec![0; length - header.len()];
        client.read_exact(&mut payload).await.unwrap();
        if header[1] & 1 == 1 {
            return;
        }
    }
}

async fn send_message(client: &mut TcpStream, payload: &[u8]) {
    let length = u16::try_from(payload.len() + 8).unwrap().to_be_bytes();
    let mut message = vec![TABULAR, 1, length[0], length[1], 0, 0, 1, 0];
    message.extend_from_slice(payload);
    client.write_all(&message).await.unwrap();
}

fn prelogin() -> Vec<u8> {
    // Version at 11, encryption at 17 (2: not supported), then the values.
    vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, 2]
}

fn routing(port: u16) -> Vec<u8> {
    let host = "127.0.0.1";
    let mut value = vec![0];
    value.extend(port.to_le_bytes());
    value.extend(u16::try_from(host.len()).unwrap().to_le_bytes());
    value.extend(host.encode_utf16().flat_map(u16::to_le_bytes));
    let mut body = vec![20];
    body.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
    body.extend(value);
    body.extend([0, 0]);
    let mut tokens = vec![0xe3];
    tokens.extend(u16::try_from(body.len()).unwrap().to_le_bytes());
    tokens.extend(body);
    tokens.push(0xfd);
    tokens.extend([0; 12]);
    tokens
}

/// Sends every client on to `port`, or to itself for 0. Returns its own port.
async fn gateway(port: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let to = if port == 0 { own } else { port };
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            read_message(&mut client).await;
            send_message(&mut client, &prelogin()).await;
            read_message(&mut client).await;
            send_message(&mut client, &routing(to)).await;
        }
    });
    own
}

#[tokio::test]
async fn the_client_follows_a_gateway() {
    let script = Scripted::default();
    let now = Datum::DateTime2 { days: 739_942, ticks: 0 };
    script.on_rows("SYSDATETIME()", vec![("now", DataType::DateTime2(7))], vec![vec![now]]);
    let server = script.serve(Options::default()).await;
    let mut settings = settings(&server, Tls::Off);
    settings.port = gateway(server.port()).await;
    assert_eq!(SqlServer::new(settings).clock().await.unwrap().to_string(), "2026-11-23T00:00:00");
    assert_eq!(script.logins(), 1);
}

#[tokio::test]
async fn gateways_that_go_round_in_circles_are_left() {
    let script = Scripted::default();
    let server = script.serve(Options::default()).await;
    let mut settings = settings(&server, Tls::Off);
    settings.port = gateway(0).await;
    let fault = SqlServer::new(settings).clock().await.unwrap_err();
    assert!(fault.is(&src::CONNECT), "{fault:?}");
}
