//! Object keys (section 1 of the protocol), built and read back.

use uuid::Uuid;

use crate::model::control::{LeaseKind, RunRecord};
use crate::model::fault::s3::KEY_TOO_LONG;
use crate::model::{Epoch, Fault, Lsn, Seq, TableName};
use crate::store::Attempt;

/// Name of the object of an attempt without part files.
const MARKER: &str = "empty";
/// Longest key that S3 takes, in bytes.
const MOST_BYTES: usize = 1024;

/// Keys of one pipeline.
#[derive(Clone, Debug)]
pub struct Keys {
    /// `<prefix>/v1/<pipeline>/`.
    root: String,
}

/// What a key belongs to, read back from the key alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// `marker`: the empty object of a record without part files.
    Part {
        table: TableName,
        attempt: Attempt,
        marker: bool,
    },
    Control {
        table: TableName,
    },
    Lease {
        table: TableName,
        kind: LeaseKind,
    },
}

/// Keys of one table.
#[derive(Clone, Debug)]
pub struct TableKeys<'a> {
    root: &'a str,
    table: &'a TableName,
    /// `<schema>.<table>`, escaped.
    name: String,
}

impl Keys {
    /// `prefix` without slashes at its ends; may be empty.
    pub fn new(prefix: &str, pipeline: &str) -> Self {
        let pipeline = escape(pipeline);
        let root = if prefix.is_empty() { format!("v1/{pipeline}/") } else { format!("{prefix}/v1/{pipeline}/") };
        Self { root }
    }

    pub fn root(&self) -> &str {
        &self.root
    }

    /// # Errors
    /// `KEY_TOO_LONG` when any key of the table would be.
    pub fn table<'a>(&'a self, table: &'a TableName) -> Result<TableKeys<'a>, Fault> {
        let name = format!("{}.{}", escape(&table.schema), escape(&table.name));
        let keys = TableKeys { root: &self.root, table, name };
        let attempt = Attempt { table: table.clone(), epoch: Epoch::MAX, seq: 999_999_999_999, lsn_to: Lsn::MAX, id: Uuid::nil() };
        let longest = keys.part(&attempt, u32::MAX).len().max(keys.manifest(Epoch::MAX, attempt.seq, attempt.seq, Uuid::nil()).len());
        if longest > MOST_BYTES {
            return Err(Fault::new(&KEY_TOO_LONG, format!("keys of {table} would have up to {longest} bytes"))
                .evidence("table", table)
                .evidence("bytes", longest)
                .evidence("most", MOST_BYTES));
        }
        Ok(keys)
    }

    /// `…records/`: one folder a table.
    pub fn record_folders(&self) -> String {
        format!("{}records/", self.root)
    }

    /// The table of a folder under [`Self::record_folders`], if this program would spell it so.
    pub fn table_of(&self, folder: &str) -> Option<TableName> {
        let table = table_named(folder.strip_prefix(&self.record_folders())?.strip_suffix('/')?)?;
        (self.table(&table).ok()?.records() == folder).then_some(table)
    }

    /// `…data/`: part files of all tables.
    pub fn data(&self) -> String {
        format!("{}data/", self.root)
    }

    /// `…control/`: one object a table.
    pub fn controls(&self) -> String {
        format!("{}control/", self.root)
    }

    /// `…leases/`: up to two objects a table.
    pub fn leases(&self) -> String {
        format!("{}leases/", self.root)
    }

    /// Whose part file, control or lease a key is, if this program would spell it so.
    pub fn place(&self, key: &str) -> Option<Place> {
        let (kind, rest) = key.strip_prefix(&self.root)?.split_once('/')?;
        match kind {
            "data" => {
                let (name, rest) = rest.split_once('/')?;
                let table = table_named(name)?;
                let epoch = rest.split_once('/')?.0.strip_prefix('e')?.parse().ok()?;
                let attempt = self.table(&table).ok()?.attempt(epoch, key)?;
                Some(Place::Part { table, attempt, marker: key.ends_with(MARKER) })
            }
            "control" => {
                let table = table_named(rest.strip_suffix(".json")?)?;
                (self.table(&table).ok()?.control() == key).then_some(Place::Control { table })
            }
            "leases" => {
                let table = table_named(rest.split_once('/')?.0)?;
                let keys = self.table(&table).ok()?;
                let kind = [LeaseKind::Extract, LeaseKind::Load].into_iter().find(|kind| keys.lease(*kind) == key)?;
                Some(Place::Lease { table: table.clone(), kind })
            }
            _ => None,
        }
    }

    pub fn runs(&self) -> String {
        format!("{}runs/", self.root)
    }

