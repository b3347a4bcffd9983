//! Accept: a stream goes on after DDL that leaves what it carries readable as before (rule R7).
//!
//! Most DDL on a tracked table adds a column, which its capture instance never sees. The guard of
//! rule E2 cannot tell whether that was meant, and stops. Here an operator says that it was, and a
//! `schema` record moves the stream past it without another snapshot. What it may be: any DDL that
//! left the captured columns alone, and strings that became longer. Everything else
//! (a column that went, was renamed, changed its type, its collation or its place in the key)
//! means rows of two forms, and another epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{AT_ONCE, Report};
use crate::engine::abreast::abreast;
use crate::engine::event::Job;
use crate::engine::extract::guards::{self, Changed};
use crate::engine::extract::stream::Stream;
use crate::engine::lease::Ended;
use crate::engine::{Engine, TOOL};
use crate::model::fault::operate::CONFIRM;
use crate::model::fault::sync;
use crate::model::record::{Layout, RECORD_VERSION, RowCounts};
use crate::model::typed::shell;
use crate::model::{Column, CommitRecord, Epoch, Fault, RecordKind, Seq, SqlType, TableName};
use crate::source::{DdlNote, Source};
use crate::store::{ChangeStore, RecordPut};
use crate::target::Target;

/// Statements that are shown, and characters of each.
const DDL_SHOWN: usize = 10;
const DDL_CHARS: usize = 300;

