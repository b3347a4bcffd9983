//! Runs: who ran what, and how it ended. (Control and leases are plain conditional objects.)

use std::collections::HashMap;

use futures::{FutureExt as _, StreamExt as _, future, stream};
use jiff::civil::Date;

use super::S3Store;
use super::conditional::write_json;
use crate::model::Fault;
use crate::model::control::RunRecord;
use crate::store::ChangeStore as _;

/// Runs that are read at once.
const AT_ONCE: usize = 16;

/// Lines of tables, of all runs together, after which no further run is read: a run over 10,000
/// tables has as many, and they are held in memory.
const LINES: usize = 100_000;

impl S3Store {
    pub(super) async fn write_run(&self, run: &RunRecord) -> Result<(), Fault> {
        let key = self.keys.run(run);
        self.put_object(&key, write_json(&key, run)?, "application/json").await
    }

    /// Whole days at a time: the folder of a day says when its runs began.
    pub(super) async fn delete_old_runs(&self, before: Date) -> Result<usize, Fault> {
        let root = self.keys.runs();
        let mut deleted = 0;
        for folder in self.list_folders(&root).await? {
            let day = folder.strip_prefix(&root).and_then(|day| day.trim_end_matches('/').parse::<Date>().ok());
            // A folder of another name is not of this program's making.
            if day.is_none_or(|day| day >= before) {
                continue;
            }
            let keys: Vec<String> = self.list(&folder, None).await?.into_iter().map(|object| object.key).collect();
            self.delete(&keys).await?;
            deleted += keys.len();
        }
        Ok(deleted)
    }

    /// Goes back day by day until enough are found.
    pub(super) async fn newest_runs(&self, most: usize, known: &[RunRecord]) -> Result<Vec<RunRecord>, Fault> {
        let ended: HashMap<String, &RunRecord> =
            known.iter().filter(|run| run.finished.is_some()).map(|run| (self.keys.run(run), run)).collect();
        let (mut found, mut lines) = (Vec::new(), 0);
        for day in self.list_folders(&self.keys.runs()).await?.into_iter().rev() {
            if found.len() >= most || lines >= LINES {
                break;
            }
            let mut listed = self.list(&day, None).await?;
            // A run is written when it begins and when it ends, so the newest are near the end.
            listed.sort_by_key(|object| std::cmp::Reverse(object.modified.map(|at| (at.secs(), at.subsec_nanos()))));
            let read = listed.into_iter().take(most - found.len()).map(|object| match ended.get(&object.key) {
                Some(run) => future::ready(Ok::<_, Fault>(Some((*run).clone()))).left_future(),
                None => async move { Ok(self.get_json(&object.key).await?.map(|(run, _): (RunRecord, _)| run)) }.right_future(),
            });
            let mut read = stream::iter(read).buffered(AT_ONCE);
            while lines < LINES
                && let Some(run) = read.next().await
            {
                // One that was deleted meanwhile is none.
                if let Some(run) = run? {
                    lines += run.tables.len();
                    found.push(run);
                }
            }
        }
        found.sort_by_key(|run| std::cmp::Reverse(run.by.since));
        Ok(found)
    }
}
