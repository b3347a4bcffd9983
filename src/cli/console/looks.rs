//! Looks: what the engine finds out, as pages.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::worker::{Link, locked};
use crate::cli::bundle;
use crate::cli::connect::LiveEngine;
use crate::console::page::Page;
use crate::console::pages;
use crate::console::seam::{Answer, Tab};
use crate::engine::inspect::preview::PreviewOptions;
use crate::engine::status::TargetSaid;
use crate::model::fault::sync;
use crate::model::{Fault, Seq, TableName};
use crate::store::ChangeStore;
use crate::target::Target;

/// Batches, lines and rows of one page at the most.
const BATCHES: usize = 100;
const LINES: usize = 200;
const ROWS: usize = 200;

/// Every table. What Redshift said last counts until it is asked again.
pub async fn fleet(link: &Link, target: bool) -> Answer {
    let known = if target { None } else { locked(&link.said).clone() };
    let (report, said) = link.engine.fleet_since(None, known).await;
    let at = said.at;
    *locked(&link.said) = Some(said);
    Answer::Fleet { report: Box::new(report), target_at: Some(at) }
}

/// What Redshift said last; asked where that is not known, and kept.
pub async fn said(link: &Link) -> Arc<TargetSaid> {
    if let Some(said) = locked(&link.said).clone() {
        return said;
    }
    let at = Timestamp::now();
    let said = Arc::new(TargetSaid { at, answer: link.engine.target.fleet(&link.engine.settings.pipeline).await });
    *locked(&link.said) = Some(Arc::clone(&said));
    said
}

/// The newest runs; what has ended is read once.
pub async fn runs(link: &Link) -> Result<Answer, Fault> {
    let known = std::mem::take(&mut *locked(&link.runs));
    let read = link.engine.runs(&known).await;
    *locked(&link.runs) = read.as_ref().map_or(known, |read| read.runs.clone());
    Ok(Answer::Runs(Box::new(read?)))
}

/// One side of a table.
pub async fn tab(link: &Link, table: &TableName, tab: Tab, show_values: bool) -> Result<Page, Fault> {
    let engine = &link.engine;
    Ok(match tab {
        Tab::Overview | Tab::Fault => pages::overview(&engine.status(std::slice::from_ref(table)).await, table),
        Tab::Files => {
            // What Redshift said last is enough to tell what is applied; a job of ours has it asked again.
            let said = said(link).await;
            pages::files(&Box::pin(engine.files(table, BATCHES, Some(&said))).await?)
        }
        Tab::Staging => pages::staging(&engine.staging(table, ROWS, show_values).await?),
        Tab::Log => pages::log(&engine.batch_log(Some(table), LINES).await?, table),
        Tab::Columns => pages::columns(&engine.columns(table).await?),
        Tab::Sql => pages::sql(&engine.load_sql(table).await?),
    })
}

pub async fn preview(engine: &LiveEngine, table: &TableName, seq: Seq, show_values: bool) -> Result<Page, Fault> {
    let options = PreviewOptions { file: None, from_line: 1, most: ROWS, show_values };
    Ok(pages::preview(&engine.preview(table, seq, &options).await?))
}

/// The row of a change file that a fault names.
pub async fn row(engine: &LiveEngine, table: &TableName, url: &str, line: u64, show_values: bool) -> Result<Page, Fault> {
    let place = place_of(url).ok_or_else(|| Fault::new(&sync::NO_BATCH, "the fault names no change file").evidence("file", url))?;
    let options = PreviewOptions { file: Some(place.1), from_line: line, most: 1, show_values };
    let gone = || {
        let what = "the file that the fault names is of an earlier epoch, of an attempt that was repeated, or deleted";
        Fault::new(&sync::NO_BATCH, what).evidence("file", url)
    };
    match engine.preview(table, place.0, &options).await {
        // The same numbers may stand for another file by now.
        Ok(found) if found.url.as_deref() == Some(url) => Ok(pages::preview(&found)),
        Ok(found) => Err(found.url.iter().fold(gone(), |fault, now| fault.evidence("batch and number stand for", now))),
        Err(fault) if fault.is(&sync::NO_BATCH) => Err(gone()),
        Err(fault) => Err(fault),
    }
}

/// Batch and number of a part file, by its URL: `…/<seq>-<lsn>-<attempt>/part-<number>.csv.zst`.
fn place_of(url: &str) -> Option<(Seq, u32)> {
    let mut parts = url.rsplit('/');
    let number = parts.next()?.strip_prefix("part-")?.split('.').next()?.parse().ok()?;
    let seq = parts.next()?.split('-').next()?.parse().ok()?;
    Some((seq, number))
}

pub async fn trace(engine: &LiveEngine, table: &TableName, key: &[String], show_values: bool) -> Result<Page, Fault> {
    Ok(pages::trace(&engine.trace(table, key, show_values).await?))
}

pub async fn dry_run(engine: &LiveEngine, table: &TableName) -> Result<Page, Fault> {
    Ok(pages::dry_run(&engine.dry_run(table).await?))
}

pub async fn load_errors(engine: &LiveEngine, table: &TableName, show_values: bool) -> Result<Page, Fault> {
    Ok(pages::load_errors(&Box::pin(engine.load_errors(std::slice::from_ref(table), LINES, show_values)).await?, table))
}

/// An incident bundle in the working folder.
pub async fn bundle(engine: &Arc<LiveEngine>, tables: Vec<TableName>) -> Result<PathBuf, Fault> {
    let tables = if tables.is_empty() { engine.store.tables().await.unwrap_or_default() } else { tables };
    bundle::write(engine, &tables, None).await.map(|written| written.path)
}

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn a_url_tells_batch_and_file() {
        let url = "s3://b/p/v1/x/data/dbo.T/e0001/000000000017-00000025000010cb0002-ff39b440/part-00002.csv.zst";
        assert_eq!(place_of(url), Some((17, 2)));
        assert_eq!(place_of("s3://b/other.txt"), None);
    }
}
