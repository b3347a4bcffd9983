//! Clean-up of change history on the source (section 6 of the protocol). Never fails a job: what
//! cannot be cleaned up is a warning.

use crate::config::CleanUpPolicy;
use crate::engine::Engine;
use crate::engine::event::Job;
use crate::engine::extract::stream::Stream;
use crate::model::{Epoch, Fault, Lsn, TableName};
use crate::source::{CleanUp, Source};
use crate::store::{ChangeStore, ETag};
use crate::target::Target;

/// Marks that are tried while the mapping moves.
const CHOICES: u32 = 3;

/// What must not change while a mark is chosen (rule C2).
#[derive(PartialEq, Eq)]
struct Quiet {
    control: Option<ETag>,
    epoch: Epoch,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Policy `after-extract`: everything that is recorded may go.
    pub(crate) async fn clean_up_after_extract(&self, stream: &Stream) {
        if self.settings.source.cleanup == CleanUpPolicy::AfterExtract {
            let instance = &stream.head.capture.instance;
            let cleaned = self.clean_up(&stream.table, instance, stream.epoch, stream.head.lsn_to).await;
            self.tell_clean_up(Job::Extract, &stream.table, cleaned).await;
        }
    }

    /// Policy `after-load`: everything that production holds may go.
    pub(crate) async fn clean_up_after_load(&self, table: &TableName, instance: &str, epoch: Epoch, applied: Lsn) {
        if self.settings.source.cleanup == CleanUpPolicy::AfterLoad {
            let cleaned = self.clean_up(table, instance, epoch, applied).await;
            self.tell_clean_up(Job::Load, table, cleaned).await;
        }
    }

    async fn tell_clean_up(&self, job: Job, table: &TableName, cleaned: Result<Option<Lsn>, Fault>) {
        match cleaned {
            Ok(Some(mark)) => self.events.note(job, table, format!("change history below {mark} was cleaned up")).await,
            Ok(None) => {}
            Err(fault) => self.events.warn(job, table, format!("change history was not cleaned up: {fault}")).await,
        }
    }

    async fn clean_up(&self, table: &TableName, instance: &str, epoch: Epoch, limit: Lsn) -> Result<Option<Lsn>, Fault> {
        for _ in 0..CHOICES {
            let before = self.quiet(table).await?;
            let Some(mark) = self.source.clean_up_mark(limit).await? else { return Ok(None) };
            // An intent, another epoch or a changed control object: somebody builds on what lies below.
            if before.as_ref().is_none_or(|quiet| quiet.epoch != epoch) || self.quiet(table).await? != before {
                return Ok(None);
            }
            fail_point!("cleanup.before");
            let cleaned = self.source.clean_up(instance, mark).await?;
            fail_point!("cleanup.after");
            match cleaned {
                CleanUp::Done => return Ok(Some(mark)),
                CleanUp::AlreadyDone => return Ok(None),
                CleanUp::ChooseAgain => {}
            }
        }
        Ok(None)
    }

    /// `None` while an intent stands or no epoch is open.
    async fn quiet(&self, table: &TableName) -> Result<Option<Quiet>, Fault> {
        let control = self.store.control(table).await?;
        let epoch = self.store.current_epoch(table).await?;
        // An intent is void once its epoch has a record 0.
        let intent = control.as_ref().and_then(|(control, _)| control.intent.as_ref()).map(|intent| intent.epoch);
        let stands = |epoch: &Epoch| intent.is_some_and(|intent| intent > *epoch);
        Ok(epoch.filter(|epoch| !stands(epoch)).map(|epoch| Quiet { control: control.map(|(_, etag)| etag), epoch }))
    }
}
