//! Before the first message: encryption asked for, cancel, or the start-up packet.

use std::collections::BTreeMap;
use std::io;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::message::{take_text, text};

const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const VERSION_3: u32 = 196_608;
const MOST: u32 = 10_000;

#[derive(Debug)]
pub(in super::super) enum Opening {
    /// Answer `S` or `N`, then read again.
    Tls,
    /// Answer `N`, then read again.
    Gss,
    /// The packet as it came, for the server behind.
    Cancel(Vec<u8>),
    Start(BTreeMap<String, String>),
    /// A protocol that Redshift does not speak.
    Unknown(u32),
}

pub(in super::super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Opening> {
    let length = stream.read_u32().await?;
    if !(8..=MOST).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a start-up packet of impossible length"));
    }
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await?;
    let code = body.first_chunk().map_or(0, |code| u32::from_be_bytes(*code));
    Ok(match code {
        SSL => Opening::Tls,
        GSS => Opening::Gss,
        CANCEL => Opening::Cancel([&length.to_be_bytes()[..], &body].concat()),
        VERSION_3 => {
            let mut rest = &body[4..];
            let mut parameters = BTreeMap::new();
            while let Some(key) = take_text(&mut rest).filter(|key| !key.is_empty()) {
                let Some(value) = take_text(&mut rest) else { break };
                parameters.insert(key.to_owned(), value.to_owned());
            }
            Opening::Start(parameters)
        }
        other => Opening::Unknown(other),
    })
}

/// The start-up packet that the proxy sends to the server behind.
pub(in super::super) fn packet(parameters: &[(&str, &str)]) -> BytesMut {
    let mut body = BytesMut::new();
    for (key, value) in parameters {
        text(&mut body, key);
        text(&mut body, value);
    }
    body.put_u8(0);
    let mut packet = BytesMut::new();
    packet.put_u32(u32::try_from(body.len() + 8).unwrap_or(u32::MAX));
    packet.put_u32(VERSION_3);
    packet.put_slice(&body);
    packet
}
