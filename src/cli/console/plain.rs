//! `console --plain`: no screen. Lines as things change, for screen readers and for logs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::cli::args::Global;
use crate::cli::{connect, exit, output, signals, status};
use crate::config;
use crate::engine::Run;
use crate::model::{Fault, TableName};

const EVERY: Duration = Duration::from_secs(5);
/// Redshift bills by the second.
const TARGET_EVERY: i64 = 60;

pub async fn run(global: &Global) -> Result<u8, Fault> {
    let cancel = CancellationToken::new();
    signals::stop_at_first(cancel.clone());
    let settings = config::load(global.config.as_deref(), global.profile.as_deref())?;
    let (engine, _) = connect::engine(settings, Run::new("console", false), cancel.clone()).await?;
    let (mut words, mut said, mut faults) = (BTreeMap::<TableName, &'static str>::new(), None, Vec::new());
    loop {
        let known = said.take().filter(|said: &std::sync::Arc<crate::engine::status::TargetSaid>| {
            Timestamp::now().duration_since(said.at).as_secs() < TARGET_EVERY
        });
        let (report, answer) = engine.fleet_since(None, known).await;
        said = Some(answer);
        if words.is_empty() {
            output::text(status::text(&report));
        }
        let time = report.at.strftime("%H:%M:%SZ");
        for table in &report.tables {
            let word = table.verdict.as_str();
            match words.insert(table.table.clone(), word) {
                Some(before) if before != word => output::line(format_args!("{time}  {}: {before}, now {word}", table.table)),
                _ => {}
            }
        }
        let now: Vec<String> = report.faults.iter().map(|fault| format!("{}: {}", fault.fault.code, fault.fault.what)).collect();
        for fault in now.iter().filter(|fault| !faults.contains(*fault)) {
            output::line(format_args!("{time}  {fault}"));
        }
        faults = now;
        tokio::select! {
            () = cancel.cancelled() => return Ok(exit::DONE),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
