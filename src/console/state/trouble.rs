//! What is wrong with a table: its word, its sign, and where it stands in the list.

use crate::console::page::Tone;
use crate::model::status::Verdict;

/// What to look at first: the order is the order of the list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Trouble {
    /// Its last job failed.
    Failed,
    Gap,
    Diverged,
    Stuck,
    Lagging,
    Running,
    Unknown,
    Staged,
    Pending,
    Behind,
    NotPrepared,
    Paused,
    NotTracked,
    Ok,
}

impl Trouble {
    #[must_use]
    pub fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Unknown => Self::Unknown,
            Verdict::Diverged => Self::Diverged,
            Verdict::Gap => Self::Gap,
            Verdict::Lagging => Self::Lagging,
            Verdict::Paused => Self::Paused,
            Verdict::NotTracked => Self::NotTracked,
            Verdict::NotPrepared => Self::NotPrepared,
            Verdict::Stuck => Self::Stuck,
            Verdict::Staged => Self::Staged,
            Verdict::Pending => Self::Pending,
            Verdict::Behind => Self::Behind,
            Verdict::Current => Self::Ok,
        }
    }

    /// Somebody should do something.
    #[must_use]
    pub fn is_problem(self) -> bool {
        self <= Self::Lagging
    }

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Gap => "GAP",
            Self::Diverged => "DIVERGED",
            Self::Stuck => "STUCK",
            Self::Lagging => "LAGGING",
            Self::Running => "running",
            Self::Unknown => "unknown",
            Self::Staged => "staged",
            Self::Pending => "pending",
            Self::Behind => "behind",
            Self::NotPrepared => "not prepared",
            Self::Paused => "paused",
            Self::NotTracked => "no CDC",
            Self::Ok => "ok",
        }
    }

    /// As a filter names it.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Ok => "current",
            Self::NotTracked => "untracked",
            Self::NotPrepared => "unprepared",
            _ => "",
        }
    }

    /// Its sign, and the same in ASCII.
    #[must_use]
    pub fn glyph(self, ascii: bool) -> &'static str {
        let (unicode, plain) = match self {
            Self::Failed => ("✗", "x"),
            Self::Gap => ("⊘", "G"),
            Self::Diverged => ("≠", "D"),
            Self::Stuck => ("■", "#"),
            Self::Lagging => ("▲", "^"),
            Self::Running => ("▶", ">"),
            Self::Unknown => ("?", "?"),
            Self::Staged | Self::Pending | Self::Behind => ("•", "."),
            Self::NotPrepared | Self::NotTracked => ("○", "o"),
            Self::Paused => ("‖", "="),
            Self::Ok => ("✓", "+"),
        };
        if ascii { plain } else { unicode }
    }

    #[must_use]
    pub fn tone(self) -> Tone {
        match self {
            Self::Failed | Self::Gap | Self::Diverged => Tone::Bad,
            Self::Stuck | Self::Lagging => Tone::Warn,
            Self::Running | Self::Staged => Tone::Busy,
            Self::Pending | Self::Behind => Tone::Plain,
            Self::Unknown | Self::NotPrepared | Self::Paused | Self::NotTracked => Tone::Dim,
            Self::Ok => Tone::Good,
        }
    }
}
