//! Which of the places of a job are tried. All are counted.
//!
//! The short form takes every n-th place; scenarios that share a job each begin at another one.
//! Behind the end it goes back place by place to the last that there is, so that the count is
//! exact. With `D2R_EVERY_CUT=1` every place is tried.

/// The share of one scenario.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    stride: u32,
    first: u32,
}

impl Turn {
    pub const EVERY: Self = Self { stride: 1, first: 1 };

    /// The `nth` of scenarios that each take one of `stride` places.
    pub fn of(nth: u32, stride: u32) -> Self {
        if std::env::var_os("D2R_EVERY_CUT").is_some() { Self::EVERY } else { Self::sampled(nth, stride) }
    }

    fn sampled(nth: u32, stride: u32) -> Self {
        Self { stride, first: 1 + nth % stride }
    }
}

/// A walk over the places `1..`, whose number nobody knows beforehand.
pub struct Places {
    stride: u32,
    next: u32,
    /// The last place that a cut met.
    met: u32,
    /// The first that was found to be past the end.
    past: Option<u32>,
    tried: u32,
}

impl Places {
    pub fn new(turn: Turn) -> Self {
        Self { stride: turn.stride, next: turn.first, met: 0, past: None, tried: 0 }
    }

    /// The place to cut at, unless the end is known.
    pub fn next(&self) -> Option<u32> {
        match self.past {
            Some(past) => (past > self.met + 1).then_some(past - 1),
            None => Some(self.next),
        }
    }

    /// What became of the cut at [`Self::next`].
    pub fn tried(&mut self, happened: bool) {
        let Some(place) = self.next() else { return };
        if happened {
            (self.met, self.next) = (place, place + self.stride);
            self.tried += 1;
        } else {
            self.past = Some(place);
        }
    }

    /// How many places there are.
    pub fn counted(&self) -> u32 {
        assert!(self.next().is_none(), "the end was not reached");
        self.met
    }

    pub fn text(&self) -> String {
        format!("{} of {} places", self.tried, self.counted())
    }
}

fn walk(turn: Turn, places: u32) -> (Vec<u32>, u32) {
    let (mut walked, mut met) = (Places::new(turn), Vec::new());
    while let Some(place) = walked.next() {
        if place <= places {
            met.push(place);
        }
        walked.tried(place <= places);
    }
    (met, walked.counted())
}

#[test]
fn every_place_is_counted_and_the_scenarios_cover_them_together() {
    for places in 0..20 {
        assert_eq!(walk(Turn::EVERY, places), ((1..=places).collect(), places));
        for stride in 2..6 {
            let mut covered = std::collections::BTreeSet::new();
            for nth in 0..stride {
                let (met, counted) = walk(Turn::sampled(nth, stride), places);
                assert_eq!(counted, places, "{nth} of {stride}");
                covered.extend(met);
            }
            assert!(covered.into_iter().eq(1..=places));
        }
    }
}
