//! The three systems as such: whether each answers, since when not, and how old its data are.

use jiff::Timestamp;

use crate::model::fault::FaultDocument;

/// One of the three.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum System {
    Source,
    Store,
    Target,
}

impl System {
    pub const ALL: [Self; 3] = [Self::Source, Self::Store, Self::Target];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "SQL Server",
            Self::Store => "S3",
            Self::Target => "Redshift",
        }
    }
}

/// A connection.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Link {
    /// When it answered last.
    pub good: Option<Timestamp>,
    /// It does not answer: since when, why, and how often it was tried.
    pub lost: Option<Lost>,
}

/// A connection that does not answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Lost {
    pub since: Timestamp,
    pub fault: FaultDocument,
    pub tries: u32,
}

/// All three.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Links {
    pub source: Link,
    pub store: Link,
    pub target: Link,
}

impl Links {
    #[must_use]
    pub fn of(&self, system: System) -> &Link {
        match system {
            System::Source => &self.source,
            System::Store => &self.store,
            System::Target => &self.target,
        }
    }

    /// One of them does not answer: what is known is not all of it, or old.
    #[must_use]
    pub fn any_lost(&self) -> bool {
        System::ALL.into_iter().any(|system| self.of(system).lost.is_some())
    }

    /// Takes over whether a system answered. Gives what an operator should be told: `false` when
    /// it was lost just now, `true` when it is back.
    pub fn note(&mut self, system: System, fault: Option<&FaultDocument>, now: Timestamp) -> Option<bool> {
        let link = match system {
            System::Source => &mut self.source,
            System::Store => &mut self.store,
            System::Target => &mut self.target,
        };
        let Some(fault) = fault else {
            link.good = Some(now);
            return link.lost.take().map(|_| true);
        };
        match &mut link.lost {
            Some(lost) => {
                lost.fault = fault.clone();
                lost.tries = lost.tries.saturating_add(1);
                None
            }
            none => {
                *none = Some(Lost { since: now, fault: fault.clone(), tries: 1 });
                Some(false)
            }
        }
    }

    /// Seconds until these systems are asked again: the more often one failed, the longer, up to a
    /// minute.
    #[must_use]
    pub fn patience(&self, systems: &[System]) -> i64 {
        let tries = systems.iter().copied().filter_map(|system| self.of(system).lost.as_ref()).map(|lost| lost.tries).max();
        tries.map_or(5, |tries| (5_i64 << tries.min(5).saturating_sub(1)).min(60))
    }
}
