//! Exit codes: 0 done or nothing to do, 1 failed, 2 usage or configuration, 3 somebody else holds
//! the lease, 4 needs a human. Of several tables the worst counts: 2, then 4, 1, 3, 0.

use crate::model::Fault;
use crate::model::fault::Class;

pub const DONE: u8 = 0;
pub const FAILED: u8 = 1;
pub const CONFIG: u8 = 2;
pub const BUSY: u8 = 3;
pub const HUMAN: u8 = 4;

#[must_use]
pub fn of(fault: &Fault) -> u8 {
    of_class(fault.class())
}

#[must_use]
pub fn of_class(class: Class) -> u8 {
    match class {
        Class::Config => CONFIG,
        Class::Busy => BUSY,
        Class::Human => HUMAN,
        Class::Transient | Class::Failed => FAILED,
    }
}

/// The worst of several.
#[must_use]
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    const ORDER: [u8; 5] = [CONFIG, HUMAN, FAILED, BUSY, DONE];
    let rank = |code: &u8| ORDER.iter().position(|other| other == code).unwrap_or(0);
    codes.into_iter().min_by_key(rank).unwrap_or(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_code_counts() {
        assert_eq!(worst([]), DONE);
        assert_eq!(worst([DONE, BUSY]), BUSY);
        assert_eq!(worst([BUSY, FAILED, DONE]), FAILED);
        assert_eq!(worst([FAILED, HUMAN]), HUMAN);
        assert_eq!(worst([HUMAN, CONFIG, FAILED]), CONFIG);
    }
}