/// How an accept ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Accepted {
    pub table: TableName,
    /// Epoch that goes on.
    pub epoch: Epoch,
    /// Number of the record that was written; null: nothing had changed.
    pub batch: Option<Seq>,
    /// Captured columns that are longer now, as in `name nvarchar(40) -> nvarchar(80)`.
    pub longer: Vec<String>,
    /// Columns that the capture instance leaves out.
    pub not_captured: Vec<String>,
    /// The commands that come next.
    pub next: Vec<String>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Lets each table's stream go on after DDL, once confirmed; otherwise the fault [`CONFIRM`] says
    /// what would be accepted. DDL that may not be accepted is [`sync::DRIFT`], as in an extract.
    pub async fn accept(self: &Arc<Self>, tables: &[TableName], confirm: bool) -> Vec<Report<Accepted>> {
        let unchanged = self.unchanged(tables).await;
        abreast(tables.iter().cloned(), AT_ONCE, |table| {
            let known = unchanged.get(&table).cloned();
            async move {
                let outcome = match known {
                    Some(accepted) => Ok(accepted),
                    None => self.accept_table(&table, confirm).await,
                };
                Report::new(table, outcome)
            }
        })
        .await
    }

    /// Tables without a change, by one look at all: most orders name many tables of which few were
    /// altered. What goes wrong here is told when the table is looked at by itself.
    async fn unchanged(&self, tables: &[TableName]) -> BTreeMap<TableName, Accepted> {
        let heads = abreast(tables.iter().cloned(), AT_ONCE, |table| async move { Stream::head_of(self, &table).await }).await;
        let heads: Vec<CommitRecord> = heads.into_iter().filter_map(Result::ok).collect();
        let looked = guards::look_past_drift(self, &heads.iter().collect::<Vec<_>>()).await.unwrap_or_default();
        let unchanged = |(head, changed): (&CommitRecord, Result<Changed, Fault>)| {
            let changed = changed.ok().filter(|changed| changed.drift.is_none())?;
            Some((head.table.clone(), report(head, &changed, &[])))
        };
        heads.iter().zip(looked).filter_map(unchanged).collect()
    }

    async fn accept_table(self: &Arc<Self>, table: &TableName, confirm: bool) -> Result<Accepted, Fault> {
        if !confirm {
            let head = Stream::head_of(self, table).await?;
            return match self.acceptable(&head).await? {
                (accepted, None) => Ok(accepted),
                (accepted, Some((changed, ddl))) => Err(ask(&accepted, &changed, &ddl)),
            };
        }
        let mut stream = Stream::open(self, table, self.run.wait).await?;
        let accepted = self.accept_under_lease(&mut stream).await;
        // What the last extract stopped at is settled; the next one tells the rest.
        stream.close(if accepted.is_ok() { Ended::Well } else { Ended::Unsaid }).await;
        accepted
    }

    /// What an accept would do, and what makes it possible; `None`: nothing has changed.
    async fn acceptable(&self, head: &CommitRecord) -> Result<(Accepted, Option<(Changed, Vec<DdlNote>)>), Fault> {
        let changed = guards::look_at_change(self, head).await?;
        let longer = judge(head, &changed)?;
        let accepted = report(head, &changed, &longer);
        let Some(drift) = &changed.drift else { return Ok((accepted, None)) };
        self.noted_all(head, &changed).await?;
        let ddl = self.source.ddl_since(&changed.instance.identity, head.ddl_lsn.unwrap_or_default()).await?;
        // A type that was altered and altered back may have changed values that nobody captured; a
        // partition that was switched in or out is rows that nobody captured.
        let switched = |note: &DdlNote| note.command.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("SWITCH"));
        if ddl.iter().filter(|note| note.alters_captured).count() > longer.len() || ddl.iter().any(switched) {
            return Err(with_ddl(drift.clone(), &ddl));
        }
        Ok((accepted, Some((changed, ddl))))
    }

    /// What the history of DDL says is all only once capture has passed the last change of the
    /// definition.
    async fn noted_all(&self, head: &CommitRecord, changed: &Changed) -> Result<(), Fault> {
        let Some(altered) = changed.altered.filter(|altered| head.altered != Some(*altered)) else { return Ok(()) };
        let captured = self.source.mapping(changed.max).await?.time();
        guards::captured_past(&head.table, altered, captured)
            .map_err(|fault| fault.next(format!("db-to-redshift accept-schema --table {:#} # in a few minutes", head.table)))
    }

    async fn accept_under_lease(&self, stream: &mut Stream) -> Result<Accepted, Fault> {
        let table = stream.table.clone();
        let (accepted, changed) = self.acceptable(&stream.head).await?;
        let Some((changed, _)) = changed else { return Ok(accepted) };
        let record = self.record_of_change(stream, &changed);
        stream.refresh_head(&*self.store).await?;
        stream.lease.check(&table)?;
        // Between the judgement and the record another change may have come (rule E9).
        let again = guards::look_at_change(self, &stream.head).await?;
        if again.instance.shape.hash() != record.column_hash || again.instance.ddl_lsn != record.ddl_lsn || again.altered != record.altered
        {
            return Err(Fault::new(&sync::DRIFT, format!("{table} was altered again meanwhile"))
                .next(format!("db-to-redshift accept-schema --table {table:#}")));
        }
        match self.store.put_record(&record).await? {
            RecordPut::Written => {}
            RecordPut::Lost(winner) => {
                return Err(Fault::new(&sync::LEASE_LOST, format!("{table} was extracted by another job meanwhile"))
                    .evidence("batch", winner.seq)
                    .evidence("run", winner.run));
            }
        }
        let note = format!("batch {} goes on with the columns as they are now", record.seq);
        self.events.note(Job::Extract, &table, note).await;
        Ok(Accepted { batch: Some(record.seq), ..accepted })
    }

    /// Covers no LSNs: its end is the head's.
    fn record_of_change(&self, stream: &Stream, changed: &Changed) -> CommitRecord {
        let head = stream.head.clone();
        CommitRecord {
            version: RECORD_VERSION,
            kind: RecordKind::Schema,
            seq: stream.next_seq(),
            attempt: Uuid::new_v4(),
            run: self.run.id,
            column_hash: changed.instance.shape.hash(),
            columns: changed.instance.shape.clone(),
            ddl_lsn: changed.instance.ddl_lsn,
            altered: changed.altered,
            lsn_from: Some(stream.lsn_from()),
            layout: Layout::Changes,
            parts: Vec::new(),
            counts: RowCounts::default(),
            trusted: false,
            created_at: Timestamp::now(),
            tool: TOOL.into(),
            ..head
        }
    }
}

