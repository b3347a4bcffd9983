//! The guards of rule E2: run before anything is decided, and again before the record (E9).

use jiff::civil::DateTime;

use crate::engine::check::net_refusal;
use crate::engine::{Engine, policy};
use crate::model::fault::{operate, src, sync};
use crate::model::{CaptureIdentity, CommitRecord, Fault, Lsn, MappingRow, RecordKind, SourceIdentity, TableName};
use crate::source::{CaptureInstance, MappingFacts, ProbeRange, ServerFacts, Source, TableFacts};
use crate::store::ChangeStore;
use crate::target::Target;

use super::stream::Stream;

/// What the guards saw and let pass.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub min: Lsn,
    pub max: Lsn,
    pub ddl_lsn: Option<Lsn>,
    /// Why net changes would not be safe.
    pub net_refusal: Option<String>,
}

/// A stream that passes every guard but one: its table may have been altered.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Why an extract would stop here; `None`: nothing has changed.
    pub drift: Option<Fault>,
    pub instance: CaptureInstance,
    /// When the table's definition was changed last, server-local.
    pub altered: Option<DateTime>,
    min: Lsn,
    pub max: Lsn,
}

/// Runs all guards for all streams: one fault or the bounds for each. A fault of the whole source
/// is the outer error.
pub async fn look<S: Source, C: ChangeStore, T: Target>(
    engine: &Engine<S, C, T>,
    streams: &[&Stream],
) -> Result<Vec<Result<Bounds, Fault>>, Fault> {
    let bounds = |seen: Changed| match seen.drift {
        Some(drift) => Err(drift),
        None => Ok(Bounds {
            min: seen.min,
            max: seen.max,
            ddl_lsn: seen.instance.ddl_lsn,
            net_refusal: net_refusal(&seen.instance.shape, seen.instance.supports_net_changes),
        }),
    };
    let heads: Vec<&CommitRecord> = streams.iter().map(|stream| &stream.head).collect();
    Ok(look_past_drift(engine, &heads).await?.into_iter().map(|seen| seen.and_then(bounds)).collect())
}

/// As [`look`], for an operator who wants to go on after a change.
pub async fn look_at_change<S: Source, C: ChangeStore, T: Target>(engine: &Engine<S, C, T>, head: &CommitRecord) -> Result<Changed, Fault> {
    let looked = look_past_drift(engine, &[head]).await?.pop().transpose()?;
    looked.ok_or_else(|| Fault::new(&sync::NOT_TRACKED, format!("{} left the source", head.table)))
}

/// The same for many tables in as many round trips as for one.
pub async fn look_past_drift<S: Source, C: ChangeStore, T: Target>(
    engine: &Engine<S, C, T>,
    heads: &[&CommitRecord],
) -> Result<Vec<Result<Changed, Fault>>, Fault> {
    let source = &engine.source;
    let server = source.start_up().await?;
    let tables: Vec<TableName> = heads.iter().map(|head| head.table.clone()).collect();
    let facts = engine.describe(&tables).await?;
    let instances: Vec<String> = heads.iter().map(|head| head.capture.instance.clone()).collect();
    let marks = source.watermarks(&instances).await?;
    let ends: Vec<Lsn> = heads.iter().flat_map(|head| must_stand(head)).map(|row| row.lsn).collect();
    let mut mappings = source.mappings(&ends).await?.into_iter();
    let mut looked = Vec::with_capacity(heads.len());
    for ((head, table), min) in heads.iter().zip(facts).zip(&marks.min) {
        let now: Vec<MappingFacts> = mappings.by_ref().take(must_stand(head).count()).collect();
        looked.push(table.and_then(|table| {
            let (instance, max) = check(head, &server, &table, marks.cdc_enabled, *min, marks.max, &now)?;
            Ok(Changed {
                drift: no_drift(head, &table, instance).err(),
                altered: table.altered,
                instance: instance.clone(),
                min: *min,
                max,
            })
        }));
    }
    Ok(looked)
}

/// The first change of each range (rule E3): one probe. If an object is gone or closed, which
/// fails the probe of all, the ranges are asked by halves, so that only its own table stops.
pub async fn probe<S: Source>(source: &S, ranges: &[ProbeRange]) -> Result<Vec<Result<Option<Lsn>, Fault>>, Fault> {
    match source.first_changes(ranges).await {
        Ok(firsts) => Ok(firsts.into_iter().map(Ok).collect()),
        Err(fault) if fault.is(&src::OBJECT_GONE) || fault.is(&src::PERMISSION) => {
            if ranges.len() <= 1 {
                return Ok(ranges.iter().map(|_| Err(fault.clone())).collect());
            }
            let (left, right) = ranges.split_at(ranges.len() / 2);
            let mut firsts = Box::pin(probe(source, left)).await?;
            firsts.extend(Box::pin(probe(source, right)).await?);
            Ok(firsts)
        }
        Err(fault) => Err(fault),
    }
}

