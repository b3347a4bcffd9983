//! From what was read to what it means: lags, the hop that is stuck, the countdown, the verdict.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use crate::model::TableName;
use crate::model::status::{
    Busy, Countdown, Hop, HopName, Hops, STUCK_AFTER, SourceStatus, SourceSystem, StoreStatus, Stuck, TableStatus, TargetStatus, Verdict,
};

/// The most minutes that `sp_cdc_change_job` takes as retention.
const MOST_RETENTION_MINUTES: i64 = 52_494_800;

/// What was read of one table.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub source: Option<SourceStatus>,
    pub store: Option<StoreStatus>,
    pub target: Option<TargetStatus>,
}

/// Seconds from one to the other; 0 when the clock went back.
pub fn seconds(from: DateTime, to: DateTime) -> i64 {
    to.duration_since(from).as_secs().max(0)
}

pub fn table(name: &TableName, parts: Parts, system: &SourceSystem, target_answers: bool, now: Timestamp) -> TableStatus {
    let Parts { source, mut store, target } = parts;
    if let Some(store) = &mut store
        && !target_answers
    {
        store.pending = None;
        store.pending_files = None;
        store.pending_bytes = None;
    }
    let hops = hops(source.as_ref(), store.as_ref(), target.as_ref(), system, now);
    let retention = countdown(store.as_ref(), system);
    let verdict = verdict(source.as_ref(), store.as_ref(), target.as_ref(), &hops, retention.as_ref(), target_answers);
    let next = next(name, verdict, retention.as_ref(), hops.stuck.as_ref());
    TableStatus { table: name.clone(), verdict, hops, retention, source, store, target, next }
}

fn hops(
    source: Option<&SourceStatus>,
    store: Option<&StoreStatus>,
    target: Option<&TargetStatus>,
    system: &SourceSystem,
    now: Timestamp,
) -> Hops {
    let down = system.capture.down.as_ref();
    let capture = Hop {
        lag_seconds: system.capture.latency_seconds,
        waiting_seconds: down.and(system.newest_commit.zip(system.clock)).map(|(newest, clock)| seconds(newest, clock)),
    };
    let extract = match source.and_then(|source| Some((source.waiting?, source.first_waiting_time))) {
        Some((true, Some(first))) => Hop {
            lag_seconds: system.newest_commit.map(|newest| seconds(first, newest)),
            waiting_seconds: system.clock.map(|clock| seconds(first, clock)),
        },
        Some((false, _)) => Hop { lag_seconds: Some(0), waiting_seconds: None },
        _ => Hop::default(),
    };
    let load = match store.and_then(|store| Some((store, store.pending?))) {
        Some((_, 0)) => Hop { lag_seconds: Some(0), waiting_seconds: None },
        Some((store, _)) => Hop {
            lag_seconds: store.head_time.zip(target.and_then(|target| target.applied_time)).map(|(head, applied)| seconds(applied, head)),
            waiting_seconds: store.pending_since.map(|since| now.duration_since(since).as_secs().max(0)),
        },
        None => Hop::default(),
    };
    let at_work = |busy: Option<&Busy>| busy.is_some_and(|busy| !busy.silent);
    let idle = |hop: &Hop, busy: Option<&Busy>| hop.waiting_seconds.filter(|waiting| *waiting > STUCK_AFTER && !at_work(busy));
    let candidates = [
        (HopName::Load, idle(&load, store.and_then(|store| store.loading.as_ref())), "records wait, and no load is at work".to_owned()),
        (
            HopName::Extract,
            idle(&extract, store.and_then(|store| store.extracting.as_ref())),
            "changes wait, and no extract is at work".to_owned(),
        ),
        (HopName::Capture, capture.waiting_seconds, down.cloned().unwrap_or_default()),
    ];
    let longest = candidates.into_iter().filter_map(|(hop, waiting, why)| Some((waiting?, hop, why))).max_by_key(|(waiting, ..)| *waiting);
    let stuck = longest.map(|(waiting, hop, why)| Stuck { hop, since: now - SignedDuration::from_secs(waiting), why });
    Hops { capture, extract, load, stuck }
}

fn countdown(store: Option<&StoreStatus>, system: &SourceSystem) -> Option<Countdown> {
    let retention_seconds = system.capture.retention_seconds?;
    let used_seconds = seconds(store?.head_time?, system.newest_commit?);
    let left_seconds = retention_seconds - used_seconds;
    Some(Countdown { retention_seconds, used_seconds, left_seconds, warn: used_seconds > retention_seconds / 2 })
}

/// The verdict by the facts that stand in a status, whoever put them together: of a system that
/// does not answer they may be of before.
#[must_use]
pub fn verdict_by(status: &TableStatus) -> Verdict {
    let TableStatus { source, store, target, hops, retention, .. } = status;
    verdict(source.as_ref(), store.as_ref(), target.as_ref(), hops, retention.as_ref(), true)
}

fn verdict(
    source: Option<&SourceStatus>,
    store: Option<&StoreStatus>,
    target: Option<&TargetStatus>,
    hops: &Hops,
    retention: Option<&Countdown>,
    target_answers: bool,
) -> Verdict {
    let (Some(source), Some(store), true) = (source, store, target_answers) else { return Verdict::Unknown };
    let gap = source.min_lsn.zip(store.head_lsn).is_some_and(|(min, head)| min > head.next());
    let checks = [
        (target.is_some_and(|target| target.diverged.is_some()), Verdict::Diverged),
        (gap, Verdict::Gap),
        // Without tracking nothing is cleaned up, and nothing comes.
        (source.tracked && retention.is_some_and(|retention| retention.warn), Verdict::Lagging),
        (store.paused, Verdict::Paused),
        (!source.tracked, Verdict::NotTracked),
        (store.epoch.is_none(), Verdict::NotPrepared),
        // Capture is not this table's matter: the report says so once.
        (hops.stuck.as_ref().is_some_and(|stuck| stuck.hop != HopName::Capture), Verdict::Stuck),
        (target.is_some_and(|target| target.staged.is_some()), Verdict::Staged),
        (store.pending.is_some_and(|pending| pending > 0), Verdict::Pending),
        (source.waiting == Some(true), Verdict::Behind),
        (source.waiting.is_none(), Verdict::Unknown),
    ];
    checks.into_iter().find(|(holds, _)| *holds).map_or(Verdict::Current, |(_, verdict)| verdict)
}

fn next(table: &TableName, verdict: Verdict, retention: Option<&Countdown>, stuck: Option<&Stuck>) -> Vec<String> {
    let ours = |command: &str| format!("db-to-redshift {command} --table '{table}'");
    match verdict {
        Verdict::Diverged | Verdict::Gap => vec![ours("prepare --new-epoch")],
        Verdict::Lagging => {
            let minutes = retention.map_or(0, |retention| retention.retention_seconds / 60 * 2).min(MOST_RETENTION_MINUTES);
            vec![ours("sync"), format!("EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = {minutes};")]
        }
        Verdict::NotTracked => vec![ours("enable")],
        Verdict::NotPrepared => vec![ours("prepare")],
        Verdict::Stuck if stuck.is_some_and(|stuck| stuck.hop == HopName::Extract) => vec![ours("sync")],
        Verdict::Stuck | Verdict::Staged | Verdict::Pending => vec![ours("load")],
        Verdict::Behind => vec![ours("sync")],
        Verdict::Unknown | Verdict::Paused | Verdict::Current => Vec::new(),
    }
}
