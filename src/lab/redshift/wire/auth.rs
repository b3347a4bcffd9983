//! The password check: PostgreSQL's md5 challenge, which every client knows.

use md5::{Digest, Md5};

/// What the client must answer to `salt`, from what the catalogue stores: `md5` and the hash of
/// password and user.
pub(in super::super) fn expected(stored: &str, salt: [u8; 4]) -> Option<String> {
    let inner = stored.strip_prefix("md5")?;
    let mut hasher = Md5::new();
    hasher.update(inner.as_bytes());
    hasher.update(salt);
    Some(format!("md5{}", hex(&hasher.finalize())))
}

pub(in super::super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