    /// By the UTC day on which the run began, so that both writes of a run meet.
    pub fn run(&self, run: &RunRecord) -> String {
        let day = run.by.since.strftime("%Y-%m-%d");
        format!("{}runs/{day}/{}.json", self.root, run.run)
    }

    pub fn probe(&self, id: Uuid) -> String {
        format!("{}probe/{id}", self.root)
    }
}

impl TableKeys<'_> {
    /// `…records/<t>/`: one folder an epoch.
    pub fn records(&self) -> String {
        format!("{}records/{}/", self.root, self.name)
    }

    /// `…records/<t>/e0001/`.
    pub fn records_of(&self, epoch: Epoch) -> String {
        format!("{}e{epoch:04}/", self.records())
    }

    pub fn record(&self, epoch: Epoch, seq: Seq) -> String {
        format!("{}{seq:012}.json", self.records_of(epoch))
    }

    /// The epoch of a folder as [`Self::records_of`] builds it.
    pub fn epoch(&self, folder: &str) -> Option<Epoch> {
        let epoch = folder.strip_prefix(&self.records())?.strip_suffix('/')?.strip_prefix('e')?.parse().ok()?;
        (self.records_of(epoch) == folder).then_some(epoch)
    }

    /// The seq of a key as [`Self::record`] builds it.
    pub fn seq(&self, epoch: Epoch, key: &str) -> Option<Seq> {
        let seq = key.strip_prefix(&self.records_of(epoch))?.strip_suffix(".json")?.parse().ok()?;
        (self.record(epoch, seq) == key).then_some(seq)
    }

    /// `…data/<t>/e0001/`.
    pub fn data_of(&self, epoch: Epoch) -> String {
        format!("{}data/{}/e{epoch:04}/", self.root, self.name)
    }

    pub fn part(&self, attempt: &Attempt, number: u32) -> String {
        format!("{}part-{number:05}.csv.zst", self.attempt_folder(attempt))
    }

    /// The empty object of an attempt without part files: it shows in listings like the others.
    pub fn marker(&self, attempt: &Attempt) -> String {
        format!("{}{MARKER}", self.attempt_folder(attempt))
    }

    fn attempt_folder(&self, attempt: &Attempt) -> String {
        format!("{}{:012}-{}-{}/", self.data_of(attempt.epoch), attempt.seq, attempt.lsn_to, attempt.id)
    }

    /// Behind every key of an attempt up to `seq` of the epoch, before those above.
    pub fn behind(&self, epoch: Epoch, seq: Seq) -> String {
        format!("{}{seq:012}.", self.data_of(epoch))
    }

    /// The attempt of a key as [`Self::part`] or [`Self::marker`] builds it.
    pub fn attempt(&self, epoch: Epoch, key: &str) -> Option<Attempt> {
        let (folder, file) = key.strip_prefix(&self.data_of(epoch))?.split_once('/')?;
        let (seq, rest) = folder.split_once('-')?;
        let (lsn_to, id) = rest.split_once('-')?;
        let (seq, lsn_to, id) = (seq.parse().ok()?, lsn_to.parse().ok()?, id.parse().ok()?);
        let attempt = Attempt { table: self.table.clone(), epoch, seq, lsn_to, id };
        let spelt = if file == MARKER {
            self.marker(&attempt)
        } else {
            self.part(&attempt, file.strip_prefix("part-")?.strip_suffix(".csv.zst")?.parse().ok()?)
        };
        (spelt == key).then_some(attempt)
    }

    /// `…loads/<t>/`: the manifests of all epochs.
    pub fn manifests(&self) -> String {
        format!("{}loads/{}/", self.root, self.name)
    }

    pub fn manifest(&self, epoch: Epoch, from: Seq, to: Seq, attempt: Uuid) -> String {
        format!("{}e{epoch:04}-{from:012}-{to:012}-{attempt}.manifest", self.manifests())
    }

    /// Epoch and range of a key as [`Self::manifest`] builds it.
    pub fn manifest_range(&self, key: &str) -> Option<(Epoch, Seq, Seq)> {
        let name = key.strip_prefix(&self.manifests())?.strip_suffix(".manifest")?.strip_prefix('e')?;
        let mut parts = name.splitn(4, '-');
        let (epoch, from, to) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let attempt = parts.next()?.parse().ok()?;
        (self.manifest(epoch, from, to, attempt) == key).then_some((epoch, from, to))
    }

    pub fn control(&self) -> String {
        format!("{}control/{}.json", self.root, self.name)
    }

    pub fn lease(&self, kind: LeaseKind) -> String {
        format!("{}leases/{}/{}.json", self.root, self.name, kind.as_str())
    }
}

