//! ListObjectsV2: keys in byte order, in pages, folded at the delimiter.

use s3s::dto::{CommonPrefix, ETag, EncodingType, ListObjectsV2Input, ListObjectsV2Output, Object as Listed};
use s3s::{S3Result, s3_error};

use super::digest::hex;
use super::storage::{Bucket, Storage};

/// The most entries of a page, keys and common prefixes together.
const PAGE: i32 = 1000;

impl Storage {
    pub fn list(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let most = input.max_keys.unwrap_or(PAGE);
        if most < 0 {
            return Err(s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647"));
        }
        let most = most.min(PAGE);
        let after = match &input.continuation_token {
            Some(token) => from_token(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().filter(|text| !text.is_empty());
        let url = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
        let shown = |text: String| if url { percent_encode(&text) } else { text };

        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        let page = page(bucket, &prefix, delimiter.as_deref(), &after, usize::try_from(most).unwrap_or(0));
        Ok(ListObjectsV2Output {
            key_count: i32::try_from(page.keys.len() + page.folded.len()).ok(),
            max_keys: Some(most),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|last| hex(last.as_bytes())),
            continuation_token: input.continuation_token,
            contents: Some(page.keys.into_iter().map(|key| listed(bucket, key, &shown)).collect()),
            common_prefixes: Some(page.folded.into_iter().map(|prefix| CommonPrefix { prefix: Some(shown(prefix)) }).collect()),
            name: Some(input.bucket),
            prefix: Some(shown(prefix)),
            delimiter: delimiter.map(&shown),
            start_after: input.start_after.map(&shown),
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        })
    }
}

fn listed(bucket: &Bucket, key: String, shown: &impl Fn(String) -> String) -> Listed {
    let object = bucket.objects.get(&key);
    Listed {
        size: object.and_then(|object| i64::try_from(object.data.len()).ok()),
        e_tag: object.map(|object| ETag::Strong(object.etag.clone())),
        last_modified: object.map(|object| object.modified.into()),
        storage_class: Some("STANDARD".to_owned().into()),
        key: Some(shown(key)),
        ..Listed::default()
    }
}

struct Page {
    keys: Vec<String>,
    folded: Vec<String>,
    /// The last entry, when more follow.
    next: Option<String>,
}

fn page(bucket: &Bucket, prefix: &str, delimiter: Option<&str>, after: &str, most: usize) -> Page {
    let mut page = Page { keys: Vec::new(), folded: Vec::new(), next: None };
    let mut last = String::new();
    for key in bucket.objects.range(prefix.to_owned()..).map(|(key, _)| key).take_while(|key| key.starts_with(prefix)) {
        let fold = delimiter.and_then(|text| key[prefix.len()..].find(text).map(|at| &key[..prefix.len() + at + text.len()]));
        let entry = fold.unwrap_or(key);
        if entry <= after || page.folded.last().is_some_and(|folded| folded == entry) {
            continue;
        }
        if page.keys.len() + page.folded.len() == most {
            page.next = (most > 0).then_some(last);
            break;
        }
        entry.clone_into(&mut last);
        if fold.is_some() {
            page.folded.push(entry.to_owned());
        } else {
            page.keys.push(entry.to_owned());
        }
    }
    page
}

/// Tokens are opaque to a client, so ours is not a key: who builds one by hand is told.
fn from_token(token: &str) -> S3Result<String> {
    let wrong = || s3_error!(InvalidArgument, "The continuation token provided is incorrect");
    let digits: Vec<u8> = token
        .bytes()
        .map(|digit| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    String::from_utf8(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()).map_err(|_| wrong())
}

/// `encoding-type=url`.
fn percent_encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._*/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    out
}
