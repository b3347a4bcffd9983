//! The statements of the next load as text, by the builders that the load itself runs.
//!
//! Left out are session settings and look-ups of the catalogue (oids, load errors), which change
//! nothing.

use super::copy::{self, Copy, CopyAccess};
use super::ddl::Layout;
use super::delsert::{count_batches, count_staged_keys, delete_all, delete_staged_keys, insert_survivors};
use super::names::{Names, Relation};
use super::state::{self, Moved, Opened};
use super::{epoch, hidden, kept, locked, log, maintenance};
use crate::model::state::StagedRange;
use crate::model::{Fault, TableName, TargetState};
use crate::target::{LoadRange, LogLine, NextLoad, NextStep, OpenEpoch, OpenLoad, STAGED_EVENT, SqlStatement, SqlTransaction};

/// How the rows of two statements get into a third.
const FIGURES: &str = "with the rows that the statements before deleted and inserted, in place of 0";
const IF_FLAGGED: &str = "only when the count before is above 0";
const ALL_SEEN: &str = "must be the rows that were put in, else all is rolled back";
const IF_INSERTED: &str = "only when rows were inserted: must be their number, else all is rolled back";

struct Script<'a> {
    names: &'a Names,
    state: &'a TargetState,
    out: Vec<SqlTransaction>,
}

/// Everything that a load would run from this state on, up to the end of one step.
pub fn of(
    names: &Names,
    table: &TableName,
    state: &TargetState,
    next: &NextLoad,
    access: &CopyAccess,
) -> Result<Vec<SqlTransaction>, Fault> {
    let mut script = Script { names, state, out: Vec::new() };
    script.begin("raise the fence, so that older load jobs stop");
    script.run("update state", state::raise_fence(&names.state, state.fence));
    script.commit();
    if next.unstage {
        script.begin("empty staging: the records were made anew since they were staged");
        script.run("empty staging", delete_all(&names.staging));
        script.run("update state", state::set_unstaged(&names.state, state.fence + 1, state.epoch));
        script.commit();
    }
    match &next.step {
        NextStep::Open(open) => script.open(table, open, &next.line, access)?,
        NextStep::Stage(range) => {
            script.stage(table, range, access)?;
            script.log(&LogLine { event: STAGED_EVENT.to_owned(), ..next.line.clone() }, None);
            script.apply(table, range, &next.line)?;
        }
        NextStep::Apply(range) => script.apply(table, range, &next.line)?,
        NextStep::Schema(range, hash) => {
            script.begin("accept the changed columns");
            let sql = state::set_schema(&names.state, range.fence, range.epoch, range.from, range.lsn_to, hash);
            script.run("update state", sql);
            script.commit();
            script.log(&next.line, None);
        }
    }
    Ok(script.out)
}

