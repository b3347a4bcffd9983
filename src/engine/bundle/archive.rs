//! A bundle as one file: tar, compressed by gzip, which every system can open.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

/// One file of the archive.
#[derive(Clone, Debug)]
pub struct Member {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

impl Member {
    #[must_use]
    pub fn text(name: &'static str, text: String) -> Self {
        Self { name, bytes: text.into_bytes() }
    }

    /// A document for people to read. One that cannot be written says so in its place.
    #[must_use]
    pub fn json(name: &'static str, document: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec_pretty(document).unwrap_or_else(|error| format!("not written: {error}").into_bytes());
        Self { name, bytes }
    }
}

/// Packs the members under a folder of the given name.
pub fn pack(folder: &str, modified: u64, members: &[Member]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(member.bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(modified);
        archive.append_data(&mut header, format!("{folder}/{}", member.name), member.bytes.as_slice())?;
    }
    archive.into_inner()?.finish()
}
