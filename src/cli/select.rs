//! Which tables a command works on.

use crate::config::settings::matches;
use crate::engine::Engine;
use crate::model::fault::{cfg, s3, sync};
use crate::model::{Fault, TableName};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::Target;

/// Where the names come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// Tables that CDC tracks, and those that have records: a table whose capture was switched off
    /// must not vanish from sight. With patterns every user table, so that a missing capture shows.
    Source,
    /// As [`From::Source`], without those that only the store knows: for a store that is down.
    Tracked,
    /// Tables that have records: a load needs no source.
    Store,
    /// Tables that have records, and what the source has if it answers.
    Anywhere,
}

/// The one table that `--table` names.
pub async fn one<S: Source, C: ChangeStore, T: Target>(
    engine: &Engine<S, C, T>,
    patterns: &[String],
    from: From,
) -> Result<TableName, Fault> {
    let tables = tables(engine, patterns, from).await?;
    match <[TableName; 1]>::try_from(tables) {
        Ok([table]) => Ok(table),
        Err(tables) => {
            let selected = match tables.iter().map(TableName::to_string).collect::<Vec<_>>() {
                none if none.is_empty() => "none".to_owned(),
                some => some.join(", "),
            };
            Err(Fault::new(&cfg::BAD_ARGUMENT, "this command works on one table: --table schema.name")
                .evidence("selected", selected)
                .next("db-to-redshift tables # lists what there is"))
        }
    }
}

/// The tables that `--table` names, or all of them, without those that the configuration skips.
pub async fn tables<S: Source, C: ChangeStore, T: Target>(
    engine: &Engine<S, C, T>,
    patterns: &[String],
    from: From,
) -> Result<Vec<TableName>, Fault> {
    let in_store = async || Ok::<Vec<_>, Fault>(engine.store.tables().await?.into_iter().map(|table| (table, true)).collect());
    let in_source =
        async || Ok::<Vec<_>, Fault>(engine.source.tables().await?.into_iter().map(|table| (table.name, table.tracked)).collect());
    let mut known: Vec<(TableName, bool)> = match from {
        From::Source => {
            let mut known = in_source().await?;
            match in_store().await {
                Ok(more) => known.extend(more),
                // No bucket holds no records: prepare is yet to make it.
                Err(fault) if fault.is(&s3::NO_BUCKET) => {}
                Err(fault) => return Err(fault),
            }
            known
        }
        From::Tracked => in_source().await?,
        From::Store => in_store().await?,
        From::Anywhere => {
            let mut known = in_store().await?;
            match in_source().await {
                Ok(more) => known.extend(more),
                Err(fault) => tracing::warn!(%fault, "the source does not answer: only tables with records are known"),
            }
            known
        }
    };
    // Of a name that both know, the entry that counts it as tracked comes first.
    known.sort_by(|(a, a_tracked), (b, b_tracked)| a.cmp(b).then(b_tracked.cmp(a_tracked)));
    known.dedup_by(|(a, _), (b, _)| a == b);
    known.retain(|(table, _)| !engine.settings.is_skipped(table));
    if patterns.is_empty() {
        return Ok(known.into_iter().filter(|(_, tracked)| *tracked).map(|(table, _)| table).collect());
    }
    for pattern in patterns {
        if !known.iter().any(|(table, _)| matches(pattern, &table.to_string())) {
            let names: Vec<String> = known.iter().map(|(table, _)| table.to_string()).collect();
            return Err(if from == From::Store { not_in_store(engine, pattern, names).await } else { nothing(pattern, "", &names) });
        }
    }
    let wanted = |table: &TableName| patterns.iter().any(|pattern| matches(pattern, &table.to_string()));
    Ok(known.into_iter().map(|(table, _)| table).filter(wanted).collect())
}

/// A pattern that names none of these tables. `with` says what else they have in common.
#[must_use]
pub fn nothing(pattern: &str, with: &str, known: &[String]) -> Fault {
    let nearest = known.iter().max_by(|a, b| strsim::jaro_winkler(pattern, a).total_cmp(&strsim::jaro_winkler(pattern, b)));
    let fault = Fault::new(&sync::NO_TABLE, format!("no table{with} matches {pattern:?}"));
    match nearest {
        Some(nearest) => fault.evidence("nearest", nearest),
        None => fault,
    }
}

/// Whether a pattern names one table by its whole name.
#[must_use]
pub fn is_name(pattern: &str) -> bool {
    !pattern.contains('*')
}

/// A name that the store does not know may be that of a table that is yet to be prepared.
async fn not_in_store<S: Source, C: ChangeStore, T: Target>(engine: &Engine<S, C, T>, pattern: &str, mut stored: Vec<String>) -> Fault {
    const STORED: &str = " with anything in the store";
    if !is_name(pattern) {
        return nothing(pattern, STORED, &stored);
    }
    let mut there = match engine.source.tables().await {
        Ok(there) => there,
        Err(fault) => {
            tracing::warn!(%fault, "the source does not answer: only tables with records are known");
            return nothing(pattern, STORED, &stored);
        }
    };
    there.retain(|table| !engine.settings.is_skipped(&table.name));
    let Some(found) = there.iter().find(|table| matches(pattern, &table.name.to_string())) else {
        stored.extend(there.iter().map(|table| table.name.to_string()));
        return nothing(pattern, "", &stored);
    };
    let table = &found.name;
    let fault = if found.tracked {
        Fault::new(&sync::NOT_PREPARED, format!("{table} has no open epoch"))
    } else {
        Fault::new(&sync::NOT_TRACKED, format!("{table} has no capture instance"))
    };
    fault.about(table)
}
