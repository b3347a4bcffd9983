//! Every action of the console: one list that feeds the keys, the footer, the help, the palette,
//! the action menu and the page of keys in the docs.

use super::order::Order;
use crate::model::order::Repeat;

/// What a key, a palette line or a menu line asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    // Moves.
    Down,
    Up,
    First,
    Last,
    PageDown,
    PageUp,
    HalfDown,
    HalfUp,
    Right,
    Left,
    NextMatch,
    PreviousMatch,
    Open,
    Back,
    NextTab,
    PreviousTab,
    // Views.
    Tables,
    Files,
    Redshift,
    Runs,
    Log,
    Setup,
    FullScreen,
    // Choosing.
    Filter,
    Problems,
    SortNext,
    SortReverse,
    Mark,
    MarkRange,
    MarkAll,
    Unmark,
    // Looking.
    Fault,
    Reveal,
    DryRun,
    Trace,
    Refresh,
    Freeze,
    Copy,
    Export,
    Pager,
    Bundle,
    History,
    // Orders.
    Extract,
    Load,
    Both,
    Retry,
    Cancel,
    Pause,
    EnableCdc,
    // Orders without a key of their own: menu and palette.
    Prepare,
    NewEpoch,
    Recover,
    Verify,
    Widen,
    Skip,
    TakeOver,
    AcceptSchema,
    Recapture,
    Release,
    TruncateStaging,
    Analyze,
    Vacuum,
    // The console itself.
    Unlock,
    Menu,
    Palette,
    Help,
    Profiles,
    Theme,
    Quit,
    Suspend,
}

/// What belongs together in the help.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Group {
    Change,
    Look,
    Choose,
    Move,
    Views,
    Console,
}

impl Group {
    pub const ALL: [Self; 6] = [Self::Change, Self::Look, Self::Choose, Self::Move, Self::Views, Self::Console];

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Change => "Change something: each asks first, but for a retry of a load or an extract",
            Self::Look => "Look",
            Self::Choose => "Choose",
            Self::Move => "Move",
            Self::Views => "Views",
            Self::Console => "Console",
        }
    }
}

/// All that is known of an action.
#[derive(Debug)]
pub struct Info {
    pub action: Action,
    /// As configuration and palette name it.
    pub name: &'static str,
    /// What it does, in a few words.
    pub help: &'static str,
    /// One word for the footer; empty: never there.
    pub hint: &'static str,
    /// Default keys, as crokey names them.
    pub keys: &'static [&'static str],
    pub group: Group,
}

const fn info(
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    hint: &'static str,
    help: &'static str,
    group: Group,
) -> Info {
    Info { action, name, help, hint, keys, group }
}

use Group::{Change, Choose, Console, Look, Move, Views};

