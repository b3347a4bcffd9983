//! What happened in this console, newest last, bounded.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::console::page::Tone;

const KEPT: usize = 2_000;

/// A line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub at: Timestamp,
    pub tone: Tone,
    pub text: String,
}

/// The log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Log {
    lines: VecDeque<Line>,
    /// Lines that ever came.
    pushed: u64,
}

impl Log {
    pub fn push(&mut self, at: Timestamp, tone: Tone, text: impl Into<String>) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { at, tone, text: text.into() });
        self.pushed += 1;
    }

    /// How many lines ever came: more than there are, once the oldest went.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Newest first.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.lines.iter().rev()
    }
}
