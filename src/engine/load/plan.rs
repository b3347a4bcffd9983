//! What load does next, from state and records alone (rules L2, L3, L5).

use crate::engine::extract::stream::read_record;
use crate::model::fault::sync;
use crate::model::record::Layout;
use crate::model::state::StreamIdentity;
use crate::model::{CommitRecord, Fault, Lsn, RecordKind, Seq, TargetState};
use crate::store::ChangeStore;
use crate::target::{BatchRows, LoadRange, OpenEpoch, OpenLoad};

/// The next transaction.
#[derive(Clone, Debug)]
pub enum Step {
    /// Production holds everything that is recorded.
    Done,
    /// State holds an older epoch, or none: record 0 comes first.
    Open,
    /// These batches go to staging.
    Stage(Vec<CommitRecord>),
    /// These batches stand in staging.
    Apply(Vec<CommitRecord>),
    /// What stands in staging is no longer what the records say: they were made anew.
    Unstage,
    /// A `schema` record, alone.
    Schema(Box<CommitRecord>),
}

/// Limits of a joined range.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub batches: u32,
    pub rows: u64,
}

/// Decides from the state row. `opening` is record 0 of the current epoch.
pub async fn next<C: ChangeStore>(store: &C, state: &TargetState, opening: &CommitRecord, limits: Limits) -> Result<Step, Fault> {
    if state.epoch > opening.epoch {
        return Err(Fault::new(&sync::RECORDS_GONE, format!("state of {} is of an epoch that S3 does not know", opening.table))
            .evidence("epoch in state", state.epoch)
            .evidence("current epoch in S3", opening.epoch));
    }
    if state.epoch < opening.epoch {
        return Ok(Step::Open);
    }
    let (Some(applied), Some(lsn)) = (state.applied_seq, state.applied_lsn) else { return Ok(Step::Open) };
    if let Some(staged) = state.staged {
        let mut records = vec![read_record(store, &opening.table, opening.epoch, staged.from).await?];
        for seq in staged.from + 1..=staged.to {
            match store.record(&opening.table, opening.epoch, seq).await? {
                Some(record) => records.push(record),
                None => break,
            }
        }
        let accepted = accept(&records, state, opening, lsn, limits)?;
        let last = records.last().filter(|_| accepted == records.len());
        if last.map(|last| (last.seq, last.lsn_to)) == Some((staged.to, staged.lsn_to)) {
            return Ok(Step::Apply(records));
        }
        // A hole among the records is a fault, and leaves what is staged.
        pending(store, opening, applied).await?;
        return Ok(Step::Unstage);
    }
    let seqs = pending(store, opening, applied).await?;
    let mut records: Vec<CommitRecord> = Vec::new();
    for seq in seqs.into_iter().take(limits.batches.max(1) as usize) {
        records.push(read_record(store, &opening.table, opening.epoch, seq).await?);
        let rows: u64 = records.iter().map(|record| record.counts.rows()).sum();
        if rows >= limits.rows {
            break;
        }
    }
    match records.first() {
        None => {
            let last = read_record(store, &opening.table, opening.epoch, applied).await?;
            require_applied(&last, lsn)?;
            Ok(Step::Done)
        }
        Some(record) if record.kind == RecordKind::Schema => {
            check_link(record, lsn, state, opening)?;
            Ok(Step::Schema(Box::new(records.swap_remove(0))))
        }
        Some(_) => {
            let accepted = accept(&records, state, opening, lsn, limits)?;
            records.truncate(accepted);
            Ok(Step::Stage(records))
        }
    }
}

/// Seqs above the applied one. The applied record itself must be there, and the next follow it
/// without a hole; else the listing is read once more, then it is a fault.
async fn pending<C: ChangeStore>(store: &C, opening: &CommitRecord, applied: Seq) -> Result<Vec<Seq>, Fault> {
    let mut seqs = Vec::new();
    for _ in 0..2 {
        seqs = store.seqs_after(&opening.table, opening.epoch, applied.checked_sub(1)).await?;
        if seqs.iter().zip(applied..).all(|(seq, expected)| *seq == expected) && !seqs.is_empty() {
            seqs.remove(0);
            return Ok(seqs);
        }
    }
    let shown: Vec<String> = seqs.iter().take(5).map(Seq::to_string).collect();
    Err(Fault::new(&sync::RECORDS_GONE, format!("the records of {} do not go on where production stands", opening.table))
        .evidence("epoch", opening.epoch)
        .evidence("applied seq", applied)
        .evidence("records found", if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }))
}

