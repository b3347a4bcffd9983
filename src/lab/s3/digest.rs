//! Bodies, their hashes, and the check of the hashes that a client sent along.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Result, TrailingHeaders, s3_error};

/// Reads a body to its end. Signed payload hashes are checked on the way, by `s3s`.
pub(super) async fn read(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let mut data = BytesMut::new();
    while let Some(chunk) = body.try_next().await.map_err(|error| s3_error!(IncompleteBody, "{error}"))? {
        data.extend_from_slice(&chunk);
    }
    Ok(data.freeze())
}

pub(super) fn md5(data: &[u8]) -> [u8; 16] {
    Md5::digest(data).into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Compares the body with `Content-MD5` and with the checksums from headers and trailers;
/// returns the checksums, to be kept with the object.
pub(super) fn check(data: &[u8], content_md5: Option<&str>, mut sent: Checksum, trailers: Option<&TrailingHeaders>) -> S3Result<Checksum> {
    if let Some(expected) = content_md5 {
        if expected.len() != 24 {
            return Err(s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid"));
        }
        if base64(&md5(data)) != expected {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received"));
        }
    }
    if let Some(trailers) = trailers {
        trailers.read(|headers| {
            let trailer = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            sent.checksum_crc32 = sent.checksum_crc32.take().or_else(|| trailer("x-amz-checksum-crc32"));
            sent.checksum_crc32c = sent.checksum_crc32c.take().or_else(|| trailer("x-amz-checksum-crc32c"));
            sent.checksum_crc64nvme = sent.checksum_crc64nvme.take().or_else(|| trailer("x-amz-checksum-crc64nvme"));
            sent.checksum_sha1 = sent.checksum_sha1.take().or_else(|| trailer("x-amz-checksum-sha1"));
            sent.checksum_sha256 = sent.checksum_sha256.take().or_else(|| trailer("x-amz-checksum-sha256"));
        });
    }
    let mut hasher = ChecksumHasher {
        crc32: sent.checksum_crc32.as_ref().map(|_| s3s::crypto::Crc32::default()),
        crc32c: sent.checksum_crc32c.as_ref().map(|_| s3s::crypto::Crc32c::default()),
        sha1: sent.checksum_sha1.as_ref().map(|_| s3s::crypto::Sha1::default()),
        sha256: sent.checksum_sha256.as_ref().map(|_| s3s::crypto::Sha256::default()),
        crc64nvme: sent.checksum_crc64nvme.as_ref().map(|_| s3s::crypto::Crc64Nvme::default()),
    };
    hasher.update(data);
    let ours = hasher.finalize();
    let equal = ours.checksum_crc32 == sent.checksum_crc32
        && ours.checksum_crc32c == sent.checksum_crc32c
        && ours.checksum_sha1 == sent.checksum_sha1
        && ours.checksum_sha256 == sent.checksum_sha256
        && ours.checksum_crc64nvme == sent.checksum_crc64nvme;
    if equal { Ok(ours) } else { Err(s3_error!(BadDigest, "The checksum you specified did not match the calculated checksum.")) }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let digit = (bits >> (18 - 6 * at) & 63) as usize;
            text.push(if at <= group.len() { DIGITS[digit] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        assert_eq!(["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes())), ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn a_wrong_md5_is_told_from_a_broken_one() {
        let code = |md5: &str| check(b"hello", Some(md5), Checksum::default(), None).unwrap_err().code().as_str().to_owned();
        assert!(check(b"hello", Some("XUFAKrxLKna5cZ2REBfFkg=="), Checksum::default(), None).is_ok());
        assert_eq!(code("XUFAKrxLKna5cZ2REBfFkQ=="), "BadDigest");
        assert_eq!(code("nonsense"), "InvalidDigest");
    }

    #[test]
    fn a_wrong_crc_is_refused_and_a_right_one_kept() {
        let crc = |value: &str| Checksum { checksum_crc32: Some(value.to_owned()), ..Checksum::default() };
        assert_eq!(check(b"hello", None, crc("NhCmhg=="), None).unwrap().checksum_crc32.as_deref(), Some("NhCmhg=="));
        assert_eq!(check(b"hello!", None, crc("NhCmhg=="), None).unwrap_err().code().as_str(), "BadDigest");
    }
}
