//! The capture job as a thread: scans when something was committed, or when its time has come.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::agent::{Agent, LOCKED, lock};
use super::capture::Limits;
use super::jobs::{self, JobType};

/// How often an idle log gets a dummy row. About five minutes on a real server.
pub const IDLE: Duration = Duration::from_mins(5);

/// Starts the thread, unless it runs already (false).
pub fn start(agent: &Arc<Agent>, idle: Duration) -> std::io::Result<Option<JoinHandle<()>>> {
    {
        let mut job = lock(&agent.job);
        if job.running {
            return Ok(None);
        }
        (job.running, job.stopping, job.work) = (true, false, true);
    }
    let worker = Arc::clone(agent);
    std::thread::Builder::new()
        .name(format!("lab-capture-{}", agent.database.name))
        .spawn(move || run(&worker, idle))
        .map(Some)
        .inspect_err(|_| lock(&agent.job).running = false)
}

/// Asks the thread to end after the scan that it is in. False when none runs.
pub fn stop(agent: &Agent) -> bool {
    let mut job = lock(&agent.job);
    let was = job.running;
    (job.running, job.stopping) = (false, true);
    agent.wake.notify_all();
    was
}

/// A commit has happened.
pub fn wake(agent: &Agent) {
    lock(&agent.job).work = true;
    agent.wake.notify_all();
}

fn run(agent: &Agent, idle: Duration) {
    // The settings are read once: a change takes effect at the next start, as documented.
    let settings = agent.write(|c| jobs::load(c, agent.database.id, JobType::Capture)).ok().flatten().unwrap_or_default();
    let limits = Limits { maxtrans: settings.maxtrans, maxscans: settings.maxscans };
    let mut quiet_since = Instant::now();
    loop {
        let delay = {
            let job = lock(&agent.job);
            let waited = agent.wake.wait_timeout_while(job, idle.min(Duration::from_secs(1)), |job| !job.work && !job.stopping);
            let mut job = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(job, _)| job);
            if job.stopping {
                return;
            }
            job.work = false;
            job.delay
        };
        if !delay.is_zero() {
            let job = lock(&agent.job);
            let waited = agent.wake.wait_timeout_while(job, delay, |job| !job.stopping);
            if waited.map_or_else(|poisoned| poisoned.into_inner().0.stopping, |(job, _)| job.stopping) {
                return;
            }
        }
        match agent.scan(limits) {
            Ok(scan) => {
                if scan.more {
                    lock(&agent.job).work = true;
                }
                if scan.last_p > 0 {
                    quiet_since = Instant::now();
                } else if quiet_since.elapsed() >= idle {
                    quiet_since = Instant::now();
                    if let Err(error) = agent.note_idle() {
                        tracing::warn!(database = agent.database.name, %error, "the lab's capture job could not note an idle log");
                    }
                }
            }
            Err((LOCKED, _)) => lock(&agent.job).work = true,
            Err((number, _)) => tracing::warn!(database = agent.database.name, number, "the lab's capture job failed"),
        }
    }
}