/// The record that production stands at must be the one that was applied: one that went from S3 is made
/// again by the next extract, from other changes, and nothing would ever load them.
pub fn require_applied(record: &CommitRecord, lsn: Lsn) -> Result<(), Fault> {
    if record.lsn_to == lsn {
        return Ok(());
    }
    Err(Fault::new(&sync::RECORDS_GONE, format!("record {} of {} is not the one that was applied", record.seq, record.table))
        .evidence("epoch", record.epoch)
        .evidence("applied seq", record.seq)
        .evidence("applied lsn", lsn)
        .evidence("lsn_to of the record", record.lsn_to))
}

/// How many records from the first on form one range: up to a `schema` record, each beginning
/// where the one before it ends.
fn accept(records: &[CommitRecord], state: &TargetState, opening: &CommitRecord, mut lsn: Lsn, limits: Limits) -> Result<usize, Fault> {
    for (at, record) in records.iter().enumerate() {
        if record.kind == RecordKind::Schema || at >= limits.batches.max(1) as usize && state.staged.is_none() {
            return Ok(at);
        }
        check_link(record, lsn, state, opening)?;
        if Some(&record.column_hash) != state.column_hash.as_ref() {
            return Err(broken(record, "its columns are not those of the state"));
        }
        lsn = record.lsn_to;
    }
    Ok(records.len())
}

/// A record must belong to this stream and begin right after `lsn`.
pub fn check_link(record: &CommitRecord, lsn: Lsn, state: &TargetState, opening: &CommitRecord) -> Result<(), Fault> {
    let identity = StreamIdentity { pipeline: record.pipeline.clone(), source: record.source.clone(), root: state.identity.root.clone() };
    if record.table != opening.table || record.epoch != opening.epoch || !state.identity.agrees_with(&identity) {
        return Err(broken(record, "it belongs to another stream"));
    }
    if state.capture.as_ref() != Some(&record.capture) {
        return Err(broken(record, "it was read from another capture instance"));
    }
    if record.null_marker != opening.null_marker {
        return Err(broken(record, "its marker for NULL is not the epoch's"));
    }
    if record.lsn_from != Some(lsn.next()) && record.kind != RecordKind::Schema {
        return Err(broken(record, "it does not begin where the one before it ends").evidence("expected lsn_from", lsn.next()));
    }
    Ok(())
}

fn broken(record: &CommitRecord, why: &str) -> Fault {
    Fault::new(&sync::BROKEN_CHAIN, format!("record {} of {} cannot be loaded: {why}", record.seq, record.table))
        .evidence("epoch", record.epoch)
        .evidence("seq", record.seq)
        .evidence("lsn_from", record.lsn_from.unwrap_or_default())
        .evidence("lsn_to", record.lsn_to)
        .evidence("run", record.run)
}

/// What record 0 makes the target do (rule L5).
#[must_use]
pub fn open(record: &CommitRecord, identity: &StreamIdentity, fence: i64, manifest_url: Option<String>) -> OpenEpoch {
    OpenEpoch {
        identity: identity.clone(),
        epoch: record.epoch,
        lsn_to: record.lsn_to,
        capture: record.capture.clone(),
        shape: record.columns.clone(),
        column_hash: record.column_hash.clone(),
        null_marker: record.null_marker.clone(),
        rows: record.counts.rows(),
        load: match (record.kind, record.layout) {
            (RecordKind::Start, _) => OpenLoad::Start { trusted: record.trusted },
            (_, Layout::Production) => OpenLoad::Production { manifest_url },
            (_, Layout::Changes) => OpenLoad::Staging { manifest_url },
        },
        fence,
    }
}

/// The range that the target works on. `None` for no records.
#[must_use]
pub fn range(records: &[CommitRecord], identity: &StreamIdentity, fence: i64, manifest_url: Option<String>) -> Option<LoadRange> {
    let (first, last) = (records.first()?, records.last()?);
    Some(LoadRange {
        identity: identity.clone(),
        epoch: first.epoch,
        from: first.seq,
        to: last.seq,
        lsn_from: first.lsn_from.unwrap_or_default(),
        lsn_to: last.lsn_to,
        batches: records.iter().map(|record| BatchRows { seq: record.seq, rows: record.counts.rows() }).collect(),
        shape: first.columns.clone(),
        null_marker: first.null_marker.clone(),
        manifest_url,
        fence,
    })
}
