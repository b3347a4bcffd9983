//! Orders: everything that the console can change, and how dangerous each is.

use super::seam::Place;
use crate::model::order::Repeat;
use crate::model::typed::shell;
use crate::model::{Seq, TableName};

/// Something that changes a system, given for one or more tables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Order {
    Extract,
    Load,
    /// Load what waits, extract, load again.
    Sync,
    /// The step that failed last. `repeat`: what of it the operator was told.
    Retry {
        repeat: Repeat,
    },
    Pause {
        why: String,
    },
    Resume,
    /// Opens the first epoch, or with `new_epoch` another one: production is replaced.
    Prepare {
        new_epoch: bool,
    },
    Recover,
    Verify,
    /// Frees a lease that nobody renews.
    TakeOver,
    /// DDL that left the captured columns readable as before.
    AcceptSchema,
    /// Another capture instance, with the columns that the table got since.
    Recapture,
    /// Frees the leases of this machine's processes that ended.
    Release,
    /// Leaves one batch out.
    Skip {
        batch: Option<Seq>,
        why: String,
    },
    /// Widens a column, then loads.
    Widen {
        column: Option<String>,
        to: Option<u32>,
    },
    TruncateStaging,
    Analyze,
    Vacuum,
    /// Switches CDC on for the database and the tables.
    Enable {
        role: Option<String>,
    },
}

/// How much stands between a key and what it does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Danger {
    /// Idempotent: runs at once, outside protected profiles.
    Retry,
    /// A sheet says what will happen; `y` runs it.
    Sheet,
    /// A name must be typed.
    Typed,
}

/// More tables at once than this ask for a typed word.
pub const MANY: usize = 50;