/// The table of `<schema>.<table>`, escaped.
fn table_named(name: &str) -> Option<TableName> {
    let (schema, name) = name.split_once('.')?;
    Some(TableName::new(unescape(schema)?, unescape(name)?))
}

/// Bytes outside `[A-Za-z0-9_-]` as `!XX`: two names never share a key, whatever they hold.
fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "!{byte:02X}");
        }
    }
    out
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('!') {
        bytes.extend_from_slice(plain.as_bytes());
        bytes.push(u8::from_str_radix(escaped.get(..2)?, 16).ok()?);
        rest = &escaped[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_look_as_the_protocol_says() {
        let keys = Keys::new("cdc/team", "shop");
        let table = TableName::new("dbo", "Order Lines.x");
        let keys = keys.table(&table).unwrap();
        let attempt = Attempt { table: table.clone(), epoch: 1, seq: 42, lsn_to: Lsn::MAX, id: Uuid::from_u128(7) };
        let name = "dbo.Order!20Lines!2Ex";
        assert_eq!(keys.record(1, 42), format!("cdc/team/v1/shop/records/{name}/e0001/000000000042.json"));
        assert_eq!(
            keys.part(&attempt, 1),
            format!(
                "cdc/team/v1/shop/data/{name}/e0001/000000000042-ffffffffffffffffffff-00000000-0000-0000-0000-000000000007/part-00001.csv.zst"
            )
        );
        assert_eq!(keys.lease(LeaseKind::Load), format!("cdc/team/v1/shop/leases/{name}/load.json"));
        assert_eq!(keys.control(), format!("cdc/team/v1/shop/control/{name}.json"));
        assert_eq!(Keys::new("", "shop").root(), "v1/shop/");
    }

    #[test]
    fn keys_read_back_and_strangers_do_not() {
        let all = Keys::new("", "p");
        let table = TableName::new("dbo", "t.x");
        let keys = all.table(&table).unwrap();
        let attempt = Attempt { table: table.clone(), epoch: 12_345, seq: 9, lsn_to: Lsn::ZERO, id: Uuid::from_u128(1) };
        for (key, marker) in [(keys.part(&attempt, 3), false), (keys.marker(&attempt), true)] {
            assert_eq!(keys.attempt(12_345, &key).as_ref(), Some(&attempt));
            assert_eq!(all.place(&key), Some(Place::Part { table: table.clone(), attempt: attempt.clone(), marker }));
            assert!(key < keys.behind(12_345, 9) && key > keys.behind(12_345, 8));
        }
        assert_eq!(all.place(&keys.control()), Some(Place::Control { table: table.clone() }));
        let kind = LeaseKind::Load;
        assert_eq!(all.place(&keys.lease(kind)), Some(Place::Lease { table: table.clone(), kind }));
        assert_eq!(all.place(&keys.record(1, 1)), None);
        assert_eq!(keys.seq(2, &keys.record(2, 10_u64.pow(11))), Some(10_u64.pow(11)));
        assert_eq!(keys.epoch(&keys.records_of(12_345)), Some(12_345));
        assert_eq!(keys.manifest_range(&keys.manifest(3, 7, 9, Uuid::from_u128(1))), Some((3, 7, 9)));
        assert_eq!(keys.manifest_range("v1/p/loads/dbo.t/e3-7-9-x.manifest"), None);
        for stranger in [
            "v1/p/records/dbo.t!2Ex/e0002/+00000000042.json",
            "v1/p/records/dbo.t!2Ex/e0002/42.json",
            "v1/p/records/dbo.t!2Ex/e0002/notes.txt",
        ] {
            assert_eq!(keys.seq(2, stranger), None, "{stranger}");
        }
        assert_eq!(keys.epoch("v1/p/records/dbo.t!2Ex/e2/"), None);
    }

    #[test]
    fn a_key_over_1024_bytes_is_refused() {
        let keys = Keys::new("", "p");
        assert!(keys.table(&TableName::new("dbo", "x".repeat(128))).is_ok());
        let fault = keys.table(&TableName::new("dbo", "\u{4e2d}".repeat(128))).unwrap_err();
        assert!(fault.is(&KEY_TOO_LONG), "{fault}");
    }

    proptest! {
        #[test]
        fn escaping_loses_nothing(text in "\\PC{0,30}|[!./%a ]{0,10}") {
            let escaped = escape(&text);
            prop_assert!(escaped.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-!".contains(&b)));
            prop_assert_eq!(unescape(&escaped), Some(text));
        }
    }
}
