//! Ctrl-C and SIGTERM: the first stops jobs at their next safe point, the second ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::output;

/// What a shell reports for a program that SIGINT or SIGTERM ended: 128 plus the number.
const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;

/// Cancels the token at the first signal.
pub fn stop_at_first(cancel: CancellationToken) {
    tokio::spawn(async move {
        let Some(mut signals) = Signals::new() else { return };
        signals.next().await;
        output::talk("stopping at the next safe point; once more ends at once");
        cancel.cancel();
    });
}

/// Waits for so many signals; returns the exit code of the last. Never, where signals cannot be
/// listened to.
pub async fn after(many: usize) -> u8 {
    let Some(mut signals) = Signals::new() else { return std::future::pending().await };
    let mut code = INTERRUPTED;
    for _ in 0..many {
        code = signals.next().await;
    }
    code
}

/// The console has the terminal.
static OWNED: AtomicBool = AtomicBool::new(false);

/// While it lives, signals are the console's: SIGTERM it hears by itself, and SIGINT, which goes to
/// everybody who has the terminal, means the pager that it has begun.
pub struct Owned(());

#[must_use]
pub fn own() -> Owned {
    OWNED.store(true, Ordering::SeqCst);
    Owned(())
}

impl Drop for Owned {
    fn drop(&mut self) {
        OWNED.store(false, Ordering::SeqCst);
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Option<Self> {
        Some(Self { interrupt: signal(SignalKind::interrupt()).ok()?, terminate: signal(SignalKind::terminate()).ok()? })
    }

    async fn next(&mut self) -> u8 {
        loop {
            let code = tokio::select! {
                _ = self.interrupt.recv() => INTERRUPTED,
                _ = self.terminate.recv() => TERMINATED,
            };
            if !OWNED.load(Ordering::SeqCst) {
                return code;
            }
        }
    }
}