/// Every action, in the order of the help.
pub const ACTIONS: &[Info] = &[
    info(Action::Extract, "extract", &["E"], "extract", "extract: new changes from SQL Server to S3", Change),
    info(Action::Load, "load", &["L"], "load", "load: from S3 into Redshift", Change),
    info(Action::Both, "both", &["B"], "both", "both: load what waits, extract, load", Change),
    info(Action::Retry, "retry", &["R"], "retry", "retry the step that failed", Change),
    info(Action::Cancel, "cancel", &["X"], "cancel", "cancel the job at its next safe point", Change),
    info(Action::Pause, "pause", &["P"], "pause", "pause the table, or resume it", Change),
    info(Action::EnableCdc, "enable-cdc", &["C"], "CDC", "walk through enabling CDC", Change),
    info(Action::Prepare, "prepare", &[], "", "prepare: target tables and first snapshot", Change),
    info(Action::NewEpoch, "new-snapshot", &[], "", "replace production by a new snapshot", Change),
    info(Action::Widen, "widen", &[], "", "widen the column that is too narrow", Change),
    info(Action::Skip, "skip", &[], "", "skip the batch that comes next", Change),
    info(Action::Recover, "recover", &[], "", "put in order what a crash left", Change),
    info(Action::Verify, "verify", &[], "", "compare production with the source", Change),
    info(Action::TakeOver, "take-over", &[], "", "take over a lease that nobody renews", Change),
    info(Action::AcceptSchema, "accept-schema", &[], "", "go on after DDL that left the captured columns alone", Change),
    info(Action::Recapture, "recapture", &[], "", "capture new columns too: another capture instance", Change),
    info(Action::Release, "release", &[], "", "release leases of your own", Change),
    info(Action::TruncateStaging, "truncate-staging", &[], "", "empty the staging table", Change),
    info(Action::Analyze, "analyze", &[], "", "refresh statistics of production", Change),
    info(Action::Vacuum, "vacuum", &[], "", "free room in production", Change),
    info(Action::Fault, "fault", &["e"], "fault", "the last fault: what it means, what to do", Look),
    info(Action::Reveal, "values", &["x"], "values", "show or hide the values of rows", Look),
    info(Action::DryRun, "dry-run", &["d"], "dry run", "what the next load would do", Look),
    info(Action::Trace, "trace", &["t"], "trace", "follow one key through all stations", Look),
    info(Action::Refresh, "refresh", &["ctrl-r"], "", "ask all three systems now", Look),
    info(Action::Freeze, "freeze", &["z"], "freeze", "freeze the screen, or let it go on", Look),
    info(Action::Copy, "copy", &["y"], "copy", "copy name, error, SQL, URI or command line", Look),
    info(Action::Export, "export", &["w"], "", "write the view as CSV or JSON", Look),
    info(Action::Pager, "pager", &["o"], "", "open the page in $PAGER", Look),
    info(Action::Bundle, "bundle", &[], "", "write an incident bundle", Look),
    info(Action::History, "history", &[], "", "what was changed from here", Look),
    info(Action::Filter, "filter", &["/"], "filter", "filter: words, state:failed lag>10m schema:dbo !archive", Choose),
    info(Action::Problems, "problems", &["!"], "problems", "only tables with problems", Choose),
    info(Action::SortNext, "sort", &["s"], "sort", "sort by the next column", Choose),
    info(Action::SortReverse, "sort-reverse", &["S"], "", "reverse the sort", Choose),
    info(Action::Mark, "mark", &["space"], "mark", "mark the table", Choose),
    info(Action::MarkRange, "mark-range", &["v"], "", "mark from here to the next v", Choose),
    info(Action::MarkAll, "mark-all", &["*"], "", "mark every filtered table", Choose),
    info(Action::Unmark, "unmark", &["u"], "", "clear all marks", Choose),
    info(Action::Down, "down", &["j", "down"], "", "one line down", Move),
    info(Action::Up, "up", &["k", "up"], "", "one line up", Move),
    info(Action::First, "first", &["g", "home"], "", "to the first line", Move),
    info(Action::Last, "last", &["G", "end"], "", "to the last line", Move),
    info(Action::PageDown, "page-down", &["pagedown"], "", "one page down", Move),
    info(Action::PageUp, "page-up", &["pageup"], "", "one page up", Move),
    info(Action::HalfDown, "half-down", &["ctrl-d"], "", "half a page down", Move),
    info(Action::HalfUp, "half-up", &["ctrl-u"], "", "half a page up", Move),
    info(Action::Right, "right", &["right", "l"], "", "of a wide page: one column to the right", Move),
    info(Action::Left, "left", &["left", "h"], "", "one column to the left", Move),
    info(Action::NextMatch, "next-problem", &["n"], "", "to the next table with a problem", Move),
    info(Action::PreviousMatch, "previous-problem", &["N"], "", "to the one before", Move),
    info(Action::Open, "open", &["enter"], "open", "open what the cursor is on", Move),
    info(Action::Back, "back", &["esc"], "back", "one step back; never quits", Move),
    info(Action::NextTab, "next-tab", &["tab", "]"], "tabs", "next side of the table", Move),
    info(Action::PreviousTab, "previous-tab", &["backtab", "["], "", "side before", Move),
    info(Action::Tables, "tables", &["1"], "", "all tables", Views),
    info(Action::Files, "files", &["2"], "", "what waits in S3", Views),
    info(Action::Redshift, "redshift", &["3"], "", "what Redshift holds and stages", Views),
    info(Action::Runs, "runs", &["4"], "", "who ran what", Views),
    info(Action::Log, "log", &["5"], "", "what happened in this console", Views),
    info(Action::Setup, "setup", &["6"], "", "enabling CDC, step by step", Views),
    info(Action::FullScreen, "full-screen", &["f"], "", "the list without the panel beside it", Views),
    info(Action::Menu, "menu", &["a"], "actions", "everything that can be done here", Console),
    info(Action::Palette, "palette", &[":", "ctrl-p"], "", "find an action, a view or a table", Console),
    info(Action::Help, "help", &["?"], "help", "this help", Console),
    info(Action::Unlock, "unlock", &["W"], "", "allow writing in a protected profile, or forbid it again", Console),
    info(Action::Profiles, "profiles", &["p"], "", "switch to another profile", Console),
    info(Action::Theme, "theme", &[], "", "next theme", Console),
    info(Action::Suspend, "suspend", &["ctrl-z"], "", "back to the shell; fg returns", Console),
    info(Action::Quit, "quit", &["q"], "quit", "quit; asks while a job runs", Console),
];