impl Order {
    /// As the command line calls it.
    #[must_use]
    pub fn command(&self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Load => "load",
            Self::Sync => "sync",
            Self::Retry { .. } => "retry",
            Self::Pause { .. } => "pause",
            Self::Resume => "resume",
            Self::Prepare { .. } => "prepare",
            Self::Recover => "recover",
            Self::Verify => "verify",
            Self::TakeOver | Self::Release => "lease",
            Self::Skip { .. } => "skip",
            Self::AcceptSchema => "accept-schema",
            Self::Recapture => "recapture",
            Self::Widen { .. } => "widen",
            Self::TruncateStaging | Self::Analyze | Self::Vacuum => "maintain",
            Self::Enable { .. } => "enable",
        }
    }

    /// For a title, as in `Extract`.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::Extract => "Extract",
            Self::Load => "Load",
            Self::Sync => "Extract and load",
            Self::Retry { .. } => "Retry the failed step",
            Self::Pause { .. } => "Pause",
            Self::Resume => "Resume",
            Self::Prepare { new_epoch: false } => "Prepare",
            Self::Prepare { new_epoch: true } => "Replace by a new snapshot",
            Self::Recover => "Recover",
            Self::Verify => "Verify",
            Self::TakeOver => "Take over the lease",
            Self::Release => "Release own leases",
            Self::Skip { .. } => "Skip a batch",
            Self::AcceptSchema => "Go on after DDL",
            Self::Recapture => "Capture new columns",
            Self::Widen { .. } => "Widen a column",
            Self::TruncateStaging => "Empty staging",
            Self::Analyze => "Analyze",
            Self::Vacuum => "Vacuum",
            Self::Enable { .. } => "Enable CDC",
        }
    }

    /// What it does, in one sentence, with the kind of its SQL.
    #[must_use]
    pub fn does(&self) -> &'static str {
        match self {
            Self::Extract => "Reads new changes from SQL Server (SELECT only) and writes change files to S3.",
            Self::Load => "COPY into staging, then delete and insert into production in one transaction.",
            Self::Sync => "Loads what waits in S3, extracts new changes, and loads these.",
            Self::Retry { repeat: Repeat::Steps } => "Runs the load or extract that failed last once more. Repeating it is safe.",
            Self::Retry { repeat: Repeat::Prepare } => "Gives the prepare that failed once more, then what else failed.",
            Self::Retry { repeat: Repeat::NewEpoch } => {
                "Gives the prepare --new-epoch that failed once more: the load after it deletes every row of production and inserts the snapshot."
            }
            Self::Pause { .. } => "Nobody extracts or loads the table until it is resumed. Jobs at work stop after their batch.",
            Self::Resume => "Lets a paused table go on.",
            Self::Prepare { new_epoch: false } => {
                "Creates what is missing (CREATE TABLE in Redshift) and takes the first snapshot into S3."
            }
            Self::Prepare { new_epoch: true } => {
                "Takes a new snapshot; the next load deletes every row of production and inserts the snapshot."
            }
            Self::Recover => "Applies what is staged, loads what is recorded, completes the log, and deletes what nobody needs.",
            Self::Verify => "Reads both sides and compares them. Sets or clears the mark `diverged`.",
            Self::TakeOver => "Watches the lease for 60 s and frees it if nobody renews it.",
            Self::Release => "Frees leases of processes of yours on this machine that have ended.",
            Self::Skip { .. } => "Production goes on without the rows of one batch, and counts as diverged.",
            Self::AcceptSchema => "The stream goes on with the columns as they are now, without another snapshot. Writes one record to S3.",
            Self::Recapture => {
                "Makes another capture instance (sys.sp_cdc_enable_table) beside the one that is read. A new snapshot goes over to it."
            }
            Self::Widen { .. } => "ALTER TABLE in production and staging, then load again what was refused.",
            Self::TruncateStaging => "TRUNCATE of the staging table; refused while rows in it wait to be applied.",
            Self::Analyze => "Refreshes the planner's statistics of production (ANALYZE).",
            Self::Vacuum => "Frees the room of deleted rows of production and sorts it (VACUUM).",
            Self::Enable { .. } => "Switches CDC on for the database and for the tables (sys.sp_cdc_enable_db, sys.sp_cdc_enable_table).",
        }
    }

    /// How dangerous it is for so many tables.
    #[must_use]
    pub fn danger(&self, tables: usize, protected: bool) -> Danger {
        match self {
            Self::Prepare { new_epoch: true } | Self::Retry { repeat: Repeat::NewEpoch } | Self::Skip { .. } | Self::TruncateStaging => {
                Danger::Typed
            }
            _ if tables > MANY => Danger::Typed,
            Self::Retry { repeat: Repeat::Steps } if !protected => Danger::Retry,
            _ => Danger::Sheet,
        }
    }

    /// Only for one table at a time.
    #[must_use]
    pub fn is_single(&self) -> bool {
        matches!(self, Self::Skip { .. } | Self::Widen { .. } | Self::AcceptSchema | Self::Recapture)
    }

    /// Needs a reason in words.
    #[must_use]
    pub fn wants_reason(&self) -> bool {
        matches!(self, Self::Skip { .. } | Self::Pause { .. })
    }

    /// Gives it the reason that was asked for.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        let why = reason.to_owned();
        match self {
            Self::Skip { batch, .. } => Self::Skip { batch, why },
            Self::Pause { .. } => Self::Pause { why },
            other => other,
        }
    }

    /// The command line that does the same, with the same configuration and profile.
    #[must_use]
    pub fn command_line(&self, tables: &[TableName], place: &Place) -> String {
        let mut words = vec!["db-to-redshift".to_owned(), self.command().to_owned()];
        if let Self::TruncateStaging | Self::Analyze | Self::Vacuum = self {
            words.push(match self {
                Self::TruncateStaging => "truncate-staging".into(),
                Self::Analyze => "analyze".into(),
                _ => "vacuum".into(),
            });
        }
        words.extend(place.config.as_ref().map(|path| format!("--config {}", shell(&path.display().to_string()))));
        if place.profile != "default" && !place.profile.is_empty() {
            words.push(format!("--profile {}", shell(&place.profile)));
        }
        words.extend(tables.iter().map(|table| format!("--table {table:#}")));
        match self {
            Self::Pause { why } => words.push(format!("--reason {}", shell(why))),
            Self::Prepare { new_epoch: true } => words.push("--new-epoch".into()),
            Self::TakeOver => words.push("--take-over --confirm".into()),
            Self::AcceptSchema | Self::Recapture => words.push("--confirm".into()),
            Self::Release => words.push("--release".into()),
            Self::Skip { batch: Some(batch), why } => {
                let table = tables.first().map(ToString::to_string).unwrap_or_default();
                words.push(format!("--batch {batch} --confirm {} --reason {}", shell(&table), shell(why)));
            }
            Self::Widen { column, to } => {
                words.extend(column.as_ref().map(|column| format!("--column {}", shell(column))));
                words.extend(to.map(|to| format!("--to {to}")));
                words.push("--confirm".into());
            }
            Self::Enable { role: Some(role) } => words.push(format!("--role {}", shell(role))),
            _ => {}
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replaces_or_loses_rows_asks_for_a_typed_name() {
        assert_eq!(Order::Prepare { new_epoch: true }.danger(1, false), Danger::Typed);
        assert_eq!(Order::Skip { batch: None, why: String::new() }.danger(1, false), Danger::Typed);
        assert_eq!(Order::Load.danger(MANY + 1, false), Danger::Typed);
        let retry = |repeat, protected| Order::Retry { repeat }.danger(3, protected);
        assert_eq!(retry(Repeat::Steps, false), Danger::Retry);
        assert_eq!(retry(Repeat::Steps, true), Danger::Sheet, "a protected profile always shows the sheet");
        assert_eq!(retry(Repeat::Prepare, false), Danger::Sheet);
        assert_eq!(retry(Repeat::NewEpoch, false), Danger::Typed, "as a new snapshot itself");
        assert_eq!(Order::Load.danger(1, false), Danger::Sheet);
    }

    #[test]
    fn an_order_has_its_command_line() {
        let table = TableName::new("dbo", "it's");
        let order = Order::Widen { column: Some("Name".into()), to: Some(600) };
        let mut place = Place { profile: "prod".into(), ..Place::default() };
        assert_eq!(
            order.command_line(std::slice::from_ref(&table), &place),
            r"db-to-redshift widen --profile 'prod' --table 'dbo.it'\''s' --column 'Name' --to 600 --confirm"
        );
        place = Place { profile: "default".into(), config: Some("/etc/d2r/new one.toml".into()), ..place };
        assert_eq!(
            Order::Load.command_line(&[table], &place),
            r"db-to-redshift load --config '/etc/d2r/new one.toml' --table 'dbo.it'\''s'",
            "with the file that the console was started with"
        );
    }
}