/// The rows of the time mapping that the record saw and that must stand unchanged.
fn must_stand(head: &CommitRecord) -> impl Iterator<Item = &MappingRow> {
    head.mapping.iter().chain(&head.seen)
}

/// All guards but that of the columns. Gives the instance and max LSN.
fn check<'a>(
    head: &CommitRecord,
    server: &ServerFacts,
    table: &'a TableFacts,
    cdc_enabled: bool,
    min: Lsn,
    max: Option<Lsn>,
    mappings: &[MappingFacts],
) -> Result<(&'a CaptureInstance, Lsn), Fault> {
    let name = &head.table;
    if !head.source.agrees_with(&server.identity) {
        return Err(other_source(name, &head.source, &server.identity));
    }
    let instance = tracked_instance(table, cdc_enabled, &head.capture)?;
    let max = readable(name, instance, min, max)?;
    went_back(head, max, mappings)?;
    let from = head.lsn_to.next();
    if min > from {
        return Err(Fault::new(&sync::GAP, format!("changes of {name} were cleaned up before they were extracted"))
            .evidence("next LSN to read", from)
            .evidence("low-water mark", min)
            .next(format!("db-to-redshift prepare --new-epoch --table {name:#}")));
    }
    nothing_withheld(table)?;
    Ok((instance, max))
}

/// A plain read must show all that stands in the table, or it is not made: a row that is filtered
/// away would pass for a deleted one, a mask for a value.
pub fn nothing_withheld(table: &TableFacts) -> Result<(), Fault> {
    table.withheld.first().map_or(Ok(()), |fault| Err(fault.clone()))
}

/// Net changes only where the rows of a table can be read by them (rule E5).
pub fn allow_net(table: &TableName, refusal: Option<&String>) -> Result<(), Fault> {
    match refusal {
        Some(why) => Err(Fault::new(&sync::NET_REFUSED, format!("{table} cannot be read by net changes: {why}"))),
        None => Ok(()),
    }
}

/// The instance of the epoch, if CDC is on and it is still the same one.
pub fn tracked_instance<'a>(table: &'a TableFacts, cdc_enabled: bool, capture: &CaptureIdentity) -> Result<&'a CaptureInstance, Fault> {
    let name = &table.name;
    if !cdc_enabled {
        return Err(Fault::new(&src::CDC_OFF, "CDC is off for the whole database").evidence("table", name).next("db-to-redshift enable"));
    }
    if !table.tracked {
        return Err(Fault::new(&sync::NOT_TRACKED, format!("{name} is not tracked by CDC")));
    }
    let found = table.instances.iter().find(|instance| instance.identity.instance == capture.instance);
    let changed = |fault: Fault| {
        fault
            .evidence("instance", &capture.instance)
            .evidence("object id then", capture.object_id)
            .evidence("made then", capture.create_date)
    };
    match found {
        None => Err(changed(Fault::new(&sync::CAPTURE_CHANGED, format!("the capture instance of {name} is gone")))),
        Some(instance) if instance.identity != *capture => {
            Err(changed(Fault::new(&sync::CAPTURE_CHANGED, format!("the capture instance of {name} was made again")))
                .evidence("object id now", instance.identity.object_id)
                .evidence("made now", instance.identity.create_date))
        }
        Some(instance) => Ok(instance),
    }
}

/// min is not zero and max is there.
pub fn readable(table: &TableName, instance: &CaptureInstance, min: Lsn, max: Option<Lsn>) -> Result<Lsn, Fault> {
    let warming =
        || Fault::new(&sync::WARMING_UP, format!("capture of {table} has not begun yet")).evidence("instance", &instance.identity.instance);
    let max = max.ok_or_else(warming)?;
    if !min.is_zero() {
        return Ok(max);
    }
    if instance.start_lsn.is_none() {
        return Err(warming());
    }
    Err(Fault::new(&sync::NO_ACCESS, format!("the low-water mark of {table} reads as zero"))
        .evidence("instance", &instance.identity.instance)
        .evidence("gating role", instance.role.as_deref().unwrap_or("none")))
}

/// The source must still hold what was carried: max at or above the head, and the mapping rows that
/// the head saw unchanged as long as the mapping reaches that far back.
fn went_back(head: &CommitRecord, max: Lsn, mappings: &[MappingFacts]) -> Result<(), Fault> {
    // Record 0's own end may lie above max: a fresh instance begins above L0 (rule R2).
    let opening = matches!(head.kind, RecordKind::Snapshot | RecordKind::Start | RecordKind::Schema);
    let floor = if opening { head.l0.unwrap_or(head.lsn_to) } else { head.lsn_to };
    let fault = |what: &str| {
        Fault::new(&sync::WENT_BACK, format!("{what} ({})", head.table)).evidence("carried up to", head.lsn_to).evidence("max LSN", max)
    };
    if max < floor.max(head.seen.as_ref().map_or(Lsn::ZERO, |seen| seen.lsn)) {
        return Err(fault("the newest LSN lies below what was carried"));
    }
    for (then, now) in must_stand(head).zip(mappings) {
        let reaches = now.oldest.is_some_and(|oldest| oldest <= then.lsn);
        if reaches && now.newest.as_ref() != Some(then) {
            return Err(fault("a transaction that the last batch saw is another one now")
                .evidence("mapping row then", shown(Some(then)))
                .evidence("mapping row now", shown(now.newest.as_ref())));
        }
    }
    Ok(())
}

