//! Keys that one transaction both deleted and made, found in bounded memory (rule E6).
//!
//! Every old and every new key of the transaction goes to a spool, in memory while it is small
//! and in a temporary file beyond that, with the hash of its class: the keys that a server may take
//! for the same, as `a` and `a` with a blank. A class of which one key is old and one is new is
//! ambiguous with all its keys: Redshift would let the last delete of any of them win. At the end
//! the spool is read in passes, each over the classes of one share of the hashes. Two keys with one
//! hash count as the same class: a key too many is only read again from the source, and the source
//! tells the truth about it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use crate::model::fault::sync;
use crate::model::{Fault, Value};

/// Bytes of keys that stay in memory.
const SPOOL_MEMORY: usize = 1 << 20;
/// Keys of one pass, which bounds its sets of hashes and of keys that were handed out.
const PASS_KEYS: u64 = 500_000;

const OLD: u8 = b'o';
const NEW: u8 = b'n';

/// Collects the keys of one transaction.
#[derive(Debug)]
pub struct KeyTracker {
    spool: BufWriter<SpooledTempFile>,
    old: u64,
    new: u64,
}

impl Default for KeyTracker {
    fn default() -> Self {
        Self { spool: BufWriter::with_capacity(4096, SpooledTempFile::new(SPOOL_MEMORY)), old: 0, new: 0 }
    }
}

impl KeyTracker {
    /// A key that the transaction took away, with its class.
    pub fn took(&mut self, key: &[u8], class: &[u8]) -> Result<(), Fault> {
        self.old += 1;
        self.write(OLD, key, class)
    }

    /// A key that the transaction made, with its class.
    pub fn made(&mut self, key: &[u8], class: &[u8]) -> Result<(), Fault> {
        self.new += 1;
        self.write(NEW, key, class)
    }

    fn write(&mut self, kind: u8, key: &[u8], class: &[u8]) -> Result<(), Fault> {
        let length = u32::try_from(key.len()).map_err(io::Error::other).map_err(spill)?;
        let mut write = || {
            self.spool.write_all(&[kind])?;
            self.spool.write_all(&salted(0, class).to_le_bytes())?;
            self.spool.write_all(&length.to_le_bytes())?;
            self.spool.write_all(key)
        };
        write().map_err(spill)
    }

    /// The ambiguous keys, if there can be any.
    pub fn finish(self) -> Result<Option<AmbiguousKeys>, Fault> {
        if self.old == 0 || self.new == 0 {
            return Ok(None);
        }
        let total = self.old + self.new;
        let spool = self.spool.into_inner().map_err(|error| spill(error.into_error()))?;
        let passes = total.div_ceil(PASS_KEYS);
        let mut keys = AmbiguousKeys {
            spool: BufReader::new(spool),
            total,
            passes,
            pass: 0,
            wanted: HashSet::new(),
            given: HashSet::new(),
            first_delete: 0,
            first_upsert: 0,
        };
        keys.next_pass()?;
        Ok((!keys.is_empty()).then_some(keys))
    }
}

/// Reads the ambiguous keys of a transaction in chunks.
#[derive(Debug)]
pub struct AmbiguousKeys {
    spool: BufReader<SpooledTempFile>,
    total: u64,
    passes: u64,
    /// Number of passes that were prepared; the spool stands somewhere in the newest.
    pass: u64,
    /// Hashes of the classes of this pass that were both old and new.
    wanted: HashSet<u64>,
    /// Keys of this pass that were handed out, by two hashes: one that is taken for another is missed.
    given: HashSet<[u64; 2]>,
    /// First order number for keys whose row is gone.
    pub first_delete: i64,
    /// First order number for keys whose row is there.
    pub first_upsert: i64,
}

impl AmbiguousKeys {
    /// No more keys than this come out.
    #[must_use]
    pub fn most(&self) -> i64 {
        i64::try_from(self.total).unwrap_or(i64::MAX / 4)
    }

    fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.pass == self.passes
    }

    /// Up to `most` further keys, each once; empty at the end.
    pub fn next_chunk(&mut self, most: usize) -> Result<Vec<Vec<Value>>, Fault> {
        let mut chunk = Vec::new();
        while chunk.len() < most && !self.is_empty() {
            if self.wanted.is_empty() {
                self.next_pass()?;
                continue;
            }
            match self.read()? {
                None => {
                    self.wanted.clear();
                    self.given.clear();
                }
                Some(Spooled { class, key, .. }) => {
                    if self.wanted.contains(&class) && self.given.insert([salted(0, &key), salted(1, &key)]) {
                        chunk.push(decode(&key).ok_or_else(|| spill(io::ErrorKind::InvalidData.into()))?);
                    }
                }
            }
        }
        Ok(chunk)
    }

    /// Moves to the next pass that has ambiguous keys, with the spool at its start.
    fn next_pass(&mut self) -> Result<(), Fault> {
        while self.wanted.is_empty() && self.pass < self.passes {
            let (mut old, mut new) = (HashSet::new(), HashSet::new());
            self.rewind()?;
            while let Some(Spooled { kind, class, .. }) = self.read()? {
                if class % self.passes == self.pass {
                    if kind == OLD { &mut old } else { &mut new }.insert(class);
                }
            }
            self.wanted = old.intersection(&new).copied().collect();
            self.pass += 1;
            self.rewind()?;
        }
        Ok(())
    }

    fn rewind(&mut self) -> Result<(), Fault> {
        self.spool.seek(SeekFrom::Start(0)).map(drop).map_err(spill)
    }

    fn read(&mut self) -> Result<Option<Spooled>, Fault> {
        let mut head = [0; 13];
        match self.spool.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other.map_err(spill)?,
        }
        let [kind, c0, c1, c2, c3, c4, c5, c6, c7, length @ ..] = head;
        let class = u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        let mut key = vec![0; u32::from_le_bytes(length) as usize];
        self.spool.read_exact(&mut key).map_err(spill)?;
        Ok(Some(Spooled { kind, class, key }))
    }
}

/// A key as the spool holds it.
struct Spooled {
    kind: u8,
    /// Hash of its class.
    class: u64,
    key: Vec<u8>,
}

fn salted(salt: u8, bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (salt, bytes).hash(&mut hasher);
    hasher.finish()
}

fn decode(mut key: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    while !key.is_empty() {
        values.push(Value::read_identity(&mut key)?);
    }
    Some(values)
}

fn spill(error: io::Error) -> Fault {
    Fault::new(&sync::SPILL, "the keys of a large transaction could not be spilled to a temporary file")
        .evidence("folder", tempfile::env::temp_dir().display())
        .evidence("error", error.kind())
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn key(n: i64) -> Vec<u8> {
        let mut out = Vec::new();
        Value::Int(n).write_identity(&mut out);
        out
    }

    fn ambiguous(old: &[i64], new: &[i64], chunk: usize) -> Vec<i64> {
        let mut tracker = KeyTracker::default();
        for n in old {
            tracker.took(&key(*n), &key(*n)).unwrap();
        }
        for n in new {
            tracker.made(&key(*n), &key(*n)).unwrap();
        }
        let Some(mut keys) = tracker.finish().unwrap() else { return Vec::new() };
        let mut found = Vec::new();
        loop {
            let chunk = keys.next_chunk(chunk).unwrap();
            if chunk.is_empty() {
                return found;
            }
            found.extend(chunk.iter().map(|values| match values.as_slice() {
                [Value::Int(n)] => *n,
                other => panic!("{other:?}"),
            }));
        }
    }

    proptest! {
        #[test]
        fn finds_each_key_that_is_old_and_new_once(old in prop::collection::vec(0i64..40, 0..60), new in prop::collection::vec(0i64..40, 0..60), chunk in 1usize..9) {
            let mut found = ambiguous(&old, &new, chunk);
            found.sort_unstable();
            let old: BTreeSet<_> = old.into_iter().collect();
            let new: BTreeSet<_> = new.into_iter().collect();
            prop_assert_eq!(found, old.intersection(&new).copied().collect::<Vec<_>>());
        }
    }

    /// `a` was made and `a ` taken, in whatever order: for Redshift they are one key, and both are settled.
    #[test]
    fn a_class_is_settled_with_all_its_keys() {
        let bytes = |write: fn(&Value, &mut Vec<u8>), text: &str| {
            let mut out = Vec::new();
            write(&Value::Text(text.into()), &mut out);
            out
        };
        let of = |text| (bytes(Value::write_identity, text), bytes(Value::write_class, text));
        let mut tracker = KeyTracker::default();
        for (taken, text) in [(false, "b"), (false, "a"), (true, "a "), (false, "a "), (true, "c"), (false, "a")] {
            let (key, class) = of(text);
            if taken { tracker.took(&key, &class) } else { tracker.made(&key, &class) }.unwrap();
        }
        let mut keys = tracker.finish().unwrap().unwrap();
        let mut found = Vec::new();
        loop {
            let chunk = keys.next_chunk(1).unwrap();
            if chunk.is_empty() {
                break;
            }
            found.extend(chunk.into_iter().flatten());
        }
        assert!(found == [Value::Text("a".into()), Value::Text("a ".into())], "{}", found.len());
    }

    #[test]
    fn a_transaction_larger_than_one_pass_spills_and_finds_all() {
        let most = i64::try_from(PASS_KEYS).unwrap();
        let old: Vec<_> = (0..most).collect();
        let new: Vec<_> = (1..=most).collect();
        let mut found = ambiguous(&old, &new, 10_000);
        found.sort_unstable();
        assert_eq!(found, (1..most).collect::<Vec<_>>());
    }
}