impl Action {
    /// What is known of it.
    #[must_use]
    pub fn info(self) -> &'static Info {
        // Each action has its line: a test counts them.
        ACTIONS.iter().find(|info| info.action == self).unwrap_or(&ACTIONS[0])
    }

    /// The order that it stands for. `paused`: of the table under the cursor.
    #[must_use]
    pub fn order(self, paused: bool) -> Option<Order> {
        Some(match self {
            Self::Extract => Order::Extract,
            Self::Load => Order::Load,
            Self::Both => Order::Sync,
            Self::Retry => Order::Retry { repeat: Repeat::Steps },
            Self::Pause if paused => Order::Resume,
            Self::Pause => Order::Pause { why: String::new() },
            Self::Prepare => Order::Prepare { new_epoch: false },
            Self::NewEpoch => Order::Prepare { new_epoch: true },
            Self::Recover => Order::Recover,
            Self::Verify => Order::Verify,
            Self::Widen => Order::Widen { column: None, to: None },
            Self::Skip => Order::Skip { batch: None, why: String::new() },
            Self::TakeOver => Order::TakeOver,
            Self::AcceptSchema => Order::AcceptSchema,
            Self::Recapture => Order::Recapture,
            Self::Release => Order::Release,
            Self::TruncateStaging => Order::TruncateStaging,
            Self::Analyze => Order::Analyze,
            Self::Vacuum => Order::Vacuum,
            _ => return None,
        })
    }

    /// The action with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ACTIONS.iter().find(|info| info.name == name).map(|info| info.action)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_actions_stand_once() {
        let names: BTreeSet<_> = ACTIONS.iter().map(|info| info.name).collect();
        let actions: BTreeSet<_> = ACTIONS.iter().map(|info| info.action).collect();
        assert_eq!((names.len(), actions.len()), (ACTIONS.len(), ACTIONS.len()));
        assert_eq!(Action::Suspend.info().action, Action::Suspend);
    }

    #[test]
    fn only_the_short_list_of_shift_letters_can_change_a_system() {
        let listed: BTreeSet<&str> = ["E", "L", "B", "R", "X", "P", "C"].into();
        let keys: BTreeSet<&str> = ACTIONS.iter().filter(|info| info.group == Group::Change).flat_map(|info| info.keys).copied().collect();
        assert_eq!(keys, listed);
    }
}