/// What an accept says before it has written anything.
fn report(head: &CommitRecord, changed: &Changed, longer: &[(&Column, &Column)]) -> Accepted {
    let table = &head.table;
    let widen = longer.iter().map(|(_, now)| format!("db-to-redshift widen --table {table:#} --column {} --confirm", shell(&now.name)));
    Accepted {
        table: table.clone(),
        epoch: head.epoch,
        batch: None,
        longer: longer.iter().map(|(then, now)| format!("{} {} -> {}", now.name, then.sql_type, now.sql_type)).collect(),
        not_captured: changed.instance.uncaptured.iter().map(|column| column.name.clone()).collect(),
        next: widen.chain([format!("db-to-redshift sync --table {table:#}")]).collect(),
    }
}

/// The columns that became longer, then and now; the drift where anything else has changed.
fn judge<'a>(head: &'a CommitRecord, changed: &'a Changed) -> Result<Vec<(&'a Column, &'a Column)>, Fault> {
    let Some(drift) = &changed.drift else { return Ok(Vec::new()) };
    // A captured column that is gone, and a policy that changed, are none of this.
    if !changed.instance.missing.is_empty() || !drift.is(&sync::DRIFT) {
        return Err(drift.clone());
    }
    let (then, now) = (head.columns.columns(), changed.instance.shape.columns());
    let mut longer = Vec::new();
    for (then, now) in then.iter().zip(now) {
        let same = Column { sql_type: then.sql_type.clone(), nullable: then.nullable, ordinal: then.ordinal, ..now.clone() };
        if same != *then || now.sql_type != then.sql_type && !is_longer(&then.sql_type, &now.sql_type) {
            return Err(drift.clone());
        }
        if now.sql_type != then.sql_type {
            longer.push((then, now));
        }
    }
    if then.len() == now.len() { Ok(longer) } else { Err(drift.clone()) }
}

/// Every value of before is a value of now, written in the same bytes. Not so `char` and `binary`,
/// which are filled up to their length, nor MAX types, whose untouched values read as NULL; and
/// Redshift can make no VARBYTE longer, so `varbinary` needs another epoch, too.
fn is_longer(then: &SqlType, now: &SqlType) -> bool {
    match (then, now) {
        (SqlType::VarChar { length: then }, SqlType::VarChar { length: now })
        | (SqlType::NVarChar { length: then }, SqlType::NVarChar { length: now }) => now > then,
        _ => false,
    }
}

/// The statements, the newest ones.
fn with_ddl(fault: Fault, ddl: &[DdlNote]) -> Fault {
    let shown = ddl.iter().skip(ddl.len().saturating_sub(DDL_SHOWN));
    shown.fold(fault, |fault, note| {
        let command: String = note.command.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(DDL_CHARS).collect();
        fault.evidence(format!("DDL at {}", note.time), command)
    })
}

fn ask(accepted: &Accepted, changed: &Changed, ddl: &[DdlNote]) -> Fault {
    let table = &accepted.table;
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let what = format!("the stream of {table} would go on with its columns as they are now, without another snapshot");
    let fault = Fault::new(&CONFIRM, what)
        .evidence("epoch", accepted.epoch)
        .evidence("columns that are longer now", list(&accepted.longer))
        .evidence("columns that are not carried", list(&accepted.not_captured))
        .evidence("ddl_lsn", changed.instance.ddl_lsn.unwrap_or_default());
    with_ddl(fault, ddl).next(format!("db-to-redshift accept-schema --table {table:#} --confirm"))
}
