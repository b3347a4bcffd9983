//! From what was read to what it means: lags, the hop that is stuck, the countdown, the verdict.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use crate::model::TableName;
use crate::model::control::LeaseKind;
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
    let failed = store.as_ref().is_some_and(|store| !store.failed.is_empty());
    let next = next(name, verdict, retention.as_ref(), hops.stuck.as_ref(), failed);
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
    let busy = |job: LeaseKind| match job {
        LeaseKind::Extract => store.and_then(|store| store.extracting.as_ref()),
        LeaseKind::Load => store.and_then(|store| store.loading.as_ref()),
    };
    // What failed is stuck at once: it may wait for a person.
    let failed = store.iter().flat_map(|store| &store.failed).filter(|failed| !at_work(busy(failed.job)));
    if let Some(failed) = failed.max_by_key(|failed| (failed.human, failed.job == LeaseKind::Load)) {
        let (hop, job) = match failed.job {
            LeaseKind::Extract => (HopName::Extract, "extract or prepare"),
            LeaseKind::Load => (HopName::Load, "load"),
        };
        let code = failed.code.as_ref().map_or_else(String::new, |code| format!(" with {code}"));
        let human = if failed.human { ", and a person must decide" } else { "" };
        let stuck = Stuck { hop, since: failed.at, why: format!("the last {job} failed{code}{human}") };
        return Hops { capture, extract, load, stuck: Some(stuck) };
    }
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
        (target.is_some_and(|target| target.diverged.is_some() || !target.doubts.is_empty()), Verdict::Diverged),
        (gap, Verdict::Gap),
        // Without tracking nothing is cleaned up, and nothing comes.
        (source.tracked && retention.is_some_and(|retention| retention.warn), Verdict::Lagging),
        (store.paused, Verdict::Paused),
        (!source.tracked, Verdict::NotTracked),
        // Without a state nothing is loaded, whatever was recorded.
        (store.epoch.is_none() || target.is_none(), Verdict::NotPrepared),
        // Capture is not this table's matter: the report says so once.
        (hops.stuck.as_ref().is_some_and(|stuck| stuck.hop != HopName::Capture), Verdict::Stuck),
        (target.is_some_and(|target| target.staged.is_some()), Verdict::Staged),
        (store.pending.is_some_and(|pending| pending > 0), Verdict::Pending),
        (source.waiting == Some(true), Verdict::Behind),
        (source.waiting.is_none(), Verdict::Unknown),
    ];
    checks.into_iter().find(|(holds, _)| *holds).map_or(Verdict::Current, |(_, verdict)| verdict)
}

