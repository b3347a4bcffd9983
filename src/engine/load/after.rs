//! What follows a transaction of a load: its line in the log, staging emptied for good, files and
//! change history cleaned up (rule L6). Each step can be repeated, so a failure is a warning.

use std::time::Instant;

use crate::engine::event::{Event, Job};
use crate::model::CommitRecord;
use crate::model::Fault;
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{Applied, LoadRange, Loader, LogLine, Target};

use super::run::Loading;

impl<S: Source, C: ChangeStore, T: Target> Loading<'_, S, C, T> {
    pub(super) async fn after(&mut self, range: &LoadRange, records: &[CommitRecord], event: &str, applied: Applied, started: Instant) {
        let seconds = started.elapsed().as_secs_f64();
        let (table, epoch, from, to) = (self.table.clone(), range.epoch, range.from, range.to);
        if applied.lost_kept > 0 {
            let text =
                format!("{} untouched values were found nowhere: NULL was loaded and the table is marked diverged", applied.lost_kept);
            self.engine.events.warn(Job::Load, &table, text).await;
        }
        let Applied { deleted, inserted, .. } = applied;
        // Before it is told: what is applied must not count as under way, too.
        self.engine.events.idle(&table);
        self.engine.events.send(Event::Applied { table: table.clone(), epoch, from, to, deleted, inserted, seconds }).await;
        let line = self.line(range, records, event, applied);
        if let Err(fault) = self.log_and_truncate(line).await {
            self.forget_loader();
            self.warn(format!("after the load: {fault}")).await;
        }
        if self.engine.settings.store.keep.is_zero() {
            let keys: Vec<String> = records.iter().flat_map(|record| record.parts.iter().map(|part| part.key.clone())).collect();
            if let Err(fault) = self.engine.store.delete(&keys).await {
                self.engine.events.warn(Job::Load, &self.table, format!("loaded part files were not deleted: {fault}")).await;
            }
        }
        if let Some(last) = records.last() {
            self.engine.clean_up_after_load(&self.table, &last.capture.instance, range.epoch, range.lsn_to).await;
        }
    }

    pub(crate) fn line(&self, range: &LoadRange, records: &[CommitRecord], event: &str, applied: Applied) -> LogLine {
        let newest = records.last();
        let lost = || (applied.lost_kept > 0).then(|| format!("{} untouched values were found nowhere", applied.lost_kept));
        let diverged = match event {
            "snapshot" => None,
            "start" => {
                let vouched = newest.filter(|record| record.trusted).map(|_| "the operator vouched for what production held".to_owned());
                vouched.or_else(|| self.diverged.clone())
            }
            _ => self.diverged.clone().or_else(lost),
        };
        LogLine {
            table: self.table.clone(),
            event: event.to_owned(),
            epoch: range.epoch,
            from: range.from,
            to: range.to,
            lsn_to: range.lsn_to,
            rows: range.rows(),
            deleted: applied.deleted,
            inserted: applied.inserted,
            run: self.engine.run.id,
            at: String::new(),
            instance: newest.map(|record| record.capture.instance.clone()),
            diverged,
        }
    }

    /// The log row, then staging emptied for good.
    pub(crate) async fn log_and_truncate(&mut self, line: LogLine) -> Result<(), Fault> {
        let fence = self.fence;
        let truncate = line.rows > 0;
        self.unlogged.push(line);
        while let Some(line) = self.unlogged.first().cloned() {
            self.loader().await?.log(&line).await?;
            self.unlogged.remove(0);
        }
        if truncate {
            self.loader().await?.truncate_staging(fence).await?;
        }
        Ok(())
    }

    /// A fault has marked the table diverged in state: the log says so too, since the status of many
    /// tables reads nothing else. Once: the next load finds the mark when it begins.
    pub(super) async fn log_mark(&mut self) {
        let Ok(state) = self.locked_state().await else { return };
        let why = state.diverged.map(|diverged| diverged.why);
        let (Some(applied), Some(lsn_to)) = (state.applied_seq, state.applied_lsn) else { return };
        if why.is_none() || why == self.diverged {
            return;
        }
        let line = LogLine {
            table: self.table.clone(),
            event: "diverged".to_owned(),
            epoch: state.epoch,
            from: applied,
            to: applied,
            lsn_to,
            rows: 0,
            deleted: 0,
            inserted: 0,
            run: self.engine.run.id,
            at: String::new(),
            instance: state.capture.map(|capture| capture.instance),
            diverged: why,
        };
        if let Err(fault) = self.log_and_truncate(line).await {
            self.forget_loader();
            self.warn(format!("the mark was not logged: {fault}")).await;
        }
    }
}