impl Script<'_> {
    fn push(&mut self, step: &str, sql: String, note: Option<&str>) {
        if let Some(transaction) = self.out.last_mut() {
            transaction.statements.push(SqlStatement { step: step.to_owned(), sql, note: note.map(str::to_owned) });
        }
    }

    fn run(&mut self, step: &str, sql: String) {
        self.push(step, sql, None);
    }

    /// A transaction under the lock of the state.
    fn begin(&mut self, purpose: &str) {
        self.out.push(SqlTransaction { purpose: purpose.to_owned(), statements: Vec::new() });
        self.run("begin", "BEGIN".to_owned());
        self.run("lock state", locked::lock_sql(self.names));
        self.run("read state", state::select(&self.names.state));
    }

    fn look_for_policies(&mut self) {
        let note = "must not name an RLS SecureScan, else all is rolled back";
        self.push("look for row-level security", hidden::plan_sql(&self.names.production), Some(note));
    }

    fn commit(&mut self) {
        self.run("commit", "COMMIT".to_owned());
    }

    fn log(&mut self, line: &LogLine, note: Option<&str>) {
        self.out.push(SqlTransaction { purpose: "note it in the batch log".to_owned(), statements: Vec::new() });
        self.push("append to batch log", log::insert(&self.names.log, &self.state.identity.pipeline, line), note);
    }

    fn copy(&mut self, into: &Relation, columns: Vec<&str>, manifest_url: &str, null_marker: &str, access: &CopyAccess) {
        self.run("copy", Copy { into, columns, manifest_url, null_marker }.redacted(access));
        self.push("count of the copy", copy::COUNT.to_owned(), Some("must be the rows of the records, else all is rolled back"));
    }

    fn stage(&mut self, table: &TableName, range: &LoadRange, access: &CopyAccess) -> Result<(), Fault> {
        let (names, layout) = (self.names, Layout::new(table, &range.shape)?);
        self.begin("fill staging");
        self.run("empty staging", delete_all(&names.staging));
        if let Some(manifest_url) = &range.manifest_url {
            let staging = layout.staging_columns();
            let columns = staging.iter().map(|column| column.name.as_str()).collect();
            self.copy(&names.staging, columns, manifest_url, &range.null_marker, access);
        }
        let staged = StagedRange { epoch: range.epoch, from: range.from, to: range.to, rows: range.rows(), lsn_to: range.lsn_to };
        self.run("update state", state::set_staged(&names.state, range.fence, &staged));
        self.commit();
        Ok(())
    }

    fn apply(&mut self, table: &TableName, range: &LoadRange, line: &LogLine) -> Result<(), Fault> {
        let (names, layout) = (self.names, Layout::new(table, &range.shape)?);
        self.begin("apply staging to production");
        self.look_for_policies();
        self.push("count batches in staging", count_batches(names), Some("must be the rows of the records, else staging is filled again"));
        if let Some(count) = kept::count_flagged(names, &layout) {
            self.run("count kept values", count);
            for number in 1..=layout.large.len() {
                let column = &layout.columns[layout.large[number - 1]].name;
                let note = format!("column {column}: {IF_FLAGGED}");
                self.push("keep values of staging", kept::fill_from_staging(names, &layout, number), Some(&note));
                self.push("keep values of production", kept::fill_from_production(names, &layout, number), Some(&note));
                self.push("count lost values", kept::count_lost(names, &layout, number), Some(&note));
            }
        }
        self.run("delete staged keys", delete_staged_keys(names, &layout));
        self.run("insert survivors", insert_survivors(names, &layout));
        self.push("count what was put in", count_staged_keys(names, &layout), Some(IF_INSERTED));
        let moved =
            Moved { epoch: range.epoch, from: range.from, to: range.to, lsn_to: range.lsn_to, deleted: 0, inserted: 0, diverged: None };
        self.push("update state", state::set_applied(&names.state, range.fence, &moved), Some(FIGURES));
        self.commit();
        self.log(line, Some(FIGURES));
        self.truncate(range.rows());
        Ok(())
    }

    fn open(&mut self, table: &TableName, open: &OpenEpoch, line: &LogLine, access: &CopyAccess) -> Result<(), Fault> {
        let (names, layout) = (self.names, Layout::new(table, &open.shape)?);
        self.begin("open the epoch");
        self.look_for_policies();
        self.run("empty staging", delete_all(&names.staging));
        match &open.load {
            OpenLoad::Start { trusted: true } => {}
            OpenLoad::Start { trusted: false } => {
                self.push("count production", epoch::count_production(names), Some("must be 0, else all is rolled back"));
            }
            OpenLoad::Production { manifest_url } => {
                self.run("empty production", delete_all(&names.production));
                if let Some(manifest_url) = manifest_url {
                    self.copy(&names.production, layout.column_names().collect(), manifest_url, &open.null_marker, access);
                    self.push("count what was put in", epoch::count_production(names), Some(ALL_SEEN));
                }
            }
            OpenLoad::Staging { manifest_url } => {
                self.run("empty production", delete_all(&names.production));
                if let Some(manifest_url) = manifest_url {
                    let staging = layout.staging_columns();
                    let columns = staging.iter().map(|column| column.name.as_str()).collect();
                    self.copy(&names.staging, columns, manifest_url, &open.null_marker, access);
                    self.run("insert survivors", insert_survivors(names, &layout));
                    self.push("count what was put in", epoch::count_production(names), Some(ALL_SEEN));
                    self.run("empty staging", delete_all(&names.staging));
                }
            }
        }
        let opened = Opened {
            old_epoch: self.state.epoch,
            epoch: open.epoch,
            lsn_to: open.lsn_to,
            capture: &open.capture,
            column_hash: &open.column_hash,
            production_oid: self.state.production_oid,
            staging_oid: self.state.staging_oid,
            deleted: 0,
            inserted: 0,
            diverged: epoch::diverged(&open.load),
        };
        self.push("update state", state::set_opened(&names.state, open.fence, &opened), Some(FIGURES));
        self.commit();
        self.log(line, Some(FIGURES));
        self.truncate(open.rows);
        Ok(())
    }

    /// Nothing to empty where nothing was loaded.
    fn truncate(&mut self, rows: u64) {
        if rows > 0 {
            self.begin("give the room of staging back");
            self.push("truncate staging", maintenance::truncate_sql(self.names), Some("only while nothing else is staged; it commits"));
            self.commit();
        }
    }
}
