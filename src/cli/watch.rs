//! What a running job shows: progress bars on a terminal, plain lines elsewhere, JSON on request.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::connect::LiveEngine;
use super::output::{self, bytes, count};
use crate::engine::event::{Event, EventReceiver, Progress};
use crate::model::TableName;

/// How jobs are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Show {
    /// A bar a table and lines above them, on standard error.
    Bars,
    /// One line an event, on standard error.
    Lines,
    /// One JSON document a line, on standard output.
    Json,
    Nothing,
}

impl Show {
    /// By the options and by what standard error is.
    #[must_use]
    pub fn choose(events: bool, json: bool) -> Self {
        match (events, json) {
            (true, _) => Self::Json,
            (_, true) => Self::Nothing,
            _ if std::io::stderr().is_terminal() => Self::Bars,
            _ => Self::Lines,
        }
    }
}

/// Follows a run until its engine is gone.
#[must_use]
pub fn follow(mut receiver: EventReceiver, show: Show) -> JoinHandle<()> {
    tokio::spawn(async move {
        let bars = (show == Show::Bars).then(MultiProgress::new);
        let mut drawn = BTreeMap::new();
        loop {
            tokio::select! {
                event = receiver.events.recv() => match event {
                    Some(event) => tell(&event, show, bars.as_ref()),
                    None => break,
                },
                () = tokio::time::sleep(Duration::from_millis(100)), if bars.is_some() => {
                    if let Some(bars) = &bars {
                        draw(bars, &mut drawn, &receiver.progress.borrow_and_update());
                    }
                }
            }
        }
        for (_, bar) in drawn {
            bar.finish_and_clear();
        }
    })
}

/// Waits until everything was shown: the last sender goes with the engine.
pub async fn end(engine: Arc<LiveEngine>, shown: JoinHandle<()>) {
    drop(engine);
    if let Err(error) = shown.await {
        tracing::warn!(%error, "the progress display ended early");
    }
}

fn tell(event: &Event, show: Show, bars: Option<&MultiProgress>) {
    match show {
        Show::Nothing => {}
        Show::Json => output::document(event),
        Show::Lines | Show::Bars => {
            let Some(text) = line(event) else { return };
            match bars {
                // A terminal that went away does not stop a job.
                Some(bars) => drop(bars.println(text)),
                None => output::talk(text),
            }
        }
    }
}

/// One line for a person; `None` for events that only programs need.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started { .. } => return None,
        Event::Recorded { table, epoch, seq, rows, bytes: size, seconds } => {
            format!("extract  {table}  epoch {epoch} batch {seq}: {} rows, {} in {seconds:.1} s", count(*rows), bytes(*size))
        }
        Event::Staged { table, epoch, from, to, rows, seconds } => {
            format!("stage    {table}  epoch {epoch} {}: {} rows in {seconds:.1} s", range(*from, *to), count(*rows))
        }
        Event::Applied { table, epoch, from, to, deleted, inserted, seconds } => {
            format!(
                "apply    {table}  epoch {epoch} {}: -{} +{} rows in {seconds:.1} s",
                range(*from, *to),
                count(*deleted),
                count(*inserted)
            )
        }
        Event::Warning { job, table, text } => format!("warning  {table}  {}: {text}", job.as_str()),
        Event::StoreRetry { object, text } => format!("warning  {object} is written again after {text}"),
        Event::Note { job, table, text } => format!("{:8} {table}  {text}", job.as_str()),
        Event::Finished { job, table, outcome, .. } => format!("{:8} {table}  {outcome}", job.as_str()),
    })
}

fn range(from: u64, to: u64) -> String {
    if from == to { format!("batch {from}") } else { format!("batches {from} to {to}") }
}

fn draw(bars: &MultiProgress, drawn: &mut BTreeMap<TableName, ProgressBar>, progress: &BTreeMap<TableName, Progress>) {
    drawn.retain(|table, bar| {
        let busy = progress.contains_key(table);
        if !busy {
            bar.finish_and_clear();
        }
        busy
    });
    for (table, progress) in progress {
        let bar = drawn.entry(table.clone()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            bars.add(ProgressBar::new_spinner().with_style(style))
        });
        let Progress { job, phase, rows, bytes: size } = progress;
        bar.set_message(format!("{:8} {table}  {phase}: {} rows, {}", job.as_str(), count(*rows), bytes(*size)));
        bar.tick();
    }
}
