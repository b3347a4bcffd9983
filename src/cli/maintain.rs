//! `maintain`: upkeep of the tables in Redshift.

use std::sync::Arc;

use super::args::{Global, Maintain};
use super::connect::LiveEngine;
use super::document::Reports;
use super::{exit, output, select};
use crate::engine::event::EventReceiver;
use crate::engine::inspect::upkeep::{Upkeep, UpkeepReport};
use crate::model::{Fault, TableName};

pub async fn run(global: &Global, what: &Maintain, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let (what, tables) = match what {
        Maintain::Analyze => (Upkeep::Analyze, select::tables(&engine, &global.tables, select::From::Store).await?),
        Maintain::Vacuum => (Upkeep::Vacuum, select::tables(&engine, &global.tables, select::From::Store).await?),
        Maintain::TruncateStaging => (Upkeep::TruncateStaging, select::tables(&engine, &global.tables, select::From::Store).await?),
        Maintain::TruncateProduction { confirm } => (
            Upkeep::TruncateProduction { confirm: confirm.clone() },
            vec![select::one(&engine, &global.tables, select::From::Store).await?],
        ),
    };
    let mut reports: Vec<(TableName, Result<UpkeepReport, Fault>)> = Vec::new();
    // One after the other: a cluster runs one VACUUM at a time.
    for table in tables {
        let report = engine.upkeep(&table, &what).await.map_err(|fault| fault.about(&table));
        if !global.json {
            match &report {
                Ok(report) => output::line(format_args!("{table}: {}", report.did)),
                Err(fault) => output::line(format_args!("{table}: {}", output::fault_text(fault).trim_end())),
            }
        }
        reports.push((table, report));
    }
    if global.json {
        output::document(&Reports::new("maintain", &reports));
    }
    Ok(exit::worst(reports.iter().map(|(_, report)| report.as_ref().map_or_else(exit::of, |_| exit::DONE))))
}
