//! `sync --every`: rounds of sync until a signal asks for the end.
//!
//! Each round reads the configuration again and connects anew, so that rotated passwords and new
//! tables count. A fault of a round is shown and the next round tries again; only a first round
//! that cannot even begin ends the program.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::args::{Command, Global};
use super::{exit, jobs, output, signals, start};
use crate::model::Fault;

pub async fn run(global: &Global, command: &Command, every: Duration) -> Result<u8, Fault> {
    let cancel = CancellationToken::new();
    signals::stop_at_first(cancel.clone());
    let mut first = true;
    while !cancel.is_cancelled() {
        let begun = Instant::now();
        match Box::pin(round(global, command, &cancel)).await {
            Err(fault) if first && exit::of(&fault) == exit::CONFIG => return Err(fault),
            Err(fault) => output::show_fault(global, &fault),
            Ok(_) => {}
        }
        first = false;
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep_until(begun + every) => {}
        }
    }
    // Asked to stop, and stopped at a safe point: that is what was wanted.
    Ok(exit::DONE)
}

async fn round(global: &Global, command: &Command, cancel: &CancellationToken) -> Result<u8, Fault> {
    let connected = start(global, command, cancel.clone()).await?;
    jobs::run(global, command, connected).await
}