fn next(table: &TableName, verdict: Verdict, retention: Option<&Countdown>, stuck: Option<&Stuck>, failed: bool) -> Vec<String> {
    let ours = |command: &str| format!("db-to-redshift {command} --table {table:#}");
    match verdict {
        // What was only marked may be equal: a verify tells, and takes the mark away.
        Verdict::Diverged => vec![ours("verify"), ours("prepare --new-epoch")],
        Verdict::Gap => vec![ours("prepare --new-epoch")],
        Verdict::Lagging => {
            let minutes = retention.map_or(0, |retention| retention.retention_seconds / 60 * 2).min(MOST_RETENTION_MINUTES);
            vec![ours("sync"), format!("EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = {minutes};")]
        }
        Verdict::NotTracked => vec![ours("enable")],
        Verdict::NotPrepared => vec![ours("prepare")],
        // The record of the run has the whole fault.
        Verdict::Stuck if failed => vec![ours("runs"), ours("retry")],
        Verdict::Stuck if stuck.is_some_and(|stuck| stuck.hop == HopName::Extract) => vec![ours("sync")],
        Verdict::Stuck | Verdict::Staged | Verdict::Pending => vec![ours("load")],
        Verdict::Behind => vec![ours("sync")],
        Verdict::Unknown | Verdict::Paused | Verdict::Current => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::model::status::CaptureStatus;

    const CLOCK: DateTime = date(2026, 3, 2).at(12, 0, 0, 0);

    fn ago(seconds: i64) -> DateTime {
        CLOCK - SignedDuration::from_secs(seconds)
    }

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    /// Everything is carried; an hour ago came the newest commit.
    fn calm() -> (Parts, SourceSystem) {
        let source = SourceStatus { tracked: true, waiting: Some(false), ..SourceStatus::default() };
        let store = StoreStatus { epoch: Some(1), head: Some(3), head_time: Some(ago(3_600)), pending: Some(0), ..StoreStatus::default() };
        let target = TargetStatus { epoch: 1, applied_time: Some(ago(3_600)), ..TargetStatus::default() };
        let capture = CaptureStatus { latency_seconds: Some(4), retention_seconds: Some(259_200), ..CaptureStatus::default() };
        let system = SourceSystem { newest_commit: Some(ago(3_600)), clock: Some(CLOCK), capture, ..SourceSystem::default() };
        (Parts { source: Some(source), store: Some(store), target: Some(target) }, system)
    }

    fn judge(parts: Parts, system: &SourceSystem) -> TableStatus {
        table(&TableName::new("dbo", "t"), parts, system, true, now())
    }

    fn busy(silent: bool) -> Busy {
        Busy { renewed: now(), silent, holder: None }
    }

    #[test]
    fn what_is_carried_lags_nowhere() {
        let (parts, system) = calm();
        let status = judge(parts, &system);
        assert_eq!((status.verdict, status.hops.stuck, status.next.len()), (Verdict::Current, None, 0));
        assert_eq!(status.hops.capture.lag_seconds, Some(4), "commit to capture is the latency of the scan sessions");
        assert_eq!((status.hops.extract.lag_seconds, status.hops.load.lag_seconds), (Some(0), Some(0)));
    }

    /// Changes wait: an extract is at work, or nobody is; a holder that is silent is nobody.
    #[test]
    fn an_extract_that_nobody_runs_is_stuck_after_an_hour() {
        for (waiting, extracting, stuck) in [
            (STUCK_AFTER, None, false),
            (STUCK_AFTER + 1, None, true),
            (STUCK_AFTER + 1, Some(busy(false)), false),
            (STUCK_AFTER + 1, Some(busy(true)), true),
        ] {
            let (mut parts, mut system) = calm();
            system.newest_commit = Some(ago(10));
            parts.source.as_mut().unwrap().waiting = Some(true);
            parts.source.as_mut().unwrap().first_waiting_time = Some(ago(waiting));
            parts.store.as_mut().unwrap().extracting = extracting;
            let status = judge(parts, &system);
            assert_eq!(status.hops.extract, Hop { lag_seconds: Some(waiting - 10), waiting_seconds: Some(waiting) });
            assert_eq!(status.hops.stuck.as_ref().map(|stuck| stuck.hop), stuck.then_some(HopName::Extract), "{waiting}");
            assert_eq!(status.verdict, if stuck { Verdict::Stuck } else { Verdict::Behind });
            assert_eq!(status.next, ["db-to-redshift sync --table 'dbo.t'"]);
        }
    }

    #[test]
    fn a_load_that_nobody_runs_is_stuck_after_an_hour() {
        for (waiting, loading, stuck) in
            [(3_599, None, false), (3_601, None, true), (3_601, Some(busy(false)), false), (3_601, Some(busy(true)), true)]
        {
            let (mut parts, system) = calm();
            let store = parts.store.as_mut().unwrap();
            (store.pending, store.pending_since, store.loading) = (Some(2), Some(now() - SignedDuration::from_secs(waiting)), loading);
            parts.target.as_mut().unwrap().applied_time = Some(ago(3_660));
            let status = judge(parts, &system);
            assert_eq!(status.hops.load, Hop { lag_seconds: Some(60), waiting_seconds: Some(waiting) });
            assert_eq!(status.hops.stuck.map(|stuck| stuck.hop), stuck.then_some(HopName::Load), "{waiting}");
            assert_eq!(status.verdict, if stuck { Verdict::Stuck } else { Verdict::Pending });
            assert_eq!(status.next, ["db-to-redshift load --table 'dbo.t'"]);
        }
    }

    /// Capture is not one table's matter: the hop is named, and the verdict stays the table's own.
    #[test]
    fn capture_that_is_down_is_the_hop_that_is_stuck() {
        let (parts, mut system) = calm();
        system.capture.down = Some("SQL Server Agent is stopped".into());
        let status = judge(parts, &system);
        assert_eq!(status.hops.capture.waiting_seconds, Some(3_600));
        let stuck = status.hops.stuck.unwrap();
        assert_eq!((stuck.hop, stuck.why.as_str()), (HopName::Capture, "SQL Server Agent is stopped"));
        assert_eq!(stuck.since, now() - SignedDuration::from_secs(3_600));
        assert_eq!(status.verdict, Verdict::Current);
    }

    /// Of two hops that wait the one is named that waits longer.
    #[test]
    fn the_longest_wait_is_named() {
        let (mut parts, mut system) = calm();
        system.newest_commit = Some(ago(10));
        parts.source.as_mut().unwrap().waiting = Some(true);
        parts.source.as_mut().unwrap().first_waiting_time = Some(ago(7_200));
        let store = parts.store.as_mut().unwrap();
        (store.pending, store.pending_since) = (Some(1), Some(now() - SignedDuration::from_secs(9_000)));
        assert_eq!(judge(parts, &system).hops.stuck.map(|stuck| stuck.hop), Some(HopName::Load));
    }
}