/// What was read up to `end` must be of one history: max had reached `end` before the read, and
/// the newest transaction up to there is after it the one that it was before (rule E9).
pub fn still_stands(table: &TableName, (end, then): (Lsn, &MappingFacts), max: Lsn, now: &MappingFacts) -> Result<(), Fault> {
    let reaches = then.newest.as_ref().is_none_or(|row| now.oldest.is_some_and(|oldest| oldest <= row.lsn));
    if max >= end && (!reaches || then.newest == now.newest) {
        return Ok(());
    }
    Err(Fault::new(&sync::WENT_BACK, format!("the source went back while {table} was read; nothing of it was recorded"))
        .evidence("read up to", end)
        .evidence("max LSN now", max)
        .evidence("mapping row before", shown(then.newest.as_ref()))
        .evidence("mapping row now", shown(now.newest.as_ref())))
}

/// Capture has passed the time at which the table was altered last.
pub fn captured_past(table: &TableName, altered: DateTime, captured: Option<DateTime>) -> Result<(), Fault> {
    if captured.is_some_and(|captured| captured > altered) {
        return Ok(());
    }
    Err(Fault::new(&operate::DDL_NOT_CAPTURED, format!("capture has not passed the last change of {table}"))
        .evidence("altered", altered)
        .evidence("captured up to", captured.map_or_else(|| "unknown".to_owned(), |captured| captured.to_string())))
}

fn shown(row: Option<&MappingRow>) -> String {
    row.map_or_else(|| "none".to_owned(), |row| format!("{} {} {}", row.lsn, row.end_time, row.tran_id))
}

fn no_drift(head: &CommitRecord, table: &TableFacts, instance: &CaptureInstance) -> Result<(), Fault> {
    let drift = |what: String| Fault::new(&sync::DRIFT, what).evidence("instance", &instance.identity.instance);
    if !instance.missing.is_empty() {
        return Err(drift(format!("captured columns of {} are gone or changed", head.table))
            .next(format!("db-to-redshift recapture --table {:#} # makes a capture instance of the columns that are left", head.table))
            .evidence("columns", instance.missing.join(", ")));
    }
    policy::same_epoch(head, &instance.shape)?;
    if instance.shape.hash() != head.column_hash {
        return Err(
            drift(format!("the columns of {} are not those of the epoch", head.table)).evidence("columns", differences(head, instance))
        );
    }
    // Capture notes a change of the definition late. One that record 0 had seen is none since then.
    let seen = head.altered.is_some() && head.altered == table.altered;
    if instance.ddl_lsn > head.ddl_lsn && !seen {
        return Err(drift(format!("DDL ran on {} since the last batch", head.table))
            .next(format!("db-to-redshift accept-schema --table {:#} # the captured columns are as they were", head.table))
            .evidence("ddl_lsn", instance.ddl_lsn.unwrap_or_default())
            .evidence(
                "columns not captured",
                instance.uncaptured.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", "),
            ));
    }
    Ok(())
}

/// Names the columns that differ, with their types then and now.
fn differences(head: &CommitRecord, instance: &CaptureInstance) -> String {
    let (then, now) = (head.columns.columns(), instance.shape.columns());
    let gone = then.iter().filter(|column| !now.contains(column)).map(|column| format!("-{} {}", column.name, column.sql_type));
    let come = now.iter().filter(|column| !then.contains(column)).map(|column| format!("+{} {}", column.name, column.sql_type));
    gone.chain(come).collect::<Vec<_>>().join(", ")
}

#[must_use]
pub fn other_source(table: &TableName, then: &SourceIdentity, now: &SourceIdentity) -> Fault {
    let show = |fault: Fault, when: &str, identity: &SourceIdentity| {
        fault
            .evidence(format!("server {when}"), &identity.server)
            .evidence(format!("database {when}"), &identity.database)
            .evidence(format!("database guid {when}"), identity.database_guid.as_deref().unwrap_or("not readable"))
            .evidence(format!("recovery fork {when}"), identity.recovery_fork_guid.as_deref().unwrap_or("not readable"))
    };
    let same_place = then.server.eq_ignore_ascii_case(&now.server) && then.database == now.database;
    let page = if same_place { &sync::WENT_BACK } else { &sync::OTHER_SOURCE };
    show(show(Fault::new(page, format!("{table} was carried from another source")), "then", then), "now", now)
}
